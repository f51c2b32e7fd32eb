"""How far a session's taps seem to be from where they are, estimated from some of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tap2key.models.key_places import Places

# Standard deviations before any tap was seen, in mm: of the shift in the middle of the keyboard, of
# its change over 60 mm to the right and away, and of its quadratic terms over as much. Taps whose
# keys are guessed are believed less, and nothing of what bends.
OVER_MM = 60.0
OF_LABELLED_MM = (20.0, 15.0, 15.0, 4.0, 4.0, 4.0)
OF_GUESSED_MM = (10.0, 5.0, 5.0)
# How far people tap from a key's centre.
AIM_MM = 4.0
LEAST_ERROR_MM = 3.0
# A tap far off counts less (Student's t), and no key is ruled out by its place alone.
DEGREES_OF_FREEDOM = 4.0
FITTING_ROUNDS = 10
LEAST_PLACE_SCORE = -20.0


@dataclass(frozen=True)
class Shift:
    """How far a session's taps seem to be from where they are: affine or quadratic in the place.

    Its coefficients have a normal prior and are fitted by iteratively reweighted least squares, as
    for errors with Student's t distribution (Lange, Little and Taylor, 1989).

    Attributes:
        coefficients: [3 or 6, 2], what is added in the middle of the keyboard, its change over
            `OVER_MM` to the right and away, and its quadratic terms over as much, in mm.
        variance: of the errors that remain, in mm² along either axis.
        places: where the labels are.
    """

    coefficients: np.ndarray
    variance: float
    places: Places

    @classmethod
    def fit(
        cls,
        seen: np.ndarray,
        keys: np.ndarray,
        places: Places,
        prior_mm: Sequence[float] = OF_LABELLED_MM,
    ) -> "Shift":
        """Fit it to taps of known or guessed keys.

        Args:
            seen: [n, 2], where the taps seem to be, in mm.
            keys: [n], their keys as indices of labels, all of them with a place.
            places: where the labels are; of a key with several centres the nearest counts.
            prior_mm: [3 or 6], the coefficients' standard deviations.
        """
        goals = places.nearest_parts(seen)[np.arange(len(keys)), keys]
        terms, errors = _terms(seen, places, len(prior_mm)), goals - seen
        prior = np.diag(1 / np.array(prior_mm) ** 2)
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
        return seen + _terms(seen, self.places, len(self.coefficients)) @ self.coefficients

    def scores(self, seen: np.ndarray) -> np.ndarray:
        """Log-likelihood of each label, from the nearest of its centres: [n, 2] → [n, labels].

        0 for a key without a place.
        """
        squares = self.places.squared_distances(self(seen))
        scores = np.maximum(-squares / (2 * self.variance), LEAST_PLACE_SCORE)
        scores[:, ~self.places.placed] = 0
        return scores


def _terms(seen: np.ndarray, places: Places, number: int) -> np.ndarray:
    right, away = ((seen - np.nanmean(places.centres, axis=0)) / OVER_MM).T
    terms = [np.ones(len(seen)), right, away, right * right, right * away, away * away]
    return np.column_stack(terms[:number])
