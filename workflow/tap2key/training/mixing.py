"""Training taps mixed with one another, which teach their keys in the same shares.

Source:
    Zhang, H., Cisse, M., Dauphin, Y. N., Lopez-Paz, D. (2018), mixup: Beyond empirical risk
        minimization, Int. Conf. Learning Representations.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# After a row's own seed, so that what it is mixed with says nothing of how it is augmented.
STREAM = 1


@dataclass(frozen=True)
class Mixture:
    """What each of some rows is mixed with.

    Attributes:
        partners: [n], numbers of rows.
        shares: [n] float32 from 0.5 to 1, what is kept of the row itself.
    """

    partners: np.ndarray
    shares: np.ndarray

    @classmethod
    def drawn(cls, mixup: float, rows: int, seeds: Sequence[tuple[int, ...]]) -> "Mixture":
        """Draw a partner and a share for each of some rows.

        Args:
            mixup: both parameters of the beta distribution of shares, above 0.
            rows: how many there are to draw partners from.
            seeds: [n], what each row's randomness is derived from; the same seed draws the same,
                whatever else is in the batch.
        """
        partners = np.empty(len(seeds), dtype=np.int64)
        shares = np.empty(len(seeds), dtype=np.float32)
        for at, seed in enumerate(seeds):
            rng = np.random.default_rng((*seed, STREAM))
            partners[at] = rng.integers(rows)
            share = rng.beta(mixup, mixup)
            shares[at] = max(share, 1 - share)
        return cls(partners, shares)

    def of(self, own: np.ndarray, partners: np.ndarray) -> np.ndarray:
        """Mix: [n, values] of the rows, [n, values] of their partners → [n, values]."""
        shares = self.shares[:, None]
        return shares * own + (1 - shares) * partners
