"""What a test needs and does not find: told on a laptop, a failure in continuous integration."""

import os
import subprocess
import sys

import pytest
from running import ROOT

SKIPPED = {
    "marked": "@pytest.mark.skip(reason='no reason')\ndef test_it(): pass",
    "in the test": "def test_it(): pytest.skip('no reason')",
    "in a fixture": "@pytest.fixture\ndef it(): pytest.skip('no reason')\ndef test_it(it): pass",
    "whole file": "pytest.skip('no reason', allow_module_level=True)\ndef test_it(): pass",
}


@pytest.mark.parametrize("code", SKIPPED.values(), ids=SKIPPED)
@pytest.mark.parametrize("ci", [None, "true"])
def test_a_skip_is_a_failure_in_continuous_integration_alone(ci, code, tmp_path):
    (tmp_path / "test_skipped.py").write_text(f"import pytest\n{code}\n")
    variables = {name: value for name, value in os.environ.items() if name != "CI"}
    variables["PYTHONPATH"] = os.pathsep.join(
        str(ROOT / part) for part in ("tests", "tests/helpers", "workflow")
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-ra", "-p", "conftest", "-p", "no:cacheprovider", "."],
        cwd=tmp_path,
        env=variables if ci is None else variables | {"CI": ci},
        capture_output=True,
        text=True,
    )
    assert "no reason" in done.stdout
    if ci is None:
        assert "1 skipped" in done.stdout
        assert done.returncode in (0, pytest.ExitCode.NO_TESTS_COLLECTED)
    else:
        assert "skipped in continuous integration: " in done.stdout
        assert done.returncode in (pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED)
