import asyncio
import gc
import os
import socket
import sys
from importlib.metadata import version
from types import SimpleNamespace

import psutil
import pytest
import snakemake_executor_plugin_slurm as slurm
from snakemake.exceptions import WorkflowError
from snakemake.settings.types import MaxJobsPerTimespan

from tap2key.core.files import write_json
from tap2key.orchestration import snakemake_internals as internals
from tap2key.orchestration.leftover_jobs import RECORD


def running(limit, **executor):
    """What is looked at of a Snakemake that schedules."""
    return SimpleNamespace(
        scheduling_settings=SimpleNamespace(max_jobs_per_timespan=limit),
        scheduler=SimpleNamespace(job_rate_limiter="Snakemake's", _executor=executor),
    )


def reading(main):
    """What is looked at of a Snakemake that reads the Snakefile, main or a module's."""
    return SimpleNamespace(modifier=SimpleNamespace(is_main_snakefile=lambda: main))


@pytest.fixture
def another_version(monkeypatch):
    monkeypatch.setattr(internals, "KNOWN_VERSION", "9.99.0")


def test_the_known_version_is_the_installed_one(capsys):
    assert version("snakemake") == internals.KNOWN_VERSION
    internals.warn_if_unknown()
    assert capsys.readouterr().err == ""


def test_with_another_version_nothing_inside_it_is_touched_and_one_line_says_so(
    another_version, capsys
):
    nothing = object()
    internals.lift_default_rate(nothing)
    internals.end_preempted_jobs(nothing)
    internals.cancel_all_jobs(nothing)
    assert internals.name_in_queue(nothing) is None
    assert capsys.readouterr().err == ""
    internals.warn_if_unknown()
    (line,) = capsys.readouterr().err.splitlines()
    assert f"made for snakemake 9.99.0, this is {version('snakemake')}" in line


def test_a_report_is_made_of_a_whole_run_and_a_failure_of_it_is_said(tmp_path, monkeypatch, capfd):
    called = tmp_path / "called"
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > "{called}"\nexit $FAILING\n')
    python.chmod(0o755)
    # What Snakemake took for it when it was imported.
    monkeypatch.setattr(sys.modules["snakemake.shell"], "STDOUT", None)
    monkeypatch.setenv("PATH", f"{python.parent}:{os.environ['PATH']}")
    workflow, results = SimpleNamespace(main_snakefile="/my rules/Snakefile"), "my results"
    settings = tmp_path / "the config.yaml"
    for failing, whole in (("0", False), ("0", True), ("1", True)):
        monkeypatch.setenv("FAILING", failing)
        if whole:
            settings.write_text("results: my results\n")
        internals.finish(workflow, results, str(settings), "answer/meta.yaml")
        assert called.exists() == whole
        assert ("The report could not be made" in capfd.readouterr().out) == (failing == "1")
    arguments = called.read_text().splitlines()
    assert arguments[:4] == ["-m", "snakemake", "--snakefile", "/my rules/Snakefile"]
    assert arguments[-6:] == [
        *("--configfile", str(settings), "--report", "my results/report.html"),
        *("--report-metadata", "answer/meta.yaml"),
    ]


@pytest.mark.parametrize(
    ("limit", "kept"), [("100/1s", None), ("50/1s", "Snakemake's"), (None, "Snakemake's")]
)
def test_only_the_default_limit_of_jobs_a_second_is_lifted(limit, kept):
    workflow = running(limit and MaxJobsPerTimespan.parse_choice(limit))
    internals.lift_default_rate(workflow)
    assert workflow.scheduler.job_rate_limiter == kept


def test_an_executor_without_a_run_of_its_own_submits_nothing():
    assert internals.name_in_queue(running(None)) is None


@pytest.mark.parametrize(
    ("command", "seen"), [("squeue --name x", "CANCELLED"), ("sacct --name x", "PREEMPTED")]
)
def test_what_squeue_shows_as_preempted_has_ended(monkeypatch, capsys, command, seen):
    async def answer(command, logger):
        return {"1": "PREEMPTED", "2": "PENDING", "3": "COMPLETED"}, 0.1

    monkeypatch.setattr(slurm, "query_job_status", answer)
    workflow = running(None)
    workflow.scheduler._executor = object.__new__(slurm.Executor)
    internals.end_preempted_jobs(workflow)
    for _ in range(2):
        states, seconds = asyncio.run(slurm.query_job_status(command, None))
        assert (states, seconds) == ({"1": seen, "2": "PENDING", "3": "COMPLETED"}, 0.1)
    assert capsys.readouterr().err.count("job 1 was preempted") == (command[1] == "q")


def test_no_answer_of_squeue_stays_none(monkeypatch):
    async def answer(command, logger):
        return None, None

    monkeypatch.setattr(slurm, "query_job_status", answer)
    workflow = running(None)
    workflow.scheduler._executor = object.__new__(slurm.Executor)
    internals.end_preempted_jobs(workflow)
    assert asyncio.run(slurm.query_job_status("squeue", None)) == (None, None)


def test_other_executors_are_left_alone(monkeypatch):
    asked = slurm.query_job_status
    workflow = running(None)
    before = dict(workflow.scheduler._executor)
    internals.end_preempted_jobs(workflow)
    internals.cancel_all_jobs(workflow)
    assert slurm.query_job_status is asked
    assert workflow.scheduler._executor == before


def test_an_executor_that_is_over_sleeps_no_more():
    """It would for an hour, and Ctrl-C with it."""
    workflow = running(None)
    executor = workflow.scheduler._executor = object.__new__(slurm.Executor)
    executor.next_seconds_between_status_checks = 3600
    executor.wait = False
    internals.cancel_all_jobs(workflow)
    asyncio.run(executor.sleep())


def test_the_collector_leaves_alone_what_was_made_while_it_paused():
    try:
        internals.pause_garbage_collection(reading(main=True))
        assert not gc.isenabled()
        before = gc.get_freeze_count()
        kept = [[] for _ in range(1000)]
        internals.resume_garbage_collection()
        assert gc.isenabled()
        assert gc.get_freeze_count() >= before + len(kept)
    finally:
        gc.unfreeze()
        gc.enable()


def test_in_a_module_the_collector_does_not_pause():
    internals.pause_garbage_collection(reading(main=False))
    assert gc.isenabled()


def test_a_start_lifts_the_rate_and_refuses_results_that_another_run_is_making(tmp_path):
    workflow = running(MaxJobsPerTimespan.parse_choice("100/1s"))
    workflow.scheduler._executor = SimpleNamespace(run_uuid="second-run")
    other = psutil.Process().parent()
    note = {"host": socket.gethostname(), "process": other.pid, "started": other.create_time()}
    write_json(tmp_path / RECORD, note | {"name": "first-run"})
    try:
        with pytest.raises(WorkflowError, match="another Snakemake"):
            internals.start(workflow, str(tmp_path))
        assert workflow.scheduler.job_rate_limiter is None
    finally:
        gc.unfreeze()
