"""A disk that fills up in mid-write: one line that says so, and nothing half-written."""

import os
import subprocess
from functools import partial

import numpy as np
import pytest
from made import LABELS, SETTINGS, WORKFLOW, command, held_out_study, training_arguments

from tap2key.core.errors import Tap2keyError
from tap2key.core.files import atomic_file
from tap2key.core.folders import atomic_folder
from tap2key.segmentation.taps import TAPS_NAME, WINDOWS_NAME, WindowWriter, write_taps

# A private mount, gone with its process; what is left on the disk is listed after the stage.
ON_SMALL_DISK = """
mount -t tmpfs -o size=$1 tmpfs "$2" || exit 99
disk=$2; shift 2
"$@"; status=$?
find "$disk" -mindepth 1 -not -name '*.lock' -printf 'left: %P\\n'
exit $status
"""
NAMESPACE = ["unshare", "--mount", *(["--map-root-user"] if os.getuid() else [])]


def on_small_disk(disk, size, arguments):
    return subprocess.run(
        [*NAMESPACE, "bash", "-c", ON_SMALL_DISK, "bash", size, str(disk), *command(*arguments)],
        cwd=WORKFLOW,
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return held_out_study(tmp_path_factory.mktemp("study"), taps=96)


def made(stage, data, disk, tmp_path):
    """A stage's arguments with its output on the disk, and how large the disk is."""
    folder, training, _ = data
    fitting = ["--fold", folder, "--datasets", *training, "--seed", 0, "--output", disk / "model"]
    if stage == "encode":
        taps = taps_folder(tmp_path / "taps")
        return "64k", ["encode", "--taps", taps, "--output", disk / "data"]
    if stage == "fold":
        given = ["--held-out", "Ana", "--datasets", *training]
        return "8k", ["fold", *given, "--output", disk / "fold"]
    if stage == "baseline":
        return "64k", ["baseline", *fitting, "--kind", "level_forest", "--trees", 50]
    settings = {"training": {**SETTINGS["training"], "epochs": 1}}
    root = {"train": disk, "publish": tmp_path}[stage]
    arguments = training_arguments(folder, training, root, **settings)
    if stage == "publish":
        arguments[arguments.index("--output") + 1] = disk / "model"
    return "16k", ["train", *arguments]


def taps_folder(folder, count=20):
    """A session's taps and windows, as the segment stage writes them."""
    folder.mkdir()
    with (folder / WINDOWS_NAME).open("wb") as handle:
        writer = WindowWriter(handle)
        for window in np.random.default_rng(0).standard_normal((count, 8, 8192)):
            writer.write(window)
        windows_hash = writer.finish()
    whose = {"participant": "Ana", "session": "s1", "recording": "r1", "label": "a"}
    rows = [{**whose, "tap": tap, "x": 1.0, "y": 1.0} for tap in range(count)]
    write_taps(folder / TAPS_NAME, rows, windows_hash, LABELS)
    return folder


@pytest.mark.parametrize("stage", ["encode", "fold", "train", "publish", "baseline"])
def test_a_full_disk_is_one_line_and_nothing_is_left(stage, data, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    size, arguments = made(stage, data, disk, tmp_path)
    result = on_small_disk(disk, size, arguments)
    assert result.returncode == 1, result.stderr
    assert "Traceback" not in result.stderr
    error = result.stderr.splitlines()[-1]
    assert error.startswith(f"tap2key: error: {disk}")
    assert error.endswith(": cannot be written, the disk is full; free some space and start again")
    left = {line.removeprefix("left: ") for line in result.stdout.splitlines()}
    # The folder of this run's checkpoints may stay, empty.
    assert {name for name in left if "checkpoint-" in name or ".tmp" in name} == set()
    assert not left & {"model", "fold", "data"}


def test_another_error_stays_what_it_is(tmp_path):
    for context in (atomic_file, partial(atomic_folder, stage="fold")):
        with pytest.raises(OSError, match="no luck"), context(tmp_path / "x"):
            raise OSError("no luck")
        with pytest.raises(Tap2keyError, match="disk is full"), context(tmp_path / "x"):
            raise OSError(28, "No space left on device")
    assert list(tmp_path.iterdir()) == []
