"""What the microphones hear besides taps: the room, the mains, coughs and doors.

Sources:
    Kuttruff, H. (2009), Room Acoustics, 5th ed., Spon, ch. 5: the reverberation distance.
    Polack, J.-D. (1993), Playing billiards in the concert hall, Appl. Acoust. 38, 235-244: late
        reverberation as decaying Gaussian noise.
"""

from collections.abc import Iterator

import numpy as np
from scipy import fft, signal

from tap2key.simulation.difficulty import Difficulty
from tap2key.simulation.random_streams import bounded_normal

# Room noise falls by 6 dB an octave from here on, down to the flat noise of the electronics.
CORNER_HZ = 150.0
ELECTRONICS = 0.05
RUMBLE_HZ = 20.0
MAINS_HZ = 50.0
HARMONICS = 12
HUM_SPREAD_DB = 3.0
SPEED_OF_SOUND_M_S = 343.0
HIGH_PASS_HZ = 150.0
LEVEL_WINDOW_S = 0.02
# Reverberation is rendered down to here.
FAINTEST_DB = -45.0


def high_pass(sample_rate: int) -> np.ndarray:
    """The 4th-order Butterworth high-pass behind which levels are measured, as sections."""
    return signal.butter(4, HIGH_PASS_HZ, "highpass", fs=sample_rate, output="sos")


def background(
    rng: np.random.Generator,
    samples: int,
    channels: int,
    sample_rate: int,
    difficulty: Difficulty,
) -> tuple[Iterator[np.ndarray], float]:
    """Room noise and mains hum, one channel after the other: half an hour of all is 5.5 GB.

    Returns:
        The sound of each channel, [samples] float32 in arbitrary units; and the power behind the
        high-pass, averaged over channels.
    """
    noise = difficulty["noise"]
    length = fft.next_fast_len(samples, real=True)
    frequency = fft.rfftfreq(length, 1 / sample_rate).astype(np.float32)
    rumble = 1 - np.exp(-((frequency / RUMBLE_HZ) ** 2))
    shape = rumble / np.sqrt(1 + (frequency / CORNER_HZ) ** 2) + ELECTRONICS
    # White noise of unit variance has bins of variance length / 2 in each part.
    shape *= np.sqrt(length / 2 / np.mean(shape**2))
    passed = _high_pass_power(frequency, sample_rate)
    room_power = float(np.mean(shape**2 * passed) / np.mean(shape**2))
    hum, hum_power = _hum(rng, samples, sample_rate, noise["hum_db"])
    hum_gains = 10 ** (rng.normal(0, HUM_SPREAD_DB, channels) / 20)
    level = _wander(rng, samples, sample_rate, noise["wander_db"], noise["wander_s"])
    share = noise["common_share"]
    shared = _coloured(rng, shape, samples, length)

    def channel(hum_gain: float) -> np.ndarray:
        sound = _coloured(rng, shape, samples, length)
        sound *= np.float32(np.sqrt(1 - share))
        sound += np.float32(np.sqrt(share)) * shared
        sound *= level
        sound += np.float32(hum_gain) * hum
        return sound

    power = room_power * np.mean(level**2, dtype=float) + hum_power * np.mean(hum_gains**2)
    return map(channel, hum_gains), float(power)


def _coloured(rng: np.random.Generator, shape: np.ndarray, samples: int, length: int) -> np.ndarray:
    parts = rng.standard_normal((len(shape), 2), dtype=np.float32)
    parts *= shape[:, None]
    return fft.irfft(parts.view(np.complex64)[:, 0], length)[:samples]


def _high_pass_power(frequency_hz: np.ndarray, sample_rate: int) -> np.ndarray:
    """|H|² of `high_pass`: a Butterworth under the bilinear transform, in closed form."""
    # Neither end of the band may reach a pole of the expression.
    inside = np.clip(frequency_hz, 1e-3, sample_rate * (0.5 - 1e-6))
    ratio = np.tan(np.pi * HIGH_PASS_HZ / sample_rate) / np.tan(np.pi * inside / sample_rate)
    return 1 / (1 + ratio**8)


def _wander(
    rng: np.random.Generator, samples: int, sample_rate: int, sd_db: float, period_s: float
) -> np.ndarray:
    knots = int(samples / sample_rate / period_s) + 2
    level_db = sd_db * bounded_normal(rng, 2.5, knots)
    at = np.arange(samples, dtype=np.float32) / np.float32(sample_rate * period_s)
    return (10 ** (np.interp(at, np.arange(knots), level_db) / 20)).astype(np.float32)


def _hum(
    rng: np.random.Generator, samples: int, sample_rate: int, level_db: tuple[float, float]
) -> tuple[np.ndarray, float]:
    """Mains hum of a level relative to unit power, and its power behind the high-pass."""
    mains = MAINS_HZ + rng.normal(0, 0.02)
    orders = np.arange(1, HARMONICS + 1)
    amplitude = rng.uniform(0.3, 1.0, HARMONICS) / orders**1.5
    amplitude *= np.sqrt(2 * 10 ** (rng.uniform(*level_db) / 10) / np.sum(amplitude**2))
    phases = rng.uniform(0, 2 * np.pi, HARMONICS)
    # Hum repeats with the mains, so one period drawn finely is looked up for the whole recording.
    steps = 4096
    turn = np.arange(steps) / steps * 2 * np.pi
    period = (amplitude * np.cos(np.outer(turn, orders) + phases)).sum(axis=1).astype(np.float32)
    at = (np.arange(samples) * (mains / sample_rate * steps)).astype(np.int64) % steps
    power = np.sum(amplitude**2 / 2 * _high_pass_power(orders * mains, sample_rate))
    return period[at], float(power)


def add_bursts(
    rng: np.random.Generator,
    sound: np.ndarray,
    microphones_m: np.ndarray,
    sample_rate: int,
    tap_power: float,
    difficulty: Difficulty,
) -> int:
    """Add coughs and doors to a sound [channels, samples] in place; returns how many.

    They come through the air from somewhere in the room, swell over tens of milliseconds and last
    for tenths of a second. Their loudest 20 ms are set against `tap_power`.
    """
    noise = difficulty["noise"]
    duration_s = sound.shape[1] / sample_rate
    count = int(rng.poisson(noise["bursts_per_minute"] * duration_s / 60))
    for _ in range(count):
        length = int(rng.uniform(0.25, 0.8) * sample_rate)
        band = (60.0, 400.0) if rng.random() < 0.5 else (200.0, 3000.0)
        wave = signal.sosfilt(
            signal.butter(2, band, "bandpass", fs=sample_rate, output="sos"),
            rng.standard_normal(length),
        )
        swell = rng.uniform(0.02, 0.06) * sample_rate
        decay = rng.uniform(0.05, 0.2) * sample_rate
        at = np.arange(length)
        wave *= np.sin(np.pi / 2 * np.minimum(at / swell, 1)) ** 2 * np.exp(-at / decay)
        wave *= signal.windows.tukey(length, 0.1)
        window = int(LEVEL_WINDOW_S * sample_rate)
        filtered = signal.sosfilt(high_pass(sample_rate), wave)
        loudest = np.convolve(filtered**2, np.ones(window) / window, "valid").max()
        wave *= np.sqrt(tap_power * 10 ** (rng.uniform(*noise["burst_db"]) / 10) / loudest)
        distances = distances_from_somewhere_m(rng, microphones_m)
        delays = np.round(distances / SPEED_OF_SOUND_M_S * sample_rate).astype(int)
        start = int(rng.integers(max(sound.shape[1] - length - delays.max(), 1)))
        for channel, (delay, distance) in enumerate(zip(delays, distances, strict=True)):
            part = sound[channel, start + delay : start + delay + length]
            part += (wave * distances.min() / distance)[: len(part)].astype(np.float32)
    return count


def distances_from_somewhere_m(rng: np.random.Generator, microphones_m: np.ndarray) -> np.ndarray:
    """From a place in the room to the microphones, in m: [channels, 2] → [channels]."""
    bearing, away = rng.uniform(0, 2 * np.pi), rng.uniform(0.8, 2.5)
    source = microphones_m.mean(axis=0) + away * np.array([np.cos(bearing), np.sin(bearing)])
    return np.linalg.norm(microphones_m - source, axis=1)


def reverberation(
    rng: np.random.Generator,
    dry: np.ndarray,
    channels: int,
    sample_rate: int,
    difficulty: Difficulty,
) -> np.ndarray:
    """What the walls return of a sound, different at every microphone.

    Gaussian noise that falls by 60 dB in the reverberation time T (Polack 1993). At the distance
    √(V / (100 π T)), in m and s, it is as strong as the direct sound (Kuttruff 2009, ch. 5).

    Args:
        rng: draws the noise.
        dry: [samples], the sound at a distance of 1 m.
        channels: how many microphones.
        sample_rate: of the sound.
        difficulty: says what the room is like.

    Returns:
        [channels, samples and those after which it has faded away] float32.
    """
    own = difficulty["reverberation"]
    decay_s = own["rt60_s"] / np.log(1e6)
    distance_m = np.sqrt(own["volume_m3"] / (100 * np.pi * own["rt60_s"]))
    first = round(own["starts_ms"] / 1000 * sample_rate)
    at = np.arange(first, round(own["rt60_s"] * FAINTEST_DB / -60 * sample_rate))
    # Its energy, had it started with the sound, is that of the direct sound at that distance.
    level = np.sqrt(1 / (decay_s * sample_rate)) / distance_m
    fall = (level * np.exp(-at / (2 * decay_s * sample_rate))).astype(np.float32)
    noise = rng.standard_normal((channels, len(at)), dtype=np.float32) * fall
    sound = np.zeros((channels, first + len(at) + len(dry) - 1), dtype=np.float32)
    sound[:, first:] = signal.fftconvolve(noise, dry[None].astype(np.float32), axes=1)
    return sound
