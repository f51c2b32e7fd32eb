"""What a difference between experiments is worth, with participants as the unit."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from scipy.stats import PermutationMethod, wilcoxon

RESAMPLES = 10_000
LEVEL = 0.95
# With fewer, even a difference of one sign in everybody has an exact two-sided p above 0.05 (2⁻⁴).
FEWEST_FOR_SIGNIFICANCE = 6
# All 2ⁿ signs are tried up to here, exact with ties too; above, SciPy's exact distribution, or its
# approximation where two differences are equal.
MOST_TO_PERMUTE = 16
# Differences of equal scores differ by rounding.
DECIMALS = 12


@dataclass(frozen=True)
class PairedTest:
    """Two experiments compared over the participants that both have.

    `low` and `high` are the bootstrap interval of the mean difference, `first` less `second`.
    Numbers are None where there is nothing to compare, `p` and `p_holm` where no test can be made.
    """

    first: str
    second: str
    participants: int
    mean_difference: float | None
    low: float | None
    high: float | None
    p: float | None
    p_holm: float | None
    verdict: str


def bootstrap_interval(scores: Sequence[float] | np.ndarray, seed: int = 0) -> tuple[float, float]:
    """A 95 % percentile interval of the mean over participants (Efron and Tibshirani, 1993).

    Participants are drawn with replacement 10,000 times; their taps stay together, since the taps
    of one person are not independent.
    """
    values = np.asarray(scores, dtype=float)
    draws = np.random.default_rng(seed).integers(0, len(values), (RESAMPLES, len(values)))
    tails = (1 - LEVEL) / 2
    low, high = np.quantile(values[draws].mean(axis=1), [tails, 1 - tails])
    return float(low), float(high)


def paired_tests(scores: Mapping[str, Mapping[Hashable, float]]) -> list[PairedTest]:
    """Wilcoxon's exact signed-rank test of every pair of experiments, with Holm's correction.

    Args:
        scores: by experiment, each participant's score. Only keys that two experiments share are
            compared, so a key names the participant and all that must be alike.
    """
    raw = [_paired(first, second, scores) for first, second in combinations(scores, 2)]
    tested = {(test.first, test.second): test.p for test in raw if test.p is not None}
    corrected = dict(zip(tested, holm(list(tested.values())), strict=True))
    return [_judged(test, corrected.get((test.first, test.second))) for test in raw]


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction (1979) of p-values for testing several at once."""
    order = np.argsort(p_values)
    corrected = np.empty(len(order))
    running = 0.0
    for rank, index in enumerate(order):
        running = max(running, min(1.0, (len(order) - rank) * p_values[index]))
        corrected[index] = running
    return corrected.tolist()


def _paired(first: str, second: str, scores: Mapping[str, Mapping[Hashable, float]]) -> PairedTest:
    both = [key for key in scores[first] if key in scores[second]]
    differences = np.round([scores[first][key] - scores[second][key] for key in both], DECIMALS)
    if not both:
        return PairedTest(first, second, 0, None, None, None, None, None, "")
    p = None
    if len(both) >= FEWEST_FOR_SIGNIFICANCE and differences.any():
        few = len(both) <= MOST_TO_PERMUTE
        method = PermutationMethod(n_resamples=np.inf) if few else "auto"
        p = float(wilcoxon(differences, method=method).pvalue)
    mean, interval = float(differences.mean()), bootstrap_interval(differences)
    return PairedTest(first, second, len(both), mean, *interval, p, None, "")


def _judged(test: PairedTest, p_holm: float | None) -> PairedTest:
    if not test.participants:
        verdict = "not compared: nobody was tested in the same way by both"
    elif test.participants < FEWEST_FOR_SIGNIFICANCE:
        verdict = (
            f"too few participants ({test.participants}) for a test, need at least "
            f"{FEWEST_FOR_SIGNIFICANCE}"
        )
    elif p_holm is None:
        verdict = "no difference in any participant"
    else:
        verdict = "significant" if p_holm < 1 - LEVEL else "not significant"
    return replace(test, p_holm=p_holm, verdict=verdict)
