"""What a difference between experiments is worth, with participants as the unit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.stats import wilcoxon

RESAMPLES = 10_000
LEVEL = 0.95
# With fewer, even a difference of one sign in everybody has an exact two-sided p above 0.05 (2⁻⁴).
FEWEST_FOR_SIGNIFICANCE = 6


@dataclass(frozen=True)
class PairedTest:
    """Two experiments compared over the participants that both have.

    `p` and `p_holm` are None where no test can be made.
    """

    first: str
    second: str
    participants: int
    mean_difference: float
    p: float | None
    p_holm: float | None
    verdict: str


def bootstrap_interval(scores: Sequence[float], seed: int = 0) -> tuple[float, float]:
    """A 95 % percentile interval of the mean over participants (Efron and Tibshirani, 1993).

    Participants are drawn with replacement 10,000 times; their taps stay together, since the taps
    of one person are not independent.
    """
    values = np.asarray(scores, dtype=float)
    draws = np.random.default_rng(seed).integers(0, len(values), (RESAMPLES, len(values)))
    tails = (1 - LEVEL) / 2
    low, high = np.quantile(values[draws].mean(axis=1), [tails, 1 - tails])
    return float(low), float(high)


def paired_tests(scores: Mapping[str, Mapping[str, float]]) -> list[PairedTest]:
    """Wilcoxon's exact signed-rank test of every pair of experiments, with Holm's correction.

    Args:
        scores: by experiment, each participant's score.
    """
    raw = [_paired(first, second, scores) for first, second in combinations(scores, 2)]
    tested = [test for test in raw if test.p is not None]
    corrected = dict(
        zip([(t.first, t.second) for t in tested], holm([t.p for t in tested]), strict=True)
    )
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


def _paired(first: str, second: str, scores: Mapping[str, Mapping[str, float]]) -> PairedTest:
    both = sorted(set(scores[first]) & set(scores[second]))
    differences = np.array([scores[first][p] - scores[second][p] for p in both])
    average = float(differences.mean()) if len(both) else float("nan")
    p = None
    if len(both) >= FEWEST_FOR_SIGNIFICANCE and differences.any():
        p = float(wilcoxon(differences, method="exact" if differences.all() else "auto").pvalue)
    return PairedTest(first, second, len(both), average, p, None, "")


def _judged(test: PairedTest, p_holm: float | None) -> PairedTest:
    if test.participants < FEWEST_FOR_SIGNIFICANCE:
        verdict = (
            f"no significance can be had with {test.participants} participants "
            f"(at least {FEWEST_FOR_SIGNIFICANCE} are needed)"
        )
    elif p_holm is None:
        verdict = "no difference in any participant"
    else:
        verdict = "significant" if p_holm < 1 - LEVEL else "not significant"
    return PairedTest(
        test.first, test.second, test.participants, test.mean_difference, test.p, p_holm, verdict
    )
