"""Stage `summarize`: one experiment's held-out participants in one table and one picture."""

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from tap2key.core.errors import Tap2keyError
from tap2key.core.files import read_json, write_json
from tap2key.core.folders import atomic_folder
from tap2key.core.html_tables import formatted, write_table
from tap2key.core.outputs import check_output_folder
from tap2key.core.provenance import digest, write_provenance
from tap2key.core.shipped import KEYBOARD
from tap2key.datasets.class_counts import NOTE as CLASS_COUNTS_NOTE
from tap2key.datasets.class_counts import class_count_rows
from tap2key.evaluation.confusion import confusion_counts
from tap2key.evaluation.metrics import MEASURES, measures
from tap2key.evaluation.predictions import Predictions, read_predictions, together
from tap2key.models.places import LOCATION, Places, location_scores, places_of
from tap2key.reports.findings import held_out_of, write_findings
from tap2key.study.keyboard import load_keyboard

SCORES = (*MEASURES, *LOCATION)
SUMMARY_FILE = "summary.json"
COLUMNS = ("participant", "taps", "seeds", *SCORES, "macro_f1_sd_over_seeds")
NOTE = (
    "A participant's score is the mean over seeds; the last row is the mean over participants. "
    "Macro-F1 weights all keys alike; space merged takes the six parts of the space bar as one "
    "key. Top 3: the key is among the three likeliest. Calibration error is expected calibration "
    "error: how far confidence is from the share that is right. Errors in mm are of the expected "
    "place among the key centres, on keys: location error from the touch sensor's reading, centre "
    "error from the true key's centre; located is the share of taps that have an expected place."
)
# The mean's sd over seeds is that of the participants' mean, not the mean of their sds.
MEAN = "mean"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the stage's command line."""
    parser.add_argument("--experiment", required=True, help="its name, for titles")
    parser.add_argument(
        "--evaluations", type=Path, nargs="+", required=True, help="folders of the evaluate stage"
    )
    parser.add_argument("--output", type=Path, required=True, help="folder for the summary")
    parser.add_argument(
        "--folds", type=Path, nargs="*", default=[], help="the folds of these evaluations, in order"
    )
    parser.add_argument(
        "--keyboard", type=Path, default=KEYBOARD, help="key centres, for the keyboard map"
    )


def main(args: argparse.Namespace) -> None:
    """Write participants.tsv, and of all participants together what evaluate writes of each.

    Given the folds, also class_counts.tsv.
    """
    check_output_folder(args, "summarize")
    metrics = [read_json(folder / "metrics.json") for folder in args.evaluations]
    predictions = [read_predictions(f / "predictions.parquet") for f in args.evaluations]
    labels = predictions[0].labels
    for folder, found in zip(args.evaluations, predictions, strict=True):
        if found.labels != labels:
            raise Tap2keyError(
                f"{folder}: has other keys than {args.evaluations[0]}; evaluate anew"
            )
    places = places_of(load_keyboard(args.keyboard), labels)
    rows = participant_rows([m["seed"] for m in metrics], predictions, places)
    pooled = together(predictions)
    average, heard = rows[-1], heard_in_training(metrics)
    who = described(len(rows) - 1, len(heard))
    with atomic_folder(args.output, "summarize") as temporary:
        write_table(
            temporary / "participants",
            [formatted(row) for row in rows],
            COLUMNS,
            f"{args.experiment}: {who}",
            NOTE,
        )
        write_json(
            temporary / SUMMARY_FILE,
            {
                "experiment": args.experiment,
                "held_out": not heard,
                "heard_in_training": heard,
                "tested_taps": tested(pooled),
                # As they are: a test on rounded scores would be another.
                "participants": rows[:-1],
                "mean": average,
            },
        )
        if args.folds:
            counts = [
                row
                for fold, of_fold in zip(args.folds, metrics, strict=True)
                for row in class_count_rows(fold, of_fold)
            ]
            write_table(
                temporary / "class_counts",
                counts,
                ("fold", "seed", "side", "taps", *labels),
                f"{args.experiment}: taps of each key",
                CLASS_COUNTS_NOTE,
            )
        write_findings(
            temporary,
            confusion_counts(pooled.truth, pooled.prediction, len(labels)),
            pooled.truth,
            pooled.expected,
            places,
            f"{args.experiment}: {len(rows) - 1} {who}, "
            f"mean accuracy {average['accuracy']:.3f}, mean macro-F1 {average['macro_f1']:.3f}",
        )
        write_provenance(
            temporary,
            "summarize",
            __name__,
            {"experiment": args.experiment},
            [folder / "metrics.json" for folder in args.evaluations],
            ("numpy", "matplotlib"),
        )
    print(f"{args.output}: {len(rows) - 1} {who}", file=sys.stderr)


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
    rows, macro_f1 = [], []
    for participant, by_seed in sorted(runs.items()):
        pooled = {seed: together(parts) for seed, parts in by_seed.items()}
        scored = [scored_taps(found, places) for found in pooled.values()]
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


def scored_taps(found: Predictions, places: Places) -> dict[str, float | None]:
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
