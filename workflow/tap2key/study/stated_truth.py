"""Sessions whose source of truth study.tsv states, where the study's is another."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tap2key.core.errors import Tap2keyError
from tap2key.core.names import composed
from tap2key.study.clip_folders import clips_in
from tap2key.study.clips import key_folders, sounds_in
from tap2key.study.found_by_name import (
    recording_with_events,
    tables_of,
    without_table,
)
from tap2key.study.scan import Found, corrected, session_in, session_names, unwanted
from tap2key.study.session_files import PassedOver
from tap2key.study.study_table import TableEntry, place, read_entries, sound_folder
from tap2key.study.truth import CLIPS, EVENTS, FOLDERS

Entries = Mapping[str, TableEntry]


def survey_stated(
    study: Path,
    truth: Mapping[str, Any],
    session_pattern: str,
    table: Path | None = None,
    arrays: Collection[str] = (),
) -> Found:
    """Find the recordings in folders for which the table states another source of truth.

    Args:
        study: the root folder.
        truth: the configuration's section, which says how tables are found and read.
        session_pattern: matched against each of these folders, relative to the root.
        table, arrays: a `study.tsv`, and what it may name, as in `survey_study`.

    Raises:
        Tap2keyError: a folder has not what its source of truth needs.
    """
    entries = read_entries(table, study, arrays)
    found = Found([], [])
    for entry in entries.values():
        if entry.truth in (None, truth["source"]):
            continue
        if not entry.use:
            found.passed_over.append(unwanted(entry.path, entry))
            continue
        own = _session(entry, study, truth, session_pattern, entries)
        left_out = own.passed_over and not any(passed.alarming for passed in own.passed_over)
        if not own.recordings and not left_out:
            why = f" ({own.passed_over[0].reason})" if own.passed_over else ""
            raise Tap2keyError(
                f"{entry.where}: truth {entry.truth}, but {entry.path} has no recording with that"
                f"{why}; see docs/your-study.md"
            )
        found.recordings.extend(own.recordings)
        found.passed_over.extend(own.passed_over)
    return found


def _session(
    entry: TableEntry, study: Path, truth: Mapping[str, Any], pattern: str, entries: Entries
) -> Found:
    folder = entry.path
    root = Path(place(study))
    if not Path(place(folder)).is_relative_to(root):
        raise Tap2keyError(
            f"{entry.where}: {folder} lies outside the study {study}; move it there, or list its "
            "own root in study"
        )
    relative = root.name if place(folder) == str(root) else Path(place(folder)).relative_to(root)
    names = session_names(pattern, Path(relative).as_posix(), entry)
    sounds = sound_folder(folder)
    if entry.truth == EVENTS:
        return _with_events(sounds, names, truth["files"], entry, entries)
    if entry.truth == CLIPS:
        return _with_clips(sounds, names, truth, entry)
    return session_in(folder, *names, entries)


def _with_events(
    folder: Path, names: tuple[str, str], tables: str | None, entry: TableEntry, entries: Entries
) -> Found:
    found = Found([], [])
    beside: dict[Path, dict[str, list[Path]]] = {}
    for path in sounds_in(folder):
        own = entries.get(place(path))
        if own is not None and not own.use:
            found.passed_over.append(unwanted(path, own))
            continue
        own_tables = tables_of(path, tables, beside)
        if not own_tables:
            found.passed_over.append(without_table(path, tables))
            continue
        recording = recording_with_events(path, names, own_tables)
        found.recordings.append(corrected(recording, own, entry))
    return found


def _with_clips(
    folder: Path, names: tuple[str, str], truth: Mapping[str, Any], entry: TableEntry
) -> Found:
    holds = key_folders if truth["labels"] == FOLDERS else sounds_in
    if not holds(folder):
        return Found([], [])
    clips = clips_in(folder, truth["files"], truth["labels"])
    if isinstance(clips, PassedOver):
        return Found([], [clips])
    participant, session = map(composed, names)
    named = replace(clips, participant=participant, session=session)
    return Found([corrected(replace(named, recording=session), None, entry)], [])
