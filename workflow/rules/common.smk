"""What all rules share: the plan of the run, code hashes, and how a stage is started."""

import inspect
import json
import re
import shlex
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

sys.path.insert(0, str(Path(workflow.basedir) / "workflow"))

from tap2key.core import folders
from tap2key.orchestration import leftovers, options, plan, snakemake_internals
from tap2key.core.errors import Tap2keyError
from tap2key.core.provenance import code_hash

snakemake_internals.pause_garbage_collection()

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
    snakemake_internals.warn_if_unknown()
    snakemake_internals.resume_garbage_collection()
    snakemake_internals.lift_default_rate(workflow)
    try:
        leftovers.take_over(Path(RESULTS), snakemake_internals.name_in_queue(workflow))
    except Tap2keyError as error:
        raise WorkflowError(str(error)) from None
