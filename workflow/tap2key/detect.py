"""Find taps in a recording: where the energy of all channels rises suddenly, and its onset."""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from tap2key.audio import CHANNELS, SAMPLE_RATE, AudioFile, high_pass

HOP = 24
HOPS_PER_S = SAMPLE_RATE // HOP

# Two bands per channel: the difference within a hop (above about 2 kHz), and between hops after
# their moving average over 2 ms is taken off (about 250 Hz to 2 kHz).
TREND_HOPS = 9
SMOOTH_HOPS = 8
BEFORE_HOPS = 40
BEFORE_GAP_HOPS = 6

NOISE_QUANTILE = 0.3
NOISE_SPAN_S = 7
STRETCH_S = 16
MARGIN_S = 4

# In robust standard deviations of the log energy in quiet, and as a ratio to the energy before.
LEAST_RISE_SD = 6.0
LEAST_RISE = 3.0
BOUNCE_S = 0.035

CUTOFF_HZ = 300.0
LEAD_IN = 2880
LEAD_OUT = 960


@dataclass(frozen=True)
class Taps:
    """What was found in a recording, in time order.

    `onset` is [n] int64, samples at 96 kHz from the first one; `peak` is [n], the loudest
    high-passed sample at any microphone near the onset, full scale 1.0.
    """

    onset: np.ndarray
    peak: np.ndarray


def find_taps(audio: AudioFile, peak_height: float | None = None) -> Taps:
    """Find the taps of a recording in two passes, in memory that does not grow with its length.

    Args:
        audio: the recording.
        peak_height: taps whose `peak` stays below this are not taps; None leaves it to the
            recording's own noise.
    """
    rises = np.array(
        [rise for stretch in _stretches(audio.blocks(SAMPLE_RATE)) for rise in _rises(*stretch)],
        dtype=float,
    ).reshape(-1, 2)
    coarse = first_of_each(rises[:, 0].astype(np.int64), round(BOUNCE_S * HOPS_PER_S)) * HOP
    onsets, peaks = [], []
    sections = audio.sections(coarse - LEAD_IN, LEAD_IN + LEAD_OUT)
    for start, section in zip(coarse - LEAD_IN, sections, strict=True):
        onset, peak = pick_onset(section)
        if peak_height is None or peak >= peak_height:
            onsets.append(max(0, start + onset))
            peaks.append(peak)
    order = np.argsort(np.array(onsets, dtype=np.int64), kind="stable")
    return Taps(np.array(onsets, dtype=np.int64)[order], np.array(peaks, dtype=float)[order])


def first_of_each(times: np.ndarray, least_apart: int) -> np.ndarray:
    """Drop what follows within `least_apart` of a kept one: [n] ascending → [kept]."""
    kept: list[int] = []
    for time in times:
        if not kept or time - kept[-1] >= least_apart:
            kept.append(int(time))
    return np.array(kept, dtype=np.int64)


def hop_energies(block: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean, and mean square about it, of each hop: [samples, 8] → two of [hops, 8]."""
    hops = len(block) // HOP
    framed = block[: hops * HOP].reshape(hops, HOP, CHANNELS)
    average = np.full((1, HOP), 1 / HOP, np.float32)
    mean = (average @ framed)[:, 0]
    square = (average @ (framed * framed))[:, 0]
    return mean, np.maximum(square - mean * mean, 0)


def _stretches(
    blocks: Iterable[np.ndarray],
) -> Iterator[tuple[np.ndarray, np.ndarray, int, int, int]]:
    """Hop energies of overlapping stretches, with the hop each starts at and its own part."""
    margin, own = MARGIN_S * HOPS_PER_S, STRETCH_S * HOPS_PER_S
    means: list[np.ndarray] = []
    squares: list[np.ndarray] = []
    held, offset, begin = 0, 0, 0
    for block in blocks:
        mean, square = hop_energies(block)
        means.append(mean)
        squares.append(square)
        held += len(mean)
        if held >= begin + own + margin:
            mean, square = np.concatenate(means), np.concatenate(squares)
            yield mean, square, offset, begin, begin + own
            cut = begin + own - margin
            means, squares = [mean[cut:]], [square[cut:]]
            held, offset, begin = held - cut, offset + cut, margin
    if held > begin:
        yield np.concatenate(means), np.concatenate(squares), offset, begin, held


def _rises(
    mean: np.ndarray, square: np.ndarray, offset: int, begin: int, end: int
) -> Iterator[tuple[int, float]]:
    """Hops (from the recording's start) of sudden rises within [begin, end), and their size."""
    low = mean - _moving_average(mean, TREND_HOPS)
    strength = np.full(len(mean), -np.inf)
    for energy in (low * low, square):
        level = np.log(_level_over_noise(energy))
        strength = np.maximum(strength, _rise(level))
    peak = strength[begin:end]
    for hop in np.flatnonzero(peak > 0):
        yield offset + begin + int(hop), float(peak[hop])


def _level_over_noise(energy: np.ndarray) -> np.ndarray:
    """Short-time energy over the channel's noise floor nearby, mean over channels: → [hops]."""
    level = _moving_average(energy, SMOOTH_HOPS)
    seconds = max(1, len(level) // HOPS_PER_S)
    edges = np.linspace(0, len(level), seconds + 1).astype(int)
    floors = np.stack(
        [
            np.quantile(level[first:last:4], NOISE_QUANTILE, axis=0)
            for first, last in itertools.pairwise(edges)
        ]
    )
    half = NOISE_SPAN_S // 2
    floor = np.stack(
        [np.median(floors[max(0, s - half) : s + half + 1], axis=0) for s in range(seconds)]
    )
    floor = np.maximum(floor, np.finfo(np.float32).tiny * 1e6)
    middle = (edges[:-1] + edges[1:]) / 2
    hops = np.arange(len(level))
    ratio = np.zeros(len(level))
    for channel in range(level.shape[1]):
        ratio += level[:, channel] / np.interp(hops, middle, floor[:, channel])
    return np.maximum(ratio / level.shape[1], 1e-3)


def _rise(level: np.ndarray) -> np.ndarray:
    """How far each hop's log level lies above what is needed for a tap, else −inf: [hops]."""
    quiet = np.median(level)
    spread = (quiet - np.quantile(level, 0.1)) / 1.28
    before = _running_maximum(level, BEFORE_HOPS)
    before = np.r_[np.full(BEFORE_GAP_HOPS, level[0]), before[: -BEFORE_GAP_HOPS or None]]
    before = before[: len(level)]
    enough = (level > quiet + LEAST_RISE_SD * spread) & (level > before + np.log(LEAST_RISE))
    return np.where(enough, level - before, -np.inf)


def _moving_average(values: np.ndarray, hops: int) -> np.ndarray:
    """Centred moving average along the first axis, edges repeated."""
    padded = np.concatenate(
        [
            np.repeat(values[:1], hops // 2 + 1, axis=0),
            values,
            np.repeat(values[-1:], hops - hops // 2 - 1, axis=0),
        ]
    )
    total = np.cumsum(padded, axis=0, dtype=np.float64)
    return (total[hops:] - total[:-hops]) / hops


def _running_maximum(values: np.ndarray, hops: int) -> np.ndarray:
    """Greatest of each value and the `hops` − 1 before it, by doubling the span."""
    result, span = values.copy(), 1
    while span < hops:
        step = min(span, hops - span)
        result[step:] = np.maximum(result[step:], result[:-step])
        span += step
    return result


def pick_onset(section: np.ndarray) -> tuple[int, float]:
    """Refine one onset to the first arrival at any microphone.

    Each channel votes by the Akaike information criterion of two stretches of different variance
    (Maeda 1985), over the samples up to its loudest one.

    Args:
        section: [`LEAD_IN` + `LEAD_OUT`, 8] raw samples about the coarse onset.

    Returns:
        The onset in samples from the section's start, and the loudest high-passed sample.
    """
    signal = high_pass(np.ascontiguousarray(section.T), CUTOFF_HZ).astype(np.float64)
    first = LEAD_IN - 960
    part = signal[:, first:]
    power = part * part
    best = None
    for row in power:
        peak = int(row.argmax())
        if peak < 32:
            continue
        head = row[: peak + 1]
        total = np.cumsum(head) + 1e-20
        n = np.arange(1, len(head) + 1)
        k = n[15:-8]
        before = total[15:-8] / k
        after = (total[-1] - total[15:-8]) / (len(head) - k)
        aic = k * np.log(before) + (len(head) - k) * np.log(np.maximum(after, 1e-20))
        pick = 15 + int(aic.argmin())
        contrast = after[pick - 15] / before[pick - 15]
        if contrast > 4 and (best is None or pick < best):
            best = pick
    onset = LEAD_IN if best is None else first + best
    return onset, float(np.abs(signal[:, LEAD_IN - 960 :]).max())
