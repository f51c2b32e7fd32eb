"""Stage `draw`: pictures of an evaluation, and its table of keys, from its predictions."""

import argparse
from pathlib import Path

from sklearn.metrics import confusion_matrix

from tap2key.core.files import read_json
from tap2key.core.output_guard import check_output_files, stem_of
from tap2key.core.shipped import KEYBOARD
from tap2key.evaluation.participant_scores import held_out_of
from tap2key.evaluation.predictions import read_predictions
from tap2key.models.key_places import places_of
from tap2key.reports.evaluation_pictures import FILES, draw_findings, headline
from tap2key.study.keyboard import load_keyboard


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the stage's command line."""
    parser.add_argument(
        "--predictions", type=Path, required=True, help="predictions.parquet of an evaluation"
    )
    parser.add_argument("--metrics", type=Path, required=True, help="its metrics.json")
    parser.add_argument("--keyboard", type=Path, default=KEYBOARD, help="label,x,y of every key")
    parser.add_argument(
        "--output",
        type=Path,
        required=True,
        help="picture of the confusion matrix; keyboard map and table of keys come beside it",
    )


def main(args: argparse.Namespace) -> None:
    """Draw the confusion matrix and the keyboard map, and write the table of keys."""
    check_output_files(args, (".png", ".pdf"), FILES)
    found, metrics = read_predictions(args.predictions), read_json(args.metrics)
    people, seen = metrics["participants"], metrics.get("seen_in_training", [])
    draw_findings(
        stem_of(args.output),
        confusion_matrix(found.truth, found.prediction, labels=range(len(found.labels))),
        found.truth,
        found.expected,
        places_of(load_keyboard(args.keyboard), found.labels),
        f"{', '.join(people)}, {held_out_of(len(people), len(seen))}: {headline(metrics)}, "
        f"{len(found.truth)} taps",
    )
