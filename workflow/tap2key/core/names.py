"""Names of people, sessions and recordings: what is one name, and what nobody could tell apart."""

import re
import unicodedata
from pathlib import Path

# Control characters, and surrogates, which stand for bytes that are no UTF-8.
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")

DIGITS = re.compile("([0-9]+)")


def composed(name: str) -> str:
    """The name in Unicode's composed form (NFC): what looks alike is written alike.

    macOS writes file names decomposed, keyboards write composed ones.
    """
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def folded(name: str) -> str:
    """What names that differ only in case, spaces or invisible characters have in common."""
    if not name.isascii():
        name = composed(composed(name).casefold())
        name = "".join(c for c in name if unicodedata.category(c) != "Cf")
    return "".join(name.casefold().split())


def by_number(name: str) -> tuple[list[str | int], str]:
    """What names are sorted by so that `tap 2` comes before `tap 10`."""
    parts = DIGITS.split(name)
    # Text and numbers take turns.
    return [int(part) if at % 2 else part for at, part in enumerate(parts)], name


def names_path(cell: str, path: Path) -> bool:
    """Whether a table's cell names a file: by its name, with ending or without.

    Folders before the name, if the cell has any, must be those that the file lies in.
    """
    parts = composed(cell.strip().replace("\\", "/")).split("/")
    *folders, name = [part for part in parts if part not in ("", ".", "..")] or [""]
    if name not in (composed(path.name), composed(path.stem)):
        return False
    own = path.absolute().parent.parts[-len(folders) :] if folders else ()
    return [composed(part) for part in own] == folders


def printable(path: object) -> str:
    """A path as text that can be written as UTF-8, whatever its bytes."""
    return str(path).encode("utf-8", "backslashreplace").decode("utf-8")
