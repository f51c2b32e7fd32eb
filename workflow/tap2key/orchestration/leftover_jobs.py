"""Jobs that an earlier Snakemake left in SLURM's queue when it was killed, and their end."""

import atexit
import os
import shutil
import socket
import subprocess
import tempfile
import threading
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
# A run touches its note every so often; one on another machine that has not for so long is over.
# File servers may show another machine's changes a minute late.
SECONDS_BETWEEN_TOUCHES = 30.0
SECONDS_OF_SILENCE = 180.0


def take_over(results: Path, name: str | None) -> list[str]:
    """Become the one run that writes below `results`; end the jobs of the one before.

    A killed Snakemake cannot cancel its jobs, and the next one does not know them: it would submit
    the same jobs again, to write the same files at the same time. So each run leaves a note of
    itself in `results`, and the next one cancels what is left of it. On another machine, such as a
    second login node, a run cannot be seen; but while it goes on it touches its note.

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
        if _is_running(before, record):
            raise Tap2keyError(_refusal(results, before))
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
    note = {
        "name": name,
        "host": socket.gethostname(),
        "process": here.pid,
        "started": here.create_time(),
    }
    write_json(record, note)
    over = threading.Event()
    threading.Thread(target=_keep_touching, args=(record, note, over), daemon=True).start()
    atexit.register(_note_end, record, note, over)
    return cancelled


def cancel_named(name: str) -> None:
    """Cancel all jobs of that name; a warning if SLURM does not take it, and the next run does.

    Args:
        name: what the run's jobs are called in SLURM's queue.
    """
    if _told(["scancel", "--name", name]) is None:
        log.warning(
            f"scancel failed: jobs may still run (squeue --me --name {name}); "
            "the next run cancels what is left of them"
        )


def _refusal(results: Path, run: dict[str, Any]) -> str:
    """What to tell whoever starts a second run."""
    where, silent = "", ""
    if run["host"] != socket.gethostname():
        where = f" on {run['host']}"
        silent = f"; if it was killed, start again in {SECONDS_OF_SILENCE / 60:.0f} minutes"
    return (
        f"{results}: another Snakemake (process {run['process']}{where}) is making these results; "
        f"wait for it or stop it{silent}"
    )


def _keep_touching(record: Path, note: dict[str, Any], over: threading.Event) -> None:
    """Show that the run goes on, until it is over or another run's note stands there."""
    while not over.wait(SECONDS_BETWEEN_TOUCHES):
        try:
            if read_json(record) != note:
                return
            os.utime(record)
        except (OSError, Tap2keyError):
            # The file server may be away for a moment.
            continue


def _note_end(record: Path, note: dict[str, Any], over: threading.Event) -> None:
    """Keep the name, as cancelled jobs may still be ending; but nobody has to wait for this run."""
    over.set()
    try:
        if read_json(record) == note:
            write_json(record, {**note, "process": None})
    except (OSError, Tap2keyError) as error:
        log.warning(f"{record}: cannot say that this run is over ({error})")


def _is_running(run: dict[str, Any], record: Path) -> bool:
    """Whether a noted run still goes on, as far as can be seen from this machine."""
    if run["process"] is None:
        return False
    if run["host"] != socket.gethostname():
        # A note from the future was written by a clock that is wrong: nothing can be told from it.
        return abs(_seconds_since_touched(record)) < SECONDS_OF_SILENCE
    if run["process"] == os.getpid():
        return False
    try:
        return psutil.Process(run["process"]).create_time() == run["started"]
    except psutil.NoSuchProcess:
        return False


def _seconds_since_touched(record: Path) -> float:
    """By the file server's clock, which may not be this machine's."""
    with tempfile.NamedTemporaryFile(dir=record.parent, prefix=".now-") as now:
        return Path(now.name).stat().st_mtime - record.stat().st_mtime


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
                f"SLURM jobs {' '.join(left)} of an earlier run have not ended; "
                "ask your site's administrators, then start again"
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
