"""Files that appear whole or not at all: written under a temporary name, then renamed."""

import csv
import errno
import json
import os
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tap2key.core.errors import Tap2keyError
from tap2key.core.finite_numbers import NOT_FINITE, is_undefined, loads, place_of_undefined

TEMPORARY_PREFIX = ".tmp-"
# Between several things that one cell says; none of them may hold it.
JOIN = "; "
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# Less than any library's buffer: whoever fails to write with so little left failed for want of it.
FULL_BYTES = 64 * 1024
# A file's name may hold bytes that are no text; they are written as \udcXX.
ANY_NAME = "backslashreplace"
LONGEST_NAME = 255


def temporary_beside(path: Path) -> Path:
    """A name in the same folder that no other job uses, with the same ending."""
    unique = f"{TEMPORARY_PREFIX}{os.getpid()}-{uuid.uuid4().hex[:8]}-"
    room = LONGEST_NAME - len(unique)
    return path.with_name(unique + os.fsdecode(os.fsencode(path.name)[-room:]))


@contextmanager
def room_at(path: Path) -> Iterator[None]:
    """Turn whatever a library raises when the disk of `path` is full into one line.

    Raises:
        Tap2keyError: the block failed, and the disk is full or its quota is used up.
    """
    try:
        yield
    except Tap2keyError:
        raise
    except Exception as error:
        if getattr(error, "errno", None) not in NO_ROOM and free_bytes(path.parent) > FULL_BYTES:
            raise
        raise Tap2keyError(
            f"{path}: cannot be written, the disk is full; free some space and start again"
        ) from error


def free_bytes(folder: Path) -> int:
    """What a user may still write on a folder's disk."""
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize


@contextmanager
def atomic_file(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path to write to; it becomes `path` only when the block ends well.

    If `path` is a link, the file that it leads to is written.
    """
    path = Path(os.path.realpath(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_beside(path)
    try:
        with room_at(path):
            yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: str | Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically.

    Raises:
        Tap2keyError: a number in it is not finite; what is undefined is None.
    """
    undefined = place_of_undefined(value)
    if undefined is not None:
        raise Tap2keyError(f"{Path(path).name}: {undefined or 'it'} {NOT_FINITE}; nothing written")
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors=ANY_NAME)


def read_json(path: str | Path) -> Any:
    """Read a JSON file; a missing or broken one, or a bare NaN in it, is a `Tap2keyError`."""
    try:
        return loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Tap2keyError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:
        raise Tap2keyError(f"{path}: not readable as JSON ({error})") from error


def write_tsv(
    path: str | Path, rows: Iterable[Mapping[str, object]], columns: Sequence[str]
) -> None:
    """Write rows as tab-separated text with a header, atomically.

    None and numbers that are not finite become empty cells.
    """
    with (
        atomic_file(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8", errors=ANY_NAME) as handle,
    ):
        writer = csv.writer(handle, delimiter="\t", lineterminator="\n")
        writer.writerow(columns)
        for row in rows:
            writer.writerow([_cell(row.get(c)) for c in columns])


def _cell(value: object) -> object:
    return "" if value is None or is_undefined(value) else value


def joined_warnings(warnings: Iterable[str]) -> str:
    """Warnings as the cell `warnings` of recordings.tsv holds them; empty without any."""
    return JOIN.join(warnings)


def read_tsv(path: str | Path, required: Sequence[str] = ()) -> list[dict[str, str]]:
    """Read tab-separated text with a header into one dict per row.

    Raises:
        Tap2keyError: the file is missing, lacks one of the `required` columns, or a row has more
            cells than the header.
    """
    try:
        with Path(path).open(newline="", encoding="utf-8-sig") as handle:
            reader = csv.DictReader(handle, delimiter="\t")
            rows = list(reader)
    except FileNotFoundError:
        raise Tap2keyError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise Tap2keyError(f"{path}: not readable as tab-separated text ({error})") from error
    missing = [c for c in required if c not in (reader.fieldnames or [])]
    if missing:
        raise Tap2keyError(f"{path}: no column {', '.join(missing)}; add it to the header line")
    for number, row in enumerate(rows, start=2):
        if None in row:
            raise Tap2keyError(f"{path}, line {number}: more cells than columns in the header")
    return [{key: value or "" for key, value in row.items()} for row in rows]
