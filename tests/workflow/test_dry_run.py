"""Dry runs over odd layouts: the DAG that is shown is the one that would run."""

import pytest
from conftest import snakemake

DRY = ("--cores", "1", "-n", "--quiet", "host")
FLAT = [f"{name}_01_2{day}_23_data" for name in ("Tony", "Maria", "Chen") for day in (7, 8)]


def dry_run(folder, *config):
    return snakemake(folder, [*DRY, "--config", "study=study", *config])


def expected_jobs(sessions, participants, encodings=3, experiments=4, forests=2):
    runs = experiments * participants
    return {
        "segment": sessions,
        "encode": encodings * participants,
        "fold": runs,
        "train": (experiments - forests) * participants,
        "baseline": forests * participants,
        "evaluate": runs,
        "calibrate": runs,
        "calibration_curve": experiments,
        "summarize": experiments,
        "curves": experiments - forests,
        "pretrained": 1,
        **dict.fromkeys(("overview", "compare", "record", "all"), 1),
    }


def test_flat_study(tmp_path, make_session):
    for name in FLAT:
        make_session(name, recordings=2)
    assert dry_run(tmp_path).jobs == expected_jobs(sessions=6, participants=3)


def test_nested_study_with_odd_names(tmp_path, make_session):
    for name in ("Jürgen/27 Jan", "Ann O'Neil/first", 'The "Boss"/1', "李雷/session $HOME"):
        make_session(name)
    run = dry_run(tmp_path)
    assert run.jobs == expected_jobs(sessions=4, participants=4)


def test_selection_from_the_command_line(tmp_path, make_session):
    for name in FLAT:
        make_session(name)
    run = dry_run(
        tmp_path, "select_folds=Tony,Chen", "select_experiments=level-forest,gcc-phat-forest"
    )
    assert run.jobs == {
        "segment": 6,
        "encode": 3,
        "fold": 4,
        "baseline": 4,
        "evaluate": 4,
        "calibrate": 4,
        "calibration_curve": 2,
        "summarize": 2,
        **dict.fromkeys(("overview", "compare", "record", "all"), 1),
    }
    run = dry_run(tmp_path, "select_participants=Tony,Chen", "select_experiments=level-forest")
    assert run.jobs["segment"] == 4
    assert run.jobs["baseline"] == 2


def test_calibration_can_be_left_out(tmp_path, make_session):
    for name in FLAT:
        make_session(name)
    run = dry_run(tmp_path, "calibrate=[]")
    jobs = expected_jobs(sessions=6, participants=3)
    assert run.jobs == {n: c for n, c in jobs.items() if not n.startswith("calibrat")}


def test_new_recordings_are_read_with_all_models_of_an_experiment(tmp_path, make_session):
    for name in FLAT:
        make_session(name)
    folder = tmp_path / "Ann O'Neil's new ones"
    (folder / "deep").mkdir(parents=True)
    for name in ("a.wav", "deep/b c.WAV", "notes.txt"):
        (folder / name).touch()
    given = f'predict={{"recordings": "{folder.name}", "experiment": "level-forest"}}'
    run = dry_run(tmp_path, given, "select_experiments=level-forest", "calibrate=[]")
    assert run.jobs["predict"] == 1
    assert run.jobs["baseline"] == 3
    block = run.text.split("rule predict:", 1)[1].split("rule ", 1)[0]
    for name in ("a.wav", "b c.WAV", *(f"level-forest/{p}/seed-0" for p in ("Chen", "Tony"))):
        assert name in block
    assert "notes.txt" not in block


def test_a_session_left_out_in_study_tsv(tmp_path, make_session):
    for name in FLAT:
        make_session(name)
    make_session("Maria_01_29_23_data", neonode=False)
    table = "path\tuse\nMaria_01_29_23_data\tno\n"
    (tmp_path / "study" / "study.tsv").write_text(table, encoding="utf-8")
    assert dry_run(tmp_path).jobs["segment"] == 6


def one_participant(make_session):
    make_session("Tony_01_27_23_data")


def no_sensor_folder(make_session):
    make_session("Tony_01_27_23_data")
    make_session("Maria_01_27_23_data", neonode=False)


def no_sensor_file(make_session):
    make_session("Tony_01_27_23_data")
    next((make_session("Maria_01_27_23_data") / "02.neonode").iterdir()).unlink()


def no_recordings_folder(make_session):
    make_session("Tony_01_27_23_data")
    make_session("Maria_01_27_23_data", acoustic=False)


def colliding(make_session):
    make_session("Tony_01_27_23_data")
    make_session("Tony/01_27_23_data")


def braces(make_session):
    make_session("Tony_{session}")
    make_session("Maria_01")


def empty(make_session):
    make_session("x/../../study/.hidden/Tony_1")


@pytest.mark.parametrize(
    ("layout", "said"),
    [
        (one_participant, ["one participant", "Tony"]),
        (no_sensor_folder, ["Maria_01_27_23_data", "02.neonode", "use = no"]),
        (no_sensor_file, ["Maria_01_27_23_data", "nnode.csv"]),
        (no_recordings_folder, ["Maria_01_27_23_data", "01.acoustic"]),
        (colliding, ["Tony_01_27_23_data", "Tony/01_27_23_data", "study.tsv"]),
        (braces, ["{session}", "brace"]),
        (empty, ["no session"]),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_bad_study_is_one_line_before_any_job(tmp_path, make_session, layout, said):
    layout(make_session)
    run = dry_run(tmp_path)
    assert run.status != 0
    assert not run.jobs
    for words in said:
        assert words in run.error


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (["segmnt={}"], ["segmnt", "did you mean 'segment'"]),
        (["study=nowhere"], ["nowhere", "not found"]),
        (["layout=x"], ["layout", "participant"]),
        (["select_folds=Bob"], ["select_folds", "Bob", "Tony"]),
        (["select_experiments=best"], ["select_experiments", "best", "aligned-48000"]),
        (["predict={recordings: nowhere}"], ["nowhere", "no such file or folder"]),
        (["predict={recordings: study, experiment: best}"], ["predict.experiment", "best"]),
        (["experiments={a: {kind: svm}}"], ["experiments.a.kind", "svm"]),
    ],
)
def test_a_bad_configuration_is_one_line_before_any_job(tmp_path, make_session, config, said):
    for name in FLAT:
        make_session(name)
    run = dry_run(tmp_path, *config)
    assert run.status != 0
    assert not run.jobs
    for words in said:
        assert words in run.error


def test_the_demo_shows_its_whole_dag_from_a_clean_checkout(copy_of_workflow):
    run = snakemake(copy_of_workflow, ["--profile", "profiles/demo", "-n"], root=copy_of_workflow)
    assert run.status == 0, run.text
    simulated = [name for name in run.jobs if name.startswith("simulate_")]
    assert len(simulated) == run.jobs["segment"]
    assert run.jobs["train"] == run.jobs["encode"] / 2
