"""The same sound twice: the same file, a copy of it, or two recordings at the same time.

Such taps would count twice, and could stand on both sides of a split.
"""

import hashlib
import os
import stat
from collections.abc import Callable, Hashable, Iterable, Sequence
from datetime import datetime, timedelta
from io import FileIO
from pathlib import Path

from tap2key.audio.quick_header import SoundHeader, read_header
from tap2key.core.errors import Tap2keyError
from tap2key.study.manifest import NO_START
from tap2key.study.session_files import TABLE_NAME
from tap2key.study.truth import CLIPS

LEAVE_OUT = f"leave one out with use = no in {TABLE_NAME}"
TAKE_OUT = "take one out of its folder"
# The sound card starts late and file names' times are rounded.
OVERLAP_S = 2.0
# Where equally long sounds are compared before they are read whole, as shares of their length.
SAMPLED, SAMPLE_BYTES = (0.25, 0.5, 0.75), 1024
# What crashed recorders leave behind is often the same few bytes, and less than a tap.
LEAST_SOUND_BYTES = 4096
BLOCK = 1 << 20


def check_duplicates(recordings: Sequence) -> None:
    """Refuse what would count twice among recordings (`study.Recording`).

    Args:
        recordings: of any people and sessions.

    Raises:
        Tap2keyError: two are one file or have one content, or one begins while another of the same
            participant, or with the same touch log, is still running; a file cannot be read.
    """
    paths = [r.path for r in recordings]
    clips = {r.path for r in recordings if r.truth == CLIPS}
    status = {path: _status(path) for path in paths}
    same = _first_pair(paths, lambda path: (status[path].st_dev, status[path].st_ino))
    if same:
        advice = TAKE_OUT if clips.issuperset(same) else LEAVE_OUT
        raise Tap2keyError(f"{same[0]} and {same[1]} are the same file; {advice}")
    filled = [path for path in paths if status[path].st_size]
    headers = {path: read_header(path) for path in filled}
    extents = {path: _extent(headers[path], status[path].st_size) for path in filled}
    same = _first_copy(
        {p: extent for p, extent in extents.items() if extent[1] > LEAST_SOUND_BYTES}
    )
    if same:
        advice = TAKE_OUT if clips.issuperset(same) else LEAVE_OUT
        raise Tap2keyError(f"{same[0]} and {same[1]} hold the same sound; {advice}")
    for group in _on_one_clock(recordings):
        _check_overlaps(group, headers)


def _status(path: Path) -> os.stat_result:
    try:
        status = path.stat()
    except FileNotFoundError:
        raise Tap2keyError(f"{path}: a link to nothing; fix the link, or remove it") from None
    except OSError as error:
        raise Tap2keyError(f"{path}: not readable ({error.strerror})") from None
    if not stat.S_ISREG(status.st_mode):
        raise Tap2keyError(f"{path}: not a file; take it out of the folder")
    return status


def _extent(header: SoundHeader | None, size: int) -> tuple[int, int]:
    """Where a file's sound begins and how long it is, in bytes: labels before it do not count."""
    return (0, size) if header is None else (header.offset, header.length)


def _first_copy(extents: dict[Path, tuple[int, int]]) -> tuple[Path, Path] | None:
    """Two files of the same content, if there are any; only equally long ones are read."""
    for long_alike in _alike(extents, lambda path: extents[path][1]):
        for sampled_alike in _alike(long_alike, lambda path: _sampled(path, *extents[path])):
            same = _first_pair(sampled_alike, lambda path: _digest(path, *extents[path]))
            if same:
                return same
    return None


def _alike(paths: Iterable[Path], key: Callable[[Path], Hashable]) -> list[list[Path]]:
    groups: dict[Hashable, list[Path]] = {}
    for path in paths:
        groups.setdefault(key(path), []).append(path)
    return [group for group in groups.values() if len(group) > 1]


def _first_pair(paths: Iterable[Path], key: Callable[[Path], Hashable]) -> tuple[Path, Path] | None:
    seen: dict[Hashable, Path] = {}
    for path in paths:
        other = seen.setdefault(key(path), path)
        if other is not path:
            return other, path
    return None


def _sampled(path: Path, offset: int, length: int) -> bytes:
    with _opened(path) as handle:
        pieces = []
        for share in SAMPLED:
            handle.seek(offset + int(length * share))
            pieces.append(handle.read(SAMPLE_BYTES))
    return b"".join(pieces)


def _digest(path: Path, offset: int, length: int) -> bytes | Path:
    """A hash of the content; of nothing but zeros, as of a dead recorder, the file itself."""
    digest, silent = hashlib.blake2b(), True
    with _opened(path) as handle:
        handle.seek(offset)
        while length > 0 and (block := handle.read(min(BLOCK, length))):
            digest.update(block)
            silent = silent and not any(block)
            length -= len(block)
    return path if silent else digest.digest()


def _opened(path: Path) -> FileIO:
    try:
        return path.open("rb", buffering=0)
    except OSError as error:
        raise Tap2keyError(f"{path}: not readable ({error.strerror})") from None


def _on_one_clock(recordings: Sequence) -> list[list]:
    """Recordings of which no two can have been made at once, in groups."""
    people: dict[str, list] = {}
    sessions: dict[tuple[Path, ...], list] = {}
    for recording in recordings:
        people.setdefault(recording.participant, []).append(recording)
        sessions.setdefault(recording.touch_files, []).append(recording)
    logs = {log: _status(log) for files in sessions for log in files}
    extents = {log: (0, status.st_size) for log, status in logs.items() if status.st_size}
    shared = []
    for long_alike in _alike(extents, lambda log: extents[log]):
        for sampled_alike in _alike(long_alike, lambda log: _sampled(log, *extents[log])):
            for alike in _alike(sampled_alike, lambda log: _digest(log, *extents[log])):
                logs_alike = set(alike)
                own = [r for files, rs in sessions.items() if logs_alike & set(files) for r in rs]
                shared.append(own)
    return [*people.values(), *shared]


def _check_overlaps(recordings: Sequence, headers: dict[Path, SoundHeader | None]) -> None:
    last, last_s, last_end = None, 0.0, datetime.min
    known = [r for r in recordings if r.start != NO_START]
    for recording in sorted(known, key=lambda r: r.start):
        header = headers.get(recording.path)
        if header is None:
            continue
        if last is not None:
            allowed_s = min(OVERLAP_S, header.seconds / 2, last_s / 2)
            if (last_end - recording.start).total_seconds() > allowed_s:
                people = {last.participant, recording.participant}
                whose = (
                    f"of {recording.participant}" if len(people) == 1 else "with the same touch log"
                )
                raise Tap2keyError(
                    f"{recording.path} begins at {recording.start:%H:%M:%S} while {last.path} "
                    f"{whose} runs until {last_end:%Y-%m-%d %H:%M:%S}; correct a start"
                    f" in {TABLE_NAME}, or leave one out with use = no"
                )
        end = recording.start + timedelta(seconds=min(header.seconds, 1e6))
        if last is None or end > last_end:
            last, last_s, last_end = recording, header.seconds, end
