"""Stage `segment`: a session's recordings and touches → labelled taps, windows and an audit."""

import argparse
import dataclasses
from pathlib import Path

from tap2key.audio.array_argument import add_array
from tap2key.config.arguments import add_settings, settings_of
from tap2key.core.folders import atomic_folder
from tap2key.core.log import log
from tap2key.core.output_guard import check_output_folder
from tap2key.core.provenance import write_provenance
from tap2key.core.shipped import KEYBOARD
from tap2key.segmentation.events import add_truth, truth_of
from tap2key.segmentation.session import Settings, segment_session
from tap2key.study.clips import sounds_of
from tap2key.study.keyboard import load_keyboard
from tap2key.study.recording_arguments import add_choice, chosen_recordings, session_folders

PACKAGES = ("numpy", "soundfile", "soxr", "pyarrow")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line of `python -m tap2key segment`."""
    add_choice(parser)
    parser.add_argument("--keyboard", type=Path, default=KEYBOARD, help="label,x,y of every key")
    add_settings(parser, "segment")
    add_array(parser)
    add_truth(parser)
    parser.add_argument("--output", type=Path, required=True, help="folder for taps and windows")
    parser.add_argument("--threads", type=int, default=1, help="recordings processed at once")


def main(args: argparse.Namespace) -> None:
    """Segment one session from the command line."""
    keyboard = load_keyboard(args.keyboard)
    truth = truth_of(args, keyboard)
    settings = Settings(**settings_of(args, "segment"), array=args.array, truth=truth)
    recordings = chosen_recordings(args)
    check_output_folder(args, "segment", session_folders(recordings))
    inputs = [f for r in recordings for f in sounds_of(r)] + sorted(
        {f for r in recordings for f in r.touch_files}
    )
    with atomic_folder(args.output, "segment") as temporary:
        audits = segment_session(recordings, keyboard, settings, temporary, args.threads)
        write_provenance(
            temporary,
            "segment",
            __name__,
            {**dataclasses.asdict(settings), "array": settings.array.as_dict()},
            [path for path in [*inputs, args.keyboard] if path.is_file()],
            PACKAGES,
        )
    used = [audit for audit in audits if audit["status"] == "ok"]
    log.info(
        f"{recordings[0].participant} {recordings[0].session}: "
        f"{sum(audit['taps'] for audit in used)} taps, "
        f"{sum(audit['matched'] for audit in used)} labelled, "
        f"{len(used)} of {len(audits)} recordings used"
    )
