"""The import contracts in pyproject.toml: kept by the package, and broken by what breaks them."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tap2key.__main__ import STAGES

ROOT = Path(__file__).parents[2]
ONE_WAY, STAGES_APART = (
    "Data flow one way: a room imports only from the rooms below it in this list",
    "Stages do not import one another",
)


@pytest.fixture
def package(tmp_path):
    """A copy of the package, to break."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    source = ROOT / "workflow" / "tap2key"
    ignored = shutil.ignore_patterns("__pycache__")
    return Path(shutil.copytree(source, tmp_path / "workflow" / "tap2key", ignore=ignored))


def broken(package):
    """The names of the contracts that `lint-imports` finds broken, and what it prints."""
    found = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--no-logo"],
        cwd=package.parents[1],
        env={**os.environ, "PYTHONPATH": str(package.parent), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    names = {
        line.removesuffix(" BROKEN")
        for line in found.stdout.splitlines()
        if line.endswith(" BROKEN")
    }
    assert found.returncode == bool(names), found.stdout
    return names, found.stdout


def add_line(path, line):
    text = path.read_text(encoding="utf-8") if path.exists() else '"""A module."""\n'
    path.write_text(f"{text}\n{line}\n", encoding="utf-8")


def test_the_contract_on_stages_lists_them_all():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    listed = contracts["tool"]["importlinter"]["contracts"][1]["modules"]
    assert sorted(listed) == sorted(module for module, _ in STAGES.values())


def test_the_package_keeps_the_contracts(package):
    assert broken(package)[0] == set()


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("core/errors.py", "from tap2key.study import manifest", ONE_WAY),
        ("evaluation/scoring.py", "from tap2key.reports.plot_keyboard import *", ONE_WAY),
        # Inside a function an import is an import.
        ("models/hub.py", "def f():\n    import tap2key.training.fold_data", ONE_WAY),
        ("training/launch.py", "from tap2key.training import train", STAGES_APART),
        # By way of another module.
        ("training/batches.py", "from tap2key.training import train", STAGES_APART),
    ],
)
def test_an_import_against_the_order_breaks_a_contract(package, module, line, contract):
    assert (package / module).exists()
    add_line(package / module, line)
    assert contract in broken(package)[0]


@pytest.mark.parametrize("module", ["helpers.py", "attic/__init__.py"])
def test_a_module_outside_the_rooms_breaks_a_contract(package, module):
    (package / module).parent.mkdir(exist_ok=True)
    add_line(package / module, "X = 1")
    names, text = broken(package)
    assert names == {ONE_WAY}
    assert Path(module).parts[0].removesuffix(".py") in text
