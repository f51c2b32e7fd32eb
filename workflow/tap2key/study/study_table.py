"""study.tsv: what its author says of session folders and recordings, over what was found."""

import math
import os
import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tap2key.audio.chunks import RECORDING_ENDINGS
from tap2key.core.errors import Tap2keyError
from tap2key.core.names import composed
from tap2key.core.user_tables import Row, read_user_table
from tap2key.study.session_files import ACOUSTIC, NEONODE, TABLE_NAME

TABLE_COLUMNS = ("path", "participant", "session", "start", "latency_s", "use")
# What spreadsheets write for a truth value, in English, German and French.
YES = ("yes", "y", "true", "1", "wahr", "vrai")
NO = ("no", "n", "false", "0", "falsch", "faux")
LONGEST_LATENCY_S = 5.0
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)", re.ASCII)
TIME = re.compile(r"(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?)", re.ASCII)
DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
ZONE = re.compile(r"\s*(Z|UTC|GMT|[+-]\d{2}:?\d{0,2})$", re.I)


@dataclass(frozen=True)
class Said:
    """What one line says; None where it says nothing. `where` is the file and the line."""

    where: str
    participant: str | None
    session: str | None
    start: datetime | None
    latency_s: float | None
    use: bool


def read_study_table(
    table: Path | None, study: Path, sessions: Collection[Path]
) -> dict[str, Said]:
    """What the table says, by `place` of the session folder or recording.

    Args:
        table: default: the `study.tsv` in the study, if there is one.
        study: the root, to which paths in it are relative.
        sessions: the session folders.

    Raises:
        Tap2keyError: not readable; an unknown column; a path that is no session folder and no
            recording in one, or is given twice; a cell that does not say something certain.
    """
    if table is None:
        table = study / TABLE_NAME
        if not table.is_file():
            return {}
    known = {place(folder): folder for folder in sessions}
    said: dict[str, Said] = {}
    lines: dict[str, int] = {}
    for row in read_user_table(table, required=["path"]):
        unknown = sorted(set(row.cells) - set(TABLE_COLUMNS))
        if unknown:
            raise Tap2keyError(
                f"{table}: unknown column {', '.join(unknown)}; it may have "
                f"{', '.join(TABLE_COLUMNS)}"
            )
        where = f"{table}, line {row.line}"
        target = _target(row.cells["path"], study, where)
        at = place(target)
        of_recording = place(target.parent.parent) in known and target.parent.name == ACOUSTIC
        if at not in known and not (
            of_recording and target.name.lower().endswith(RECORDING_ENDINGS)
        ):
            raise Tap2keyError(
                f"{where}: {target} is neither a session folder (one that holds {ACOUSTIC} and "
                f"{NEONODE}) nor a recording in one"
            )
        if at in lines:
            raise Tap2keyError(
                f"{where}: {target} was already in line {lines[at]}; say all of it in one line"
            )
        lines[at] = row.line
        said[at] = _said(row, where)
        if at in known and said[at].start is not None:
            raise Tap2keyError(
                f"{where}: a start belongs to a recording, not to a session folder; name the "
                "recording in path"
            )
    return said


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


def _said(row: Row, where: str) -> Said:
    cells = {key: cell.strip() for key, cell in row.cells.items()}
    return Said(
        where=where,
        participant=composed(cells.get("participant", "")) or None,
        session=composed(cells.get("session", "")) or None,
        start=_start(cells.get("start", ""), where),
        latency_s=_latency(cells.get("latency_s", ""), where),
        use=_use(cells.get("use", ""), where),
    )


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
