"""Touches: the sensor's `Down` events, read from its csv files."""

import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from tap2key.core.errors import Tap2keyError
from tap2key.study.truth import Events

NUMBER = r"\s*([+-]?[0-9]{1,9}(?:\.[0-9]{0,9})?)\s*"
ROW = re.compile(
    r"\s*([0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,9}))?\s*,"
    rf"\s*([^,\s]+)\s*,\s*(Down|Move|Up)\s*,{NUMBER},{NUMBER},{NUMBER}"
)


Down = tuple[datetime, str, float, float]
# A log whose times fall back more often than once in so many rows was sorted by something else.
LEAST_ROWS_A_RUN = 20
FALLS_BACK = timedelta(milliseconds=30)


@dataclass(frozen=True)
class Touches(Events):
    """All touches of a session: events of the sensor, whose keys follow from their places."""


def read_touches(paths: Sequence[str | Path]) -> Touches:
    """Read the `Down` rows of one or more sensor files (no header; time, id, event, x, y, size).

    Rows may be out of order; exact repeats count once. UTF-16 with its byte order mark, any line
    ends and blank lines are taken as they come, and so is a last line that was cut off while it was
    written.

    Raises:
        Tap2keyError: a file is missing or unreadable, a row does not have the six columns, or no
            file has a `Down` row.
    """
    runs: dict[Down, int] = {}
    for path in paths:
        downs = _downs(Path(path))
        first = 1 + max(runs.values(), default=-1)
        for down, run in zip(downs, _rising(downs), strict=True):
            runs.setdefault(down, first + run)
    if not runs:
        names = ", ".join(str(p) for p in paths) or "no touch file"
        raise Tap2keyError(f"{names}: no Down row, so no tap can be labelled; check the sensor")
    ordered = sorted(runs)
    return Touches(
        times=np.array([down[0] for down in ordered], dtype="datetime64[us]"),
        xy=np.array([down[2:] for down in ordered], dtype=float),
        run=np.array([runs[down] for down in ordered]),
    )


def _rising(downs: Sequence[Down]) -> list[int]:
    """The number of each row's stretch of rising times; all 0 where rows are in no such order."""
    runs = [0] * len(downs)
    for row in range(1, len(downs)):
        runs[row] = runs[row - 1] + (downs[row][0] < downs[row - 1][0] - FALLS_BACK)
    return runs if runs and runs[-1] * LEAST_ROWS_A_RUN < len(runs) else [0] * len(downs)


def count_touches(paths: Sequence[str | Path]) -> int:
    """How many `Down` rows the files hold, unchecked; 0 of what cannot be read."""
    return sum(path.read_bytes().count(b"Down") for path in map(Path, paths) if path.is_file())


def _downs(path: Path) -> list[Down]:
    """A log's `Down` rows in its own order."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise Tap2keyError(f"{path}: no such file") from None
    except OSError as error:
        raise Tap2keyError(f"{path}: not readable ({error.strerror})") from None
    found = []
    encoding = "utf-16" if data.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) else "utf-8-sig"
    text = data.decode(encoding, errors="replace").replace("\r\n", "\n")
    # Without a single line feed, carriage returns end the lines.
    lines = text.split("\n" if "\n" in text else "\r")
    for number, line in enumerate(lines, start=1):
        row = ROW.fullmatch(line)
        if row is None:
            # What follows the last line break was still being written when the sensor stopped.
            if not line.strip() or number == len(lines):
                continue
            raise Tap2keyError(
                f"{path}, row {number}: not 'time, id, event, x, y, size' with a time like "
                "2023-01-27 13:05:22.123; fix or delete the row"
            )
        second, fraction, touch, event, x, y, _ = row.groups()
        if event != "Down":
            continue
        try:
            time = datetime.fromisoformat(second).replace(
                microsecond=int((fraction or "0")[:6].ljust(6, "0"))
            )
        except ValueError:
            raise Tap2keyError(
                f"{path}, row {number}: {second} is not a time; fix or delete the row"
            ) from None
        found.append((time, touch, float(x), float(y)))
    return found
