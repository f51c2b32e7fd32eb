"""The study: which recordings there are, whose they are and when they started."""

import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from tap2key.errors import Tap2keyError
from tap2key.files import read_tsv, write_tsv

ACOUSTIC = "01.acoustic"
NEONODE = "02.neonode"
TABLE_NAME = "study.tsv"
MANIFEST_COLUMNS = (
    "participant",
    "session",
    "recording",
    "path",
    "start",
    "latency_s",
    "touch_files",
)
TABLE_COLUMNS = ("path", "participant", "session", "start", "latency_s", "use")
START = re.compile(r"(\d{2})\D(\d{2})\D(\d{2})\D(\d{1,6})\D(\d{2})\D(\d{2})\D(\d{4})\.wav$", re.I)


@dataclass(frozen=True)
class Recording:
    """One wav file of a session, and the touch files of that session.

    `start` is what the file name claims; `latency_s` is set only where the user pinned it.
    """

    participant: str
    session: str
    recording: str
    path: Path
    start: datetime
    latency_s: float | None
    touch_files: tuple[Path, ...]


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
        return datetime(
            *(int(part) for part in (year, month, day, hour, minute, second)),
            int(fraction.ljust(6, "0")),
        )
    except ValueError:
        raise Tap2keyError(
            f"{name}: no start time in the file name; name it like 13.05.22.123_01_27_2023.wav "
            "(hour first, year last) or give its start in study.tsv"
        ) from None


def recordings_in(
    folder: Path,
    participant: str | None = None,
    session: str | None = None,
    overrides: Mapping[Path, Mapping[str, str]] | None = None,
) -> list[Recording]:
    """The recordings of one session folder, by start time.

    Args:
        folder: holds `01.acoustic/` and `02.neonode/`.
        participant: whose it is; default: the folder's parent's name.
        session: its name; default: the folder's name.
        overrides: study.tsv's cells by absolute path of a recording.

    Raises:
        Tap2keyError: one of the two folders or all files in it are missing, or a name has no start.
    """
    folder = Path(folder)
    for name in (ACOUSTIC, NEONODE):
        if not (folder / name).is_dir():
            raise Tap2keyError(
                f"{folder}: no folder {name}; a session needs {ACOUSTIC} and {NEONODE} "
                f"(leave the session out with use = no in {TABLE_NAME})"
            )
    wavs = sorted(p for p in (folder / ACOUSTIC).iterdir() if p.suffix.lower() == ".wav")
    touch_files = tuple(
        sorted(p for p in (folder / NEONODE).iterdir() if p.name.lower().endswith("nnode.csv"))
    )
    if not wavs:
        raise Tap2keyError(f"{folder / ACOUSTIC}: no .wav file in it")
    if not touch_files:
        raise Tap2keyError(f"{folder / NEONODE}: no *nnode.csv file in it")
    found = []
    for wav in wavs:
        cells = overrides.get(wav.absolute(), {}) if overrides else {}
        if _is_no(cells.get("use", "")):
            continue
        start, latency = cells.get("start"), cells.get("latency_s")
        found.append(
            Recording(
                participant=cells.get("participant")
                or participant
                or folder.absolute().parent.name,
                session=cells.get("session") or session or folder.absolute().name,
                recording=wav.stem,
                path=wav,
                start=_parse_iso(start, wav) if start else parse_start(wav.name),
                latency_s=_parse_seconds(latency, wav) if latency else None,
                touch_files=touch_files,
            )
        )
    return sorted(found, key=lambda r: (r.start, r.recording))


def scan_study(study: Path, layout: str, table: Path | None = None) -> list[Recording]:
    """Find every recording of a study.

    Args:
        study: the root folder.
        layout: a regular expression with the groups `participant` and `session`, matched against
            each session folder's path relative to the study, with `/` between folders.
        table: a `study.tsv` whose cells override what was found; default: the one in the study,
            if there is one. Each row names a recording or a session folder in `path`.

    Raises:
        Tap2keyError: an unreadable study or table, an unmatched or incomplete session, a name with
            braces, or two sessions that collide.
    """
    study = Path(study)
    if not study.is_dir():
        raise Tap2keyError(
            f"study folder {study} not found; set study in the config or --config study=FOLDER"
        )
    folders = _session_folders(study)
    overrides = _read_table(table, study, folders)
    recordings: list[Recording] = []
    for folder in folders:
        cells = overrides.get(folder.absolute(), {})
        if _is_no(cells.get("use", "")):
            continue
        names = {key: cells.get(key) for key in ("participant", "session")}
        if not all(names.values()):
            read = names_in_folder(layout, folder.relative_to(study).as_posix())
            names = {key: value or read[key] for key, value in names.items()}
        found = recordings_in(folder, **names, overrides=overrides)
        if "latency_s" in cells:
            latency = _parse_seconds(cells["latency_s"], folder)
            found = [replace(r, latency_s=latency) if r.latency_s is None else r for r in found]
        recordings += found
    if not recordings:
        raise Tap2keyError(
            f"{study}: no session in it (a folder with {ACOUSTIC} and {NEONODE}); "
            "set study in the config or --config study=FOLDER"
        )
    check_names(recordings)
    return sorted(recordings, key=in_order)


def in_order(recording: Recording) -> tuple:
    """What recordings are sorted by."""
    return recording.participant, recording.session, recording.start, recording.recording


def names_in_folder(layout: str, relative: str) -> dict[str, str]:
    """Participant and session as the layout reads them from a folder's path in the study.

    Raises:
        Tap2keyError: the layout is no regular expression with the groups `participant` and
            `session`, or the path does not match it.
    """
    try:
        pattern = re.compile(layout)
    except re.error as error:
        raise Tap2keyError(f"config: layout is not a regular expression ({error})") from None
    if not {"participant", "session"} <= set(pattern.groupindex):
        raise Tap2keyError("config: layout needs the groups (?P<participant>…) and (?P<session>…)")
    match = pattern.search(relative)
    if match is None:
        raise Tap2keyError(
            f"session folder {relative!r} does not match layout {layout!r}; "
            f"change layout in the config or name the session in {TABLE_NAME}"
        )
    return {key: match[key] for key in ("participant", "session")}


def check_names(recordings: Iterable[Recording]) -> None:
    """Refuse names that cannot be files or wildcards, and two sessions under one name."""
    folders: dict[tuple[str, str], Path] = {}
    for recording in recordings:
        for name in (recording.participant, recording.session, recording.recording):
            if not name or any(c in name for c in "{}/\\\n\t") or name.startswith((".", "-")):
                raise Tap2keyError(
                    f"{recording.path}: the name {name!r} cannot be used (empty, a leading dot or "
                    "dash, a slash, a tab or a brace); rename it, or name it in study.tsv"
                )
        where = (recording.participant, recording.session)
        folder = recording.path.parent.parent
        if folders.setdefault(where, folder) != folder:
            raise Tap2keyError(
                f"{folder} and {folders[where]} are both participant {where[0]!r}, session "
                f"{where[1]!r}; give one another name in study.tsv or change layout"
            )


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


def write_manifest(path: str | Path, recordings: Sequence[Recording]) -> None:
    """Write the manifest, one row per recording, unless the file already says the same."""
    rows = [
        {
            "participant": r.participant,
            "session": r.session,
            "recording": r.recording,
            "path": r.path,
            "start": r.start.isoformat(),
            "latency_s": r.latency_s,
            "touch_files": json.dumps([str(p) for p in r.touch_files], ensure_ascii=False),
        }
        for r in recordings
    ]
    if not Path(path).is_file() or not _says(path, recordings):
        write_tsv(path, rows, MANIFEST_COLUMNS)


def read_manifest(path: str | Path) -> list[Recording]:
    """Read the manifest that the workflow's main process wrote."""
    return [
        Recording(
            participant=row["participant"],
            session=row["session"],
            recording=row["recording"],
            path=Path(row["path"]),
            start=datetime.fromisoformat(row["start"]),
            latency_s=float(row["latency_s"]) if row["latency_s"] else None,
            touch_files=tuple(Path(p) for p in json.loads(row["touch_files"])),
        )
        for row in read_tsv(path, required=MANIFEST_COLUMNS)
    ]


def _says(path: str | Path, recordings: Sequence[Recording]) -> bool:
    try:
        return read_manifest(path) == list(recordings)
    except (Tap2keyError, ValueError):  # such as the manifest of an earlier version
        return False


def _session_folders(study: Path) -> list[Path]:
    # Strings and directory entries: a path object and a question for each of 50,000 files is slow.
    found = []
    waiting = [str(study)]
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(folder) as entries:
                children = [e for e in entries if not e.name.startswith(".") and e.is_dir()]
        except OSError as error:
            raise Tap2keyError(f"{folder}: not readable ({error.strerror})") from None
        if any(child.name in (ACOUSTIC, NEONODE) for child in children):
            found.append(Path(folder))
        else:
            waiting += [child.path for child in children]
    return sorted(found)


def _read_table(
    table: Path | None, study: Path, folders: Sequence[Path]
) -> dict[Path, dict[str, str]]:
    if table is None:
        table = study / TABLE_NAME
        if not table.is_file():
            return {}
    overrides = {}
    sessions = {folder.absolute() for folder in folders}
    for number, row in enumerate(read_tsv(table, required=["path"]), start=2):
        unknown = sorted(set(row) - set(TABLE_COLUMNS))
        if unknown:
            raise Tap2keyError(
                f"{table}: unknown column {', '.join(unknown)}; it may have "
                f"{', '.join(TABLE_COLUMNS)}"
            )
        target = study / row["path"]
        if not row["path"] or not target.exists():
            raise Tap2keyError(
                f"{table}, line {number}: {target} does not exist; path names a session folder "
                "or a recording, relative to the study"
            )
        target = target.absolute()
        of_session = target in sessions
        of_recording = target.parent.name == ACOUSTIC and target.suffix.lower() == ".wav"
        if not of_session and not (of_recording and target.parent.parent in sessions):
            raise Tap2keyError(
                f"{table}, line {number}: {target} is neither a session folder (one that holds "
                f"{ACOUSTIC} and {NEONODE}) nor a recording in one"
            )
        cells = {key: cell for key, cell in row.items() if cell}
        if of_session and "start" in cells:
            raise Tap2keyError(
                f"{table}, line {number}: a start belongs to a recording, not to a session folder; "
                "name the recording in path"
            )
        overrides[target] = cells
    return overrides


def _is_no(cell: str) -> bool:
    return cell.strip().lower() in ("no", "false", "0")


def _parse_iso(text: str, path: Path) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise Tap2keyError(
            f"{path}: start {text!r} in study.tsv is not a time like 2023-01-27T13:05:22.123"
        ) from None


def _parse_seconds(text: str, path: Path) -> float:
    try:
        return float(text)
    except ValueError:
        raise Tap2keyError(f"{path}: latency_s {text!r} in study.tsv is not a number") from None
