"""Intervals of means over participants that cover what they claim, however few people there are."""

from collections.abc import Collection, Hashable, Mapping, Sequence
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
    freedom: np.ndarray | float


NO_VARIANCE = Variance(np.zeros(()), 1)


def mean_of_seeds(runs: Runs) -> float:
    """A participant's score: the mean over their runs."""
    return float(np.mean(list(runs.values())))


def scores_by_seed(people: Collection[Runs]) -> np.ndarray:
    """Scores, [participants, seeds], of the seeds that all participants have."""
    common = sorted(set.intersection(*(set(runs) for runs in people)))
    return np.array([[runs[seed] for seed in common] for runs in people])


def variance_from_participants(
    values: np.ndarray, folds: Sequence[Hashable] | None = None
) -> Variance:
    """The variance of the mean that comes from who takes part, s²/n, with n − 1 degrees.

    Where folds test several participants each, what a fold's training people do to all whom it
    tests is in s²/n as if it were drawn anew for each of them. Its variance σ_f² is estimated by
    the method of moments of the one-way classification (Searle, Casella and McCulloch, Variance
    Components, 1992, ch. 3). Where that is above 0, what s²/n lacks of it is added, and the degrees
    are one less than there are folds: of as many people in each, the sum is the mean square
    between folds by n.

    Args:
        values: [..., n ≥ 2], one of each participant. Where they are means over seeds, s² holds
            what seeds do to single participants too.
        folds: [n], in which fold each was tested; None where each was in one of their own. Of one
            fold for all, nothing can be told.
    """
    people = np.shape(values)[-1]
    alone = np.var(values, axis=-1, ddof=1) / people
    names, of_each = np.unique([str(f) for f in folds or range(people)], return_inverse=True)
    if len(names) in (1, people):
        return Variance(alone, people - 1)
    sizes = np.bincount(of_each)
    member = (of_each == np.arange(len(names))[:, None]).astype(float)
    means = values @ member.T / sizes
    within = ((values - means[..., of_each]) ** 2).sum(axis=-1) / (people - len(names))
    overall = values.mean(axis=-1, keepdims=True)
    between = (sizes * (means - overall) ** 2).sum(axis=-1) / (len(names) - 1)
    squares = (sizes**2).sum() / people
    of_fold = np.maximum(between - within, 0) * (len(names) - 1) / (people - squares)
    lacking = squares / people - (people - squares) / (people * (people - 1))
    return Variance(alone + of_fold * lacking, np.where(of_fold > 0, len(names) - 1, people - 1))


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


def summed(*parts: Variance) -> Variance:
    """The sum of independent estimates, with the degrees of freedom of Satterthwaite (1946)."""
    total = np.sum([part.value for part in parts], axis=0)
    terms = np.sum([part.value**2 / part.freedom for part in parts], axis=0)
    # Without any variance the degrees of freedom do not matter.
    return Variance(total, np.where(total > 0, total**2 / np.where(terms > 0, terms, 1), 1))


def t_interval(mean: np.ndarray | float, *parts: Variance) -> np.ndarray:
    """95 % intervals, [2, ...], of means whose variances are sums of independent estimates.

    Student's t, with the degrees of freedom of Welch (1947) and Satterthwaite (1946).

    Args:
        mean: [...].
        parts: estimates of variances.
    """
    total = summed(*parts)
    half = stdtrit(total.freedom, (1 + LEVEL) / 2) * np.sqrt(total.value)
    return np.stack([mean - half, mean + half])


def mean_interval(people: Collection[Runs], folds: Sequence[Hashable] | None = None) -> Interval:
    """The 95 % interval of the mean over participants of scores from 0 to 1.

    Participants are the unit, as the taps of one person are not independent. One participant has
    none.

    Args:
        people: everybody's scores.
        folds: in which fold each was tested, where each was in one.
    """
    if len(people) < 2:
        return None, None
    values = np.array([mean_of_seeds(runs) for runs in people])
    parts = variance_from_participants(values, folds), variance_from_seeds(scores_by_seed(people))
    low, high = t_interval(values.mean(), *parts).clip(0, 1).tolist()
    return low, high
