import os
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from made import RECORDING, session

from tap2key.__main__ import parse
from tap2key.config.arguments import options_of, settings_of
from tap2key.core.errors import Tap2keyError
from tap2key.core.files import read_tsv
from tap2key.core.shipped import DIFFICULTY
from tap2key.datasets.encoding import Encoding
from tap2key.orchestration import plan, planning
from tap2key.orchestration.fold_plans import values_of
from tap2key.orchestration.planned_folds import holds_sessions_out
from tap2key.study.manifest import Recording, read_manifest

FOREST = {"kind": "level_forest"}


@pytest.fixture
def study(tmp_path):
    for name in ("Ana/one", "Ana/two", "Bo/one", "Zoë Z/one"):
        session(tmp_path / "study", name)
    return tmp_path


def planned(root, main_process=True, experiments=None, **config):
    raw = {
        "study": str(root / "study"),
        "results": str(root / "results"),
        "experiments": experiments or {"only": {}},
        **config,
    }
    return planning.make_plan(raw, main_process)


def names_of(folders):
    return [Path(folder).name for folder in folders]


def test_a_fold_never_trains_on_whom_it_holds_out(study):
    made = planned(study)
    assert made.participants == ["Ana", "Bo", "Zoë Z"]
    assert list(made.folds("only")) == made.participants
    for held_out in made.participants:
        training = names_of(made.training_datasets("only", held_out))
        assert sorted([*training, held_out]) == made.participants
        assert names_of(made.tested_datasets("only", held_out)) == [held_out]
        options = made.fold_options("only", held_out)
        assert options[:2] == ["--held-out", held_out]


def test_people_who_are_left_out_or_not_tested(study):
    made = planned(study, select_folds="Bo")
    assert list(made.folds("only")) == ["Bo"]
    assert names_of(made.training_datasets("only", "Bo")) == ["Ana", "Zoë Z"]
    made = planned(study, select_participants=["Ana", "Zoë Z"])
    assert made.participants == ["Ana", "Zoë Z"]
    assert names_of(made.training_datasets("only", "Ana")) == ["Zoë Z"]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"select_participants": "Ana,Bob"}, "'Bob' is not in the study; it has Ana, Bo, Zoë Z"),
        ({"select_folds": ["Bob"]}, "select_folds: unknown 'Bob'; available: Ana, Bo, Zoë Z"),
        ({"select_experiments": "x"}, "select_experiments: unknown 'x'; available: only"),
        ({"select_participants": "Ana"}, r"one participant \(Ana\), too few to hold one out"),
        ({"study": None}, "neither study nor simulate is set"),
        (
            {"launch": {"processes": 3}},
            "experiments.only.training.batch_size 64: cannot be shared by 3 processes",
        ),
    ],
)
def test_a_selection_that_cannot_be_run_says_what_there_is(study, config, message):
    with pytest.raises(Tap2keyError, match=message):
        made = planned(study, **config)
        # Folds and experiments are chosen when they are first asked for.
        assert made.folds(next(iter(made.experiments)))


@pytest.mark.parametrize(
    ("settings", "array", "message"),
    [
        ({"kind": "gcc_phat_forest", "encoding": {"representation": "pairs"}}, {}, "side by side"),
        ({"kind": "level_forest", "encoding": {"representation": "stack"}}, {}, "side by side"),
        ({"kind": "mfcc_forest", "encoding": {"representation": "average"}}, {}, "side by side"),
        ({"kind": "learned_gcc", "encoding": {"representation": "stack"}}, {}, "side by side"),
        ({"kind": "multilateration"}, {}, "set array.positions_mm"),
        ({"kind": "pairs_svm"}, {}, "set encoding.representation to pairs, not interleave"),
        ({"kind": "level_forest"}, {"channels": 1}, "compares channels, but there is only one"),
        (
            {"encoding": {"crop_ms": [2, 4]}, "model": {"crop_ms": [2, 5]}},
            {},
            r"model.crop_ms \[2, 5\]: the encoding does not hold that much",
        ),
        ({"kind": "convolutional", "model": {"crop_ms": [30, 5]}}, {}, "does not hold that much"),
        ({"kind": "learned_gcc", "model": {"crop_ms": [30, 5]}}, {}, "does not hold that much"),
    ],
)
def test_a_model_that_cannot_be_made_of_its_encoding_is_refused(study, settings, array, message):
    experiments = {"good": {}, "e": settings}
    with pytest.raises(Tap2keyError, match=rf"config: experiments\.e: .*{message}"):
        planned(study, experiments=experiments, array=array)
    assert planned(study, experiments=experiments, array=array, select_experiments="good")


def test_no_key_may_be_called_as_keys_being_released_are(study):
    keyboard = study / "keys.csv"
    keyboard.write_text("label\na\nrelease\n", encoding="utf-8")
    assert planned(study, keyboard=str(keyboard), truth={"releases": "drop"}).participants
    with pytest.raises(Tap2keyError, match=r"has a key 'release'.*truth.releases: keep"):
        planned(study, keyboard=str(keyboard), truth={"releases": "keep"})
    keyboard.write_text("label\na\nb\n", encoding="utf-8")
    assert planned(study, keyboard=str(keyboard), truth={"releases": "keep"}).participants


def test_characters_of_keys_that_are_not_there_are_refused_before_any_job(study):
    characters = {"é": "e", "Key.menu": "meta"}
    assert planned(study, keyboard="ansi", characters=characters).participants
    message = r"config: characters: 'Key.menu' is mapped to 'nosuchkey', which .*ansi.csv does not"
    with pytest.raises(Tap2keyError, match=message):
        planned(study, keyboard="ansi", characters=characters | {"Key.menu": "nosuchkey"})


def test_leaving_sessions_out(study):
    made = planned(study, experiments={"e": {"split": "leave_one_session_out"}})
    assert list(made.folds("e")) == ["Ana~one", "Ana~two", "Bo~one", "Zoë Z~one"]
    assert made.fold_options("e", "Ana~two")[:3] == ["--held-session", "Ana", "two"]
    assert names_of(made.training_datasets("e", "Ana~two")) == made.participants
    assert names_of(made.tested_datasets("e", "Ana~two")) == ["Ana"]


# Ana sat at both tables.
TABLES = {"Ana/one": "oak", "Ana/two": "glass", "Bo/one": "glass", "Zoë Z/one": "oak"}


def at_tables(root, tables):
    rows = [f"{path}\t{table}\n" for path, table in tables.items()]
    (root / "study" / "study.tsv").write_text("path\ttable\n" + "".join(rows), encoding="utf-8")


def test_leaving_one_table_out(study):
    """The folds of a table train on nobody who sat only there."""
    at_tables(study, TABLES)
    tables = {"split": "leave_one_out", "by": "Table"}
    for main_process in (True, False):
        made = planned(study, main_process, experiments={"t": tables, "p": {}})
        assert list(made.folds("t")) == ["glass", "oak"]
        assert made.fold_options("t", "glass")[:3] == ["--held-group", "table", "glass"]
        assert names_of(made.training_datasets("t", "glass")) == ["Ana", "Zoë Z"]
        assert names_of(made.tested_datasets("t", "glass")) == ["Ana", "Bo"]
        assert names_of(made.training_datasets("t", "oak")) == ["Ana", "Bo"]
        assert names_of(made.tested_datasets("t", "oak")) == ["Ana", "Zoë Z"]
        assert (made.adapted, made.candidates) == (["t", "p"], ["p"])
    before = made.folds("t")["glass"].held
    at_tables(study, {**TABLES, "Ana/two": "oak"})
    made = planned(study, experiments={"t": tables})
    assert names_of(made.tested_datasets("t", "glass")) == ["Bo"]
    # Who moved is not in the fold's arguments, but must recreate it.
    assert made.folds("t")["glass"].held != before


def test_leaving_one_out_of_a_known_column_is_the_split_of_that_name(study):
    for column in ("participant", "session"):
        split = {"split": "leave_one_out", "by": column}
        made = planned(study, experiments={"a": split, "b": {"split": f"leave_one_{column}_out"}})
        assert made.folds("a") == made.folds("b")
        assert made.candidates == (["a", "b"] if column == "participant" else [])


@pytest.mark.parametrize(
    ("changed", "by", "message"),
    [
        ({"Ana/two": ""}, "table", r"experiments\.t\.by: no table is given for .*two.*study\.tsv"),
        ({}, "mood", r"experiments\.t\.by: no mood is given for .*Ana.*one"),
        ({"Bo/one": "a/b"}, "table", "the table 'a/b' cannot name a fold .*slash.*; rename it in"),
        ({"Bo/one": "Oak"}, "table", "the table 'oak' cannot name a fold .*'Oak' only in case"),
        (dict.fromkeys(TABLES, "oak"), "table", r"has one table \(oak\), too few to hold one out"),
    ],
)
def test_a_column_that_cannot_make_folds_says_why(study, changed, by, message):
    at_tables(study, {**TABLES, **changed})
    with pytest.raises(Tap2keyError, match=message):
        planned(study, experiments={"t": {"split": "leave_one_out", "by": by}})


def test_folds_are_selected_by_what_they_hold_out(study):
    at_tables(study, TABLES)
    experiments = {"t": {"split": "leave_one_out", "by": "table"}, "p": {}}
    made = planned(study, experiments=experiments, select_folds="oak,Bo")
    assert (list(made.folds("t")), list(made.folds("p"))) == (["oak"], ["Bo"])
    made = planned(study, experiments=experiments, select_folds="oak")
    with pytest.raises(
        Tap2keyError, match=r"selects no fold of experiments\.p; available: Ana, Bo"
    ):
        made.folds("p")
    with pytest.raises(
        Tap2keyError, match="unknown 'steel'; available: Ana, Bo, Zoë Z, glass, oak"
    ):
        planned(study, experiments=experiments, select_folds="steel").folds("t")


def test_of_fewer_training_people_each_trains_equally_often(study):
    made = planned(study, experiments={"one": {"training_participants": 1}})
    trained = {fold: names_of(made.training_datasets("one", fold)) for fold in made.folds("one")}
    assert trained == {"Ana": ["Bo"], "Bo": ["Zoë Z"], "Zoë Z": ["Ana"]}
    assert made.fold_options("one", "Bo")[:2] == ["--held-out", "Bo"]
    with pytest.raises(Tap2keyError, match=r"is 3, but beside those tested .* has 2; give at most"):
        planned(study, experiments={"e": {"training_participants": 3}}).folds("e")
    sessions = {"split": "leave_one_session_out", "training_participants": 1}
    with pytest.raises(Tap2keyError, match=r"experiments\.e\.training_participants: only where"):
        planned(study, experiments={"e": sessions}).folds("e")


def test_people_are_held_out_in_groups(study):
    settings = {"split": "group_k_fold", "blocks": 2}
    made = planned(study, experiments={"g": settings})
    assert {name: fold.test for name, fold in made.folds("g").items()} == {
        "group-1": ("Ana", "Zoë Z"),
        "group-2": ("Bo",),
    }
    assert names_of(made.training_datasets("g", "group-1")) == ["Bo"]
    assert made.fold_options("g", "group-1")[:3] == ["--held-out", "Ana", "Zoë Z"]
    assert names_of(made.training_datasets("g", "group-2")) == ["Ana", "Zoë Z"]
    only = planned(study, experiments={"g": settings}, select_folds="Bo")
    assert list(only.folds("g")) == ["group-2"]
    with pytest.raises(Tap2keyError, match=r"blocks is 4, but the study has 3 participants"):
        planned(study, experiments={"g": {**settings, "blocks": 4}}).folds("g")
    fewer = {**settings, "blocks": 3, "training_participants": 1}
    alone = planned(study, experiments={"g": fewer})
    assert names_of(alone.training_datasets("g", "group-2")) == ["Zoë Z"]
    with pytest.raises(Tap2keyError, match=r"is 2, but beside those tested the study has 1"):
        planned(study, experiments={"g": {**settings, "training_participants": 2}}).folds("g")


def test_other_seeds_wait_for_the_one_that_searches(study):
    experiments = {
        "once": {"seeds": [5, 6], "search": {"each_seed": False}},
        "each": {"seeds": [5, 6], "search": {}},
        "none": {"seeds": [5, 6]},
    }
    made = planned(study, experiments=experiments)
    assert made.searched("once", "Bo", 6) == [f"{made.results}/models/once/Bo/seed-5"]
    others = [("once", 5), ("each", 5), ("each", 6), ("none", 6)]
    assert [made.searched(name, "Bo", seed) for name, seed in others] == [[]] * 4


def test_one_person_is_enough_where_nobody_is_held_out(tmp_path):
    session(tmp_path / "study", "Ana/one")
    experiments = {
        "c": {"split": "chronological", "test_fraction": 0.25},
        "b": {"split": "blocks", "blocks": 3},
        "k": {"split": "k_fold", "blocks": 3},
        "r": {"split": "random"},
    }
    made = planned(tmp_path, experiments=experiments)
    assert list(made.folds("c")) == ["chronological"]
    assert made.fold_options("c", "chronological") == ["--chronological", "--test-fraction=0.25"]
    assert list(made.folds("b")) == ["block-1", "block-2", "block-3"]
    assert made.fold_options("b", "block-2") == ["--block", "2", "--blocks=3"]
    assert list(made.folds("k")) == ["part-1", "part-2", "part-3"]
    assert made.fold_options("k", "part-3") == ["--part", "3", "--blocks=3"]
    for name in experiments:
        for fold in made.folds(name):
            assert names_of(made.training_datasets(name, fold)) == ["Ana"]
            assert names_of(made.tested_datasets(name, fold)) == ["Ana"]
    assert (made.adapted, made.candidates) == ([], [])
    sessions = {"s": {"split": "leave_one_session_out"}}
    with pytest.raises(Tap2keyError, match=r"one session \(Ana/one\), too few to hold one out"):
        planned(tmp_path, experiments=sessions)
    session(tmp_path / "study", "Ana/two")
    assert list(planned(tmp_path, experiments=sessions).folds("s")) == ["Ana~one", "Ana~two"]
    with pytest.raises(
        Tap2keyError, match=r"one participant \(Ana\), too few .* experiments\.p does"
    ):
        planned(tmp_path, experiments={**sessions, "p": {}})


def test_given_and_random_splits(study):
    given = {"split": "predefined", "predefined": {"test": ["Zoë Z"], "train": ["Ana", "Bo"]}}
    made = planned(study, experiments={"g": given, "r": {"split": "random"}})
    assert names_of(made.training_datasets("g", "predefined")) == ["Ana", "Bo"]
    assert made.fold_options("g", "predefined")[:2] == ["--held-out", "Zoë Z"]
    assert made.fold_options("r", "random")[0] == "--random"
    assert made.candidates == ["g"]
    many = {"g": given, "p": {"kind": "level_forest"}, "n": {"kind": "convolutional"}}
    assert planned(study, experiments={**many, "r": {"split": "random"}}).candidates == ["p", "n"]
    both = {"split": "predefined", "predefined": {"train": ["Ana", "Bo"], "test": ["Bo"]}}
    with pytest.raises(Tap2keyError, match="Bo in both train and test"):
        planned(study, experiments={"g": both}).folds("g")


def test_a_split_between_two_roots(tmp_path):
    """The prototype's --presplit: one folder of recordings to train on, another to test on."""
    for name in ("first/Ana_one", "first/Ana_two", "first/Bo_one", "second/Cy_one", "second/Di/x"):
        session(tmp_path, name)
    roots = [str(tmp_path / "first"), f"{tmp_path}/second/"]
    split = {"split": "predefined", "predefined": {"train": roots[:1], "test": roots[1:]}}
    mixed = {"split": "predefined", "predefined": {"train": [roots[0], "Di"], "test": ["Cy"]}}
    experiments = {"both": split, "mixed": mixed}
    for main_process in (True, False):
        made = planned(tmp_path, main_process, experiments, study=roots)
        assert made.participants == ["Ana", "Bo", "Cy", "Di"]
        assert made.folds("both")["predefined"].train == ("Ana", "Bo")
        assert made.folds("both")["predefined"].test == ("Cy", "Di")
        assert made.folds("mixed")["predefined"].train == ("Ana", "Bo", "Di")
    assert len(made.recordings) == 5

    session(tmp_path, "second/Bo_two")
    with pytest.raises(Tap2keyError, match=r"both\.predefined: Bo in both train and test"):
        planned(tmp_path, True, experiments, study=roots).folds("both")
    session(tmp_path, "second/Ana_one")
    with pytest.raises(Tap2keyError, match="both participant 'Ana', session 'one'"):
        planned(tmp_path, True, experiments, study=roots)
    with pytest.raises(Tap2keyError, match="second lies inside another root"):
        planned(tmp_path, True, experiments, study=[str(tmp_path), roots[1]])
    with pytest.raises(Tap2keyError, match="study_table is for one root"):
        planned(tmp_path, True, experiments, study=roots, study_table="study.tsv")


@pytest.mark.parametrize("side", ["train", "test"])
def test_a_given_split_names_somebody_on_both_sides(study, side):
    given = {"train": ["Ana", "Bo"], "test": ["Zoë Z"], side: []}
    experiments = {"g": {"split": "predefined", "predefined": given}}
    with pytest.raises(Tap2keyError, match=rf"experiments\.g\.predefined\.{side}: selects nothing"):
        planned(study, experiments=experiments).folds("g")


def test_experiments_share_encodings(study):
    cropped = {"crop_ms": [2, 4], "sample_rate": 48_000}
    experiments = {
        "a": {"encoding": cropped},
        "b": {**FOREST, "encoding": {**cropped, "crop_ms": [2.0, 4.0]}},
        "c": {"encoding": {**cropped, "highpass_hz": 150}},
        "d": {},
    }
    made = planned(study, experiments=experiments)
    assert list(made.encodings) == [
        "interleave-48000-crop2to4",
        "interleave-48000-crop2to4-highpass150",
        "interleave-16000",
    ]
    assert made.dataset("a", "Bo") == made.dataset("b", "Bo") != made.dataset("c", "Bo")
    assert list(planned(study, experiments=experiments, select_experiments="d").encodings) == [
        "interleave-16000"
    ]


def test_different_encodings_never_share_a_name():
    settings = [
        {
            "representation": representation,
            "sample_rate": rate,
            "crop_ms": crop,
            "highpass_hz": hz,
            "whiten": white,
        }
        for representation in ("interleave", "top")
        for rate in (16_000, 48_000)
        for crop in (None, [2, 4], [24, 4], [2, 44], [0.5, 4], [0.25, 4.125])
        for hz in (None, 150, 150.5)
        for white in (False, True)
    ]
    assert len({plan.encoding_name(s) for s in settings}) == len(settings)


def test_the_main_process_writes_the_manifest_and_jobs_read_it(study):
    made = planned(study)
    assert read_manifest(made.manifest) == list(made.recordings)
    # A job must not notice what was recorded since: the graph of jobs is of the main process.
    session(study / "study", "Dan/one")
    assert planned(study, main_process=False).participants == ["Ana", "Bo", "Zoë Z"]
    assert planned(study).participants == ["Ana", "Bo", "Dan", "Zoë Z"]
    assert planned(study, main_process=False).participants == ["Ana", "Bo", "Dan", "Zoë Z"]


def test_a_participant_left_out_stays_in_the_manifest(study):
    """Otherwise selecting would touch it, and with it everybody's sessions."""
    planned(study)
    before = (study / "results" / "manifest.tsv").stat().st_mtime_ns
    planned(study, select_participants="Ana,Bo")
    assert (study / "results" / "manifest.tsv").stat().st_mtime_ns == before


def test_a_group_may_be_asked_of_any_source_of_truth():
    start = datetime(1970, 1, 1)
    one = Recording("Ana", "one", "a", Path("a.wav"), start, None, (), truth="events")
    with pytest.raises(Tap2keyError, match=r"no table is given for a\.wav; fill it in for every"):
        values_of([one], "table", "t")
    for column, value in (("session", "one"), ("truth", "events"), ("array", "array")):
        assert values_of([one], column, "t") == [value]


@pytest.mark.parametrize(
    "results", ["study", "study/", "study/results", "study/Ana/one", ".", "link", "link/new", "up"]
)
def test_results_that_are_hold_or_lie_in_the_study_are_refused_before_anything_is_written(
    study, results
):
    (study / "link").symlink_to(study / "study")
    (study / "up").symlink_to(study)
    table = study / "study" / "study.tsv"
    table.write_text("path\tuse\nAna/one\tno\n")
    before = {p: p.stat().st_mtime_ns for p in study.rglob("*")}
    with pytest.raises(
        Tap2keyError, match=r"config: results \(.*\) and study \(.*inside the other"
    ):
        planned(study, results=str(study / results))
    assert {p: p.stat().st_mtime_ns for p in study.rglob("*")} == before


def test_results_lie_apart_from_every_root_and_from_new_recordings(study):
    session(study / "second", "Cy/one")
    roots = [str(study / "study"), str(study / "second")]
    with pytest.raises(Tap2keyError, match=r"results .*second"):
        planned(study, study=roots, results=str(study / "second" / "made"))
    (study / "new" / "deep").mkdir(parents=True)
    for results in ("new", "new/deep/made", ""):
        with pytest.raises(Tap2keyError, match=r"results .*predict\.recordings"):
            planned(
                study,
                study=None,
                simulate={},
                predict={"recordings": str(study / "new")},
                results=str(study / results),
            )
    assert list((study / "new").iterdir()) == [study / "new" / "deep"]
    # Beside each other, with a common beginning of their names, they are apart.
    assert planned(study, results=str(study / "study results")).participants


def test_new_recordings_may_be_simulated_ones(tmp_path):
    simulate = {"participants": 3}
    new = {"recordings": str(tmp_path / "results" / "simulated" / "study")}
    assert planned(tmp_path, study=None, simulate=simulate, predict=new).participants


def test_a_file_that_is_no_manifest_is_never_written_over(study):
    manifest = study / "results" / "manifest.tsv"
    manifest.parent.mkdir()
    manifest.write_text("path\tparticipant\tuse\nAna/one\tAna\tno\n")
    with pytest.raises(Tap2keyError, match=r"manifest\.tsv: is not a table that tap2key made"):
        planned(study)
    assert manifest.read_text() == "path\tparticipant\tuse\nAna/one\tAna\tno\n"
    (study / "file").touch()
    with pytest.raises(Tap2keyError, match=r"config: results: .*file is a file"):
        planned(study, results=str(study / "file"))


def test_what_is_passed_over_is_said_once_and_listed(study, capsys):
    planned(study)
    assert "warning" not in capsys.readouterr().err
    stray = study / "study" / "Ana" / "one" / "01.acoustic" / "part2" / "x.wav"
    stray.parent.mkdir()
    stray.touch()
    made = planned(study)
    assert f"1 in the study not used, see {made.passed_over}; the first: {stray}" in (
        capsys.readouterr().err
    )
    (row,) = read_tsv(made.passed_over)
    assert (row["participant"], row["session"], row["path"]) == ("Ana", "one", str(stray))
    planned(study, main_process=False)
    assert capsys.readouterr().err == ""


def test_people_whose_names_are_digits_are_selected(tmp_path):
    for name in ("001/a", "002/a", "010/a"):
        session(tmp_path / "study", name)
    made = planned(tmp_path, select_folds=1, select_participants=[1, 2])
    assert made.participants == ["001", "002"]
    assert list(made.folds("only")) == ["001"]
    given = {"split": "predefined", "predefined": {"train": [1], "test": [2]}}
    made = planned(tmp_path, experiments={"g": given})
    assert made.fold_options("g", "predefined")[:2] == ["--held-out", "002"]


def test_roots_named_by_a_variable_train_and_test(tmp_path, monkeypatch):
    monkeypatch.setenv("SCRATCH", str(tmp_path))
    session(tmp_path, "first/Ana/one")
    session(tmp_path, "second/Bo/one")
    roots = ["$SCRATCH/first", "$SCRATCH/second"]
    split = {"split": "predefined", "predefined": {"train": roots[:1], "test": roots[1:]}}
    made = planned(tmp_path, study=roots, experiments={"g": split})
    assert (made.folds("g")["predefined"].train, made.folds("g")["predefined"].test) == (
        ("Ana",),
        ("Bo",),
    )


def test_where_things_land(study):
    made = planned(study, experiments={"e": {"seeds": [0, 5]}}, select_folds="Bo")
    root = str(study / "results")
    assert made.taps_of("Ana") == [f"{root}/taps/Ana/one", f"{root}/taps/Ana/two"]
    assert made.dataset("e", "Ana") == f"{root}/datasets/interleave-16000/Ana"
    assert made.each_run("evaluations", "e") == [
        f"{root}/evaluations/e/Bo/seed-0",
        f"{root}/evaluations/e/Bo/seed-5",
    ]
    assert Path(made.keyboard).is_file()


def test_what_the_jobs_of_a_session_and_of_a_text_take(study):
    rows = [
        "path\tlatency_s\tuse",
        f"Ana/one/01.acoustic/{RECORDING}\t-0.2\t",
        f"Bo/one/01.acoustic/{RECORDING}\t\t",
    ]
    (study / "study" / "study.tsv").write_text("\n".join(rows) + "\n")
    made = planned(study, characters={"é": "q"}, segment={"strict": True})
    assert made.stated_of("Ana", "one") == ["2023-01-27T13:05:22.123000 -0.2"]
    assert made.stated_of("Ana", "two") == ["2023-01-27T13:05:22.123000 None"]
    own = study / "study" / "Ana" / "one"
    assert made.files_of("Ana", "one") == [
        str(own / "01.acoustic" / RECORDING),
        str(own / "02.neonode" / "a_nnode.csv"),
    ]
    assert made.segment_options("Ana", "one") == ["--strict", '--characters={"é": "q"}']
    root = str(study / "results")
    ana, bo = [f"{root}/taps/Ana/one", f"{root}/taps/Ana/two"], [f"{root}/taps/Bo/one"]
    assert made.tested_taps("only", "Ana") == ana
    assert made.training_taps("only", "Zoë Z") == [*ana, *bo]


def test_training_gets_only_what_determines_a_model(study):
    """So that another fold's or encoding's setting does not retrain it."""
    network = {
        **{"model": {"revision": "x"}, "augmentation": {"fir": 0.5}, "training": {"patience": 16}},
        **{"seeds": [4], "oversample": False, "encoding": {"whiten": True}},
    }
    svm = {"kind": "pairs_svm", "encoding": {"representation": "pairs"}}
    made = planned(
        study, experiments={"w": network, "f": FOREST, "s": svm}, experiment_defaults={"trees": 7}
    )
    assert made.model_options("w") == ["--model-revision=x", "--augmentation-fir=0.5"]
    assert made.model_options("f") == ["--kind=level_forest", "--trees=7"]
    assert made.model_options("s") == ["--kind=pairs_svm"]
    assert (made.of_kind(baselines=True), made.of_kind(baselines=False)) == (["f", "s"], ["w"])


SEGMENT = {
    "selectivity_s": 0.05,
    "peak_height": 0.5,
    "latency_s": -0.25,
    "outside_keys": "drop",
    "strict": True,
}


def test_options_are_what_the_stages_understand(study):
    """Settings arrive in the stage unchanged."""
    encoding = {
        "representation": "top",
        "sample_rate": 44_100,
        "crop_ms": [0.5, 4],
        "highpass_hz": 120.5,
        "whiten": True,
    }
    args = parse(["encode", "--taps", "t", "--output", "o", *options_of("encoding", encoding)])
    assert Encoding.from_metadata(vars(args)) == Encoding("top", 44_100, (0.5, 4.0), 120.5, True)
    args = parse(["encode", "--taps", "t", "--output", "o", *options_of("encoding", {})])
    assert (args.crop_ms, args.highpass_hz, args.whiten) == (None, None, False)
    settings = {"validation": {"by": "session", "fraction": 0.35}, "oversample": False}
    made = planned(study, experiments={"e": settings})
    args = parse(["fold", "--datasets", "d", "--output", "o", *made.fold_options("e", "Zoë Z")])
    assert args.held_out == ["Zoë Z"]
    chosen = (args.validation_by, args.validation_fraction, args.training_fraction)
    assert (*chosen, args.oversample) == ("session", 0.35, 1.0, False)
    required = ["--manifest", "m", "--keyboard", "k", "--participant", "p", "--session", "s"]
    args = parse(["segment", *required, "--output", "o", *options_of("segment", SEGMENT)])
    assert settings_of(args, "segment") == SEGMENT


def test_a_simulated_study_is_known_before_it_exists(tmp_path):
    simulate = {"participants": 3, "sessions": 2, "recordings": 2, "seed": 4}
    made = planned(tmp_path, simulate=simulate, study=None)
    assert len(made.participants) == 3
    assert len(made.simulated) == 6
    assert len(made.recordings) == 12
    assert not (tmp_path / "results" / "simulated").exists()
    for recording in made.recordings:
        assert str(recording.path).startswith(made.simulated_study)
        assert isinstance(recording.start, datetime)
    # The truth is beside the study, never inside it.
    assert not made.simulated_truth.startswith(made.simulated_study)
    two = planned(tmp_path, simulate=simulate, select_participants=made.participants[:2])
    assert {s.participant for s in two.simulated} == set(made.participants[:2])


def test_new_recordings_and_who_names_them(study):
    folder = study / "new ones"
    (folder / "deep").mkdir(parents=True)
    for name in ("b.wav", "a.WAV", "deep/a.wav", ".c.wav", "notes.txt"):
        (folder / name).touch()
    experiments = {"w": {}, "f": FOREST}
    made = planned(study, experiments=experiments)
    assert (made.predicting, made.new_recordings) == ([], [])
    asked = {"recordings": str(folder)}
    made = planned(study, experiments=experiments, predict=asked)
    assert made.predicting == ["w"]
    assert made.new_recordings == [str(folder / name) for name in ("a.WAV", "b.wav", "deep/a.wav")]
    asked["experiment"] = "f"
    assert planned(study, experiments=experiments, predict=asked).predicting == ["f"]
    with pytest.raises(Tap2keyError, match=r"predict\.experiment: unknown 'f'; available: w"):
        assert planned(
            study, experiments=experiments, predict=asked, select_experiments="w"
        ).predicting
    (folder / "{x}.wav").touch()
    with pytest.raises(Tap2keyError, match=r"\{x\}\.wav: has a brace"):
        assert planned(study, experiments=experiments, predict=asked).new_recordings
    with pytest.raises(Tap2keyError, match="nowhere: no such file"):
        asked["recordings"] = str(study / "nowhere")
        assert planned(study, experiments=experiments, predict=asked).new_recordings


def test_new_recordings_that_snakemake_cannot_have_as_inputs_are_watched_all_the_same(study):
    folder = study / "new ones"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.wav").touch()
    asked = {"recordings": str(folder)}
    seen = [planned(study, predict=asked).other_recordings]
    latin = folder / os.fsdecode("Müller.wav".encode("latin-1"))
    for change in (
        latin.touch,
        lambda: latin.write_bytes(b"RIFF"),
        lambda: (folder / "gone.wav").symlink_to(study / "nowhere.wav"),
        lambda: (folder / "two\nlines.wav").touch(),
    ):
        change()
        made = planned(study, predict=asked)
        assert made.new_recordings == [str(folder / "a.wav")]
        seen.append(made.other_recordings)
    assert len(set(seen)) == 5
    assert planned(study, predict=asked).other_recordings == seen[-1]
    asked["recordings"] = os.fsdecode("Müller".encode("latin-1"))
    with pytest.raises(
        Tap2keyError, match=r"predict\.recordings: 'M.*ller' is not valid text; rename it"
    ):
        assert planned(study, predict=asked).new_recordings


def test_only_models_that_hold_sessions_out_are_adapted(study):
    experiments = {
        "held-out": {},
        "chosen": {"split": "predefined", "predefined": {"train": ["Ana"], "test": ["Bo"]}},
        "each-session": {"split": "leave_one_session_out"},
        "random": {"split": "random"},
    }
    assert planned(study, experiments=experiments).adapted == [*experiments][:3]
    assert planned(study, experiments=experiments, adaptation=[]).adapted == []


def test_a_column_that_changes_within_a_session_holds_no_session_out():
    """The same session is then heard in training and tested."""
    start = datetime(1970, 1, 1)
    recordings = [
        Recording("Ana", "one", name, Path(name), start, None, (), groups=(("posture", posture),))
        for name, posture in (("a", "sits"), ("b", "stands"))
    ]
    by = {"split": "leave_one_out", "by": "posture"}
    assert not holds_sessions_out(by, recordings)
    assert holds_sessions_out(by, [replace(each, session=each.recording) for each in recordings])
    assert holds_sessions_out({"split": "leave_one_session_out"}, recordings)


def test_two_folds_of_one_name_are_refused(tmp_path):
    for name in ("A/B~C", "A~B/C"):
        session(tmp_path / "study", name)
    made = planned(tmp_path, experiments={"e": {"split": "leave_one_session_out"}})
    with pytest.raises(Tap2keyError, match=r"experiments\.e: two sessions' folds .* be called"):
        made.folds("e")


def test_a_checkpoint_on_this_disk_is_an_input_of_training(study):
    folder = study / "checkpoint"
    folder.mkdir()
    for name in ("config.json", "model.safetensors"):
        (folder / name).touch()
    experiments = {
        "mine": {"model": {"checkpoint": str(folder)}},
        "hub": {"model": {"checkpoint": "facebook/wav2vec2-base"}},
        "scratch": {"model": {"checkpoint": None}},
    }
    made = planned(study, experiments=experiments)
    files = [folder / "config.json", folder / "model.safetensors"]
    assert made.checkpoint_files("mine") == [str(path) for path in files]
    assert made.checkpoint_files("hub") == made.checkpoint_files("scratch") == []


@pytest.mark.parametrize("name", ["absent", "Ana"])
def test_a_folder_to_start_from_that_is_none_is_refused_before_any_job(study, name):
    checkpoint = str(study / "study" / name)
    with pytest.raises(Tap2keyError, match=r"experiments\.e\.model\.checkpoint: .* with a config"):
        planned(study, experiments={"e": {"model": {"checkpoint": checkpoint}}})


def test_each_revision_of_a_checkpoint_is_fetched_into_a_folder_of_its_own(study):
    base, pinned = "facebook/wav2vec2-base", "0b5b8e868dd84f03fd87d01f9c4ff0f080fecfe8"
    models = {
        "default": {},
        "main": {"revision": "main"},
        "tag": {"revision": "refs/pr/1"},
        "other": {"checkpoint": "lab/other"},
    }
    made = planned(study, experiments={name: {"model": model} for name, model in models.items()})
    folders = {name: made.pretrained(name) for name in models}
    root = f"{made.results}/pretrained/"
    assert folders == {
        "default": [f"{root}facebook--wav2vec2-base@{pinned}"],
        "main": [f"{root}facebook--wav2vec2-base"],
        "tag": [f"{root}facebook--wav2vec2-base@refs--pr--1"],
        "other": [f"{root}lab--other"],
    }
    asked = [made.fetched[folder] for (folder,) in folders.values()]
    assert asked == [(base, pinned), (base, "main"), (base, "refs/pr/1"), ("lab/other", "main")]


@pytest.mark.parametrize("checkpoint", [None, "folder"])
def test_a_revision_of_what_is_not_on_the_hub_is_refused(study, checkpoint):
    where = None if checkpoint is None else str(study)
    model = {"checkpoint": where, "revision": "main"}
    with pytest.raises(Tap2keyError, match=r"experiments\.e\.model\.revision: applies to names on"):
        planned(study, experiments={"e": {"model": model}})


def test_predicting_asks_for_the_memory_of_all_models(study):
    new = {"predict": {"recordings": str(study / "study"), "experiment": "only"}}
    alone, both = (
        planned(study, experiments={"only": {"seeds": seeds}}, **new).prediction_mb
        for seeds in ([0], [0, 1])
    )
    # Three participants are held out in turn; the base model's weights are 378 MB.
    assert both - alone >= 3 * 378


def test_a_hard_simulated_study_leaves_out_one_table_or_set_of_microphones(tmp_path):
    experiments = {
        column: {"split": "leave_one_out", "by": column}
        for column in ("table", "room", "microphones")
    }
    raw = {
        "results": str(tmp_path / "results"),
        "simulate": {"difficulty": "hard", "participants": 10, "sessions": 3},
        "experiments": experiments,
    }
    made = planning.make_plan(raw, main_process=True)
    folds = {column: list(made.folds(column)) for column in experiments}
    assert folds == {
        "table": ["glass", "mdf", "plywood"],
        "room": ["hall", "office"],
        "microphones": [f"set-{number}" for number in range(1, 6)],
    }
    # Whoever was on a table has their other sessions in training, as a job sees it too.
    job = planning.make_plan(raw, main_process=False)
    for table, fold in job.folds("table").items():
        tested = {r.participant for r in job.recordings if r.value_of("table") == table}
        assert (fold.test, fold.train) == (tuple(sorted(tested)), tuple(job.participants))
        assert fold.options == ("--held-group", "table", table)
    assert made.difficulty == [str(DIFFICULTY), str(DIFFICULTY.with_name("hard.yaml"))]
    assert made.simulate_options("x")[4:6] == ["--participants=10", "--sessions=3"]
    assert "--difficulty=hard" in made.simulate_options("x")
