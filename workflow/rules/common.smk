"""What all rules share: the plan of the run, where files go, and how a stage is started."""

import inspect
import json
import re
import shlex
from pathlib import Path

from snakemake.exceptions import WorkflowError

from tap2key.core import folders
from tap2key.config.arguments import options_of
from tap2key.config.comparisons import planned_comparisons
from tap2key.config.experiments import stated
from tap2key.config.search_space import models_trained
from tap2key.config.stage_settings import FINDING, HEARD, NAMING, PROCESSES, STAGING
from tap2key.orchestration import planning, snakemake_internals, training_jobs
from tap2key.core.errors import Tap2keyError
from tap2key.core.code_hash import code_hash
from tap2key.decoding.planned_texts import plan_texts
from tap2key.orchestration.planned_folds import holds_people_out

snakemake_internals.pause_garbage_collection(workflow)

try:
    PLAN = planning.make_plan(
        snakemake_internals.configuration_in_module(workflow, config), workflow.is_main_process
    )
    EXPERIMENTS = PLAN.experiments
    for name in EXPERIMENTS:
        PLAN.folds(name)
    NEW_RECORDINGS = PLAN.new_recordings
    COMPARISONS = planned_comparisons(PLAN.config, list(EXPERIMENTS), PLAN.candidates)
    TEXTS = plan_texts(
        PLAN.config,
        EXPERIMENTS,
        holds_people_out,
        PLAN.recordings,
        PLAN.keyboard,
        PLAN.simulated_study,
    )
except Tap2keyError as error:
    raise WorkflowError(str(error)) from None

RESULTS = PLAN.results
SESSION = "{participant}/{session}"
RUN = "{experiment}/{fold}/seed-{seed}"

# Where in the report an output is found, and the wildcards that tell it from others there.
OF_ANSWER = {"category": "Answer"}
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
    "PYTHONPATH": str(PROJECT / "workflow"),
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


def minutes_of_training(first):
    """The same for each model that a run trains, with those that its search tries."""
    return signed(
        lambda wildcards, attempt: (
            first
            * models_trained(EXPERIMENTS[wildcards.experiment], int(wildcards.seed))
            * 2 ** (attempt - 1)
        )
    )


def among(names):
    """A regular expression that matches just these names."""
    return "|".join(map(re.escape, names)) or "(?!)"


onstart:
    snakemake_internals.start(workflow, RESULTS)
