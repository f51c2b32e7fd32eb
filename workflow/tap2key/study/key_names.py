"""Keys from a keyboard logger's entries: `M` is the key m, `!` is 1, `Key.space` the space bar."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from tap2key.core.errors import Tap2keyError
from tap2key.core.names import composed
from tap2key.study.keyboard import Keyboard

NO_CHARACTERS: Mapping[str, str] = {}
# As loggers write a key's name: Key.space, <Return>, [ENTER], KEY_LEFTSHIFT, ShiftLeft.
BRACKETS = re.compile(r"<.+>|\[.+\]|\{.+\}")
PREFIX = re.compile("key[._ ]?(?=.)")
SIDES = re.compile(
    "(?:left|right|l|r)?(shift|ctrl|control|alt|option|meta|cmd|command|win|windows|super)"
    "(?:left|right|l|r|gr)?"
)
SYNONYMS = {
    **{"return": "enter", "escape": "esc", "del": "delete", "spacebar": "space"},
    **{"back": "backspace", "bksp": "backspace", "caps": "capslock", "capital": "capslock"},
    **{"control": "ctrl", "option": "alt"},
    **dict.fromkeys(("cmd", "command", "win", "windows", "super"), "meta"),
}
TYPED_BY_NAME = {"space": " ", "enter": "\n", "tab": "\t"}
NAMED_BY_CONTROL = {"\r": "enter", "\b": "backspace", "\x1b": "esc", "\x7f": "delete"}


def key_of(
    logged: str, keyboard: Keyboard, characters: Mapping[str, str] = NO_CHARACTERS
) -> str | None:
    """The label of the key that a logger's entry means; None if it means none or several.

    The first match counts: `characters`; the label itself; the one key that types it; the one that
    types it with Shift; the one that types its lower case; the one with that name of several
    letters, however the logger spells it, but not what is outside every key. Left and right Shift,
    Ctrl, Alt and Meta are one key unless the keyboard has both.

    Args:
        logged: as it stands in the log; a lone space is a space.
        keyboard: its labels, and what they type.
        characters: labels by logged entry, for entries that would not be found or be found wrongly.
    """
    text = _unquoted(composed(logged))
    for written in (logged, text, text.strip()):
        if written in characters:
            return characters[written]
        if written in keyboard.labels:
            return written
        if found := _typed_by(written, keyboard):
            return found
    return _named(text, keyboard)


def keys_of(
    logged: Iterable[str], keyboard: Keyboard, characters: Mapping[str, str] = NO_CHARACTERS
) -> tuple[list[str | None], dict[str, int]]:
    """`key_of` for every entry of a log.

    Returns:
        The labels, and how often each entry without a key occurs, the commonest first.
    """
    entries = list(logged)
    given = {composed(entry): composed(label) for entry, label in characters.items()}
    known = {entry: key_of(entry, keyboard, given) for entry in dict.fromkeys(entries)}
    unknown = Counter(entry for entry in entries if known[entry] is None)
    return [known[entry] for entry in entries], dict(unknown.most_common())


def unmapped_text(unknown: Mapping[str, int]) -> str:
    """The entries without a key, as text for an audit: `12 × Key.ctrl, 1 × é`."""
    return ", ".join(f"{count} × {_printable(entry)}" for entry, count in unknown.items())


def check_characters(
    characters: Mapping[str, str], keyboard: Keyboard, where: str = "config: characters"
) -> None:
    """Check that `characters` maps only to keys of the keyboard.

    Args:
        characters: labels by logged entry.
        keyboard: its labels.
        where: what gave the characters, for messages.

    Raises:
        Tap2keyError: a label that the keyboard does not have.
    """
    for logged, label in characters.items():
        if composed(label) not in keyboard.labels:
            raise Tap2keyError(
                f"{where}: {logged!r} is mapped to {label!r}, which {keyboard.file} "
                f"does not have; available: {', '.join(keyboard.labels)}"
            )


def _typed_by(text: str, keyboard: Keyboard) -> str | None:
    """The one key that types it: unshifted, else shifted, else in lower case."""
    asked = [(keyboard.types, text), (keyboard.shifted, text), (keyboard.types, text.lower())]
    for typed, wanted in asked:
        found = [label for label, types in typed.items() if types == wanted and wanted]
        if found:
            return _only(found)
    return None


def _named(text: str, keyboard: Keyboard) -> str | None:
    name = _name(NAMED_BY_CONTROL.get(text, text))
    both_sides = SIDES.fullmatch(name)
    named = [label for label in keyboard.labels if len(label) > 1 and label != keyboard.outside]
    for wanted in (name, _usual(both_sides[1]) if both_sides else name):
        found = [label for label in named if len(wanted) > 1 and _name(label) == wanted]
        if found:
            return _only(found)
    return _typed_by(TYPED_BY_NAME.get(name, name if len(name) == 1 else ""), keyboard)


def _name(text: str) -> str:
    """A name without brackets, prefix, case and separators."""
    text = text.strip()
    if BRACKETS.fullmatch(text):
        text = text[1:-1]
    return _usual(re.sub(r"[ ._-]", "", PREFIX.sub("", text.lower(), count=1)))


def _usual(name: str) -> str:
    return SYNONYMS.get(name, name)


def _unquoted(text: str) -> str:
    """A character without the quotes of pynput's `str(key)`."""
    if len(text) > 2 and text[0] == text[-1] and text[0] in "'\"":
        return text[1:-1].replace("\\\\", "\\")
    return text


def _only(found: Sequence[str]) -> str | None:
    return found[0] if len(found) == 1 else None


def _printable(entry: str) -> str:
    return entry if entry.isprintable() and entry.strip() == entry and entry else repr(entry)
