from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata, ttest_rel, wilcoxon

from tap2key.comparison.intervals import (
    scores_by_seed,
    t_interval,
    variance_from_participants,
    variance_from_seeds,
)
from tap2key.comparison.significance import every_pair, holm


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_never_lowers_a_p_value_nor_changes_their_order(p_values):
    corrected = holm(p_values)
    assert all(c >= p for c, p in zip(corrected, p_values, strict=True))
    order = np.argsort(p_values, kind="stable")
    assert (np.diff(np.array(corrected)[order]) >= 0).all()


def people(values):
    return {f"p{index}": {"0": value} for index, value in enumerate(values)}


def test_six_participants_who_all_agree_have_the_exact_p_of_two_in_64():
    scores = np.array([0.9, 0.8, 0.85, 0.7, 0.95, 0.75])
    lower = scores - 0.01 * np.arange(1, 7)
    (test,) = every_pair({"a": people(scores), "b": people(lower)})
    assert test.p == pytest.approx(2 / 64)
    assert test.p_holm == test.p
    assert test.participants == 6
    assert test.mean_difference == pytest.approx(0.035)
    expected = ttest_rel(scores, lower).confidence_interval()
    assert (test.low, test.high) == pytest.approx(tuple(expected))
    assert test.effect_size == pytest.approx(0.035 / np.std(0.01 * np.arange(6), ddof=1))


def test_each_experiments_seeds_widen_the_interval_and_a_score_is_the_mean_over_them():
    one = {f"p{at}": {"0": 0.8 + 0.01 * at, "1": 0.86 + 0.012 * at} for at in range(6)}
    other = people(0.7 + 0.02 * np.arange(6) ** 1.5)
    (test,) = every_pair({"a": one, "b": other})
    means = [np.mean([*runs.values()]) for runs in one.values()]
    differences = np.array(means) - [runs["0"] for runs in other.values()]
    assert test.differences == pytest.approx(tuple(differences))
    seeds = variance_from_seeds(scores_by_seed(one.values()))
    assert seeds.value > 0
    spread = variance_from_participants(differences)
    expected = t_interval(differences.mean(), spread, seeds)
    assert (test.low, test.high) == pytest.approx(tuple(expected))


def test_three_experiments_are_corrected_together():
    rng = np.random.default_rng(0)
    values = {n: rng.normal(mean, 0.03, 9) for n, mean in (("a", 0.9), ("b", 0.86), ("c", 0.5))}
    tests = every_pair({name: people(own) for name, own in values.items()})
    assert [(t.first, t.second) for t in tests] == [("a", "b"), ("a", "c"), ("b", "c")]
    raw = [wilcoxon(values[t.first] - values[t.second]).pvalue for t in tests]
    assert [t.p for t in tests] == pytest.approx(raw)
    assert [t.p_holm for t in tests] == pytest.approx(holm(raw))


def test_ties_and_equal_scores_are_tested_exactly_too():
    """Against every assignment of signs to the ranks."""
    differences = np.array([0.02, 0.02, 0.02, -0.02, 0.05, 0.05, 0.03, 0.0])
    (test,) = every_pair({"a": people([0.5] * 8), "b": people(0.5 - differences)})
    known = differences[differences != 0]
    ranks = rankdata(np.abs(known))
    sums = np.array([ranks[list(signs)].sum() for signs in product([False, True], repeat=7)])
    found = ranks[known > 0].sum()
    assert test.p == pytest.approx(2 * min((sums >= found).mean(), (sums <= found).mean()))
    assert test.participants == 8


def test_what_was_not_named_beforehand_is_never_called_significant():
    (test,) = every_pair({"a": people([0.9] * 7), "b": people(np.linspace(0.1, 0.2, 7))})
    assert test.p_holm < 0.05
    assert test.verdict == "exploratory"


def test_equal_scores_are_no_difference_and_one_participant_is_no_test():
    (alike,) = every_pair({"a": people([0.5] * 7), "b": people([0.5] * 7)})
    assert (alike.p, alike.verdict) == (1.0, "no difference in any participant")
    (single,) = every_pair({"a": people([0.5]), "b": people([0.4])})
    assert (single.p, single.low, single.effect_size) == (None, None, None)
    assert single.mean_difference == pytest.approx(0.1)
    assert single.verdict == "not tested: one participant"


def test_experiments_without_a_common_participant_are_not_compared():
    a, b = people([0.9] * 8), {("other", "taps"): {"0": 0.1}}
    (test,) = every_pair({"a": a, "b": b})
    assert (test.participants, test.mean_difference, test.p_holm) == (0, None, None)
    assert test.verdict == "not compared: nobody was tested in the same way by both"


def test_only_participants_of_both_experiments_count():
    (test,) = every_pair({"a": people([0.9] * 8), "b": people([0.8] * 6)})
    assert test.participants == 6
