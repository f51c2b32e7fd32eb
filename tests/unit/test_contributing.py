"""CONTRIBUTING.md names files: all of them are there."""

import re
from pathlib import Path

import pytest

from tap2key.core.shipped import PROJECT

TEXT = (PROJECT / "CONTRIBUTING.md").read_text(encoding="utf-8")
FILES = sorted(set(re.findall(r"[\w./*-]+/[\w./*-]*|[\w*-]+\.(?:py|toml|yaml|md)\b", TEXT)))


def test_files_are_named():
    assert len(FILES) > 15
    assert {
        "tests/helpers/every_stage.py",
        "config/experiments.yaml",
        "orchestration/plan.py",
    } <= set(FILES)


@pytest.mark.parametrize("name", [name for name in FILES if name != ".venv/bin/activate"])
def test_what_is_named_is_there(name):
    places = (PROJECT, PROJECT / "workflow" / "tap2key", PROJECT / "workflow/tap2key/orchestration")
    assert any(list(Path(place).glob(name)) for place in places), name
