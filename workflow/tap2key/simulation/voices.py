"""Speech and music: one source in the room that all microphones hear, each after its own delay.

Both are made up, not recorded; the difficulty file names the sources.
"""

from collections.abc import Callable

import numpy as np
from scipy import signal

from tap2key.simulation import room
from tap2key.simulation.difficulty import DISTURBANCES, Difficulty

# First three formants of vowels in Hz, men's means (Peterson and Barney 1952, table II).
VOWELS = (
    (270, 2290, 3010),
    (530, 1840, 2480),
    (660, 1720, 2410),
    (730, 1090, 2440),
    (570, 840, 2410),
    (300, 870, 2240),
)
FORMANT_WIDTH_HZ = 90.0
# Their loudness falls with their order, in amplitude.
FORMANT_GAINS = (1.0, 0.4, 0.2)
SYLLABLE_S = (0.15, 0.35)
PITCH_HZ = (90.0, 220.0)
FRICATIVE_HZ = (2500.0, 8000.0)
FRICATIVES = 0.4
PAUSES = 0.12
PAUSE_S = (0.3, 0.8)
NOTES_PER_S = (2.0, 5.0)
# Semitones of a pentatonic scale over three octaves, above the lowest tone.
SCALE = np.add.outer(12 * np.arange(3), [0, 2, 4, 7, 9]).ravel()
LOWEST_HZ = 110.0
PARTIALS = 8
NOTE_S = 0.8


def speech(rng: np.random.Generator, samples: int, sample_rate: int) -> np.ndarray:
    """Syllables with pauses between: [samples], in arbitrary units."""
    sound = np.zeros(samples)
    pitch_hz = rng.uniform(*PITCH_HZ)
    start = 0
    while start < samples:
        length = int(rng.uniform(*SYLLABLE_S) * sample_rate)
        first, last = pitch_hz * rng.uniform(0.85, 1.15, 2)
        tune = np.linspace(first, last, length)
        glottis = signal.sawtooth(2 * np.pi * np.cumsum(tune) / sample_rate)
        formants = VOWELS[rng.integers(len(VOWELS))]
        syllable = sum(
            gain * signal.lfilter(*signal.iirpeak(f, f / FORMANT_WIDTH_HZ, sample_rate), glottis)
            for gain, f in zip(FORMANT_GAINS, formants, strict=True)
        )
        syllable *= signal.windows.tukey(length, 0.6)
        if rng.random() < FRICATIVES:
            hiss = _band(rng.standard_normal(length // 3), FRICATIVE_HZ, sample_rate)
            syllable[: length // 3] += 0.3 * hiss * np.hanning(length // 3)
        part = sound[start : start + length]
        part += syllable[: len(part)]
        start += length
        if rng.random() < PAUSES:
            start += int(rng.uniform(*PAUSE_S) * sample_rate)
    return sound


def music(rng: np.random.Generator, samples: int, sample_rate: int) -> np.ndarray:
    """Plucked tones, one after another, that ring on: [samples], in arbitrary units."""
    sound = np.zeros(samples)
    at = np.arange(int(NOTE_S * sample_rate)) / sample_rate
    order = np.arange(1, PARTIALS + 1)[:, None]
    fade = signal.windows.tukey(len(at), 0.02)
    start = 0
    while start < samples:
        tone_hz = LOWEST_HZ * 2 ** (rng.choice(SCALE) / 12)
        phases = rng.uniform(0, 2 * np.pi, (PARTIALS, 1))
        waves = np.sin(2 * np.pi * tone_hz * order * at + phases)
        note = (waves * np.exp(-4 * order * at) / order).sum(axis=0) * fade
        part = sound[start : start + len(note)]
        part += note[: len(part)]
        start += int(sample_rate / rng.uniform(*NOTES_PER_S))
    return sound


VOICES: dict[str, Callable[[np.random.Generator, int, int], np.ndarray]] = {
    "speech": speech,
    "music": music,
}


def add_voices(
    rng: np.random.Generator,
    sound: np.ndarray,
    microphones_m: np.ndarray,
    sample_rate: int,
    tap_power: float,
    difficulty: Difficulty,
) -> None:
    """Add to a sound [channels, samples] in place whoever speaks or plays through the recording."""
    for (name, make), own in zip(VOICES.items(), rng.spawn(len(VOICES)), strict=True):
        settings = difficulty[DISTURBANCES][name]
        if own.random() >= settings["share"]:
            continue
        distances = room.distances_from_somewhere_m(own, microphones_m)
        level_db = own.uniform(*settings["level_db"])
        wave = make(own, sound.shape[1], sample_rate)
        power = np.mean(signal.sosfilt(room.high_pass(sample_rate), wave) ** 2)
        wave *= np.sqrt(tap_power * 10 ** (level_db / 10) / power)
        at = np.arange(len(wave))
        delays = distances / room.SPEED_OF_SOUND_M_S * sample_rate
        for channel, delay, distance in zip(sound, delays, distances, strict=True):
            # Between samples it is interpolated: at 8 kHz that takes 0.3 dB at most.
            heard = np.interp(at - delay, at, wave, left=0.0)
            channel += (heard * distances.min() / distance).astype(np.float32)


def _band(noise: np.ndarray, band_hz: tuple[float, float], sample_rate: int) -> np.ndarray:
    return signal.sosfilt(
        signal.butter(2, band_hz, "bandpass", fs=sample_rate, output="sos"), noise
    )
