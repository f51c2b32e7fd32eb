"""A session's taps on disk: `taps.parquet` and `windows.npy`, which belong together."""

import hashlib
import json
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow
import pyarrow.parquet

from tap2key.audio.array import DEFAULT, Array, array_of
from tap2key.core.errors import Tap2keyError
from tap2key.core.files import atomic_file

TAPS_NAME = "taps.parquet"
WINDOWS_NAME = "windows.npy"
# Processors have instructions for it: of all in the standard library it takes the least time.
HASH_KEY = b"windows_sha256"
LABELS_KEY = b"keyboard_labels"
ARRAY_KEY = b"array"
HASHED_AT_ONCE = 256

# How a tap came by its label: from a touch of its time; from the row of the same number in an older
# script's table, which one missed tap shifts; or so, and found right against recording and touches.
BY_TIME, BY_ORDER, VERIFIED = "time", "order", "verified"

SCHEMA = pyarrow.schema(
    [
        ("participant", pyarrow.string()),
        ("session", pyarrow.string()),
        ("recording", pyarrow.string()),
        ("tap", pyarrow.int32()),
        ("time_s", pyarrow.float64()),
        ("label", pyarrow.string()),
        ("x", pyarrow.float64()),
        ("y", pyarrow.float64()),
        ("touch_time", pyarrow.timestamp("us")),
        ("match_ms", pyarrow.float64()),
        ("overlaps", pyarrow.bool_()),
        ("key_margin_mm", pyarrow.float64()),
        ("peak", pyarrow.float64()),
        ("pairing", pyarrow.string()),
        ("threshold", pyarrow.float64()),
    ]
)

NUMPY_TYPES = {
    pyarrow.int32(): "<i4",
    pyarrow.float64(): "<f8",
    pyarrow.timestamp("us"): "<M8[us]",
}


class WindowWriter:
    """Appends windows to an open file in numpy's format, and hashes what it writes."""

    def __init__(self, handle: BinaryIO, array: Array = DEFAULT) -> None:
        """Write a header for no windows yet."""
        self._handle, self._shape = handle, array.shape
        self._hash = hashlib.sha256()
        self.count = 0
        self._write_header()

    def write(self, window: np.ndarray) -> None:
        """Append one window of the array, [channels, samples] float32."""
        data = np.ascontiguousarray(window, dtype="<f4").data
        self._handle.write(data)
        self._hash.update(data)
        self.count += 1

    def finish(self) -> str:
        """Complete the header with the number of windows; returns the hash of all windows."""
        self._handle.seek(0)
        self._write_header()
        return self._hash.hexdigest()

    def _write_header(self) -> None:
        # Its length stays the same: numpy leaves room in it for the first axis to grow.
        np.lib.format.write_array_header_1_0(
            self._handle,
            {"descr": "<f4", "fortran_order": False, "shape": (self.count, *self._shape)},
        )


def write_taps(
    path: Path,
    rows: list[dict],
    windows_hash: str,
    labels: tuple[str, ...],
    array: Array = DEFAULT,
) -> None:
    """Write `taps.parquet`, tied to its windows by their hash; it says what array they are of."""
    metadata = {
        HASH_KEY: windows_hash.encode(),
        LABELS_KEY: json.dumps(list(labels), ensure_ascii=False).encode(),
        ARRAY_KEY: json.dumps(array.as_dict()).encode(),
    }
    columns = [_column([row.get(cell.name) for row in rows], cell.type) for cell in SCHEMA]
    table = pyarrow.Table.from_arrays(columns, schema=SCHEMA.with_metadata(metadata))
    with atomic_file(path) as temporary:
        pyarrow.parquet.write_table(table, temporary)


def _column(values: list, kind: pyarrow.DataType) -> pyarrow.Array:
    # pyarrow's own conversion of Python values imports pandas, a third of a short job's time.
    valid = pyarrow.py_buffer(_bits([value is not None for value in values]))
    if kind == pyarrow.string():
        texts = [(value or "").encode() for value in values]
        ends = np.cumsum([0, *map(len, texts)], dtype="<i4")
        data = [pyarrow.py_buffer(ends), pyarrow.py_buffer(b"".join(texts))]
    elif kind == pyarrow.bool_():
        data = [pyarrow.py_buffer(_bits([bool(value) for value in values]))]
    else:
        zero = np.datetime64(0, "us") if kind == pyarrow.timestamp("us") else 0
        filled = [zero if value is None else value for value in values]
        data = [pyarrow.py_buffer(np.array(filled, dtype=NUMPY_TYPES[kind]))]
    return pyarrow.Array.from_buffers(kind, len(values), [valid, *data])


def _bits(flags: list[bool]) -> np.ndarray:
    return np.packbits(np.array(flags, dtype=bool), bitorder="little")


def read_taps(folder: str | Path) -> pyarrow.Table:
    """Read a session's taps without their windows: one row per tap.

    Raises:
        Tap2keyError: `taps.parquet` is missing or broken.
    """
    path = Path(folder) / TAPS_NAME
    try:
        return pyarrow.parquet.read_table(path)
    except (OSError, pyarrow.ArrowException) as error:
        raise Tap2keyError(f"{path}: not readable ({error}); {_again(folder)}") from error


def _again(folder: str | Path) -> str:
    return f"segment the session again into {folder}"


def load_taps(folder: str | Path, verify: bool = False) -> tuple[pyarrow.Table, np.ndarray]:
    """Load a session's taps and its windows, which stay on disk until they are used.

    Args:
        folder: holds `taps.parquet` and `windows.npy`.
        verify: also hash all windows and compare with what the taps were written with.

    Returns:
        The table, one row per tap, and windows [taps, channels, samples] float32, in its order.

    Raises:
        Tap2keyError: a file is missing or broken, the two do not belong together, or a tap has a
            label that is none of the keyboard's.
    """
    folder = Path(folder)
    again = _again(folder)
    table = read_taps(folder)
    _check_labels(table, folder)
    try:
        windows = np.load(folder / WINDOWS_NAME, mmap_mode="r", allow_pickle=False)
    except (OSError, EOFError, ValueError) as error:
        raise Tap2keyError(f"{folder / WINDOWS_NAME}: not readable ({error}); {again}") from error
    if windows.shape != (len(table), *array_of_taps(table).shape) or windows.dtype != np.dtype(
        "<f4"
    ):
        raise Tap2keyError(
            f"{folder / WINDOWS_NAME}: {windows.dtype} {windows.shape} does not belong to the "
            f"{len(table)} rows of {TAPS_NAME}; {again}"
        )
    if verify:
        hashed = hashlib.sha256()
        for start in range(0, len(windows), HASHED_AT_ONCE):
            hashed.update(np.ascontiguousarray(windows[start : start + HASHED_AT_ONCE]).data)
        if hashed.hexdigest().encode() != (table.schema.metadata or {}).get(HASH_KEY):
            raise Tap2keyError(
                f"{folder / WINDOWS_NAME}: not the windows {TAPS_NAME} was written with; {again}"
            )
    return table, windows


def _check_labels(table: pyarrow.Table, folder: Path) -> None:
    """Refuse labels that the table's own list of its keyboard's lacks, if it has one."""
    if LABELS_KEY not in (table.schema.metadata or {}):
        return
    known = {*keyboard_labels(table), None}
    strays = [label for label in table["label"].unique().to_pylist() if label not in known]
    if strays:
        raise Tap2keyError(
            f"{folder / TAPS_NAME}: taps have labels that its keyboard lacks "
            f"({', '.join(map(repr, strays))}); {_again(folder)}"
        )


def pairings(table: pyarrow.Table) -> list[str]:
    """How each tap came by its label: `BY_TIME`, `BY_ORDER` or `VERIFIED`.

    Raises:
        Tap2keyError: the table does not say.
    """
    if "pairing" not in table.column_names:
        raise Tap2keyError(
            f"{TAPS_NAME} does not say how taps and labels were paired; segment the session again"
        )
    return table["pairing"].to_pylist()


def keyboard_labels(table: pyarrow.Table) -> tuple[str, ...]:
    """The labels in keyboard order that a session's taps were labelled with.

    Raises:
        Tap2keyError: the table was not written by the segment stage.
    """
    try:
        return tuple(json.loads((table.schema.metadata or {})[LABELS_KEY]))
    except (KeyError, ValueError):
        raise Tap2keyError(
            f"{TAPS_NAME} does not name its keyboard's labels; segment the session again"
        ) from None


def array_of_taps(table: pyarrow.Table) -> Array:
    """The array that a session's taps were recorded with; the default where they do not say."""
    array = (table.schema.metadata or {}).get(ARRAY_KEY)
    return array_of(json.loads(array)) if array is not None else DEFAULT
