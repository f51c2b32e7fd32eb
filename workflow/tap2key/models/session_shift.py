"""How far a session's taps seem to be from where they are, estimated from some of them."""

from dataclasses import dataclass

import numpy as np

from tap2key.models.key_places import Places

# Standard deviations before any tap was seen: of the shift in the middle of the keyboard, and of
# its change over 60 mm to the side or away; and how far people tap from a key's centre. In mm.
SHIFT_MM, CHANGE_MM, OVER_MM, AIM_MM = 10.0, 5.0, 60.0, 4.0
LEAST_ERROR_MM = 3.0
# A tap far off counts less (Student's t), and no key is ruled out by its place alone.
DEGREES_OF_FREEDOM = 4.0
FITTING_ROUNDS = 10
LEAST_PLACE_SCORE = -20.0
# The mean for the true key: two squared normal errors, over twice their variance.
USUAL_PLACE_SCORE = -1.0


@dataclass(frozen=True)
class Shift:
    """How far a session's taps seem to be from where they are: an affine function of the place.

    Its coefficients have a normal prior and are fitted by iteratively reweighted least squares, as
    for errors with Student's t distribution (Lange, Little and Taylor, 1989).

    Attributes:
        coefficients: [3, 2], what is added in the middle of the keyboard, and its change over
            `OVER_MM` to the right and away, in mm.
        variance: of the errors that remain, in mm² along either axis.
        places: where the labels are.
    """

    coefficients: np.ndarray
    variance: float
    places: Places

    @classmethod
    def fit(cls, seen: np.ndarray, keys: np.ndarray, places: Places) -> "Shift":
        """Fit it to labelled taps.

        Args:
            seen: [n, 2], where the taps seem to be, in mm.
            keys: [n], their keys as indices of labels, all of them with a place.
            places: where the labels are; of a key with several centres the nearest counts.
        """
        goals = places.nearest_parts(seen)[np.arange(len(keys)), keys]
        terms, errors = _terms(seen, places), goals - seen
        prior = np.diag(1 / np.array([SHIFT_MM, CHANGE_MM, CHANGE_MM]) ** 2)
        weights, variance = np.ones(len(seen)), AIM_MM**2 + LEAST_ERROR_MM**2
        for _ in range(FITTING_ROUNDS):
            weighted = (terms * (weights / variance)[:, None]).T
            coefficients = np.linalg.solve(weighted @ terms + prior, weighted @ errors)
            squares = ((errors - terms @ coefficients) ** 2).sum(axis=1)
            weights = (DEGREES_OF_FREEDOM + 2) / (DEGREES_OF_FREEDOM + squares / variance)
            variance = max(float((weights * squares).sum() / (2 * len(seen))), LEAST_ERROR_MM**2)
        return cls(coefficients, variance, places)

    def __call__(self, seen: np.ndarray) -> np.ndarray:
        """Where taps are that seem to be somewhere: [n, 2] → [n, 2] in mm."""
        return seen + _terms(seen, self.places) @ self.coefficients

    def scores(self, seen: np.ndarray) -> np.ndarray:
        """Log-likelihood of each label, from the nearest of its centres: [n, 2] → [n, labels].

        A key without a place is held to be as far off as the true key usually is.
        """
        squares = self.places.squared_distances(self(seen))
        scores = np.maximum(-squares / (2 * self.variance), LEAST_PLACE_SCORE)
        scores[:, ~self.places.placed] = USUAL_PLACE_SCORE
        return scores


def _terms(seen: np.ndarray, places: Places) -> np.ndarray:
    middle = np.nanmean(places.centres, axis=0)
    return np.column_stack([np.ones(len(seen)), (seen - middle) / OVER_MM])
