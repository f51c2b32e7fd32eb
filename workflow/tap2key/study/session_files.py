"""Which files of a study are recordings and touch logs, and which look like it but are not used."""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tap2key.audio.chunks import RECORDING_ENDINGS
from tap2key.core.errors import Tap2keyError

ACOUSTIC = "01.acoustic"
NEONODE = "02.neonode"
TABLE_NAME = "study.tsv"
TOUCH_ENDING = "nnode.csv"

# What operating systems leave behind holds nothing of anybody's.
LITTER = {
    *(".ds_store", "thumbs.db", "desktop.ini"),
    *("__macosx", "@eadir", "lost+found", "$recycle.bin", "system volume information"),
}
NEARLY_ACOUSTIC = re.compile(r"0*1[\W_]*acc?oust?ics?", re.I)
NEARLY_NEONODE = re.compile(r"0*2[\W_]*n?eo[\W_]?nodes?", re.I)
SOUND = re.compile(
    r"\.(wave?|w64|rf64|bwf|flac|aif[fc]?|caf|au|snd|raw|pcm|mp3|m4a|ogg|opus|wma)"
    r"(\.(bak|old|orig|part|partial|tmp|crdownload|download|gz|bz2|xz|zip|zst|7z|\d+)|~|_)*$",
    re.I,
)
SOUND_HEADS = (b"RIFF", b"RIFX", b"RF64", b"riff", b"fLaC")
TEXT = (".csv", ".txt", ".tsv", ".log", ".dat", "")
NAMED_AS_LOG = re.compile(r"(nnode|neonode).*\.(csv|txt|tsv|log|dat|xlsx?|ods)", re.I)
# What older scripts and `export` cut out of recordings, thousands of files.
WINDOW = re.compile(r"_\d+_\d+chan\.wav$", re.I)
SOUND_ELSEWHERE, LOG_ELSEWHERE = (
    f"lies outside {folder}, or in a folder below it; put it into {folder} itself"
    for folder in (ACOUSTIC, NEONODE)
)
HEAD = 4096
FEW_LINES = 5


@dataclass(frozen=True)
class PassedOver:
    """A file or folder that could be a recording or a touch log, and why it is not used.

    `alarming` is what nobody asked for; the rest was left out on purpose.
    """

    path: Path
    reason: str
    participant: str = ""
    session: str = ""
    alarming: bool = True

    def of(self, participant: str, session: str) -> "PassedOver":
        """The same, in a session of that name."""
        return replace(self, participant=participant, session=session)


@dataclass(frozen=True)
class SessionFiles:
    """What a session folder holds, by name."""

    recordings: tuple[Path, ...]
    touch_files: tuple[Path, ...]
    passed_over: tuple[PassedOver, ...]


def find_sessions(study: Path) -> tuple[list[Path], list[PassedOver]]:
    """The session folders below a study's root by path, and recordings that lie in none.

    A folder is a session if it holds `01.acoustic` or `02.neonode`, or what can only have been
    meant as that. Hidden folders are passed over.

    Raises:
        Tap2keyError: a folder cannot be read.
    """
    # Strings and directory entries: a path object and a question for each of 50,000 files is slow.
    found: list[Path] = []
    passed_over: list[PassedOver] = []
    waiting = [str(study)]
    while waiting:
        folder = waiting.pop()
        entries = _entries(folder)
        if any(_is_part(entry) for entry in entries):
            found.append(Path(folder))
            continue
        loose = []
        for entry in entries:
            if _is_folder(entry):
                if not entry.name.startswith("."):
                    waiting += [] if _leads_back(entry) else [entry.path]
            elif SOUND.search(entry.name) and not entry.name.startswith("."):
                loose.append(entry.path)
        passed_over += _listed(loose, f"lies in no session; a session keeps it in {ACOUSTIC}")
    return sorted(found), passed_over


def files_of_session(folder: Path) -> SessionFiles:
    """The recordings and touch logs of a session folder, and what else looks like one.

    A log whose name does not end in `nnode.csv` is used only where it reads as one and its times
    lie apart from the other logs', so that no touch can count twice.

    Raises:
        Tap2keyError: one of the two folders is missing, or cannot be read.
    """
    entries = {entry.name: entry for entry in _entries(str(folder))}
    for name, nearly in ((ACOUSTIC, NEARLY_ACOUSTIC), (NEONODE, NEARLY_NEONODE)):
        if name not in entries or not _is_folder(entries[name]):
            raise Tap2keyError(f"{folder}: no folder {name}; {_advice(name, nearly, entries)}")
    passed_over: list[PassedOver] = []
    recordings, touch_files, odd_logs = [], [], []
    for entry in _entries(entries[ACOUSTIC].path):
        hidden = entry.name.startswith(".")
        if not hidden and entry.name.lower().endswith(RECORDING_ENDINGS) and not _is_folder(entry):
            recordings.append(Path(entry.path))
        elif not _is_folder(entry) and (SOUND.search(entry.name) or _begins_as_sound(entry)):
            reason = "is hidden; name it without the dot" if hidden else _other_sound(entry.name)
            passed_over.append(PassedOver(Path(entry.path), reason))
        elif not _is_folder(entry) and _could_be_log(entry):
            passed_over.append(PassedOver(Path(entry.path), LOG_ELSEWHERE))
    for entry in _entries(entries[NEONODE].path):
        if _is_folder(entry):
            continue
        if entry.name.lower().endswith(TOUCH_ENDING) and not entry.name.startswith("."):
            touch_files.append(Path(entry.path))
        elif SOUND.search(entry.name):
            passed_over.append(PassedOver(Path(entry.path), SOUND_ELSEWHERE))
        elif _could_be_log(entry):
            odd_logs.append(Path(entry.path))
    for log in sorted(odd_logs):
        why_not = _why_not_log(log, touch_files)
        if why_not is None:
            touch_files.append(log)
        else:
            passed_over.append(PassedOver(log, why_not))
    passed_over += _elsewhere(folder, entries)
    return SessionFiles(
        tuple(sorted(recordings)),
        tuple(sorted(touch_files)),
        tuple(sorted(passed_over, key=lambda p: p.path)),
    )


def _entries(folder: str) -> list[os.DirEntry]:
    try:
        with os.scandir(folder) as entries:
            return [e for e in entries if not (e.name[:2] == "._" or e.name.lower() in LITTER)]
    except OSError as error:
        raise Tap2keyError(f"{folder}: not readable ({error.strerror})") from None


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # such as a link to itself
        return False


def _is_part(entry: os.DirEntry) -> bool:
    if entry.name in (ACOUSTIC, NEONODE):
        return True
    nearly = NEARLY_ACOUSTIC.fullmatch(entry.name) or NEARLY_NEONODE.fullmatch(entry.name)
    return nearly is not None and _is_folder(entry)


def _advice(name: str, nearly: re.Pattern, entries: dict[str, os.DirEntry]) -> str:
    if name in entries:
        what = "a link to nothing" if entries[name].is_symlink() else "a file"
        return f"{name} is {what}; mend it, or leave the session out in {TABLE_NAME}"
    found = sorted(other for other in entries if nearly.fullmatch(other))
    if found:
        return f"rename {found[0]}, or leave the session out with use = no in {TABLE_NAME}"
    return (
        f"a session needs {ACOUSTIC} and {NEONODE} "
        f"(leave the session out with use = no in {TABLE_NAME})"
    )


def _leads_back(entry: os.DirEntry) -> bool:
    """Whether a linked folder holds the very link, so that following it would never end."""
    if not entry.is_symlink():
        return False
    target = os.path.realpath(entry.path)
    here = os.path.realpath(os.path.dirname(entry.path))  # noqa: PTH120 - thousands of strings
    return os.path.commonpath([target, here]) == target


def _elsewhere(folder: Path, entries: dict[str, os.DirEntry]) -> Iterator[PassedOver]:
    """What looks like a recording or a touch log in a session, but not in its place."""
    waiting = []
    for entry in entries.values():
        if entry.name in (ACOUSTIC, NEONODE):
            waiting += [e for e in _entries(entry.path) if _is_folder(e)]
        else:
            waiting.append(entry)
    sounds: dict[str, list[str]] = {}
    while waiting:
        entry = waiting.pop()
        if _is_folder(entry):
            waiting += [] if _leads_back(entry) else _entries(entry.path)
        elif SOUND.search(entry.name):
            sounds.setdefault(os.path.dirname(entry.path), []).append(entry.path)  # noqa: PTH120
        elif _could_be_log(entry):
            yield PassedOver(Path(entry.path), LOG_ELSEWHERE)
    for paths in sounds.values():
        yield from _listed(paths, SOUND_ELSEWHERE)


def _listed(paths: Sequence[str], reason: str) -> Iterator[PassedOver]:
    """Each file by itself, but the windows in a folder together."""
    windows = [path for path in paths if WINDOW.search(path)]
    for path in sorted(set(paths) - set(windows)):
        yield PassedOver(Path(path), reason)
    if windows:
        yield PassedOver(
            Path(windows[0]).parent,
            f"{len(windows)} windows cut from recordings; ingest takes such over",
            alarming=False,
        )


def _other_sound(name: str) -> str:
    endings = ", ".join(RECORDING_ENDINGS)
    if name.lower().endswith((".wave", ".rf64", ".bwf")):
        return f"does not end in {endings}; rename it to .wav if it is one"
    return f"does not end in {endings}; save it as one of them"


def _begins_as_sound(entry: os.DirEntry) -> bool:
    return _head(entry).startswith(SOUND_HEADS)


def _could_be_log(entry: os.DirEntry) -> bool:
    """Whether a file is called like a touch log, or is text that begins like one."""
    if NAMED_AS_LOG.search(entry.name):
        return True
    if os.path.splitext(entry.name)[1].lower() not in TEXT:  # noqa: PTH122
        return False
    # Imported only for a file of an unusual name: it takes numpy with it.
    from tap2key.study.touches import ROW

    head = _head(entry)
    marked = head.startswith((b"\xff\xfe", b"\xfe\xff"))
    text = head.decode("utf-16" if marked else "utf-8-sig", errors="replace")
    return any(ROW.fullmatch(line) for line in text.splitlines()[:FEW_LINES])


def _head(entry: os.DirEntry) -> bytes:
    try:
        # Of anything but a file, such as a pipe, reading may wait for ever.
        if not entry.is_file():
            return b""
        with open(entry.path, "rb") as handle:  # noqa: PTH123
            return handle.read(HEAD)
    except OSError:
        return b""


def _why_not_log(log: Path, used: Sequence[Path]) -> str | None:
    from tap2key.study.touches import read_touches

    if log.name.startswith("."):
        return "is hidden; name it without the dot"
    try:
        times = read_touches([log]).times
    except Tap2keyError as error:
        reason = str(error).removeprefix(f"{log}: ").removeprefix(f"{log}, ")
        return f"is not called *{TOUCH_ENDING} and does not read as a touch log ({reason})"
    for other in used:
        try:
            others = read_touches([other]).times
        except Tap2keyError:
            return f"is not called *{TOUCH_ENDING}, and {other.name} beside it is not readable"
        if times[0] <= others[-1] and others[0] <= times[-1]:
            return (
                f"is not called *{TOUCH_ENDING}, and its times overlap those of {other.name}: it "
                f"would count touches twice; name it *{TOUCH_ENDING} if it is another log"
            )
    return None
