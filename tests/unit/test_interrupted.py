"""Signals and changed numbers of processes, on plain processes without SLURM."""

import signal
import subprocess
import time

import numpy as np
import psutil
import pytest
from made import (
    EVERYBODY,
    SETTINGS,
    SHAPE,
    WORKFLOW,
    command,
    held_out_study,
    run,
    training_arguments,
)
from safetensors.numpy import load_file

from tap2key.core.files import read_tsv
from tap2key.training.checkpoints import COMPLETE, last_complete_checkpoint

EPOCHS = 40
LONG = {"training": {**SETTINGS["training"], "epochs": EPOCHS, "evaluate_every": 4}}
# Dropout draws other numbers in each process.
STEADY = {
    "model": {
        "checkpoint": None,
        "config_overrides": SHAPE
        | {f"{kind}_dropout": 0.0 for kind in ("hidden", "attention", "activation", "final")}
        | {"feat_proj_dropout": 0.0},
    }
}
SECONDS = 300


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return held_out_study(tmp_path_factory.mktemp("study"), EVERYBODY[:3], taps=96)[:2]


def launched(processes, *arguments):
    return ["launch", "--processes", processes, "--threads", processes, "--", *arguments]


def interrupted(arguments, root, number):
    """Signal every process of a training that has just written a checkpoint, as SLURM does."""
    with subprocess.Popen(
        command(*arguments),
        cwd=WORKFLOW,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        deadline = time.monotonic() + SECONDS
        while not list(root.glob(f"checkpoints/*/checkpoint-*/{COMPLETE}")):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)
        tree = psutil.Process(process.pid)
        for one in (tree, *tree.children(recursive=True)):
            one.send_signal(number)
        _, errors = process.communicate(timeout=SECONDS)
    return process.returncode, errors


def steps_done(root):
    (checkpoints,) = (p for p in (root / "checkpoints").iterdir() if p.is_dir())
    newest = last_complete_checkpoint(checkpoints)
    return int(newest.rsplit("-", 1)[1])


@pytest.mark.parametrize(
    ("processes", "number"), [(1, signal.SIGTERM), (1, signal.SIGUSR1), (2, signal.SIGTERM)]
)
def test_a_signal_gives_a_checkpoint_and_no_model(data, tmp_path, processes, number):
    arguments = launched(processes, *training_arguments(*data, tmp_path, **LONG))
    status, errors = interrupted(arguments, tmp_path, number)
    assert status != 0
    assert f"{number.name}: training stopped at step {steps_done(tmp_path)} of" in errors
    assert not (tmp_path / "model").exists()


@pytest.mark.slow
def test_a_changed_number_of_processes_goes_on_with_the_same_batches(data, tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    one = run(*launched(1, *training_arguments(*data, whole, **LONG, **STEADY)), timeout=SECONDS)
    assert one.returncode == 0, one.stderr
    started = launched(2, *training_arguments(*data, broken, **LONG, **STEADY))
    status, errors = interrupted(started, broken, signal.SIGUSR1)
    assert status != 0, errors
    before = steps_done(broken)
    again = run(*launched(1, *training_arguments(*data, broken, **LONG, **STEADY)), timeout=SECONDS)
    assert again.returncode == 0, again.stderr
    assert "epoch 4 of" not in again.stderr
    rows, expected = (read_tsv(root / "model" / "history.tsv") for root in (broken, whole))
    assert 0 < before < int(expected[-1]["step"])
    assert [row["step"] for row in rows] == [row["step"] for row in expected]
    found, same = (load_file(r / "model" / "model.safetensors") for r in (broken, whole))
    for name, values in same.items():
        # Added alike to all scores of a query: its gradient is rounding error, made large by Adam.
        if not name.endswith("k_proj.bias"):
            np.testing.assert_allclose(found[name], values, rtol=0, atol=1e-4, err_msg=name)
