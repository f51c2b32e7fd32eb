"""Tiny synthetic recordings with known onsets, for tests that need no simulated study."""

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import soundfile

from tap2key.core.shipped import KEYBOARD
from tap2key.study.keyboard import load_keyboard

RATE = 96_000
START = datetime(2023, 1, 27, 13, 5, 22, 123000)
NAME = "13.05.22.123_01_27_2023.wav"
NOISE = 1e-3
LATENCY = -0.16


def tap_sound(rng: np.random.Generator, loudness: float = 0.2) -> np.ndarray:
    """A noise burst that decays within about 15 ms, delayed differently per channel: [n, 8]."""
    n = RATE // 20
    sound = np.zeros((n, 8))
    for channel, delay in enumerate(rng.permutation(8) * 12):
        length = n - delay
        burst = rng.standard_normal(length) * np.exp(-np.arange(length) / (0.004 * RATE))
        burst[0] = 3.0
        sound[delay:, channel] = loudness / 3 * burst
    return sound


def room(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """Noise that is strongest at low frequencies, with hum: [samples, 8]."""
    # One piece of 2.7 s repeats: transforms of odd lengths would be most of the tests' time.
    samples, piece = round(seconds * RATE), 1 << 18
    frequency = np.fft.rfftfreq(piece, 1 / RATE)
    shape = 1 / np.sqrt(1 + (frequency / 150) ** 2) + 0.05
    noise = np.fft.irfft(np.fft.rfft(rng.standard_normal((8, piece))) * shape, piece).T
    noise = np.tile(noise / noise.std(), (-(-samples // piece), 1))[:samples]
    hum = np.sin(2 * np.pi * 50 * np.arange(samples) / RATE)[:, None]
    return NOISE * (noise + hum)


def recording(
    onsets_s: list[float], seconds: float, seed: int = 0, loudness: float = 0.2
) -> np.ndarray:
    """Taps with first arrivals at `onsets_s` in a room: [samples, 8] float64, within ±1."""
    rng = np.random.default_rng(seed)
    sound = room(rng, seconds)
    for onset in onsets_s:
        tap, first = tap_sound(rng, loudness), round(onset * RATE)
        last = min(len(sound), first + len(tap))
        sound[first:last] += tap[: last - first]
    return np.clip(sound, -1, 1 - 2**-15)


def write_wav(path: Path, sound: np.ndarray, rate: int = RATE, **kind: str) -> Path:
    """Write a recording; `kind` goes to soundfile (subtype, format)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, sound, rate, **({"subtype": "PCM_16"} | kind))
    return path


def touch_lines(times_s: np.ndarray, xy: np.ndarray, start: datetime = START) -> list[str]:
    """Down, Move and Up rows of touches `times_s` after the start, as the sensor writes them."""
    lines = []
    for number, (time, (x, y)) in enumerate(zip(times_s, xy, strict=True)):
        for late, event in ((0, "   Down"), (0.01, "   Move"), (0.03, "     Up")):
            stamp = start + timedelta(seconds=float(time) + late)
            lines.append(f"{stamp:%Y-%m-%d %H:%M:%S.%f},{number % 4},{event},{x:.0f},{y:.0f},55")
    return lines


def tap_times(rng: np.random.Generator, count: int) -> np.ndarray:
    """Irregular times, 0.12 to 0.6 s apart: [count]."""
    return 0.5 + np.cumsum(rng.uniform(0.12, 0.6, count))


def make_session(
    folder: Path, recordings: int = 1, count: int = 30, seed: int = 0, begin: datetime = START
) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """A session with known taps: per recording their times, places and which were touched."""
    rng = np.random.default_rng(seed)
    keyboard = load_keyboard(KEYBOARD)
    truth, lines = [], []
    for number in range(recordings):
        start = begin + timedelta(seconds=60 * number)
        times = tap_times(rng, count)
        xy = np.round(keyboard.centres[rng.integers(len(keyboard.centres), size=count)])
        name = f"{start:%H.%M.%S}.123_{start:%m_%d_%Y}.wav"
        sound = recording(list(times), times[-1] + 0.5, seed=seed + number)
        write_wav(folder / "01.acoustic" / name, sound)
        touched = rng.random(count) > 0.1
        late = times - LATENCY + rng.uniform(0, 0.01, count)
        lines += touch_lines(late[touched], xy[touched], start)
        # A phantom in time, and strays after the audio's end.
        lines += touch_lines(np.r_[times[count // 2] + 0.3, times[-1] + [1, 2]], xy[:3], start)
        truth.append((times, xy, touched))
    touch_file = folder / "02.neonode" / "13.05.00_01_27_2023_nnode.csv"
    touch_file.parent.mkdir()
    touch_file.write_text("\n".join(lines) + "\n")
    return truth
