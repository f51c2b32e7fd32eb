"""Stage `summarize`: one experiment's scores, in six tables and three pictures."""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from sklearn.metrics import confusion_matrix

from tap2key.comparison.summaries import interval_of_mean
from tap2key.core.errors import Tap2keyError
from tap2key.core.files import read_json, read_tsv, write_json
from tap2key.core.folders import atomic_folder
from tap2key.core.html_tables import formatted, write_table
from tap2key.core.log import log
from tap2key.core.output_guard import check_output_folder
from tap2key.core.provenance import write_provenance
from tap2key.core.shipped import KEYBOARD
from tap2key.datasets.class_counts import NOTE as CLASS_COUNTS_NOTE
from tap2key.datasets.class_counts import class_count_rows
from tap2key.evaluation.conditions import (
    BORDER,
    CONDITION_COLUMNS,
    Bin,
    border_distance_mm,
    condition_bins,
    measured_conditions,
)
from tap2key.evaluation.confusion import write_confusion
from tap2key.evaluation.detection import (
    AUDITED,
    AUDITS_NAME,
    DETECTION,
    END_TO_END,
    with_detection,
)
from tap2key.evaluation.participant_scores import (
    SCORES,
    SUMMARY_FILE,
    described,
    fold_rows,
    models_at_chance,
    only_fold,
    participant_rows,
    processors,
    seen_in_training,
    tested,
    tested_in,
    tested_share,
)
from tap2key.evaluation.predictions import Predictions, concatenated, read_predictions
from tap2key.evaluation.tap_conditions import TAP_CONDITIONS_NAME
from tap2key.models.key_places import Places, places_of
from tap2key.reports.evaluation_pictures import draw_findings, headline
from tap2key.reports.plot_conditions import draw_conditions
from tap2key.study.keyboard import load_keyboard

COLUMNS = ("taps", "seeds", *SCORES, "macro_f1_sd_over_seeds")
OF_PARTICIPANTS = ("macro_f1_low", "macro_f1_high", "trained_on_processor")
FOLDS_NOTE = (
    "A fold's score is that of all taps it tests, the mean over seeds; the last row is the mean "
    "over folds. Models at chance are those that name validation taps no better than always naming "
    "the commonest key would (one-sided binomial test, p < 0.001); empty where that is not known. "
    "The other columns are those of the participants' table."
)
NOTE = (
    "A participant's score is the mean over seeds; the last row is the mean over participants. "
    "Macro-F1 weights all keys alike; space merged takes the six parts of the space bar as one "
    "key; intervals and comparisons are of the one over all keys. Top 3: the key is among the "
    "three likeliest. Log loss is the mean negative log-likelihood in nats, Brier score loss the "
    "squared error of all probabilities. Calibration error is expected calibration error: how far "
    "confidence is from the share that is right; its floor is what a perfectly calibrated model "
    "would have with as many taps. Errors in mm are of the expected place among the key centres, "
    "on keys: location error, bias and RMSE from the touch sensor's reading, centre error from the "
    "true key's centre; located is the share of taps that have an expected place. Touches, missed "
    "and invented taps are segmentation's, of the sessions tested; end-to-end accuracy counts a "
    "touch of which there is no tap as wrong. Low and high are the mean's 95 % interval (Student's "
    "t over participants, with the variance from seeds added). The processor is that which trained "
    "the models: on another the same training rounds otherwise and ends a little elsewhere."
)
CONDITIONS_NOTE = (
    "Border distance: from the touch to the nearest border of its key. SNR: a tap's peak over its "
    "recording's noise, above 500 Hz. Gap: to the nearest other tap in the recording. Taps of "
    "which this is not known are left out. Accuracy is the mean over the participants who have at "
    "least five taps in the bin; taps are everybody's. Space merged takes the parts of the space "
    "bar as one key."
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
        "--overview",
        type=Path,
        help="results/overview of the same taps: how they were found, SNR and gaps (default: none "
        "of these)",
    )
    parser.add_argument(
        "--keyboard", type=Path, default=KEYBOARD, help="key centres, for the keyboard map"
    )


def main(args: argparse.Namespace) -> None:
    """Write participants.tsv, folds.tsv, conditions.tsv, and of all what evaluate writes of each.

    Given the folds, also class_counts.tsv.
    """
    check_output_folder(args, "summarize")
    metrics = [read_json(folder / "metrics.json") for folder in args.evaluations]
    predictions = [read_predictions(f / "predictions.parquet") for f in args.evaluations]
    labels = predictions[0].labels
    for folder, found in zip(args.evaluations, predictions, strict=True):
        if found.labels != labels:
            raise Tap2keyError(
                f"{folder}: has other keys than {args.evaluations[0]}; evaluate again"
            )
    keyboard = load_keyboard(args.keyboard)
    places = places_of(keyboard, labels)
    if lack := keyboard.lacking_places():
        log.warning(f"{lack}; errors in mm and the keyboard map leave such keys out")
    seeds = [of_run["seed"] for of_run in metrics]
    pooled = concatenated(predictions)
    audits = [] if args.overview is None else read_tsv(args.overview / AUDITS_NAME, AUDITED)
    sessions = {identity[:2] for identity in pooled.identity}
    rows = with_detection(participant_rows(seeds, predictions, places), audits, sessions)
    conditions = conditions_of(pooled, places, args.overview)
    folds = [folder.parent.name for folder in args.evaluations]
    by_fold = fold_rows(folds, seeds, predictions, places)
    average, seen = rows[-1], seen_in_training(metrics)
    for row in rows[:-1]:
        row["trained_on_processor"] = processors(metrics, row["participant"])
        row["fold"] = only_fold(folds, metrics, row["participant"])
    low, high = interval_of_mean({"participants": rows[:-1]})
    average |= {"macro_f1_low": low, "macro_f1_high": high}
    for row in by_fold:
        # The last row is the mean of all.
        own = [at for at, fold in enumerate(folds) if fold == row["fold"]] or range(len(folds))
        row["models_at_chance"] = models_at_chance([metrics[at] for at in own])
        row["tested_taps"] = tested_in(predictions[at] for at in own)
    who = described(len(rows) - 1, len(seen))
    at_chance = [
        f"{folder.parent.name}/{folder.name}"
        for folder, run in zip(args.evaluations, metrics, strict=True)
        if run.get("at_chance")
    ]
    warned = at_chance_warning(at_chance, len(metrics))
    at_chance_in_title = ""
    if warned:
        log.warning(f"{args.experiment}: {warned}")
        at_chance_in_title = f", {len(at_chance)} of {len(metrics)} models at chance"
    with atomic_folder(args.output, "summarize") as temporary:
        write_table(
            temporary / "participants",
            [formatted(row) for row in rows],
            ("participant", *COLUMNS, *DETECTION, END_TO_END, *OF_PARTICIPANTS),
            f"{args.experiment}: {who}{at_chance_in_title}",
            f"{warned} {NOTE}".strip(),
        )
        write_table(
            temporary / "folds",
            [formatted(row) for row in by_fold],
            ("fold", *COLUMNS, "models_at_chance"),
            f"{args.experiment}: folds",
            f"{warned} {FOLDS_NOTE}".strip(),
        )
        write_json(
            temporary / SUMMARY_FILE,
            {
                "experiment": args.experiment,
                "held_out": not seen,
                "seen_in_training": seen,
                "tested_taps": tested(pooled),
                "models": len(metrics),
                "folds": {
                    row["fold"]: {name: row[name] for name in ("macro_f1_of_seeds", "tested_taps")}
                    for row in by_fold[:-1]
                },
                "tested_share": tested_share(args.folds, predictions),
                "models_at_chance": models_at_chance(metrics),
                "at_chance": at_chance,
                # As they are: a test on rounded scores would be another.
                "participants": rows[:-1],
                "mean": average,
            },
        )
        write_table(
            temporary / "conditions",
            [formatted(each.row()) for each in conditions],
            CONDITION_COLUMNS,
            f"{args.experiment}: accuracy by condition",
            f"{warned} {CONDITIONS_NOTE}".strip(),
        )
        named = f"{args.experiment}: {len(rows) - 1} {who}"
        draw_conditions(temporary / "conditions", conditions, named)
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
        counts = confusion_matrix(pooled.truth, pooled.prediction, labels=range(len(labels)))
        write_confusion(temporary / "confusion.tsv", counts, labels)
        draw_findings(
            temporary / "confusion",
            counts,
            pooled.truth,
            pooled.expected,
            places,
            f"{named}, {headline(average)}",
        )
        write_provenance(
            temporary,
            "summarize",
            __name__,
            {"experiment": args.experiment},
            [
                *(folder / "metrics.json" for folder in args.evaluations),
                *([] if args.overview is None else [args.overview / AUDITS_NAME]),
            ],
            ("numpy", "matplotlib"),
        )
    log.info(f"{args.output}: {len(rows) - 1} {who}")


def conditions_of(found: Predictions, places: Places, overview: Path | None) -> list[Bin]:
    """Accuracy by every condition that is known.

    Raises:
        Tap2keyError: the overview is not of these taps.
    """
    border = border_distance_mm(found.truth, found.touched, places)
    measured: dict[str, np.ndarray] = {BORDER: border}
    if overview is not None:
        measured |= measured_conditions(overview / TAP_CONDITIONS_NAME, found)
    return condition_bins(found, measured)


def at_chance_warning(at_chance: Sequence[str], models: int) -> str:
    """That some of an experiment's models stayed at chance, and which; empty if none did."""
    if not at_chance:
        return ""
    return (
        f"{len(at_chance)} of {models} models stayed at chance in training "
        f"({', '.join(at_chance)}); their scores are in the means all the same, and say nothing "
        "of what the experiment can do."
    )
