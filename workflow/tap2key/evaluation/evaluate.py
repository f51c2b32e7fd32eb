"""Stage `evaluate`: score a saved model on a labelled dataset."""

import argparse
from pathlib import Path

from tap2key.core.files import write_json
from tap2key.core.folders import atomic_folder
from tap2key.core.log import log
from tap2key.core.output_guard import check_output_folder
from tap2key.core.provenance import write_provenance
from tap2key.datasets.encoded_dataset import (
    ENCODING_FILE,
)
from tap2key.evaluation.confusion import confusion_counts, write_confusion
from tap2key.evaluation.metrics import scores
from tap2key.evaluation.predictions import write_predictions
from tap2key.evaluation.scoring import (
    add_scoring_arguments,
    check_fits,
    open_tested,
    predictions_of,
)
from tap2key.models.key_places import location_scores, places_of
from tap2key.models.model_folder import ABOUT_FILE, ABOUT_PACKAGES
from tap2key.models.predictor import load_predictor
from tap2key.models.softness import Softness
from tap2key.study.keyboard import load_keyboard


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the stage's command line."""
    parser.add_argument("--model", type=Path, required=True, help="a model's folder")
    parser.add_argument(
        "--dataset", type=Path, nargs="+", required=True, help="folders of labelled datasets"
    )
    parser.add_argument(
        "--fold", type=Path, help="test only on the rows that this fold tests on, if it names any"
    )
    add_scoring_arguments(parser)


def main(args: argparse.Namespace) -> None:
    """Write predictions, metrics and the confusion matrix; stage `draw` makes pictures of them."""
    check_output_folder(args, "evaluate")
    predictor, about = load_predictor(args.model, args.allow_other_version)
    tested = open_tested(args.dataset, args.fold)
    check_fits(args.model, about, tested)
    places = places_of(load_keyboard(args.keyboard), tested.labels)
    found = predictions_of(predictor, tested, places, Softness(**about["softness"]))
    truth = found.truth
    result = {
        "participants": sorted(set(tested.data["participant"])),
        "seed": about["seed"],
        **scores(truth, found.probabilities, tested.labels, about["training_taps"]),
        **location_scores(truth, found.expected, found.touched, places),
    }
    heard = sorted(set(result["participants"]) & set(about["trained_on"]))
    result |= {"held_out": not heard, "heard_in_training": heard}
    for label in result["never_trained"]:
        log.warning(
            f"{args.model}: training never saw the key {label!r}; its "
            f"{result['keys'][label]['taps']} taps count as missed"
        )
    counts = confusion_counts(truth, found.prediction, len(tested.labels))
    with atomic_folder(args.output, "evaluate") as temporary:
        write_predictions(temporary / "predictions.parquet", found)
        write_json(temporary / "metrics.json", result)
        write_confusion(temporary / "confusion.tsv", counts, tested.labels)
        write_provenance(
            temporary,
            "evaluate",
            __name__,
            {"model": about["kind"]},
            [
                args.model / ABOUT_FILE,
                args.keyboard,
                *(folder / ENCODING_FILE for folder in args.dataset),
            ],
            ABOUT_PACKAGES,
        )
    log.info(f"{args.output}: accuracy {result['accuracy']:.3f}, macro-F1 {result['macro_f1']:.3f}")
