"""Jobs that an earlier Snakemake left in SLURM's queue when it was killed, and their end."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

from tap2key.core.errors import Tap2keyError
from tap2key.core.files import read_json, write_json
from tap2key.core.log import log

RECORD = ".slurm-run.json"
SECONDS_BETWEEN_QUESTIONS = 1.0
# SLURM may be away for a moment, and a cancelled job has KillWait (30 s, often more) to end.
SECONDS_TO_WAIT = 600.0


def take_over(results: Path, name: str | None) -> list[str]:
    """Become the one run that writes below `results`; end the jobs of the one before.

    A killed Snakemake cannot cancel its jobs, and the next one does not know them: it would submit
    the same jobs again, to write the same files at the same time. So each run leaves a note of
    itself in `results`, and the next one cancels what is left of it.

    Args:
        results: the folder of all results.
        name: what this run's jobs are called in SLURM's queue; None if it submits none.

    Returns:
        Numbers of the jobs that were cancelled; all of them have ended.

    Raises:
        Tap2keyError: the run before is still going, SLURM does not answer, or a job does not end.
    """
    record = results / RECORD
    cancelled: list[str] = []
    if record.exists():
        before = read_json(record)
        if _is_running(before):
            raise Tap2keyError(
                f"{results}: another Snakemake (process {before['process']}) is making these "
                "results; wait for it or stop it"
            )
        if shutil.which("squeue"):
            cancelled = _cancel(before["name"])
        elif name is None:
            log.warning(
                f"{record}: an earlier run submitted jobs to SLURM, which this "
                "machine cannot ask; when none is left, delete that file"
            )
            return cancelled
    if name is None:
        record.unlink(missing_ok=True)
        return cancelled
    here = psutil.Process()
    write_json(
        record,
        {
            "name": name,
            "host": socket.gethostname(),
            "process": here.pid,
            "started": here.create_time(),
        },
    )
    return cancelled


def _is_running(run: dict[str, Any]) -> bool:
    """Whether a noted run still goes on, as far as can be seen from this machine."""
    if run["host"] != socket.gethostname() or run["process"] == os.getpid():
        return False
    try:
        return psutil.Process(run["process"]).create_time() == run["started"]
    except psutil.NoSuchProcess:
        return False


def _cancel(name: str) -> list[str]:
    deadline = time.monotonic() + SECONDS_TO_WAIT
    cancelled: list[str] = []
    while left := _in_queue(name, deadline):
        if new := [job for job in left if job not in cancelled]:
            log.warning(
                f"An earlier run left jobs in the queue; cancelling {' '.join(new)} and waiting "
                "for their end. Training goes on from its checkpoints."
            )
            _told(["scancel", *new])
            cancelled += new
        if time.monotonic() > deadline:
            raise Tap2keyError(
                f"SLURM jobs {' '.join(left)} of an earlier run do not end; "
                "ask your site's people, then start again"
            )
        time.sleep(SECONDS_BETWEEN_QUESTIONS)
    return cancelled


def _in_queue(name: str, deadline: float) -> list[str]:
    """Numbers of the jobs of that name that have not ended."""
    question = ("squeue", "--me", "--noheader", "--name", name, "--format", "%A")
    while (answer := _told(question)) is None:
        if time.monotonic() > deadline:
            raise Tap2keyError(
                "squeue does not answer, so jobs of an earlier run may still be writing; "
                "start again when it does"
            )
        time.sleep(SECONDS_BETWEEN_QUESTIONS)
    return answer.split()


def _told(command: Sequence[str]) -> str | None:
    """What a command prints, or None if it failed."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
