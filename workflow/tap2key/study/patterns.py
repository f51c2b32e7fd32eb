"""Patterns of files and folders in a configuration, and what they find in a study."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from tap2key.core.errors import Tap2keyError
from tap2key.study.session_files import LITTER


def visible_in(folder: Path) -> list[str]:
    """The names in a folder but for hidden ones and what operating systems leave behind.

    Raises:
        Tap2keyError: it cannot be read.
    """
    try:
        names = os.listdir(folder)  # noqa: PTH208 - names suffice
    except OSError as error:
        raise _unreadable(error, folder) from None
    return [name for name in names if not is_hidden(name)]


def matching(base: Path, pattern: str, setting: str) -> list[Path]:
    """What a pattern finds below a folder, without what is hidden unless the pattern names it.

    Args:
        base: the folder.
        pattern: as of `Path.glob`, relative to it.
        setting: where the configuration has the pattern, for messages.

    Raises:
        Tap2keyError: it is no such pattern, or a folder in which it seeks cannot be read.
    """
    parts = Path(pattern).parts
    if not parts or Path(pattern).is_absolute():
        reason = "is absolute" if parts else "names no file"
        raise Tap2keyError(
            f"config: {setting}: {pattern!r} {reason}; give a relative pattern, such as */*.wav"
        )
    for depth, part in enumerate(parts):
        if any(sign in part for sign in "*?["):
            for folder in _found(base, parts[:depth], setting):
                if folder.is_dir():
                    visible_in(folder)
    return _found(base, parts, setting)


def links_passed_by(base: Path, pattern: str) -> Iterator[Path]:
    """Links to folders below those in which a pattern seeks with `**`, which follows none.

    Raises:
        Tap2keyError: a folder cannot be read.
    """
    parts = Path(pattern).parts
    if "**" in parts:
        for folder in _found(base, parts[: parts.index("**")], "truth.recordings"):
            for below in walk(folder, follow=False):
                yield from (p for n in visible_in(below) if (p := below / n).is_symlink())


def walk(folder: Path, follow: bool) -> Iterator[Path]:
    """A folder and all below it that are not hidden.

    Raises:
        Tap2keyError: one cannot be read.
    """

    def refuse(error: OSError) -> None:
        raise _unreadable(error, folder)

    for path, inner, _ in os.walk(folder, onerror=refuse, followlinks=follow):
        inner[:] = [name for name in inner if not is_hidden(name)]
        yield Path(path)


def _found(base: Path, parts: Sequence[str], setting: str) -> list[Path]:
    if not parts:
        return [base]
    try:
        found = sorted(base.glob(str(Path(*parts))))
    except ValueError as error:
        pattern = "/".join(parts)
        raise Tap2keyError(f"config: {setting}: {pattern!r} is no pattern ({error})") from None
    named = {"..", *parts}
    return [p for p in found if not any(map(is_hidden, {*p.relative_to(base).parts} - named))]


def is_hidden(name: str) -> bool:
    """Whether a file or folder is hidden, or what operating systems leave behind."""
    return name.startswith(".") or name.lower() in LITTER


def _unreadable(error: OSError, folder: Path) -> Tap2keyError:
    return Tap2keyError(f"{error.filename or folder}: not readable ({error.strerror})")
