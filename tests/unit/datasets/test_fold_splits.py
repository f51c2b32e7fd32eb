"""What is tested trains nowhere, whatever the split; rows are known by who, when and where."""

from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from made import dataset, error_line, stage

from tap2key.core.errors import Tap2keyError
from tap2key.core.files import read_json
from tap2key.datasets.encoded_dataset import identities, load_dataset_folder, load_fold
from tap2key.datasets.splits import k_fold_split
from tap2key.evaluation.scoring import open_tested
from tap2key.study.manifest import Recording, write_manifest

SIDES = ("train", "validation", "test")
# By participant and session: when it was recorded, and the table. Names are not in time order.
SESSIONS = {
    ("Ana", "s1"): (3, "oak"),
    ("Ana", "s2"): (1, "glass"),
    ("Ana", "s3"): (2, "oak"),
    ("Bo", "s1"): (5, "glass"),
    ("Bo", "s2"): (4, "glass"),
    ("Cy", "s1"): (6, "oak"),
    ("Cy", "s2"): (7, "oak"),
}
TAPS = 60


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Datasets by participant, and the manifest."""
    root = tmp_path_factory.mktemp("study")
    datasets = {}
    for person in ("Ana", "Bo", "Cy"):
        sessions = [session for name, session in SESSIONS if name == person]
        keys = np.random.default_rng(len(person)).permutation(np.arange(TAPS) % 3)
        datasets[person] = dataset(root / person, person, keys, sessions=sessions)
    recordings = [
        Recording(
            *(person, session, "r1", Path(f"{person}_{session}/r1.wav")),
            *(datetime(2023, 1, 1) + timedelta(days=day), None, ()),
            (("table", table),),
        )
        for (person, session), (day, table) in SESSIONS.items()
    ]
    write_manifest(root / "manifest.tsv", recordings)
    return datasets, root / "manifest.tsv"


def made(study, output, people, *options):
    datasets, manifest = study
    given = [datasets[person] for person in people]
    stage("fold", *options, "--datasets", *given, "--manifest", manifest, "--output", output)
    return output


def rows(folder, side):
    path = folder / f"{side}.parquet"
    return (
        {tuple(row.values()) for row in pq.read_table(path).to_pylist()} if path.exists() else set()
    )


def when(row):
    """Of a row's tap: the day of its session, and its number there."""
    return SESSIONS[row[0], row[1]][0], row[3]


def everything(study, people):
    return {
        key for person in people for key in identities(load_dataset_folder(study[0][person]).data)
    }


SPLITS = {
    "chronological": ["--chronological", "--test-fraction", "0.25"],
    "block": ["--block", "2", "--blocks", "2"],
    "block of taps": ["--block", "3", "--blocks", "5"],
    "session": ["--held-session", "Ana", "s2"],
    "table": ["--held-group", "table", "glass"],
    "part": ["--part", "2", "--blocks", "3"],
    "random": ["--random"],
}


@pytest.mark.parametrize("people", [("Ana",), ("Ana", "Cy")], ids=["one person", "two"])
@pytest.mark.parametrize("by", ["session", "time"])
@pytest.mark.parametrize("options", SPLITS.values(), ids=SPLITS)
def test_no_tap_is_on_two_sides_and_none_is_lost(study, tmp_path, options, by, people):
    folder = made(study, tmp_path / "f", people, *options, "--validation-by", by)
    sides = [rows(folder, side) for side in SIDES]
    assert all(sides)
    assert sum(map(len, sides)) == len(set.union(*sides))
    assert set.union(*sides) == everything(study, people)
    loaded = load_fold(folder, [study[0][person] for person in people])
    for side, listed in zip(SIDES, sides, strict=True):
        assert set(identities(loaded[side])) == listed


def test_chronological_trains_before_it_validates_before_it_tests(study, tmp_path):
    folder = made(study, tmp_path / "f", ["Ana", "Bo"], *SPLITS["chronological"])
    assert read_json(folder / "fold.json")["validation_by"] == "time"
    for person in ("Ana", "Bo"):
        train, validation, test = (
            sorted(when(row) for row in rows(folder, side) if row[0] == person) for side in SIDES
        )
        assert train[-1] < validation[0] <= validation[-1] < test[0]
        assert (len(train), len(validation), len(test)) == (36, 9, 15)


def test_blocks_are_recordings_in_time_order_and_all_are_tested_once(study, tmp_path):
    tested = []
    for block in ("1", "2", "3"):
        options = ("--block", block, "--blocks", "3")
        folder = made(study, tmp_path / block, ["Ana", "Bo"], *options)
        tested.append(rows(folder, "test"))
        own = {row[:2] for row in tested[-1] if row[0] == "Ana"}
        assert {SESSIONS[session][0] for session in own} == {int(block)}
        # Bo has but two recordings: the taps are dealt.
        assert len([row for row in tested[-1] if row[0] == "Bo"]) == TAPS / 3
    assert set.union(*tested) == everything(study, ["Ana", "Bo"])
    assert sum(map(len, tested)) == 2 * TAPS


def labels_of(study, people):
    """Each tap's key, by the identity of its row."""
    opened = [load_dataset_folder(study[0][person]) for person in people]
    return {
        key: label
        for d in opened
        for key, label in zip(identities(d.data), d.data["label"], strict=True)
    }


def test_parts_hold_the_same_taps_of_each_key_and_all_are_tested_once(study, tmp_path):
    label = labels_of(study, ["Ana", "Bo"])
    tested, trained = [], []
    for part in ("1", "2", "3", "4"):
        options = ("--part", part, "--blocks", "4", "--validation-fraction", "0.2")
        folder = made(study, tmp_path / part, ["Ana", "Bo"], *options)
        assert read_json(folder / "fold.json")["validation_by"] == "tap"
        sides = {side: rows(folder, side) for side in SIDES}
        # 40 taps of each of 3 keys: 10 are tested, and 6 of the other 30 validate.
        for side, each in (("train", 24), ("validation", 6), ("test", 10)):
            assert Counter(label[row] for row in sides[side]) == dict.fromkeys(range(3), each)
        tested.append(sides["test"])
        trained.append(sides["train"])
    assert set.union(*tested) == everything(study, ["Ana", "Bo"])
    assert sum(map(len, tested)) == 2 * TAPS
    # Drawn, not cut in time, and anew for another seed.
    assert any(when(row) > max(map(when, tested[1])) for row in tested[0])
    again = made(study, tmp_path / "b", ["Ana", "Bo"], *options, "--seed", "1")
    assert rows(again, "test") != tested[-1]


def test_a_key_that_is_not_tested_is_never_only_validated():
    labels = np.repeat([0, 1], [6, 2])
    for part in (1, 2):
        train, validation, test = k_fold_split(labels, part, 2, 0.9, seed=0)
        assert sorted([*train, *validation, *test]) == [*range(8)]
        assert set(labels[train]) == {0, 1}
        assert set(labels[validation]) == {0}


def test_more_parts_than_the_commonest_key_has_taps_are_refused(study, tmp_path, capsys):
    given = ("--part", "1", "--blocks", "21", "--datasets", study[0]["Ana"])
    line = error_line(capsys, "fold", *given, "--output", tmp_path / "f")
    assert "commonest key has 20 taps, too few for 21 parts; set blocks to at most 20" in line


def test_a_table_that_crosses_people_is_held_out_with_all_its_taps(study, tmp_path):
    """Ana sat at both tables, Bo only at the held-out one, Cy only at the other."""
    datasets, _ = study
    folder = made(study, tmp_path / "f", ["Ana", "Cy"], *SPLITS["table"])
    about = read_json(folder / "fold.json")
    assert about["held_out"] == ["Bo"]
    for side in ("train", "validation"):
        assert {SESSIONS[row[:2]][1] for row in rows(folder, side)} == {"oak"}
    glass = {key for key in everything(study, datasets) if SESSIONS[key[:2]][1] == "glass"}
    scored = open_tested([datasets["Ana"], datasets["Bo"]], folder)
    assert sorted(identities(scored.data)) == sorted(glass)
    loaded = load_fold(folder, [datasets["Ana"], datasets["Cy"]], [datasets["Ana"], datasets["Bo"]])
    assert sorted(identities(loaded["test"])) == sorted(glass)


@pytest.fixture(scope="module")
def sessions_left_out(study, tmp_path_factory):
    """The study, but of Ana's sessions only those at the other table have taps."""
    datasets, manifest = study
    folder = tmp_path_factory.mktemp("left_out") / "Ana"
    ana = dataset(folder, "Ana", np.arange(TAPS) % 3, sessions=["s1", "s3"])
    return {**datasets, "Ana": ana}, manifest


def test_a_group_without_taps_leaves_nothing_to_test_on(sessions_left_out, tmp_path, capsys):
    datasets, manifest = sessions_left_out
    text = manifest.read_text(encoding="utf-8")
    alone = tmp_path / "manifest.tsv"
    lines = [x for x in text.splitlines(keepends=True) if not x.startswith("Bo\t")]
    alone.write_text("".join(lines), encoding="utf-8")
    given = ["--datasets", datasets["Ana"], datasets["Cy"], "--manifest", alone]
    said = error_line(capsys, "fold", *SPLITS["table"], *given, "--output", tmp_path / "f")
    assert "nothing is left to test on" in said


def test_who_has_no_tap_in_the_group_is_not_tested_beside_who_is_only_in_it(
    sessions_left_out, tmp_path
):
    datasets, _ = sessions_left_out
    folder = made(sessions_left_out, tmp_path / "f", ["Ana", "Cy"], *SPLITS["table"])
    assert read_json(folder / "fold.json")["held_out"] == ["Bo"]
    scored = open_tested([datasets["Ana"], datasets["Bo"]], folder)
    assert sorted(identities(scored.data)) == sorted(everything((datasets, None), ["Bo"]))
    with pytest.raises(Tap2keyError, match="trains on Ana, Cy, who cannot also be tested"):
        open_tested([datasets["Cy"], datasets["Ana"]], folder)


def test_who_is_only_in_the_group_may_not_be_given(study, tmp_path, capsys):
    datasets, manifest = study
    given = ["--datasets", datasets["Ana"], datasets["Bo"], "--output", tmp_path / "f"]
    said = error_line(capsys, "fold", *SPLITS["table"], *given, "--manifest", manifest)
    assert said.endswith("Bo: is the held-out participant; leave it out of --datasets")
    said = error_line(capsys, "fold", *SPLITS["table"], *given)
    assert "--held-group: give the --manifest" in said
    unknown = ["--held-group", "table", "steel", "--manifest", manifest]
    assert "no recording has the table 'steel'" in error_line(capsys, "fold", *unknown, *given)
    said = error_line(capsys, "fold", "--block", "6", *given)
    assert "--block is 6; it must be from 1 to 5" in said


def test_a_manifest_of_another_study_is_refused(study, tmp_path, capsys):
    other = tmp_path / "manifest.tsv"
    write_manifest(
        other, [Recording("Ana", "s9", "r1", Path("r1.wav"), datetime(2023, 1, 1), None, ())]
    )
    given = ["--datasets", study[0]["Ana"], "--output", tmp_path / "f", "--manifest", other]
    said = error_line(capsys, "fold", "--chronological", *given)
    assert "no recording Ana/s" in said and "manifest of the run that made them" in said
