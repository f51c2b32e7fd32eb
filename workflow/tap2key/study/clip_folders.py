"""Studies of clips already cut: which folders hold them, with their tables."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from tap2key.core.errors import Tap2keyError
from tap2key.core.names import composed
from tap2key.study.clips import key_folders, sounds_in
from tap2key.study.found_by_name import (
    check_inside,
    check_study,
    found_beside,
    links_in,
    relative_to,
)
from tap2key.study.manifest import NO_START, Recording
from tap2key.study.patterns import matching, visible_in, walk
from tap2key.study.scan import (
    Found,
    check_recordings,
    corrected,
    in_order,
    session_names,
    unwanted,
)
from tap2key.study.session_files import TABLE_NAME, PassedOver
from tap2key.study.study_table import Named, place, read_study_table, stated_apart
from tap2key.study.truth import CLIPS, FOLDERS

CLIP_TABLE_ENDINGS = (".csv", ".tsv", ".txt")


def survey_clips(
    study: Path,
    patterns: Sequence[str],
    tables: str | None,
    labels: str,
    session_pattern: str,
    table: Path | None = None,
    arrays: Collection[str] = (),
) -> Found:
    """Find a study's folders of clips: each is a recording.

    Args:
        study: the root folder.
        patterns: of folders, relative to the root, such as `*/clips`; none: all that hold clips.
        tables: a pattern of the table of a folder's clips, relative to it; None: the one in it.
        labels: `table`, or `folders`: clips lie in folders named after keys, and what holds these
            is the recording.
        session_pattern: matched against each recording's path, relative to the root; of the root
            itself, against its name.
        table, arrays: a `study.tsv`, and what it may name, as in `survey_study`.

    Raises:
        Tap2keyError: there are no clips, a pattern finds none, a table is missing or is one of
            several, a folder does not match, a name cannot be used, or the same sound is there
            twice.
    """
    check_study(study)
    recordings: list[Recording] = []
    folders = _folders_of_clips(study, patterns, labels)
    passed_over = links_in(study, patterns, folders)
    entries = read_study_table(table, study, Named(CLIPS, folders, ()), arrays)
    is_apart = stated_apart(entries, CLIPS)
    for folder in folders:
        if is_apart(folder):
            continue
        own = entries.get(place(folder))
        if own is not None and not own.use:
            passed_over.append(unwanted(folder, own))
            continue
        found = clips_in(folder, tables, labels)
        if isinstance(found, PassedOver):
            passed_over.append(found)
            continue
        relative = relative_to(folder, study)
        participant, session = session_names(session_pattern, relative, own)
        named = replace(
            found,
            participant=composed(participant),
            session=composed(session),
            recording=composed(relative.rsplit("/", 1)[-1]),
        )
        recordings.append(corrected(named, None, own))
    if not recordings and not any(is_apart(entry.path) for entry in entries.values()):
        what = "folder of clips" + (" in folders named after keys" if labels == FOLDERS else "")
        why = f" ({passed_over[0].path.name} {passed_over[0].reason})" if passed_over else ""
        raise Tap2keyError(f"{study}: no {what} in it{why}; see truth in config/README.md")
    check_recordings(recordings)
    return Found(sorted(recordings, key=in_order), passed_over)


def clips_in(folder: Path, tables: str | None, labels: str) -> Recording | PassedOver:
    """A folder of clips as a recording, without names yet, or why it is none.

    Raises:
        Tap2keyError: several tables may be that of its clips.
    """
    found = () if labels == FOLDERS else _table_of(folder, tables)
    if labels != FOLDERS and not found:
        return PassedOver(folder, f"has no table of its clips ({tables or 'in it'})")
    return Recording("", "", "", folder, NO_START, None, found, truth=CLIPS)


def _folders_of_clips(study: Path, patterns: Sequence[str], labels: str) -> list[Path]:
    holds = key_folders if labels == FOLDERS else sounds_in
    if not patterns:
        return sorted(folder for folder in walk(study, follow=True) if holds(folder))
    found: set[Path] = set()
    for pattern in patterns:
        check_inside(pattern)
        itself = Path(pattern) == Path()
        own = [study] if itself else matching(study, pattern, "truth.recordings")
        own = [folder for folder in own if folder.is_dir() and holds(folder)]
        if not own:
            raise Tap2keyError(
                f"config: truth.recordings: {pattern!r} finds no folder of clips in {study}"
            )
        found.update(own)
    return sorted(found)


def _table_of(folder: Path, tables: str | None) -> tuple[Path, ...]:
    if tables is not None:
        return found_beside(folder, tables)
    named = [folder / name for name in sorted(visible_in(folder))]
    found = [path for path in named if path.suffix.lower() in CLIP_TABLE_ENDINGS]
    found = [path for path in found if path.name != TABLE_NAME]
    if len(found) > 1:
        raise Tap2keyError(
            f"{folder}: {found[0].name} and {found[1].name} may both be the table of its clips; "
            "name it in truth.files"
        )
    return tuple(found)
