"""Files that the project ships, and where they are."""

from collections.abc import Collection
from pathlib import Path

PROJECT = Path(__file__).parents[3]
CONFIG = PROJECT / "config" / "config.yaml"
KEYBOARD = PROJECT / "config" / "keyboard.csv"
SCHEMA = PROJECT / "workflow" / "schemas" / "config.schema.yaml"
DIFFICULTY = PROJECT / "workflow" / "tap2key" / "simulation" / "difficulty.yaml"
KEYBOARDS = PROJECT / "config" / "keyboards"
# What the configuration may call them.
SHIPPED_KEYBOARDS = ("ansi", "iso")
# Files with what differs from `DIFFICULTY`, by the name that the configuration uses.
SHIPPED_DIFFICULTIES = {"hard": DIFFICULTY.with_name("hard.yaml")}
# Phrases to type, by the name that the configuration uses.
SHIPPED_TEXTS = {
    name: PROJECT / "config" / "texts" / f"{name}.txt" for name in ("phrases", "evaluation")
}

# What is shipped under a name, by the setting that may give that name in place of a path.
SHIPPED_NAMES: dict[str, Collection[str]] = {
    "keyboard": SHIPPED_KEYBOARDS,
    "simulate.difficulty": SHIPPED_DIFFICULTIES,
    "simulate.text": SHIPPED_TEXTS,
    "decode.corpus": SHIPPED_TEXTS,
}


def text_file(named: str | None) -> Path | None:
    """The file of a text that the configuration names: a shipped one, or a path; None for none."""
    return None if named is None else SHIPPED_TEXTS.get(named, Path(named))


def keyboard_file(named: str | None) -> Path:
    """The file of a keyboard as the configuration names it: a shipped one, a path, the default."""
    if named is None:
        return KEYBOARD
    return KEYBOARDS / f"{named}.csv" if named in SHIPPED_KEYBOARDS else Path(named)
