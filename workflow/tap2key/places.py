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
LOCATION = (
    *("location_error_median_mm", "location_error_p90_mm"),
    *("centre_error_median_mm", "centre_error_p90_mm", "located"),
)


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

    def squared_distances(self, where: np.ndarray) -> np.ndarray:
        """From places to each label's nearest centre: [n, 2] in mm → [n, labels] in mm²."""
        to_parts = (
            ((where[:, None] - self.parts[label][None]) ** 2).sum(axis=-1).min(axis=1)
            for label in self.labels
        )
        return np.stack(list(to_parts), axis=1)

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
    seen = seen_from_the_table(keyboard.centres)
    parts = {x: seen[keyboard.centre_labels == keyboard.labels.index(x)] for x in labels}
    centres = np.array(
        [np.full(2, np.nan) if x == OUTSIDE else parts[x].mean(axis=0) for x in labels]
    )
    return Places(tuple(labels), centres, parts)


def seen_from_the_table(units: np.ndarray) -> np.ndarray:
    """The sensor's x, y in 0.1 mm as mm to the right and away from the user: [n, 2] → [n, 2]."""
    # The sensor's x grows to the left and its y towards the user.
    return -units * MM_PER_UNIT


def expected_places(
    probabilities: np.ndarray, places: Places, temperature: float = 1.0
) -> np.ndarray:
    """The mean of the keys' centres, weighted by their probabilities: [n, labels] → [n, 2] in mm.

    Only keys within `NEIGHBOURHOOD_MM` of the likeliest one count: the little that training
    leaves to each far key would pull every place to the middle of the keyboard. `none` has no
    place; NaN where it has most of the probability.

    `temperature` is what the logits were divided by to make the probabilities as sure as they are
    right. A place is told by how they were before: what is surely one key's no longer tells where
    on the key.
    """
    if temperature != 1:
        probabilities = probabilities**temperature
        probabilities = probabilities / probabilities.sum(axis=1, keepdims=True)
    on_keys = ~np.isnan(places.centres[:, 0])
    weights, centres = probabilities[:, on_keys], places.centres[on_keys]
    distances = np.linalg.norm(centres[:, None] - centres[None], axis=2)
    near = distances[weights.argmax(axis=1)] <= NEIGHBOURHOOD_MM
    certain = weights.sum(axis=1, keepdims=True) >= 1 - MOST_OUTSIDE
    weights = np.where(near, weights, 0)
    with np.errstate(invalid="ignore"):
        expected = weights @ centres / weights.sum(axis=1, keepdims=True)
    return np.where(certain, expected, np.nan)


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


def location_scores(
    truth: np.ndarray, expected: np.ndarray, touched: np.ndarray, places: Places
) -> dict[str, float | None]:
    """How far expected places are from where the finger was, over the taps on a key.

    `location_error_…` is from the touch sensor's reading: where the finger truly came down, to the
    sensor's own error. `centre_error_…` is from the true key's centre: it is 0 where the key is
    certain and right, however far from the centre the finger was. `located` is the share of the
    taps that have an expected place; the errors are of these, and where the sensor's reading is
    needed of those that have one. None where there is none.

    Args:
        truth: [taps], indices of labels.
        expected: [taps, 2] in mm, as `expected_places` gives them.
        touched: [taps, 2], the sensor's x, y in 0.1 mm.
        places: where the labels are.
    """
    on_key = ~np.isnan(places.centres[truth, 0])
    expected = expected[on_key]
    place_known = ~np.isnan(expected[:, 0])
    from_touch = np.linalg.norm(expected - seen_from_the_table(touched[on_key]), axis=1)
    from_centre = errors_mm(truth[on_key], expected, places)
    found: dict[str, float | None] = dict.fromkeys(LOCATION)
    if on_key.any():
        found["located"] = float(place_known.mean())
    for name, errors in (("location", from_touch), ("centre", from_centre)):
        # Neither where no place is expected, nor where the touch has none (ingested labels).
        known = errors[~np.isnan(errors)]
        if len(known):
            median, p90 = np.percentile(known, [50, 90])
            found[f"{name}_error_median_mm"] = float(median)
            found[f"{name}_error_p90_mm"] = float(p90)
    return found
