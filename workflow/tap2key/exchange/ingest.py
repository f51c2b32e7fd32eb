"""Stage `ingest`: labels and wavs that older scripts made → taps that `encode` takes."""

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from tap2key.audio.array import Array
from tap2key.audio.array_argument import add_array
from tap2key.core.errors import Tap2keyError
from tap2key.core.files import write_tsv
from tap2key.core.folders import atomic_folder
from tap2key.core.log import log
from tap2key.core.output_guard import check_output_folder
from tap2key.core.progress import progress
from tap2key.core.provenance import write_provenance
from tap2key.core.shipped import KEYBOARD
from tap2key.exchange.label_check import Ingested, listed, reverified
from tap2key.exchange.prototype_layout import (
    LabelledWavs,
    read_labelled_wavs,
    read_windows,
    tables_and_wavs,
)
from tap2key.segmentation.recordings_table import RECORDING_COLUMNS, RECORDINGS_NAME
from tap2key.segmentation.taps import (
    BY_ORDER,
    BY_TIME,
    TAPS_NAME,
    VERIFIED,
    WINDOWS_NAME,
    WindowWriter,
    write_taps,
)
from tap2key.study.keyboard import Keyboard, load_keyboard
from tap2key.study.manifest import Recording
from tap2key.study.scan import recordings_in
from tap2key.study.touches import Touches, read_touches

INGESTED = "ingested.tsv"
INGESTED_COLUMNS = ("recording", "file", "given_label", "label", "pairing", "result", "reason")
PACKAGES = ("numpy", "pyarrow", "scipy", "soundfile")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the stage's command line."""
    parser.add_argument(
        "--labels", type=Path, required=True, help="the folder 04.labels: <time>_label.csv"
    )
    parser.add_argument(
        "--samples", type=Path, required=True, help="05.wav_samples: <time>_NNN_8chan.wav"
    )
    parser.add_argument(
        "--session",
        type=Path,
        metavar="DIR",
        help="the session's folder with 01.acoustic and 02.neonode, to verify every label",
    )
    parser.add_argument(
        "--participant", help="whose taps (default: the name of the session folder's parent)"
    )
    parser.add_argument(
        "--session-name",
        help="default: the name of the session's folder, else of the labels' parent",
    )
    parser.add_argument("--keyboard", type=Path, default=KEYBOARD, help="label,x,y of every key")
    add_array(parser)
    parser.add_argument("--output", type=Path, required=True, help="folder for taps and windows")


def main(args: argparse.Namespace) -> None:
    """Write taps.parquet, windows.npy, recordings.tsv, and what became of each wav."""
    check_output_folder(args, "ingest")
    keyboard = load_keyboard(args.keyboard)
    folder = (args.session or args.labels.parent).absolute()
    whose = {
        "participant": args.participant or folder.parent.name,
        "session": args.session_name or folder.name,
    }
    at_hand = {} if args.session is None else {r.recording: r for r in recordings_in(args.session)}
    touches = _touches(list(at_hand.values()))
    found = tables_and_wavs(args.labels, args.samples)
    audits, rows, verdicts = [], [], []
    with atomic_folder(args.output, "ingest") as temporary:
        with (temporary / WINDOWS_NAME).open("wb") as handle:
            writer = WindowWriter(handle, args.array)
            for name, (table, wavs) in progress(found.items(), "recordings", total=len(found)):
                whole = {**whose, "recording": name}
                try:
                    labelled = read_labelled_wavs(name, table, wavs, keyboard.labels)
                    windows = read_windows(labelled.files, args.array)
                except Tap2keyError as error:
                    audits.append({**whole, "status": "left out", "reason": str(error)})
                    log.warning(f"left out: {error}")
                    continue
                result = as_labelled(labelled, windows)
                if args.session is not None:
                    result = _verified(
                        result, labelled, windows, at_hand.get(name), touches, keyboard, args.array
                    )
                for window in result.windows:
                    writer.write(window)
                rows += [{**row, **whole} for row in result.rows]
                verdicts += result.listed
                audits.append({**result.audit, **whole, "status": "ok", **_counts(result)})
            windows_hash = writer.finish()
        if not rows:
            reasons = [audit["reason"] for audit in audits if audit.get("reason")]
            raise Tap2keyError(reasons[0] if reasons else f"{args.samples}: no tap is left")
        write_taps(temporary / TAPS_NAME, rows, windows_hash, keyboard.labels, args.array)
        write_tsv(temporary / RECORDINGS_NAME, audits, RECORDING_COLUMNS)
        write_tsv(temporary / INGESTED, verdicts, INGESTED_COLUMNS)
        settings = {**whose, "array": args.array.as_dict()}
        sources = [args.labels, args.samples, args.keyboard]
        if args.session is not None:
            sources += [r.path for r in at_hand.values()]
            sources += sorted({file for r in at_hand.values() for file in r.touch_files})
        write_provenance(temporary, "ingest", __name__, settings, sources, PACKAGES)
    _say(args.output, rows, verdicts)


def _touches(recordings: list[Recording]) -> Touches | Tap2keyError | None:
    if not recordings:
        return None
    try:
        return read_touches(recordings[0].touch_files)
    except Tap2keyError as error:
        return error


def as_labelled(labelled: LabelledWavs, windows: np.ndarray) -> Ingested:
    """A recording's taps as the folders have them.

    Their pairing, times and places are known only where `export` wrote the table; otherwise labels
    were paired by order, and when the taps were is not known.

    Args:
        labelled: labels and wavs.
        windows: [n, channels, samples] float32.
    """
    rows: list[dict[str, Any]] = []
    for number, label, cells in zip(labelled.numbers, labelled.labels, labelled.cells, strict=True):
        known = cells.get("pairing") in (BY_TIME, VERIFIED)
        places = {name: _number(cells.get(name)) for name in ("time_s", "x", "y")}
        pairing = cells["pairing"] if known else BY_ORDER
        rows.append({"tap": number, "label": label, "pairing": pairing} | (places if known else {}))
    verdicts = [
        listed(labelled, i, row["label"], row["pairing"], "kept") for i, row in enumerate(rows)
    ]
    return Ingested(rows, windows, {}, verdicts)


def _number(cell: str | None) -> float | None:
    try:
        return float(cell or "")
    except ValueError:
        return None


def _verified(
    unverified: Ingested,
    labelled: LabelledWavs,
    windows: np.ndarray,
    recording: Recording | None,
    touches: Touches | Tap2keyError | None,
    keyboard: Keyboard,
    array: Array,
) -> Ingested:
    """The taps as recording and touches have them, or as given, with why they do not tell."""
    try:
        if recording is None or touches is None:
            raise Tap2keyError(f"no recording {labelled.recording} in the session")
        return reverified(labelled, windows, recording, touches, keyboard, array)
    except Tap2keyError as error:
        log.warning(f"not verified: {labelled.recording}: {error}")
        unverified.audit["reason"] = f"not verified: {error}"
        return unverified


def _counts(result: Ingested) -> dict[str, int]:
    rows = result.rows
    return {
        "taps": len(rows),
        "matched": len(rows),
        "unmatched_taps": 0,
        "unverified": sum(row["pairing"] == BY_ORDER for row in rows),
        "overlapping_taps": sum(bool(row.get("overlaps")) for row in rows),
    }


def _say(output: Path, rows: list[dict], verdicts: list[dict]) -> None:
    counts = {kind: sum(v["result"] == kind for v in verdicts) for kind in ("corrected", "dropped")}
    unverified = sum(row["pairing"] == BY_ORDER for row in rows)
    log.info(
        f"{output}: {len(rows)} of {len(verdicts)} taps, {unverified} of them unverified; "
        f"{counts['corrected']} labels corrected, {counts['dropped']} taps dropped "
        f"(see {INGESTED})"
    )
