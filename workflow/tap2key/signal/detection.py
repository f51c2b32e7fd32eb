"""Find taps in a recording: where the energy of all channels rises suddenly, and its onset."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from tap2key.audio.array import DEFAULT, Array, enough
from tap2key.audio.audio_file import AudioFile
from tap2key.signal.onset import EachChannel, pick_onset, section_at

# A hop, in whole samples: what follows is counted in hops, at any rate.
HOP_MS = 0.25

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

# Fingers bounce up to 35 ms after their first contact; the next tap is at least 60 ms away.
BOUNCE_S = 0.04
DOUBTFUL_SCORE = 6.0
FAR_BETTER = 3.0


@dataclass(frozen=True)
class Taps:
    """What was found in a recording, in time order.

    `onset` is [n] int64, samples from the first one at the rate of `array`; `peak` is [n], the
    loudest high-passed sample at any microphone near the onset, full scale 1.0; `threshold` is [n],
    what that signal had to exceed at the onset; `each`, where it is given, has n: what each channel
    did.
    """

    onset: np.ndarray
    peak: np.ndarray
    threshold: np.ndarray
    each: tuple[EachChannel, ...] = ()
    array: Array = DEFAULT

    @property
    def time_s(self) -> np.ndarray:
        """[n] onsets in seconds from the first sample."""
        return self.onset / self.array.sample_rate

    def only(self, chosen: np.ndarray) -> "Taps":
        """The taps of these indices."""
        each = tuple(self.each[i] for i in chosen) if self.each else ()
        return Taps(self.onset[chosen], self.peak[chosen], self.threshold[chosen], each, self.array)


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


def hop_at(sample_rate: int) -> int:
    """Samples of a hop at a rate in Hz."""
    return round(HOP_MS * sample_rate / 1000)


def hops_per_s(sample_rate: int) -> int:
    """Whole hops in a second."""
    return sample_rate // hop_at(sample_rate)


def find_taps(
    audio: AudioFile,
    peak_height: float | None = None,
    watch: Watcher | None = None,
    rise_sd: float = LEAST_RISE_SD,
    bounce_s: float = BOUNCE_S,
) -> Taps:
    """Find the taps of a recording in two passes, in memory that does not grow with its length.

    Args:
        audio: the recording.
        peak_height: taps whose `peak` stays below this are not taps; None leaves it to the
            recording's own noise.
        watch: is told of the energies of the whole recording while they pass by.
        rise_sd: how far a tap rises out of the quiet, in robust standard deviations.
        bounce_s: an onset so soon after another is no tap of its own.
    """
    rate = audio.array.sample_rate
    hop, per_s, parts = hop_at(rate), hops_per_s(rate), section_at(rate)
    stretches = _stretches(audio.blocks(per_s * hop), hop, per_s, watch)
    rises = [rise for stretch in stretches for rise in _rises(*stretch, per_s, rise_sd)]
    rises = sorted((r for r in rises if r.score >= LEAST_SCORE), key=lambda r: r.hop)
    starts = [rise.hop * hop - parts.before for rise in rises]
    least = enough(len(audio.array.kept))
    onsets, peaks, thresholds, scores, each = [], [], [], [], []
    for start, rise, section in zip(
        starts, rises, audio.sections(starts, parts.before + parts.after), strict=True
    ):
        onset = pick_onset(section, rate)
        if onset.channels >= least and (peak_height is None or onset.peak >= peak_height):
            onsets.append(max(0, start + onset.sample))
            peaks.append(onset.peak)
            thresholds.append(onset.threshold)
            scores.append(rise.score)
            each.append(onset.each)
    kept = first_of_each(
        np.array(onsets, dtype=np.int64), np.array(scores, dtype=float), rate, bounce_s
    )
    return Taps(
        np.array(onsets, dtype=np.int64)[kept],
        np.array(peaks, dtype=float)[kept],
        np.array(thresholds, dtype=float)[kept],
        tuple(each[i] for i in kept),
        audio.array,
    )


def first_of_each(
    onsets: np.ndarray, scores: np.ndarray, sample_rate: int, bounce_s: float = BOUNCE_S
) -> np.ndarray:
    """Which onsets are taps of their own: bounces follow one within `bounce_s`.

    A doubtful onset (a burst's flutter) gives way to a far better one that follows so closely.

    Args:
        onsets: [n] in samples, in any order.
        scores: [n] of their rises.
        sample_rate: in Hz.
        bounce_s: how long a tap bounces.

    Returns:
        Indices of the kept onsets, by time.
    """
    kept: list[int] = []
    for i in np.lexsort((-scores, onsets)):
        if not kept or onsets[i] - onsets[kept[-1]] >= bounce_s * sample_rate:
            kept.append(int(i))
        elif gives_way(scores[kept[-1]], scores[i]):
            kept[-1] = int(i)
    return np.array(kept, dtype=np.int64)


def gives_way(score: float, next_score: float) -> bool:
    """Whether an onset gives way to one that follows within the time of a bounce."""
    return score < DOUBTFUL_SCORE and next_score > score + FAR_BETTER


def hop_energies(block: np.ndarray, hop: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean, and mean square about it, of each hop: [samples, channels] → two of [hops, channels].

    Args:
        block: what is left over after whole hops is not looked at.
        hop: samples of a hop.
    """
    hops = len(block) // hop
    framed = block[: hops * hop].reshape(hops, hop, block.shape[1])
    average = np.full((1, hop), 1 / hop, np.float32)
    mean = (average @ framed)[:, 0]
    square = (average @ (framed * framed))[:, 0]
    return mean, np.maximum(square - mean * mean, 0)


def _stretches(
    blocks: Iterable[np.ndarray], hop: int, per_s: int, watch: Watcher | None
) -> Iterator[tuple[np.ndarray, np.ndarray, int, int, int]]:
    """Hop energies of overlapping stretches, with the hop each starts at and its own part."""
    margin, own = MARGIN_S * per_s, STRETCH_S * per_s
    means: list[np.ndarray] = []
    squares: list[np.ndarray] = []
    held, offset, begin = 0, 0, 0
    for block in blocks:
        mean, square = hop_energies(block, hop)
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
    mean: np.ndarray,
    square: np.ndarray,
    offset: int,
    begin: int,
    end: int,
    per_s: int,
    rise_sd: float,
) -> Iterator[Rise]:
    """The sudden rises that start within [begin, end) of a stretch's hops."""
    low = mean - _moving_average(mean, TREND_HOPS)
    levels = [np.log(_level_over_noise(energy, per_s)) for energy in (low * low, square)]
    sudden = np.flatnonzero(np.any([_is_sudden(level, rise_sd) for level in levels], axis=0))
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


def _level_over_noise(energy: np.ndarray, per_s: int) -> np.ndarray:
    """Short-time energy over the channel's noise floor nearby, mean over channels: → [hops]."""
    level = _moving_average(energy, SMOOTH_HOPS)
    seconds = max(1, len(level) // per_s)
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


def _is_sudden(level: np.ndarray, rise_sd: float) -> np.ndarray:
    """Where the log level stands out of the quiet and of what was just before: [hops] bool."""
    quiet = np.median(level)
    spread = (quiet - np.quantile(level, 0.1)) / 1.28
    before = _running_maximum(level, BEFORE_HOPS)
    before = np.concatenate([np.full(BEFORE_GAP_HOPS, level[0]), before])[: len(level)]
    return (level > quiet + rise_sd * spread) & (level > before + np.log(LEAST_RISE))


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
