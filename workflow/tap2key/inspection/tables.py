"""Event tables of any name and columns: whose they are, what they call what, and in which unit."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from os.path import relpath
from pathlib import Path

import numpy as np

from tap2key.core.errors import Tap2keyError
from tap2key.core.names import names_path
from tap2key.core.user_tables import DELIMITERS, LINE_ENDS, cells_of
from tap2key.inspection.census import Census, Odd, Sound
from tap2key.study.event_table import COLUMNS, Stroke, read_strokes
from tap2key.study.found_by_name import RECORDING
from tap2key.study.scan import parse_start
from tap2key.study.truth import SPOKEN, UNITS, Truth, check_within

# What others call the columns of an event table, the likeliest first.
ALSO_CALLED = {
    "time": re.compile(
        r"(event|press|key|down|keydown|onset|start|begin|stroke|tap)?[ _-]?"
        r"(times?|timestamp|onset|seconds?|secs?|t|start|begin)"
        r"([ _-]?(s|sec|ms|us|seconds?|stamp))?",
        re.I,
    ),
    "key": re.compile(
        r"keys?|key[ _-]?(name|label|char)|labels?|chars?|characters?|letters?|text", re.I
    ),
    "x": re.compile(r"x|pos(ition)?[ _-]?x|x[ _-]?pos(ition)?", re.I),
    "y": re.compile(r"y|pos(ition)?[ _-]?y|y[ _-]?pos(ition)?", re.I),
    "recording": re.compile(
        r"(recording|file|wav|audio|sound)([ _-]?(name|file|path))?|path|filename", re.I
    ),
}
HEAD_BYTES = 4096
FITS = 0.9


@dataclass
class EventTables:
    """What the event tables of a study say.

    Attributes:
        files: the pattern by which they are found; None beside each recording, with its name.
        columns: what they call what, where not as `event_table.COLUMNS` does.
        unit: of their times in a recording.
        strokes: each recording's, where they can be read.
        kinds: how many recordings have a table with which ending.
        clock_times: whether times are of a clock, not in the recording.
    """

    files: str | None = None
    columns: dict[str, str] = field(default_factory=dict)
    unit: str = "s"
    strokes: dict[Path, list[Stroke]] = field(default_factory=dict)
    kinds: Counter[str] = field(default_factory=Counter)
    clock_times: bool = False

    @property
    def places(self) -> bool:
        """Whether any stroke has a place."""
        return any(np.isfinite(s.x) for found in self.strokes.values() for s in found)

    @property
    def entries(self) -> Counter[str]:
        """How often each key was logged, under the logger's name."""
        return Counter(s.key for found in self.strokes.values() for s in found)


def read_tables(sounds: Sequence[Sound], census: Census) -> EventTables:
    """The event tables of recordings that may have one; what cannot be read is odd."""
    found = EventTables()
    tables = _by_name(sounds, census.tables)
    found.files, of = _commonest_way(tables)
    if not of:
        found.files, of = _shared(sounds, census.tables)
    found.columns = _columns({table for own in of.values() for table in own})
    read: dict[Path, list[Stroke]] = {}
    for table in dict.fromkeys(table for own in of.values() for table in own):
        try:
            read[table] = _read(table, found.columns)
        except Tap2keyError as error:
            census.odd.append(Odd(census.name(table), f"no event table: {_reason(error, table)}"))
    for path, own in of.items():
        strokes = [s for table in own for s in read.get(table, [])]
        named = [s for s in strokes if s.recording]
        strokes = [s for s in named if names_path(s.recording, path)] if named else strokes
        if strokes:
            found.strokes[path] = strokes
            found.kinds[own[0].suffix.lower()] += 1
    _check_times(found, {s.path: s.seconds for s in sounds}, census)
    return found


def _read(table: Path, columns: Mapping[str, str]) -> list[Stroke]:
    try:
        return read_strokes(table, Truth(columns=columns))
    except Tap2keyError:
        # Microseconds of a long recording are refused as seconds since 1970.
        strokes = read_strokes(table, Truth(columns=columns, unit="us"))
        return [
            s if isinstance(s.time, datetime) else replace(s, time=s.time / UNITS["us"])
            for s in strokes
        ]


def _by_name(
    sounds: Sequence[Sound], tables: Iterable[Path]
) -> dict[str | None, dict[Path, tuple[Path, ...]]]:
    """Tables of recordings' names, by the pattern that leads from a recording to its table."""
    named: dict[str, list[Path]] = {}
    for table in tables:
        named.setdefault(table.stem, []).append(table)
    ways: dict[str | None, dict[Path, tuple[Path, ...]]] = {}
    for sound in sounds:
        for table in named.get(sound.path.stem, []):
            way = None
            if table.parent != sound.path.parent:
                folder = relpath(table.parent, sound.path.parent).replace("\\", "/")
                way = f"{folder}/{RECORDING}{table.suffix}"
            own = ways.setdefault(way, {})
            own[sound.path] = (*own.get(sound.path, ()), table)
    return ways


def _commonest_way(
    ways: Mapping[str | None, dict[Path, tuple[Path, ...]]],
) -> tuple[str | None, dict[Path, tuple[Path, ...]]]:
    if not ways:
        return None, {}
    # Beside the recordings rather than elsewhere.
    way = max(ways, key=lambda way: (len(ways[way]), way is None))
    return way, ways[way]


def _shared(
    sounds: Sequence[Sound], tables: Iterable[Path]
) -> tuple[str | None, dict[Path, tuple[Path, ...]]]:
    """Tables of several recordings, whose column names them."""
    ways: dict[str | None, dict[Path, tuple[Path, ...]]] = {}
    folders: dict[Path, list[Sound]] = {}
    for sound in sounds:
        folders.setdefault(sound.path.parent, []).append(sound)
    for table in tables:
        header = _header(table)
        if not all(_called(name, header) for name in ("time", "key", "recording")):
            continue
        for folder, own in folders.items():
            if folder.is_relative_to(table.parent):
                base = relpath(table.parent, folder).replace("\\", "/")
                way = table.name if base == "." else f"{base}/{table.name}"
                ways.setdefault(way, {}).update({s.path: (table,) for s in own})
    return _commonest_way(ways)


def _columns(tables: Iterable[Path]) -> dict[str, str]:
    """What most tables with a header call the columns that are called otherwise here."""
    seen: Counter[tuple[tuple[str, str], ...]] = Counter()
    for table in tables:
        header = _header(table)
        called = {name: _called(name, header) for name in COLUMNS}
        if called["time"] and called["key"]:
            odd = set(header) - set(COLUMNS) - {""}
            seen[tuple((n, c) for n, c in called.items() if c and (odd or c != n))] += 1
    columns = dict(seen.most_common(1)[0][0]) if seen else {}
    renamed = {name: column for name, column in columns.items() if name != column}
    # One that is named lets others be passed over.
    return renamed or dict(list(columns.items())[:1])


def _header(table: Path) -> list[str]:
    """The cells of a table's first line, in small letters; none of a file that is no text."""
    if table.suffix.lower() in (".keys", ".textgrid"):
        return []
    try:
        with table.open("rb") as file:
            text = file.read(HEAD_BYTES)
        utf16 = text.startswith((b"\xff\xfe", b"\xfe\xff"))
        line = LINE_ENDS.split(text.decode("utf-16" if utf16 else "utf-8-sig", "replace").lstrip())
    except (OSError, ValueError):
        return []
    split = [[c.strip().lower() for c in cells_of(line[0], d)] for d in DELIMITERS]
    return max(split, key=len)


def _called(name: str, header: Sequence[str]) -> str | None:
    if name in header:
        return name
    return next((column for column in header if ALSO_CALLED[name].fullmatch(column)), None)


def _check_times(found: EventTables, seconds: Mapping[Path, float], census: Census) -> None:
    """Settle the unit of times, and list the recordings whose events lie outside."""
    kinds = Counter(isinstance(s[0].time, datetime) for s in found.strokes.values())
    found.clock_times = kinds[True] > kinds[False]
    times = {
        path: np.array([s.time for s in strokes], dtype=float)
        for path, strokes in found.strokes.items()
        if not isinstance(strokes[0].time, datetime)
    }
    fitting = {
        unit: sum(_fits(own * factor, seconds[path]) for path, own in times.items())
        for unit, factor in UNITS.items()
    }
    if times and fitting["s"] * 2 < len(times):
        found.unit = max(fitting, key=lambda unit: fitting[unit])
    if found.unit != "s":
        census.odd.append(Odd("event tables", f"times look like {SPOKEN[found.unit]}, not seconds"))
    for path in found.strokes.keys() - times.keys():
        try:
            parse_start(path.name)
        except Tap2keyError:
            said = "has clock times, and no start in its name, such as 13.05.22.123_01_27_2023.wav"
            census.odd.append(Odd(census.name(path), said))
    for path, own in times.items():
        where = census.name(path)
        try:
            own = own * UNITS[found.unit]
            if said := check_within(own, seconds[path], where, found.unit):
                census.odd.append(Odd(where, said))
        except Tap2keyError as error:
            census.odd.append(Odd(where, _reason(error, where)))


def _fits(times: np.ndarray, duration_s: float) -> bool:
    inside = (times >= 0) & (times <= duration_s)
    return bool(inside.mean() >= FITS and np.ptp(times) >= duration_s / 10)


def _reason(error: Tap2keyError, where: object) -> str:
    return str(error).removeprefix(f"{where}: ").removeprefix(f"{where}, ")
