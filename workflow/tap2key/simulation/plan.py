"""What a simulated study will consist of: folders, file names and start times, before any sound.

Nothing heavy is imported: Snakemake reads this module while it parses the workflow.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tap2key.config.schema import broken_rule, defaults_of, section
from tap2key.core.errors import Tap2keyError
from tap2key.simulation.difficulty import ROOMS, Difficulty, load_difficulty

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
FIRST_DAY = datetime(2023, 1, 27)
# What is true of a session, in its folder of the truth.
TRUE_TAPS_NAME = "true_taps.parquet"
TRUE_RECORDINGS_NAME = "true_recordings.tsv"
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
    """One session folder, relative to the study, with its recordings in order of time.

    `material` is the table's, and `microphone_set` counts from 0.
    """

    participant: str
    session: str
    folder: str
    material: str
    room: str
    microphone_set: int
    participant_index: int
    session_index: int
    recordings: tuple[PlannedRecording, ...]
    touch_file: str
    touch_start: datetime

    @property
    def groups(self) -> tuple[tuple[str, str], ...]:
        """What study.tsv says of it: columns by name, each with the session's value."""
        return (
            ("microphones", f"set-{self.microphone_set + 1}"),
            ("room", self.room),
            ("table", self.material),
        )


def checked_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration's section `simulate`, with defaults for what is missing.

    Raises:
        Tap2keyError: an unknown key, or a value that the schema refuses.
    """
    known = section("simulate")["properties"]
    unknown = sorted(set(settings) - set(known))
    if unknown:
        raise Tap2keyError(f"simulate: unknown setting {', '.join(unknown)}; remove it")
    checked = {**defaults_of("simulate"), **settings}
    for key, value in checked.items():
        rule = broken_rule(value, known[key])
        if rule is not None:
            raise Tap2keyError(f"simulate: {key} is {value!r}; it must be {rule}")
    return checked


def plan_study(settings: Mapping[str, Any]) -> list[PlannedSession]:
    """List the sessions of a study; the same settings always give the same list.

    Raises:
        Tap2keyError: a setting is unknown or out of range, or the difficulty file unusable.
    """
    checked = checked_settings(settings)
    difficulty = load_difficulty(checked["difficulty"])
    return [
        _plan_session(checked, difficulty, participant, session)
        for participant in range(checked["participants"])
        for session in range(checked["sessions"])
    ]


def participant_name(index: int) -> str:
    """A first name without underscores, different for every index."""
    turn, place = divmod(index, len(NAMES))
    return NAMES[place] + (str(turn + 1) if turn else "")


def _plan_session(
    settings: Mapping[str, Any],
    difficulty: Difficulty,
    participant_index: int,
    session_index: int,
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
    turn = participant_index + session_index
    if material == "mixed":
        material = MATERIALS[turn % len(MATERIALS)]
    rooms = list(difficulty[ROOMS])
    return PlannedSession(
        participant=participant,
        session=session,
        folder=f"{participant}/{session}" if nested else f"{participant}_{session}_data",
        material=material,
        room=rooms[turn % len(rooms)],
        # Out of step with tables and rooms, so that every set meets them all.
        microphone_set=(turn + session_index) % int(difficulty["microphones"]["sets"]),
        participant_index=participant_index,
        session_index=session_index,
        recordings=tuple(recordings),
        touch_file=f"{touch_start:%H.%M.%S_%m_%d_%Y}_nnode.csv",
        touch_start=touch_start,
    )


def _wav_name(start: datetime) -> str:
    return f"{start:%H.%M.%S}.{start.microsecond // 1000:03d}_{start:%m_%d_%Y}.wav"
