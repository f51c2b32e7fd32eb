"""Names of participants, sessions and recordings: read from folders, and refused if unusable."""

import re
from collections.abc import Iterable
from pathlib import Path

from tap2key.core.errors import Tap2keyError
from tap2key.core.names import CONTROL, composed, folded, printable
from tap2key.study.manifest import Recording
from tap2key.study.session_files import TABLE_NAME
from tap2key.study.truth import NEONODE

UNUSABLE = re.compile(f"[{{}}]|{CONTROL.pattern}")


def names_in_folder(session_pattern: str, relative: str) -> dict[str, str]:
    """Participant and session as the pattern reads them from a folder's path in the study.

    Raises:
        Tap2keyError: it is no regular expression with the groups `participant` and
            `session`, or the path does not match it.
    """
    try:
        pattern = re.compile(composed(session_pattern))
    except re.error as error:
        raise Tap2keyError(
            f"config: session_pattern is not a regular expression ({error})"
        ) from None
    if not {"participant", "session"} <= set(pattern.groupindex):
        raise Tap2keyError(
            "config: session_pattern needs the groups (?P<participant>…) and (?P<session>…)"
        )
    match = pattern.search(composed(relative))
    if match is None:
        raise Tap2keyError(
            f"session folder {relative!r} does not match session_pattern {session_pattern!r}; "
            f"change session_pattern in the config, or name the session in {TABLE_NAME}"
        )
    return {key: match[key] for key in ("participant", "session")}


def is_usable(name: str) -> bool:
    """Whether a name can be that of a folder, and no wildcard."""
    return not (
        not name or set(name) & set("{}/\\") or name.startswith((".", "-")) or CONTROL.search(name)
    )


def check_names(recordings: Iterable[Recording]) -> None:
    """Refuse names that cannot be files or wildcards, and names that nobody could tell apart.

    Raises:
        Tap2keyError: such a name, or see `check_alike`.
    """
    recordings = list(recordings)
    for recording in recordings:
        names = (recording.participant, recording.session, recording.recording)
        otherwise = f"name it in {TABLE_NAME}"
        for name in names:
            if not is_usable(name) and not CONTROL.search(name):
                raise Tap2keyError(
                    f"{printable(recording.path)}: the name {name!r} cannot be used (empty, a "
                    f"leading dot or dash, a slash or a brace); rename it, or {otherwise}"
                )
            if CONTROL.search(name):
                raise Tap2keyError(
                    f"{printable(recording.path)}: the name {name!r} cannot be used (a control "
                    f"character such as a tab, or not UTF-8); rename it, or {otherwise}"
                )
        for path in (recording.path, *recording.touch_files):
            check_path(path)
    check_alike(recordings)


def check_path(path: Path) -> None:
    """Refuse a path that cannot be a file of a job.

    Raises:
        Tap2keyError: it has a brace or a control character, or is not UTF-8.
    """
    if UNUSABLE.search(str(path)):
        raise Tap2keyError(
            f"{printable(path)}: cannot be used (its path has a brace or a control character, or "
            "is not UTF-8); rename the file or the folder"
        )


def check_alike(recordings: Iterable[Recording]) -> None:
    """Refuse names that nobody could tell apart.

    Raises:
        Tap2keyError: two folders are one session, or two files one recording; two participants,
            sessions of one, or recordings of a session have names that differ only in case or
            spaces.
    """
    seen: dict[tuple[str, ...], tuple[str, Path, str]] = {}
    for recording in recordings:
        names = (recording.participant, recording.session, recording.recording)
        # Sessions found by patterns of names have no folder of their own.
        own = recording.truth == NEONODE
        folder = recording.path.parent.parent if own else recording.path.parent
        places = (folder, folder, recording.path)
        kinds = ("participant", "session", "recording")
        for depth, (kind, where) in enumerate(zip(kinds, places, strict=True), start=1):
            key = (*names[: depth - 1], folded(names[depth - 1]))
            first = (names[depth - 1], where, recording.truth)
            other, there, truth = seen.setdefault(key, first)
            if other != names[depth - 1]:
                raise Tap2keyError(
                    f"{there} and {where}: the names of the {kind}s {other!r} and "
                    f"{names[depth - 1]!r} differ only in case or spaces; give both the same "
                    f"name, or clearly different ones, in {TABLE_NAME}"
                )
            if kind == "session" and there != where and (own or truth != recording.truth):
                raise Tap2keyError(
                    f"{where} and {there} are both participant {names[0]!r}, session "
                    f"{names[1]!r}; give one another name in {TABLE_NAME} or change session_pattern"
                )
            if kind == "recording" and there != where:
                raise Tap2keyError(
                    f"{there} and {where} are both recording {names[2]!r} of one session; rename "
                    f"one, or leave it out with use = no in {TABLE_NAME}"
                )
