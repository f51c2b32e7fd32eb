"""Simulated and recorded sessions in the workflow: what is made of them, and what is made anew."""

import os
import shutil

import pytest
from running import copy_workflow, snakemake

TINY = """
results: results
simulate: {participants: 2, sessions: 2, recordings: 2, taps: 12, seed: 3, material: mdf}
select_experiments: level-forest
"""
SESSIONS = 4
FOLDERS = {"Maria_01_28_23_data", "Maria_02_04_23_data", "Tony_01_27_23_data", "Tony_02_03_23_data"}
QUIET = ("--cores", "1", "--configfile", "tiny.yaml")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A folder in which a tiny study was simulated and segmented, and what Snakemake said."""
    folder = tmp_path_factory.mktemp("tiny")
    (folder / "tiny.yaml").write_text(TINY, encoding="utf-8")
    run = snakemake(folder, [*QUIET, "--verbose", "--until", "overview"])
    assert run.status == 0, run.text[-3000:]
    return folder, run


@pytest.fixture
def simulated(tiny, tmp_path):
    """A copy of that folder, for one test to spoil."""
    return shutil.copytree(tiny[0], tmp_path / "tiny")


def planned(folder, *more):
    run = snakemake(folder, [*QUIET, "-n", "--until", "overview", *more])
    assert run.status == 0, run.text
    return run.planned


def a_recording(folder):
    study = folder / "results" / "simulated" / "study"
    return min((study / "Maria_01_28_23_data" / "01.acoustic").glob("*.wav"))


def test_one_rule_simulates_all_sessions_and_takes_its_threads_from_the_command_line(tmp_path):
    (tmp_path / "tiny.yaml").write_text(TINY, encoding="utf-8")
    run = snakemake(
        tmp_path,
        [*QUIET, "-n", "--cores", "3", "--until", "simulate", "--set-threads", "simulate=3"],
    )
    assert run.jobs == {"simulate": SESSIONS}
    assert {job["folder"] for job in run.planned["simulate"]} == FOLDERS
    assert run.text.count("threads: 3\n") == SESSIONS


def test_the_scheduler_looks_about_once_for_each_job_and_not_every_second(tiny):
    _, run = tiny
    assert run.jobs == {"simulate": SESSIONS, "segment": SESSIONS, "overview": 1}
    assert 0 < run.text.count("Ready jobs: ") <= sum(run.jobs.values())


def test_what_is_simulated_is_not_made_again(tiny):
    assert planned(tiny[0]) == {}


def test_no_rule_but_simulate_names_the_truth(tmp_path):
    (tmp_path / "tiny.yaml").write_text(TINY, encoding="utf-8")
    run = snakemake(tmp_path, [*QUIET, "-n"])
    naming = {
        block.split(":", 1)[0]
        for block in run.text.split("\nrule ")[1:]
        if "simulated/truth" in block.split("\n[", 1)[0]
    }
    assert naming == {"simulate"}


def test_a_recording_that_was_touched_reruns_its_session_once(simulated):
    wav = a_recording(simulated)
    os.utime(wav)
    jobs = planned(simulated)
    assert set(jobs) == {"segment", "overview"}
    assert jobs["segment"] == [{"participant": "Maria", "session": "01_28_23_data"}]
    assert snakemake(simulated, [*QUIET, "--until", "overview"]).status == 0
    assert planned(simulated) == {}


def test_a_recording_that_was_lost_is_simulated_again_as_it_was(simulated):
    wav = a_recording(simulated)
    before = wav.read_bytes()
    wav.unlink()
    jobs = planned(simulated)
    assert jobs["simulate"] == [{"folder": "Maria_01_28_23_data"}]
    assert jobs["segment"] == [{"participant": "Maria", "session": "01_28_23_data"}]
    assert snakemake(simulated, [*QUIET, "--until", "simulate"]).status == 0
    assert wav.read_bytes() == before


def test_another_seed_replaces_every_session_and_leaves_none_of_the_old_recordings(simulated):
    study = simulated / "results" / "simulated" / "study"
    before = set(study.rglob("*.wav"))
    config = simulated / "tiny.yaml"
    config.write_text(TINY.replace("seed: 3", "seed: 4"), encoding="utf-8")
    run = snakemake(simulated, [*QUIET, "--until", "simulate"])
    assert run.status == 0, run.text[-3000:]
    after = set(study.rglob("*.wav"))
    assert len(after) == len(before) == 2 * SESSIONS
    assert not after & before


def test_new_recordings_that_are_simulated_wait_for_their_simulation(simulated):
    study = simulated / "results" / "simulated" / "study" / "Maria_01_28_23_data"
    given = f"predict={{recordings: {study}, experiment: level-forest}}"
    shutil.rmtree(simulated / "results" / "simulated" / "made")
    run = snakemake(simulated, [*QUIET, "-n", "--config", given])
    assert run.status == 0, run.text
    block = run.text.split("\nrule predict:", 1)[1].split("\n[", 1)[0]
    assert "input: results/simulated/made/Maria_01_28_23_data, results/models/" in block


def test_what_study_tsv_says_of_a_recorded_session_reruns_that_session_alone(simulated):
    shutil.move(simulated / "results" / "simulated" / "study", simulated / "study")
    shutil.rmtree(simulated / "results")
    (simulated / "tiny.yaml").write_text(
        "study: study\nstudy_table: told.tsv\nselect_experiments: level-forest\n", encoding="utf-8"
    )
    wav = min((simulated / "study" / "Maria_01_28_23_data" / "01.acoustic").glob("*.wav"))

    def tell(row):
        (simulated / "told.tsv").write_text(
            f"path\tstart\tlatency_s\n{wav.relative_to(simulated / 'study')}\t{row}\n",
            encoding="utf-8",
        )

    def segmented(row):
        tell(row)
        return [
            (job["participant"], job["session"]) for job in planned(simulated).get("segment", [])
        ]

    tell("\t")
    run = snakemake(simulated, [*QUIET, "--until", "overview"])
    assert run.status == 0, run.text[-3000:]
    of_wav = [("Maria", "01_28_23_data")]
    assert segmented("\t") == []
    assert segmented("2023-02-01T10:00:00.5\t") == of_wav
    assert segmented("\t0.25") == of_wav
    tell("\t")
    os.utime(wav)
    assert [job["session"] for job in planned(simulated)["segment"]] == ["01_28_23_data"]


def test_with_another_snakemake_the_run_goes_on_and_one_line_says_what_it_lacks(tmp_path):
    root = copy_workflow(tmp_path)
    internals = root / "workflow" / "tap2key" / "orchestration" / "snakemake_internals.py"
    text = internals.read_text(encoding="utf-8")
    assert 'KNOWN_VERSION = "9.27.1"' in text
    internals.write_text(text.replace('VERSION = "9.27.1"', 'VERSION = "9.99.0"'), encoding="utf-8")
    (root / "tiny.yaml").write_text(TINY, encoding="utf-8")
    marker = "results/simulated/made/Tony_01_27_23_data"
    run = snakemake(root, [*QUIET, "--", marker], root=root)
    assert run.status == 0, run.text[-3000:]
    assert run.jobs == {"simulate": 1}
    assert run.text.count("warning: made for snakemake 9.99.0, this is 9.27.1") == 1
