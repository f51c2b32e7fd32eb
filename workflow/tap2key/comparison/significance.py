"""What a difference between experiments is worth, with participants as the unit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from tap2key.comparison.equivalence import Posterior, correlated_t_test, correlated_variance
from tap2key.comparison.intervals import (
    LEVEL,
    NO_VARIANCE,
    Runs,
    Variance,
    mean_of_seeds,
    scores_by_seed,
    summed,
    t_interval,
    variance_from_participants,
    variance_from_seeds,
)
from tap2key.comparison.signed_ranks import signed_rank_p
from tap2key.comparison.summaries import FOLD, Compared

# Differences of equal scores differ by rounding.
DECIMALS = 12
NOBODY = "not compared: nobody was tested in the same way by both"
ONE = "not tested: one participant"
OF_FOLDS = "not tested: folds share their training taps"
ALL_ALIKE = "no difference in any participant"


@dataclass(frozen=True)
class PairedTest:
    """Two experiments compared over the participants that both have.

    `differences` are those of each participant, `first` less `second`; `low` and `high` are the
    95 % interval of their mean, `from_seeds` is what seeds add to its variance, and `tested_share`
    what a fold tests of the data. `folds_matter` where folds that test several differ by more than
    their participants do, which p does not count. Numbers are None where there are too few
    participants for them.
    """

    first: str
    second: str
    participants: int
    differences: tuple[float, ...] = ()
    mean_difference: float | None = None
    low: float | None = None
    high: float | None = None
    folds_matter: bool = False
    from_seeds: Variance = NO_VARIANCE
    tested_share: float | None = None
    effect_size: float | None = None
    p: float | None = None
    p_holm: float | None = None
    verdict: str = ""

    def posterior(self, region: float) -> Posterior | None:
        """How probable it is that the difference is practically nil; None of one participant.

        See `correlated_t_test`.
        """
        if self.participants < 2:
            return None
        differences = np.array(self.differences)
        return correlated_t_test(differences, region, self.from_seeds, self.tested_share)


def paired_test(first: Compared, second: Compared) -> PairedTest:
    """Compare two experiments over the participants that both tested in the same way.

    p is that of Wilcoxon's exact signed-rank test, two-sided. The interval is Student's t of the
    differences of the participants' means over seeds, with the variance from seeds added, and that
    from folds that test several. The effect size is Cohen's d_z: mean by standard deviation of the
    differences. Over the folds of one participant there is no p, and the interval takes into
    account that they share training data, as `correlated_t_test` does (Nadeau and Bengio, 2003).

    Args:
        first: the one whose score the difference starts from.
        second: the one whose score is taken off. Only keys of `people` that both share are
            compared, so a key names the participant and all that must be alike.
    """
    both = [key for key in first.people if key in second.people]
    if not both:
        return PairedTest(first.name, second.name, 0, verdict=NOBODY)
    own, others = ([each.people[key] for key in both] for each in (first, second))
    differences = np.round(
        [mean_of_seeds(a) - mean_of_seeds(b) for a, b in zip(own, others, strict=True)], DECIMALS
    )
    mean = float(differences.mean())
    test = PairedTest(first.name, second.name, len(both))
    test = replace(test, differences=tuple(differences.tolist()), mean_difference=mean)
    if len(both) == 1:
        return replace(test, verdict=ONE)
    seeds = seeds_of_difference(own, others)
    known = [each.tested_share for each in (first, second) if each.tested_share is not None]
    share, sd = max(known, default=None), float(differences.std(ddof=1))
    if first.unit == FOLD:
        spread = correlated_variance(differences, share)
    else:
        # Where their folds differ, by those that matter more.
        by_folds = [
            variance_from_participants(differences, each.folds_of(both)) for each in (first, second)
        ]
        spread = max(by_folds, key=lambda part: float(part.value))
    low, high = t_interval(mean, spread, seeds).tolist()
    test = replace(test, low=low, high=high, effect_size=mean / sd if sd else None)
    matter = bool(spread.freedom < len(both) - 1)
    test = replace(test, from_seeds=seeds, tested_share=share, folds_matter=matter)
    if not differences.any():
        return replace(test, p=1.0, verdict=ALL_ALIKE)
    if first.unit == FOLD:
        return replace(test, verdict=OF_FOLDS)
    return replace(test, p=signed_rank_p(differences))


def seeds_of_difference(own: Sequence[Runs], others: Sequence[Runs]) -> Variance:
    """What seeds that move everybody add to the variance of a mean difference.

    A seed draws the validation people of all experiments alike, so where both have the same seeds
    it is their differences that vary; otherwise each experiment's seeds add their part.

    Args:
        own: each participant's scores.
        others: theirs in the other experiment.
    """
    pairs = list(zip(own, others, strict=True))
    if all(a.keys() == b.keys() for a, b in pairs):
        differences = [{seed: a[seed] - b[seed] for seed in a} for a, b in pairs]
        return variance_from_seeds(scores_by_seed(differences))
    return summed(*(variance_from_seeds(scores_by_seed(runs)) for runs in (own, others)))


def with_holm(tests: Sequence[PairedTest], comparisons: int = 0) -> list[PairedTest]:
    """The tests of one family, with p-values corrected for there being several.

    Args:
        tests: those that were made.
        comparisons: how many were named, if more than have a p.
    """
    tested = [test.p for test in tests if test.p is not None]
    corrected = iter(holm(tested, comparisons))
    return [t if t.p is None else replace(t, p_holm=next(corrected)) for t in tests]


def every_pair(experiments: Mapping[str, Compared]) -> list[PairedTest]:
    """Every pair of experiments, corrected together, to explore what was not named beforehand."""
    tests = [paired_test(*pair) for pair in combinations(experiments.values(), 2)]
    return [replace(t, verdict=t.verdict or "exploratory") for t in with_holm(tests)]


def holm(p_values: Sequence[float], comparisons: int = 0) -> list[float]:
    """Holm's step-down correction (1979) of p-values for testing several at once.

    Args:
        p_values: of the tests that were made.
        comparisons: how many the family has, if more; what was not tested counts as p = 1.
    """
    order, family = np.argsort(p_values), max(len(p_values), comparisons)
    corrected = np.empty(len(order))
    running = 0.0
    for rank, index in enumerate(order):
        running = max(running, min(1.0, (family - rank) * p_values[index]))
        corrected[index] = running
    return corrected.tolist()


def fewest_participants(comparisons: int) -> int:
    """The fewest with whom one of several comparisons can be significant after Holm's correction.

    If all n differences have one sign, the exact two-sided p is 2¹⁻ⁿ, and the smallest p of a
    family is multiplied by how many comparisons it has.
    """
    participants = 1
    while comparisons * 2.0 ** (1 - participants) >= 1 - LEVEL:
        participants += 1
    return participants
