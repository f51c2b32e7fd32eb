"""Touches: the sensor's `Down` events, read from its csv files."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from tap2key.errors import Tap2keyError

NUMBER = r"\s*([+-]?[0-9]{1,9}(?:\.[0-9]{0,9})?)\s*"
ROW = re.compile(
    r"\s*([0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,9}))?\s*,"
    rf"\s*([^,\s]+)\s*,\s*(Down|Move|Up)\s*,{NUMBER},{NUMBER},{NUMBER}"
)


@dataclass(frozen=True)
class Touches:
    """All touches of a session in time order.

    `times` is [n] datetime64[us] by the sensor's clock; `xy` is [n, 2] in 0.1 mm.
    """

    times: np.ndarray
    xy: np.ndarray

    def seconds_since(self, start: datetime) -> np.ndarray:
        """Each touch's time in seconds after `start`: [n] float64."""
        return (self.times - np.datetime64(start, "us")) / np.timedelta64(1, "s")

    def between(self, start: datetime, first_s: float, last_s: float) -> "Touches":
        """The touches from `first_s` to `last_s` seconds after `start`."""
        seconds = self.seconds_since(start)
        chosen = (seconds >= first_s) & (seconds <= last_s)
        return Touches(self.times[chosen], self.xy[chosen])


def read_touches(paths: Sequence[str | Path]) -> Touches:
    """Read the `Down` rows of one or more sensor files (no header; time, id, event, x, y, size).

    Rows may be out of order; exact repeats count once. A byte order mark, CRLF and blank lines are
    taken as they come, and so is a last line that was cut off while it was written.

    Raises:
        Tap2keyError: a file is missing or unreadable, a row does not have the six columns, or no
            file has a `Down` row.
    """
    downs: set[tuple[datetime, str, float, float]] = set()
    for path in paths:
        downs.update(_downs(Path(path)))
    if not downs:
        names = ", ".join(str(p) for p in paths) or "no touch file"
        raise Tap2keyError(f"{names}: no Down row, so no tap can be labelled; check the sensor")
    ordered = sorted(downs)
    return Touches(
        times=np.array([down[0] for down in ordered], dtype="datetime64[us]"),
        xy=np.array([down[2:] for down in ordered], dtype=float),
    )


def count_touches(paths: Sequence[str | Path]) -> int:
    """How many `Down` rows the files hold, unchecked; 0 of what cannot be read."""
    return sum(path.read_bytes().count(b"Down") for path in map(Path, paths) if path.is_file())


def _downs(path: Path) -> set[tuple[datetime, str, float, float]]:
    try:
        text = path.read_bytes().decode("utf-8-sig", errors="replace")
    except FileNotFoundError:
        raise Tap2keyError(f"{path}: no such file") from None
    except OSError as error:
        raise Tap2keyError(f"{path}: not readable ({error.strerror})") from None
    found = set()
    lines = text.replace("\r\n", "\n").split("\n")
    for number, line in enumerate(lines, start=1):
        row = ROW.fullmatch(line)
        if row is None:
            # What follows the last line break was still being written when the sensor stopped.
            if not line.strip() or number == len(lines):
                continue
            raise Tap2keyError(
                f"{path}, row {number}: not 'time, id, event, x, y, size' with a time like "
                "2023-01-27 13:05:22.123; mend or delete the row"
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
                f"{path}, row {number}: {second} is not a time; mend or delete the row"
            ) from None
        found.add((time, touch, float(x), float(y)))
    return found
