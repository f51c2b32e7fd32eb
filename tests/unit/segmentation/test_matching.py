import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from tap2key.segmentation.matching import match_in_order

# Milliseconds on a grid, so that sums are exact and ties do occur.
times = st.lists(st.integers(0, 60), max_size=6).map(lambda v: np.array(sorted(v)) / 16)


def worth(taps, touches, matched, selectivity):
    chosen = matched >= 0
    apart = (touches[matched[chosen]] - taps[chosen]) / selectivity
    return float(np.sum(1 - apart**2))


def best_by_brute_force(taps, touches, selectivity):
    best = 0.0
    for size in range(1, min(len(taps), len(touches)) + 1):
        for chosen in itertools.combinations(range(len(taps)), size):
            for partners in itertools.combinations(range(len(touches)), size):
                apart = (touches[list(partners)] - taps[list(chosen)]) / selectivity
                if (np.abs(apart) <= 1).all():
                    best = max(best, float(np.sum(1 - apart**2)))
    return best


@settings(max_examples=300, deadline=None)
@given(times, times, st.integers(1, 40))
def test_no_ordered_pairing_is_worth_more(taps, touches, reach):
    selectivity = reach / 16
    matched = match_in_order(taps, touches, selectivity)
    assert worth(taps, touches, matched, selectivity) == pytest.approx(
        best_by_brute_force(taps, touches, selectivity)
    )


@settings(max_examples=200, deadline=None)
@given(times, times, st.integers(1, 40))
def test_pairs_are_one_to_one_in_order_and_within_reach(taps, touches, reach):
    matched = match_in_order(taps, touches, reach / 16)
    chosen = matched[matched >= 0]
    assert (np.diff(chosen) > 0).all()
    assert (np.abs(touches[chosen] - taps[matched >= 0]) <= reach / 16 + 1e-12).all()


def test_long_lists_agree_with_an_assignment_solver():
    rng = np.random.default_rng(3)
    taps = np.sort(rng.uniform(0, 30, 150))
    touches = np.sort(np.r_[taps[rng.random(150) > 0.05] + rng.normal(0, 0.01, 150)[:1], 7.0, 9.0])
    worths = np.maximum(0, 1 - ((touches[None] - taps[:, None]) / 0.1) ** 2)
    row, column = linear_sum_assignment(-worths)
    got = worth(taps, touches, match_in_order(taps, touches, 0.1), 0.1)
    # Uncrossing two pairs never lowers this worth, so order costs nothing.
    assert got == pytest.approx(worths[row, column].sum())


def test_a_missed_touch_shifts_no_label():
    taps = np.arange(10) * 0.2
    touches = np.delete(taps + 0.01, [3, 4])
    expected = [0, 1, 2, -1, -1, 3, 4, 5, 6, 7]
    assert match_in_order(taps, touches, 0.1).tolist() == expected


def test_nothing_to_match():
    assert match_in_order(np.array([]), np.array([1.0]), 0.1).tolist() == []
    assert match_in_order(np.array([1.0]), np.array([]), 0.1).tolist() == [-1]
