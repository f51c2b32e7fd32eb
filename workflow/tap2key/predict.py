"""Stage `predict`: recordings without a touch sensor → taps, their keys, and what was typed."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tap2key.audio import SAMPLE_RATE, WINDOW, WINDOW_BEFORE, AudioFile
from tap2key.detect import find_taps
from tap2key.ensemble import Ensemble
from tap2key.errors import Tap2keyError
from tap2key.files import atomic_folder
from tap2key.keyboard import load_keyboard
from tap2key.modelfolder import ABOUT_FILE, ABOUT_PACKAGES
from tap2key.provenance import write_provenance
from tap2key.transcript import NamedTap, label_track, text_grid, transcript

WINDOWS_AT_ONCE = 64
MARK_BELOW = 0.5


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
        "--recordings", type=Path, nargs="+", required=True, help="wav files, or folders of them"
    )
    parser.add_argument("--output", type=Path, required=True, help="folder for the results")
    parser.add_argument(
        "--mark-below",
        type=float,
        default=MARK_BELOW,
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
    """Write predictions.parquet, transcript.txt and, per recording, label track and TextGrid."""
    recordings = wav_files(args.recordings)
    ensemble = Ensemble(args.model, args.allow_other_version)
    if args.keyboard is not None and load_keyboard(args.keyboard).labels != ensemble.labels:
        raise Tap2keyError(
            f"{args.model[0]}: was trained on other keys than {args.keyboard} has; use a model "
            "that was trained with this keyboard, or give the keyboard it was trained with"
        )
    audios = [AudioFile(path) for path in recordings]
    for audio in audios:
        check_rate(audio, ensemble.highest_rate)
    tables, texts = [], []
    with atomic_folder(args.output) as temporary:
        for audio in audios:
            onsets, probabilities = name_taps(audio, ensemble, args.peak_height)
            table = as_table(audio.path.stem, onsets, probabilities, ensemble.labels)
            named = named_taps(table)
            for ending, write in ((".labels.txt", label_track), (".TextGrid", text_grid)):
                path = temporary / f"{audio.path.stem}{ending}"
                path.write_text(write(named, audio.duration_s), encoding="utf-8")
            tables.append(table)
            texts.append(transcript(named, args.mark_below))
            print(f"{audio.path}: {len(named)} taps", file=sys.stderr)
        pq.write_table(pa.concat_tables(tables), temporary / "predictions.parquet")
        (temporary / "transcript.txt").write_text(
            joined([audio.path.name for audio in audios], texts), encoding="utf-8"
        )
        write_provenance(
            temporary,
            "tap2key.predict",
            {"mark_below": args.mark_below, "peak_height": args.peak_height},
            [*(folder / ABOUT_FILE for folder in args.model), *recordings],
            ABOUT_PACKAGES,
        )


def wav_files(given: Sequence[Path]) -> list[Path]:
    """The files among `given` and, by name, the wav files below the folders among it.

    Raises:
        Tap2keyError: a folder without wav files, or two recordings of one name.
    """
    found: list[Path] = []
    for path in given:
        inside = sorted(p for p in path.rglob("*") if p.suffix.lower() == ".wav")
        if path.is_dir() and not inside:
            raise Tap2keyError(f"{path}: no wav file in it; give a folder with recordings")
        found += inside if path.is_dir() else [path]
    by_name: dict[str, Path] = {}
    for path in found:
        other = by_name.setdefault(path.stem, path)
        if other != path:
            raise Tap2keyError(f"{path} and {other} have the same name; rename one of them")
    return found


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
) -> tuple[np.ndarray, np.ndarray]:
    """Find a recording's taps and name their keys, in memory that does not grow with its length.

    Returns:
        Onsets [n] in samples at 96 kHz, and probabilities [n, labels].
    """
    onsets = find_taps(audio, peak_height).onset
    parts = [ensemble.probabilities(windows) for windows in _windows(audio, onsets)]
    empty = np.zeros((0, len(ensemble.labels)))
    return onsets, np.concatenate([empty, *parts])


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


def joined(names: Sequence[str], texts: Sequence[str]) -> str:
    """The text of one recording as it is, or those of several, each below its recording's name."""
    if len(texts) == 1:
        return f"{texts[0]}\n"
    return "\n".join(f"== {name}\n{text}\n" for name, text in zip(names, texts, strict=True))
