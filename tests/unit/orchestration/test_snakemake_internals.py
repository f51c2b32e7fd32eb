import gc
from importlib.metadata import version
from types import SimpleNamespace

import pytest
from snakemake.settings.types import MaxJobsPerTimespan

from tap2key.orchestration import snakemake_internals as internals


def running(limit, **executor):
    """What is looked at of a Snakemake that schedules."""
    return SimpleNamespace(
        scheduling_settings=SimpleNamespace(max_jobs_per_timespan=limit),
        scheduler=SimpleNamespace(job_rate_limiter="Snakemake's", _executor=executor),
    )


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
    assert internals.name_in_queue(nothing) is None
    assert capsys.readouterr().err == ""
    internals.warn_if_unknown()
    (line,) = capsys.readouterr().err.splitlines()
    assert f"made for snakemake 9.99.0, this is {version('snakemake')}" in line


@pytest.mark.parametrize(
    ("limit", "kept"), [("100/1s", None), ("50/1s", "Snakemake's"), (None, "Snakemake's")]
)
def test_only_the_default_limit_of_jobs_a_second_is_lifted(limit, kept):
    workflow = running(limit and MaxJobsPerTimespan.parse_choice(limit))
    internals.lift_default_rate(workflow)
    assert workflow.scheduler.job_rate_limiter == kept


def test_an_executor_without_a_run_of_its_own_submits_nothing():
    assert internals.name_in_queue(running(None)) is None


def test_the_collector_leaves_alone_what_was_made_while_it_paused():
    try:
        internals.pause_garbage_collection()
        assert not gc.isenabled()
        before = gc.get_freeze_count()
        kept = [[] for _ in range(1000)]
        internals.resume_garbage_collection()
        assert gc.isenabled()
        assert gc.get_freeze_count() >= before + len(kept)
    finally:
        gc.unfreeze()
        gc.enable()
