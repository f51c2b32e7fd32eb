"""What the workflow takes from inside Snakemake, none of which Snakemake documents.

Everything here is known of one version. With another one it is left alone: the run goes on, and
one line says what it does without.
"""

import gc
from importlib.metadata import version
from typing import Any

from tap2key.core.log import log

KNOWN_VERSION = "9.27.1"
# Snakemake's own limit of jobs started, and in how many seconds, unless the user sets another.
DEFAULT_RATE = (100, 1)


def is_known() -> bool:
    """Whether this is the Snakemake whose inside is known here."""
    return version("snakemake") == KNOWN_VERSION


def warn_if_unknown() -> None:
    """Say once in a run what another version of Snakemake costs."""
    if not is_known():
        log.warning(
            f"made for snakemake {KNOWN_VERSION}, this is "
            f"{version('snakemake')}: large runs may be slower, and jobs that a killed Snakemake "
            "leaves in SLURM's queue are not found by the next one"
        )


def pause_garbage_collection() -> None:
    """Spare Python's collector the graph while it is built; `resume_garbage_collection` follows.

    A large study's graph is millions of objects that live as long as the run, and the collector
    would walk them again and again: a good part of a dry run's time.
    """
    gc.disable()


def resume_garbage_collection() -> None:
    """Collect what is made from now on, and never walk what is there already."""
    gc.freeze()
    gc.enable()


def lift_default_rate(workflow: Any) -> None:
    """Start jobs as fast as they become ready, unless the user chose a limit.

    To keep to its default of 100 jobs a second, Snakemake starts a timer after each round of
    scheduling that calls for another round. They add up until a core does nothing else.

    Args:
        workflow: Snakemake's, once it schedules.
    """
    if not is_known():
        return
    limit = workflow.scheduling_settings.max_jobs_per_timespan
    if limit is not None and (limit.max_jobs, limit.timespan) == DEFAULT_RATE:
        workflow.scheduler.job_rate_limiter = None


def name_in_queue(workflow: Any) -> str | None:
    """What this run's jobs are called in SLURM's queue; None if it submits none.

    Args:
        workflow: Snakemake's, once it schedules.
    """
    if not is_known():
        return None
    # Only SLURM's executor names its jobs after the run.
    return getattr(workflow.scheduler._executor, "run_uuid", None)
