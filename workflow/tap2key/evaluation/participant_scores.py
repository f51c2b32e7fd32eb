"""Scores of every participant, over seeds, and their mean."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from tap2key.core.digests import digest
from tap2key.core.files import read_json
from tap2key.datasets.encoded_dataset import FOLD_FILE
from tap2key.evaluation.axis_errors import AXIS_ERRORS, axis_errors
from tap2key.evaluation.metrics import MEASURES, mean_of_known, measures
from tap2key.evaluation.predictions import Predictions, concatenated
from tap2key.models.key_places import LOCATION, Places, location_scores

SCORES = (*MEASURES, *LOCATION, *AXIS_ERRORS)
SUMMARY_FILE = "summary.json"
# The mean's sd over seeds is that of the participants' mean, not the mean of their sds.
MEAN = "mean"
# Evaluations by name of a row and by seed.
Runs = dict[str, dict[int, list[Predictions]]]


def seen_in_training(metrics: Iterable[Mapping[str, Any]]) -> list[str]:
    """The participants of some evaluations that any of their models was trained on."""
    seen: set[str] = set()
    for of_fold in metrics:
        # Evaluations from before each was told apart say only whether all were held out.
        everybody = [] if of_fold["held_out"] else of_fold["participants"]
        seen.update(of_fold.get("seen_in_training", everybody))
    return sorted(seen)


def models_at_chance(metrics: Iterable[Mapping[str, Any]]) -> int | None:
    """How many of some evaluations' models stayed at chance in training; None if none can tell."""
    known = [run["at_chance"] for run in metrics if run.get("at_chance") is not None]
    return sum(known) if known else None


def processors(metrics: Iterable[Mapping[str, Any]], participant: str) -> str:
    """The processors that trained the models which tested a participant; empty if not known."""
    found = {
        run.get("trained_on_processor") for run in metrics if participant in run["participants"]
    }
    return "; ".join(sorted(filter(None, found)))


def only_fold(
    folds: Sequence[str], metrics: Sequence[Mapping[str, Any]], participant: str
) -> str | None:
    """The fold in which a participant was tested; None if there are several.

    Args:
        folds: of each evaluation.
        metrics: of the same evaluations.
        participant: who was tested in some of them.
    """
    own = {
        fold for fold, run in zip(folds, metrics, strict=True) if participant in run["participants"]
    }
    return own.pop() if len(own) == 1 else None


def tested_share(folds: Sequence[Path], evaluations: Sequence[Predictions]) -> float | None:
    """What a fold tests of the taps that it tests, trains and validates on, at most.

    Args:
        folds: folders of the fold stage; without any it is not known.
        evaluations: of these folds, in the same order.
    """
    shares = []
    for folder, found in zip(folds, evaluations, strict=False):
        taps, tests = read_json(folder / FOLD_FILE)["taps"], len(found.truth)
        shares.append(tests / (tests + taps["train"] + taps["validation"]))
    return max(shares, default=None)


def described(people: int, seen: int) -> str:
    """What the participants are, for titles, where models were trained on `seen` of them."""
    noun = "participant" if people == 1 else "participants"
    if seen == 0:
        return f"held-out {noun}"
    if seen == people:
        return f"{noun}, {'not' if people == 1 else 'none of them'} held out"
    return f"{noun}, {held_out_of(people, seen)}"


def participant_rows(
    seeds: Sequence[int], evaluations: Sequence[Predictions], places: Places
) -> list[dict]:
    """One row per participant, averaged over seeds, then the mean over participants.

    A participant whose taps are spread over several folds is scored on all of them together.

    Args:
        seeds: of each evaluation.
        evaluations: in the same order.
        places: where the labels are.
    """
    runs: Runs = {}
    for seed, found in zip(seeds, evaluations, strict=True):
        for participant in dict.fromkeys(key[0] for key in found.identity):
            runs.setdefault(participant, {}).setdefault(seed, []).append(found.of(participant))
    return _averaged("participant", dict(sorted(runs.items())), places)


def fold_rows(
    folds: Sequence[str], seeds: Sequence[int], evaluations: Sequence[Predictions], places: Places
) -> list[dict]:
    """One row per fold, all its participants together, likewise, then the mean over folds."""
    runs: Runs = {}
    for fold, seed, found in zip(folds, seeds, evaluations, strict=True):
        runs.setdefault(fold, {}).setdefault(seed, []).append(found)
    return _averaged("fold", runs, places)


def _averaged(column: str, runs: Runs, places: Places) -> list[dict]:
    rows: list[dict[str, Any]] = []
    macro_f1: list[dict[int, float]] = []
    for name, by_seed in runs.items():
        pooled = {seed: concatenated(parts) for seed, parts in by_seed.items()}
        scored: list[dict[str, Any]] = [scored_taps(found, places) for found in pooled.values()]
        macro_f1.append({s: run["macro_f1"] for s, run in zip(pooled, scored, strict=True)})
        rows.append(
            {
                column: name,
                "taps": len(next(iter(pooled.values())).truth),
                "seeds": len(scored),
                **{name: mean_of_known(run[name] for run in scored) for name in SCORES},
                "macro_f1_sd_over_seeds": spread([run["macro_f1"] for run in scored]),
                "macro_f1_of_seeds": {str(s): score for s, score in macro_f1[-1].items()},
            }
        )
    common = set.intersection(*map(set, macro_f1))
    average = {
        column: MEAN,
        "taps": sum(row["taps"] for row in rows),
        "seeds": max(row["seeds"] for row in rows),
        **{name: mean_of_known(row[name] for row in rows) for name in SCORES},
        "macro_f1_sd_over_seeds": spread([mean(p[s] for p in macro_f1) for s in sorted(common)]),
    }
    return [*rows, average]


def scored_taps(found: Predictions, places: Places) -> dict[str, Any]:
    """All of `SCORES`."""
    where = (found.truth, found.expected, found.touched, places)
    return {
        **measures(found.truth, found.probabilities, found.labels),
        **location_scores(*where),
        **axis_errors(*where),
    }


def tested(found: Predictions) -> dict[str, str]:
    """By participant, a hash of which of their taps were scored."""
    taps: dict[str, set[tuple]] = {}
    for key in found.identity:
        taps.setdefault(key[0], set()).add(key)
    return {participant: digest(sorted(keys)) for participant, keys in sorted(taps.items())}


def tested_in(evaluations: Iterable[Predictions]) -> str:
    """A hash of which taps were scored in some evaluations, such as those of a fold."""
    return digest(sorted({key for found in evaluations for key in found.identity}))


def spread(values: Sequence[float]) -> float | None:
    """The standard deviation; None of fewer than two values."""
    return stdev(values) if len(values) > 1 else None


def held_out_of(people: int, seen: int) -> str:
    """In words, how many of some people were held out, where models were trained on `seen`."""
    if seen == 0:
        return "held out"
    return "not held out" if seen == people else f"{people - seen} of {people} held out"
