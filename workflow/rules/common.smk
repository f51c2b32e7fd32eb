"""What all rules share: the plan of the run, where files go, and how a stage is started."""

import inspect
import json
import re
import shlex
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

sys.path.insert(0, str(Path(workflow.basedir) / "workflow"))

from tap2key.core import folders
from tap2key.orchestration import leftover_jobs, options, plan, snakemake_internals
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
SESSION = "{participant}/{session}"
RUN = "{experiment}/{fold}/seed-{seed}"

# Where in the report an output is found, and the wildcards that tell it from others there.
OF_STUDY = {"category": "Study"}
OF_SEGMENTATION = {"category": "Segmentation", "subcategory": "all"}
OF_SESSION = {
    "category": "Segmentation",
    "subcategory": "{participant}",
    "wildcards": ["participant", "session"],
}
OF_RUN = {
    "category": "Participants",
    "subcategory": "{fold}",
    "wildcards": ["experiment", "fold", "seed"],
}
OF_EXPERIMENT = {
    "category": "Experiments",
    "subcategory": "{experiment}",
    "wildcards": ["experiment"],
}
OF_EXPERIMENTS = {"category": "Experiments", "subcategory": "all"}
OF_RECORD = {"category": "Run"}

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


def log_of(rule, job=None):
    """The log of a rule's job, which is named by the wildcards of the rule."""
    return f"{RESULTS}/logs/{rule}/{job}.log" if job else f"{RESULTS}/logs/{rule}.log"


def benchmark_of(rule, job=None):
    """The benchmark of a rule's job, named as its log."""
    return f"{RESULTS}/benchmarks/{rule}/{job}.tsv" if job else f"{RESULTS}/benchmarks/{rule}.tsv"


def shown(path, caption, what, wildcards=(), **place):
    """An output that the report shows under a name, with the caption in workflow/report."""
    labels = {name: f"{{{name}}}" for name in wildcards} | {"what": what}
    return report(path, caption=f"../report/{caption}.rst", labels=labels, **place)


def every_run(stage, names):
    """The folders of a stage for all folds and seeds of several experiments."""
    return [run for name in names for run in PLAN.each_run(stage, name)]


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
    return PLAN.to_declare([*(r.path for r in recordings), *recordings[0].touch_files])


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
        leftover_jobs.take_over(Path(RESULTS), snakemake_internals.name_in_queue(workflow))
    except Tap2keyError as error:
        raise WorkflowError(str(error)) from None
