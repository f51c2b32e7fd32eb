import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made import dataset, error_line, fold, people, stage

from tap2key.__main__ import main
from tap2key.core.files import read_json
from tap2key.datasets.encoded_dataset import load_fold
from tap2key.datasets.splits import choose_validation


@pytest.fixture(scope="module")
def five(tmp_path_factory):
    root = tmp_path_factory.mktemp("five")
    return people(root, ["Ana", "Bo", "Chen", "Dee", "Eve"], taps=36, rare=1)


def study(sizes):
    """Rows of a study with sizes[p][s] taps in session s of person p."""
    rows = [
        (f"p{person}", f"s{session}")
        for person, sessions in enumerate(sizes)
        for session, count in enumerate(sessions)
        for _ in range(count)
    ]
    return np.array([r[0] for r in rows]), np.array([r[1] for r in rows])


SIZES = st.lists(st.lists(st.integers(1, 4), min_size=1, max_size=4), min_size=1, max_size=7)


@settings(max_examples=200, deadline=None)
@given(SIZES, st.sampled_from(["participant", "session"]), st.floats(0.01, 0.99), st.integers(0, 9))
def test_validation_is_always_whole_participants_or_whole_sessions(sizes, asked, share, seed):
    participants, sessions = study(sizes)
    by, chosen = choose_validation(participants, sessions, asked, share, [seed])
    assert by == ("session" if len(sizes) < 3 else asked)
    groups = {}
    for person, session, validates in zip(participants, sessions, chosen, strict=True):
        key = person if by == "participant" else (person, session)
        groups.setdefault(key, set()).add(bool(validates))
    assert all(len(values) == 1 for values in groups.values())
    count = sum(values == {True} for values in groups.values())
    assert count >= 1
    if len(groups) > 1:
        assert count == min(max(1, round(share * len(groups))), len(groups) - 1)
    again = choose_validation(participants, sessions, asked, share, [seed])
    assert again[0] == by
    np.testing.assert_array_equal(again[1], chosen)


@settings(max_examples=200, deadline=None)
@given(SIZES, st.sampled_from(["participant", "session"]), st.floats(0.01, 0.99), st.integers(0, 9))
def test_the_other_sessions_of_whom_a_session_is_tested_all_train(sizes, asked, share, seed):
    participants, sessions = study(sizes)
    by, chosen = choose_validation(participants, sessions, asked, share, [seed], "p0")
    if len(sizes) > 1 and sum(map(len, sizes[1:])) == 1:
        # Nobody else's session can be set aside.
        assert chosen.all()
    elif len(sizes) > 1:
        assert not chosen[participants == "p0"].any()
    assert chosen.any()
    # The tested person is one of the study's people, not one more.
    assert by == ("session" if len(sizes) < 4 else asked)


def test_nobody_loses_all_sessions_before_the_others_lose_one():
    participants, sessions = study([[5, 5, 5]] * 4)
    for seed in range(20):
        _, chosen = choose_validation(participants, sessions, "session", 1 / 3, [seed])
        for person in range(4):
            assert chosen[participants == f"p{person}"].sum() == 5


def test_the_draw_depends_on_the_seed():
    participants, sessions = study([[1]] * 10)
    draws = {
        tuple(choose_validation(participants, sessions, "participant", 0.2, [seed])[1])
        for seed in range(20)
    }
    assert len(draws) > 5


def rows_of(folder, name):
    return pq.read_table(folder / f"{name}.parquet").to_pylist()


def people_in(rows):
    return {row["participant"] for row in rows}


def test_validation_by_participant_holds_out_whole_people(five, tmp_path):
    folder, _ = fold(tmp_path / "f", five, "Bo", ["--validation-fraction", "0.5"])
    train, validation = rows_of(folder, "train"), rows_of(folder, "validation")
    assert len(people_in(validation)) == 2
    assert people_in(train) | people_in(validation) == {"Ana", "Chen", "Dee", "Eve"}
    assert people_in(train).isdisjoint(people_in(validation))
    assert list(train[0]) == ["participant", "session", "recording", "tap"]


def test_validation_by_session_keeps_sessions_whole(five, tmp_path):
    folder, _ = fold(
        tmp_path / "f", five, "Bo", ["--validation-by", "session", "--validation-fraction", "0.5"]
    )
    pairs = [
        {(row["participant"], row["session"]) for row in rows_of(folder, name)}
        for name in ("train", "validation")
    ]
    assert len(pairs[1]) == 4
    assert pairs[0].isdisjoint(pairs[1])
    assert {p for p, _ in pairs[0]} == {p for p, _ in pairs[1]} == set(five) - {"Bo"}


def test_a_study_of_three_validates_on_sessions(five, tmp_path):
    three = {name: five[name] for name in ("Ana", "Bo", "Chen")}
    about = read_json(fold(tmp_path / "three", three, "Ana")[0] / "fold.json")
    assert about["validation_by"] == "session"
    four = {name: five[name] for name in ("Ana", "Bo", "Chen", "Dee")}
    about = read_json(fold(tmp_path / "four", four, "Ana")[0] / "fold.json")
    assert about["validation_by"] == "participant"


def test_a_fold_says_what_it_holds(five, tmp_path):
    folder, training = fold(tmp_path / "f", five, "Eve")
    about = read_json(folder / "fold.json")
    assert about["held_out"] == ["Eve"]
    assert sorted(about["fingerprints"]) == ["Ana", "Bo", "Chen", "Dee"]
    parts = load_fold(folder, training)
    counts = about["class_counts"]
    for name, part in (("train_as_seen", parts["train"]), ("validation", parts["validation"])):
        found = np.bincount(part["label"][:], minlength=3).tolist()
        assert list(counts[name].values()) == found
    seen = set(counts["train_as_seen"].values())
    assert seen == {max(counts["train"].values())}
    assert sum(counts["train"].values()) == about["taps"]["train"]
    assert about["taps"]["validation"] == len(parts["validation"])
    unique = {(r["participant"], r["session"], r["tap"]) for r in rows_of(folder, "train")}
    assert len(unique) == about["taps"]["train"] < len(parts["train"])
    assert about["validation"] == sorted(map(list, set(_sessions(parts["validation"]))))


def _sessions(data):
    return list(zip(data["participant"][:], data["session"][:], strict=True))


def test_the_same_seed_gives_the_same_fold_and_folds_differ(five, tmp_path):
    first, _ = fold(tmp_path / "1", five, "Ana", ["--seed", "4"])
    again, _ = fold(tmp_path / "2", five, "Ana", ["--seed", "4"])
    assert rows_of(first, "train") == rows_of(again, "train")
    assert rows_of(first, "validation") == rows_of(again, "validation")
    drawn = set()
    for seed in range(5, 11):
        other, _ = fold(tmp_path / f"s{seed}", five, "Ana", ["--seed", seed])
        drawn |= people_in(rows_of(other, "validation"))
    assert len(drawn) > 1


def test_oversampling_can_be_switched_off(five, tmp_path):
    folder, training = fold(tmp_path / "f", five, "Ana", ["--no-oversample"])
    about = read_json(folder / "fold.json")
    assert about["class_counts"]["train"] == about["class_counts"]["train_as_seen"]
    train = load_fold(folder, training)["train"]
    assert len(set(zip(train["participant"][:], train["tap"][:], strict=True))) == len(train)


@pytest.mark.parametrize(
    ("held_out", "given", "options", "message"),
    [
        ("Ana", ["Ana", "Bo", "Chen"], [], "is the held-out participant; leave it out"),
        (
            "Ana",
            ["Bo", "Chen", "Dee"],
            ["--validation-fraction", "1"],
            "1.0; it must be below 1",
        ),
        ("Ana", ["Bo", "Bo", "Chen"], [], "given twice"),
    ],
)
def test_a_fold_that_would_leak_is_refused(
    five, tmp_path, capsys, held_out, given, options, message
):
    status = main(
        [
            *("fold", "--held-out", held_out, "--output", str(tmp_path / "f")),
            *("--datasets", *(str(five[name]) for name in given), *options),
        ]
    )
    assert status == 1
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_one_session_validates_on_its_last_taps(tmp_path, capsys):
    only = dataset(tmp_path / "Bo", "Bo", [0, 1, 2, 0, 1], sessions=["s1"])
    arguments = ["fold", "--held-out", "Ana", "--datasets", only, "--no-oversample", "--output"]
    stage(*arguments, tmp_path / "f")
    assert [row["tap"] for row in rows_of(tmp_path / "f", "validation")] == [4]
    assert [row["tap"] for row in rows_of(tmp_path / "f", "train")] == [0, 1, 2, 3]
    assert read_json(tmp_path / "f" / "fold.json")["validation_by"] == "time"
    single = dataset(tmp_path / "Cy", "Cy", [0], sessions=["s1"])
    arguments[4] = single
    said = error_line(capsys, *arguments, tmp_path / "g")
    assert "nothing is left to train on" in said
    assert "1 taps of 1 sessions" in said


def test_too_few_taps_of_each_key_leave_a_random_split_nothing_to_test_on(tmp_path, capsys):
    folders = [dataset(tmp_path / name, name, [0, 1, 2]) for name in ("Ana", "Bo")]
    arguments = ["fold", "--random", "--datasets", *map(str, folders)]
    assert main([*arguments, "--output", str(tmp_path / "f")]) == 1
    assert "nothing is left to test on" in capsys.readouterr().err
    assert not (tmp_path / "f").exists()


def identities_in(folder, name):
    return {tuple(row.values()) for row in rows_of(folder, name)}


def test_a_held_out_session_is_tested_and_its_participant_trains_with_the_others(five, tmp_path):
    stage(
        *("fold", "--held-session", "Bo", "s2", "--output", tmp_path / "f", "--datasets"),
        *five.values(),
    )
    test = rows_of(tmp_path / "f", "test")
    assert {(row["participant"], row["session"]) for row in test} == {("Bo", "s2")}
    sides = {
        side: {(row["participant"], row["session"]) for row in rows_of(tmp_path / "f", side)}
        for side in ("train", "validation")
    }
    assert {session for person, session in sides["train"] if person == "Bo"} == {"s1"}
    assert "Bo" not in {person for person, _ in sides["validation"]}
    loaded = load_fold(tmp_path / "f", list(five.values()))
    assert len(loaded["test"]) == len(test)


def test_the_only_session_of_the_only_other_person_trains_too(tmp_path):
    labels = np.arange(40) % 3
    folders = [
        dataset(tmp_path / "Ana", "Ana", labels, sessions=("s1", "s2")),
        dataset(tmp_path / "Bo", "Bo", labels, sessions=("s1",)),
    ]
    where = ("--output", tmp_path / "f", "--datasets", *folders)
    stage("fold", "--held-session", "Ana", "s1", "--validation-fraction", 0.2, *where)
    assert read_json(tmp_path / "f" / "fold.json")["validation_by"] == "time"
    for person, taps in (("Ana", 20), ("Bo", 40)):
        validation = [
            r for r in rows_of(tmp_path / "f", "validation") if r["participant"] == person
        ]
        assert len(validation) == taps // 5
    assert people_in(rows_of(tmp_path / "f", "train")) == {"Ana", "Bo"}


def test_a_random_split_is_70_15_15_of_each_key_and_of_everybody(five, tmp_path):
    stage(
        *("fold", "--random", "--no-oversample", "--output", tmp_path / "f", "--datasets"),
        *five.values(),
    )
    sides = [identities_in(tmp_path / "f", side) for side in ("train", "validation", "test")]
    everything = set.union(*sides)
    assert (
        sum(map(len, sides))
        == len(everything)
        == sum(read_json(folder / "encoding.json")["taps"] for folder in five.values())
    )
    counts = read_json(tmp_path / "f" / "fold.json")["class_counts"]
    for label, trained in counts["train"].items():
        every = trained + counts["validation"][label] + counts["test"][label]
        assert trained == round(0.7 * every)
        assert counts["test"][label] == every - round(0.85 * every)
    assert people_in(rows_of(tmp_path / "f", "test")) == set(five)


def test_a_share_of_each_key_trains_and_validation_stays_whole(five, tmp_path):
    whole, _ = fold(tmp_path / "whole", five, "Ana", ["--no-oversample"])
    part, _ = fold(
        tmp_path / "part", five, "Ana", ["--no-oversample", "--training-fraction", "0.25"]
    )
    assert identities_in(part, "validation") == identities_in(whole, "validation")
    assert identities_in(part, "train") < identities_in(whole, "train")
    counts = [read_json(f / "fold.json")["class_counts"]["train"] for f in (whole, part)]
    for label, count in counts[0].items():
        assert counts[1][label] == max(1, round(0.25 * count))


def test_participants_and_sessions_and_chance_exclude_each_other(five, tmp_path, capsys):
    with pytest.raises(SystemExit):
        stage(
            *("fold", "--random", "--held-out", "Ana", "--output", tmp_path / "f", "--datasets"),
            *five.values(),
        )
    assert "not allowed with argument" in capsys.readouterr().err
