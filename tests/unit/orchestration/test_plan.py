import os
from datetime import datetime
from pathlib import Path

import pytest
from made import session

from tap2key.__main__ import parse
from tap2key.config.configuration import complete_experiment
from tap2key.core.errors import Tap2keyError
from tap2key.core.files import read_tsv
from tap2key.datasets.representations import Encoding
from tap2key.orchestration import options, plan
from tap2key.study.manifest import read_manifest

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
    return plan.make_plan(raw, main_process)


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


def test_leaving_sessions_out(study):
    made = planned(study, experiments={"e": {"split": "leave_one_session_out"}})
    assert list(made.folds("e")) == ["Ana~one", "Ana~two", "Bo~one", "Zoë Z~one"]
    assert made.fold_options("e", "Ana~two")[:3] == ["--held-session", "Ana", "two"]
    assert names_of(made.training_datasets("e", "Ana~two")) == made.participants
    assert names_of(made.tested_datasets("e", "Ana~two")) == ["Ana"]


def test_given_and_random_splits(study):
    given = {"split": "given", "given": {"test": ["Zoë Z"], "train": ["Ana", "Bo"]}}
    made = planned(study, experiments={"g": given, "r": {"split": "random"}})
    assert names_of(made.training_datasets("g", "given")) == ["Ana", "Bo"]
    assert made.fold_options("g", "given")[:2] == ["--held-out", "Zoë Z"]
    assert made.fold_options("r", "random")[0] == "--random"
    both = {"split": "given", "given": {"train": ["Ana", "Bo"], "test": ["Bo"]}}
    with pytest.raises(Tap2keyError, match="Bo both in train and in test"):
        planned(study, experiments={"g": both}).folds("g")


def test_a_split_between_two_roots(tmp_path):
    """The prototype's --presplit: one folder of recordings to train on, another to test on."""
    for name in ("first/Ana_one", "first/Ana_two", "first/Bo_one", "second/Cy_one", "second/Di/x"):
        session(tmp_path, name)
    roots = [str(tmp_path / "first"), f"{tmp_path}/second/"]
    split = {"split": "given", "given": {"train": roots[:1], "test": roots[1:]}}
    mixed = {"split": "given", "given": {"train": [roots[0], "Di"], "test": ["Cy"]}}
    experiments = {"both": split, "mixed": mixed}
    for main_process in (True, False):
        made = planned(tmp_path, main_process, experiments, study=roots)
        assert made.participants == ["Ana", "Bo", "Cy", "Di"]
        assert made.folds("both")["given"].train == ("Ana", "Bo")
        assert made.folds("both")["given"].test == ("Cy", "Di")
        assert made.folds("mixed")["given"].train == ("Ana", "Bo", "Di")
    assert len(made.recordings) == 5

    session(tmp_path, "second/Bo_two")
    with pytest.raises(Tap2keyError, match=r"both\.given: Bo both in train and in test"):
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
    experiments = {"g": {"split": "given", "given": given}}
    with pytest.raises(Tap2keyError, match=rf"experiments\.g\.given\.{side}: selects nothing"):
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
    given = {"split": "given", "given": {"train": [1], "test": [2]}}
    made = planned(tmp_path, experiments={"g": given})
    assert made.fold_options("g", "given")[:2] == ["--held-out", "002"]


def test_roots_named_by_a_variable_train_and_test(tmp_path, monkeypatch):
    monkeypatch.setenv("SCRATCH", str(tmp_path))
    session(tmp_path, "first/Ana/one")
    session(tmp_path, "second/Bo/one")
    roots = ["$SCRATCH/first", "$SCRATCH/second"]
    split = {"split": "given", "given": {"train": roots[:1], "test": roots[1:]}}
    made = planned(tmp_path, study=roots, experiments={"g": split})
    assert (made.folds("g")["given"].train, made.folds("g")["given"].test) == (("Ana",), ("Bo",))


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


def test_training_gets_only_what_determines_a_model(study):
    """So that another fold's or encoding's setting does not retrain it."""
    made = planned(study, experiments={"w": {}, "f": FOREST})
    assert {"model", "augmentation", "training"} <= set(made.model_settings("w"))
    assert "trees" not in made.model_settings("w")
    assert made.model_settings("f") == {"kind": "level_forest", "trees": 500}
    assert (made.of_kind(forests=True), made.of_kind(forests=False)) == (["f"], ["w"])


SEGMENT = {
    "selectivity_s": 0.05,
    "peak_height": 0.5,
    "latency_s": -0.25,
    "none": "drop",
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
    args = parse(["encode", "--taps", "t", "--output", "o", *options.encoding_options(encoding)])
    assert Encoding.told(vars(args)) == Encoding("top", 44_100, (0.5, 4.0), 120.5, True)
    args = parse(["encode", "--taps", "t", "--output", "o", *options.encoding_options(PLAIN)])
    assert (args.crop_ms, args.highpass_hz, args.whiten) == (None, None, False)
    settings = {"validation": {"by": "session", "share": 0.35}, "oversample": False}
    made = planned(study, experiments={"e": settings})
    args = parse(["fold", "--datasets", "d", "--output", "o", *made.fold_options("e", "Zoë Z")])
    assert args.held_out == ["Zoë Z"]
    assert (args.validation_by, args.validation_share, args.no_oversample) == (
        "session",
        0.35,
        True,
    )
    required = ["--manifest", "m", "--keyboard", "k", "--participant", "p", "--session", "s"]
    args = parse(["segment", *required, "--output", "o", *options.segment_options(SEGMENT)])
    assert (args.selectivity, args.latency, args.peak_height) == (0.05, -0.25, 0.5)
    assert (args.none, args.strict) == ("drop", True)


PLAIN = complete_experiment({}, "test")["encoding"]


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
    with pytest.raises(Tap2keyError, match=r"predict\.recordings: 'M.*ller' is no text; rename it"):
        assert planned(study, predict=asked).new_recordings


def test_only_models_of_people_held_out_are_calibrated(study):
    experiments = {
        "held-out": {},
        "given": {"split": "given", "given": {"train": ["Ana"], "test": ["Bo"]}},
        "sessions": {"split": "leave_one_session_out"},
        "random": {"split": "random"},
    }
    assert planned(study, experiments=experiments).adapted == ["held-out", "given"]
    assert planned(study, experiments=experiments, adaptation=[]).adapted == []


def test_two_folds_of_one_name_are_refused(tmp_path):
    for name in ("A/B~C", "A~B/C"):
        session(tmp_path / "study", name)
    made = planned(tmp_path, experiments={"e": {"split": "leave_one_session_out"}})
    with pytest.raises(Tap2keyError, match=r"experiments\.e: two sessions' folds .* one name"):
        made.folds("e")


def test_a_checkpoint_on_this_disk_is_an_input_of_training(study):
    folder = study / "checkpoint"
    folder.mkdir()
    (folder / "model.safetensors").touch()
    experiments = {
        "mine": {"model": {"checkpoint": str(folder)}},
        "hub": {"model": {"checkpoint": "facebook/wav2vec2-base"}},
        "scratch": {"model": {"checkpoint": None}},
    }
    made = planned(study, experiments=experiments)
    assert made.checkpoint_files("mine") == [str(folder / "model.safetensors")]
    assert made.checkpoint_files("hub") == made.checkpoint_files("scratch") == []


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
    with pytest.raises(Tap2keyError, match=r"experiments\.e\.model\.revision: is for a name on"):
        planned(study, experiments={"e": {"model": model}})


def test_predicting_asks_for_the_memory_of_all_models(study):
    new = {"predict": {"recordings": str(study / "study"), "experiment": "only"}}
    alone, both = (
        planned(study, experiments={"only": {"seeds": seeds}}, **new).prediction_mb
        for seeds in ([0], [0, 1])
    )
    # Three participants are held out in turn; the base model's weights are 378 MB.
    assert both - alone >= 3 * 378
