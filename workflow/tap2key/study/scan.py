"""The study: which recordings there are, whose they are and when they started."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from tap2key.audio.chunks import RECORDING_ENDINGS
from tap2key.core.errors import Tap2keyError
from tap2key.core.names import by_number, composed
from tap2key.study.clips import sounds_of
from tap2key.study.duplicates import check_duplicates
from tap2key.study.manifest import Recording
from tap2key.study.naming import check_alike, check_names, check_path, names_in_folder
from tap2key.study.session_files import (
    ACOUSTIC,
    NEONODE,
    PassedOver,
    files_of_session,
    find_sessions,
)
from tap2key.study.study_table import (
    Named,
    TableEntry,
    place,
    read_study_table,
    stated_apart,
)
from tap2key.study.truth import NEONODE as NEONODE_SOURCE

START = re.compile(
    r"(\d{2})\D(\d{2})\D(\d{2})\D(\d{1,6})\D(\d{2})\D(\d{2})\D(\d{4})"
    rf"(?:{'|'.join(map(re.escape, RECORDING_ENDINGS))})$",
    re.I | re.A,
)


def parse_start(name: str) -> datetime:
    """The start time in a recording's file name: hour, minute, second, fraction, month, day, year.

    The fraction's digits are left-aligned: `.5` is half a second.

    Raises:
        Tap2keyError: the name holds no such time, or an impossible one.
    """
    found = START.search(name)
    try:
        if found is None:
            raise ValueError
        hour, minute, second, fraction, month, day, year = found.groups()
        date, microsecond = (int(year), int(month), int(day)), int(fraction.ljust(6, "0"))
        return datetime(*date, int(hour), int(minute), int(second), microsecond)
    except ValueError:
        raise Tap2keyError(
            f"{name}: no start time in the file name; name it like 13.05.22.123_01_27_2023.wav "
            "(hour first, year last) or give its start in study.tsv"
        ) from None


@dataclass(frozen=True)
class Found:
    """What a study or a session was found to hold, and what of it is not used."""

    recordings: list[Recording]
    passed_over: list[PassedOver]


def recordings_in(
    folder: Path, participant: str | None = None, session: str | None = None
) -> list[Recording]:
    """The recordings of one session folder, by start time.

    Args:
        folder: holds `01.acoustic/` and `02.neonode/`.
        participant: whose it is; default: the folder's parent's name.
        session: its name; default: the folder's name.

    Raises:
        Tap2keyError: one of the two folders or all files in it are missing, a name has no start, or
            two recordings have one name.
    """
    return survey_session(folder, participant, session).recordings


def survey_session(
    folder: Path, participant: str | None = None, session: str | None = None
) -> Found:
    """The recordings as `recordings_in` gives them, and what else looks like one."""
    folder = Path(folder)
    own = folder.absolute()
    found = session_in(folder, participant or own.parent.name, session or own.name, {})
    check_alike(found.recordings)
    return found


def session_in(
    folder: Path, participant: str, session: str, entries: Mapping[str, TableEntry]
) -> Found:
    """The recordings of a session's own folder, as the study table's entries correct them.

    Raises:
        Tap2keyError: see `recordings_in`.
    """
    files = files_of_session(folder)
    if not files.recordings:
        first, *others = RECORDING_ENDINGS
        raise Tap2keyError(
            f"{folder / ACOUSTIC}: no {first} file (nor {' or '.join(others)}) in it"
            f"{_instead(files.passed_over)}"
        )
    if not files.touch_files:
        raise Tap2keyError(
            f"{folder / NEONODE}: no *nnode.csv file in it{_instead(files.passed_over)}"
        )
    found, passed_over = [], list(files.passed_over)
    for path in files.recordings:
        own = entries.get(place(path))
        if own is not None and not own.use:
            passed_over.append(unwanted(path, own))
            continue
        recording = Recording(
            participant=composed(participant),
            session=composed(session),
            recording=composed(path.stem),
            path=path,
            start=(own and own.start) or parse_start(path.name),
            latency_s=None,
            touch_files=files.touch_files,
        )
        found.append(corrected(recording, own, entries.get(place(folder))))
    recordings = sorted(found, key=lambda r: (r.start, r.recording))
    names = (composed(participant), composed(session))
    return Found(recordings, [passed.of(*names) for passed in passed_over])


def _instead(passed_over: Iterable[PassedOver]) -> str:
    first = next((p for p in passed_over if p.alarming), None)
    return "" if first is None else f" ({first.path.name} {first.reason})"


def unwanted(path: Path, entry: TableEntry) -> PassedOver:
    """What the study table leaves out."""
    return PassedOver(path, f"use = no ({entry.where})", alarming=False)


def corrected(
    recording: Recording, own: TableEntry | None, session: TableEntry | None
) -> Recording:
    """A recording with what the table says of it or, where it says nothing, of its session."""
    entries = [entry for entry in (session, own) if entry is not None]
    names = ("participant", "session", "array", "start", "latency_s")
    stated = {
        name: value
        for entry in entries
        for name in names
        if (value := getattr(entry, name)) is not None
    }
    groups = {column: cell for entry in entries for column, cell in entry.groups.items()}
    return replace(recording, **stated, groups=tuple(sorted(groups.items())))


def survey_study(
    study: Path,
    session_pattern: str,
    table: Path | None = None,
    arrays: Collection[str] = (),
) -> Found:
    """Find every recording of a study, and what looks like one but is not used.

    Sessions for which the table states another source of truth than the touch sensor are not
    among them; see `survey_stated`.

    Args:
        study: the root folder.
        session_pattern: a regular expression with the groups `participant` and `session`, matched
            against each session folder's path relative to the study, with `/` between folders.
        table: a `study.tsv` whose cells override what was found; default: the one in the study,
            if there is one. Each row names a recording or a session folder in `path`.
        arrays: names of the arrays that it may name.

    Raises:
        Tap2keyError: an unreadable study or table, an unmatched or incomplete session, a name that
            cannot be used, two sessions that collide, or the same sound twice.
    """
    study = Path(study)
    if not study.is_dir():
        raise Tap2keyError(
            f"study folder {study} not found; set study in the config or --config study=FOLDER"
        )
    folders, passed_over = find_sessions(study)
    entries = read_study_table(table, study, Named(NEONODE_SOURCE, folders), arrays)
    is_apart = stated_apart(entries, NEONODE_SOURCE)
    passed_over = [passed for passed in passed_over if not is_apart(passed.path)]
    recordings: list[Recording] = []
    for folder in folders:
        if is_apart(folder):
            continue
        own = entries.get(place(folder))
        if own is not None and not own.use:
            passed_over.append(unwanted(folder, own))
            continue
        relative = folder.relative_to(study).as_posix()
        found = session_in(folder, *session_names(session_pattern, relative, own), entries)
        passed_over += found.passed_over
        recordings += found.recordings
    if not recordings and not any(is_apart(entry.path) for entry in entries.values()):
        raise Tap2keyError(
            f"{study}: no session in it (a folder with {ACOUSTIC} and {NEONODE}); "
            "set study in the config or --config study=FOLDER"
        )
    check_recordings(recordings)
    return Found(sorted(recordings, key=in_order), passed_over)


def session_names(session_pattern: str, relative: str, entry: TableEntry | None) -> tuple[str, str]:
    """Participant and session, from the table or else from a folder's path in the study."""
    participant, session = (entry.participant, entry.session) if entry else (None, None)
    if participant and session:
        return participant, session
    read = names_in_folder(session_pattern, relative)
    return participant or read["participant"], session or read["session"]


def check_recordings(recordings: Sequence[Recording]) -> None:
    """Refuse names that cannot be used, and the same person or sound under two names."""
    check_names(recordings)
    sounds = [replace(r, path=path) for r in recordings for path in sounds_of(r)]
    for sound in sounds:
        check_path(sound.path)
    check_duplicates(sounds)


def in_order(recording: Recording) -> tuple:
    """What recordings are sorted by."""
    name = by_number(recording.recording)
    return recording.participant, recording.session, recording.start, name


def select_participants(
    recordings: Sequence[Recording], wanted: Sequence[str] | None
) -> list[Recording]:
    """Only the wanted participants' recordings; None means all.

    Raises:
        Tap2keyError: a wanted participant is not in the study.
    """
    if wanted is None:
        return list(recordings)
    known = {r.participant for r in recordings}
    for name in wanted:
        if name not in known:
            raise Tap2keyError(
                f"select_participants: {name!r} is not in the study; it has "
                f"{', '.join(sorted(known))}"
            )
    return [r for r in recordings if r.participant in wanted]
