"""Snakemake that asks SLURM about its jobs every two seconds, as those of the tests take seconds.

The executor waits ten seconds longer each time that no job has ended, and has no setting for it.
"""

from snakemake.cli import main
from snakemake_executor_plugin_slurm import Executor

SECONDS = 2.0

Executor.next_seconds_between_status_checks = property(
    lambda executor: SECONDS, lambda executor, seconds: None
)

if __name__ == "__main__":
    main()
