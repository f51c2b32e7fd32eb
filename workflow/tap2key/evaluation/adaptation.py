"""How much the first taps of the session at hand would help with its later ones."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tap2key.core.errors import Tap2keyError
from tap2key.evaluation.metrics import label_scores
from tap2key.models.key_places import Places
from tap2key.models.session_adaptation import (
    Adaptation,
    Outputs,
    fit_labelled,
    fit_unlabelled,
)

ADAPTATION_FILE = "adaptation.tsv"
# What a row's model learned from.
NOTHING, UNLABELLED, LABELLED = LEARNED_FROM = ("nothing", "unlabelled", "labelled")
AS_IT_IS = Adaptation(None, None)


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
    """One session's rows: its earlier ones, those labelled of them by taps per key, those tested.

    The tested rows are the same for every number, and all came later.
    """

    earlier: np.ndarray
    labelled: dict[int, np.ndarray]
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
        labelled = {count: pool[turns < count] for count in taps_per_key}
        yield SessionTaps(pool, labelled, own[~early])


def _earlier_half(recordings: np.ndarray) -> np.ndarray:
    """Which of a session's rows, in order of time, are of its earlier half: [n] of truth values."""
    _, first = np.unique(recordings, return_index=True)
    in_order = recordings[np.sort(first)]
    if len(in_order) == 1:
        return np.arange(len(recordings)) < len(recordings) // 2
    return np.isin(recordings, in_order[: len(in_order) // 2])


def adaptation_curve(
    outputs: Outputs, keys: np.ndarray, rows: Rows, places: Places, taps_per_key: Sequence[int]
) -> list[dict[str, Any]]:
    """Scores of a model as it is, of a network adapted without labels, and by labelled taps.

    Every session is adapted with taps of its own; the scores are of all sessions' tested taps
    together, each scored once. The same taps are tested for every number.

    Args:
        outputs: what the model makes of all taps.
        keys: [n], their true keys.
        rows: when they came.
        places: where the labels are.
        taps_per_key: how many labelled taps of each key.

    Returns:
        Rows with learned_from, taps_per_key (None without labels), labelled, unlabelled, tested,
        accuracy and macro_f1.
    """
    parts = list(first_taps(keys, rows, taps_per_key))
    tested = np.concatenate([part.tested for part in parts])

    def row(
        learned_from: str, count: int | None, learned: int, adaptations: Sequence[Adaptation]
    ) -> dict[str, Any]:
        named = [
            adaptation.scores(outputs.of(part.tested)).argmax(axis=1)
            for part, adaptation in zip(parts, adaptations, strict=True)
        ]
        scored = label_scores(keys[tested], np.concatenate(named))
        return {
            "learned_from": learned_from,
            "taps_per_key": count,
            "labelled": learned if learned_from == LABELLED else 0,
            "unlabelled": learned if learned_from == UNLABELLED else 0,
            "tested": len(tested),
            **{name: scored[name] for name in ("accuracy", "macro_f1")},
        }

    curve = [row(NOTHING, 0, 0, [AS_IT_IS] * len(parts))]
    if outputs.places is not None:
        guessed = [_without_labels(outputs.of(part.earlier), places) for part in parts]
        used = [a is not AS_IT_IS for a in guessed]
        number = sum(len(part.earlier) for part, one in zip(parts, used, strict=True) if one)
        curve.append(row(UNLABELLED, None, number, guessed))
    for count in taps_per_key:
        given = [part.labelled[count] for part in parts]
        known = [fit_labelled(outputs.of(taps), keys[taps], places) for taps in given]
        curve.append(row(LABELLED, count, sum(map(len, given)), known))
    return curve


def _without_labels(taps: Outputs, places: Places) -> Adaptation:
    """What a network learns from taps without labels; of too few it is left as it is."""
    try:
        return fit_unlabelled(taps, places)
    except Tap2keyError:
        return AS_IT_IS
