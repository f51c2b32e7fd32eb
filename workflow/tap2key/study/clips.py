"""Clips already cut, one tap each: which there are, and what names their keys."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tap2key.audio.chunks import RECORDING_ENDINGS
from tap2key.core.errors import Tap2keyError
from tap2key.core.names import by_number, composed, names_path
from tap2key.core.user_tables import DELIMITERS, LINE_ENDS, cells_of, read_text
from tap2key.study.manifest import Recording
from tap2key.study.patterns import visible_in
from tap2key.study.truth import CLIPS, UNITS, Truth

COLUMNS = ("clip", "key", "time", "x", "y")
NUMBERS = COLUMNS[2:]
NUMBERED = re.compile(r"([0-9]+)$", re.A)


@dataclass(frozen=True)
class Clip:
    """One clip and what is said of it.

    `key` is as the table or folder has it, None where no row names the clip. `time_s` is the onset
    from the clip's first sample, None where it is to be found; `x` and `y` are in 0.1 mm, NaN where
    they are not known.
    """

    path: Path
    key: str | None = None
    time_s: float | None = None
    x: float = math.nan
    y: float = math.nan


def sounds_in(folder: Path) -> list[Path]:
    """The clips directly in a folder, by name and number.

    Raises:
        Tap2keyError: it cannot be read.
    """
    names = sorted(visible_in(folder), key=by_number)
    return [folder / name for name in names if name.lower().endswith(RECORDING_ENDINGS)]


def sounds_of(recording: Recording) -> list[Path]:
    """The files of a recording: itself, or its clips in their order.

    Clips are in the order of their names. Of folders that name keys, the first clips of all come
    before the second ones, so that the last clips are of all keys.
    """
    if recording.truth != CLIPS:
        return [recording.path]
    if recording.touch_files:
        return sounds_in(recording.path)
    return [path for _, path in sorted(_ranked(recording.path))]


def _ranked(folder: Path) -> list[tuple[tuple[int, str], Path]]:
    return [
        ((rank, key.name), path)
        for key in key_folders(folder)
        for rank, path in enumerate(sounds_in(key))
    ]


def key_folders(folder: Path) -> list[Path]:
    """The folders directly in one that hold clips, by name.

    Raises:
        Tap2keyError: one cannot be read.
    """
    inner = [folder / name for name in sorted(visible_in(folder))]
    return [path for path in inner if path.is_dir() and sounds_in(path)]


def clips_of(recording: Recording, truth: Truth) -> tuple[list[Clip], list[str]]:
    """A recording's clips in their order, and which rows of its table name none of them.

    Raises:
        Tap2keyError: the table is not readable, names a clip twice with two keys, or has no row of
            any of the clips.
    """
    paths = sounds_of(recording)
    if not recording.touch_files:
        return [Clip(path, composed(path.parent.name)) for path in paths], []
    told: dict[Path, Clip] = {}
    missing = []
    for table in recording.touch_files:
        index = _Index(paths, table)
        rows, headed = read_rows(table, truth)
        for number, (line, cells) in enumerate(rows):
            where = f"{table}, line {line}"
            path = index.find(cells["clip"].strip(), where)
            if path is None:
                if number == 0 and not headed and _names_columns(cells):
                    raise _no_columns(table, truth)
                missing.append(cells["clip"].strip())
                continue
            clip = _clip(path, cells, where, UNITS[truth.unit])
            if path in told and told[path].key != clip.key:
                raise Tap2keyError(
                    f"{where}: {path.name} is {clip.key!r} here and {told[path].key!r} before; "
                    "delete one of the rows"
                )
            told[path] = clip
    if not told:
        tables = ", ".join(map(str, recording.touch_files))
        raise Tap2keyError(
            f"{tables}: no row names one of the {len(paths)} clips in {recording.path}; the first "
            f"of them is {paths[0].name}" + (f", the table's {missing[0]!r}" if missing else "")
        )
    return [told.get(path, Clip(path)) for path in paths], missing


def read_rows(table: Path, truth: Truth) -> tuple[list[tuple[int, dict[str, str]]], bool]:
    """The rows of a table of clips, line and cells by `COLUMNS`, and whether it has a header.

    With a header, or without as `clip key` and perhaps time, x and y; between cells stands a tab,
    a semicolon or a comma, in every line, or else white space.

    Raises:
        Tap2keyError: not readable, a row has no key, or columns cannot be told.
    """
    unknown = sorted(set(truth.columns) - set(COLUMNS))
    if unknown:
        raise Tap2keyError(
            f"truth.columns: unknown {', '.join(unknown)}; for clips it may name "
            f"{', '.join(COLUMNS)}"
        )
    lines = enumerate(LINE_ENDS.split(read_text(table)), start=1)
    rows = [(number, line) for number, line in lines if line.strip()]
    delimiter = next((d for d in DELIMITERS if all(d in line for _, line in rows)), None)
    split = [(n, cells_of(line, delimiter) if delimiter else line.split()) for n, line in rows]
    called = {name: truth.columns.get(name, name).strip().lower() for name in COLUMNS}
    names = [cell.strip().lower() for cell in split[0][1]] if split else []
    headed = {called["clip"], called["key"]} <= set(names)
    if headed:
        own = {header: name for name, header in called.items()}
        order, split = [own.get(name, "") for name in names], split[1:]
    elif truth.columns:
        raise _no_columns(table, truth)
    else:
        order = list(COLUMNS)
    found = []
    for line, cells in split:
        named = dict(zip(order, cells, strict=False))
        # A key may be a space.
        if len(cells) > len(order) or not named.get("clip", "").strip() or not named.get("key"):
            raise Tap2keyError(
                f"{table}, line {line}: not '{' '.join(filter(None, order))}'; mend or delete it"
            )
        found.append((line, named))
    return found, headed


def _no_columns(table: Path, truth: Truth) -> Tap2keyError:
    clip, key = (truth.columns.get(name, name) for name in ("clip", "key"))
    return Tap2keyError(f"{table}: no column {clip} or {key} in its first line; see truth.columns")


def _names_columns(cells: Mapping[str, str]) -> bool:
    """Whether there are words where a row has numbers."""
    return any(math.isinf(_number(cells.get(name, ""))) for name in NUMBERS)


def _number(cell: str) -> float:
    """A cell's number; NaN if it is blank, infinite if it is no number."""
    text = cell.strip().replace(",", ".")
    try:
        number = float(text or "nan")
    except ValueError:
        return math.inf
    return math.inf if text and math.isnan(number) else number


def _clip(path: Path, cells: dict[str, str], where: str, unit: float) -> Clip:
    numbers = {name: _number(cells.get(name, "")) for name in NUMBERS}
    for name, number in numbers.items():
        if math.isinf(number):
            raise Tap2keyError(
                f"{where}: {name} {cells[name].strip()!r} is no number; mend or delete it"
            )
    time_s = None if math.isnan(numbers["time"]) else numbers["time"] * unit
    key = composed(cells["key"].strip() or cells["key"])
    return Clip(path, key, time_s, numbers["x"], numbers["y"])


class _Index:
    """Finds the clip that a table's cell names: with its ending or without, or by its number."""

    def __init__(self, paths: Sequence[Path], table: Path) -> None:
        self._named: dict[str, list[Path]] = {}
        self._numbered: dict[int, list[Path]] = {}
        self._table = table
        for path in paths:
            for name in {composed(path.name), composed(path.stem)}:
                self._named.setdefault(name, []).append(path)
            number = NUMBERED.search(path.stem)
            if number:
                self._numbered.setdefault(int(number[1]), []).append(path)

    def find(self, cell: str, where: str) -> Path | None:
        name = composed(cell.replace("\\", "/").rsplit("/", 1)[-1])
        found = [path for path in self._named.get(name, []) if names_path(cell, path)]
        if not found and name == cell and name.isdecimal() and name.isascii():
            found = self._numbered.get(int(name), [])
        if len(found) > 1:
            raise Tap2keyError(
                f"{where}: {cell!r} may be {found[0].name} or {found[1].name}; write its whole name"
            )
        return found[0] if found else None
