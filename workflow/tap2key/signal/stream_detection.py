"""Find taps in a stream of sound, from what was heard so far: live, or in a recording.

As `detection` does, with the same bands and thresholds. But the noise floor and what is usual in
quiet are learned from the seconds before, not also from those after, and every decision is made as
soon as no later sample can change it. So what is found does not depend on how the stream is divided
into blocks. Only the first second is judged by itself, once it has passed.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np

from tap2key.audio.array import Array, enough
from tap2key.audio.audio_file import AudioFile
from tap2key.signal.detection import (
    BEFORE_GAP_HOPS,
    BEFORE_HOPS,
    BOUNCE_S,
    LEAST_FALL,
    LEAST_RISE,
    LEAST_RISE_SD,
    LEAST_SCORE,
    LONG_BEFORE_HOPS,
    PEAK_HOPS,
    SAME_RISE_HOPS,
    TAIL_HOPS,
    TREND_HOPS,
    Taps,
    Watcher,
    gives_way,
    hop_at,
    hop_energies,
    hops_per_s,
)
from tap2key.signal.onset import EachChannel, pick_onset, section_at
from tap2key.signal.recent_sound import RecentSound
from tap2key.signal.stream_levels import Levels, MovingAverage

# Held of the stream, beside a window: the second that is being judged, the one that came last, and
# what a decision waits for.
HELD_S = 3


@dataclass(frozen=True)
class FoundTap:
    """One tap: see `Taps` for what its values are, `Rise` for the score."""

    onset: int
    peak: float
    threshold: float
    score: float
    each: EachChannel


class StreamDetector:
    """Finds the taps of a stream, each as soon as it is certain: some 40 ms after its onset.

    `sound` holds what was last heard, `decided` is the sample before which no tap will be found any
    more.
    """

    def __init__(
        self,
        array: Array,
        peak_height: float | None = None,
        watch: Watcher | None = None,
        rise_sd: float = LEAST_RISE_SD,
        bounce_s: float = BOUNCE_S,
    ) -> None:
        """Nothing heard yet; see `find_taps` for the arguments."""
        rate = array.sample_rate
        self.array, self._peak_height, self._watch = array, peak_height, watch
        self._hop, self._per_s, self._parts = hop_at(rate), hops_per_s(rate), section_at(rate)
        self._bounce = bounce_s * rate
        self._least = enough(len(array.kept))
        channels = len(array.kept)
        self.sound = RecentSound(channels, HELD_S * rate + array.window)
        self._rest = np.zeros((0, channels), np.float32)
        self._means = np.zeros((0, channels), np.float32)
        self._trend = MovingAverage(TREND_HOPS)
        self._low, self._high = (Levels(self._per_s, rise_sd) for _ in range(2))
        # Of either band what the other has not yet reached.
        self._ahead = [np.zeros((2, 0)), np.zeros((2, 0))]
        # Log levels of both bands from hop `_first` on.
        self._levels: np.ndarray | None = None
        self._first = 0
        self._last_sudden: int | None = None
        self._rising: deque[int] = deque()
        self._waiting: list[FoundTap] = []
        self._kept: FoundTap | None = None
        self._given = True

    def push(self, block: np.ndarray) -> list[FoundTap]:
        """Taps that are now certain, by time: [n, c] samples, float32."""
        most = self._per_s * self._hop
        found: list[FoundTap] = []
        for at in range(0, len(block), most):
            found += self._push(block[at : at + most])
        return found

    def _push(self, block: np.ndarray) -> list[FoundTap]:
        self.sound.write(block)
        rest = np.concatenate([self._rest, block])
        whole = len(rest) // self._hop * self._hop
        self._rest = rest[whole:].copy()
        if not whole:
            return []
        mean, square = hop_energies(rest, self._hop)
        if self._watch is not None:
            self._watch(mean, square)
        self._take_in(self._low_band(mean, self._trend.push(mean)), square)
        return self._certain(self._frontier)

    def end(self) -> list[FoundTap]:
        """The last taps; the stream is over."""
        if self.sound.frames < self._hop:
            return []
        nothing = self._means[:0]
        self._take_in(self._low_band(nothing, self._trend.end()), nothing, last=True)
        return self._certain(None)

    @property
    def _frontier(self) -> int:
        return 0 if self._levels is None else self._first + self._levels.shape[1]

    def _low_band(self, mean: np.ndarray, trend: np.ndarray) -> np.ndarray:
        held = np.concatenate([self._means, mean])
        self._means = held[len(trend) :]
        low = held[: len(trend)] - trend
        return low * low

    def _take_in(self, low: np.ndarray, high: np.ndarray, last: bool = False) -> None:
        """Add hops to the levels, and see which of them rise suddenly."""
        for band, (levels, energy) in enumerate(((self._low, low), (self._high, high))):
            if len(energy) or last:
                found = levels.push(energy, last)
                self._ahead[band] = np.concatenate([self._ahead[band], found], axis=1)
        count = min(band.shape[1] for band in self._ahead)
        if count:
            new, above = np.stack([band[:, :count] for band in self._ahead], axis=1)
            self._ahead = [band[:, count:] for band in self._ahead]
            self._find_rises(new, above)

    def _find_rises(self, new: np.ndarray, above: np.ndarray) -> None:
        if self._levels is None:
            self._levels = np.repeat(new[:, :1], LONG_BEFORE_HOPS, axis=1)
            self._first = -LONG_BEFORE_HOPS
        begin, count = self._frontier, new.shape[1]
        earliest = min(self._rising[0] if self._rising else begin, begin) - LONG_BEFORE_HOPS
        self._levels = np.concatenate([self._levels[:, earliest - self._first :], new], axis=1)
        self._first = earliest
        at = begin - earliest - BEFORE_GAP_HOPS - BEFORE_HOPS + 1
        earlier = self._levels[:, at : at + count + BEFORE_HOPS - 1]
        before = np.lib.stride_tricks.sliding_window_view(earlier, BEFORE_HOPS, axis=1).max(axis=2)
        sudden = ((new > above) & (new > before + np.log(LEAST_RISE))).any(axis=0)
        for hop in (begin + np.flatnonzero(sudden)).tolist():
            if self._last_sudden is None or hop - self._last_sudden > SAME_RISE_HOPS:
                self._rising.append(hop)
            self._last_sudden = hop

    def _certain(self, frontier: int | None) -> list[FoundTap]:
        """Judge rises whose fall is known, and give the taps that nothing can change any more.

        Args:
            frontier: the hop up to which levels are known; None if there will be no more.
        """
        while self._rising and (frontier is None or self._rising[0] + TAIL_HOPS[1] <= frontier):
            tap = self._judged(self._rising.popleft())
            if tap is not None:
                self._waiting.append(tap)
        self._waiting.sort(key=lambda tap: (tap.onset, -tap.score))
        if frontier is None:
            certain = np.inf
        else:
            # The onset of a rise is looked for from somewhat before it.
            search = self._parts.before - self._parts.first
            next_rise = self._rising[0] if self._rising else frontier
            certain = next_rise * self._hop - search
        found = []
        while self._waiting and self._waiting[0].onset < certain:
            tap, kept = self._waiting.pop(0), self._kept
            if kept is not None and tap.onset - kept.onset < self._bounce:
                if gives_way(kept.score, tap.score):
                    self._kept = tap
                continue
            found += self._given_now(np.inf)
            self._kept, self._given = tap, False
        found += self._given_now(certain)
        return found

    def _given_now(self, certain: float) -> list[FoundTap]:
        kept = self._kept
        if kept is None or self._given:
            return []
        lasting = not gives_way(kept.score, np.inf)
        if lasting or certain >= kept.onset + self._bounce:
            self._given = True
            return [kept]
        return []

    def _judged(self, hop: int) -> FoundTap | None:
        """The tap of a rise, if it is one."""
        assert self._levels is not None
        at = hop - self._first
        peaks = self._levels[:, at : at + PEAK_HOPS].max(axis=1)
        before = self._levels[:, at - LONG_BEFORE_HOPS : at - BEFORE_GAP_HOPS].max(axis=1)
        first = min(at + TAIL_HOPS[0], self._levels.shape[1] - 1)
        tails = self._levels[:, first : at + TAIL_HOPS[1]].mean(axis=1)
        rise, fall = (peaks - before).max(), (peaks - tails).max()
        score = float(rise + fall)
        if fall < LEAST_FALL or score < LEAST_SCORE:
            return None
        start = hop * self._hop - self._parts.before
        section = self.sound.read(start, self._parts.before + self._parts.after)
        onset = pick_onset(section, self.array.sample_rate)
        enough_heard = onset.channels >= self._least
        if not enough_heard or (self._peak_height is not None and onset.peak < self._peak_height):
            return None
        sample = max(0, start + onset.sample)
        return FoundTap(sample, onset.peak, onset.threshold, score, onset.each)


def find_taps_as_heard(
    audio: AudioFile, peak_height: float | None = None, watch: Watcher | None = None
) -> Taps:
    """Find the taps of a recording as they are found live; see `find_taps` for the arguments."""
    detector = StreamDetector(audio.array, peak_height, watch)
    rate = audio.array.sample_rate
    found = []
    for block in audio.blocks(hops_per_s(rate) * hop_at(rate)):
        found += detector.push(block)
    found += detector.end()
    return Taps(
        np.array([tap.onset for tap in found], dtype=np.int64),
        np.array([tap.peak for tap in found], dtype=float),
        np.array([tap.threshold for tap in found], dtype=float),
        tuple(tap.each for tap in found),
        audio.array,
    )
