"""The search for an experiment's settings: candidates, each scored once on validation taps."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from sklearn.metrics import f1_score

from tap2key.config.search_space import own_space, with_candidate
from tap2key.core.errors import DivergedError, Tap2keyError
from tap2key.core.files import read_json, read_tsv, write_json, write_tsv
from tap2key.core.log import log

SEARCH_FILE = "search.tsv"

Value = TypeVar("Value")
Candidate = Mapping[str, Any]


@dataclass(frozen=True)
class Trial:
    """What came of a candidate.

    Attributes:
        macro_f1: over the validation taps, after the last epoch; None if it has no score.
        seconds: that it took, on one machine or another.
        left_out: why it has no score.
    """

    macro_f1: float | None
    seconds: float
    left_out: str | None = None


def _as_is(value: Value) -> Value:
    return value


@dataclass(frozen=True)
class Search:
    """Candidates, what came of each, and the index of the one that was chosen."""

    candidates: Sequence[Candidate]
    trials: Sequence[Trial]
    chosen: int

    @property
    def best(self) -> Candidate:
        """The candidate that was chosen."""
        return self.candidates[self.chosen]

    def __str__(self) -> str:
        """In words."""
        return f"candidate {self.chosen + 1} of {len(self.candidates)} is chosen"


def search_among(
    candidates: Sequence[Candidate],
    folder: Path,
    score: Callable[[int, Candidate], float],
    first: bool = True,
    agree: Callable[[Trial | None], Trial | None] = _as_is,
) -> Search:
    """Try all candidates, in order, except those that an interrupted search has tried before.

    The one with the highest score is chosen; of equals the first.

    Args:
        candidates: see `config.search_space`.
        folder: where what was tried is kept until the model is published.
        score: trains a candidate, given with its number from 1 on, and returns its macro-F1.
        first: whether this is the process that writes and speaks.
        agree: returns the first process's value on all processes.

    Raises:
        DivergedError: none has a score.
        Tap2keyError: a signal asked training to stop.
    """
    trials = []
    for number, candidate in enumerate(candidates, 1):
        file = folder / f"candidate-{number}.json"
        trial = agree(Trial(**read_json(file)) if first and file.is_file() else None)
        if trial is None:
            trial = agree(_trial(number, candidate, score))
            assert trial is not None
            if first:
                write_json(file, asdict(trial))
        if first:
            outcome = trial.left_out or f"validation macro-F1 {trial.macro_f1:.4f}"
            log.info(f"candidate {number} of {len(candidates)}: {in_words(candidate)}: {outcome}")
        trials.append(trial)
    scored = [index for index, trial in enumerate(trials) if trial.macro_f1 is not None]
    if not scored:
        raise DivergedError(
            f"none of {len(trials)} candidates of the search has a score; the first: "
            f"{trials[0].left_out}"
        )
    chosen = max(scored, key=lambda index: (trials[index].macro_f1, -index))
    return Search(candidates, trials, chosen)


def _trial(number: int, candidate: Candidate, score: Callable[[int, Candidate], float]) -> Trial:
    begun = time.monotonic()
    try:
        macro_f1, left_out = score(number, candidate), None
    except DivergedError as error:
        macro_f1, left_out = None, str(error)
    return Trial(macro_f1, round(time.monotonic() - begun, 1), left_out)


def macro_f1(truth: np.ndarray, named: np.ndarray) -> float:
    """F1 averaged over the keys that occur in `truth`: [n] and [n], indices of labels."""
    found = f1_score(truth, named, labels=np.unique(truth), average="macro", zero_division=0)
    return float(found)


def as_found(settings: Mapping[str, Any], model: Path | None) -> dict[str, Any]:
    """An experiment's settings as the search of another seed's model found them best.

    Args:
        settings: with a search, which is then no longer among them.
        model: that model's folder; None returns the settings as they are.

    Raises:
        Tap2keyError: the folder does not say what was chosen.
    """
    if model is None:
        return dict(settings)
    table = model / SEARCH_FILE
    chosen = [row for row in read_tsv(table, ("chosen",)) if row["chosen"] == "yes"]
    space = settings["search"] and (settings["search"]["over"] or own_space(settings))
    if len(chosen) != 1 or not space or not set(space) <= set(chosen[0]):
        raise Tap2keyError(f"{table}: is not of a search of these settings; train that model again")
    try:
        found = {key: json.loads(chosen[0][key]) for key in space}
    except ValueError as error:
        raise Tap2keyError(f"{table}: is damaged ({error}); train that model again") from error
    log.info(f"{table}: {in_words(found)}")
    return {**with_candidate(settings, found), "search": None}


def in_words(candidate: Candidate) -> str:
    """A candidate as a log has it."""
    return ", ".join(f"{key} {'null' if v is None else v}" for key, v in candidate.items())


def write_search(path: Path, search: Search) -> None:
    """Write what was tried as a table: a row for each candidate, a column for each setting."""
    settings = tuple(search.candidates[0])
    rows = [
        {
            "candidate": index + 1,
            **{key: "null" if value is None else value for key, value in candidate.items()},
            "validation_macro_f1": trial.macro_f1,
            "seconds": trial.seconds,
            "chosen": "yes" if index == search.chosen else "no",
            "left_out": trial.left_out,
        }
        for index, (candidate, trial) in enumerate(
            zip(search.candidates, search.trials, strict=True)
        )
    ]
    columns = ("candidate", *settings, "validation_macro_f1", "seconds", "chosen", "left_out")
    write_tsv(path, rows, columns)
