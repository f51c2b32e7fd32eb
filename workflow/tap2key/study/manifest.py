"""What a study was found to hold: the recordings for every job, and what is not used."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tap2key.audio.named_arrays import STUDYS_OWN
from tap2key.core.errors import Tap2keyError
from tap2key.core.files import read_tsv, write_tsv
from tap2key.core.names import printable
from tap2key.study.session_files import PassedOver
from tap2key.study.truth import NEONODE

MANIFEST_NAME = "manifest.tsv"
MANIFEST_COLUMNS = (
    "participant",
    "session",
    "recording",
    "path",
    "start",
    "latency_s",
    "touch_files",
    "groups",
    "truth",
    "array",
)
# Where a name has no start time: times in the recording need none.
NO_START = datetime(1970, 1, 1)
PASSED_OVER_NAME = "passed_over.tsv"
PASSED_OVER_COLUMNS = ("participant", "session", "path", "reason")


@dataclass(frozen=True)
class Recording:
    """One recording of a session, and the touch files of that session.

    `start` is what the file name claims; `latency_s` is set only where the user pinned it. `groups`
    are the study table's further columns and what they say of it. `truth` is the source of truth,
    of which `touch_files` are the files. `array` is what it was recorded with: a name of the
    configuration's `arrays`, or `array`.
    """

    participant: str
    session: str
    recording: str
    path: Path
    start: datetime
    latency_s: float | None
    touch_files: tuple[Path, ...]
    groups: tuple[tuple[str, str], ...] = ()
    truth: str = NEONODE
    array: str = STUDYS_OWN

    def value_of(self, column: str) -> str | None:
        """Its participant, session, array or truth, or what a further column of the study table
        says of it.
        """
        named = {name: getattr(self, name) for name in ("participant", "session", "array", "truth")}
        return {**dict(self.groups), **named}.get(column)


def write_manifest(path: str | Path, recordings: Sequence[Recording]) -> None:
    """Write the manifest, one row per recording, unless the file already says the same.

    Raises:
        Tap2keyError: the file is there and no manifest, or cannot be written.
    """
    rows = [
        {
            "participant": r.participant,
            "session": r.session,
            "recording": r.recording,
            "path": r.path,
            "start": r.start.isoformat(),
            "latency_s": r.latency_s,
            "touch_files": json.dumps([str(p) for p in r.touch_files], ensure_ascii=False),
            "groups": json.dumps(dict(r.groups), ensure_ascii=False),
            "truth": r.truth,
            "array": r.array,
        }
        for r in recordings
    ]
    _refuse_anothers(Path(path), ("recording", "touch_files"))
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
            groups=tuple(json.loads(row["groups"]).items()),
            truth=row["truth"],
            array=row["array"],
        )
        for row in read_tsv(path, required=MANIFEST_COLUMNS)
    ]


def _says(path: str | Path, recordings: Sequence[Recording]) -> bool:
    try:
        return read_manifest(path) == list(recordings)
    except (Tap2keyError, ValueError):  # such as the manifest of an earlier version
        return False


def write_passed_over(path: str | Path, passed_over: Sequence[PassedOver]) -> None:
    """Write what is not used of a study, and why, unless the file already says the same.

    Raises:
        Tap2keyError: the file is there and no such table, or cannot be written.
    """
    rows = [
        {
            "participant": p.participant,
            "session": p.session,
            "path": printable(p.path),
            "reason": printable(p.reason),
        }
        for p in passed_over
    ]
    _refuse_anothers(Path(path), PASSED_OVER_COLUMNS)
    if not Path(path).is_file() or read_tsv(path) != rows:
        write_tsv(path, rows, PASSED_OVER_COLUMNS)


def _refuse_anothers(path: Path, columns: Sequence[str]) -> None:
    """Refuse to write over a table that somebody else made, which lacks one of our columns."""
    if not path.exists():
        return
    try:
        with path.open(encoding="utf-8") as handle:
            ours = set(columns) <= set(handle.readline().rstrip("\n").split("\t"))
    except (OSError, UnicodeDecodeError):
        ours = False
    if not ours:
        raise Tap2keyError(
            f"{path}: is not a table that tap2key made, and would be overwritten; set results to "
            "another folder"
        )
