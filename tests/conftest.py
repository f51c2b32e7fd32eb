"""What several kinds of tests share."""

import shutil
from pathlib import Path

import hypothesis
import pytest
from running import ROOT, SMALL_RUN, copy_workflow, snakemake

# The same examples in every run, so that a test fails only for a change that was made to the code.
hypothesis.settings.register_profile("stable", derandomize=True, deadline=None)
hypothesis.settings.load_profile("stable")


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
