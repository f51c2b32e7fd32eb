"""The simulated study's study.tsv and texts.tsv: how sessions were set up, what was asked for."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tap2key.core.errors import Tap2keyError
from tap2key.core.files import read_tsv, write_tsv
from tap2key.simulation.plan import PlannedSession
from tap2key.simulation.sentences import phrases_of
from tap2key.study.keyboard import Keyboard
from tap2key.study.session_files import TABLE_NAME
from tap2key.study.texts import TEXT_COLUMNS, TEXTS_NAME

COLUMNS = ("path", "table", "room", "microphones")


def write_session_table(study: Path, planned: Sequence[PlannedSession]) -> None:
    """Say of which table, room and microphones those of the planned sessions are that are there.

    Rows of other folders that are there are kept: they may be somebody's own.

    Raises:
        Tap2keyError: see `check_session_table`; or it cannot be written.
    """
    check_session_table(study)
    path = study / TABLE_NAME
    _write_settled(path, COLUMNS, lambda: _rows(study, planned))


def write_texts(
    study: Path,
    planned: Sequence[PlannedSession],
    settings: Mapping[str, Any],
    keyboard: Keyboard,
) -> None:
    """Say what was asked for in those of the planned sessions that are there, if it was text.

    Raises:
        Tap2keyError: see `check_session_table` and `phrases_of`; or it cannot be written.
    """
    if settings["text"] is None:
        return
    check_session_table(study)

    def rows() -> list[dict[str, str]]:
        return [
            dict(
                zip(
                    TEXT_COLUMNS,
                    (*_read_as(session), Path(recording.name).stem, phrase),
                    strict=True,
                )
            )
            for session in planned
            if (study / session.folder).exists()
            for recording, phrases in zip(
                session.recordings, phrases_of(session, settings, keyboard), strict=True
            )
            for phrase in phrases
        ]

    _write_settled(study / TEXTS_NAME, TEXT_COLUMNS, rows)


def _read_as(session: PlannedSession) -> tuple[str, str]:
    """The participant and the session as the usual `session_pattern` reads its folder."""
    return session.participant, session.folder[len(session.participant) + 1 :]


def _write_settled(
    path: Path, columns: Sequence[str], rows: Callable[[], list[dict[str, str]]]
) -> None:
    # Another process may finish a session meanwhile, and write before this one does.
    while (wanted := rows()) != _rows_in(path):
        write_tsv(path, wanted, columns)


def check_session_table(study: Path) -> None:
    """Refuse a study.tsv or texts.tsv that was not simulated.

    Raises:
        Tap2keyError: the one in the study has other columns.
    """
    for name, columns in ((TABLE_NAME, COLUMNS), (TEXTS_NAME, TEXT_COLUMNS)):
        path = study / name
        if path.exists() and not _has_columns(path, columns):
            raise Tap2keyError(
                f"{path}: was not simulated, and would be overwritten; simulate into another folder"
            )


def _has_columns(path: Path, columns: Sequence[str]) -> bool:
    try:
        with path.open(encoding="utf-8") as file:
            return tuple(file.readline().rstrip("\n").split("\t")) == tuple(columns)
    except (OSError, UnicodeDecodeError):
        return False


def _rows(study: Path, planned: Sequence[PlannedSession]) -> list[dict[str, str]]:
    own = {session.folder: {"path": session.folder, **dict(session.groups)} for session in planned}
    found = _rows_in(study / TABLE_NAME) or []
    others = [row for row in found if row["path"] not in own]
    return [row for row in (*own.values(), *others) if (study / row["path"]).exists()]


def _rows_in(path: Path) -> list[dict[str, str]] | None:
    return read_tsv(path) if path.is_file() else None
