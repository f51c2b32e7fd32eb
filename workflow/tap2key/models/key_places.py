"""Where on the keyboard a model thinks a tap was: from probabilities of keys to millimetres."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tap2key.core.errors import Tap2keyError
from tap2key.models.softness import ONLY_LABELS, Softness
from tap2key.study.keyboard import MM_PER_UNIT, Keyboard
from tap2key.study.truth import RELEASE_LABEL

FEWEST_TAPS_FOR_ELLIPSE = 3
# A tap that is mostly held to be outside every key has no expected place among the keys.
MOST_OUTSIDE = 0.5
# Keeps the logarithm of a key that is ruled out finite; it hardly counts.
LEAST_PROBABILITY = 1e-12
# Beside a tap's own, which is 1.
PRIOR_WEIGHT = 1e-6
# Which of a label's centres is nearest shows only with the place.
ROUNDS_OF_FITTING = 3
# Two rows or columns of keys.
NEIGHBOURHOOD_MM = 40.0
LOCATION = (
    *("location_error_median_mm", "location_error_p90_mm"),
    *("centre_error_median_mm", "centre_error_p90_mm", "located"),
)


@dataclass(frozen=True)
class Places:
    """Each label's place as the user sees the keyboard, in mm: x to the right, y away from them.

    Attributes:
        labels: in keyboard order.
        centres: [labels, 2], a label's mean centre; NaN of what is outside every key, and of a key
            without a place.
        parts: by label, [centres, 2] of each of its centres; none of a key without a place.
        reach: by label, [centres, 2], how far each part's middle line reaches from its centre.
        sizes: by label, [centres, 2], each part's width and height; NaN where not known.
        outside: the label of what is outside every key; None if there is none.
        rightwards: whether the sensor's x grows to the right.
    """

    labels: tuple[str, ...]
    centres: np.ndarray
    parts: dict[str, np.ndarray]
    reach: dict[str, np.ndarray]
    sizes: dict[str, np.ndarray]
    outside: str | None
    rightwards: bool

    @property
    def placed(self) -> np.ndarray:
        """Which labels have a place: [labels]."""
        return np.array([len(self.parts[label]) > 0 for label in self.labels], dtype=bool)

    def of(self, chosen: np.ndarray) -> "Places":
        """Those of some labels: [labels] of truth values."""
        labels = tuple(label for label, kept in zip(self.labels, chosen, strict=True) if kept)
        return replace(self, labels=labels, centres=self.centres[chosen])

    def seen(self, units: np.ndarray) -> np.ndarray:
        """The sensor's x, y in 0.1 mm as mm to the right and away: [n, 2] → [n, 2]."""
        return seen_from_the_table(units, self.rightwards)

    def nearest_part(self, label: int, to: int) -> np.ndarray:
        """The centre of one label that is nearest to another label: [2], mm; both have one."""
        parts = self.parts[self.labels[label]]
        goal = self.parts[self.labels[to]]
        distances = np.linalg.norm(parts[:, None] - goal[None], axis=2)
        return parts[distances.min(axis=1).argmin()]

    def nearest_parts(self, where: np.ndarray) -> np.ndarray:
        """Each label's point nearest to some places: [n, 2] in mm → [n, labels, 2].

        The point of a key is its centre, of a long one any of its middle line; NaN of a key
        without a place.
        """
        nearest = np.full((len(where), len(self.labels), 2), np.nan)
        for index in np.flatnonzero(self.placed):
            parts, reach = self.parts[self.labels[index]], self.reach[self.labels[index]]
            offsets = where[:, None] - parts[None]
            points = parts + np.clip(offsets, -reach, reach) if reach.any() else parts[None]
            squares = ((where[:, None] - points) ** 2).sum(axis=-1)
            best = squares.argmin(axis=1)
            nearest[:, index] = np.broadcast_to(points, offsets.shape)[np.arange(len(where)), best]
        return nearest

    def squared_distances(self, where: np.ndarray) -> np.ndarray:
        """From places to each label's nearest centre: [n, 2] in mm → [n, labels] in mm²."""
        return ((where[:, None] - self.nearest_parts(where)) ** 2).sum(axis=-1)

    @property
    def rows(self) -> list[int]:
        """Indices of the labels with which a new row of the keyboard begins, the first left out."""
        y = np.where(np.isnan(self.centres[:, 1]), np.inf, self.centres[:, 1])
        return [i for i in range(1, len(y)) if y[i] != y[i - 1]]


def places_of(keyboard: Keyboard, labels: Sequence[str]) -> Places:
    """The places of a model's or dataset's labels; a key being released has none.

    Raises:
        Tap2keyError: the keyboard has no such label.
    """
    missing = [x for x in labels if x not in (*keyboard.labels, RELEASE_LABEL)]
    if missing:
        raise Tap2keyError(
            f"the keyboard has no key {', '.join(map(repr, missing))}; give the keyboard that the "
            "taps were labelled with (--keyboard)"
        )
    number = {label: index for index, label in enumerate(keyboard.labels)}
    own = {x: keyboard.centre_labels == number.get(x, -1) for x in labels}
    seen = seen_from_the_table(keyboard.centres, keyboard.rightwards)
    parts = {x: seen[rows] for x, rows in own.items()}
    known = {x: len(parts[x]) > 0 and x != keyboard.outside for x in labels}
    return Places(
        tuple(labels),
        np.array([parts[x].mean(axis=0) if known[x] else np.full(2, np.nan) for x in labels]),
        parts,
        {x: keyboard.reach[rows] * MM_PER_UNIT for x, rows in own.items()},
        {x: keyboard.sizes[rows] * MM_PER_UNIT for x, rows in own.items()},
        keyboard.outside if keyboard.outside in labels else None,
        keyboard.rightwards,
    )


def seen_from_the_table(units: np.ndarray, rightwards: bool) -> np.ndarray:
    """The sensor's x, y in 0.1 mm as mm to the right and away from the user: [n, 2] → [n, 2].

    Its y grows towards the user, and its x to the left unless it is `rightwards`.
    """
    seen = -units * MM_PER_UNIT
    if rightwards:
        seen[:, 0] *= -1
    return seen


def expected_places(
    probabilities: np.ndarray, places: Places, softness: Softness = ONLY_LABELS
) -> np.ndarray:
    """Where taps are expected to have been, by how likely each key is: [n, labels] → [n, 2] in mm.

    A soft label's logarithm falls with the squared distance to a key's centre, which but for a
    term that all keys share is linear in the place; of a model that learned them this is the place
    that fits best, keys weighted by their probabilities. Of any other model it is the mean of the
    keys' centres so weighted. Which of its several centres a key was touched on is not told.

    Only keys within `NEIGHBOURHOOD_MM` of the likeliest one count: the little that training
    leaves to each far key would pull every place to the middle of the keyboard. NaN where what is
    outside every key, or has no place, has most of the probability.
    """
    on_keys, inside = ~np.isnan(places.centres[:, 0]), on_a_key(probabilities, places)
    found = np.full((len(probabilities), 2), np.nan)
    placed = places.placed
    if not placed.all():
        if on_keys.any():
            among = probabilities[inside][:, placed]
            found[inside] = expected_places(among, places.of(placed), softness)
        return found
    powers = probabilities[inside] ** softness.temperature
    shares = powers / powers.sum(axis=1, keepdims=True)
    likeliest = np.where(on_keys, shares, -1).argmax(axis=1)
    if softness.sd_mm:
        found[inside] = _best_fit(shares, likeliest, places, softness.sd_mm)
    else:
        centres = places.centres[on_keys]
        weights = _near(centres - places.centres[likeliest][:, None]) * shares[:, on_keys]
        found[inside] = weights @ centres / weights.sum(axis=1, keepdims=True)
    return found


def on_a_key(probabilities: np.ndarray, places: Places) -> np.ndarray:
    """Whether each tap is held to be on a key that has a place: [n, labels] → [n]."""
    return probabilities[:, np.isnan(places.centres[:, 0])].sum(axis=1) <= MOST_OUTSIDE


def _near(offsets: np.ndarray) -> np.ndarray:
    return np.linalg.norm(offsets, axis=-1) <= NEIGHBOURHOOD_MM


def _best_fit(
    probabilities: np.ndarray, likeliest: np.ndarray, places: Places, sd_mm: float
) -> np.ndarray:
    """The place x for which log p = c·x/sd² − |c|²/(2 sd²) + a constant fits best: [n, 2] in mm.

    Args:
        probabilities: [n, labels].
        likeliest: [n], the likeliest key, from whose middle c and x are measured.
        places: where the labels are; c is a label's point nearest to x. Which of its own centres
            a tap was on the likeliest key cannot tell, so that its middle counts.
        sd_mm: of the soft labels.
    """
    rows, middles = np.arange(len(likeliest)), places.centres[likeliest]
    logs, found = np.log(np.maximum(probabilities, LEAST_PROBABILITY)), middles
    for _ in range(ROUNDS_OF_FITTING):
        centres = places.nearest_parts(found) - middles[:, None]
        centres[rows, likeliest] = 0
        weights = _near(centres) * probabilities
        terms = np.concatenate([centres / sd_mm, np.ones((*weights.shape, 1))], axis=-1)
        weighted = terms * weights[:, :, None]
        # A trace of a prior, for a key whose neighbours all lie in one direction.
        prior = np.diag([PRIOR_WEIGHT, PRIOR_WEIGHT, 0])
        left = np.einsum("nki,nkj->nij", weighted, terms) + prior
        right = np.einsum("nki,nk->ni", weighted, logs + ((centres / sd_mm) ** 2).sum(-1) / 2)
        found = middles + sd_mm * np.linalg.solve(left, right[:, :, None])[:, :2, 0]
    return found


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
    sensor's own error. `centre_error_…` is from the true key's centre, so that aiming beside it
    counts, unless a model names keys so surely that it expects every tap at a centre. `located` is
    the share of the taps that have an expected place; the errors are of these, and where the
    sensor's reading is needed of those that have one. None where there is none.

    Args:
        truth: [taps], indices of labels.
        expected: [taps, 2] in mm, as `expected_places` gives them.
        touched: [taps, 2], the sensor's x, y in 0.1 mm.
        places: where the labels are.
    """
    on_key = ~np.isnan(places.centres[truth, 0])
    expected = expected[on_key]
    place_known = ~np.isnan(expected[:, 0])
    from_touch = np.linalg.norm(expected - places.seen(touched[on_key]), axis=1)
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
