"""Recordings without a touch sensor: which files a folder holds, and what they are called."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tap2key.errors import Tap2keyError

ENDING = ".wav"


@dataclass(frozen=True)
class Unlabelled:
    """A wav file. `name` is its path below the folder that was given, without its ending.

    `chosen` says that the user named the very file, rather than a folder that holds it.
    """

    name: str
    path: Path
    chosen: bool


def unlabelled_recordings(given: Sequence[Path]) -> list[Unlabelled]:
    """The files among `given`, and the wav files below the folders among it by path.

    Hidden files and folders are passed over.

    Raises:
        Tap2keyError: nothing there, a folder without wav files, or two recordings that would be
            called the same.
    """
    found: dict[str, Unlabelled] = {}
    for path in given:
        if not path.exists():
            raise Tap2keyError(f"{path}: no such file or folder; give recordings to read")
        inside = _inside(path) if path.is_dir() else [Unlabelled(path.stem, path, chosen=True)]
        if not inside:
            raise Tap2keyError(f"{path}: no {ENDING} file in it; give a folder with recordings")
        for recording in inside:
            other = found.setdefault(recording.name, recording)
            if other is not recording:
                raise Tap2keyError(
                    f"{recording.path} and {other.path} would both be called {recording.name!r}; "
                    "rename one of them, or name their files apart"
                )
    return list(found.values())


def _inside(folder: Path) -> list[Unlabelled]:
    below = {path: path.relative_to(folder) for path in folder.rglob("*")}
    return [
        Unlabelled(relative.with_suffix("").as_posix(), path, chosen=False)
        for path, relative in sorted(below.items())
        if path.suffix.lower() == ENDING
        and not path.is_dir()
        and not any(part.startswith(".") for part in relative.parts)
    ]
