"""What the workflow takes from inside Snakemake, none of which Snakemake documents.

Everything here is known of one version. With another one it is left alone: the run goes on, and
one line says what it does without.
"""

import asyncio
import gc
import sys
import time
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from snakemake.exceptions import WorkflowError
from snakemake.shell import shell

from tap2key.config.configuration import in_module
from tap2key.core.errors import Tap2keyError
from tap2key.core.log import log
from tap2key.orchestration.leftover_jobs import cancel_named, take_over

KNOWN_VERSION = "9.27.1"
# Snakemake's own limit of jobs started, and in how many seconds, unless the user sets another.
DEFAULT_RATE = (100, 1)
EXECUTOR = "snakemake_executor_plugin_slurm"
SECONDS_TO_NOTICE_THE_END = 1.0


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


def start(workflow: Any, results: str | Path) -> None:
    """All that a run does before its first job; for the `onstart` of the outermost Snakefile.

    Snakemake ignores that of a module, so a Snakefile that uses this workflow as one has to call
    this itself.

    Args:
        workflow: Snakemake's, once it schedules.
        results: the folder of all results, the module's prefix included.

    Raises:
        WorkflowError: another run is making these results, or the jobs that it left in SLURM's
            queue do not end; see `leftover_jobs.take_over`.
    """
    warn_if_unknown()
    resume_garbage_collection()
    lift_default_rate(workflow)
    end_preempted_jobs(workflow)
    cancel_all_jobs(workflow)
    try:
        take_over(Path(results), name_in_queue(workflow))
    except Tap2keyError as error:
        raise WorkflowError(str(error)) from None


def finish(workflow: Any, results: str, settings: str, metadata: str) -> None:
    """All that a run does after its last job; for the `onsuccess` of the outermost Snakefile.

    It makes the report, unless only a part of the run was asked for.

    Args:
        workflow: Snakemake's.
        results: the folder of all results, where the report goes.
        settings: the record's file of the run's configuration, which no part of a run writes.
        metadata: what the report opens with.
    """
    if not Path(settings).is_file():
        return
    shell(
        "python -m snakemake --snakefile {workflow.main_snakefile:q} --nolock"
        " --quiet rules progress --configfile {settings:q} --report {results:q}/report.html"
        " --report-metadata {metadata:q} || echo 'The report could not be made; see above.'"
    )


def pause_garbage_collection(workflow: Any) -> None:
    """Spare Python's collector the graph while it is built; `resume_garbage_collection` follows.

    A large study's graph is millions of objects that live as long as the run, and the collector
    would walk them again and again: a good part of a dry run's time. In a module it does not
    pause, since nothing here would make it go on.

    Args:
        workflow: Snakemake's, while it reads the Snakefile.
    """
    if workflow.modifier.is_main_snakefile():
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


def end_preempted_jobs(workflow: Any) -> None:
    """Have jobs that were preempted for good submitted anew, as those that were cancelled are.

    The executor leaves preempted jobs to SLURM and would wait for ever for those that SLURM does
    not requeue (PreemptMode=CANCEL). squeue tells them apart: a requeued job it shows as pending.

    Args:
        workflow: Snakemake's, once it schedules.
    """
    if not is_known() or type(workflow.scheduler._executor).__module__ != EXECUTOR:
        return
    executor: Any = sys.modules[EXECUTOR]
    asked = executor.query_job_status
    told: set[str] = set()

    async def with_preempted_ended(command: str, logger: Any) -> tuple[Any, Any]:
        states, seconds = await asked(command, logger)
        if states is None or not command.startswith("squeue"):
            return states, seconds
        preempted = {job for job, state in states.items() if state == "PREEMPTED"}
        for job in sorted(preempted - told):
            log.warning(f"SLURM job {job} was preempted and not requeued; it counts as failed")
        told.update(preempted)
        return {**states, **dict.fromkeys(preempted, "CANCELLED")}, seconds

    executor.query_job_status = with_preempted_ended


def cancel_all_jobs(workflow: Any) -> None:
    """Have Ctrl-C cancel every job of this run, and Snakemake end soon after.

    The executor cancels the jobs that it keeps in a list: not those that it is submitting, or has
    still to submit, which it goes on to do; and none while it asks squeue, as the list is empty
    then. It ends when it would have asked again, three minutes later in a long run.

    Args:
        workflow: Snakemake's, once it schedules.
    """
    if not is_known() or type(workflow.scheduler._executor).__module__ != EXECUTOR:
        return
    executor: Any = workflow.scheduler._executor
    cancel_listed = executor.cancel_jobs

    def cancel_listed_and_others(listed: list[Any]) -> None:
        executor._job_submission_executor.shutdown(wait=True, cancel_futures=True)
        try:
            # Only the executor knows on which of several clusters its jobs are.
            cancel_listed(listed)
        finally:
            cancel_named(executor.run_uuid)

    async def sleep_until_over() -> None:
        awake = time.monotonic() + executor.next_seconds_between_status_checks
        while executor.wait and (left := awake - time.monotonic()) > 0:
            await asyncio.sleep(min(left, SECONDS_TO_NOTICE_THE_END))

    executor.cancel_jobs = cancel_listed_and_others
    executor.sleep = sleep_until_over


def configuration_in_module(workflow: Any, config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The configuration, completed by what is shipped if this is a module of another Snakefile.

    Snakemake leaves `configfile` out where a module is given a `config`, and puts a `prefix` before
    the relative paths that rules declare, but not before those that their parameters hold.

    Args:
        workflow: Snakemake's, while it reads the Snakefile.
        config: as Snakemake has it.

    Raises:
        Tap2keyError: the module replaces prefixes, of which nothing could be told here.
    """
    modifier = workflow.modifier
    if modifier.is_main_snakefile():
        return config
    paths = modifier.path_modifier
    if paths.modifies_prefixes:
        raise Tap2keyError(
            "module: replace_prefix is not supported; set results, or give the module a prefix"
        )
    return in_module(config, paths.prefix)
