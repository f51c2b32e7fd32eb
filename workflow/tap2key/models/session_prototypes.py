"""What each key sounds like in a session, by labelled taps of it."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import cdist

# Probabilities below this are alike: how unlikely a far key is says nothing.
FLOOR = 0.02
PROTOTYPE_WEIGHT = 0.5


@dataclass(frozen=True)
class Prototypes:
    """The mean labelled tap of each key, in centred log-probabilities.

    Attributes:
        keys: [known], indices of the labels that have a labelled tap.
        means: [known, labels].
        usual: the usual squared distance from one to the next.
    """

    keys: np.ndarray
    means: np.ndarray
    usual: float

    @classmethod
    def fit(cls, labelled: np.ndarray, keys: np.ndarray) -> "Prototypes | None":
        """Those of labelled taps; None of fewer than two keys, or if keys sound alike to the model.

        Args:
            labelled: [n, labels], their probabilities.
            keys: [n], their keys as indices of labels.
        """
        known = np.unique(keys)
        if len(known) < 2:
            return None
        means = np.stack([_centred_log(labelled[keys == key]).mean(axis=0) for key in known])
        apart = cdist(means, means, "sqeuclidean")
        np.fill_diagonal(apart, np.inf)
        usual = float(np.median(apart.min(axis=1)))
        # A model at chance may answer the same whatever it is asked.
        return cls(known, means, usual) if usual > 0 else None

    def scores(self, wanted: np.ndarray) -> np.ndarray:
        """How near taps are to each key's prototype: [n, labels] → [n, labels] log-likelihoods.

        A key without a labelled tap is held to be at the usual distance.
        """
        distances = cdist(_centred_log(wanted), self.means, "sqeuclidean")
        scores = np.full(wanted.shape, -PROTOTYPE_WEIGHT)
        scores[:, self.keys] = -PROTOTYPE_WEIGHT * distances / self.usual
        return scores


def _centred_log(probabilities: np.ndarray) -> np.ndarray:
    logs = np.log(probabilities + FLOOR)
    return logs - logs.mean(axis=1, keepdims=True)
