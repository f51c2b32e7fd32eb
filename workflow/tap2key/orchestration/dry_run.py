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

    Args:
        config_files: as after --configfile.
        config: as after --config.
        everything: include finished jobs, as with --forceall.

    Raises:
        Tap2keyError: Snakemake would not start, with its reason.
    """
    # In a separate process: a Snakefile changes the interpreter that reads it.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_dry_run, list(config_files), dict(config), everything).result()


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
