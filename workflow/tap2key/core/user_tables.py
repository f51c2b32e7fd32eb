"""Tables that people write and spreadsheets save, read where what they mean is certain."""

import codecs
import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tap2key.core.errors import Tap2keyError

# UTF-32's little-endian mark begins with UTF-16's.
MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
DELIMITERS = ("\t", ";", ",")
LINE_ENDS = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True)
class Row:
    """A line of a table: its number in the file, from 1, and its cells by column."""

    line: int
    cells: dict[str, str]


def read_text(path: str | Path) -> str:
    """A text file as UTF-8, or as UTF-16 or UTF-32 where a byte order mark says so.

    Raises:
        Tap2keyError: the file is missing or not readable, or in another encoding.
    """
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError:
        raise Tap2keyError(f"{path}: no such file") from None
    except OSError as error:
        raise Tap2keyError(f"{path}: not readable ({error.strerror})") from None
    mark, encoding = next(
        ((mark, name) for mark, name in MARKS if data.startswith(mark)), (b"", "utf-8")
    )
    try:
        text = data[len(mark) :].decode(encoding)
    except UnicodeDecodeError:
        if mark:
            raise Tap2keyError(
                f"{path}: broken {encoding.upper()} text; save it again, as UTF-8"
            ) from None
        if b"\0" in data:
            raise _utf16(path) from None
        line = len(LINE_ENDS.split(data.decode("latin-1")[: _first_bad(data)]))
        raise Tap2keyError(
            f"{path}, line {line}: not UTF-8 but an older encoding, such as Latin-1 or "
            "Windows-1252; save it as UTF-8 (in Excel: 'CSV UTF-8')"
        ) from None
    if "\0" in text:
        raise _utf16(path)
    return text


def read_user_table(
    path: str | Path, required: Sequence[str], delimiters: Sequence[str] = DELIMITERS
) -> list[Row]:
    """Read a table with a header; the header line decides what stands between its cells.

    Blank lines are passed over, cells that a line lacks are empty. Every line is read by itself, so
    that a quotation mark that is never closed is part of its cell.

    Args:
        path: the file.
        required: columns that it needs.
        delimiters: what may stand between cells, the usual one first.

    Raises:
        Tap2keyError: not readable, a required column is missing or a column is there twice, or a
            line has more cells than the header.
    """
    lines = [
        (number, line)
        for number, line in enumerate(LINE_ENDS.split(read_text(path)), start=1)
        if line.strip()
    ]
    header, delimiter = _header(lines[0][1] if lines else "", required, delimiters)
    missing = [column for column in required if column not in header]
    if missing:
        raise Tap2keyError(f"{path}: no column {', '.join(missing)}; add it to the header line")
    twice = next((c for i, c in enumerate(header) if c and c in header[:i]), None)
    if twice:
        raise Tap2keyError(f"{path}: duplicate column {twice}; remove one")
    rows = []
    for number, line in lines[1:]:
        cells = cells_of(line, delimiter)
        if any(cell.strip() for cell in cells[len(header) :]):
            raise Tap2keyError(f"{path}, line {number}: more cells than columns in the header")
        cells += [""] * (len(header) - len(cells))
        if any(cell.strip() for cell in cells):
            named = zip(header, cells, strict=False)
            rows.append(Row(number, {name: cell for name, cell in named if name or cell.strip()}))
    return rows


def cells_of(line: str, delimiter: str) -> list[str]:
    """The cells of one line; quotation marks that do not enclose a whole cell are part of it."""
    try:
        return next(csv.reader([line], delimiter=delimiter, strict=True), [])
    except csv.Error:
        parts = line.split(delimiter)
        return parts if len(parts) == 1 else [*map(_unquoted, parts)]


def _unquoted(cell: str) -> str:
    try:
        return next(csv.reader([cell], delimiter="\x1f", strict=True))[0] if cell else cell
    except csv.Error:
        return cell


def _header(line: str, required: Sequence[str], delimiters: Sequence[str]) -> tuple[list[str], str]:
    """The names of the columns, and the first delimiter by which the required ones are there."""
    split = [
        ([cell.strip().lower() for cell in cells_of(line, delimiter)], delimiter)
        for delimiter in delimiters
    ]
    return next(
        (found for found in split if set(required) <= set(found[0])),
        max(split, key=lambda found: len(found[0])),
    )


def _first_bad(data: bytes) -> int:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start
    return len(data)


def _utf16(path: str | Path) -> Tap2keyError:
    return Tap2keyError(
        f"{path}: holds NUL characters, such as UTF-16 text without a byte order mark; "
        "save it as UTF-8"
    )
