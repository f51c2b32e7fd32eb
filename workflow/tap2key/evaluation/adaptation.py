"""A few labelled taps of the session at hand → a model that fits this person and session better.

Between sessions microphones are re-placed and waves run at another speed, so that every tap seems
to be somewhere else by about the same; and people aim and strike each key in their own way. Both
hint at every key's likelihood, which is added to the model's own, as heavily as serves best among
the labelled taps. A tap is judged by those alone, never by other taps that are to be named.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy.special import softmax
from sklearn.kernel_ridge import KernelRidge
from sklearn.metrics import log_loss

from tap2key.evaluation.metrics import label_scores
from tap2key.models.key_places import Places
from tap2key.study.keyboard import OUTSIDE

ADAPTATION_FILE = "adaptation.tsv"
# The regression from embedding to place: of 0.01, 0.03, 0.1 and 1 the best on two people.
RIDGE = 0.1
SAMPLED_FOR_WIDTH = 300
# Standard deviations before any tap was seen: of the shift in the middle of the keyboard, and of
# its change over 60 mm to the side or away; and how far people tap from a key's centre. In mm.
SHIFT_MM, CHANGE_MM, OVER_MM, AIM_MM = 10.0, 5.0, 60.0, 4.0
LEAST_ERROR_MM = 3.0
# A tap far off counts less (Student's t), and no key is ruled out by its place alone.
DEGREES_OF_FREEDOM = 4.0
FITTING_ROUNDS = 10
LEAST_PLACE_SCORE = -20.0
# Probabilities below this are alike: how unlikely a far key is says nothing.
FLOOR = 0.02
PROTOTYPE_WEIGHT = 0.5
WEIGHTS = (0.0, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0)
VALIDATION_PARTS = 5
TINY = 1e-4


class Locator:
    """Where a tap was, from a network's embedding: kernel ridge regression."""

    def __init__(self, embeddings: np.ndarray, places: np.ndarray) -> None:
        """Learn from training taps.

        Args:
            embeddings: [n, width].
            places: [n, 2] in mm.
        """
        some = embeddings[:: max(1, len(embeddings) // SAMPLED_FOR_WIDTH)]
        distances = ((some[:, None] - some[None]) ** 2).sum(axis=-1)
        self.middle = places.mean(axis=0)
        self.regression = KernelRidge(alpha=RIDGE, kernel="rbf", gamma=2 / np.median(distances))
        self.regression.fit(embeddings, places - self.middle)

    def __call__(self, embeddings: np.ndarray) -> np.ndarray:
        """[n, width] → [n, 2] in mm."""
        return self.regression.predict(embeddings) + self.middle


@dataclass(frozen=True)
class Heard:
    """What a model makes of taps: `probabilities` [n, labels] and, of a network, `places` [n, 2].

    Places are in mm as the user sees the keyboard: x to the right, y away from them.
    """

    probabilities: np.ndarray
    places: np.ndarray | None

    def of(self, rows: np.ndarray) -> "Heard":
        """Some of the taps."""
        return Heard(self.probabilities[rows], None if self.places is None else self.places[rows])


def adapted(given: Heard, keys: np.ndarray, wanted: Heard, places: Places) -> np.ndarray:
    """How likely each key is, given some labelled taps of the same session.

    What the labelled taps say is weighted as serves best among themselves: each fifth of them is
    named with the help of the others, and the likeliest weights are taken, 0 among them. So a model
    that has little to learn from them is left alone.

    Args:
        given: the labelled taps.
        keys: [given], their keys as indices of labels.
        wanted: the taps to name.
        places: where the labels are.

    Returns:
        [wanted, labels], log-likelihoods up to a constant for each tap.
    """
    if not len(keys):
        return _log(wanted.probabilities)
    own = _log(given.probabilities)
    hints = np.zeros((2, *own.shape))
    turn = np.random.default_rng(0).permutation(np.arange(len(keys)) % VALIDATION_PARTS)
    for part in range(VALIDATION_PARTS):
        left = turn == part
        if left.any() and not left.all():
            hints[:, left] = hints_of(given.of(~left), keys[~left], given.of(left), places)
    fits = {
        weights: _likelihood(own + np.tensordot(weights, hints, 1), keys)
        for weights in product(WEIGHTS, repeat=2)
    }
    best = max(fits, key=fits.__getitem__)
    return _log(wanted.probabilities) + np.tensordot(best, hints_of(given, keys, wanted, places), 1)


def hints_of(given: Heard, keys: np.ndarray, wanted: Heard, places: Places) -> np.ndarray:
    """What labelled taps say of others, by the session's shift and by prototypes of the keys.

    Returns:
        [2, wanted, labels] log-likelihoods; 0 where there is nothing to go by.
    """
    shift = np.zeros(wanted.probabilities.shape)
    on_keys = keys != _index(places, OUTSIDE)
    if given.places is not None and wanted.places is not None and on_keys.any():
        shift = Shift(given.places[on_keys], keys[on_keys], places).scores(wanted.places)
    return np.stack([shift, prototype_scores(given.probabilities, keys, wanted.probabilities)])


def prototype_scores(given: np.ndarray, keys: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """How near taps are to the mean labelled tap of each key, in log-probabilities.

    Args:
        given: [given, labels], the labelled taps' probabilities.
        keys: [given], their keys.
        wanted: [wanted, labels].

    Returns:
        [wanted, labels]; a key without a labelled tap is held to be at the usual distance.
    """
    known = np.unique(keys)
    if len(known) < 2:
        return np.zeros(wanted.shape)
    means = np.stack([_centred_log(given[keys == key]).mean(axis=0) for key in known])
    apart = ((means[:, None] - means[None]) ** 2).sum(axis=-1)
    np.fill_diagonal(apart, np.inf)
    usual = np.median(apart.min(axis=1))
    distances = ((_centred_log(wanted)[:, None] - means[None]) ** 2).sum(axis=-1)
    scores = np.full(wanted.shape, -PROTOTYPE_WEIGHT)
    scores[:, known] = -PROTOTYPE_WEIGHT * distances / usual
    return scores


class Shift:
    """How far a session's taps seem to be from where they are: an affine function of the place.

    Its coefficients have a normal prior and are fitted by iteratively reweighted least squares, as
    for errors with Student's t distribution (Lange, Little and Taylor, 1989).
    """

    def __init__(self, seen: np.ndarray, keys: np.ndarray, places: Places) -> None:
        """Fit it to labelled taps.

        Args:
            seen: [n, 2], where the taps seem to be, in mm.
            keys: [n], their keys as indices of labels, none of them `none`.
            places: where the labels are; of a key with several centres the nearest counts.
        """
        self.places = places
        self.middle = np.nanmean(places.centres, axis=0)
        goals = places.nearest_parts(seen)[np.arange(len(keys)), keys]
        terms, errors = self._terms(seen), goals - seen
        prior = np.diag(1 / np.array([SHIFT_MM, CHANGE_MM, CHANGE_MM]) ** 2)
        weights, variance = np.ones(len(seen)), AIM_MM**2 + LEAST_ERROR_MM**2
        for _ in range(FITTING_ROUNDS):
            weighted = (terms * (weights / variance)[:, None]).T
            self.coefficients = np.linalg.solve(weighted @ terms + prior, weighted @ errors)
            squares = ((errors - terms @ self.coefficients) ** 2).sum(axis=1)
            weights = (DEGREES_OF_FREEDOM + 2) / (DEGREES_OF_FREEDOM + squares / variance)
            variance = max((weights * squares).sum() / (2 * len(seen)), LEAST_ERROR_MM**2)
        self.variance = variance

    def __call__(self, seen: np.ndarray) -> np.ndarray:
        """Where taps are that seem to be somewhere: [n, 2] → [n, 2] in mm."""
        return seen + self._terms(seen) @ self.coefficients

    def scores(self, seen: np.ndarray) -> np.ndarray:
        """Log-likelihood of each label, from the nearest of its centres: [n, 2] → [n, labels]."""
        squares = self.places.squared_distances(self(seen))
        return np.maximum(-squares / (2 * self.variance), LEAST_PLACE_SCORE)

    def _terms(self, seen: np.ndarray) -> np.ndarray:
        return np.column_stack([np.ones(len(seen)), (seen - self.middle) / OVER_MM])


@dataclass(frozen=True)
class Draw:
    """One draw from one session: the rows given for each number of taps per key, and those tested.

    The tested rows are the same for every number, and never given.
    """

    given: dict[int, np.ndarray]
    tested: np.ndarray


def draw_taps(
    keys: np.ndarray, sessions: np.ndarray, taps_per_key: Sequence[int], seed: Sequence[int]
) -> Iterator[Draw]:
    """Draw labelled taps at random, session by session.

    A key of which a session has too few taps gives all but one.

    Args:
        keys: [n], of all taps.
        sessions: [n].
        taps_per_key: how many labelled taps of each key.
        seed: of the random numbers.
    """
    most = max(taps_per_key)
    rng = np.random.default_rng(list(seed))
    for session in np.unique(sessions):
        given: dict[int, list[int]] = {count: [] for count in taps_per_key}
        tested: list[int] = []
        for key in np.unique(keys[sessions == session]):
            rows = rng.permutation(np.flatnonzero((sessions == session) & (keys == key)))
            last = min(most, len(rows) - 1)
            for count in taps_per_key:
                given[count] += rows[: min(count, last)].tolist()
            tested += rows[last:].tolist()
        yield Draw({c: np.array(rows, dtype=int) for c, rows in given.items()}, np.array(tested))


def adaptation_curve(
    heard: Heard,
    keys: np.ndarray,
    sessions: np.ndarray,
    places: Places,
    taps_per_key: Sequence[int],
    draws: int,
    seed: int,
) -> list[dict[str, float]]:
    """Scores by number of labelled taps per key, 0 first, for every draw.

    Every session is adapted with taps of its own; the scores are of all sessions' tested taps
    together. Within a draw the same taps are tested for every number.

    Args:
        heard: what the model makes of all taps.
        keys: [n], their true keys.
        sessions: [n].
        places: where the labels are.
        taps_per_key: how many labelled taps of each key.
        draws: how often to draw.
        seed: of the random numbers.

    Returns:
        Rows with draw, taps_per_key, given, tested, accuracy and macro_f1.
    """
    rows = []
    for draw in range(draws):
        parts = list(draw_taps(keys, sessions, taps_per_key, (seed, draw)))
        tested = np.concatenate([part.tested for part in parts])
        for count in (0, *taps_per_key):
            named = [heard.probabilities[part.tested].argmax(axis=1) for part in parts]
            if count:
                named = [
                    adapted(
                        heard.of(part.given[count]),
                        keys[part.given[count]],
                        heard.of(part.tested),
                        places,
                    ).argmax(axis=1)
                    for part in parts
                ]
            scored = label_scores(keys[tested], np.concatenate(named))
            rows.append(
                {
                    "draw": draw,
                    "taps_per_key": count,
                    "given": sum(len(part.given[count]) for part in parts) if count else 0,
                    "tested": len(tested),
                    "accuracy": scored["accuracy"],
                    "macro_f1": scored["macro_f1"],
                }
            )
    return rows


def _centred_log(probabilities: np.ndarray) -> np.ndarray:
    logs = np.log(probabilities + FLOOR)
    return logs - logs.mean(axis=1, keepdims=True)


def _log(probabilities: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(probabilities, TINY))


def _likelihood(scores: np.ndarray, keys: np.ndarray) -> float:
    """Mean log-probability of the true keys."""
    return float(-log_loss(keys, softmax(scores, axis=1), labels=np.arange(scores.shape[1])))


def _index(places: Places, label: str) -> int:
    return places.labels.index(label) if label in places.labels else -1
