"""One simulated recording: all that it depends on, and its wav file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from tap2key.audio.array import Array
from tap2key.core.errors import Tap2keyError
from tap2key.simulation.difficulty import Difficulty
from tap2key.simulation.microphones import draw_set
from tap2key.simulation.plan import SECONDS_PER_TAP, SECONDS_TO_SPARE, PlannedSession
from tap2key.simulation.random_streams import Purpose, bounded_normal, stream
from tap2key.simulation.recording import recorded, render_recording
from tap2key.simulation.sentences import Typed, type_phrases
from tap2key.simulation.tap_sound import SAMPLE_RATE, Setup, draw_setup
from tap2key.simulation.typist import Taps, draw_taps, draw_typist
from tap2key.study.keyboard import Keyboard

# A plain wav counts its bytes in 32 bits; beyond that the same format is called RF64.
LARGEST_WAV_BYTES = 4_000_000_000
WRITE_SECONDS = 10


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
    array: Array
    path: Path
    phrases: tuple[str, ...] = ()
    error_rate: float = 0.0

    def stream(self, purpose: Purpose, *place: int) -> np.random.Generator:
        """Randomness of this session, or of a place in it."""
        planned = self.planned
        return stream(self.seed, purpose, planned.participant_index, planned.session_index, *place)

    def typed(self, index: int, taps_per_s: float) -> Typed | None:
        """What a recording types; None where no text is typed."""
        chance = self.stream(Purpose.TEXT, index)
        typing = (self.phrases, self.keyboard, taps_per_s, self.error_rate)
        return type_phrases(chance, *typing) if self.phrases else None

    def setup(self) -> Setup:
        """How this session was set up."""
        places = stream(self.seed, Purpose.MICROPHONES, self.planned.microphone_set)
        set_mm = draw_set(places, self.array, self.difficulty)
        own = self.stream(Purpose.SETUP)
        return draw_setup(own, self.planned.material, self.difficulty, self.array, set_mm)


@dataclass(frozen=True)
class Made:
    """What is known about a recording once it is written."""

    taps: Taps
    onset_s: np.ndarray
    duration_s: float
    latency_s: float
    drift_ppm: float
    row: dict[str, Any]


def make_recording(job: Job) -> Made:
    """Render one recording and write its wav to `job.path`."""
    planned, index, difficulty = job.planned, job.index, job.difficulty
    person = stream(job.seed, Purpose.PERSON, planned.participant_index)
    typist = draw_typist(person, job.keyboard, difficulty)
    setup = job.setup()
    typed = job.typed(index, typist.taps_per_s)
    chance = job.stream(Purpose.TAPS, index)
    taps = draw_taps(chance, typist, job.keyboard, difficulty, job.taps, typed)
    recording = render_recording(job.stream(Purpose.NOISE, index), setup, typist, taps, difficulty)
    duration_s = recording.sound.shape[1] / SAMPLE_RATE
    if duration_s > job.taps * SECONDS_PER_TAP + SECONDS_TO_SPARE:
        raise Tap2keyError(
            f"{planned.folder}: a recording would take {duration_s:.0f} s and run into the next "
            "one; raise taps_per_s or lower the pauses in the difficulty file"
        )
    rate = job.array.sample_rate
    _write_wav(job.path, recorded(recording.sound, rate), rate, job.subtype)
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
            **{name: value for name, value in planned.groups if name != "table"},
            "latency_s": round(latency_s, 6),
            "drift_ppm": round(drift_ppm, 3),
            "snr_db": round(setup.snr_db, 3),
            "speed_factor": round(setup.speed_factor, 5),
            "duration_s": round(duration_s, 5),
            "taps": len(taps.contact_s),
            "bursts": recording.bursts,
        },
    )


def _write_wav(path: Path, sound: np.ndarray, sample_rate: int, subtype: str) -> None:
    channels, samples = sound.shape
    container = "RF64" if sound.nbytes > LARGEST_WAV_BYTES else "WAV"
    with soundfile.SoundFile(
        path, "w", sample_rate, channels, subtype=subtype, format=container
    ) as file:
        for start in range(0, samples, WRITE_SECONDS * sample_rate):
            file.write(sound[:, start : start + WRITE_SECONDS * sample_rate].T)
