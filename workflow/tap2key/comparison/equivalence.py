"""How probable it is that a difference between two experiments is practically nil."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import t

from tap2key.comparison.intervals import NO_VARIANCE, Variance, summed


@dataclass(frozen=True)
class Posterior:
    """Probabilities that a difference is below, inside and above the region of equivalence."""

    worse: float
    equivalent: float
    better: float


def correlated_variance(differences: np.ndarray, tested_share: float | None) -> Variance:
    """The variance of a mean over folds whose models share training data: (1/n + ρ/(1 − ρ)) s².

    Their results correlate; ρ is the share of the data that a fold tests (Nadeau and Bengio,
    Machine Learning 52, 2003).

    Args:
        differences: [n ≥ 2].
        tested_share: ρ; None takes 1/n, as where each participant is one fold.
    """
    n = len(differences)
    correlation = 1 / n if tested_share is None else max(tested_share, 1 / n)
    of_folds = 1 / n + correlation / (1 - correlation)
    return Variance(np.var(differences, ddof=1) * of_folds, n - 1)


def correlated_t_test(
    differences: np.ndarray,
    region: float,
    from_seeds: Variance = NO_VARIANCE,
    tested_share: float | None = None,
) -> Posterior:
    """The Bayesian correlated t-test (Corani and Benavoli, Machine Learning 100, 2015; Benavoli,
    Corani, Demšar and Zaffalon, JMLR 18, 2017, section 4.1).

    The posterior of the mean difference is Student's t around the mean of the differences, with
    the variance of `correlated_variance` and n − 1 degrees of freedom.

    Args:
        differences: [n ≥ 2], one of each participant.
        region: differences from −region to region are practically nil.
        from_seeds: variance of the mean that seeds shared by all participants add; it widens the
            posterior as it does the interval, with Satterthwaite's degrees of freedom.
        tested_share: of the data, what a fold tests.
    """
    mean = float(np.mean(differences))
    spread = summed(correlated_variance(differences, tested_share), from_seeds)
    if not spread.value:
        return Posterior(float(mean < -region), float(abs(mean) <= region), float(mean > region))
    posterior = t(spread.freedom, mean, np.sqrt(spread.value))
    worse, better = float(posterior.cdf(-region)), float(posterior.sf(region))
    return Posterior(worse, max(0.0, 1 - worse - better), better)
