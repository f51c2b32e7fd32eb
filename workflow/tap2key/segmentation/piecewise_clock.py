"""A clock in pieces, for recordings in which a recorder lost samples or a clock was set.

One linear clock is right before such a step and wrong behind it. The hidden offsets of all taps
tell which share one; a clock is fitted to each such stretch, and kept where nothing else fits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from tap2key.segmentation.hidden_offsets import BIN_S, STEP, decode, gains
from tap2key.segmentation.linear_clock import (
    CANDIDATES_APART_S,
    FEWEST_PAIRS,
    LEAST_LEAD,
    SEARCH_S,
    Clock,
    is_credible,
    refined,
)

# Steps as large as the search for a latency reaches, either way, are found tap by tap. Larger ones
# need a stretch of `FAR_TAPS` taps, from whose differences to all touches their size is guessed.
NEAR_S = 2 * SEARCH_S
FAR_TAPS = 12
FAR_SAMPLED = 500
FAR_BIN_S = 0.02
FAR_CANDIDATES = 3
FAR_BAND_S = 0.08
FAR_SHARE = 0.3

# In natural logarithms of likelihood: what an offset far off costs more than one nearby.
FAR = 8.0
# Three taps in a row without their touch, or as much in smaller misfits, are looked into.
NEUTRAL = 1.0
ALARM = 9.0
MISFIT_END = 2.5
# A stretch between two steps may be shorter than what a whole recording's clock needs.
FEWEST_TAPS = 5
# A busy and an idle sensor are 10 ms apart; a pair may be 30 ms off.
LEAST_STEP_S = 0.025


@dataclass(frozen=True)
class Piece:
    """A stretch of a recording with one linear clock: from `start_s` up to `end_s`."""

    start_s: float
    end_s: float
    clock: Clock

    def holds(self, tap_s: np.ndarray) -> np.ndarray:
        """Which times lie within it: [n] → [n] bool."""
        return (tap_s >= self.start_s) & (tap_s < self.end_s)


@dataclass(frozen=True)
class _Fit:
    """Taps `first` up to `last`, and the clock that fits them."""

    first: int
    last: int
    clock: Clock


def steady_piece(
    tap_s: np.ndarray, touch_s: np.ndarray, duration_s: float, clock: Clock
) -> Piece | None:
    """One piece for a whole recording, or None if a stretch of its touches does not fit the clock.

    Args:
        tap_s: [taps] ascending onsets in seconds from the first sample.
        touch_s: [touches] ascending, in seconds after the start in the file's name.
        duration_s: the recording's length.
        clock: credible for the recording as a whole.
    """
    sunk = worst = 0.0
    for gain in gains(tap_s, touch_s, clock, 0.0, 1)[:, 0].tolist():
        sunk = max(0.0, sunk + NEUTRAL - gain)
        worst = max(worst, sunk)
    if worst >= ALARM:
        return None
    return _as_piece(_Fit(0, len(tap_s), clock), tap_s, touch_s, duration_s)


def find_pieces(
    tap_s: np.ndarray, touch_s: np.ndarray, duration_s: float, clock: Clock | None
) -> list[Piece]:
    """The stretches of a recording in which the evidence makes a clock clear, in order of time.

    Args:
        tap_s: [taps] ascending onsets in seconds from the first sample.
        touch_s: [touches] ascending, of the whole session, in seconds after the start in the
            file's name.
        duration_s: the recording's length.
        clock: of the recording as a whole, where that is credible.
    """
    if len(tap_s) < FEWEST_PAIRS or len(touch_s) < FEWEST_PAIRS:
        return []
    around = clock or Clock(0.0)
    bands = [_band(tap_s, touch_s, around, 0.0, NEAR_S)]
    fits = _clear_fits(bands, tap_s, touch_s, around)
    covered = np.zeros(len(tap_s), dtype=bool)
    for fit in fits:
        covered[fit.first : fit.last] = True
    far: list[float] = []
    for first, last in _runs(~covered):
        for offset in _far_offsets(tap_s[first:last], touch_s, around):
            # Bands that overlap would share the probability of what lies in both.
            if all(abs(offset - other) > 2 * FAR_BAND_S + BIN_S for other in far):
                far.append(offset)
    if far:
        bands += [_band(tap_s, touch_s, around, offset, FAR_BAND_S) for offset in far]
        fits = _clear_fits(bands, tap_s, touch_s, around)
    return [_as_piece(fit, tap_s, touch_s, duration_s) for fit in fits]


@dataclass(frozen=True)
class _Band:
    """Neighbouring offsets [n], the evidence for them [taps, n], and what entering costs."""

    offsets: np.ndarray
    evidence: np.ndarray
    entry: float


def _band(
    tap_s: np.ndarray, touch_s: np.ndarray, clock: Clock, middle: float, reach: float
) -> _Band:
    bins = 1 + 2 * round(reach / BIN_S)
    offsets = middle + BIN_S * (np.arange(bins) - bins // 2)
    evidence = gains(tap_s, touch_s, clock, float(offsets[0]), bins)
    return _Band(offsets, evidence, FAR if middle else 0.0)


def _clear_fits(
    bands: Sequence[_Band], tap_s: np.ndarray, touch_s: np.ndarray, around: Clock
) -> list[_Fit]:
    """Stretches of taps that beyond doubt share a clock, and the clock."""
    state, sure = decode(
        np.hstack([band.evidence for band in bands]),
        np.concatenate([np.full(len(band.offsets), band.entry) for band in bands]),
    )
    offset = np.append(np.concatenate([band.offsets for band in bands]), np.nan)[state]
    known = ~np.isnan(offset)
    changed = ~(np.abs(np.diff(offset, prepend=np.nan)) < BIN_S / 2)
    starts = np.flatnonzero(known & changed).tolist()
    fits = []
    for first, end in pairwise([*starts, len(tap_s)]):
        last = first + int(known[first:end].sum())
        certain = np.flatnonzero(sure[first:last]) + first
        if len(certain):
            span = int(certain[0]), int(certain[-1]) + 1
            fits.append(_fitted(*span, tap_s, touch_s, around, float(offset[first])))
    merged = _merged([fit for fit in fits if fit is not None], tap_s, touch_s)
    return [fit for fit in merged if _is_clear(fit, tap_s, touch_s)]


def _runs(chosen: np.ndarray) -> list[tuple[int, int]]:
    """Where runs of True begin and end: [n] bool → pairs (first, last + 1)."""
    edges = np.flatnonzero(np.diff(np.r_[False, chosen, False]))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _far_offsets(tap_s: np.ndarray, touch_s: np.ndarray, clock: Clock) -> list[float]:
    """Offsets beyond `NEAR_S` at which most of a stretch's taps have a touch, if there are any."""
    if len(tap_s) < FAR_TAPS:
        return []
    some = tap_s[:: -(-len(tap_s) // FAR_SAMPLED)]
    apart = (touch_s[None, :] - clock.expected_touch_s(some)[:, None]).ravel()
    places, votes = np.unique(
        np.floor(apart[np.abs(apart) > NEAR_S] / FAR_BIN_S).astype(int), return_counts=True
    )
    chosen: list[float] = []
    for best in np.argsort(-votes, kind="stable"):
        offset = (places[best] + 0.5) * FAR_BIN_S
        if votes[best] < FAR_SHARE * len(some) or len(chosen) == FAR_CANDIDATES:
            break
        if all(abs(offset - other) > FAR_BAND_S for other in chosen):
            chosen.append(float(offset))
    return chosen


def _fitted(
    first: int, last: int, tap_s: np.ndarray, touch_s: np.ndarray, clock: Clock, offset: float
) -> _Fit | None:
    """Taps `first` up to `last` with the clock that fits them near an offset from another."""
    if last - first < FEWEST_TAPS:
        return None
    own = tap_s[first:last]
    middle = (own[0] + own[-1]) / 2
    at_middle = float(clock.expected_touch_s(np.array([middle]))[0]) - middle + offset
    around = touch_s[
        (touch_s > own[0] + at_middle - SEARCH_S) & (touch_s < own[-1] + at_middle + SEARCH_S)
    ]
    fit = refined(at_middle, clock.drift, own, around, middle, own[-1] - own[0])
    if fit is None or not is_credible(fit, own, around, FEWEST_TAPS):
        return None
    return _Fit(first, last, fit)


def _merged(fits: list[_Fit], tap_s: np.ndarray, touch_s: np.ndarray) -> list[_Fit]:
    """Neighbours that one clock explains about as well as two, as one."""
    merged: list[_Fit] = []
    for fit in fits:
        while merged and abs(_step_s(merged[-1], fit, tap_s)) < LEAST_STEP_S:
            before = merged[-1]
            both = _fitted(before.first, fit.last, tap_s, touch_s, before.clock, 0.0)
            parts = [_evidence(part, tap_s, touch_s) for part in (before, fit)]
            if both is None or _evidence(both, tap_s, touch_s) < sum(parts) - STEP:
                break
            merged.pop()
            fit = both
        merged.append(fit)
    return merged


def _evidence(fit: _Fit, tap_s: np.ndarray, touch_s: np.ndarray) -> float:
    """How much more likely a stretch's touches are by its clock than by chance."""
    return float(gains(tap_s[fit.first : fit.last], touch_s, fit.clock, 0.0, 1).sum())


def _step_s(before: _Fit, after: _Fit, tap_s: np.ndarray) -> float:
    """By how much the clock steps between two stretches."""
    between = np.array([(tap_s[before.last - 1] + tap_s[after.first]) / 2])
    old, new = (fit.clock.expected_touch_s(between)[0] for fit in (before, after))
    return float(new - old)


def _is_clear(fit: _Fit, tap_s: np.ndarray, touch_s: np.ndarray) -> bool:
    """Whether no other offset, nor chance, explains a stretch's touches nearly as well."""
    bins = 1 + 2 * round(NEAR_S / BIN_S)
    total = gains(tap_s[fit.first : fit.last], touch_s, fit.clock, -NEAR_S, bins).sum(axis=0)
    rival = np.abs(np.arange(bins) - bins // 2) * BIN_S > CANDIDATES_APART_S
    return total[bins // 2] - max(0.0, total[rival].max()) >= LEAST_LEAD


def _as_piece(fit: _Fit, tap_s: np.ndarray, touch_s: np.ndarray, duration_s: float) -> Piece:
    """A stretch of time instead of taps, without misfits at its ends, which a step may explain."""
    total = np.cumsum(gains(tap_s[fit.first : fit.last], touch_s, fit.clock, 0.0, 1)[:, 0])
    first, last = fit.first, fit.last - 1
    best = int(total.argmax())
    if total[best] - total[-1] > MISFIT_END:
        last = fit.first + best
    before = np.append(0, total[:-1])
    least = int(before.argmin())
    if -before[least] > MISFIT_END:
        first += least
    start = 0.0 if first == 0 else float(tap_s[first])
    end = duration_s if last == len(tap_s) - 1 else float(np.nextafter(tap_s[last], np.inf))
    return Piece(start, end, fit.clock)
