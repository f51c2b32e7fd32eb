"""Whether a network names validation taps better than always naming the commonest key would."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import binomtest

# Of a thousand networks that always name one key, one would be taken for better than that.
SIGNIFICANCE_LEVEL = 0.001


@dataclass(frozen=True)
class Chance:
    """How many of some validation taps a network names rightly, and how many are one key's.

    Attributes:
        taps: validation taps.
        right: those named rightly.
        commonest: those of the commonest key.
    """

    taps: int
    right: int
    commonest: int

    @classmethod
    def of(cls, logits: np.ndarray, truth: np.ndarray) -> "Chance":
        """Count them.

        Args:
            logits: [taps, labels].
            truth: [taps], indices of labels.
        """
        right = int((logits.argmax(axis=1) == truth).sum())
        return cls(len(truth), right, int(np.bincount(truth).max()))

    @property
    def accuracy(self) -> float:
        """Share of the taps that are named rightly."""
        return self.right / self.taps

    @property
    def commonest_share(self) -> float:
        """The accuracy of always naming the commonest key."""
        return self.commonest / self.taps

    @property
    def p(self) -> float:
        """How likely so many are right where each is with the commonest key's share.

        An exact binomial test, one-sided (Clopper and Pearson, 1934).
        """
        test = binomtest(self.right, self.taps, self.commonest_share, alternative="greater")
        return float(test.pvalue)

    @property
    def at_chance(self) -> bool | None:
        """Whether it is no better; None where all taps named rightly would not show it either."""
        if self.commonest_share**self.taps >= SIGNIFICANCE_LEVEL:
            return None
        return self.p >= SIGNIFICANCE_LEVEL

    def as_dict(self) -> dict[str, Any]:
        """As a model's metadata hold it."""
        return {
            "taps": self.taps,
            "accuracy": self.accuracy,
            "commonest_share": self.commonest_share,
            "chance_p": self.p,
            "at_chance": self.at_chance,
        }

    def __str__(self) -> str:
        """In words."""
        return (
            f"{self.right} of {self.taps} validation taps named rightly, and always naming the "
            f"commonest key gives {self.commonest} (one-sided binomial test, p = {self.p:.2g})"
        )
