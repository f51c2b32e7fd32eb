"""Who is who in the folders of a study: which part of a path is a person, and which a session."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from tap2key.core.errors import Tap2keyError
from tap2key.core.names import composed
from tap2key.study.naming import names_in_folder

# Folders that say what is in them, not whose it is.
OF_CONTENT = re.compile(
    r"(0*\d*[\W_]*)?(acoustics?|audios?|wavs?|waves?|flacs?|sounds?|recordings?|recs?|raw|data|"
    r"dataset|clips?|samples?|letters?|digits?|numbers?|keys?|train|training|test|testing|"
    r"validation|val|dev|all|typed?\w*)",
    re.I,
)
DATED = re.compile(r"\d+\D+\d+")


@dataclass(frozen=True)
class Layout:
    """How names are read from folders.

    `pattern` is a `session_pattern`. `from_parent`: folders are seen from the root's parent, so
    that the root's own name counts, for want of another.
    """

    pattern: str
    from_parent: bool = False


def layout_of(
    root: str, folders: Sequence[str], usual: str, no_names: Collection[str] = ()
) -> Layout:
    """The pattern that reads a person and a session from every folder.

    Args:
        root: the study's own name.
        folders: of sessions or recordings, relative to the root; "." is the root itself.
        usual: the pattern that is tried first.
        no_names: names of folders that are neither people's nor sessions', such as keys.
    """
    if _fits(usual, folders, no_names):
        return Layout(usual)
    levels = _levels(folders)
    persons = [i for i, names in enumerate(levels) if not _of_content(names, no_names)]
    # What holds everybody is one name above several, and they have sessions below.
    while len(persons) > 2 and len(levels[persons[0]]) == 1 and _several_people(levels[persons[1]]):
        del persons[0]
    if "." in folders or not persons:
        lowest = [(root, *([] if f == "." else f.split("/"))) for f in folders]
        deeper = 1 if min(map(len, lowest)) > 1 else 0
        return Layout(pattern_at(0, deeper), from_parent=True)
    person = persons[0]
    session = persons[1] if len(persons) > 1 else min(person + 1, len(levels) - 1)
    return Layout(pattern_at(person, session))


def pattern_at(person: int, session: int) -> str:
    """A pattern for a person and a session at these levels of a path, counted from 0."""
    before = "^" + "[^/]+/" * person
    if session == person:
        return before + "(?P<participant>(?P<session>[^/]+))"
    between = "/[^/]+" * (session - person - 1)
    return f"{before}(?P<participant>[^/]+){between}/(?P<session>[^/]+)"


def _fits(pattern: str, folders: Sequence[str], no_names: Collection[str]) -> bool:
    """Whether a pattern reads every folder, and what it reads are names."""
    try:
        found = [names_in_folder(pattern, folder) for folder in folders]
    except Tap2keyError:
        return False
    people = {names["participant"] for names in found}
    # Such as user_364 and user_365, who are not one `user`.
    numbered = all(names["session"].isdecimal() for names in found)
    if not found or (len(people) == 1 and numbered and not any("/" in f for f in folders)):
        return False
    return not _of_content(people, no_names)


def _levels(folders: Sequence[str]) -> list[set[str]]:
    """The names at each level that every folder has."""
    split = [folder.split("/") for folder in folders]
    depth = min((len(parts) for parts in split), default=0)
    return [{composed(parts[i]) for parts in split} for i in range(depth)]


def _several_people(names: Collection[str]) -> bool:
    return len(names) > 1 and not all(DATED.match(name) for name in names)


def _of_content(names: Collection[str], no_names: Collection[str]) -> bool:
    return all(OF_CONTENT.fullmatch(name) or name in no_names for name in names)
