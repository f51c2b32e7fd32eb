"""What several kinds of tests share."""

import os
import shutil
from collections.abc import Generator
from pathlib import Path
from typing import TypeVar

import hypothesis
import pytest
from running import ROOT, SMALL_RUN, copy_workflow, snakemake

# The same examples in every run, so that a test fails only for a change that was made to the code.
hypothesis.settings.register_profile("stable", derandomize=True, deadline=None)
hypothesis.settings.load_profile("stable")

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Under xdist, one process runs all tests that share something costly; the longest start first.

    That is the cluster, the finished study, or what else a file's tests share.
    """
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            shared = "finished" in getattr(item, "fixturenames", ())
            item.add_marker(pytest.mark.xdist_group("finished" if shared else item.path.name))
    longest = ("slurm", "finished")
    groups = {item: item.get_closest_marker("xdist_group").args[0] for item in items}
    items.sort(key=lambda item: (*longest, groups[item]).index(groups[item]))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, Report, Report]:
    """In continuous integration what a test needs must be there: a skipped one has failed."""
    return never_skipped((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, Report, Report]:
    """Nor may a whole file be skipped there."""
    return never_skipped((yield))


def never_skipped(report: Report) -> Report:
    """The report, as a failure if it tells of a skip in continuous integration."""
    if report.skipped and os.environ.get("CI"):
        report.outcome = "failed"
        report.longrepr = f"skipped in continuous integration: {report.longrepr[2]}"
    return report


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the workflow in which a small simulated study was run to its end.

    Tests may edit it if they put back what they changed.
    """
    root = copy_workflow(tmp_path_factory.mktemp("finished"))
    shutil.copy(ROOT / "tests" / "workflow" / "small.yaml", root / "small.yaml")
    run = snakemake(root, SMALL_RUN, root)
    assert run.status == 0, run.text[-5000:]
    return root
