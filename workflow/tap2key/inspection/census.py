"""Which files a folder holds: recordings by their headers, tables by their names."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tap2key.audio.chunks import RECORDING_ENDINGS
from tap2key.audio.quick_header import read_header
from tap2key.core.names import printable
from tap2key.study.found_by_name import TABLE_ENDINGS
from tap2key.study.patterns import is_hidden
from tap2key.study.session_files import NEARLY_ACOUSTIC, NEARLY_NEONODE, SOUND


@dataclass(frozen=True)
class Sound:
    """What the header of one recording says."""

    path: Path
    channels: int
    sample_rate: int
    seconds: float


@dataclass(frozen=True)
class Odd:
    """What a user may want to look at: where it is, and what is odd about it."""

    where: str
    reason: str


@dataclass
class Census:
    """The files below a root, in order of their paths; hidden ones are not looked at.

    `sessions` are folders with one for recordings or touch logs, or what was meant as one.
    """

    root: Path
    sounds: list[Sound] = field(default_factory=list)
    tables: list[Path] = field(default_factory=list)
    sessions: list[Path] = field(default_factory=list)
    odd: list[Odd] = field(default_factory=list)

    def name(self, path: Path) -> str:
        """A path as it is spoken of: relative to the root."""
        return printable(path.relative_to(self.root) if path != self.root else path)


def take_census(root: Path) -> Census:
    """Look at every file below a root, at recordings' headers only; nothing here fails."""
    census = Census(root)
    for path in sorted(Path(found) for found in _files(census)):
        name = path.name.lower()
        if name.endswith(RECORDING_ENDINGS):
            _look_at(path, census)
        elif SOUND.search(name):
            endings = ", ".join(RECORDING_ENDINGS)
            reason = f"sound in a format that is not read; save it as one of {endings}"
            census.odd.append(Odd(census.name(path), reason))
        elif name.endswith(TABLE_ENDINGS):
            census.tables.append(path)
    return census


def _files(census: Census) -> Iterator[str]:
    # Strings and directory entries: a path object for each of 50,000 files is slow.
    seen: set[tuple[int, int]] = set()
    waiting = [str(census.root)]
    while waiting:
        folder = waiting.pop()
        try:
            status = os.stat(folder)  # noqa: PTH116
            # Links may lead in circles.
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            with os.scandir(folder) as entries:
                found = [entry for entry in entries if not is_hidden(entry.name)]
        except OSError as error:
            census.odd.append(Odd(census.name(Path(folder)), f"not readable ({error.strerror})"))
            continue
        if any(_is_part(entry.name) for entry in found):
            census.sessions.append(Path(folder))
        for entry in found:
            try:
                if entry.is_dir():
                    waiting.append(entry.path)
                elif entry.is_file():
                    yield entry.path
                elif entry.is_symlink():
                    census.odd.append(Odd(census.name(Path(entry.path)), "a link to nothing"))
            except OSError as error:
                reason = f"not readable ({error.strerror})"
                census.odd.append(Odd(census.name(Path(entry.path)), reason))


def _is_part(name: str) -> bool:
    return any(nearly.fullmatch(name) for nearly in (NEARLY_ACOUSTIC, NEARLY_NEONODE))


def _look_at(path: Path, census: Census) -> None:
    header = read_header(path)
    if header is not None and header.seconds > 0:
        census.sounds.append(Sound(path, header.channels, header.sample_rate, header.seconds))
        return
    reason = "its header is none of a wav, w64 or FLAC file"
    try:
        with path.open("rb") as file:
            if not file.read(1):
                reason = "empty"
    except OSError as error:
        reason = f"not readable ({error.strerror})"
    if header is not None:
        reason = "has a header and no sound"
    census.odd.append(Odd(census.name(path), reason))
