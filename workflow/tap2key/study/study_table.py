"""study.tsv: what its author says of session folders and recordings, over what was found."""

import difflib
import math
import os
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tap2key.audio.chunks import RECORDING_ENDINGS
from tap2key.audio.named_arrays import STUDYS_OWN
from tap2key.core.errors import Tap2keyError
from tap2key.core.names import composed
from tap2key.core.user_tables import Row, read_user_table
from tap2key.study.session_files import ACOUSTIC, NEONODE, TABLE_NAME
from tap2key.study.truth import CLIPS, SOURCES

TABLE_COLUMNS = (
    *("path", "participant", "session", "array", "truth"),
    *("start", "latency_s", "use"),
)
# What spreadsheets write for a truth value, in English, German and French.
YES = ("yes", "y", "true", "1", "wahr", "vrai")
NO = ("no", "n", "false", "0", "falsch", "faux")
LONGEST_LATENCY_S = 5.0
# Columns of any other name group sessions, for folds that leave one group out.
SEEMS_MISSPELT = 0.8
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)", re.ASCII)
TIME = re.compile(r"(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?)", re.ASCII)
DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
ZONE = re.compile(r"\s*(Z|UTC|GMT|[+-]\d{2}:?\d{0,2})$", re.I)


@dataclass(frozen=True)
class TableEntry:
    """What one line says; None where it says nothing. `where` is the file and the line.

    `path` is the session folder or recording that it is about. `groups` holds the cells of columns
    that only folds ask for, such as `table`.
    """

    where: str
    path: Path
    participant: str | None
    session: str | None
    array: str | None
    truth: str | None
    start: datetime | None
    latency_s: float | None
    use: bool
    groups: dict[str, str]

    @property
    def is_session(self) -> bool:
        """Whether it is about a session folder, not a recording."""
        return self.path.is_dir()


@dataclass(frozen=True)
class Named:
    """What lines may name besides folders for which they state another source of truth.

    `source` is the study's. `sessions` are folders. `recordings` are those found by patterns;
    None: whatever could be one in a session's own folder for them.
    """

    source: str
    sessions: Collection[Path]
    recordings: Collection[Path] | None = None


def read_study_table(
    table: Path | None, study: Path, named: Named, arrays: Collection[str] = ()
) -> dict[str, TableEntry]:
    """What the table says, by `place` of the session folder or recording.

    Args:
        table: default: the `study.tsv` in the study, if there is one.
        study: the root, to which paths in it are relative.
        named: what it may name.
        arrays: names of the arrays that a session may have been recorded with.

    Raises:
        Tap2keyError: not readable; a misspelt column; a path that is no session folder and no
            recording in one, or is given twice; a cell that does not say something certain, or
            names an array that there is not.
    """
    entries = read_entries(table, study, arrays)
    _check_named(entries, named)
    return entries


def read_entries(
    table: Path | None, study: Path, arrays: Collection[str] = ()
) -> dict[str, TableEntry]:
    """What `read_study_table` gives, whatever its paths name in the study."""
    if table is None:
        table = study / TABLE_NAME
        if not table.is_file():
            return {}
    entries: dict[str, TableEntry] = {}
    lines: dict[str, int] = {}
    for row in read_user_table(table, required=["path"]):
        _check_columns(table, row.cells)
        where = f"{table}, line {row.line}"
        target = _target(row.cells["path"], study, where)
        at = place(target)
        if at in lines:
            raise Tap2keyError(
                f"{where}: {target} was already in line {lines[at]}; put all of it in one line"
            )
        lines[at] = row.line
        entries[at] = _entry(row, where, target, arrays)
    return entries


def _check_named(entries: Mapping[str, TableEntry], named: Named) -> None:
    is_apart = stated_apart(entries, named.source)
    apart = [e for e in entries.values() if e.truth not in (None, named.source)]
    stated = [entry for entry in apart if entry.is_session]
    known = {place(path) for path in (*named.sessions, *(entry.path for entry in stated))}
    found = {place(path) for path in named.recordings or () if not is_apart(path)}
    holders = {place(sound_folder(entry.path)) for entry in stated if entry.truth != CLIPS}
    cut = {place(sound_folder(entry.path)) for entry in stated if entry.truth == CLIPS}
    if named.recordings is None:
        own = {place(folder / ACOUSTIC) for folder in named.sessions if not is_apart(folder)}
        holders |= own
    what = (
        f"neither a session folder (one that holds {ACOUSTIC} and {NEONODE}) nor a recording in one"
        if named.recordings is None
        else "neither what truth.recordings finds nor a folder with such recordings"
    )
    for at, entry in entries.items():
        in_session = place(entry.path.parent) in holders
        is_sound = entry.path.name.lower().endswith(RECORDING_ENDINGS)
        if is_sound and place(entry.path.parent) in cut:
            raise Tap2keyError(
                f"{entry.where}: {entry.path} is a single clip, and only the folder of clips can "
                "be named; to leave it out, take it out of the folder"
            )
        if at not in {*known, *found} and not (in_session and is_sound):
            raise Tap2keyError(f"{entry.where}: {entry.path} is {what}")
        if at in known and entry.start is not None:
            raise Tap2keyError(
                f"{entry.where}: a start belongs to a recording, not to a session folder; name "
                "the recording in path"
            )
        if at not in known and entry.truth is not None:
            raise Tap2keyError(
                f"{entry.where}: a truth belongs to a session folder, not to a recording; name "
                "the folder in path"
            )


def stated_apart(entries: Mapping[str, TableEntry], source: str) -> Callable[[Path], bool]:
    """Tells which paths lie in a folder for which the table states another source of truth."""
    apart = {at for at, entry in entries.items() if entry.truth not in (None, source)}
    return lambda path: bool(apart) and any(place(p) in apart for p in (path, *path.parents))


def sound_folder(session: Path) -> Path:
    """Where the recordings of a session folder lie: in a folder of their own, or directly in it."""
    own = session / ACOUSTIC
    return own if own.is_dir() else session


def place(path: Path) -> str:
    """What paths of one file have in common, however they are written."""
    return composed(os.path.abspath(path))  # noqa: PTH100 - resolving would follow links


def _target(cell: str, study: Path, where: str) -> Path:
    """The path that a cell means: as it stands if that exists, or without spaces around it."""
    stripped = cell.strip()
    for text in (cell, stripped, stripped.replace("\\", "/")):
        found = _on_disk(study / text) if text else None
        if found is not None:
            return found
    raise Tap2keyError(
        f"{where}: {study / stripped} does not exist; path names a session folder or a recording, "
        "relative to the study"
    )


def _on_disk(path: Path) -> Path | None:
    """The path as the disk spells it: letters may be composed there, or decomposed."""
    path = Path(os.path.abspath(path))  # noqa: PTH100
    if os.path.lexists(path):
        return path
    parent = _on_disk(path.parent) if path.parent != path else None
    if parent is None or not parent.is_dir():
        return None
    same = [p for p in parent.iterdir() if composed(p.name) == composed(path.name)]
    return same[0] if len(same) == 1 else None


def _entry(row: Row, where: str, target: Path, arrays: Collection[str]) -> TableEntry:
    cells = {key: cell.strip() for key, cell in row.cells.items()}
    return TableEntry(
        where=where,
        path=target,
        participant=composed(cells.get("participant", "")) or None,
        session=composed(cells.get("session", "")) or None,
        array=_array(cells.get("array", ""), where, arrays),
        truth=_truth(cells.get("truth", ""), where),
        start=_start(cells.get("start", ""), where),
        latency_s=_latency(cells.get("latency_s", ""), where),
        use=_use(cells.get("use", ""), where),
        groups={
            column: composed(cell)
            for column, cell in cells.items()
            if column not in TABLE_COLUMNS and cell
        },
    )


def _check_columns(table: Path, columns: Iterable[str]) -> None:
    for column in columns:
        near = difflib.get_close_matches(column, TABLE_COLUMNS, n=1, cutoff=SEEMS_MISSPELT)
        if not column or (near and column not in TABLE_COLUMNS):
            advice = f"did you mean {near[0]}?" if near else "name it in the header line"
            raise Tap2keyError(f"{table}: unknown column {column}; {advice}")


def _array(cell: str, where: str, arrays: Collection[str]) -> str | None:
    known = dict.fromkeys([STUDYS_OWN, *arrays])
    name = composed(cell)
    if name and name not in known:
        raise Tap2keyError(
            f"{where}: array {cell!r} is none of {', '.join(known)}; mend the cell, or describe "
            "the array under arrays in the configuration"
        )
    return name or None


def _truth(cell: str, where: str) -> str | None:
    if cell and cell.lower() not in SOURCES:
        raise Tap2keyError(f"{where}: truth {cell!r} is none of {', '.join(SOURCES)}")
    return cell.lower() or None


def _use(cell: str, where: str) -> bool:
    word = cell.lower()
    if word in NO:
        return False
    if word in YES or not word:
        return True
    raise Tap2keyError(
        f"{where}: use {cell!r} is neither yes nor no; write one of {', '.join(YES)}, or of "
        f"{', '.join(NO)}"
    )


def _start(cell: str, where: str) -> datetime | None:
    if not cell:
        return None
    wrong = f"{where}: start {cell!r}"
    if DATE.fullmatch(cell):
        raise Tap2keyError(f"{wrong} is a date without a time; write it like {cell}T13:05:22.123")
    zone = ZONE.search(cell)
    if zone and TIME.fullmatch(cell[: zone.start()]):
        raise Tap2keyError(
            f"{wrong} has a time zone ({zone[1]}); write the time of the touch sensor's clock, "
            "without a zone"
        )
    try:
        if not TIME.fullmatch(cell):
            raise ValueError
        return datetime.fromisoformat(cell)
    except ValueError:
        raise Tap2keyError(f"{wrong} is not a time like 2023-01-27T13:05:22.123") from None


def _latency(cell: str, where: str) -> float | None:
    if not cell:
        return None
    wrong = f"{where}: latency_s {cell!r}"
    if NUMBER.fullmatch(cell.replace(",", ".", 1)) and "," in cell:
        raise Tap2keyError(
            f"{wrong} has a comma; write {cell.replace(',', '.')}, with a decimal point"
        )
    try:
        seconds = float(cell) if cell.isascii() and "_" not in cell else math.nan
    except ValueError:
        seconds = math.nan
    if not math.isfinite(seconds):
        raise Tap2keyError(f"{wrong} is not a number of seconds, such as -0.14")
    if abs(seconds) > LONGEST_LATENCY_S:
        raise Tap2keyError(
            f"{wrong} is more than {LONGEST_LATENCY_S:g} s; give seconds, not milliseconds "
            "(about -0.14)"
        )
    return seconds
