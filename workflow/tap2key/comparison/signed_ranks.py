"""The exact distribution of Wilcoxon's signed-rank statistic, for any number of people and ties."""

from collections.abc import Iterable

import numpy as np
from scipy.stats import rankdata


def null_distribution(ranks: Iterable[int]) -> np.ndarray:
    """How probable each sum of the ranks of one sign is if signs are chance: [all ranks' sum + 1].

    Every rank has either sign, so that the sums' counts are the coefficients of the product of
    (1 + x^k) over all ranks k (Wilcoxon, 1945).
    """
    probable = np.ones(1)
    for rank in ranks:
        probable = (np.pad(probable, (0, rank)) + np.pad(probable, (rank, 0))) / 2
    return probable


def signed_rank_p(differences: np.ndarray) -> float:
    """The two-sided p of the exact signed-rank test; equal differences share their ranks' mean.

    Differences of 0 are left out. SciPy's test is exact only up to 50 of them and without ties, or
    where all signs can be tried.

    Args:
        differences: [n], not all 0.
    """
    known = differences[differences != 0]
    # Doubled, means of ranks are whole numbers.
    ranks = np.rint(2 * rankdata(np.abs(known))).astype(int)
    probable, found = null_distribution(ranks.tolist()), ranks[known > 0].sum()
    return float(min(1, 2 * min(probable[: found + 1].sum(), probable[found:].sum())))
