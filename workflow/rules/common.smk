"""What all rules share: the plan of the run, code hashes, and how a stage is started."""

import gc
import inspect
import json
import re
import shlex
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

sys.path.insert(0, str(Path(workflow.basedir) / "workflow"))

from tap2key.core import folders
from tap2key.orchestration import leftovers, options, plan
from tap2key.core.errors import Tap2keyError
from tap2key.core.provenance import code_hash

# A large study's graph is millions of objects that live as long as the run, and Python's collector
# would walk them again and again while it is built: a good part of a dry run's time. See `onstart`.
gc.disable()

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
EXPORTED = {
    "PYTHONPATH": str(Path(workflow.basedir) / "workflow"),
    folders.RESULTS_VARIABLE: str(Path(RESULTS).absolute()),
}
shell.prefix(
    "set -euo pipefail; export "
    + " ".join(f"{name}={shlex.quote(value)}" for name, value in EXPORTED.items())
    .replace("{", "{{")
    .replace("}", "}}")
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
def files_of_session(wildcards):
    """A session's recordings and touch files."""
    recordings = PLAN.sessions[wildcards.participant, wildcards.session]
    return [*(r.path for r in recordings), *recordings[0].touch_files]


@signed
def told_of_session(wildcards):
    """What study.tsv can say of a session's recordings, beside who typed them."""
    recordings = PLAN.sessions[wildcards.participant, wildcards.session]
    return [f"{r.start.isoformat()} {r.latency_s}" for r in recordings]


def among(names):
    """A regular expression that matches just these names."""
    return "|".join(map(re.escape, names)) or "(?!)"


onstart:
    gc.freeze()
    gc.enable()
    # To keep to its default of 100 jobs a second, Snakemake starts a timer after each round of
    # scheduling that calls for another round. They add up until a core does nothing else.
    limit = workflow.scheduling_settings.max_jobs_per_timespan
    if limit is not None and (limit.max_jobs, limit.timespan) == (100, 1):
        workflow.scheduler.job_rate_limiter = None
    # Only SLURM's executor names its jobs after the run.
    try:
        leftovers.take_over(
            Path(RESULTS), getattr(workflow.scheduler._executor, "run_uuid", None)
        )
    except Tap2keyError as error:
        raise WorkflowError(str(error)) from None
