"""What several kinds of tests share."""

import os
import shutil
from collections.abc import Generator
from pathlib import Path
from typing import TypeVar

import hypothesis
import pytest
from filelock import FileLock
from running import ODD_NAME, ROOT, SMALL_RUN, copy_workflow, snakemake
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

# The same examples in every run, so that a test fails only for a change that was made to the code.
hypothesis.settings.register_profile("stable", derandomize=True, deadline=None)
hypothesis.settings.load_profile("stable")

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)


# What takes longest, in that order: files that share the cluster or the finished study, or a file.
LONGEST = (
    "slurm",
    "finished",
    "tests/workflow/test_studies_of_arrays.py",
    "tests/workflow/test_dry_run.py",
)
USES_FINISHED = tuple(
    f"tests/workflow/test_{name}.py"
    for name in ("cost", "end_to_end", "environments", "report", "rerun")
)


class BySharedSetUp(LoadScopeScheduling):
    """Gives all tests that share something costly to one process."""

    def _split_scope(self, nodeid: str) -> str:
        return shared_by(nodeid)


def shared_by(nodeid: str) -> str:
    """What a test shares with others: the cluster, the finished study, or what its file shares."""
    file = nodeid.split("::")[0]
    if file.startswith("tests/slurm/"):
        return "slurm"
    return "finished" if file in USES_FINISHED else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> BySharedSetUp:
    """Groups named by marks do not reach the scheduler with pytest's present node ids."""
    return BySharedSetUp(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest start first."""
    shared = {item: shared_by(item.nodeid) for item in items}
    for item, group in shared.items():
        if "finished" in getattr(item, "fixturenames", ()) and group not in LONGEST:
            raise pytest.UsageError(f"{item.nodeid}: name its file in USES_FINISHED")
    items.sort(key=lambda item: (*LONGEST, shared[item]).index(shared[item]))


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
def finished_and_copy(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A small simulated study that was run to its end, once for all processes, and a copy of it."""
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    made, copy = shared / "finished", shared / "finished-copy"
    with FileLock(shared / "finished.lock"):
        if not copy.exists():
            shutil.rmtree(made, ignore_errors=True)
            made.mkdir()
            root = copy_workflow(made)
            shutil.copy(ROOT / "tests" / "workflow" / "small.yaml", root / "small.yaml")
            run = snakemake(root, SMALL_RUN, root)
            assert run.status == 0, run.text[-5000:]
            shutil.copytree(root, made / "copy")
            (made / "copy").rename(copy)
    return made / ODD_NAME, copy


@pytest.fixture(scope="session")
def finished(finished_and_copy: tuple[Path, Path]) -> Path:
    """A copy of the workflow in which a small simulated study was run to its end.

    Tests may edit it if they put back what they changed.
    """
    return finished_and_copy[0]
