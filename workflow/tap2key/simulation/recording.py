"""The sound of one recording: taps, and the room around them."""

from dataclasses import dataclass

import numpy as np

from tap2key.simulation import hands, recorder, room
from tap2key.simulation.difficulty import DISTURBANCES, Difficulty
from tap2key.simulation.tap_sound import (
    LEAD_SAMPLES,
    SAMPLE_RATE,
    Setup,
    TapSound,
    on_table_m,
    tap_power,
)
from tap2key.simulation.typist import Taps, Typist
from tap2key.simulation.voices import add_voices

SILENCE_AFTER_S = 1.0


@dataclass(frozen=True)
class Recording:
    """Sound [channels, samples] float32 in full scale, and the onset of each tap in s [n]."""

    sound: np.ndarray
    onset_s: np.ndarray
    bursts: int


def render_recording(
    rng: np.random.Generator,
    setup: Setup,
    typist: Typist,
    taps: Taps,
    difficulty: Difficulty,
) -> Recording:
    """Render a recording from its taps; `rng` draws the noise and the level."""
    maker = TapSound(setup, typist, difficulty)
    # Of their own, so that a recording with any of these has the noise of one without.
    echoes, resting, voices = rng.spawn(3)
    microphones_m = on_table_m(setup.microphones_mm, difficulty)
    samples = int((taps.contact_s[-1] + SILENCE_AFTER_S) * SAMPLE_RATE)
    channels = len(setup.gains)
    sound = np.zeros((channels, samples), dtype=np.float32)
    onset_s = np.empty(len(taps.contact_s))
    powers = np.empty(len(onset_s))
    for i, contact_s in enumerate(taps.contact_s):
        first, shift = divmod(contact_s * SAMPLE_RATE, 1)
        finger = (taps.pad_s[i], taps.click_s[i], taps.click_share[i])
        tap = maker.render(taps.position_mm[i], *finger, shift)
        tap *= np.float32(taps.force[i])
        arrival_s = maker.arrival_s(taps.position_mm[i])
        onset_s[i] = contact_s + arrival_s
        powers[i] = tap_power(tap, LEAD_SAMPLES + shift + arrival_s * SAMPLE_RATE)
        start = int(first) - LEAD_SAMPLES
        _add(sound, tap, start)
        if difficulty["reverberation"]["rt60_s"] > 0:
            returned = maker.render_reverberation(echoes, *finger, shift)
            _add(sound, np.float32(taps.force[i]) * returned, start)
        if not np.isnan(taps.bounce_s[i]):
            later = start + round(taps.bounce_s[i] * SAMPLE_RATE)
            _add(sound, tap * np.float32(taps.bounce_gain[i]), later)
        if not np.isnan(taps.liftoff_db[i]):
            _add(sound, *hands.liftoff(maker, taps, i, powers[i]))
    median_power = float(np.median(powers))
    noise, noise_power = room.background(rng, samples, channels, SAMPLE_RATE, difficulty)
    loudness = np.float32(np.sqrt(median_power / noise_power * 10 ** (-setup.snr_db / 10)))
    for channel, background in zip(sound, noise, strict=True):
        channel += loudness * background
    bursts = room.add_bursts(rng, sound, microphones_m, SAMPLE_RATE, median_power, difficulty)
    for heard in hands.palms(resting, maker, taps, samples, median_power, difficulty):
        _add(sound, *heard)
    add_voices(voices, sound, microphones_m, SAMPLE_RATE, median_power, difficulty)
    recorder.couple(sound, difficulty[DISTURBANCES]["coupling"]["level_db"])
    recorder.skew(sound, setup.skew)
    loudest = 10 ** (rng.uniform(*difficulty["noise"]["loudest_dbfs"]) / 20)
    sound *= np.float32(loudest / max(sound.max(), -sound.min()))
    return Recording(sound, onset_s, bursts)


def recorded(sound: np.ndarray, sample_rate: int) -> np.ndarray:
    """Rendered sound as an array of that rate records it: [channels, samples] → the same."""
    if sample_rate == SAMPLE_RATE:
        return sound
    # Imported here, for the array's usual rate needs none.
    import soxr

    return soxr.resample(np.ascontiguousarray(sound.T), SAMPLE_RATE, sample_rate).T


def _add(sound: np.ndarray, tap: np.ndarray, start: int) -> None:
    part = sound[:, start : start + tap.shape[1]]
    part += tap[:, : part.shape[1]]
