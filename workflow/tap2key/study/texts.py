"""texts.tsv: what people were asked to type; and files of phrases, one a line."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tap2key.core.errors import Tap2keyError
from tap2key.core.names import composed
from tap2key.core.user_tables import read_text, read_user_table
from tap2key.study.keyboard import Keyboard

TEXTS_NAME = "texts.tsv"
TEXT_COLUMNS = ("participant", "session", "recording", "text")
ENTER = "\n"
SPACE = " "

# Participant, session and recording.
Key = tuple[str, str, str]


@dataclass(frozen=True)
class Asked:
    """The phrases of one recording in the order in which they were to be typed.

    `where` is the file and the line of the first of them, for messages.
    """

    phrases: tuple[str, ...]
    where: str


def read_texts(path: Path, keyboard: Keyboard) -> dict[Key, Asked]:
    """What was asked for, by recording.

    Several rows of one recording are phrases that follow each other.

    Args:
        path: a table with the columns participant, session, recording (the file's name without its
            ending) and text.
        keyboard: the texts are told as its keys without Shift, see `as_keys`.

    Raises:
        Tap2keyError: not readable, an empty cell, or a character that no key types.
    """
    found: dict[Key, Asked] = {}
    for row in read_user_table(path, required=TEXT_COLUMNS):
        where = f"{path}, line {row.line}"
        cells = {column: composed(row.cells[column].strip()) for column in TEXT_COLUMNS}
        empty = next((column for column, cell in cells.items() if not cell), None)
        if empty is not None:
            raise Tap2keyError(f"{where}: the cell {empty} is empty; fill it in, or remove the row")
        participant, session, recording, text = cells.values()
        key = (participant, session, recording)
        before = found.get(key, Asked((), where))
        phrase = as_keys(text, keyboard, where)
        found[key] = Asked((*before.phrases, phrase), before.where)
    return found


def read_phrases(path: Path, keyboard: Keyboard) -> list[str]:
    """The phrases of a file, one a line; blank lines are passed over.

    Raises:
        Tap2keyError: not readable, no phrase in it, or a character that no key types.
    """
    phrases = [
        as_keys(composed(line.strip()), keyboard, f"{path}, line {number}")
        for number, line in enumerate(read_text(path).splitlines(), start=1)
        if line.strip()
    ]
    if not phrases:
        raise Tap2keyError(f"{path}: holds no text; write one phrase a line")
    return phrases


def as_keys(text: str, keyboard: Keyboard, where: str) -> str:
    """A text as its keys type it without Shift: a capital is its small letter.

    Raises:
        Tap2keyError: no key types one of its characters.
    """
    unshifted = unshifted_of(keyboard)
    keys = [unshifted.get(c, unshifted.get(c.lower())) for c in text]
    if None in keys:
        missing = text[keys.index(None)]
        raise Tap2keyError(
            f"{where}: no key of {keyboard.file} types {missing!r}; write the text as it was to be "
            "typed"
        )
    return "".join(key for key in keys if key is not None)


def unshifted_of(keyboard: Keyboard) -> Mapping[str, str]:
    """Each character that the keyboard types, and what its key types without Shift."""
    shifted = {typed: keyboard.types[label] for label, typed in keyboard.shifted.items()}
    plain = {text: text for text in keyboard.types.values() if text}
    return {**{c: text for c, text in shifted.items() if text}, **plain}
