import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import datasets
import numpy as np
import pytest
from made import LABELS, RECORDING, fold, held_out_study, stage, taps

from tap2key.__main__ import main
from tap2key.datasets.encoded_dataset import load_fold
from tap2key.segmentation.taps import load_taps


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return held_out_study(tmp_path_factory.mktemp("study"), taps=36, rare=1)


def arrays(study, output, *more):
    folder, training, _ = study
    return [
        "export",
        "--dataset",
        "--fold",
        folder,
        "--datasets",
        *training,
        "--output",
        output,
        *more,
    ]


def run(arguments):
    return main([str(argument) for argument in arguments])


def same(one, other):
    assert one.features == other.features
    return one.with_format("numpy")[:].keys() == other.with_format("numpy")[:].keys() and all(
        np.array_equal(one.with_format("numpy")[:][name], other.with_format("numpy")[:][name])
        for name in one.column_names
    )


def test_a_fold_is_read_without_this_pipeline_and_its_sources(study, tmp_path):
    (folder, training, made), out = study, tmp_path / "out"
    assert run(arrays(study, out, "--test-datasets", made["Ana"])) == 0
    expected = load_fold(folder, training, made["Ana"])
    moved = shutil.move(out, tmp_path / "elsewhere")
    for file in moved.rglob("*.json"):
        assert str(folder.parent) not in file.read_text(), file
    code = (
        "import datasets, json, sys; d = datasets.load_from_disk(sys.argv[1]);"
        "first = lambda part: [len(part), part[0]['label'], sum(part[0]['input_values'])];"
        "print(json.dumps({name: first(part) for name, part in d.items()}));"
        "assert not any(name.startswith('tap2key') for name in sys.modules)"
    )
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    listed = subprocess.run(
        [sys.executable, "-c", code, moved],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env={**environment, "HF_HUB_OFFLINE": "1"},
    ).stdout
    found = json.loads(listed)
    assert list(found) == ["train", "validation", "test"]
    read = datasets.load_from_disk(moved)
    for name, part in expected.items():
        assert same(read[name], part)
        assert found[name][:2] == [len(part), part[0]["label"]]
        assert found[name][2] == pytest.approx(sum(part[0]["input_values"]))
    assert set(read["test"]["participant"]) == {"Ana"}
    assert read["train"].features["label"].names == list(LABELS)


def test_once_writes_each_training_tap_once(study, tmp_path):
    (folder, training, _), out = study, tmp_path / "out"
    assert run(arrays(study, out, "--no-oversample")) == 0
    whole, read = load_fold(folder, training), datasets.load_from_disk(out)
    assert set(read) == {"train", "validation"}

    def identities(part):
        return list(
            zip(part["participant"], part["session"], part["tap"], part["label"], strict=True)
        )

    once = identities(read["train"])
    assert len(once) == len(set(once)) < len(whole["train"])
    assert set(once) == set(identities(whole["train"]))
    assert json.loads((out / "provenance.json").read_text())["settings"]["oversampled"] is False


def test_a_held_out_participant_among_the_training_data_is_refused(study, tmp_path, capsys):
    made = study.datasets
    assert run([*arrays(study, tmp_path / "out"), "--datasets", *made.values()]) == 1
    assert "is the held-out participant" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def tapped(tmp_path_factory):
    """Taps folders of three people, one tap in each without a label, and their encoded fold."""
    root = tmp_path_factory.mktemp("tapped")
    folders, made = [], {}
    for person in ("Ana", "Bo", "Chen"):
        own = [
            taps(root / person / name, person, name, {RECORDING[:-4]: ["a", "b", None, "|", "a"]})
            for name in ("s1", "s2")
        ]
        made[person] = root / "datasets" / person
        stage("encode", "--taps", *own, "--output", made[person], "--crop-ms", 1, 1)
        folders += own
    return folders, fold(root / "fold", made, "Ana"), made


def located(row):
    return np.load(row["windows"], mmap_mode="r")[row["row"]]


def check(rows, features):
    for row in rows:
        table, windows = load_taps(Path(row["windows"]).parent)
        own = table.slice(row["row"], 1).to_pylist()[0]
        for name in ("participant", "session", "recording", "tap", "pairing"):
            assert row[name] == own[name]
        assert features["label"].int2str(row["label"]) == own["label"]
        np.testing.assert_array_equal(located(row), windows[row["row"]])


def test_paths_and_labels_without_audio(tapped, tmp_path):
    folders, _, _ = tapped
    out = tmp_path / "out"
    assert run(["export", "--dataset", "paths", "--taps", *folders, "--output", out]) == 0
    read = datasets.load_from_disk(out)
    assert len(read) == 6 * 4
    check(read, read.features)
    assert sum(f.stat().st_size for f in out.rglob("*")) < 100_000


def test_paths_and_labels_of_a_fold_are_the_folds_rows(tapped, tmp_path, capsys):
    folders, (folder, training), made = tapped
    out = tmp_path / "out"
    where = ["--taps", *folders, "--fold", folder]
    assert run(["export", "--dataset", "paths", *where, "--output", out]) == 0
    read, expected = datasets.load_from_disk(out), load_fold(folder, training, made["Ana"])
    assert set(read) == set(expected)
    for name, part in expected.items():
        for column in ("participant", "session", "recording", "tap", "label"):
            assert read[name][column][:] == part[column][:]
        check(read[name], read[name].features)
    few = ["--taps", folders[0], "--fold", folder]
    assert run(["export", "--dataset", "paths", *few, "--output", tmp_path / "few"]) == 1
    assert re.search(
        r"tap \d+ of Bo/s1/\S+ is not among the labelled taps", capsys.readouterr().err
    )
    assert not (tmp_path / "few").exists()
