"""`python -m tap2key simulate`: make a study, or one session of it, and the truth beside it."""

import argparse
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import psutil

from tap2key.core.errors import Tap2keyError
from tap2key.core.output_guard import check_folder, path_arguments
from tap2key.core.progress import progress
from tap2key.core.shipped import DIFFICULTY, KEYBOARD
from tap2key.simulation.difficulty import load_difficulty
from tap2key.simulation.plan import CHOICES, DEFAULTS, PlannedSession, plan_study
from tap2key.simulation.session import earlier_files, make_session
from tap2key.study.keyboard import load_keyboard

OUTPUTS = ("--study", "--truth")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument("--study", type=Path, required=True, help="folder to write the study to")
    parser.add_argument(
        "--truth", type=Path, required=True, help="folder for what is true of it, not inside it"
    )
    for key in ("participants", "sessions", "recordings", "taps"):
        parser.add_argument(
            f"--{key}", type=int, default=DEFAULTS[key], help="default: %(default)s"
        )
    parser.add_argument("--seed", type=int, default=DEFAULTS["seed"], help="default: %(default)s")
    for key, allowed in CHOICES.items():
        parser.add_argument(
            f"--{key}", choices=allowed, default=DEFAULTS[key], help="default: %(default)s"
        )
    parser.add_argument(
        "--difficulty", type=Path, help="difficulty file (default: the shipped one)"
    )
    parser.add_argument("--keyboard", type=Path, default=KEYBOARD, help="csv of key centres")
    parser.add_argument("--only", metavar="FOLDER", help="make this session folder alone")
    parser.add_argument(
        "--workers", type=int, help="processes at once (default: the machine's physical cores)"
    )


def main(args: argparse.Namespace) -> None:
    """Make the study.

    Raises:
        Tap2keyError: a setting, file or folder that cannot be used.
    """
    study, truth = args.study.resolve(), args.truth.resolve()
    if truth.is_relative_to(study):
        raise Tap2keyError(
            f"{args.truth}: the truth may not lie inside the study; name a folder beside it"
        )
    settings = {key: getattr(args, key) for key in DEFAULTS}
    sessions = plan_study(settings)
    if args.only is not None:
        sessions = [session for session in sessions if session.folder == args.only]
        if not sessions:
            raise Tap2keyError(f"{args.only}: no session of this study; check --only and --layout")
    _check_outputs(args, sessions)
    workers = args.workers or psutil.cpu_count(logical=False) or 1
    if workers < 1:
        raise Tap2keyError(f"--workers is {workers}; give a whole number above 0")
    difficulty = args.difficulty or DIFFICULTY
    settings["difficulty"] = str(difficulty) if args.difficulty else None
    make = partial(
        make_session,
        study=study,
        truth=truth,
        settings=settings,
        keyboard=load_keyboard(args.keyboard),
        difficulty=load_difficulty(difficulty),
        inputs=[Path(difficulty), args.keyboard],
    )
    # A single session is spread over its recordings, a study over its sessions.
    workers = min(workers, len(sessions) if len(sessions) > 1 else settings["recordings"])
    spawn = get_context("spawn")
    with ProcessPoolExecutor(workers, spawn) if workers > 1 else nullcontext() as pool:
        mapper = pool.map if pool else map
        if len(sessions) == 1:
            make(sessions[0], mapper=mapper)
        else:
            for _ in progress(mapper(make, sessions), "sessions simulated", len(sessions)):
                pass


def _check_outputs(args: argparse.Namespace, sessions: Iterable[PlannedSession]) -> None:
    inputs = [(flag, path) for flag, path in path_arguments(args) if flag not in OUTPUTS]
    for planned in sessions:
        check_folder(
            args.study / planned.folder,
            "simulate",
            [*inputs, ("--truth", args.truth)],
            earlier=earlier_files(planned, args.truth),
        )
        check_folder(args.truth / planned.folder, "simulate", [*inputs, ("--study", args.study)])
