"""How probable it is that a difference between two experiments is practically nil."""

import math
from dataclasses import dataclass

import numpy as np
from scipy.stats import t


@dataclass(frozen=True)
class Posterior:
    """Probabilities that a difference is below, inside and above the region of equivalence."""

    worse: float
    equivalent: float
    better: float


def correlated_t_test(
    differences: np.ndarray, region: float, from_seeds: float = 0.0, folds: int | None = None
) -> Posterior:
    """The Bayesian correlated t-test (Corani and Benavoli, Machine Learning 100, 2015; Benavoli,
    Corani, Demšar and Zaffalon, JMLR 18, 2017, section 4.1).

    The posterior of the mean difference is Student's t with n − 1 degrees of freedom around the
    mean of the differences, with the squared scale (1/n + ρ/(1 − ρ)) s². The folds' models share
    training data, so their results correlate: ρ is the share of the data that a fold tests
    (Nadeau and Bengio, 2003), which is 1/n where each participant is one fold.

    Args:
        differences: [n ≥ 2], one of each participant.
        region: differences from −region to region are practically nil.
        from_seeds: variance of the mean that seeds shared by all participants add; it widens the
            posterior as it does the interval.
        folds: how many there are, where each tests several participants, at least 2.
    """
    participants = len(differences)
    correlation = 1 / min(participants, folds or participants)
    mean = float(np.mean(differences))
    spread = float(np.std(differences, ddof=1))
    of_folds = 1 / participants + correlation / (1 - correlation)
    scale = math.sqrt(spread**2 * of_folds + from_seeds)
    if scale == 0:
        return Posterior(float(mean < -region), float(abs(mean) <= region), float(mean > region))
    posterior = t(participants - 1, mean, scale)
    worse, better = float(posterior.cdf(-region)), float(posterior.sf(region))
    return Posterior(worse, max(0.0, 1 - worse - better), better)
