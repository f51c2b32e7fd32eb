"""How much the first labelled taps of the session at hand would help with its later ones."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tap2key.evaluation.metrics import label_scores
from tap2key.models.key_places import Places
from tap2key.models.session_adaptation import Outputs, fit_labelled

ADAPTATION_FILE = "adaptation.tsv"


@dataclass(frozen=True)
class Rows:
    """Tested taps by the time they came: whose session and recording each is of, and its place.

    Attributes:
        sessions: [n].
        recordings: [n].
        order: [n], rising with the time of a session's taps.
    """

    sessions: np.ndarray
    recordings: np.ndarray
    order: np.ndarray


@dataclass(frozen=True)
class SessionTaps:
    """One session's rows: those given for each number of taps per key, and those tested.

    The tested rows are the same for every number, and all came later than those given.
    """

    given: dict[int, np.ndarray]
    tested: np.ndarray


def first_taps(keys: np.ndarray, rows: Rows, taps_per_key: Sequence[int]) -> Iterator[SessionTaps]:
    """The first taps of each key, and the later recordings, session by session.

    The earlier half of a session's recordings, rounded down, gives the labelled taps; the others
    are tested whole. Of a session with a single recording its taps are halved instead. A key with
    too few taps in the earlier half gives all of them.

    Args:
        keys: [n], of all taps.
        rows: when they came.
        taps_per_key: how many labelled taps of each key.
    """
    for session in np.unique(rows.sessions):
        own = np.flatnonzero(rows.sessions == session)
        own = own[np.argsort(rows.order[own], kind="stable")]
        early = _earlier_half(rows.recordings[own])
        pool = own[early]
        turns = np.zeros(len(pool), dtype=int)
        for key in np.unique(keys[pool]):
            of_key = keys[pool] == key
            turns[of_key] = np.arange(of_key.sum())
        yield SessionTaps({count: pool[turns < count] for count in taps_per_key}, own[~early])


def _earlier_half(recordings: np.ndarray) -> np.ndarray:
    """Which of a session's rows, in order of time, are of its earlier half: [n] of truth values."""
    _, first = np.unique(recordings, return_index=True)
    in_order = recordings[np.sort(first)]
    if len(in_order) == 1:
        return np.arange(len(recordings)) < len(recordings) // 2
    return np.isin(recordings, in_order[: len(in_order) // 2])


def adaptation_curve(
    outputs: Outputs, keys: np.ndarray, rows: Rows, places: Places, taps_per_key: Sequence[int]
) -> list[dict[str, float]]:
    """Scores by number of labelled taps per key, 0 first.

    Every session is adapted with taps of its own; the scores are of all sessions' tested taps
    together, each scored once. The same taps are tested for every number.

    Args:
        outputs: what the model makes of all taps.
        keys: [n], their true keys.
        rows: when they came.
        places: where the labels are.
        taps_per_key: how many labelled taps of each key.

    Returns:
        Rows with taps_per_key, labelled, tested, accuracy and macro_f1.
    """
    parts = list(first_taps(keys, rows, taps_per_key))
    tested = np.concatenate([part.tested for part in parts])
    curve: list[dict[str, float]] = []
    for count in (0, *taps_per_key):
        named = [
            outputs.probabilities[part.tested].argmax(axis=1)
            if not count
            else fit_labelled(outputs.of(part.given[count]), keys[part.given[count]], places)
            .scores(outputs.of(part.tested))
            .argmax(axis=1)
            for part in parts
        ]
        scored = label_scores(keys[tested], np.concatenate(named))
        curve.append(
            {
                "taps_per_key": count,
                "labelled": sum(len(part.given[count]) for part in parts) if count else 0,
                "tested": len(tested),
                **{name: scored[name] for name in ("accuracy", "macro_f1")},
            }
        )
    return curve
