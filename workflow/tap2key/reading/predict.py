"""Stage `predict`: recordings without a touch sensor → taps, their keys, and what was typed."""

import argparse
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tap2key.audio.audio_file import SAMPLE_RATE, WINDOW, WINDOW_BEFORE, AudioFile
from tap2key.core.errors import DivergedError, Tap2keyError
from tap2key.core.files import joined_warnings, write_tsv
from tap2key.core.folders import atomic_folder
from tap2key.core.log import log
from tap2key.core.output_guard import check_output_folder
from tap2key.core.progress import progress
from tap2key.core.provenance import write_provenance
from tap2key.models.ensemble import Ensemble
from tap2key.models.model_folder import ABOUT_FILE, ABOUT_PACKAGES
from tap2key.reading.transcript import NamedTap, label_track, text_grid, transcript
from tap2key.reading.unlabelled import TRACK_ENDINGS, Unlabelled, unlabelled_recordings
from tap2key.signal.channel_health import ChannelMeter, faults, measure
from tap2key.signal.detection import find_taps
from tap2key.study.keyboard import load_keyboard

WINDOWS_AT_ONCE = 64
CONFIDENCE_THRESHOLD = 0.5
RECORDINGS_NAME = "recordings.tsv"
RECORDING_COLUMNS = ("recording", "path", "status", "reason", "warnings", "duration_s", "taps")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the stage's command line."""
    parser.add_argument(
        "--model",
        type=Path,
        nargs="+",
        required=True,
        help="a model's folder; of several, the probabilities are averaged",
    )
    parser.add_argument(
        "--recordings",
        type=Path,
        nargs="+",
        required=True,
        help="wav, w64 or FLAC files, or folders of them",
    )
    parser.add_argument("--output", type=Path, required=True, help="folder for the results")
    parser.add_argument(
        "--confidence-threshold",
        type=float,
        default=CONFIDENCE_THRESHOLD,
        metavar="P",
        help="characters less probable than this stand in brackets in the transcript",
    )
    parser.add_argument(
        "--peak-height",
        type=float,
        metavar="X",
        help="ignore taps that stay below X of full scale (default: the noise decides)",
    )
    parser.add_argument(
        "--keyboard", type=Path, help="refuse models that were not trained on this keyboard's keys"
    )
    parser.add_argument(
        "--allow-other-version",
        action="store_true",
        help="use a model that another version of its library made",
    )


def main(args: argparse.Namespace) -> None:
    """Write predictions.parquet, transcript.txt, recordings.tsv, label tracks and TextGrids."""
    check_output_folder(args, "predict")
    recordings = unlabelled_recordings(args.recordings)
    ensemble = Ensemble(args.model, args.allow_other_version)
    if args.keyboard is not None and load_keyboard(args.keyboard).labels != ensemble.labels:
        raise Tap2keyError(
            f"{args.model[0]}: was trained on other keys than {args.keyboard} has; use a model "
            "that was trained with this keyboard, or give the keyboard it was trained with"
        )
    tables, texts = [], []
    audits: list[dict[str, Any]] = []
    with atomic_folder(args.output, "predict") as temporary:
        for recording in progress(recordings, "recordings"):
            audits.append({"recording": recording.name, "path": recording.path, "status": "ok"})
            try:
                if recording.reason is not None:
                    raise Tap2keyError(f"{recording.path}: {recording.reason}")
                table, audio, said = named_recording(recording, ensemble, args.peak_height)
            except Tap2keyError as error:
                # A model that diverged is at fault whatever it listens to.
                if recording.chosen or isinstance(error, DivergedError):
                    raise
                audits[-1] |= {"status": "left out", "reason": str(error)}
                log.warning(f"left out: {error}")
                continue
            named = named_taps(table)
            write_tracks(temporary, recording.name, named, audio.duration_s)
            audits[-1] |= {"taps": len(named), "duration_s": round(audio.duration_s, 6)}
            if warned := joined_warnings([*audio.warnings, *said]):
                audits[-1]["warnings"] = warned
                log.warning(f"{recording.path}: {warned}")
            texts.append((recording.name, transcript(named, args.confidence_threshold)))
            tables.append(table)
        if not tables:
            raise Tap2keyError(f"no recording can be used; the first: {audits[0]['reason']}")
        pq.write_table(pa.concat_tables(tables), temporary / "predictions.parquet")
        (temporary / "transcript.txt").write_text(joined(texts), encoding="utf-8")
        write_tsv(temporary / RECORDINGS_NAME, audits, RECORDING_COLUMNS)
        write_provenance(
            temporary,
            "predict",
            __name__,
            {"confidence_threshold": args.confidence_threshold, "peak_height": args.peak_height},
            [
                *(folder / ABOUT_FILE for folder in args.model),
                *(audit["path"] for audit in audits if audit["status"] == "ok"),
            ],
            ABOUT_PACKAGES,
        )
    log.info(
        f"{args.output}: {sum(map(len, tables))} taps in {len(texts)} of {len(audits)} recordings"
    )


def named_recording(
    recording: Unlabelled, ensemble: Ensemble, peak_height: float | None
) -> tuple[pa.Table, AudioFile, list[str]]:
    """A recording's taps as `as_table` gives them, what was read, and what its channels lack.

    Raises:
        Tap2keyError: the recording cannot be read, or does not fit the models.
    """
    audio = AudioFile(recording.path)
    check_rate(audio, ensemble.highest_rate)
    onsets, probabilities, said = name_taps(audio, ensemble, peak_height)
    return as_table(recording.name, onsets, probabilities, ensemble.labels), audio, said


def write_tracks(folder: Path, name: str, taps: Sequence[NamedTap], duration_s: float) -> None:
    """Write a recording's label track and TextGrid."""
    for ending, track in zip(TRACK_ENDINGS, (label_track, text_grid), strict=True):
        path = folder / f"{name}{ending}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(track(taps, duration_s), encoding="utf-8")


def check_rate(audio: AudioFile, needed: int) -> None:
    """Refuse a recording that does not hold the frequencies that a model listens to.

    Raises:
        Tap2keyError: it was recorded at a lower rate than the model's encoding has.
    """
    if audio.sample_rate < needed:
        raise Tap2keyError(
            f"{audio.path}: recorded at {audio.sample_rate} Hz, but the model needs {needed} Hz; "
            "record at that rate or a higher one, or use a model with a lower sample_rate"
        )


def name_taps(
    audio: AudioFile, ensemble: Ensemble, peak_height: float | None
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Find a recording's taps and name their keys, in memory that does not grow with its length.

    Returns:
        Onsets [n] in samples at 96 kHz, probabilities [n, labels], and what is wrong with channels.
    """
    meter = ChannelMeter()
    taps = find_taps(audio, peak_height, meter)
    parts = [ensemble.probabilities(windows) for windows in _windows(audio, taps.onset)]
    empty = np.zeros((0, len(ensemble.labels)))
    said = [fault.text for fault in faults(measure(meter, taps.each))]
    return taps.onset, np.concatenate([empty, *parts]), said


def _windows(audio: AudioFile, onsets: np.ndarray) -> Iterator[np.ndarray]:
    sections = audio.sections(onsets - WINDOW_BEFORE, WINDOW)
    while some := [section.T for section in islice(sections, WINDOWS_AT_ONCE)]:
        yield np.stack(some)


def as_table(
    recording: str, onsets: np.ndarray, probabilities: np.ndarray, labels: Sequence[str]
) -> pa.Table:
    """One row per tap: recording, tap, time_s, prediction, confidence and all probabilities."""
    best = probabilities.argmax(axis=1)
    flat = pa.array(probabilities.astype(np.float32).reshape(-1))
    columns = {
        "recording": pa.array([recording] * len(onsets), pa.string()),
        "tap": pa.array(range(len(onsets)), pa.int32()),
        "time_s": pa.array(onsets / SAMPLE_RATE),
        "prediction": pa.array([labels[at] for at in best], pa.string()),
        "confidence": pa.array(probabilities.max(axis=1, initial=0)),
        "probabilities": pa.FixedSizeListArray.from_arrays(flat, len(labels)),
    }
    return pa.table(columns, metadata={"labels": "\t".join(labels)})


def named_taps(table: pa.Table) -> list[NamedTap]:
    """The rows of `as_table` as taps."""
    columns = (table[name].to_pylist() for name in ("time_s", "prediction", "confidence"))
    return [NamedTap(*row) for row in zip(*columns, strict=True)]


def joined(texts: Sequence[tuple[str, str]]) -> str:
    """The text of one recording as it is, or those of several, each below its recording's name."""
    if len(texts) == 1:
        return f"{texts[0][1]}\n"
    return "\n".join(f"== {name}\n{text}\n" for name, text in texts)
