"""A few taps of the session at hand → a model that fits this person and session better.

Between sessions microphones are re-placed and waves run at another speed, so that every tap seems
to be somewhere else by about the same; and people aim and strike each key in their own way. The
former says among keys that have a place which it was, instead of some of the model's own word; the
latter hints at every key's likelihood, which is added. A tap is judged by the taps that were given
alone, never by others that are to be named.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product, starmap
from typing import Any, NamedTuple

import numpy as np
from scipy.special import log_softmax, logsumexp, softmax

from tap2key.core.errors import Tap2keyError
from tap2key.models.key_places import Places, expected_places
from tap2key.models.session_prototypes import Prototypes
from tap2key.models.session_shift import OF_GUESSED_MM, Shift
from tap2key.models.softness import Softness

# Of the model's own word where the shift has a weight; of the shift, and of the prototypes.
OWN_WEIGHTS = (1.0, 0.5, 0.25, 0.0)
WEIGHTS = (0.0, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)
VALIDATION_PARTS = 5
TINY = 1e-4
# Without labels: how sure a model has to be of a tap for its own word to be taken, and how often
# the shift is fitted; fewer taps tell none. The first two were chosen on the demo's four people.
CONFIDENT = 0.5
SELF_TRAINING_ROUNDS = 3
FEWEST_UNLABELLED = 20


@dataclass(frozen=True)
class Outputs:
    """What a model makes of taps: `probabilities` [n, labels] and, of a network, `places` [n, 2].

    Places are in mm as the user sees the keyboard: x to the right, y away from them; NaN where a
    tap has none.
    """

    probabilities: np.ndarray
    places: np.ndarray | None

    def of(self, rows: np.ndarray) -> "Outputs":
        """Some of the taps."""
        places = None if self.places is None else self.places[rows]
        return Outputs(self.probabilities[rows], places)


def outputs_of(
    probabilities: np.ndarray, network: bool, places: Places, softness: Softness
) -> Outputs:
    """What a model makes of taps, from their probabilities; only a network's tell places.

    Args:
        probabilities: [n, labels].
        network: whether a network gave them.
        places: where the labels are.
        softness: how it came by them.
    """
    seen = expected_places(probabilities, places, softness) if network else None
    return Outputs(probabilities, seen)


class Weights(NamedTuple):
    """How much each says of which key a tap was on.

    `own` is that of the model's own word, where a shift has its say too; else it counts in full.
    """

    own: float
    shift: float
    prototypes: float


AS_BEFORE = Weights(1.0, 0.0, 0.0)
# Chosen on the demo's four people.
UNLABELLED_WEIGHTS = Weights(1.0, 0.5, 0.0)


@dataclass(frozen=True)
class Adaptation:
    """What was learned from some taps of a session about the others, and with which weights.

    Attributes:
        shift: how far off taps seem to be; None if no tap showed it.
        prototypes: what the keys sound like; None if fewer than two keys are known.
        weights: of the model's own word, of the shift and of the prototypes.
    """

    shift: Shift | None
    prototypes: Prototypes | None
    weights: Weights = AS_BEFORE

    def hints(self, wanted: Outputs) -> np.ndarray:
        """What it says of taps, unweighted: [2, wanted, labels] log-likelihoods.

        Of the shift and of the prototypes; 0 where there is nothing to go by.
        """
        hints = np.zeros((2, *wanted.probabilities.shape))
        if self.shift is not None and wanted.places is not None:
            located = ~np.isnan(wanted.places[:, 0])
            hints[0, located] = self.shift.scores(wanted.places[located])
        if self.prototypes is not None:
            hints[1] = self.prototypes.scores(wanted.probabilities)
        return hints

    def scores(self, wanted: Outputs) -> np.ndarray:
        """[wanted, labels], log-likelihoods up to a constant for each tap."""
        own = _log(wanted.probabilities)
        placed = np.zeros(own.shape[1], bool) if self.shift is None else self.shift.places.placed
        return _weighted(own, self.hints(wanted), self.weights, placed)

    def probabilities(self, wanted: Outputs) -> np.ndarray:
        """[wanted, labels], rows adding up to 1."""
        return softmax(self.scores(wanted), axis=1)

    def places(self, taps: Outputs) -> np.ndarray | None:
        """Where taps were, as far as is known now: [n, 2] in mm; None of a forest."""
        if taps.places is None or self.shift is None or not self.weights.shift:
            return taps.places
        return self.shift(taps.places)

    def as_dict(self, labels: Sequence[str]) -> dict[str, Any]:
        """As a file holds it; `from_dict` gives the same numbers back."""
        shift, prototypes = self.shift, self.prototypes
        return {
            "weights": self.weights._asdict(),
            "shift": shift
            and {"coefficients": shift.coefficients.tolist(), "variance": shift.variance},
            "prototypes": prototypes
            and {
                "keys": [labels[key] for key in prototypes.keys],
                "means": prototypes.means.tolist(),
                "usual": prototypes.usual,
            },
        }

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any], places: Places) -> "Adaptation":
        """Read it back, for the labels of `places`."""
        shift, prototypes = saved["shift"], saved["prototypes"]
        return cls(
            shift and Shift(np.array(shift["coefficients"]), shift["variance"], places),
            prototypes
            and Prototypes(
                np.array([places.labels.index(key) for key in prototypes["keys"]]),
                np.array(prototypes["means"]),
                prototypes["usual"],
            ),
            Weights(**saved["weights"]),
        )


def fit_labelled(labelled: Outputs, keys: np.ndarray, places: Places) -> Adaptation:
    """Adapt to labelled taps.

    What they say is weighted as serves best among themselves: each fifth of them is named with the
    help of the others, and the likeliest weights are taken, 0 among them. So a model that has
    little to learn from them is left alone.

    Args:
        labelled: those taps.
        keys: [labelled], their keys as indices of labels.
        places: where the labels are.
    """
    if not len(keys):
        return Adaptation(None, None)
    own = _log(labelled.probabilities)
    hints = np.zeros((2, *own.shape))
    turn = np.random.default_rng(0).permutation(np.arange(len(keys)) % VALIDATION_PARTS)
    for part in range(VALIDATION_PARTS):
        left = turn == part
        if left.any() and not left.all():
            others = _unweighted(labelled.of(~left), keys[~left], places)
            hints[:, left] = others.hints(labelled.of(left))
            # Where a tap's own key has no other tap, nothing is learned of how prototypes serve.
            hints[1, left & ~np.isin(keys, keys[~left])] = 0
    # Of equals the first: the model's own word in full, and nothing else.
    best = max(
        starmap(Weights, product(OWN_WEIGHTS, WEIGHTS, WEIGHTS)),
        key=lambda weights: _likelihood(_weighted(own, hints, weights, places.placed), keys),
    )
    found = _unweighted(labelled, keys, places)
    return Adaptation(found.shift, found.prototypes, best)


def fit_unlabelled(taps: Outputs, places: Places) -> Adaptation:
    """Adapt to taps whose keys nobody knows, by self-training.

    The shift is fitted to the keys that the model names and is sure of, then to those that it
    names with the help of that shift, and so on. Prototypes would only tell what it thinks already.

    Args:
        taps: of a network.
        places: where the labels are.

    Raises:
        Tap2keyError: the model tells no places, no key has one, or the model is sure of too few
            taps.
    """
    if taps.places is None:
        raise Tap2keyError(
            "without labels only a network can be adapted: a forest does not tell where a tap was"
        )
    if np.isnan(places.centres).all():
        raise Tap2keyError(
            "without labels places of keys are needed, and the keyboard has none; give labelled "
            "taps, or a keyboard with x and y"
        )
    found = Adaptation(None, None)
    sure = (taps.probabilities.max(axis=1) >= CONFIDENT) & ~np.isnan(taps.places[:, 0])
    for _ in range(SELF_TRAINING_ROUNDS):
        keys = found.scores(taps).argmax(axis=1)
        used = sure & ~np.isnan(places.centres[keys, 0])
        if used.sum() < FEWEST_UNLABELLED:
            raise Tap2keyError(
                f"the model is sure of {used.sum()} of {len(keys)} taps, and without labels "
                f"{FEWEST_UNLABELLED} are needed; give more taps, or labelled ones"
            )
        shift = Shift.fit(taps.places[used], keys[used], places, OF_GUESSED_MM)
        found = Adaptation(shift, None, UNLABELLED_WEIGHTS)
    return found


def _unweighted(labelled: Outputs, keys: np.ndarray, places: Places) -> Adaptation:
    shift = None
    if labelled.places is not None:
        # Of what is outside every key, and of a key without a place, the place is not known.
        used = ~np.isnan(places.centres[keys, 0]) & ~np.isnan(labelled.places[:, 0])
        if used.any():
            shift = Shift.fit(labelled.places[used], keys[used], places)
    return Adaptation(shift, Prototypes.fit(labelled.probabilities, keys))


def _weighted(
    own: np.ndarray, hints: np.ndarray, weights: Weights, placed: np.ndarray
) -> np.ndarray:
    """Log-likelihoods of keys, from the model's own and the hints: [n, labels].

    The shift knows keys by their places alone, so that it has a say in which of those with a place
    a tap was on, not in whether it was on one of them.

    Args:
        own: [n, labels], logarithms of probabilities.
        hints: [2, n, labels], as `Adaptation.hints` has them.
        weights: of all of them.
        placed: [labels], which keys the shift knows.
    """
    scores = own.copy()
    if weights.shift:
        # Of a tap without a place the shift says nothing.
        said = np.ix_(hints[0].any(axis=1), placed)
        moved = weights.own * own[said] + weights.shift * hints[0][said]
        before, after = (logsumexp(part, axis=1, keepdims=True) for part in (own[said], moved))
        scores[said] = moved + before - after
    return scores + weights.prototypes * hints[1]


def _log(probabilities: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(probabilities, TINY))


def _likelihood(scores: np.ndarray, keys: np.ndarray) -> float:
    """Mean log-probability of the true keys."""
    return float(log_softmax(scores, axis=1)[np.arange(len(keys)), keys].mean())
