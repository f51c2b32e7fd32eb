"""Recordings without a touch sensor: which files a folder holds, and what they are called."""

import hashlib
import os
import unicodedata
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tap2key.audio.chunks import RECORDING_ENDINGS, W64_HEAD, WAVES
from tap2key.audio.flac_length import MAGIC
from tap2key.core.errors import Tap2keyError
from tap2key.core.provenance import FILE_NAME
from tap2key.decoding.characters import CHARACTERS_NAME

# What else people call sound, and how files of sound begin that somebody renamed.
SOUND_ENDINGS = (
    *(".wave", ".bwf", ".rf64", ".aif", ".aiff", ".aifc", ".caf", ".au", ".snd", ".mp3", ".mp4"),
    *(".m4a", ".aac", ".ogg", ".oga", ".opus", ".wma", ".wv", ".ape", ".mka", ".raw", ".pcm"),
)
SOUND_BEGINNINGS = (*WAVES, W64_HEAD, MAGIC, b"FORM", b"caff", b".snd", b"OggS")
TRACK_ENDINGS = (".labels.txt", ".TextGrid")
TAPPED_KEYS_NAME = "tapped_keys.parquet"
TRANSCRIPT_NAME = "transcript.txt"
# With decoders.
DECODED_NAME = "decoded.txt"
READ_RECORDINGS_NAME = "read_recordings.tsv"
OUTPUTS = (
    *(TAPPED_KEYS_NAME, TRANSCRIPT_NAME, READ_RECORDINGS_NAME, FILE_NAME),
    *(DECODED_NAME, CHARACTERS_NAME),
)
# File systems hold 255 bytes in a name, and 4,096 in a path.
NAME_BYTES = 255 - max(map(len, TRACK_ENDINGS))
PATH_BYTES = 1000


@dataclass(frozen=True)
class Unlabelled:
    """A file of sound. `name` is its path below the folder that was given, without its ending.

    A name that files cannot have, or text cannot hold, is shortened and made unique. `chosen` says
    that the user named the very file, rather than a folder that holds it; `reason` why it is
    passed over, None if it is not.
    """

    name: str
    path: Path
    chosen: bool
    reason: str | None = None


def unlabelled_recordings(given: Sequence[Path]) -> list[Unlabelled]:
    """The files among `given`, and the recordings below the folders among it by path.

    Linked files and folders are followed, each file is read once. Hidden files and folders are
    ignored; what else looks like sound has the reason why it is passed over.

    Raises:
        Tap2keyError: nothing there, a folder without recordings, or two recordings that would be
            called the same.
    """
    result: list[Unlabelled] = []
    named: dict[str, Unlabelled] = {}
    seen: dict[tuple[int, int], Path] = {}
    for path in given:
        if not os.path.lexists(path):
            raise Tap2keyError(f"{path}: no such file or folder; give recordings to read")
        inside = _inside(path) if _is_folder(path) else [_chosen(path)]
        if all(recording.reason for recording in inside):
            also = f" (only {inside[0].path}: {inside[0].reason})" if inside else ""
            raise Tap2keyError(
                f"{path}: no {RECORDING_ENDINGS[0]} file in it, nor one that ends in "
                f"{' or '.join(RECORDING_ENDINGS[1:])}; give a folder with recordings{also}"
            )
        own = []
        # Files before links to them.
        for recording in sorted(inside, key=lambda r: r.path.is_symlink()):
            same = None if recording.reason else _first_seen(recording.path, seen)
            if same is not None:
                recording = replace(recording, chosen=False, reason=f"the same file as {same}")
            own.append(recording)
            other = recording if recording.reason else named.setdefault(recording.name, recording)
            if other is not recording:
                raise Tap2keyError(
                    f"{recording.path} and {other.path} would both be called {recording.name!r}; "
                    "rename one of them, or name their files apart"
                )
        result += sorted(own, key=lambda r: r.path)
    return result


def can_be_input(path: Path) -> bool:
    """Whether Snakemake can have a file as input: it is there, and its name is text."""
    try:
        return str(path).isprintable() and path.is_file() and os.access(path, os.R_OK)
    except OSError:
        return False


def state_of(path: Path) -> list[object]:
    """What changes with a file that cannot be an input: name, size and time, as far as known."""
    try:
        status = path.stat()
    except OSError:
        return [str(path)]
    return [str(path), status.st_size, status.st_mtime]


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # such as one in a folder that may not be entered
        return False


def _first_seen(path: Path, seen: dict[tuple[int, int], Path]) -> Path | None:
    """The path at which the same file was seen before, if it was."""
    try:
        status = path.stat()
    except OSError:  # such as a link to nowhere: reading it will say so
        return None
    first = seen.setdefault((status.st_dev, status.st_ino), path)
    return None if first is path else first


def _chosen(path: Path) -> Unlabelled:
    return Unlabelled(_valid(path.stem), path, chosen=True)


def _inside(folder: Path) -> list[Unlabelled]:
    files, unreadable = _files_below(folder)
    names = {path: path.relative_to(folder).as_posix() for path in (*files, *unreadable)}
    wanted = [path for path in sorted(files) if path.suffix.lower() in RECORDING_ENDINGS]
    stems = {path: names[path].removesuffix(path.suffix) for path in wanted}
    # Such as a wav beside the FLAC that was made of it: their endings tell them apart.
    often = Counter(stems.values())
    found = [
        Unlabelled(_valid(stem if often[stem] == 1 else names[path]), path, chosen=False)
        for path, stem in stems.items()
    ]
    for path in sorted(set(files).difference(wanted)):
        if _looks_like_sound(path):
            reason = (
                f"its ending is none of {', '.join(RECORDING_ENDINGS)}; save it as one of these, "
                "or rename it if it is one"
            )
            found.append(Unlabelled(_valid(names[path]), path, False, reason))
    for path, error in unreadable.items():
        reason = f"folder not readable ({error.strerror})"
        found.append(Unlabelled(_valid(names[path]), path, False, reason))
    return found


def _files_below(folder: Path) -> tuple[list[Path], dict[Path, OSError]]:
    """All files below a folder that are not hidden, and the folders that cannot be looked into.

    No folder is entered twice, however links lead to it; one that is there itself goes first.
    """
    files: list[Path] = []
    unreadable: dict[Path, OSError] = {}
    entered: set[tuple[int, int]] = set()
    waiting, linked = deque([folder]), deque[Path]()
    while waiting or linked:
        at = (waiting or linked).popleft()
        try:
            status = at.stat()
            if (status.st_dev, status.st_ino) in entered:
                continue
            entered.add((status.st_dev, status.st_ino))
            children = sorted(at.iterdir())
        except OSError as error:
            unreadable[at] = error
            continue
        for child in children:
            if child.name.startswith("."):
                continue
            if _is_folder(child):
                (linked if child.is_symlink() else waiting).append(child)
            else:
                files.append(child)
    return files, unreadable


def _looks_like_sound(path: Path) -> bool:
    if path.suffix.lower() in SOUND_ENDINGS:
        return True
    try:
        # Nothing but a file: a pipe would be waited for.
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return file.read(len(W64_HEAD)).startswith(SOUND_BEGINNINGS)
    except OSError:
        return False


def _valid(name: str) -> str:
    """A name that text and file systems can hold with the tracks' endings; the same if it is one.

    A changed name ends with a hash of the old, so that no two become one.
    """
    *folders, last = name.split("/")
    parts = [*(_valid_part(part, 255, folder=True) for part in folders), _valid_part(last)]
    valid = "/".join(parts)
    if len(valid.encode()) > PATH_BYTES:
        valid = parts[-1]
    if valid == name:
        return name
    mark = "~" + hashlib.blake2b(os.fsencode(name), digest_size=4).hexdigest()
    *folders, last = valid.split("/")
    return "/".join([*folders, _cut(last, NAME_BYTES - len(mark)) + mark])


def _valid_part(part: str, most: int = NAME_BYTES, folder: bool = False) -> str:
    text = os.fsencode(part).decode("utf-8", "replace")
    text = "".join("\ufffd" if unicodedata.category(c) in ("Cc", "Zl", "Zp") else c for c in text)
    # A folder of such a name would be in a file's way.
    if folder and (text in OUTPUTS or text.endswith(TRACK_ENDINGS)):
        text = _cut(text, most - 1) + "~"
    return _cut(text, most)


def _cut(text: str, most: int) -> str:
    return text.encode()[:most].decode("utf-8", "ignore")
