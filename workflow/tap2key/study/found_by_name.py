"""Studies of any layout: recordings found by patterns, with their tables."""

import datetime
import glob
import os
from collections.abc import Collection, Sequence
from pathlib import Path

from tap2key.audio.chunks import RECORDING_ENDINGS
from tap2key.core.errors import Tap2keyError
from tap2key.core.names import composed
from tap2key.study.manifest import NO_START, Recording
from tap2key.study.patterns import links_passed_by, matching, visible_in
from tap2key.study.scan import (
    Found,
    check_recordings,
    corrected,
    in_order,
    parse_start,
    session_names,
    unwanted,
)
from tap2key.study.session_files import (
    ACOUSTIC,
    NEONODE,
    TABLE_NAME,
    TOUCH_ENDING,
    PassedOver,
)
from tap2key.study.study_table import (
    Named,
    place,
    read_study_table,
    stated_apart,
)
from tap2key.study.truth import EVENTS
from tap2key.study.truth import NEONODE as NEONODE_SOURCE

TABLE_ENDINGS = (".keys", ".csv", ".tsv", ".txt", ".textgrid")
RECORDING = "{recording}"


def survey_by_name(
    study: Path,
    patterns: Sequence[str],
    tables: str | None,
    session_pattern: str,
    table: Path | None = None,
    arrays: Collection[str] = (),
) -> Found:
    """Find a study's recordings by patterns, and each one's event table.

    Args:
        study: the root folder.
        patterns: of recordings, relative to the root, such as `*/*.wav`; `**` matches any folders.
        tables: a pattern of event tables, relative to each recording's folder, in which
            `{recording}` stands for its name; None: tables beside it with its name.
        session_pattern: matched against each recording's folder, relative to the root.
        table, arrays: a `study.tsv`, and what it may name, as in `survey_study`.

    Raises:
        Tap2keyError: a pattern finds nothing or lies outside the study, a folder does not match, a
            name cannot be used, a session has a touch log too and the table does not state which
            of the two counts, or the same sound is there twice.
    """
    check_study(study)
    found_paths = _matching(study, patterns)
    folders = [folder for path in found_paths for folder in _folders_of(path)]
    entries = read_study_table(table, study, Named(EVENTS, folders, found_paths), arrays)
    is_apart = stated_apart(entries, EVENTS)
    found = Found([], links_in(study, patterns, found_paths))
    beside: dict[Path, dict[str, list[Path]]] = {}
    for path in found_paths:
        if is_apart(path):
            continue
        said = [entries[at] for f in _folders_of(path) if (at := place(f)) in entries]
        own, session = entries.get(place(path)), said[0] if said else None
        if left_out := next((e for e in (own, session) if e is not None and not e.use), None):
            found.passed_over.append(unwanted(path, left_out))
            continue
        names = session_names(session_pattern, relative_to(path.parent, study), session)
        log = _touch_log(path)
        if log is not None and (session is None or session.truth is None):
            folder = os.path.relpath(log.parent.parent, study).replace("\\", "/")
            raise Tap2keyError(
                f"{log.parent.parent}: two sources of truth, {log} and event tables; say which "
                f"counts in {table or study / TABLE_NAME}, in a row with path {folder} and truth "
                f"{NEONODE_SOURCE} or {EVENTS}"
            )
        own_tables = tables_of(path, tables, beside)
        if not own_tables:
            found.passed_over.append(without_table(path, tables))
            continue
        found.recordings.append(
            corrected(recording_with_events(path, names, own_tables), own, session)
        )
    if not found.recordings and not any(is_apart(entry.path) for entry in entries.values()):
        raise Tap2keyError(
            f"{study}: no recording with an event table; check truth.recordings "
            f"({', '.join(patterns)}) and truth.files ({tables or 'beside it, with its name'})"
        )
    check_recordings(found.recordings)
    return Found(sorted(found.recordings, key=in_order), found.passed_over)


def recording_with_events(path: Path, names: tuple[str, str], tables: Sequence[Path]) -> Recording:
    """A recording of a participant and session, and its event tables."""
    participant, session = map(composed, names)
    return Recording(
        participant=participant,
        session=session,
        recording=composed(path.stem),
        path=path,
        start=_start(path.name),
        latency_s=None,
        touch_files=tuple(tables),
        truth=EVENTS,
    )


def without_table(path: Path, tables: str | None) -> PassedOver:
    """A recording that has no event table."""
    return PassedOver(path, f"has no event table ({tables or 'with its name'})")


def check_study(study: Path) -> None:
    """Refuse a study that is not there."""
    if not study.is_dir():
        raise Tap2keyError(
            f"study folder {study} not found; set study in the config or --config study=FOLDER"
        )


def _folders_of(recording: Path) -> list[Path]:
    """The folders by which the study table may name the session of a recording."""
    folder = recording.parent
    whole = folder.name == ACOUSTIC or _touch_log(recording) is not None
    return [folder, *([folder.parent] if whole else [])]


def relative_to(folder: Path, study: Path) -> str:
    """A folder's path in the study; of the study itself, its name."""
    return study.absolute().name if folder == study else folder.relative_to(study).as_posix()


def check_inside(pattern: str) -> None:
    """Refuse a pattern that leaves the study."""
    if Path(pattern).is_absolute() or ".." in Path(pattern).parts:
        raise Tap2keyError(
            f"config: truth.recordings: {pattern!r} leaves the study; give a pattern "
            "relative to it, such as */*.wav"
        )


def _matching(study: Path, patterns: Sequence[str]) -> list[Path]:
    found: set[Path] = set()
    for pattern in patterns:
        check_inside(pattern)
        own = [p for p in matching(study, pattern, "truth.recordings") if p.is_file()]
        own = [path for path in own if path.name.lower().endswith(RECORDING_ENDINGS)]
        if not own:
            raise Tap2keyError(
                f"config: truth.recordings: {pattern!r} finds no recording "
                f"({', '.join(RECORDING_ENDINGS)}) in {study}"
            )
        found.update(own)
    return sorted(found)


def tables_of(
    recording: Path, tables: str | None, beside: dict[Path, dict[str, list[Path]]]
) -> tuple[Path, ...]:
    """The tables of a recording; `beside` keeps those of each folder by their names."""
    folder = recording.parent
    if tables is None:
        if folder not in beside:
            beside[folder] = _tables_in(folder)
        return tuple(sorted(beside[folder].get(recording.stem, ())))
    # Brackets in a recording's name are not a pattern.
    return found_beside(folder, tables.replace(RECORDING, glob.escape(recording.stem)))


def found_beside(folder: Path, pattern: str) -> tuple[Path, ...]:
    """The files that `truth.files` finds from a folder."""
    up = 0
    while pattern.startswith("../"):
        pattern, up = pattern[3:], up + 1
    base = folder
    for _ in range(up):
        base = base.parent
    return tuple(path for path in matching(base, pattern, "truth.files") if path.is_file())


def _tables_in(folder: Path) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for entry in visible_in(folder):
        if entry.lower().endswith(TABLE_ENDINGS):
            path = folder / entry
            found.setdefault(path.stem, []).append(path)
    return found


def _touch_log(recording: Path) -> Path | None:
    folder = recording.parent.parent / NEONODE
    logs = sorted(visible_in(folder)) if folder.is_dir() else []
    return next((folder / name for name in logs if name.endswith(TOUCH_ENDING)), None)


def links_in(study: Path, patterns: Sequence[str], found: Sequence[Path]) -> list[PassedOver]:
    """Links to folders that no pattern follows."""
    links = {link for p in patterns for link in links_passed_by(study, p) if link.is_dir()}
    followed = {parent for path in found for parent in (path, *path.parents)}
    reason = "is a link to a folder, which ** does not follow; name it in truth.recordings"
    return [PassedOver(link, reason) for link in sorted(links - followed)]


def _start(name: str) -> datetime.datetime:
    try:
        return parse_start(name)
    except Tap2keyError:
        return NO_START
