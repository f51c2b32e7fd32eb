"""One simulated session: its recordings, the sensor's log, and the truth about both."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import soundfile

from tap2key.core.errors import Tap2keyError
from tap2key.core.files import read_json, write_tsv
from tap2key.core.folders import atomic_folder
from tap2key.core.provenance import FILE_NAME, write_provenance
from tap2key.simulation import sensor
from tap2key.simulation.difficulty import Difficulty
from tap2key.simulation.plan import (
    SECONDS_PER_TAP,
    SECONDS_TO_SPARE,
    PlannedRecording,
    PlannedSession,
    plan_study,
)
from tap2key.simulation.random_streams import Purpose, bounded_normal, stream
from tap2key.simulation.recording import SAMPLE_RATE, draw_setup, render_recording
from tap2key.simulation.typist import Taps, draw_taps, draw_typist
from tap2key.study.keyboard import MM_PER_UNIT, Keyboard

ACOUSTIC = "01.acoustic"
TOUCH = "02.neonode"
# A plain wav counts its bytes in 32 bits; beyond that the same format is called RF64.
LARGEST_WAV_BYTES = 4_000_000_000
WRITE_SECONDS = 10
RECORDING_COLUMNS = [
    "recording",
    "material",
    "latency_s",
    "drift_ppm",
    "sensor_delay_s",
    "snr_db",
    "speed_factor",
    "duration_s",
    "taps",
    "touched",
    "bursts",
]


@dataclass(frozen=True)
class Job:
    """All that a recording depends on, so that any process can make it."""

    planned: PlannedSession
    index: int
    seed: int
    taps: int
    subtype: str
    keyboard: Keyboard
    difficulty: Difficulty
    path: Path

    def stream(self, purpose: Purpose, *place: int) -> np.random.Generator:
        """Randomness of this session, or of a place in it."""
        planned = self.planned
        return stream(self.seed, purpose, planned.participant_index, planned.session_index, *place)


@dataclass(frozen=True)
class Made:
    """What is known about a recording once it is written."""

    taps: Taps
    onset_s: np.ndarray
    duration_s: float
    latency_s: float
    drift_ppm: float
    row: dict[str, Any]


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
) -> None:
    """Write one session folder and its truth; `mapper` may spread the recordings over processes."""
    with (
        atomic_folder(truth / planned.folder, "simulate") as known,
        atomic_folder(study / planned.folder, "simulate", earlier_files(planned, truth)) as to,
    ):
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
                to / ACOUSTIC / recording.name,
            )
            for index, recording in enumerate(planned.recordings)
        ]
        made = list(mapper(make_recording, jobs))
        table, lines = _sense(jobs[0], made)
        (to / TOUCH / planned.touch_file).write_text("\n".join(lines) + "\n", encoding="utf-8")
        table.to_parquet(known / "taps.parquet", index=False)
        write_tsv(known / "recordings.tsv", [m.row for m in made], RECORDING_COLUMNS)
        write_provenance(
            known,
            "simulate",
            "tap2key.simulation.simulate",
            settings,
            inputs,
            ["numpy", "scipy", "soundfile", "pandas"],
        )


def earlier_files(planned: PlannedSession, truth: Path) -> frozenset[str]:
    """What an earlier simulation may have written into a session's folder.

    That folder has no provenance, so as to look like a recorded one: the truth beside it tells.
    """
    files = _files(planned)
    try:
        settings = read_json(truth / planned.folder / FILE_NAME)["settings"]
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


def make_recording(job: Job) -> Made:
    """Render one recording and write its wav to `job.path`."""
    planned, index, difficulty = job.planned, job.index, job.difficulty
    person = stream(job.seed, Purpose.PERSON, planned.participant_index)
    typist = draw_typist(person, job.keyboard, difficulty)
    setup = draw_setup(job.stream(Purpose.SETUP), planned.material, difficulty)
    taps = draw_taps(job.stream(Purpose.TAPS, index), typist, job.keyboard, difficulty, job.taps)
    recording = render_recording(job.stream(Purpose.NOISE, index), setup, typist, taps, difficulty)
    duration_s = recording.sound.shape[1] / SAMPLE_RATE
    if duration_s > job.taps * SECONDS_PER_TAP + SECONDS_TO_SPARE:
        raise Tap2keyError(
            f"{planned.folder}: a recording would take {duration_s:.0f} s and run into the next "
            "one; raise taps_per_s or lower the pauses in the difficulty file"
        )
    _write_wav(job.path, recording.sound, job.subtype)
    clock, chance = difficulty["clock"], job.stream(Purpose.CLOCK, index)
    latency_s = clock["latency_s"] + clock["latency_sd_s"] * bounded_normal(chance, 2)
    drift_ppm = chance.uniform(*clock["drift_ppm"])
    return Made(
        taps=taps,
        onset_s=recording.onset_s,
        duration_s=duration_s,
        latency_s=latency_s,
        drift_ppm=drift_ppm,
        row={
            "recording": job.path.stem,
            "material": setup.material,
            "latency_s": round(latency_s, 6),
            "drift_ppm": round(drift_ppm, 3),
            "snr_db": round(setup.snr_db, 3),
            "speed_factor": round(setup.speed_factor, 5),
            "duration_s": round(duration_s, 5),
            "taps": job.taps,
            "bursts": recording.bursts,
        },
    )


def _write_wav(path: Path, sound: np.ndarray, subtype: str) -> None:
    channels, samples = sound.shape
    container = "RF64" if sound.nbytes > LARGEST_WAV_BYTES else "WAV"
    with soundfile.SoundFile(
        path, "w", SAMPLE_RATE, channels, subtype=subtype, format=container
    ) as file:
        for start in range(0, samples, WRITE_SECONDS * SAMPLE_RATE):
            file.write(sound[:, start : start + WRITE_SECONDS * SAMPLE_RATE].T)


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
            _shift(sensor.phantoms(rng, keyboard, len(start), one.duration_s, difficulty), zero),
            _shift(sensor.palms(rng, keyboard, one.duration_s, difficulty), zero),
            _strays(rng, keyboard, (free_from, zero - 1), difficulty),
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
    contacts.append(_strays(rng, keyboard, (free_from, free_from + 20), difficulty))

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
    return table, ~sensor.missed(rng, len(place), difficulty)


def _strays(
    rng: np.random.Generator,
    keyboard: Keyboard,
    span_s: tuple[float, float],
    difficulty: Difficulty,
) -> sensor.Contacts:
    low, high = difficulty["sensor"]["stray_touches"]
    return sensor.strays(rng, keyboard, span_s, int(rng.integers(low, high + 1)))


def _shift(contacts: sensor.Contacts, by_s: float) -> sensor.Contacts:
    return sensor.Contacts(contacts.start_s + by_s, contacts.duration_s, contacts.reading_mm)
