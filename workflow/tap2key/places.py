"""Where on the keyboard a model thinks a tap was: from probabilities of keys to millimetres."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tap2key.errors import Tap2keyError
from tap2key.keyboard import MM_PER_UNIT, OUTSIDE, Keyboard

FEWEST_TAPS_FOR_ELLIPSE = 3
# A tap that is mostly held to be outside every key has no expected place among the keys.
MOST_OUTSIDE = 0.5
# Two rows or columns of keys.
NEIGHBOURHOOD_MM = 40.0


@dataclass(frozen=True)
class Places:
    """Each label's place as the user sees the keyboard, in mm: x to the right, y away from them.

    `labels` are in keyboard order; `centres` is [labels, 2], a label's mean centre, NaN for
    `none`; `parts[label]` is [centres, 2] of each of its centres.
    """

    labels: tuple[str, ...]
    centres: np.ndarray
    parts: dict[str, np.ndarray]

    def nearest_part(self, label: int, to: int) -> np.ndarray:
        """The centre of one label that is nearest to another label: [2], mm."""
        parts = self.parts[self.labels[label]]
        goal = self.parts[self.labels[to]]
        distances = np.linalg.norm(parts[:, None] - goal[None], axis=2)
        return parts[distances.min(axis=1).argmin()]

    @property
    def rows(self) -> list[int]:
        """Indices of the labels with which a new row of the keyboard begins, the first left out."""
        y = np.where(np.isnan(self.centres[:, 1]), np.inf, self.centres[:, 1])
        return [i for i in range(1, len(y)) if y[i] != y[i - 1]]


def places_of(keyboard: Keyboard, labels: Sequence[str]) -> Places:
    """The places of a model's or dataset's labels.

    Raises:
        Tap2keyError: the keyboard has no such label.
    """
    missing = [label for label in labels if label not in keyboard.labels]
    if missing:
        raise Tap2keyError(
            f"the keyboard has no key {', '.join(map(repr, missing))}; give the keyboard that the "
            "taps were labelled with (--keyboard)"
        )
    # The sensor's x grows to the left and its y towards the user.
    seen = -keyboard.centres * MM_PER_UNIT
    parts = {x: seen[keyboard.centre_labels == keyboard.labels.index(x)] for x in labels}
    centres = np.array(
        [np.full(2, np.nan) if x == OUTSIDE else parts[x].mean(axis=0) for x in labels]
    )
    return Places(tuple(labels), centres, parts)


def expected_places(probabilities: np.ndarray, places: Places) -> np.ndarray:
    """The mean of the keys' centres, weighted by their probabilities: [n, labels] → [n, 2] in mm.

    Only keys within `NEIGHBOURHOOD_MM` of the likeliest one count: the little that training
    leaves to each far key would pull every place to the middle of the keyboard. `none` has no
    place; NaN where it has most of the probability.
    """
    on_keys = ~np.isnan(places.centres[:, 0])
    weights, centres = probabilities[:, on_keys], places.centres[on_keys]
    distances = np.linalg.norm(centres[:, None] - centres[None], axis=2)
    near = distances[weights.argmax(axis=1)] <= NEIGHBOURHOOD_MM
    certain = weights.sum(axis=1, keepdims=True) >= 1 - MOST_OUTSIDE
    weights = np.where(near, weights, 0)
    return np.where(certain, weights @ centres / weights.sum(axis=1, keepdims=True), np.nan)


@dataclass(frozen=True)
class Ellipse:
    """How the expected places of one key's taps lie around its centre, in mm.

    `offset` is [2], the mean error (x to the right, y away from the user); `sd` is [2], standard
    deviations along the principal axes, the larger first; `angle_deg` is the larger one's angle.
    """

    taps: int
    offset: np.ndarray
    sd: np.ndarray
    angle_deg: float


def error_ellipses(truth: np.ndarray, expected: np.ndarray, places: Places) -> dict[int, Ellipse]:
    """The ellipse of each label that has enough taps with an expected place.

    Axes are the eigenvectors of the errors' covariance, lengths the roots of its eigenvalues.

    Args:
        truth: [n], indices of labels.
        expected: [n, 2] in mm, as `expected_places` gives them.
        places: where the labels are.
    """
    found = {}
    errors = expected - places.centres[truth]
    known = ~np.isnan(errors[:, 0])
    for label in np.unique(truth[known]):
        own = errors[known & (truth == label)]
        if len(own) < FEWEST_TAPS_FOR_ELLIPSE:
            continue
        values, axes = np.linalg.eigh(np.cov(own.T))
        angle = np.degrees(np.arctan2(axes[1, 1], axes[0, 1]))
        sd = np.sqrt(np.maximum(values[::-1], 0))
        found[int(label)] = Ellipse(len(own), own.mean(axis=0), sd, float(angle))
    return found


def errors_mm(truth: np.ndarray, expected: np.ndarray, places: Places) -> np.ndarray:
    """Distances of expected places from the true keys' centres, NaN where there is none: [n]."""
    return np.linalg.norm(expected - places.centres[truth], axis=1)
