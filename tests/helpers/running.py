"""Running Snakemake as a user does, and the small study that several tests run."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
SMALL_RUN = (
    "--profile",
    "profiles/local",
    "--configfile",
    "small.yaml",
    "--set-threads",
    "train=1",
)
# Of the folder that the workflow is copied into: paths with these must be quoted in every way.
ODD_NAME = 'Bob\'s "work" für später'
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
    def slurm_jobs(self) -> list[str]:
        """Numbers of the jobs that were submitted, in that order."""
        return re.findall(r"submitted with SLURM jobid (\d+)", self.text)

    @property
    def error(self) -> str:
        """The line after `WorkflowError`."""
        lines = self.text.splitlines()
        start = next(n for n, line in enumerate(lines) if line.startswith("WorkflowError"))
        return lines[start + 1].strip()


def command(
    root: Path, arguments: Sequence[str], program: Sequence[str] = ("-m", "snakemake")
) -> list[str]:
    """The command line of Snakemake, or a Python program like it, with the Snakefile of `root`."""
    return [sys.executable, *program, "-s", str(root / "Snakefile"), *arguments]


def environment(programs: Sequence[Path] = ()) -> dict[str, str]:
    """A user's environment: the tests' programs on PATH, and nothing that finds the package."""
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    folders = (Path(sys.executable).parent, *programs, kept["PATH"])
    return {**kept, "PATH": os.pathsep.join(map(str, folders))}


def snakemake(
    folder: Path, arguments: Sequence[str], root: Path = ROOT, programs: Sequence[Path] = ()
) -> Run:
    """Run Snakemake in `folder` with the Snakefile under `root` and further folders on PATH."""
    done = subprocess.run(
        command(root, arguments),
        cwd=folder,
        env=environment(programs),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=1200,
        check=False,
    )
    return Run(done.returncode, done.stdout)


def copy_workflow(parent: Path, name: str = ODD_NAME) -> Path:
    """Copy Snakefile, workflow, configuration, profiles and environments."""
    root = parent / name
    root.mkdir()
    for part in WORKFLOW_PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, root / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, root / part)
    return root
