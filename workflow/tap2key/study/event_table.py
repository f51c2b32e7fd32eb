"""Event tables: strokes and their keys, as written by loggers and annotators.

csv and tsv with a header or without, `.keys` (seconds and a key), label tracks of Audacity (start,
end, label) and Praat's TextGrid (points, or the starts of intervals).
"""

import math
import re
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from tap2key.core.errors import Tap2keyError
from tap2key.core.names import composed, names_path
from tap2key.core.user_tables import DELIMITERS, LINE_ENDS, cells_of, read_text, read_user_table
from tap2key.study.truth import UNITS, Events, Truth

COLUMNS = ("time", "key", "x", "y", "recording")
NUMBER = re.compile(r"[+-]?([0-9]{1,16}([.,][0-9]*)?|[.,][0-9]+)([eE][+-]?[0-9]{1,2})?")
CLOCK_TIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[T ]([0-9]{2}:[0-9]{2}:[0-9]{2}([.,][0-9]+)?)"
)
# As a time in a recording, 31 years; as a time since 1970, the year 2001.
LONGEST_S = 1e9
GRID_TOKEN = re.compile(
    r'"((?:[^"]|"")*)"|\[[^\]\n]*\]|(?<![\w.])([+-]?[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?)(?![\w.])'
)
MEND = "fix or delete the row"


@dataclass(frozen=True)
class Stroke:
    """A row: its line in the file, time (seconds in a recording, or clock time), key, place."""

    line: int
    time: float | datetime
    key: str
    x: float = math.nan
    y: float = math.nan
    recording: str = ""


def read_event_table(
    files: Sequence[Path],
    start: datetime,
    recording: Path,
    truth: Truth,
    read: Callable[[Path], list[Stroke]] | None = None,
) -> Events:
    """The events of one recording, or of its session if the table has clock times.

    Args:
        files: the recording's table, or its session's.
        start: when the recording started, by the table's clock.
        recording: its file; in a table with a column `recording`, only rows that name it count.
        truth: the tables' unit and column names.
        read: gives a table's rows; None reads it.

    Raises:
        Tap2keyError: a table is not readable, a column or a tier is missing or unknown, a row
            has no time or no key, times are of two kinds, or no row is of this recording.
    """
    strokes: dict[tuple, Stroke] = {}
    kinds: set[type] = set()
    for path in files:
        own = read(path) if read else read_strokes(path, truth)
        if any(stroke.recording for stroke in own):
            own = [s for s in own if names_path(s.recording, recording)]
        kinds |= {type(s.time) for s in own}
        strokes |= {(_moment(s.time, start), s.key, s.x, s.y): s for s in own}
    named = ", ".join(map(str, files)) or "no event table"
    if not strokes:
        raise Tap2keyError(f"{named}: no event of {recording}; check the table and its times")
    if len(kinds) > 1:
        raise Tap2keyError(f"{named}: clock times in one, times in the recording in the other")
    moments = sorted(strokes, key=lambda key: key[:2])
    return Events(
        times=np.array([key[0] for key in moments], dtype="datetime64[us]"),
        xy=np.array([key[2:] for key in moments], dtype=float).reshape(-1, 2),
        run=np.zeros(len(moments), dtype=int),
        label=tuple(key[1] for key in moments),
        in_recording=kinds == {float},
    )


def read_strokes(path: Path, truth: Truth) -> list[Stroke]:
    """The rows of one table in its own order; see `read_event_table`."""
    unknown = sorted(set(truth.columns) - set(COLUMNS))
    if unknown:
        raise Tap2keyError(
            f"truth.columns: unknown {', '.join(unknown)}; available: {', '.join(COLUMNS)}"
        )
    if path.suffix.lower() == ".textgrid":
        strokes = _grid(path, truth)
    elif path.suffix.lower() == ".keys":
        strokes = [_stroke(path, *row) for row in _keys(path)]
    else:
        strokes = [_stroke(path, *row) for row in _table(path, truth)]
    if len({type(stroke.time) for stroke in strokes}) > 1:
        other = next(s for s in strokes if type(s.time) is not type(strokes[0].time))
        raise Tap2keyError(
            f"{path}, line {other.line}: clock times mixed with times in the recording; "
            "use one kind"
        )
    return [_in_seconds(stroke, UNITS[truth.unit], path) for stroke in strokes]


def _in_seconds(stroke: Stroke, unit: float, path: Path) -> Stroke:
    if isinstance(stroke.time, datetime):
        return stroke
    if abs(stroke.time * unit) > LONGEST_S:
        raise Tap2keyError(
            f"{path}, line {stroke.line}: time {stroke.time} looks like seconds since 1970; write "
            "the time in the recording, or a clock time like 2023-01-27 13:05:22.123"
        )
    return replace(stroke, time=stroke.time * unit)


def _moment(time: float | datetime, start: datetime) -> datetime:
    return time if isinstance(time, datetime) else start + timedelta(seconds=time)


def _lines(path: Path) -> list[tuple[int, str]]:
    lines = enumerate(LINE_ENDS.split(read_text(path)), start=1)
    return [(number, line) for number, line in lines if line.strip()]


def _keys(path: Path) -> list[tuple[int, dict[str, str]]]:
    rows = []
    for number, line in _lines(path):
        cells = line.split(maxsplit=1)
        if len(cells) < 2:
            raise Tap2keyError(f"{path}, line {number}: not 'seconds key'; {MEND}")
        rows.append((number, {"time": cells[0], "key": cells[1].strip()}))
    return rows


def _table(path: Path, truth: Truth) -> list[tuple[int, dict[str, str]]]:
    lines = _lines(path)
    if not lines:
        return []
    delimiter = next(d for d in DELIMITERS if len(cells_of(lines[0][1], d)) > 1 or d == ",")
    if not _is_time(cells_of(lines[0][1], delimiter)[0]):
        return _with_header(path, truth)
    if _is_track(lines):
        return _label_track(lines)
    rows = []
    for number, line in lines:
        cells = [cell.strip() for cell in cells_of(line, delimiter)]
        if not 2 <= len(cells) <= 4:
            raise Tap2keyError(
                f"{path}, line {number}: not 'time, key' nor 'time, key, x, y'; add a header line "
                "that names the columns"
            )
        rows.append((number, dict(zip(COLUMNS, cells, strict=False))))
    return rows


def _is_track(lines: Sequence[tuple[int, str]]) -> bool:
    split = [line.split("\t") for _, line in lines if not line.startswith("\\")]
    numbers = all(len(cells) == 3 and all(map(_is_number, cells[:2])) for cells in split)
    return numbers and all(_number(start) <= _number(end) for start, end, _ in split)


def _label_track(lines: Sequence[tuple[int, str]]) -> list[tuple[int, dict[str, str]]]:
    # A line that begins with a backslash gives the frequencies of the label before it.
    cells = [(n, line.split("\t", 2)) for n, line in lines if not line.startswith("\\")]
    return [(number, {"time": start, "key": label.strip()}) for number, (start, _, label) in cells]


def _with_header(path: Path, truth: Truth) -> list[tuple[int, dict[str, str]]]:
    called = {name: truth.columns.get(name, name).strip().lower() for name in COLUMNS}
    rows = read_user_table(path, [called["time"], called["key"]])
    unknown = sorted({name for row in rows for name in row.cells} - {"", *called.values()})
    if unknown and not truth.columns:
        raise Tap2keyError(
            f"{path}: unknown column {', '.join(unknown)}; available: {', '.join(COLUMNS)}; "
            "truth.columns gives other names"
        )
    return [(r.line, {n: r.cells.get(own, "") for n, own in called.items()}) for r in rows]


def _stroke(path: Path, line: int, cells: dict[str, str]) -> Stroke:
    where = f"{path}, line {line}"
    # A key may be a space.
    key = composed(cells["key"].strip() or cells["key"])
    if not key:
        raise Tap2keyError(f"{where}: no key; {MEND}")
    places = [cells.get(name, "").strip() for name in ("x", "y")]
    if any(places) and not all(map(_is_number, places)):
        raise Tap2keyError(f"{where}: x and y must be numbers (0.1 mm), or both blank; {MEND}")
    x, y = (_number(cell) if cell else math.nan for cell in places)
    return Stroke(line, _time(cells["time"].strip(), where), key, x, y, cells.get("recording", ""))


def _time(cell: str, where: str) -> float | datetime:
    if _is_number(cell):
        return _number(cell)
    found = CLOCK_TIME.fullmatch(cell)
    try:
        if found is None:
            raise ValueError
        return datetime.fromisoformat(f"{found[1]} {found[2].replace(',', '.')}")
    except ValueError:
        raise Tap2keyError(
            f"{where}: time {cell!r} is neither a number nor a clock time like 2023-01-27 "
            f"13:05:22.123; {MEND}"
        ) from None


def _is_time(cell: str) -> bool:
    return _is_number(cell) or CLOCK_TIME.fullmatch(cell.strip()) is not None


def _is_number(cell: str) -> bool:
    return NUMBER.fullmatch(cell.strip()) is not None


def _number(cell: str) -> float:
    return float(cell.strip().replace(",", "."))


def _grid(path: Path, truth: Truth) -> list[Stroke]:
    """The labelled points of a TextGrid's tier, or the starts of its labelled intervals."""
    tiers = _tiers(path)
    chosen = [tier for tier in tiers if truth.columns.get("key") in (None, tier[0])]
    if len(chosen) != 1:
        names = ", ".join(repr(name) for name, _ in tiers) or "none"
        raise Tap2keyError(
            f"{path}: tiers {names}; set truth.columns to {{key: TIER}} for the one with the keys"
        )
    return [
        Stroke(line, time, composed(text.strip()))
        for line, time, text in chosen[0][1]
        if text.strip()
    ]


def _tiers(path: Path) -> list[tuple[str, list[tuple[int, float, str]]]]:
    """Name and marks (line, time, label) of each tier, in Praat's long or short form."""
    tokens = _GridTokens(path)
    if [tokens.text()[1], tokens.text()[1]] != ["ooTextFile", "TextGrid"]:
        raise tokens.broken(1)
    tokens.number(), tokens.number()
    tiers = []
    for _ in range(tokens.count()):
        points = tokens.text()[1] == "TextTier"
        name = tokens.text()[1]
        tokens.number(), tokens.number()
        marks = []
        for _ in range(tokens.count()):
            line, time = tokens.number()
            if not points:
                tokens.number()
            marks.append((line, time, tokens.text()[1]))
        tiers.append((name, marks))
    return tiers


class _GridTokens:
    """Strings and numbers of a TextGrid in order; its other words only explain them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        text = read_text(path)
        ends = [found.start() for found in LINE_ENDS.finditer(text)]
        self._last_line = len(ends) + 1
        self._tokens = iter(
            (bisect_left(ends, found.start()) + 1, found[1], found[2])
            for found in GRID_TOKEN.finditer(text)
            if found[1] is not None or found[2] is not None
        )

    def text(self) -> tuple[int, str]:
        """The next token, which must be a string, and its line."""
        line, text, _ = next(self._tokens, (self._last_line, None, None))
        if text is None:
            raise self.broken(line)
        return line, text.replace('""', '"')

    def number(self) -> tuple[int, float]:
        """The next token, which must be a number, and its line."""
        line, _, number = next(self._tokens, (self._last_line, None, None))
        if number is None:
            raise self.broken(line)
        return line, float(number)

    def count(self) -> int:
        """The next token, which must be how many items follow."""
        return int(self.number()[1])

    def broken(self, line: int) -> Tap2keyError:
        """The error for a file that is not a TextGrid, or is cut off."""
        return Tap2keyError(
            f"{self._path}, line {line}: not a TextGrid as Praat saves it; save it again in Praat"
        )
