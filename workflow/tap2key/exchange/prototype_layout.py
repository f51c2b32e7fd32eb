"""How older scripts lay out labelled windows: a csv of labels and one wav per tap."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tap2key.audio.array import Array
from tap2key.audio.audio_file import AudioFile
from tap2key.core.errors import Tap2keyError
from tap2key.core.user_tables import LINE_ENDS, cells_of, read_text

PLOTS, LABELS, SAMPLES = "03.plots", "04.labels", "05.wav_samples"
LABELS_ENDING = "_label.csv"
SAMPLE = re.compile(r"(?P<recording>.+)_(?P<number>\d+)_\d+chan\.wav", re.I)
# What `export` writes; older scripts write a label per row, and no column that names its wav.
COLUMNS = ("file", "time_s", "label", "x", "y", "pairing")
FEWEST_DIGITS = 3


@dataclass(frozen=True)
class LabelledWavs:
    """What the folders hold of one recording, in the order of its wavs' numbers.

    `files` and `labels` are [n]; `cells` is [n], the other columns of the labels' table, empty
    unless the table names the wav of each row.
    """

    recording: str
    files: list[Path]
    labels: list[str]
    cells: list[dict[str, str]]

    @property
    def numbers(self) -> list[int]:
        """Each wav's number: [n]."""
        return [
            int(found["number"]) for file in self.files if (found := SAMPLE.fullmatch(file.name))
        ]


def sample_name(recording: str, number: int, greatest: int, channels: int) -> str:
    """The name of a tap's wav.

    All numbers have as many digits as the greatest, so that names sort as numbers do.
    """
    digits = max(FEWEST_DIGITS, len(str(greatest)))
    return f"{recording}_{number:0{digits}d}_{channels}chan.wav"


def tables_and_wavs(labels: Path, samples: Path) -> dict[str, tuple[Path, list[Path]]]:
    """Each recording's table of labels, whether it exists or not, and wavs by number.

    Raises:
        Tap2keyError: a folder is missing, or there is nothing in them.
    """
    for folder in (labels, samples):
        if not folder.is_dir():
            raise Tap2keyError(f"{folder}: no such folder")
    wavs: dict[str, list[tuple[int, Path]]] = {
        path.name.removesuffix(LABELS_ENDING): [] for path in labels.glob(f"*{LABELS_ENDING}")
    }
    for path in sorted(samples.iterdir()):
        match = SAMPLE.fullmatch(path.name)
        if match is not None:
            wavs.setdefault(match["recording"], []).append((int(match["number"]), path))
    if not wavs:
        raise Tap2keyError(
            f"{labels}, {samples}: no <time>{LABELS_ENDING} and no <time>_NNN_8chan.wav in them"
        )
    return {
        recording: (labels / f"{recording}{LABELS_ENDING}", [path for _, path in sorted(own)])
        for recording, own in sorted(wavs.items())
    }


def read_labelled_wavs(
    recording: str, table: Path, wavs: list[Path], keys: Collection[str]
) -> LabelledWavs:
    """Pair a recording's labels with its wavs: by name where the table says so, or by order.

    Args:
        recording: its name.
        table: csv with a column `label`, or without a header and with the labels in the last one.
        wavs: by number.
        keys: the keyboard's labels.

    Raises:
        Tap2keyError: the table is missing or holds something else, or labels and wavs are not
            equally many, so that some belong to another tap.
    """
    rows = _rows(table, keys)
    for number, row in enumerate(rows, start=1):
        if row["label"] not in keys:
            raise Tap2keyError(
                f"{table}, label {number}: the keyboard has no key {row['label']!r}; fix the "
                "row, or give the keyboard that it was labelled with (--keyboard)"
            )
    by_name = {path.name: path for path in wavs}
    named = [row["file"] for row in rows if row.get("file")]
    if len(rows) != len(wavs) or len(named) not in (0, len(rows)):
        raise Tap2keyError(
            f"{table}: {len(rows)} labels for {len(wavs)} wavs {recording}_NNN_8chan.wav; if "
            "one is missing, all after it are shifted: segment the recording again or fix the table"
        )
    if named and set(named) != set(by_name):
        odd = min(set(named) ^ set(by_name), default="") or named[0]
        raise Tap2keyError(f"{table}: {odd} must be once among its files and once among the wavs")
    if named:
        cells = dict(zip(named, rows, strict=True))
        rows = [cells[path.name] for path in wavs]
    labels = [row["label"] for row in rows]
    return LabelledWavs(recording, wavs, labels, rows if named else [{}] * len(rows))


def _rows(table: Path, keys: Collection[str]) -> list[dict[str, str]]:
    if not table.exists():
        raise Tap2keyError(f"{table}: no such file, so its wavs have no labels")
    lines = _lines(read_text(table))
    if lines and "label" in lines[0]:
        return [
            dict(zip(lines[0], line, strict=False)) | _label(lines[0], line) for line in lines[1:]
        ]
    if lines and lines[0][-1] in keys:
        return [{"label": line[-1]} for line in lines]
    raise Tap2keyError(f"{table}: no column label; give the column of keys that name")


def _lines(text: str) -> list[list[str]]:
    """The cells of each line that is not blank; what stands between them, the first line tells."""
    lines = [line for line in LINE_ENDS.split(text) if line.strip()]
    counts = {delimiter: lines[0].count(delimiter) for delimiter in (",", ";", "\t") if lines}
    delimiter = max(counts, key=counts.__getitem__, default=",")
    return [[cell.strip() for cell in cells_of(line, delimiter)] for line in lines]


def _label(header: list[str], line: list[str]) -> dict[str, str]:
    at = header.index("label")
    return {"label": line[at] if at < len(line) else ""}


def read_windows(files: list[Path], array: Array) -> np.ndarray:
    """The windows in wavs, scaled by their own full scale: → [n, channels, samples] float32.

    Raises:
        Tap2keyError: a wav is unreadable, or has other channels, another rate or another length.
    """
    windows = np.empty((len(files), *array.shape), np.float32)
    for i, file in enumerate(files):
        audio = AudioFile(file, array)
        if (audio.sample_rate, audio.frames) != (array.sample_rate, array.window):
            raise Tap2keyError(
                f"{file}: {audio.frames} samples at {audio.sample_rate} Hz; a window has "
                f"{array.window} at {array.sample_rate} Hz: segment the recording again"
            )
        windows[i] = next(audio.blocks()).T
    return windows
