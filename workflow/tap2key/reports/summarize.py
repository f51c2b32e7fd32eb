"""Stage `summarize`: one experiment's held-out participants in one table and one picture."""

import argparse
from pathlib import Path

from tap2key.core.errors import Tap2keyError
from tap2key.core.files import read_json, write_json
from tap2key.core.folders import atomic_folder
from tap2key.core.html_tables import formatted, write_table
from tap2key.core.log import log
from tap2key.core.output_guard import check_output_folder
from tap2key.core.provenance import write_provenance
from tap2key.core.shipped import KEYBOARD
from tap2key.datasets.class_counts import NOTE as CLASS_COUNTS_NOTE
from tap2key.datasets.class_counts import class_count_rows
from tap2key.evaluation.confusion import confusion_counts, write_confusion
from tap2key.evaluation.participant_scores import (
    SCORES,
    SUMMARY_FILE,
    described,
    heard_in_training,
    participant_rows,
    tested,
)
from tap2key.evaluation.predictions import read_predictions, together
from tap2key.models.key_places import places_of
from tap2key.reports.evaluation_pictures import draw_findings
from tap2key.study.keyboard import load_keyboard

COLUMNS = ("participant", "taps", "seeds", *SCORES, "macro_f1_sd_over_seeds")
NOTE = (
    "A participant's score is the mean over seeds; the last row is the mean over participants. "
    "Macro-F1 weights all keys alike; space merged takes the six parts of the space bar as one "
    "key. Top 3: the key is among the three likeliest. Calibration error is expected calibration "
    "error: how far confidence is from the share that is right. Errors in mm are of the expected "
    "place among the key centres, on keys: location error from the touch sensor's reading, centre "
    "error from the true key's centre; located is the share of taps that have an expected place."
)


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
            class_counts = [
                row
                for fold, of_fold in zip(args.folds, metrics, strict=True)
                for row in class_count_rows(fold, of_fold)
            ]
            write_table(
                temporary / "class_counts",
                class_counts,
                ("fold", "seed", "side", "taps", *labels),
                f"{args.experiment}: taps of each key",
                CLASS_COUNTS_NOTE,
            )
        counts = confusion_counts(pooled.truth, pooled.prediction, len(labels))
        write_confusion(temporary / "confusion.tsv", counts, labels)
        draw_findings(
            temporary / "confusion",
            counts,
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
    log.info(f"{args.output}: {len(rows) - 1} {who}")
