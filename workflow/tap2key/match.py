"""Pair taps with touches by time: one to one, in order, and the best pairing there is."""

import numpy as np


def match_in_order(expected_s: np.ndarray, touch_s: np.ndarray, selectivity_s: float) -> np.ndarray:
    """Pair each tap with at most one touch, in time order, at most `selectivity_s` apart.

    A pair d seconds apart is worth 1 − (d / selectivity)²; among all pairings that never cross,
    the one of greatest total worth is found by dynamic programming (as in Needleman & Wunsch,
    J. Mol. Biol. 48, 1970, with free gaps). Stretches with no pair in common are solved apart.

    Args:
        expected_s: [taps] ascending, where each tap's touch is expected by the sensor's clock.
        touch_s: [touches] ascending, by the same clock.
        selectivity_s: the greatest distance of a pair, above 0.

    Returns:
        [taps] index of each tap's touch, −1 for none.
    """
    matched = np.full(len(expected_s), -1)
    if not len(expected_s):
        return matched
    first = np.searchsorted(touch_s, expected_s - selectivity_s, side="left")
    last = np.searchsorted(touch_s, expected_s + selectivity_s, side="right")
    # A tap that reaches back to none of the touches of those before it starts a new stretch.
    reached = np.maximum.accumulate(last)
    starts = np.flatnonzero(np.r_[True, first[1:] >= reached[:-1]])
    for start, stop in zip(starts, [*starts[1:], len(first)], strict=True):
        low, high = first[start], reached[stop - 1]
        if high > low:
            pairs = _best_pairing(expected_s[start:stop], touch_s[low:high], selectivity_s)
            for tap, touch in pairs:
                matched[start + tap] = low + touch
    return matched


def _best_pairing(
    expected_s: np.ndarray, touch_s: np.ndarray, selectivity_s: float
) -> list[tuple[int, int]]:
    apart = (touch_s[None, :] - expected_s[:, None]) / selectivity_s
    worth = np.where(np.abs(apart) <= 1, 1 - apart**2, -np.inf)
    total = np.zeros((len(expected_s) + 1, len(touch_s) + 1))
    for tap, row in enumerate(worth):
        total[tap + 1, 1:] = np.maximum(total[tap, 1:], total[tap, :-1] + row)
        np.maximum.accumulate(total[tap + 1], out=total[tap + 1])
    pairs = []
    tap, touch = len(expected_s), len(touch_s)
    while tap and touch:
        if total[tap, touch] == total[tap, touch - 1]:
            touch -= 1
        elif total[tap, touch] == total[tap - 1, touch]:
            tap -= 1
        else:
            tap, touch = tap - 1, touch - 1
            pairs.append((tap, touch))
    return pairs
