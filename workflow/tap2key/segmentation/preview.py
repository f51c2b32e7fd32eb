"""The preview stage: pictures of a session's recordings by which a person can judge their taps."""

import argparse
import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tap2key.audio.array_argument import add_array
from tap2key.config.arguments import add_settings, settings_of
from tap2key.core.errors import Tap2keyError
from tap2key.core.files import read_tsv
from tap2key.core.folders import atomic_folder
from tap2key.core.log import log
from tap2key.core.output_guard import check_output_folder
from tap2key.core.progress import progress
from tap2key.core.provenance import write_provenance
from tap2key.core.shipped import KEYBOARD
from tap2key.segmentation.clips import sound_of
from tap2key.segmentation.events import add_truth, events_of, truth_of
from tap2key.segmentation.preview_picture import COLUMNS, draw_recording
from tap2key.segmentation.preview_view import Level, View, levels, stretches, view_of
from tap2key.segmentation.recordings_table import RECORDINGS_NAME
from tap2key.segmentation.session import Settings, segment_recording
from tap2key.segmentation.taps import TAPS_NAME, array_of_taps, read_taps
from tap2key.study.clips import sounds_of
from tap2key.study.keyboard import load_keyboard
from tap2key.study.manifest import Recording
from tap2key.study.recording_arguments import add_choice, chosen_recordings, session_folders

ROW_S = 16.0
# A row takes 7 to 8 kB, and 20 participants of 10 sessions each shall fit into one report.
ROWS_PER_SESSION = 40
MOST_ROWS = 8
PACKAGES = ("numpy", "soundfile", "soxr", "pyarrow", "matplotlib", "pillow")

Found = tuple[Recording, Mapping[str, Any], Sequence[Mapping]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line of `python -m tap2key preview`."""
    add_choice(parser)
    parser.add_argument(
        "--taps",
        type=Path,
        help="show what the segment stage wrote into this folder, by the settings it had then "
        "(default: segment now, and write no taps)",
    )
    parser.add_argument("--keyboard", type=Path, default=KEYBOARD, help="label,x,y of every key")
    add_settings(parser, "segment")
    add_array(parser)
    add_truth(parser)
    parser.add_argument(
        "--rows",
        type=int,
        help=f"show at most this many rows of {ROW_S:.0f} s of a recording (default: up to "
        f"{MOST_ROWS}, fewer if there are many recordings)",
    )
    parser.add_argument(
        "--output", type=Path, required=True, help="folder for a picture of each recording"
    )


def main(args: argparse.Namespace) -> None:
    """Draw every chosen recording."""
    keyboard = load_keyboard(args.keyboard)
    truth = truth_of(args, keyboard)
    settings = Settings(**settings_of(args, "segment"), array=args.array, truth=truth)
    if args.rows is not None and args.rows < 1:
        raise Tap2keyError(f"--rows is {args.rows}; give a whole number above 0")
    recordings = chosen_recordings(args)
    check_output_folder(args, "preview", session_folders(recordings))
    events = events_of(recordings, keyboard, settings.truth)
    found: Iterator[Found]
    array = settings.array
    if args.taps is not None:
        array = array_of_taps(read_taps(args.taps))
        found = _found_before(args.taps, recordings)
    else:
        segmented = (segment_recording(r, events[r.path], keyboard, settings) for r in recordings)
        found = ((s.recording, s.audit, s.rows) for s in segmented)
    most = args.rows or rows_each(len(recordings))
    inputs = [f for r in recordings for f in sounds_of(r)] + sorted(
        {f for r in recordings for f in r.touch_files}
    )
    if args.taps is not None:
        inputs += [args.taps / TAPS_NAME, args.taps / RECORDINGS_NAME]
    with atomic_folder(args.output, "preview") as temporary:
        for recording, audit, rows in progress(found, "pictures", total=len(recordings)):
            view = view_of(recording, audit, rows, events[recording.path], array)
            parts = _levels(view, stretches(view.duration_s, ROW_S, most))
            draw_recording(
                temporary / recording.recording,
                view,
                parts,
                settings.peak_height,
                heading(view, sum(part.edges_s[-1] - part.edges_s[0] for part in parts)),
            )
        write_provenance(
            temporary,
            "preview",
            __name__,
            {**dataclasses.asdict(settings), "array": array.as_dict()},
            [path for path in inputs if path.is_file()],
            PACKAGES,
        )
    log.info(f"{args.output}: {len(recordings)} pictures")


def rows_each(recordings: int) -> int:
    """How many rows each recording of a session may have."""
    return min(MOST_ROWS, max(1, ROWS_PER_SESSION // recordings))


def _found_before(folder: Path, recordings: Iterable[Recording]) -> Iterator[Found]:
    table = read_taps(folder)
    if "threshold" not in table.column_names:
        raise Tap2keyError(
            f"{folder / TAPS_NAME}: an earlier version wrote it; segment the session again"
        )
    rows = table.to_pylist()
    audits = {row["recording"]: row for row in read_tsv(folder / RECORDINGS_NAME, ["recording"])}
    for recording in recordings:
        if recording.recording not in audits:
            raise Tap2keyError(
                f"{folder / RECORDINGS_NAME}: no row for {recording.recording}; segment the "
                "session again"
            )
        own = [row for row in rows if row["recording"] == recording.recording]
        yield recording, audits[recording.recording], own


def _levels(view: View, parts: list[tuple[float, float]]) -> list[Level]:
    try:
        return list(levels(sound_of(view.recording, view.array), parts, COLUMNS))
    except Tap2keyError:
        if view.reason is None:
            raise
        # What cannot be read was left out for that.
        return []


def heading(view: View, shown_s: float) -> list[str]:
    """What stands above a recording's picture.

    Args:
        view: what was found.
        shown_s: how many seconds of it the picture shows.
    """
    audit = view.audit
    lines = [f"{audit['participant']}  ·  {audit['session']}  ·  {audit['recording']}"]
    part = "" if shown_s > view.duration_s - 0.01 else f"shown: {shown_s:.0f} of "
    length = f"{part}{view.duration_s:.1f} s"
    if view.reason is not None:
        return [*lines, f"LEFT OUT: {view.reason}", *([length] if shown_s else [])]
    assert view.clock is not None, "a recording that was not left out has a clock"
    lines.append(
        f"{audit['taps']} taps: {audit['matched']} labelled, {audit['unmatched_taps']} without a "
        f"touch  ·  {audit['touches']} touches, {audit['unmatched_touches']} without a tap  ·  "
        f"{audit['overlapping_taps']} windows hold a part of a neighbour  ·  {length}"
    )
    spread = audit.get("latency_sd_ms")
    known = f" ± {float(spread):.1f}" if spread not in (None, "") else " (pinned)"
    clock = (
        f"latency {1000 * view.clock.latency_s:.1f}{known} ms, drift "
        f"{1e6 * view.clock.drift:+.1f} ppm"
    )
    if audit.get("residual_p95_ms") not in (None, ""):
        clock += (
            f"  ·  half of the touches within {float(audit['residual_median_ms']):.1f} ms of where "
            f"the clock expects them, 95 % within {float(audit['residual_p95_ms']):.1f} ms"
        )
    warnings = [f"WARNING: {audit['warnings']}"] if audit.get("warnings") else []
    return [*lines, clock, *warnings]
