"""What `make install` does with the package itself."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from made import run
from running import ROOT, copy_workflow

from tap2key import __version__


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A checkout at a path with spaces, quotes and umlauts, installed without a network."""
    folder = tmp_path_factory.mktemp("installed")
    root = copy_workflow(folder)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, root)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    python = folder / "venv" / "bin" / "python"
    site = next((folder / "venv" / "lib").glob("python*/site-packages"))
    others = [path for path in sys.path if path.endswith("site-packages")]
    (site / "others.pth").write_text("\n".join(others) + "\n")
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "--python", python, "install", "--quiet"),
            *("--no-index", "--no-deps", "--no-build-isolation", "--ignore-installed"),
            *("-e", root),
        ],
        check=True,
    )
    return root, python


def output_of(command, **variables):
    """What a command prints in /, with nothing but `variables` told to it."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | variables
    return subprocess.run(
        command, cwd="/", env=environment, capture_output=True, text=True, check=True
    ).stdout


@pytest.mark.parametrize("variables", [{}, {"LC_ALL": "C"}], ids=["any locale", "LC_ALL=C"])
def test_an_installed_checkout_has_a_command_that_works_from_anywhere(installed, variables):
    root, python = installed
    code = "import tap2key; print(ascii(tap2key.__file__))"
    expected = ascii(str(root / "workflow" / "tap2key" / "__init__.py"))
    assert output_of([python, "-c", code], **variables).strip() == expected
    by_module = run("config").stdout
    for command in ([python.with_name("tap2key")], [python, "-m", "tap2key"]):
        assert output_of([*command, "config"], **variables) == by_module


def test_the_installed_version_is_the_packages(installed):
    code = "from importlib.metadata import version; print(version('tap2key'))"
    assert output_of([installed[1], "-c", code]).strip() == __version__


def test_no_list_of_dependencies_can_disagree_with_the_pinned_versions(installed):
    code = "from importlib.metadata import requires; print(requires('tap2key'))"
    assert output_of([installed[1], "-c", code]).strip() == "None"


def test_the_environment_of_these_tests_has_the_command():
    command = Path(sys.executable).with_name("tap2key")
    assert output_of([command, "config"]) == run("config").stdout
