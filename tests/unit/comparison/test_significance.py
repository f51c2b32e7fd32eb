from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata, t, ttest_rel, wilcoxon

from tap2key.comparison.signed_ranks import signed_rank_p
from tap2key.comparison.significance import every_pair, holm, paired_test
from tap2key.comparison.summaries import FOLD, Compared


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    # Two more in the family, which were not tested.
    assert holm([0.01, 0.04], 4) == pytest.approx([0.04, 0.12])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_never_lowers_a_p_value_nor_changes_their_order(p_values):
    corrected = holm(p_values)
    assert all(c >= p for c, p in zip(corrected, p_values, strict=True))
    order = np.argsort(p_values, kind="stable")
    assert (np.diff(np.array(corrected)[order]) >= 0).all()


def experiment(name, people, **more):
    return Compared(name, people, 1, None, None, **more)


def compared(**scores):
    """Experiments by name, of each participant's scores by seed or of their only scores."""
    found = {}
    for name, own in scores.items():
        runs = own if isinstance(own, dict) else {f"p{at}": {"0": v} for at, v in enumerate(own)}
        found[name] = experiment(name, runs)
    return found


def test_six_participants_who_all_agree_have_the_exact_p_of_two_in_64():
    scores = np.array([0.9, 0.8, 0.85, 0.7, 0.95, 0.75])
    lower = scores - 0.01 * np.arange(1, 7)
    (test,) = every_pair(compared(a=scores, b=lower))
    assert test.p == pytest.approx(2 / 64)
    assert test.p_holm == test.p
    assert test.participants == 6
    assert test.mean_difference == pytest.approx(0.035)
    expected = ttest_rel(scores, lower).confidence_interval()
    assert (test.low, test.high) == pytest.approx(tuple(expected))
    assert test.effect_size == pytest.approx(0.035 / np.std(0.01 * np.arange(6), ddof=1))


def test_where_seeds_differ_each_experiments_widen_the_interval():
    """Seed 1 moves everybody by 0.06: σ_b²/S = 0.06²/2/2, with one degree of freedom."""
    one = {f"p{at}": {"0": 0.8 + 0.01 * at, "1": 0.86 + 0.01 * at} for at in range(6)}
    other = 0.7 + 0.02 * np.arange(6) ** 1.5
    (test,) = every_pair(compared(a=one, b=other))
    differences = 0.83 + 0.01 * np.arange(6) - other
    assert test.differences == pytest.approx(tuple(differences))
    people, seeds = differences.var(ddof=1) / 6, 0.06**2 / 4
    freedom = (people + seeds) ** 2 / (people**2 / 5 + seeds**2)
    half = t(freedom).ppf(0.975) * np.sqrt(people + seeds)
    assert (test.low, test.high) == pytest.approx(
        (differences.mean() - half, differences.mean() + half)
    )


def test_what_a_seed_does_to_both_experiments_is_no_part_of_their_difference():
    seeds = (0, 0.1, -0.05)
    one, other = (
        {f"p{at}": {str(s): c + 0.01 * at**p + v for s, v in enumerate(seeds)} for at in range(6)}
        for c, p in ((0.6, 1), (0.5, 1.2))
    )
    (shared,) = every_pair(compared(a=one, b=other))
    alone = [{name: runs["0"] for name, runs in own.items()} for own in (one, other)]
    (plain,) = every_pair(compared(a=[*alone[0].values()], b=[*alone[1].values()]))
    assert (shared.low, shared.high) == pytest.approx((plain.low, plain.high))
    # Of other seeds nothing is known to be shared.
    renamed = {name: {f"other {s}": v for s, v in runs.items()} for name, runs in other.items()}
    (apart,) = every_pair(compared(a=one, b=renamed))
    assert apart.high - apart.low > 3 * (shared.high - shared.low)


def test_folds_that_test_several_widen_the_interval_where_their_people_are_alike():
    of_fold = np.repeat([0.02, -0.01, 0.03, 0.0], 6)
    scores = 0.8 + of_fold + np.tile([0.002, -0.002], 12)
    base = experiment("b", {f"p{at}": {"0": 0.8} for at in range(24)})
    people = {f"p{at}": {"0": score} for at, score in enumerate(scores)}
    folds = {f"p{at}": f"group-{at // 6}" for at in range(24)}
    apart = paired_test(experiment("a", people), base)
    together = paired_test(experiment("a", people, fold_of=folds), base)
    assert together.mean_difference == apart.mean_difference
    # As of the four folds' means alone.
    means = (0.02, -0.01, 0.03, 0.0)
    half = t(3).ppf(0.975) * np.std(means, ddof=1) / 2
    assert together.high - together.mean_difference == pytest.approx(half)
    assert apart.high - apart.mean_difference < half / 2


def test_over_the_folds_of_one_participant_nothing_is_called_significant():
    """The interval is that of the corrected resampled t-test, with a tenth tested by each fold."""
    rng = np.random.default_rng(0)
    scores = 0.9 + 0.02 * rng.standard_normal(10)
    folds = {f"block-{at}": {"0": score} for at, score in enumerate(scores)}
    base = {name: {"0": 0.8} for name in folds}
    pair = [experiment(n, p, unit=FOLD, folds=10) for n, p in (("a", folds), ("b", base))]
    test = paired_test(*pair)
    assert (test.p, test.p_holm) == (None, None)
    assert test.verdict == "not tested: folds share their training taps"
    half = t(9).ppf(0.975) * scores.std(ddof=1) * np.sqrt(1 / 10 + 1 / 9)
    assert test.high - test.mean_difference == pytest.approx(half)


def test_three_experiments_are_corrected_together():
    rng = np.random.default_rng(0)
    values = {n: rng.normal(mean, 0.03, 9) for n, mean in (("a", 0.9), ("b", 0.86), ("c", 0.5))}
    tests = every_pair(compared(**values))
    assert [(each.first, each.second) for each in tests] == [("a", "b"), ("a", "c"), ("b", "c")]
    raw = [wilcoxon(values[each.first] - values[each.second]).pvalue for each in tests]
    assert [each.p for each in tests] == pytest.approx(raw)
    assert [each.p_holm for each in tests] == pytest.approx(holm(raw))


def test_ties_and_equal_scores_are_tested_exactly_too():
    """Against every assignment of signs to the ranks."""
    differences = np.array([0.02, 0.02, 0.02, -0.02, 0.05, 0.05, 0.03, 0.0])
    (test,) = every_pair(compared(a=[0.5] * 8, b=0.5 - differences))
    known = differences[differences != 0]
    ranks = rankdata(np.abs(known))
    sums = np.array([ranks[list(signs)].sum() for signs in product([False, True], repeat=7)])
    found = ranks[known > 0].sum()
    assert test.p == pytest.approx(2 * min((sums >= found).mean(), (sums <= found).mean()))
    assert test.participants == 8


def test_of_many_people_one_with_equal_scores_is_left_out_and_the_test_stays_exact():
    """23 of one sign, two of them equal: 2 / 2²³."""
    differences = np.array([0.0, *np.linspace(0.01, 0.05, 22), 0.05])
    (test,) = every_pair(compared(a=0.5 + differences, b=[0.5] * 24))
    assert test.p == pytest.approx(2 / 2**23)


@pytest.mark.parametrize("people", [5, 12, 40])
def test_without_ties_p_is_scipys_exact_one(people):
    differences = np.random.default_rng(people).normal(0.5, 1, people)
    expected = wilcoxon(differences, method="exact").pvalue
    assert signed_rank_p(differences) == pytest.approx(expected)


def test_what_was_not_named_beforehand_is_never_called_significant():
    (test,) = every_pair(compared(a=[0.9] * 7, b=np.linspace(0.1, 0.2, 7)))
    assert test.p_holm < 0.05
    assert test.verdict == "exploratory"


def test_equal_scores_are_no_difference_and_one_participant_is_no_test():
    (alike,) = every_pair(compared(a=[0.5] * 7, b=[0.5] * 7))
    assert (alike.p, alike.verdict) == (1.0, "no difference in any participant")
    (single,) = every_pair(compared(a=[0.5], b=[0.4]))
    assert (single.p, single.low, single.effect_size) == (None, None, None)
    assert single.mean_difference == pytest.approx(0.1)
    assert single.verdict == "not tested: one participant"


def test_experiments_without_a_common_participant_are_not_compared():
    (test,) = every_pair(compared(a=[0.9] * 8, b={("other", "taps"): {"0": 0.1}}))
    assert (test.participants, test.mean_difference, test.p_holm) == (0, None, None)
    assert test.verdict == "not compared: nobody was tested in the same way by both"


def test_only_participants_of_both_experiments_count():
    (test,) = every_pair(compared(a=[0.9] * 8, b=[0.8] * 6))
    assert test.participants == 6
