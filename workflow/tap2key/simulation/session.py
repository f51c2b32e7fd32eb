"""One simulated session: its recordings, the sensor's log, and the truth about both."""

import json
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tap2key.audio.array import DEFAULT, Array
from tap2key.core.errors import Tap2keyError
from tap2key.core.files import read_json, write_tsv
from tap2key.core.folders import atomic_folder
from tap2key.core.provenance import FILE_NAME, write_provenance
from tap2key.simulation import sensor
from tap2key.simulation.difficulty import Difficulty, of_session
from tap2key.simulation.plan import (
    TRUE_RECORDINGS_NAME,
    TRUE_TAPS_NAME,
    PlannedRecording,
    PlannedSession,
    plan_study,
)
from tap2key.simulation.random_streams import Purpose
from tap2key.simulation.recording_job import Job, Made, make_recording
from tap2key.simulation.sentences import phrases_of
from tap2key.study.keyboard import MM_PER_UNIT, Keyboard

ACOUSTIC = "01.acoustic"
TOUCH = "02.neonode"
RECORDING_COLUMNS = [
    *("recording", "material", "room", "microphones", "latency_s", "drift_ppm", "sensor_delay_s"),
    *("snr_db", "speed_factor", "duration_s", "taps", "touched", "bursts"),
]

Mapper = Callable[[Callable[[Job], Made], Iterable[Job]], Iterable[Made]]


def make_session(
    planned: PlannedSession,
    study: Path,
    truth: Path,
    settings: dict[str, Any],
    keyboard: Keyboard,
    difficulty: Difficulty,
    inputs: list[Path],
    mapper: Mapper = map,
    array: Array = DEFAULT,
) -> None:
    """Write one session folder and its truth; `mapper` may spread the recordings over processes."""
    with (
        atomic_folder(truth / planned.folder, "simulate") as known,
        atomic_folder(study / planned.folder, "simulate", earlier_files(planned, truth)) as to,
    ):
        difficulty = of_session(difficulty, planned.material, planned.room)
        (to / ACOUSTIC).mkdir()
        (to / TOUCH).mkdir()
        jobs = [
            Job(
                planned,
                index,
                settings["seed"],
                settings["taps"],
                settings["subtype"],
                keyboard,
                difficulty,
                array,
                to / ACOUSTIC / recording.name,
                phrases,
                settings["error_rate"],
            )
            for index, (recording, phrases) in enumerate(
                zip(planned.recordings, phrases_of(planned, settings, keyboard), strict=True)
            )
        ]
        made = list(mapper(make_recording, jobs))
        table, lines = _sense(jobs[0], made)
        (to / TOUCH / planned.touch_file).write_text("\n".join(lines) + "\n", encoding="utf-8")
        table.to_parquet(known / TRUE_TAPS_NAME, index=False)
        write_tsv(known / TRUE_RECORDINGS_NAME, [m.row for m in made], RECORDING_COLUMNS)
        write_provenance(
            known,
            "simulate",
            "tap2key.simulation.simulate",
            {**settings, "array": array.as_dict()},
            inputs,
            ["numpy", "scipy", "soundfile", "pandas"],
        )


def earlier_files(planned: PlannedSession, truth: Path) -> frozenset[str]:
    """What an earlier simulation may have written into a session's folder.

    That folder has no provenance, so as to look like a recorded one: the truth beside it tells.
    """
    files = _files(planned)
    try:
        settings = dict(read_json(truth / planned.folder / FILE_NAME)["settings"])
        settings.pop("array", None)
        sessions = _sessions(json.dumps(settings, sort_keys=True))
    except (Tap2keyError, KeyError, TypeError):
        return files
    return files | _files(sessions[planned.folder]) if planned.folder in sessions else files


@cache
def _sessions(settings: str) -> dict[str, PlannedSession]:
    return {session.folder: session for session in plan_study(json.loads(settings))}


def _files(planned: PlannedSession) -> frozenset[str]:
    recordings = (f"{ACOUSTIC}/{recording.name}" for recording in planned.recordings)
    return frozenset([*recordings, f"{TOUCH}/{planned.touch_file}"])


def _sense(job: Job, made: list[Made]) -> tuple[pd.DataFrame, list[str]]:
    """The truth table and the sensor's log of a session; completes the rows of `made`."""
    planned, keyboard, difficulty = job.planned, job.keyboard, job.difficulty
    rng = job.stream(Purpose.SENSOR)
    tables, contacts = [], []
    free_from = 0.0
    for recording, one in zip(planned.recordings, made, strict=True):
        zero = (recording.start - planned.touch_start).total_seconds()
        table, touched = _true_taps(rng, planned, recording, one, keyboard, difficulty)
        # touch time = start in the name + time in the file - latency (DESIGN 4), and drift.
        start = zero + one.taps.contact_s * (1 + one.drift_ppm * 1e-6) - one.latency_s
        contacts += [
            sensor.phantoms(rng, keyboard, len(start), one.duration_s, difficulty).later(zero),
            sensor.palms(rng, keyboard, one.duration_s, difficulty).later(zero),
            sensor.strays(rng, keyboard, (free_from, zero - 1), difficulty),
        ]
        reading = sensor.read_positions(rng, one.taps.position_mm, difficulty)
        contacts.append(
            sensor.Contacts(start[touched], one.taps.duration_s[touched], reading[touched])
        )
        table["touched"] = touched
        for column, axis in (("touch_x", 0), ("touch_y", 1)):
            table[column] = np.where(touched, reading[:, axis] / MM_PER_UNIT, np.nan)
        names = np.array(keyboard.labels)[keyboard.nearest(reading / MM_PER_UNIT)]
        table["touch_label"] = [n if t else None for n, t in zip(names, touched, strict=True)]
        tables.append((table, len(contacts) - 1))
        free_from = zero + one.duration_s + 1
    contacts.append(sensor.strays(rng, keyboard, (free_from, free_from + 20), difficulty))

    everything = sensor.joined(contacts)
    reported = sensor.scan_times(rng, everything, difficulty)
    ends = np.cumsum([len(c.start_s) for c in contacts])
    for (table, place), one in zip(tables, made, strict=True):
        own = slice(ends[place] - len(contacts[place].start_s), ends[place])
        times = np.full(len(table), np.nan)
        times[table["touched"]] = reported[own]
        stamps = pd.Timestamp(planned.touch_start) + pd.to_timedelta(times, unit="s")
        table["touch_time"] = stamps.round("us").astype("datetime64[us]")
        delays = reported[own] - contacts[place].start_s
        one.row["touched"] = int(table["touched"].sum())
        one.row["sensor_delay_s"] = round(float(delays.mean()), 6) if len(delays) else None
    lines = sensor.csv_lines(rng, everything, reported, planned.touch_start, difficulty)
    return pd.concat([table for table, _ in tables], ignore_index=True), lines


def _true_taps(
    rng: np.random.Generator,
    planned: PlannedSession,
    recording: PlannedRecording,
    one: Made,
    keyboard: Keyboard,
    difficulty: Difficulty,
) -> tuple[pd.DataFrame, np.ndarray]:
    place = one.taps.position_mm / MM_PER_UNIT
    gaps = np.diff(one.onset_s, prepend=-np.inf, append=np.inf)
    table = pd.DataFrame(
        {
            "participant": planned.participant,
            "session": planned.session,
            "recording": Path(recording.name).stem,
            "tap": np.arange(len(place)),
            "time_s": one.onset_s,
            "contact_s": one.taps.contact_s,
            "x": place[:, 0],
            "y": place[:, 1],
            "label": np.array(keyboard.labels)[keyboard.nearest(place)],
            "gap_s": np.minimum(gaps[:-1], gaps[1:]),
            "force": one.taps.force,
            "bounce_s": one.taps.bounce_s,
        }
    )
    missed = sensor.missed(rng, len(place), difficulty)
    (merging,) = rng.spawn(1)
    return table, ~(missed | sensor.merged(merging, one.taps.second, difficulty))
