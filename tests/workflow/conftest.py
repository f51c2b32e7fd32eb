"""Studies made of stand-in files."""

from collections.abc import Callable
from pathlib import Path

import pytest
from running import copy_workflow


@pytest.fixture
def make_session(tmp_path: Path) -> Callable[..., Path]:
    """Make a session folder of empty stand-in files: `make_session("Tony_01_27_23_data")`."""

    def make(name: str, recordings: int = 1, acoustic: bool = True, neonode: bool = True) -> Path:
        folder = tmp_path / "study" / name
        if acoustic:
            (folder / "01.acoustic").mkdir(parents=True)
            for index in range(recordings):
                (folder / "01.acoustic" / f"13.0{index}.22.123_01_27_2023.wav").touch()
        if neonode:
            (folder / "02.neonode").mkdir(parents=True)
            (folder / "02.neonode" / "13.00.00_01_27_2023_nnode.csv").touch()
        return folder

    return make


@pytest.fixture
def copy_of_workflow(tmp_path: Path) -> Path:
    """The workflow's own files, under a path that is hard to quote."""
    return copy_workflow(tmp_path)
