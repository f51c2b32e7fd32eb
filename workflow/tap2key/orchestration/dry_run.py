"""The jobs that Snakemake would run, from its own dry run."""

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from snakemake.api import SnakemakeApi
from snakemake.exceptions import WorkflowError
from snakemake.logging import LogEvent
from snakemake.settings.types import ConfigSettings, DAGSettings, OutputSettings, ResourceSettings

from tap2key.core.errors import Tap2keyError
from tap2key.core.shipped import PROJECT


@dataclass(frozen=True)
class Job:
    """A job to do; `benchmark` is None if it starts no program."""

    rule: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    benchmark: str | None


class JobCollector(logging.Handler):
    """Collects the jobs that Snakemake logs."""

    def __init__(self) -> None:
        super().__init__()
        self.jobs: list[Job] = []

    def emit(self, record: Any) -> None:
        """Keep a job; all other records are ignored."""
        if getattr(record, "event", None) == LogEvent.JOB_INFO:
            files = (tuple(record.input), tuple(record.output))
            self.jobs.append(Job(record.rule_name, *files, record.benchmark))


def jobs_to_do(
    config_files: Sequence[Path], config: Mapping[str, Any], everything: bool = False
) -> list[Job]:
    """The jobs of `snakemake -n` in this folder; like it, this writes the manifest.

    Jobs come after those they need, in the same order every time.

    Args:
        config_files: as after --configfile.
        config: as after --config.
        everything: include finished jobs, as with --forceall.

    Raises:
        Tap2keyError: Snakemake would not start, with its reason.
    """
    # In a separate process: a Snakefile changes the interpreter that reads it.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        jobs = pool.submit(_dry_run, list(config_files), dict(config), everything).result()
    return _in_order(jobs)


def _in_order(jobs: Sequence[Job]) -> list[Job]:
    """Sort jobs by how many wait for one another before them, then by rule and outputs.

    Among jobs that are ready, Snakemake picks in the order of a set, which changes from run to run.
    """
    depths: dict[str, int] = {}
    keys = {}
    for job in jobs:
        depth = 1 + max((depths.get(path, 0) for path in job.inputs), default=0)
        depths.update(dict.fromkeys(job.outputs, depth))
        keys[job] = (depth, job.rule, job.outputs)
    return sorted(jobs, key=keys.__getitem__)


def _dry_run(config_files: list[Path], config: dict[str, Any], everything: bool) -> list[Job]:
    collector = JobCollector()
    try:
        with SnakemakeApi(OutputSettings(dryrun=True)) as api:
            # In place of the one that prints.
            logging.getLogger("snakemake.logging").handlers = [collector]
            workflow = api.workflow(
                resource_settings=ResourceSettings(cores=1),
                config_settings=ConfigSettings(config=config, configfiles=config_files),
                snakefile=PROJECT / "Snakefile",
            )
            graph = workflow.dag(DAGSettings(forceall=everything))
            graph.execute_workflow(executor="dryrun")
    except WorkflowError as error:
        raise Tap2keyError(" ".join(str(error).split())) from None
    return collector.jobs
