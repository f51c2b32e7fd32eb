from itertools import product

import numpy as np
import pytest
from scipy.stats import rankdata, wilcoxon

from tap2key.__main__ import main
from tap2key.comparison.power import critical_sum, power, smallest_effect
from tap2key.comparison.significance import fewest_participants, holm


@pytest.mark.parametrize("comparisons", [1, 2, 5, 6, 20, 78])
def test_the_fewest_participants_are_those_with_whom_wilcoxon_and_holm_can_be_significant(
    comparisons,
):
    """Against the tests themselves, at their most significant: all differences of one sign."""

    def can_be(participants):
        p = wilcoxon(np.arange(1.0, participants + 1), method="exact").pvalue
        return min(holm([p] * comparisons)) < 0.05

    needed = fewest_participants(comparisons)
    assert can_be(needed) and not can_be(needed - 1)


def test_the_critical_sum_is_that_of_all_signs():
    ranks = rankdata(range(7))
    sums = np.array([ranks[list(signs)].sum() for signs in product([False, True], repeat=7)])
    for level in (0.05, 0.02):
        least = critical_sum(7, level)
        assert 2 * (sums >= least).mean() < level <= 2 * (sums >= least - 1).mean()
    assert critical_sum(5, 0.05) is None


def test_power_is_the_share_of_significant_tests():
    rng = np.random.default_rng(3)
    studies = rng.normal(1.0, 1, (4000, 12))
    for comparisons in (1, 6):
        share = (wilcoxon(studies, axis=1, method="exact").pvalue < 0.05 / comparisons).mean()
        assert power(12, comparisons, 1.0) == pytest.approx(share, abs=0.03)
    assert power(6, 6, 5.0) == 0


def test_the_smallest_effect_has_the_power_asked_for():
    effect = smallest_effect(24, 6)
    assert power(24, 6, effect) >= 0.8 > power(24, 6, effect - 0.02)
    assert smallest_effect(6, 6) is None


def test_the_stage_prints_a_row_for_each_design(capsys):
    assert main(["power", "--participants", "6", "12", "--comparisons", "6"]) == 0
    head, six, twelve = (line.split("\t") for line in capsys.readouterr().out.splitlines())
    assert dict(zip(head, six, strict=True))["needs_participants"] == "8"
    assert (six[3:-1], six[-1]) == (["0.00"] * 4, "")
    assert float(twelve[-1]) == pytest.approx(smallest_effect(12, 6), abs=0.01)
    assert main(["power", "--participants", "0"]) == 1
    assert "--participants is 0; it must be from 1 to 200" in capsys.readouterr().err
