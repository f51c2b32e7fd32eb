"""Pair taps with touches by time: one to one, in order, and the best pairing there is."""

from collections.abc import Sequence

import numpy as np

# Two taps and two touches that lie so close, of both distances the geometric mean, may be swapped:
# about 7 of log-likelihood at a jitter of 5 ms.
SWAPPED_S = 0.013
# Of a stretch's touches that no other stretch could have.
LEAST_OF_RUN = 0.05


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


def match_pieces(
    expected_s: Sequence[np.ndarray],
    touch_s: np.ndarray,
    reach_s: Sequence[float],
    run: np.ndarray,
) -> list[np.ndarray]:
    """Pair the taps of several stretches, each with a clock of its own, with the same touches.

    Where a clock was set back, touches of two stretches carry the same times. The log's order tells
    them apart; failing that they are given out for the greatest total worth, and those that could
    as well be the other way round to nobody.

    Args:
        expected_s: of each stretch, [taps] ascending, where each tap's touch is expected.
        touch_s: [touches] ascending, by the same clock.
        reach_s: of each stretch, the greatest distance of a pair, above 0.
        run: [touches] which part of the log, in itself in order of time, each touch is from.

    Returns:
        Of each stretch, [taps] index of each tap's touch, −1 for none.
    """
    matched = [match_in_order(e, touch_s, r) for e, r in zip(expected_s, reach_s, strict=True)]
    contested = _contested(expected_s, touch_s, reach_s)
    if not contested.any():
        return matched
    allowed = _allowed_runs(matched, run, contested)
    for number, (expected, reach) in enumerate(zip(expected_s, reach_s, strict=True)):
        own = np.flatnonzero(allowed[number, run])
        among = match_in_order(expected, touch_s[own], reach)
        matched[number] = np.where(among >= 0, np.append(own, -1)[among], -1)
    usable = allowed[:, run]
    if (contested & (usable.sum(axis=0) > 1)).any():
        _share_out(matched, expected_s, touch_s, reach_s, contested, usable)
    return matched


def _contested(
    expected_s: Sequence[np.ndarray], touch_s: np.ndarray, reach_s: Sequence[float]
) -> np.ndarray:
    """Which touches taps of more than one stretch could have: [touches] bool."""
    wanted = np.zeros(len(touch_s), dtype=int)
    for expected, reach in zip(expected_s, reach_s, strict=True):
        after = np.searchsorted(expected, touch_s - reach)
        wanted += np.append(expected, np.inf)[after] <= touch_s + reach
    return wanted > 1


def _allowed_runs(
    matched: Sequence[np.ndarray], run: np.ndarray, contested: np.ndarray
) -> np.ndarray:
    """From which parts of the log each stretch has its touches: [stretches, runs] bool."""
    allowed = np.zeros((len(matched), int(run.max()) + 1), dtype=bool)
    for own, touches in zip(allowed, matched, strict=True):
        touches = touches[touches >= 0]
        sole = touches[~contested[touches]]
        counts = np.bincount(run[sole if len(sole) else touches], minlength=len(own))
        own[:] = counts > LEAST_OF_RUN * counts.sum()
    return allowed


def _share_out(
    matched: list[np.ndarray],
    expected_s: Sequence[np.ndarray],
    touch_s: np.ndarray,
    reach_s: Sequence[float],
    contested: np.ndarray,
    usable: np.ndarray,
) -> None:
    """Pair anew, in place, the taps that have a contested touch within reach."""
    from scipy.optimize import linear_sum_assignment

    lengths = [len(expected) for expected in expected_s]
    expected = np.concatenate(expected_s)
    stretch = np.repeat(np.arange(len(lengths)), lengths)
    reach = np.asarray(reach_s)[stretch]
    apart = np.abs(touch_s[contested][None, :] - expected[:, None]) <= reach[:, None]
    taps = np.flatnonzero(apart.any(axis=1))
    apart = (touch_s[None, :] - expected[taps, None]) / reach[taps, None]
    worth = np.where(usable[stretch[taps]], 1 - apart**2, 0).clip(min=0)
    touches = np.flatnonzero(worth.any(axis=0))
    worth = worth[:, touches]
    row, column = linear_sum_assignment(worth, maximize=True)
    row, column = (index[worth[row, column] > 0] for index in (row, column))
    chosen = np.full(len(taps), -1)
    chosen[row] = column
    doubtful = np.zeros(len(taps), dtype=bool)
    for tap in row:
        could = np.flatnonzero((worth[:, chosen[tap]] > 0) & (stretch[taps] != stretch[taps[tap]]))
        for other in could:
            if chosen[other] < 0:
                doubtful[tap] = True
            elif worth[tap, chosen[other]] > 0:
                taps_apart = expected[taps[other]] - expected[taps[tap]]
                apart_s = touch_s[touches[chosen[other]]] - touch_s[touches[chosen[tap]]]
                doubtful[tap] |= taps_apart * apart_s < SWAPPED_S**2
    everything = np.concatenate(matched)
    everything[taps] = np.where((chosen >= 0) & ~doubtful, np.append(touches, -1)[chosen], -1)
    for own, new in zip(matched, np.split(everything, np.cumsum(lengths)[:-1]), strict=True):
        own[:] = new
