"""Recordings that nobody here made; without them these tests say so and are not collected.

`TAP2KEY_REAL` names their folder, else it is `shared/real` beside the checkout. In it the files are
packed; its program `unpack` writes them as they were published.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from running import ROOT

PACKED = Path(os.environ.get("TAP2KEY_REAL") or ROOT.parent / "shared" / "real")
HERE = (PACKED / "unpack").is_file()


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Nothing to test where there are no recordings."""
    return True if not HERE and collection_path.name.startswith("test_") else None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was not tested."""
    if not HERE:
        terminalreporter.write_line(
            f"tests/real: not run, no recordings in {PACKED} (TAP2KEY_REAL names another folder)"
        )


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recordings, unpacked."""
    folder = tmp_path_factory.mktemp("real") / "unpacked"
    subprocess.run([sys.executable, PACKED / "unpack", folder], check=True)
    return folder
