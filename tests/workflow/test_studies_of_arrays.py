"""Other arrays than the first study's through the whole workflow."""

import json

import numpy as np
import pandas as pd
import pytest
import yaml
from running import ROOT, copy_workflow, snakemake

from tap2key.audio.array import array_of
from tap2key.models.model_folder import encoding_of, read_model_metadata
from tap2key.segmentation.taps import array_of_taps, load_taps

PEOPLE = ("Maria", "Tony")


def study(channels, rate):
    """As small as trains: two people with two sessions each, at a rate that every array has."""
    return {
        "results": "results",
        "adaptation": [],
        "simulate": {"participants": 2, "sessions": 2, "recordings": 1, "taps": 40},
        "array": {
            "channels": channels,
            "sample_rate": rate,
            "groups": {"left": list(range((channels + 1) // 2)), "all": list(range(channels))},
        },
        "select_experiments": ["network", "group"],
        "experiments": {
            "network": {
                "inherit": "aligned-48000",
                "encoding": {"sample_rate": 16_000},
                "training": {"epochs": 2, "evaluate_every": 1},
            },
            "group": {
                "kind": "mfcc_forest" if channels == 1 else "gcc_phat_forest",
                "encoding": {"sample_rate": 16_000, "representation": "all", "crop_ms": [4, 8]},
                "trees": 20,
            },
        },
    }


def run(folder, root, settings, *arguments):
    (folder / "small.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    return snakemake(folder, ["--configfile", "small.yaml", *arguments], root)


@pytest.mark.parametrize("channels", [1, 2, 4, 6, 8, 16])
@pytest.mark.parametrize("rate", [16_000, 192_000])
def test_the_dag_is_the_same_for_any_array(tmp_path, channels, rate):
    ran = run(tmp_path, ROOT, study(channels, rate), "--cores", "1", "-n", "--quiet", "host")
    assert ran.status == 0, ran.text
    expected = {"simulate": 4, "segment": 4, "encode": 4, "fold": 4, "train": 2, "baseline": 2}
    assert {rule: ran.jobs[rule] for rule in expected} == expected


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"groups": {"left": [0, 0]}}, "array.groups.left names channel 0 twice; name each once"),
        ({"groups": {"left": [6]}}, "array.groups.left names channel 6; the array has channels"),
        ({"positions_mm": [[0, 0]]}, "array.positions_mm gives 1 of 6 channels a place"),
        ({"ignore": [0, 1, 2, 3, 4, 5]}, "array.ignore lists every channel; keep at least one"),
        ({"groups": {"left": [0]}}, "experiments.group: unknown representation 'all'; available: "),
        ({"channels": 65}, "config: array.channels: 65 is greater than the maximum of 64"),
    ],
)
def test_an_array_that_cannot_be_is_refused_before_anything_runs(tmp_path, change, said):
    settings = study(6, 48_000)
    settings["array"] |= change
    ran = run(tmp_path, ROOT, settings, "--cores", "1", "-n")
    assert ran.status != 0
    assert said in ran.error


def two_rigs(folder, make_session, used):
    """A study in which some sessions were recorded with four microphones instead of eight."""
    for name in used:
        make_session(name)
    rows = "".join(f"{name}\t{array}\n" for name, array in used.items())
    (folder / "study" / "study.tsv").write_text(f"path\tarray\n{rows}", encoding="utf-8")
    forest = {"kind": "gcc_phat_forest", "trees": 20}
    return {
        "study": "study",
        "results": "results",
        "arrays": {
            "small": {"channels": 4, "sample_rate": 48_000, "groups": {"top": [0, 1, 2, 3]}}
        },
        "select_experiments": ["group"],
        "experiments": {
            "group": {**forest, "encoding": {"representation": "top", "crop_ms": [4, 8]}},
            "all": {**forest, "encoding": {"representation": "interleave"}},
        },
    }


USED = {"Tony/1": "small", "Tony/2": "", "Maria/1": "small", "Chen/1": ""}


def test_sessions_of_two_arrays_train_together_by_a_group_of_either(tmp_path, make_session):
    settings = two_rigs(tmp_path, make_session, USED)
    ran = run(tmp_path, ROOT, settings, "--cores", "1", "-n", "-p")
    assert ran.status == 0, ran.text
    assert (ran.jobs["segment"], ran.jobs["preview"]) == (4, 4)
    assert (ran.jobs["encode"], ran.jobs["baseline"]) == (3, 3)
    for stage in ("segment", "preview"):
        told = {
            line.split("--participant ")[1].split()[0]
            + "/"
            + line.split("--session ")[1].split()[0]: '"channels": 4' in line
            for line in ran.text.splitlines()
            if f"-m tap2key {stage} " in line
        }
        assert told == {name: array == "small" for name, array in USED.items()}


def test_sessions_that_do_not_go_together_are_refused_before_any_job(tmp_path, make_session):
    settings = two_rigs(tmp_path, make_session, USED) | {"select_experiments": ["group", "all"]}
    ran = run(tmp_path, ROOT, settings, "--cores", "1", "-n")
    assert ran.status != 0
    assert "config: experiments.all: interleave of array (Chen/1 and 1 more) and of small (" in (
        ran.error
    )
    assert "choose with select_arrays" in ran.error
    assert not (tmp_path / "results" / "taps").exists()


def test_an_encoding_above_the_arrays_rate_is_refused(tmp_path):
    settings = study(6, 16_000)
    settings["experiments"]["network"]["encoding"]["sample_rate"] = 44_100
    ran = run(tmp_path, ROOT, settings, "--cores", "1", "-n")
    assert "experiments.network: encoding.sample_rate 44100 is above array.sample_rate" in ran.error


@pytest.mark.slow
@pytest.mark.parametrize(("channels", "rate"), [(2, 16_000), (6, 44_100), (16, 48_000)])
def test_a_small_study_of_another_array_runs_to_its_end(tmp_path, channels, rate):
    root = copy_workflow(tmp_path)
    settings = study(channels, rate)
    ran = run(root, root, settings, "--profile", "profiles/local", "--set-threads", "train=1")
    assert ran.status == 0, ran.text[-5000:]
    array, results = array_of(settings["array"]), root / "results"
    right = total = 0
    for folder in sorted(results.glob("taps/*/*")):
        table, windows = load_taps(folder, verify=True)
        assert array_of_taps(table) == array
        assert windows.shape == (len(table), channels, array.window)
        (known,) = results.glob(f"simulated/truth/*{folder.name}*/true_taps.parquet")
        true = pd.read_parquet(known)
        at = np.abs(table["time_s"].to_numpy()[:, None] - true.time_s.to_numpy()).argmin(axis=1)
        labels = np.array(table["label"].to_pylist(), dtype=object)
        matched = [label is not None for label in labels]
        right += int((labels[matched] == true.touch_label.to_numpy()[at][matched]).sum())
        total += sum(matched)
    assert total >= 0.9 * 160
    assert right >= 0.99 * total
    for experiment in ("network", "group"):
        for person in PEOPLE:
            model = results / "models" / experiment / person / "seed-0"
            assert encoding_of(read_model_metadata(model)).array == array
            scored = results / "evaluations" / experiment / person / "seed-0" / "metrics.json"
            assert 0 <= json.loads(scored.read_text())["accuracy"] <= 1
