"""Which recordings a command line means: a session of the study, or a folder by hand."""

import argparse
from collections.abc import Iterable
from pathlib import Path

from tap2key.core.errors import Tap2keyError
from tap2key.core.log import log
from tap2key.study.duplicates import check_duplicates
from tap2key.study.manifest import Recording, read_manifest
from tap2key.study.scan import survey_session
from tap2key.study.truth import CLIPS, NEONODE


def add_choice(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments that choose a session's recordings."""
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--manifest", type=Path, help="the study's results/manifest.tsv")
    where.add_argument("--dir", type=Path, help="by hand: a session's folder")
    parser.add_argument("--participant", help="with --manifest: whose session")
    parser.add_argument("--session", help="with --manifest: which session")
    parser.add_argument(
        "--idx", type=int, help="with --dir: only the recording of this number, from 0, by time"
    )


def chosen_recordings(args: argparse.Namespace) -> list[Recording]:
    """The chosen recordings of one session, by time.

    Raises:
        Tap2keyError: they do not exist, or the arguments do not go together.
    """
    if args.dir is not None:
        found = survey_session(args.dir, args.participant, args.session)
        recordings = found.recordings
        for passed in found.passed_over:
            log.warning(f"not used: {passed.path}: {passed.reason}")
        if args.idx is None:
            check_duplicates(recordings)
            return recordings
        if not 0 <= args.idx < len(recordings):
            raise Tap2keyError(
                f"--idx {args.idx}: {args.dir} has recordings 0 to {len(recordings) - 1}"
            )
        return [recordings[args.idx]]
    if args.participant is None or args.session is None or args.idx is not None:
        raise Tap2keyError("--manifest needs --participant and --session; --idx goes with --dir")
    recordings = [
        r
        for r in read_manifest(args.manifest)
        if r.participant == args.participant and r.session == args.session
    ]
    if not recordings:
        raise Tap2keyError(
            f"{args.manifest}: no recording of participant {args.participant!r} in session "
            f"{args.session!r}"
        )
    return recordings


def session_folders(recordings: Iterable[Recording]) -> list[tuple[str, Path]]:
    """Where recordings and their touches lie, as inputs that a message can name."""
    folders = [folder for r in recordings for folder in _folders(r)]
    return [("session", folder) for folder in dict.fromkeys(folders)]


def _folders(recording: Recording) -> list[Path]:
    if recording.truth == CLIPS:
        return [recording.path]
    up = 1 if recording.truth == NEONODE else 0
    return [file.parents[up] for file in (recording.path, *recording.touch_files)]
