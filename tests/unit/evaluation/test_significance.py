from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata, wilcoxon

from tap2key.evaluation.significance import bootstrap_interval, holm, paired_tests


def test_an_interval_of_many_participants_is_that_of_the_normal_distribution():
    values = np.random.default_rng(1).normal(0.8, 0.05, 400)
    low, high = bootstrap_interval(values)
    half = 1.96 * values.std() / np.sqrt(400)
    assert low == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert high == pytest.approx(values.mean() + half, abs=0.1 * half)


def test_an_interval_is_the_same_every_time_and_nothing_where_all_are_alike():
    assert bootstrap_interval([0.1, 0.7, 0.9]) == bootstrap_interval([0.1, 0.7, 0.9])
    assert bootstrap_interval([0.5, 0.5]) == (0.5, 0.5)


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
    return {f"p{index}": value for index, value in enumerate(values)}


def test_six_participants_who_all_agree_have_the_exact_p_of_two_in_64():
    better = people([0.9, 0.8, 0.85, 0.7, 0.95, 0.75])
    worse = {p: v - 0.01 * (index + 1) for index, (p, v) in enumerate(better.items())}
    (test,) = paired_tests({"a": better, "b": worse})
    assert test.p == pytest.approx(2 / 64)
    assert test.p_holm == test.p
    assert test.verdict == "significant"
    assert test.participants == 6
    assert test.mean_difference == pytest.approx(0.035)


def test_three_experiments_are_corrected_together():
    rng = np.random.default_rng(0)
    scores = {
        name: people(rng.normal(mean, 0.03, 9))
        for name, mean in (("a", 0.9), ("b", 0.86), ("c", 0.5))
    }
    tests = paired_tests(scores)
    assert [(t.first, t.second) for t in tests] == [("a", "b"), ("a", "c"), ("b", "c")]
    raw = [
        wilcoxon([scores[t.first][p] - scores[t.second][p] for p in scores["a"]]).pvalue
        for t in tests
    ]
    assert [t.p for t in tests] == pytest.approx(raw)
    assert [t.p_holm for t in tests] == pytest.approx(holm(raw))


def test_ties_and_equal_scores_are_tested_exactly_too():
    """Against every assignment of signs to the ranks."""
    differences = np.array([0.02, 0.02, 0.02, -0.02, 0.05, 0.05, 0.03, 0.0])
    first = people([0.5] * 8)
    second = {p: 0.5 - d for p, d in zip(first, differences, strict=True)}
    (test,) = paired_tests({"a": first, "b": second})
    known = differences[differences != 0]
    ranks = rankdata(np.abs(known))
    sums = np.array([ranks[list(signs)].sum() for signs in product([False, True], repeat=7)])
    found = ranks[known > 0].sum()
    assert test.p == pytest.approx(2 * min((sums >= found).mean(), (sums <= found).mean()))
    assert test.participants == 8


def test_below_six_participants_no_significance_is_claimed():
    (test,) = paired_tests({"a": people([0.9] * 5), "b": people([0.1] * 5)})
    assert test.p is None
    assert "too few participants (5) for a test, need at least 6" in test.verdict


def test_experiments_without_a_common_participant_are_not_compared():
    a, b = people([0.9] * 8), {("other", "taps"): 0.1}
    (test,) = paired_tests({"a": a, "b": b})
    assert (test.participants, test.mean_difference, test.p_holm) == (0, None, None)
    assert test.verdict == "not compared: nobody was tested in the same way by both"


def test_only_participants_of_both_experiments_count():
    a, b = people([0.9] * 8), people([0.8] * 6)
    (test,) = paired_tests({"a": a, "b": b})
    assert test.participants == 6
