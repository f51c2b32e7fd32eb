"""What tests/gpu/run starts and prints, which itself needs a GPU and minutes."""

import argparse
import json
import re
import sys
from itertools import pairwise

import pytest
from gpu import measure, timed_training
from made import held_out_study, training_arguments

from tap2key.config.arguments import settings_of
from tap2key.config.stage_settings import NETWORK
from tap2key.datasets.crops import cut_of
from tap2key.datasets.encoding import Encoding
from tap2key.models.wav2vec2 import build_classifier
from tap2key.training import train, training_run

MEASURED = {"windows_per_s": 1234.4, "memory_bytes": 3 * 2**29, "utilisation": 0.5, "loading": 0.25}
FOLD = ["--fold", "fold", "--datasets", "Bo", "Chen"]


@pytest.fixture
def machine(tmp_path):
    return measure.Machine(tmp_path, False, 1e12)


@pytest.fixture(params=[True, False], ids=["small", "whole"])
def cases(request):
    return {
        name: measure.Case(name, settings, FOLD)
        for name, settings in measure.experiments(request.param).items()
    }


@pytest.mark.parametrize("precision", measure.PRECISIONS)
def test_the_training_stage_takes_the_arguments_and_finds_the_settings(cases, tmp_path, precision):
    parser = argparse.ArgumentParser()
    train.add_arguments(parser)
    for case in cases.values():
        args = parser.parse_args(case.arguments(precision, tmp_path, 5))
        found = settings_of(args, "experiment", NETWORK)
        assert found["training"]["precision"] == precision
        assert found["training"]["epochs"] == 5
        assert found["model"] == case.settings["model"]
        assert found["augmentation"] == case.settings["augmentation"]


def test_the_full_size_network_has_the_base_models_size_and_nothing_random():
    settings = measure.experiments(small=False)["wav2vec2-base"]
    encoding = Encoding("interleave", 16_000)
    model = build_classifier(settings, ["a", "b"], encoding, cut_of(encoding, 512, None, None))
    assert sum(weight.numel() for weight in model.parameters()) == pytest.approx(95e6, rel=0.01)
    random = [name for name in model.config.to_dict() if name.endswith(("dropout", "layerdrop"))]
    assert {getattr(model.config, name) for name in random} <= {0.0}


def test_training_is_launched_with_a_gpu_for_each_process(cases, tmp_path):
    machine = measure.Machine(tmp_path, True, 1e12)
    command = machine.launched(cases["pairs-waves-48000"], tmp_path, processes=2)
    launch = command[: command.index("--")]
    assert {"--gpu", "--processes=2"} <= set(launch)
    assert "--gpu" not in machine.on_cpu.launched(cases["pairs-waves-48000"], tmp_path)
    assert machine.on_cpu.environment["CUDA_VISIBLE_DEVICES"] == ""


def test_speed_is_that_of_the_windows_between_evaluations(monkeypatch, tmp_path):
    data = held_out_study(tmp_path, taps=96)
    measured = tmp_path / "measured.json"
    arguments = training_arguments(data.fold, data.training, tmp_path)
    monkeypatch.setattr(sys, "argv", ["", str(measured), *map(str, arguments)])
    monkeypatch.setattr(training_run, "Bookkeeping", training_run.Bookkeeping)
    monkeypatch.setattr(timed_training, "STRETCHES", timed_training.Stretches())
    assert timed_training.main() == 0
    stretches = timed_training.STRETCHES.done
    rows = json.loads((data.fold / "fold.json").read_text())["taps"]["train"]
    # Whole batches of 16, in each of six epochs.
    assert [stretch.windows for stretch in stretches] == 6 * [-(-rows // 16) * 16]
    assert all(a.ended <= b.begun for a, b in pairwise(stretches))
    found = json.loads(measured.read_text())
    assert 0 < found["loading"] < 1
    seconds = sum(stretch.ended - stretch.begun for stretch in stretches[1:])
    assert found["windows_per_s"] == pytest.approx(
        sum(stretch.windows for stretch in stretches[1:]) / seconds
    )
    assert (found["memory_bytes"], found["utilisation"]) == (None, None)


def test_what_takes_too_long_is_ended_and_said(cases, tmp_path):
    machine = measure.Machine(tmp_path, False, 0)
    assert machine.timed(cases["pairs-waves-48000"], "fp32") == measure.NO_TIME
    check = measure.resumes(machine, cases["pairs-waves-48000"], [1.0])
    assert (check.passed, check.said) == (False, measure.NO_TIME)


@pytest.mark.parametrize(
    ("log", "gpu", "passed"),
    [
        ("x\ntap2key: error: launch.processes 2: each needs a GPU\nRootCause", True, True),
        ("tap2key: error: launch.processes 2: each needs a GPU", False, False),
        ("RuntimeError: CUDA error: invalid device ordinal", True, False),
    ],
)
def test_two_processes_on_one_gpu_are_to_be_refused_in_words(
    monkeypatch, cases, tmp_path, log, gpu, passed
):
    def fails(machine, command, path):
        path.parent.mkdir(parents=True)
        path.write_text(log)
        return 1

    monkeypatch.setattr(measure.Machine, "run", fails)
    machine = measure.Machine(tmp_path, gpu, 1e12)
    assert measure.two_processes(machine, cases["pairs-waves-48000"], [1.0]).passed == passed


def test_losses_too_far_from_the_cpus_fail_and_all_is_told(monkeypatch, cases, machine):
    monkeypatch.setattr(measure, "cases", lambda *_: list(cases.values()))
    for name in ("resumes", "two_processes"):
        monkeypatch.setattr(measure, name, lambda *_, name=name: measure.Check(name, True, "ok"))

    def timed(machine, case, precision, epochs=None):
        if case.name == "wav2vec2-base" and precision == "bf16":
            return "out of memory"
        return MEASURED, [2.0 if precision == "fp32" else 2.5, 1.0][: epochs and 1]

    monkeypatch.setattr(measure.Machine, "timed", timed)
    gpu = measure.Machine(machine.root, True, 1e12)
    rows, checks = measure.measure(gpu, True)
    failed = [f"{check.what}: {check.said}" for check in checks if not check.passed]
    assert len(failed) == 4
    assert "wav2vec2-base, bf16, first loss beside the CPU's in fp32: out of memory" in failed
    text = measure.section(rows, checks, False, 12.3)
    assert "| pairs-waves-48000 | fp16 | 1234 | 1.50 GiB | 50% | 25% | 2.500 | 2.000 |" in text
    assert "| wav2vec2-base | bf16 | – | – | – | – | – | 2.000 |" in text
    assert text.count("FAILED") == 4
    assert {len(re.findall(r"\|", line)) for line in text.splitlines() if "|" in line} == {9}


def test_without_a_gpu_it_says_so(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["measure.py"])
    with pytest.raises(SystemExit, match="2"):
        measure.main()
    assert "torch sees no GPU here" in capsys.readouterr().err
