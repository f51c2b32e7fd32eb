"""Scores of every participant, over seeds, and their mean."""

from collections.abc import Iterable, Mapping, Sequence
from statistics import mean, stdev
from typing import Any

from tap2key.core.provenance import digest
from tap2key.evaluation.metrics import MEASURES, measures
from tap2key.evaluation.predictions import Predictions, together
from tap2key.models.key_places import LOCATION, Places, location_scores

SCORES = (*MEASURES, *LOCATION)
SUMMARY_FILE = "summary.json"
# The mean's sd over seeds is that of the participants' mean, not the mean of their sds.
MEAN = "mean"


def heard_in_training(metrics: Iterable[Mapping[str, Any]]) -> list[str]:
    """The participants of some evaluations that any of their models had heard in training."""
    heard: set[str] = set()
    for of_fold in metrics:
        # Evaluations from before each was told apart say only whether all were held out.
        everybody = [] if of_fold["held_out"] else of_fold["participants"]
        heard.update(of_fold.get("heard_in_training", everybody))
    return sorted(heard)


def described(people: int, heard: int) -> str:
    """What the participants are, for titles, where `heard` of them were heard in training."""
    if heard == 0:
        return "held-out participants"
    if heard == people:
        return "participants, none of them held out"
    return f"participants, {held_out_of(people, heard)}"


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
    runs: dict[str, dict[int, list[Predictions]]] = {}
    for seed, found in zip(seeds, evaluations, strict=True):
        for participant in dict.fromkeys(key[0] for key in found.identity):
            runs.setdefault(participant, {}).setdefault(seed, []).append(found.of(participant))
    rows: list[dict[str, Any]] = []
    macro_f1: list[dict[int, float]] = []
    for participant, by_seed in sorted(runs.items()):
        pooled = {seed: together(parts) for seed, parts in by_seed.items()}
        scored: list[dict[str, Any]] = [scored_taps(found, places) for found in pooled.values()]
        macro_f1.append({s: run["macro_f1"] for s, run in zip(pooled, scored, strict=True)})
        rows.append(
            {
                "participant": participant,
                "taps": len(next(iter(pooled.values())).truth),
                "seeds": len(scored),
                **{name: mean_of_known(run[name] for run in scored) for name in SCORES},
                "macro_f1_sd_over_seeds": spread([run["macro_f1"] for run in scored]),
            }
        )
    common = set.intersection(*map(set, macro_f1))
    average = {
        "participant": MEAN,
        "taps": sum(row["taps"] for row in rows),
        "seeds": max(row["seeds"] for row in rows),
        **{name: mean_of_known(row[name] for row in rows) for name in SCORES},
        "macro_f1_sd_over_seeds": spread([mean(p[s] for p in macro_f1) for s in sorted(common)]),
    }
    return [*rows, average]


def scored_taps(found: Predictions, places: Places) -> dict[str, Any]:
    """All of `SCORES`."""
    return {
        **measures(found.truth, found.probabilities, found.labels),
        **location_scores(found.truth, found.expected, found.touched, places),
    }


def tested(found: Predictions) -> dict[str, str]:
    """By participant, a hash of which of their taps were scored."""
    taps: dict[str, set[tuple]] = {}
    for key in found.identity:
        taps.setdefault(key[0], set()).add(key)
    return {participant: digest(sorted(keys)) for participant, keys in sorted(taps.items())}


def mean_of_known(values: Iterable[float | None]) -> float | None:
    """The mean of those values that there are; None where there is none."""
    known = [value for value in values if value is not None]
    return mean(known) if known else None


def spread(values: Sequence[float]) -> float | None:
    """The standard deviation; None of fewer than two values."""
    return stdev(values) if len(values) > 1 else None


def held_out_of(people: int, heard: int) -> str:
    """In words, how many of some people were held out, where `heard` were heard in training."""
    if heard == 0:
        return "held out"
    return "not held out" if heard == people else f"{people - heard} of {people} held out"
