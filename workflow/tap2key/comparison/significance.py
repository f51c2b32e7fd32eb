"""What a difference between experiments is worth, with participants as the unit."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from scipy.stats import PermutationMethod, wilcoxon

from tap2key.comparison.equivalence import Posterior, correlated_t_test
from tap2key.comparison.intervals import (
    LEVEL,
    Runs,
    mean_of_seeds,
    scores_by_seed,
    t_interval,
    variance_from_participants,
    variance_from_seeds,
)

# All 2ⁿ signs are tried up to here, exact with ties too; above, SciPy's exact distribution, or its
# approximation where two differences are equal.
MOST_TO_PERMUTE = 16
# Differences of equal scores differ by rounding.
DECIMALS = 12
NOBODY = "not compared: nobody was tested in the same way by both"
ONE = "not tested: one participant"
ALL_ALIKE = "no difference in any participant"
# By all that must be alike where two experiments are compared.
People = Mapping[Hashable, Runs]


@dataclass(frozen=True)
class PairedTest:
    """Two experiments compared over the participants that both have.

    `differences` are those of each participant, `first` less `second`; `low` and `high` are the
    95 % interval of their mean, `from_seeds` is what seeds add to its variance. Numbers are None
    where there are too few participants for them.
    """

    first: str
    second: str
    participants: int
    differences: tuple[float, ...] = ()
    mean_difference: float | None = None
    low: float | None = None
    high: float | None = None
    from_seeds: float = 0.0
    effect_size: float | None = None
    p: float | None = None
    p_holm: float | None = None
    verdict: str = ""

    def posterior(self, region: float, folds: int | None = None) -> Posterior | None:
        """How probable it is that the difference is practically nil; None of one participant.

        See `correlated_t_test`.
        """
        if self.participants < 2:
            return None
        return correlated_t_test(np.array(self.differences), region, self.from_seeds, folds)


def paired_test(first: str, second: str, people: Mapping[str, People]) -> PairedTest:
    """Compare two experiments over the participants that both tested in the same way.

    p is that of Wilcoxon's exact signed-rank test, two-sided. The interval is Student's t of the
    differences of the participants' means over seeds, with the variance from each experiment's
    seeds added. The effect size is Cohen's d_z: mean by standard deviation of the differences.

    Args:
        first: the one whose score the difference starts from.
        second: the one whose score is taken off.
        people: by experiment, each participant's scores by seed. Only keys that both share are
            compared, so a key names the participant and all that must be alike.
    """
    both = [key for key in people[first] if key in people[second]]
    if not both:
        return PairedTest(first, second, 0, verdict=NOBODY)
    own, others = ([people[name][key] for key in both] for name in (first, second))
    differences = np.round(
        [mean_of_seeds(a) - mean_of_seeds(b) for a, b in zip(own, others, strict=True)], DECIMALS
    )
    mean, test = float(differences.mean()), PairedTest(first, second, len(both))
    test = replace(test, differences=tuple(differences.tolist()), mean_difference=mean)
    if len(both) == 1:
        return replace(test, verdict=ONE)
    spread = variance_from_participants(differences)
    seeds = [variance_from_seeds(scores_by_seed(runs)) for runs in (own, others)]
    low, high = t_interval(mean, spread, *seeds).tolist()
    sd = float(differences.std(ddof=1))
    test = replace(test, low=low, high=high, effect_size=mean / sd if sd else None)
    test = replace(test, from_seeds=sum(float(part.value) for part in seeds))
    if not differences.any():
        return replace(test, p=1.0, verdict=ALL_ALIKE)
    few = len(both) <= MOST_TO_PERMUTE
    method = PermutationMethod(n_resamples=np.inf) if few else "auto"
    return replace(test, p=float(wilcoxon(differences, method=method).pvalue))


def with_holm(tests: Sequence[PairedTest]) -> list[PairedTest]:
    """The tests of one family, with p-values corrected for there being several."""
    tested = [test.p for test in tests if test.p is not None]
    corrected = iter(holm(tested))
    return [t if t.p is None else replace(t, p_holm=next(corrected)) for t in tests]


def every_pair(people: Mapping[str, People]) -> list[PairedTest]:
    """Every pair of experiments, corrected together, to explore what was not named beforehand."""
    tests = [paired_test(first, second, people) for first, second in combinations(people, 2)]
    return [replace(t, verdict=t.verdict or "exploratory") for t in with_holm(tests)]


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction (1979) of p-values for testing several at once."""
    order = np.argsort(p_values)
    corrected = np.empty(len(order))
    running = 0.0
    for rank, index in enumerate(order):
        running = max(running, min(1.0, (len(order) - rank) * p_values[index]))
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
