"""Intervals of means over participants that cover what they claim, however few people there are."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

LEVEL = 0.95
# A participant's score in each run, by seed.
Runs = Mapping[str, float]
Interval = tuple[float, float] | tuple[None, None]


@dataclass(frozen=True)
class Variance:
    """Estimates of a variance, [...] of as many studies, and their degrees of freedom."""

    value: np.ndarray
    freedom: float


def mean_of_seeds(runs: Runs) -> float:
    """A participant's score: the mean over their runs."""
    return float(np.mean(list(runs.values())))


def scores_by_seed(people: Collection[Runs]) -> np.ndarray:
    """Scores, [participants, seeds], of the seeds that all participants have."""
    common = sorted(set.intersection(*(set(runs) for runs in people)))
    return np.array([[runs[seed] for seed in common] for runs in people])


def variance_from_participants(values: np.ndarray) -> Variance:
    """The variance of the mean that comes from who takes part, s²/n, with n − 1 degrees.

    Args:
        values: [..., n ≥ 2], one of each participant. Where they are means over seeds, s² holds
            what seeds do to single participants too.
    """
    participants = np.shape(values)[-1]
    return Variance(np.var(values, axis=-1, ddof=1) / participants, participants - 1)


def variance_from_seeds(scores: np.ndarray) -> Variance:
    """The variance of the mean over participants that comes from seeds shared by all of them.

    The model is y[i, j] = μ + a[i] + b[j] + e[i, j] of participant i and seed j, all random and
    independent. What e adds is in s²/n already; what b adds, σ_b²/S, is not, and is estimated by
    the method of moments: (v − MSE/n)/S, but at least 0, with v the variance over the S seeds of
    the participants' mean and MSE the mean square of what a and b leave over (Searle, Casella and
    McCulloch, Variance Components, 1992, ch. 4). Of one seed nothing can be told, and it is 0.

    Args:
        scores: [..., n, S], of each participant and seed.
    """
    *studies, participants, seeds = np.shape(scores)
    if seeds < 2:
        return Variance(np.zeros(studies), 1)
    of_seeds = scores.mean(axis=-2, keepdims=True)
    rest = scores - scores.mean(axis=-1, keepdims=True) - of_seeds
    rest = rest + scores.mean(axis=(-2, -1), keepdims=True)
    # Of one participant, chance and seed cannot be told apart, and all counts as the seed's.
    freedom = max((participants - 1) * (seeds - 1), 1)
    left_over = (rest**2).sum(axis=(-2, -1)) / freedom
    of_all = of_seeds.squeeze(-2).var(axis=-1, ddof=1)
    return Variance(np.maximum(of_all - left_over / participants, 0) / seeds, seeds - 1)


def t_interval(mean: np.ndarray | float, *parts: Variance) -> np.ndarray:
    """95 % intervals, [2, ...], of means whose variances are sums of independent estimates.

    Student's t, with the degrees of freedom of Welch (1947) and Satterthwaite (1946).

    Args:
        mean: [...].
        parts: estimates of variances.
    """
    total = np.sum([part.value for part in parts], axis=0)
    terms = np.sum([part.value**2 / part.freedom for part in parts], axis=0)
    # Without any variance the degrees of freedom do not matter.
    freedom = np.where(total > 0, total**2 / np.where(terms > 0, terms, 1), 1)
    half = stdtrit(freedom, (1 + LEVEL) / 2) * np.sqrt(total)
    return np.stack([mean - half, mean + half])


def mean_interval(people: Collection[Runs]) -> Interval:
    """The 95 % interval of the mean over participants of scores from 0 to 1.

    Participants are the unit, as the taps of one person are not independent. One participant has
    none.
    """
    if len(people) < 2:
        return None, None
    values = np.array([mean_of_seeds(runs) for runs in people])
    parts = variance_from_participants(values), variance_from_seeds(scores_by_seed(people))
    low, high = t_interval(values.mean(), *parts).clip(0, 1).tolist()
    return low, high
