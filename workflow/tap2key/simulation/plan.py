"""What a simulated study will consist of: folders, file names and start times, before any sound.

Only the standard library is imported: Snakemake reads this module while it parses the workflow.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tap2key.core.errors import Tap2keyError

NAMES = (
    "Tony",
    "Maria",
    "Chen",
    "Amara",
    "Lukas",
    "Priya",
    "Elif",
    "Jonas",
    "Sofia",
    "Kofi",
    "Hana",
    "Diego",
    "Ingrid",
    "Omar",
    "Yuki",
    "Clara",
    "Mateo",
    "Freya",
    "Ravi",
    "Zoe",
    "Emil",
    "Leila",
    "Bruno",
    "Aiko",
    "Nina",
    "Tariq",
    "Greta",
    "Pablo",
    "Mei",
    "Oskar",
    "Farah",
    "Hugo",
    "Lena",
    "Kwame",
    "Rosa",
    "Anton",
    "Naomi",
    "Jakub",
    "Selma",
    "Viktor",
)
MATERIALS = ("mdf", "plywood", "glass")
CHOICES = {
    "material": (*MATERIALS, "mixed"),
    "layout": ("flat", "nested"),
    "subtype": ("PCM_16", "PCM_24", "PCM_32", "FLOAT"),
}
DEFAULTS: dict[str, Any] = {
    "participants": 6,
    "sessions": 2,
    "recordings": 2,
    "taps": 120,
    "seed": 1,
    "material": "mixed",
    "layout": "flat",
    "subtype": "PCM_16",
    "difficulty": None,
}
FIRST_DAY = datetime(2023, 1, 27)
# A recording never takes longer than this, so the recordings of a session never overlap.
SECONDS_PER_TAP = 1.0
SECONDS_TO_SPARE = 20.0


@dataclass(frozen=True)
class PlannedRecording:
    """One wav file; `start` is what its name claims, to the millisecond."""

    name: str
    start: datetime


@dataclass(frozen=True)
class PlannedSession:
    """One session folder, relative to the study, with its recordings in order of time."""

    participant: str
    session: str
    folder: str
    material: str
    participant_index: int
    session_index: int
    recordings: tuple[PlannedRecording, ...]
    touch_file: str
    touch_start: datetime


def checked_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Fill in the defaults and check every value.

    Raises:
        Tap2keyError: an unknown key, a count below one, or a choice that does not exist.
    """
    unknown = sorted(set(settings) - set(DEFAULTS))
    if unknown:
        raise Tap2keyError(f"simulate: unknown setting {', '.join(unknown)}; remove it")
    checked = {**DEFAULTS, **settings}
    for key in ("participants", "sessions", "recordings", "taps"):
        if not isinstance(checked[key], int) or checked[key] < 1:
            raise Tap2keyError(f"simulate: {key} is {checked[key]!r}; give a whole number above 0")
    if not isinstance(checked["seed"], int) or checked["seed"] < 0:
        raise Tap2keyError(f"simulate: seed is {checked['seed']!r}; give a whole number, 0 or more")
    for key, allowed in CHOICES.items():
        if checked[key] not in allowed:
            raise Tap2keyError(
                f"simulate: {key} is {checked[key]!r}; choose one of {', '.join(allowed)}"
            )
    return checked


def plan_study(settings: Mapping[str, Any]) -> list[PlannedSession]:
    """List the sessions of a study; the same settings always give the same list.

    Raises:
        Tap2keyError: a setting is unknown or out of range.
    """
    checked = checked_settings(settings)
    return [
        _plan_session(checked, participant, session)
        for participant in range(checked["participants"])
        for session in range(checked["sessions"])
    ]


def participant_name(index: int) -> str:
    """A first name without underscores, different for every index."""
    turn, place = divmod(index, len(NAMES))
    return NAMES[place] + (str(turn + 1) if turn else "")


def _plan_session(
    settings: Mapping[str, Any], participant_index: int, session_index: int
) -> PlannedSession:
    chance = random.Random(f"{settings['seed']}/{participant_index}/{session_index}")
    day = FIRST_DAY + timedelta(days=participant_index + 7 * session_index)
    touch_start = day + timedelta(hours=9, seconds=chance.randrange(6 * 3600))
    start = touch_start + timedelta(milliseconds=chance.randrange(15_000, 25_000))
    recordings = []
    for _ in range(settings["recordings"]):
        recordings.append(PlannedRecording(_wav_name(start), start))
        start += timedelta(
            seconds=round(settings["taps"] * SECONDS_PER_TAP + SECONDS_TO_SPARE),
            milliseconds=chance.randrange(10_000),
        )
    participant = participant_name(participant_index)
    session = f"{day:%m_%d_%y}"
    nested = settings["layout"] == "nested"
    material = settings["material"]
    if material == "mixed":
        material = MATERIALS[(participant_index + session_index) % len(MATERIALS)]
    return PlannedSession(
        participant=participant,
        session=session,
        folder=f"{participant}/{session}" if nested else f"{participant}_{session}_data",
        material=material,
        participant_index=participant_index,
        session_index=session_index,
        recordings=tuple(recordings),
        touch_file=f"{touch_start:%H.%M.%S_%m_%d_%Y}_nnode.csv",
        touch_start=touch_start,
    )


def _wav_name(start: datetime) -> str:
    return f"{start:%H.%M.%S}.{start.microsecond // 1000:03d}_{start:%m_%d_%Y}.wav"
