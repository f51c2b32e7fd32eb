"""Find taps in a recording: where the energy of all channels rises suddenly, and its onset."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from tap2key.audio.audio_file import CHANNELS, SAMPLE_RATE, AudioFile
from tap2key.signal.onset import AFTER, BEFORE, EachChannel, pick_onset

HOP = 24
HOPS_PER_S = SAMPLE_RATE // HOP

# Two bands per channel: the difference within a hop (above about 2 kHz), and between hops after
# their moving average over 2 ms is taken off (about 250 Hz to 2 kHz).
TREND_HOPS = 9
SMOOTH_HOPS = 8
BEFORE_HOPS = 40
BEFORE_GAP_HOPS = 6

NOISE_QUANTILE = 0.3
# Digital silence: below the quantisation noise of 24 bits.
SILENCE = 1e-15
NOISE_EVERY = 4
NOISE_SPAN_S = 7
STRETCH_S = 16
MARGIN_S = 4

# In robust standard deviations of the log energy in quiet, and as a ratio to the energy before.
LEAST_RISE_SD = 6.0
LEAST_RISE = 3.0
SAME_RISE_HOPS = 12
PEAK_HOPS = 20
LONG_BEFORE_HOPS = 120
TAIL_HOPS = (60, 120)
LEAST_FALL = 1.0
LEAST_SCORE = 4.0
LEAST_CHANNELS = 3

# Fingers bounce up to 35 ms after their first contact; the next tap is at least 60 ms away.
BOUNCE_S = 0.04
DOUBTFUL_SCORE = 6.0
FAR_BETTER = 3.0


@dataclass(frozen=True)
class Taps:
    """What was found in a recording, in time order.

    `onset` is [n] int64, samples at 96 kHz from the first one; `peak` is [n], the loudest
    high-passed sample at any microphone near the onset, full scale 1.0; `threshold` is [n], what
    that signal had to exceed at the onset; `each`, where it is given, has n: what each channel did.
    """

    onset: np.ndarray
    peak: np.ndarray
    threshold: np.ndarray
    each: tuple[EachChannel, ...] = ()


@dataclass(frozen=True)
class Rise:
    """A sudden rise of the energy: at which hop of the recording, and how much like a tap.

    `score` is how far the log energy rises above the 30 ms before, plus how far it has fallen
    again 15 to 30 ms later: a tap does both, a cough or a door swells and stays.
    """

    hop: int
    score: float


# Told of every block's hop energies, as `hop_energies` gives them.
Watcher = Callable[[np.ndarray, np.ndarray], None]


def find_taps(
    audio: AudioFile, peak_height: float | None = None, watch: Watcher | None = None
) -> Taps:
    """Find the taps of a recording in two passes, in memory that does not grow with its length.

    Args:
        audio: the recording.
        peak_height: taps whose `peak` stays below this are not taps; None leaves it to the
            recording's own noise.
        watch: is told of the energies of the whole recording while they pass by.
    """
    stretches = _stretches(audio.blocks(SAMPLE_RATE), watch)
    rises = [rise for stretch in stretches for rise in _rises(*stretch)]
    rises = sorted((r for r in rises if r.score >= LEAST_SCORE), key=lambda r: r.hop)
    starts = [rise.hop * HOP - BEFORE for rise in rises]
    onsets, peaks, thresholds, scores, each = [], [], [], [], []
    for start, rise, section in zip(
        starts, rises, audio.sections(starts, BEFORE + AFTER), strict=True
    ):
        onset = pick_onset(section)
        if onset.channels >= LEAST_CHANNELS and (peak_height is None or onset.peak >= peak_height):
            onsets.append(max(0, start + onset.sample))
            peaks.append(onset.peak)
            thresholds.append(onset.threshold)
            scores.append(rise.score)
            each.append(onset.each)
    kept = first_of_each(np.array(onsets, dtype=np.int64), np.array(scores, dtype=float))
    return Taps(
        np.array(onsets, dtype=np.int64)[kept],
        np.array(peaks, dtype=float)[kept],
        np.array(thresholds, dtype=float)[kept],
        tuple(each[i] for i in kept),
    )


def first_of_each(onsets: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Which onsets are taps of their own: bounces follow one within `BOUNCE_S`.

    A doubtful onset (a burst's flutter) gives way to a far better one that follows so closely.

    Args:
        onsets: [n] in samples, in any order.
        scores: [n] of their rises.

    Returns:
        Indices of the kept onsets, by time.
    """
    kept: list[int] = []
    for i in np.lexsort((-scores, onsets)):
        if not kept or onsets[i] - onsets[kept[-1]] >= BOUNCE_S * SAMPLE_RATE:
            kept.append(int(i))
        elif scores[kept[-1]] < DOUBTFUL_SCORE and scores[i] > scores[kept[-1]] + FAR_BETTER:
            kept[-1] = int(i)
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
    blocks: Iterable[np.ndarray], watch: Watcher | None
) -> Iterator[tuple[np.ndarray, np.ndarray, int, int, int]]:
    """Hop energies of overlapping stretches, with the hop each starts at and its own part."""
    margin, own = MARGIN_S * HOPS_PER_S, STRETCH_S * HOPS_PER_S
    means: list[np.ndarray] = []
    squares: list[np.ndarray] = []
    held, offset, begin = 0, 0, 0
    for block in blocks:
        mean, square = hop_energies(block)
        if watch is not None:
            watch(mean, square)
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
) -> Iterator[Rise]:
    """The sudden rises that start within [begin, end) of a stretch's hops."""
    low = mean - _moving_average(mean, TREND_HOPS)
    levels = [np.log(_level_over_noise(energy)) for energy in (low * low, square)]
    sudden = np.flatnonzero(np.any([_is_sudden(level) for level in levels], axis=0))
    if not len(sudden):
        return
    firsts = sudden[np.r_[True, np.diff(sudden) > SAME_RISE_HOPS]]
    # A little beyond both ends: the next stretch may see the same rise one hop earlier or later.
    inside = (firsts >= begin - SAME_RISE_HOPS) & (firsts < end + SAME_RISE_HOPS)
    for hop in firsts[inside]:
        peaks = [level[hop : hop + PEAK_HOPS].max() for level in levels]
        rise = max(
            peak - level[max(0, hop - LONG_BEFORE_HOPS) : max(1, hop - BEFORE_GAP_HOPS)].max()
            for peak, level in zip(peaks, levels, strict=True)
        )
        tail = slice(min(hop + TAIL_HOPS[0], len(mean) - 1), hop + TAIL_HOPS[1])
        fall = max(peak - level[tail].mean() for peak, level in zip(peaks, levels, strict=True))
        if fall >= LEAST_FALL:
            yield Rise(offset + int(hop), float(rise + fall))


def _level_over_noise(energy: np.ndarray) -> np.ndarray:
    """Short-time energy over the channel's noise floor nearby, mean over channels: → [hops]."""
    level = _moving_average(energy, SMOOTH_HOPS)
    seconds = max(1, len(level) // HOPS_PER_S)
    each = len(level) // seconds
    pieces = level[: seconds * each].reshape(seconds, each, -1)[:, ::NOISE_EVERY].swapaxes(1, 2)
    rank = round(NOISE_QUANTILE * (pieces.shape[2] - 1))
    floors = np.partition(pieces, rank, axis=2)[:, :, rank]
    half = NOISE_SPAN_S // 2
    floor = np.stack(
        [np.median(floors[max(0, s - half) : s + half + 1], axis=0) for s in range(seconds)]
    )
    floor = np.maximum(floor, SILENCE)
    middle = (np.arange(seconds) + 0.5) * each
    hops = np.arange(len(level))
    ratio = np.zeros(len(level))
    for channel in range(level.shape[1]):
        ratio += level[:, channel] / np.interp(hops, middle, floor[:, channel])
    return np.maximum(ratio / level.shape[1], 1e-3)


def _is_sudden(level: np.ndarray) -> np.ndarray:
    """Where the log level stands out of the quiet and of what was just before: [hops] bool."""
    quiet = np.median(level)
    spread = (quiet - np.quantile(level, 0.1)) / 1.28
    before = _running_maximum(level, BEFORE_HOPS)
    before = np.concatenate([np.full(BEFORE_GAP_HOPS, level[0]), before])[: len(level)]
    return (level > quiet + LEAST_RISE_SD * spread) & (level > before + np.log(LEAST_RISE))


def _moving_average(values: np.ndarray, hops: int) -> np.ndarray:
    """Centred moving average along the first axis, edges repeated."""
    before = np.repeat(values[:1], hops // 2, axis=0)
    after = np.repeat(values[-1:], hops - hops // 2 - 1, axis=0)
    padded = np.concatenate([before, values, after])
    # A running total would need double precision and take longer than these few sums.
    total = padded[: len(values)].copy()
    for first in range(1, hops):
        total += padded[first : first + len(values)]
    total /= hops
    return total


def _running_maximum(values: np.ndarray, hops: int) -> np.ndarray:
    """Greatest of each value and the `hops` − 1 before it, by doubling the span."""
    result, span = values.copy(), 1
    while span < hops:
        step = min(span, hops - span)
        result[step:] = np.maximum(result[step:], result[:-step])
        span += step
    return result
