"""Names of people, sessions and recordings: what is one name, and what nobody could tell apart."""

import re
import unicodedata

# Control characters, and surrogates, which stand for bytes that are no UTF-8.
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


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


def printable(path: object) -> str:
    """A path as text that can be written as UTF-8, whatever its bytes."""
    return str(path).encode("utf-8", "backslashreplace").decode("utf-8")
