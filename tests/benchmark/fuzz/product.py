"""All that mutated studies know of tap2key's insides: how it is run, and what it says it did."""

import contextlib
import copy
import io
import os
import signal
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pyarrow.parquet
from benchmark.fuzz.mutant import Mutant

from tap2key.config.configuration import read_config
from tap2key.core.errors import Tap2keyError
from tap2key.core.shipped import KEYBOARD
from tap2key.orchestration.planning import make_plan
from tap2key.segmentation.session import Settings, segment_session
from tap2key.segmentation.taps import TAPS_NAME
from tap2key.study.keyboard import load_keyboard
from tap2key.study.manifest import Recording

# What segmentation writes that is not text.
BINARY = (".npy", ".parquet")
# A refusal that is about people, not files.
TOO_FEW = "too few to hold one out"
keyboard = cache(load_keyboard)
shipped_config = cache(read_config)


class TookTooLong(BaseException):
    """Not to be caught by the code that hangs."""


@dataclass(frozen=True)
class Tap:
    """A labelled tap, as `taps.parquet` has it."""

    time_s: float
    label: str
    x: float
    y: float


@dataclass
class Used:
    """A recording of the manifest, its row of the audit, and its labelled taps if it is used."""

    recording: Recording
    audit: dict
    taps: list[Tap] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether its taps go into datasets."""
        return self.audit["status"] == "ok"


@dataclass
class Outcome:
    """What came of a study: a refusal, or its recordings; `listed` is the text of all reports."""

    refusal: str | None = None
    crash: str | None = None
    printed: str = ""
    listed: str = ""
    used: list[Used] = field(default_factory=list)


def run(mutant: Mutant, limit_s: float | None, known: dict) -> Outcome:
    """Scan, plan and segment a study in this process.

    Args:
        mutant: the study.
        limit_s: after so many seconds it counts as a hang; None: never.
        known: what came of untouched sessions, by all that they depend on; completed.
    """
    outcome = Outcome()
    printed = io.StringIO()
    try:
        with (
            _alarm(limit_s, mutant),
            contextlib.redirect_stdout(printed),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            _run(mutant, outcome, known)
    except Tap2keyError as error:
        outcome.refusal = str(error)
    except TookTooLong:
        outcome.crash = f"took longer than {limit_s:.0f} s"
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(place.filename).name}:{place.lineno}"
        outcome.crash = f"{type(error).__name__} in {where}: {error}"
    outcome.printed = printed.getvalue()
    return outcome


def _run(mutant: Mutant, outcome: Outcome, known: dict) -> None:
    config = copy.deepcopy(shipped_config(()))
    config |= {"study": str(mutant.study), "results": str(mutant.results)}
    config["segment"]["latency_s"] = mutant.latency_s
    plan = make_plan(config, main_process=True)
    for experiment in plan.experiments:
        plan.folds(experiment)
    settings = Settings(latency_s=mutant.latency_s)
    for (participant, session), recordings in plan.sessions.items():
        key = (mutant.latency_s, *(_told(mutant, recording) for recording in recordings))
        if None in key or key not in known:
            known[key] = _segmented(
                recordings, settings, mutant.results / "taps" / participant / session
            )
        outcome.used += [
            Used(recording, audit, taps)
            for recording, (audit, taps) in zip(recordings, known[key], strict=True)
        ]
    for path in sorted(mutant.results.rglob("*")):
        if path.is_file() and path.suffix not in BINARY and path != Path(plan.manifest):
            outcome.listed += path.read_text(encoding="utf-8", errors="replace")


def _segmented(
    recordings: list[Recording], settings: Settings, output: Path
) -> list[tuple[dict, list[Tap]]]:
    audits = segment_session(recordings, keyboard(KEYBOARD), settings, output)
    taps: dict[str, list[Tap]] = {recording.recording: [] for recording in recordings}
    for row in pyarrow.parquet.read_table(output / TAPS_NAME).to_pylist():
        if row["label"] is not None:
            taps[row["recording"]].append(Tap(row["time_s"], row["label"], row["x"], row["y"]))
    return [
        (audit, taps[recording.recording])
        for recording, audit in zip(recordings, audits, strict=True)
    ]


def _told(mutant: Mutant, recording: Recording) -> tuple | None:
    """All that an untouched recording's result depends on; None of a touched one."""
    files = []
    for path in (recording.path, *recording.touch_files):
        relative = path.relative_to(mutant.study)
        base = mutant.base.study / relative
        # The same file by another name: only such are untouched.
        if path.is_symlink() or not base.is_file() or not base.samefile(path):
            return None
        files.append(relative)
    return (*files, recording.participant, recording.session, recording.start, recording.latency_s)


@contextlib.contextmanager
def _alarm(limit_s: float | None, mutant: Mutant) -> Iterator[None]:
    if limit_s is None:
        yield
        return

    def late(*_: object) -> None:
        # A thread that waits for a pipe hears of no exception, and would be waited for.
        for path in mutant.paths():
            if path.is_fifo():
                os.close(os.open(path, os.O_RDWR | os.O_NONBLOCK))
        raise TookTooLong

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, limit_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def mentioned(path: Path, outcome: Outcome, mutant: Mutant) -> bool:
    """Whether a report names a file that was not used, by its path in or with the study."""
    return path.relative_to(mutant.study).as_posix() in outcome.listed


def warned(used: Used) -> bool:
    """Whether the audit says that something is odd about a recording that is used."""
    return bool(used.audit.get("warnings") or used.audit.get("reason"))


def identity(recording: Recording) -> tuple[str, str, str]:
    """What datasets and folds know a recording by."""
    return recording.participant, recording.session, recording.recording
