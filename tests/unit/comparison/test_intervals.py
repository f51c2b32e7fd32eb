"""How often an interval holds the true mean, on data whose mean is known; values by hand."""

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from tap2key.comparison.intervals import (
    mean_interval,
    scores_by_seed,
    t_interval,
    variance_from_participants,
    variance_from_seeds,
)

STUDIES = 20_000
NOMINAL, WITHIN = 0.95, 0.02


def covered(studies, truth):
    """The share of studies, [studies, participants, seeds], whose interval holds the truth."""
    parts = variance_from_participants(studies.mean(axis=-1)), variance_from_seeds(studies)
    low, high = t_interval(studies.mean(axis=(-2, -1)), *parts)
    return ((low <= truth) & (truth <= high)).mean()


@pytest.mark.parametrize("participants", [4, 6, 12, 24])
@pytest.mark.parametrize("spread", ["normal", "heavy-tailed"])
def test_intervals_hold_the_truth_as_often_as_they_claim(participants, spread):
    rng = np.random.default_rng(participants)
    shape = (STUDIES, participants, 1)
    drawn = {
        "normal": rng.normal(size=shape),
        "heavy-tailed": rng.standard_t(5, size=shape),
    }[spread]
    assert covered(0.02 + 0.01 * drawn, 0.02) == pytest.approx(NOMINAL, abs=WITHIN)


@pytest.mark.parametrize("participants", [6, 24])
@pytest.mark.parametrize("shared", [0.0, 0.3])
def test_intervals_hold_the_truth_where_seeds_move_everybody_together(participants, shared):
    """Without the seeds' variance, 88 % of those of 24 participants would."""
    rng = np.random.default_rng(1)
    people = rng.normal(size=(STUDIES, participants, 1))
    seeds = shared * rng.normal(size=(STUDIES, 1, 3))
    each = 0.5 * rng.normal(size=(STUDIES, participants, 3))
    assert covered(people + seeds + each, 0) == pytest.approx(NOMINAL, abs=WITHIN)


@pytest.mark.parametrize("number", [4, 6])
@pytest.mark.parametrize("of_fold", [0.0, 1 / 3, 1 / 2])
def test_intervals_hold_the_truth_where_each_fold_tests_several(of_fold, number):
    """24 people; in four folds as if they had nothing to do with it, 83 % would at a half."""
    rng = np.random.default_rng(2)
    folds = np.repeat(np.arange(number), 24 // number)
    values = rng.normal(size=(STUDIES, 24))
    values += of_fold * rng.normal(size=(STUDIES, number))[:, folds]
    low, high = t_interval(values.mean(axis=-1), variance_from_participants(values, [*folds]))
    # Where folds do not matter it is now and then held that they do.
    assert ((low <= 0) & (high >= 0)).mean() == pytest.approx(NOMINAL, abs=0.025)


def test_variance_from_folds_is_the_mean_square_between_them_by_the_people():
    values = np.array([0.91, 0.92, 0.93, 0.80, 0.81, 0.82])
    found = variance_from_participants(values, ["a"] * 3 + ["b"] * 3)
    between = 3 * np.var([0.92, 0.81], ddof=1)
    assert (found.value, found.freedom) == (pytest.approx(between / 6), 1)
    # Folds that differ less than their people do not matter; nor does one, or one of each.
    for folds in (["a", "b"] * 3, ["a"] * 6, [*"abcdef"], None):
        alone = variance_from_participants(values, folds)
        assert (alone.value, alone.freedom) == (pytest.approx(values.var(ddof=1) / 6), 5)


def test_of_one_seed_the_interval_is_that_of_the_t_test():
    values = [0.91, 0.95, 0.88, 0.97, 0.93]
    expected = ttest_1samp(values, 0).confidence_interval()
    assert mean_interval([{"0": value} for value in values]) == pytest.approx(tuple(expected))


def test_variance_from_seeds_by_hand():
    """Seed 1 is 0.1 above seed 0 in everybody: v = 0.1² / 2, nothing left over, over two seeds."""
    shifted = [{"0": score, "1": score + 0.1} for score in (0.5, 0.7, 0.6)]
    found = variance_from_seeds(scores_by_seed(shifted))
    assert (found.value, found.freedom) == (pytest.approx(0.1**2 / 2 / 2), 1)
    # Where seeds differ as much, but by chance in each participant, no common effect is claimed.
    crossed = np.array([[0.5, 0.6], [0.7, 0.6]])
    assert variance_from_seeds(crossed).value == 0
    # Seeds that not everybody has are left out.
    assert variance_from_seeds(scores_by_seed([*shifted, {"0": 0.4}])).value == 0


def test_intervals_of_one_participant_of_equal_ones_and_at_the_limit():
    assert mean_interval([{"0": 0.7}]) == (None, None)
    assert mean_interval([{"0": 0.5}, {"0": 0.5}]) == (0.5, 0.5)
    low, high = mean_interval([{"0": 0.99}, {"0": 1.0}, {"0": 0.9}])
    assert low < 0.9 and high == 1.0
