"""Running Snakemake as a user does, on studies made of stand-in files or on a simulated one."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SMALL_RUN = (
    "--profile",
    "profiles/local",
    "--configfile",
    "small.yaml",
    "--set-threads",
    "train=1",
)
WORKFLOW_PARTS = ("Snakefile", "workflow", "config", "profiles", "envs")


@dataclass(frozen=True)
class Run:
    """What a finished Snakemake said."""

    status: int
    text: str

    @property
    def jobs(self) -> dict[str, int]:
        """Jobs per rule, from the table that Snakemake prints."""
        counted = re.findall(r"^(\S+) +(\d+)$", self.text, flags=re.M)
        return {name: int(count) for name, count in counted if name != "total"}

    @property
    def planned(self) -> dict[str, list[dict[str, str]]]:
        """The wildcards of every job, by rule, from what a dry run prints of each job."""
        found: dict[str, list[dict[str, str]]] = {}
        for block in re.split(r"^(?:local)?rule ", self.text, flags=re.M)[1:]:
            name = block.split(":", 1)[0]
            line = re.search(r"^ +wildcards: (.*)$", block, flags=re.M)
            pairs = line[1].split(", ") if line else []
            found.setdefault(name, []).append(dict(pair.split("=", 1) for pair in pairs))
        return found

    @property
    def error(self) -> str:
        """The line after `WorkflowError`."""
        lines = self.text.splitlines()
        start = next(n for n, line in enumerate(lines) if line.startswith("WorkflowError"))
        return lines[start + 1].strip()


def snakemake(
    folder: Path, arguments: Sequence[str], root: Path = ROOT, programs: Sequence[Path] = ()
) -> Run:
    """Run Snakemake in `folder` with the Snakefile under `root`, and further folders on PATH."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    first = [str(folder) for folder in (Path(sys.executable).parent, *programs)]
    environment["PATH"] = os.pathsep.join([*first, environment["PATH"]])
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "-s", str(root / "Snakefile"), *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=1200,
        check=False,
    )
    return Run(done.returncode, done.stdout)


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


def copy_workflow(parent: Path) -> Path:
    """Copy Snakefile, workflow, configuration, profiles and environments."""
    root = parent / 'Bob\'s "work" für später'
    root.mkdir()
    for part in WORKFLOW_PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, root / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, root / part)
    return root
