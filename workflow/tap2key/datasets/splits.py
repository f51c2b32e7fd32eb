"""Which rows are tested and which validate: pure functions of whose they are and when."""

import warnings
from collections.abc import Callable, Sequence

import numpy as np
from sklearn.model_selection import StratifiedKFold

from tap2key.core.errors import Tap2keyError

FEWEST_PARTICIPANTS_TO_VALIDATE_ON = 4


def random_split(labels: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    """70, 15 and 15 % of each key's rows: [rows] → row numbers to train, validate and test on."""
    return _dealt(labels, rng, lambda count: (round(0.7 * count), round(0.85 * count)))


def k_fold_split(
    labels: np.ndarray, part: int, parts: int, share: float, seed: int
) -> list[np.ndarray]:
    """One of equal parts of each key's rows, and the rest: row numbers to train, validate, test on.

    Args:
        labels: [rows].
        part: which is tested, from 1.
        parts: how many there are.
        share: of each key's other rows to validate on, rounded, but never all of them.
        seed: of the draws; with one seed all parts are of one draw.

    Raises:
        Tap2keyError: no key has as many rows as there are parts.
    """
    most = int(np.bincount(labels).max())
    if parts > most:
        raise Tap2keyError(
            f"the commonest key has {most} taps, too few for {parts} parts; set blocks to at most "
            f"{most}"
        )
    with warnings.catch_warnings():
        # A key with fewer rows than parts is not in all of them.
        warnings.filterwarnings("ignore", message="The least populated class")
        drawn = StratifiedKFold(parts, shuffle=True, random_state=seed).split(labels, labels)
        rest, tested = list(drawn)[part - 1]
    rng = np.random.default_rng([seed, part])
    validating, training = _dealt(
        labels[rest], rng, lambda count: (min(round(share * count), count - 1),)
    )
    return [rest[training], rest[validating], tested]


def _dealt(
    labels: np.ndarray, rng: np.random.Generator, cuts: Callable[[int], Sequence[int]]
) -> list[np.ndarray]:
    """Each key's rows, shuffled and cut: row numbers of every part, in order.

    Args:
        labels: [rows].
        rng: of the shuffles.
        cuts: of how many rows a key has, after how many of them each part ends, but the last.
    """
    keys = []
    for label in np.unique(labels):
        rows = rng.permutation(np.flatnonzero(labels == label))
        keys.append(np.split(rows, cuts(len(rows))))
    return [np.sort(np.concatenate(part)) for part in zip(*keys, strict=True)]


def shared(
    rows: np.ndarray, labels: np.ndarray, share: float, rng: np.random.Generator
) -> np.ndarray:
    """A share of each key's rows, at least one: row numbers → fewer row numbers, in order."""
    if share == 1:
        return rows
    kept = []
    for label in np.unique(labels[rows]):
        own = rows[labels[rows] == label]
        kept.append(rng.permutation(own)[: max(1, round(share * len(own)))])
    return np.sort(np.concatenate(kept))


def last_in_time(participants: np.ndarray, order: np.ndarray, fraction: float) -> np.ndarray:
    """Which rows are among the last of their participant: [rows] of truth values.

    Args:
        participants: [rows].
        order: [rows], rising with the time of a participant's rows.
        fraction: of each participant's rows, rounded; at least one, but not all of several.
    """
    last = np.zeros(len(participants), dtype=bool)
    for person in np.unique(participants):
        own = np.flatnonzero(participants == person)
        own = own[np.argsort(order[own], kind="stable")]
        last[own[len(own) - _count(fraction, len(own)) :]] = True
    return last


def blocks_in_time(
    participants: np.ndarray, recordings: np.ndarray, order: np.ndarray, blocks: int
) -> np.ndarray:
    """Each row's block, from 0: [rows].

    Everybody's recordings are dealt in time order to blocks of as many recordings; the rows of
    somebody with fewer recordings than blocks are dealt instead.

    Args:
        participants: [rows].
        recordings: [rows], a number for each recording.
        order: [rows], rising with the time of a participant's rows.
        blocks: how many.
    """
    found = np.zeros(len(participants), dtype=int)
    for person in np.unique(participants):
        own = np.flatnonzero(participants == person)
        own = own[np.argsort(order[own], kind="stable")]
        _, first = np.unique(recordings[own], return_index=True)
        in_order = recordings[own][np.sort(first)]
        units = in_order if len(in_order) >= blocks else np.arange(len(own))
        named = recordings[own] if len(in_order) >= blocks else units
        for block, part in enumerate(np.array_split(units, blocks)):
            found[own[np.isin(named, part)]] = block
    return found


def choose_validation(
    participants: np.ndarray,
    sessions: np.ndarray,
    by: str,
    share: float,
    seed: list[int],
    tested: str | None = None,
) -> tuple[str, np.ndarray]:
    """Choose whole participants or whole sessions to validate on.

    Args:
        participants: [rows], the training people's rows.
        sessions: [rows].
        by: `participant` or `session`; turned into `session` when the study, the tested
            participant included, has fewer than four people.
        share: of the participants or sessions, rounded; at least one, and where there are several
            not all of them.
        seed: of the draw.
        tested: the participant of whom a session is tested; the other sessions train, unless there
            is nobody else.

    Returns:
        What was chosen by, and [rows], true where a row validates; true throughout where there is
        but one session to choose from, so that none can be set aside.
    """
    people = np.unique(participants)
    if len(people) > 1:
        people = people[people != tested]
    if len(people) + 1 < FEWEST_PARTICIPANTS_TO_VALIDATE_ON:
        by = "session"
    rng = np.random.default_rng(seed)
    if by == "participant":
        count = _count(share, len(people))
        return by, np.isin(participants, rng.permutation(people)[:count])
    # One session of each person in turn, so that nobody loses all sessions before others lose any.
    turns: list[tuple[int, str, str]] = []
    for person in rng.permutation(people):
        own = rng.permutation(np.unique(sessions[participants == person]))
        turns += [(turn + (len(own) == 1), person, name) for turn, name in enumerate(own)]
    if len(turns) == 1:
        return by, np.ones(len(participants), dtype=bool)
    turns.sort(key=lambda t: t[0])
    count = _count(share, len(turns))
    chosen = {(person, name) for _, person, name in turns[:count]}
    pairs = zip(participants, sessions, strict=True)
    return by, np.array([pair in chosen for pair in pairs])


def _count(share: float, among: int) -> int:
    return max(1, min(round(share * among), among - 1))
