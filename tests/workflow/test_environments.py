"""The small study with `--sdm conda`: each rule in its own environment, and nothing else.

`conda` is a stand-in here (stand_in_conda/conda.py) that installs an environment's pip pins into an
empty virtual environment. Two gigabytes are installed once and used by all tests of this file.
"""

import os
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from running import ROOT, SMALL_RUN, copy_workflow, snakemake

from tap2key.__main__ import STAGES

pytestmark = [pytest.mark.slow]
STAND_IN = ROOT / "tests" / "workflow" / "stand_in_conda" / "bin"
ENVIRONMENTS = ("learning", "signal")
IN_SIGNAL = ("simulate", "segment")
# `cost` plans with Snakemake itself, which no rule's environment holds.
BESIDE_SNAKEMAKE = ("cost",)
# One person's folds, to their scores: in which environment a job runs is decided by its rule.
PART = ("--config", "select_folds=Tony", "--until", "compare")


class Deployed:
    """A finished run with `--sdm conda`, and the environments that Snakemake made for it."""

    def __init__(self, parent: Path) -> None:
        # Snakemake puts an environment's path in quotes that the odd name of the run would end.
        self.prefix = parent / "conda"
        self.root = copy_workflow(parent)
        shutil.copy(ROOT / "tests" / "workflow" / "small.yaml", self.root)
        self.first = self.run()
        assert self.first.status == 0, self.first.text[-5000:]
        found = {}
        for listed in self.prefix.glob("*.yaml"):
            name = yaml.safe_load(listed.read_text(encoding="utf-8"))["name"]
            found[name.removeprefix("tap2key-")] = listed.with_suffix("")
        self.environments = found

    def run(self):
        options = (*SMALL_RUN, *PART, "--sdm", "conda", "--conda-prefix", str(self.prefix))
        return snakemake(self.root, options, self.root, programs=[STAND_IN])

    def python(self, environment: str, *arguments: str) -> str:
        """What an environment's Python prints; it finds tap2key and nothing of this one."""
        kept = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        done = subprocess.run(
            [self.environments[environment] / "bin" / "python", *arguments],
            env={**kept, "PYTHONPATH": str(self.root / "workflow")},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout


@pytest.fixture(scope="module")
def deployed(tmp_path_factory):
    made = Deployed(tmp_path_factory.mktemp("deployed"))
    yield made
    shutil.rmtree(made.prefix)


def pins(name):
    lines = (ROOT / "envs" / f"{name}.yaml").read_text(encoding="utf-8").splitlines()
    return {line.strip("- ") for line in lines if "==" in line}


def test_every_job_ran_in_its_own_environment(deployed):
    activated = Counter(
        re.findall(r"^Activating conda environment: (\S+)$", deployed.first.text, re.M)
    )
    by_name = {
        name: sum(n for path, n in activated.items() if Path(path).name == folder.name)
        for name, folder in deployed.environments.items()
    }
    jobs = Counter(deployed.first.jobs)
    signal = jobs["simulate"] + jobs["segment"]
    assert by_name == {"signal": signal, "learning": jobs.total() - signal}
    assert signal and jobs["train"] and jobs["baseline"] and jobs["compare"]


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_an_environment_holds_its_pins_and_no_other_package(deployed, name):
    # A build of torch has its own local version, such as 2.13.0+cpu.
    found = re.sub(r"\+\w+$", "", deployed.python(name, "-m", "pip", "freeze"), flags=re.M)
    assert {line.lower() for line in found.splitlines()} == {pin.lower() for pin in pins(name)}
    assert "No broken requirements" in deployed.python(name, "-m", "pip", "check")


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_every_stage_of_an_environment_starts_in_it(deployed, name):
    in_rules = [stage for stage in STAGES if stage not in BESIDE_SNAKEMAKE]
    stages = [stage for stage in in_rules if (stage in IN_SIGNAL) == (name == "signal")]
    assert stages
    modules = [STAGES[stage][0] for stage in stages]
    deployed.python(name, "-c", f"import importlib\nfor m in {modules}: importlib.import_module(m)")


def test_results_are_those_of_a_run_without_environments(deployed, finished):
    here, there = (root / "results" for root in (deployed.root, finished))
    compared = Counter()
    made = (here / folder for folder in ("taps", "evaluations"))
    for path in sorted(p.relative_to(here) for folder in made for p in folder.rglob("*")):
        if path.name in ("windows.npy", "confusion.tsv", "recordings.tsv"):
            assert (here / path).read_bytes() == (there / path).read_bytes(), path
        elif path.name == "predictions.parquet":
            ours, theirs = (pd.read_parquet(root / path) for root in (here, there))
            same = ["participant", "session", "recording", "tap", "truth", "prediction"]
            pd.testing.assert_frame_equal(ours[same], theirs[same])
            chances = (np.stack(frame.probabilities) for frame in (ours, theirs))
            np.testing.assert_allclose(*chances, atol=1e-5)
        else:
            continue
        compared[path.name] += 1
    assert compared == {
        **{"windows.npy": 6, "recordings.tsv": 6},
        **{"predictions.parquet": 2, "confusion.tsv": 2},
    }


def test_a_second_run_has_nothing_to_do(deployed):
    run = deployed.run()
    assert run.status == 0, run.text[-3000:]
    # What comes after `compare` is still to be made, so Snakemake does not say that all is done.
    assert re.search(r"^total +0$", run.text, re.M) and not run.jobs
