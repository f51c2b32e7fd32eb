"""`python -m tap2key simulate`: make a study, or one session of it, and the truth beside it."""

import argparse
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import psutil

from tap2key.audio.array_argument import add_array
from tap2key.config.arguments import add_settings, settings_of
from tap2key.core.errors import Tap2keyError
from tap2key.core.output_guard import check_folder, path_arguments
from tap2key.core.progress import progress
from tap2key.core.shipped import KEYBOARD, text_file
from tap2key.simulation.difficulty import difficulty_files, load_difficulty
from tap2key.simulation.plan import PlannedSession, plan_study
from tap2key.simulation.session import earlier_files, make_session
from tap2key.simulation.session_table import (
    check_session_table,
    write_session_table,
    write_texts,
)
from tap2key.study.keyboard import load_keyboard

OUTPUTS = ("--study", "--truth")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument("--study", type=Path, required=True, help="folder to write the study to")
    parser.add_argument(
        "--truth", type=Path, required=True, help="folder for the ground truth, outside the study"
    )
    add_settings(parser, "simulate")
    parser.add_argument("--keyboard", type=Path, default=KEYBOARD, help="csv of key centres")
    add_array(parser)
    parser.add_argument("--only", metavar="FOLDER", help="simulate only this session folder")
    parser.add_argument(
        "--threads", type=int, help="processes at once (default: the machine's physical cores)"
    )


def main(args: argparse.Namespace) -> None:
    """Make the study.

    Raises:
        Tap2keyError: a setting, file or folder that cannot be used.
    """
    study, truth = args.study.resolve(), args.truth.resolve()
    if truth.is_relative_to(study):
        raise Tap2keyError(
            f"{args.truth}: the truth must not lie inside the study; give a folder beside it"
        )
    settings = settings_of(args, "simulate")
    planned = sessions = plan_study(settings)
    if args.only is not None:
        sessions = [session for session in planned if session.folder == args.only]
        if not sessions:
            raise Tap2keyError(f"{args.only}: no session of this study; check --only and --layout")
    check_session_table(study)
    _check_outputs(args, sessions)
    threads = args.threads or psutil.cpu_count(logical=False) or 1
    if threads < 1:
        raise Tap2keyError(f"--threads is {threads}; give a whole number above 0")
    keyboard = load_keyboard(args.keyboard)
    keyboard.check_places("simulated taps")
    text = [path for path in [text_file(settings["text"])] if path is not None]
    make = partial(
        make_session,
        study=study,
        truth=truth,
        settings=settings,
        keyboard=keyboard,
        difficulty=load_difficulty(settings["difficulty"]),
        inputs=[*difficulty_files(settings["difficulty"]), args.keyboard, *text],
        array=args.array,
    )
    # A single session is spread over its recordings, a study over its sessions.
    workers = min(threads, len(sessions) if len(sessions) > 1 else settings["recordings"])
    spawn = get_context("spawn")
    with ProcessPoolExecutor(workers, spawn) if workers > 1 else nullcontext() as pool:
        mapper = pool.map if pool else map
        if len(sessions) == 1:
            make(sessions[0], mapper=mapper)
        else:
            for _ in progress(mapper(make, sessions), "sessions simulated", len(sessions)):
                pass
    write_session_table(study, planned)
    write_texts(study, planned, settings, keyboard)


def _check_outputs(args: argparse.Namespace, sessions: Iterable[PlannedSession]) -> None:
    inputs = [(flag, path) for flag, path in path_arguments(args) if flag not in OUTPUTS]
    inputs += [("--difficulty", path) for path in difficulty_files(args.difficulty)]
    if (text := text_file(args.text)) is not None:
        inputs.append(("--text", text))
    for planned in sessions:
        check_folder(
            args.study / planned.folder,
            "simulate",
            [*inputs, ("--truth", args.truth)],
            earlier=earlier_files(planned, args.truth),
        )
        check_folder(args.truth / planned.folder, "simulate", [*inputs, ("--study", args.study)])
