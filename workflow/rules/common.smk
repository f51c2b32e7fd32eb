"""What all rules share: the plan of the run, code hashes, and how a stage is started."""

import inspect
import json
import re
import shlex
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

sys.path.insert(0, str(Path(workflow.basedir) / "workflow"))

from tap2key import leftovers, options, plan
from tap2key.errors import Tap2keyError
from tap2key.provenance import code_hash

try:
    PLAN = plan.make_plan(config, workflow.is_main_process)
    EXPERIMENTS = PLAN.experiments
    for name in EXPERIMENTS:
        PLAN.folds(name)
    NEW_RECORDINGS = PLAN.new_recordings
except Tap2keyError as error:
    raise WorkflowError(str(error)) from None

RESULTS = PLAN.results

# With conda active Snakemake deletes PYTHONPATH, so every command sets it itself.
shell.executable("bash")
shell.prefix(
    "set -euo pipefail; export PYTHONPATH="
    + shlex.quote(str(Path(workflow.basedir) / "workflow")).replace("{", "{{").replace("}", "}}")
    + "; "
)


wildcard_constraints:
    participant="[^/]+",
    session="[^/]+",
    fold="[^/]+",
    encoding="[^/]+",
    experiment="[^/]+",
    seed="[0-9]+",


def signed(function):
    """Keep a function's signature, which Snakemake asks for several times a job."""
    function.__signature__ = inspect.signature(function)
    return function


def megabytes(first):
    """Memory that doubles with every attempt."""
    return signed(lambda wildcards, attempt: first * 2 ** (attempt - 1))


def minutes(first):
    """Time that doubles with every attempt."""
    return signed(lambda wildcards, attempt: first * 2 ** (attempt - 1))


@signed
def recordings_of(wildcards):
    """The recordings of a session."""
    return [r.path for r in PLAN.sessions[wildcards.participant, wildcards.session]]


@signed
def touches_of(wildcards):
    """The touch files of a session."""
    return PLAN.sessions[wildcards.participant, wildcards.session][0].touch_files


def among(names):
    """A regular expression that matches just these names."""
    return "|".join(map(re.escape, names)) or "(?!)"


# Only SLURM's executor names its jobs after the run.
onstart:
    try:
        leftovers.take_over(
            Path(RESULTS), getattr(workflow.scheduler._executor, "run_uuid", None)
        )
    except Tap2keyError as error:
        raise WorkflowError(str(error)) from None
