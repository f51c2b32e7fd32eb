"""Stage `evaluate`: score a saved model on a labelled dataset."""

import argparse
from pathlib import Path

from sklearn.metrics import confusion_matrix

from tap2key.core.files import read_json, write_json
from tap2key.core.folders import atomic_folder
from tap2key.core.log import log
from tap2key.core.output_guard import check_output_folder
from tap2key.core.provenance import FILE_NAME, write_provenance
from tap2key.datasets.encoded_dataset import (
    ENCODING_FILE,
)
from tap2key.evaluation.axis_errors import axis_errors
from tap2key.evaluation.confusion import write_confusion
from tap2key.evaluation.metrics import SPACE_MERGED, scores
from tap2key.evaluation.predictions import write_predictions
from tap2key.evaluation.scoring import (
    adapted_among,
    add_scoring_arguments,
    check_fits,
    open_tested,
    predictions_of,
    tested_and_adapted_to,
)
from tap2key.models.key_places import location_scores, places_of
from tap2key.models.model_folder import MODEL_METADATA_FILE, MODEL_PACKAGES
from tap2key.models.predictor import load_predictor
from tap2key.models.softness import Softness
from tap2key.study.keyboard import load_keyboard


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the stage's command line."""
    parser.add_argument("--model", type=Path, required=True, help="a model's folder")
    parser.add_argument(
        "--datasets", type=Path, nargs="+", required=True, help="folders of labelled datasets"
    )
    parser.add_argument(
        "--fold", type=Path, help="test only on the rows that this fold tests on, if it names any"
    )
    add_scoring_arguments(parser)


def main(args: argparse.Namespace) -> None:
    """Write predictions, metrics and the confusion matrix; stage `draw` makes pictures of them."""
    check_output_folder(args, "evaluate")
    predictor, metadata = load_predictor(args.model, args.allow_other_version)
    tested = open_tested(args.datasets, args.fold)
    check_fits(args.model, metadata, tested)
    keyboard = load_keyboard(args.keyboard)
    places = places_of(keyboard, tested.labels)
    if lack := keyboard.lacking_places():
        log.warning(f"{lack}; errors in mm and the keyboard map leave such keys out")
    found = predictions_of(predictor, tested, places, Softness(**metadata["softness"]))
    truth = found.truth
    where = (truth, found.expected, found.touched, places)
    result = {
        "participants": sorted(set(tested.data["participant"])),
        "seed": metadata["seed"],
        **scores(truth, found.probabilities, tested.labels, metadata["training_taps"]),
        **location_scores(*where),
        **axis_errors(*where),
    }
    taught = {participant for participant, *_ in tested_and_adapted_to(metadata, found)}
    seen = sorted(set(result["participants"]) & {*metadata["trained_on"], *taught})
    # Of a forest, and of a model from before this was tested, nothing is known.
    at_chance = metadata["validation"].get("at_chance")
    result |= {"held_out": not seen, "seen_in_training": seen, "at_chance": at_chance}
    # Of a model from before this was kept, and of one that was made elsewhere, it is not known.
    made = args.model / FILE_NAME
    result["trained_on_processor"] = read_json(made).get("processor") if made.exists() else None
    if at_chance:
        log.warning(f"{args.model}: stayed at chance in training, on its validation taps")
    result |= adapted_among(metadata, found)
    if result.get("adapted_taps"):
        log.warning(
            f"{args.model}: was adapted to {result['adapted_taps']} of the {len(truth)} tested "
            "taps; leave them out, or say so with the score"
        )
    elif result.get("adapted_sessions"):
        log.info(
            f"{args.model}: was adapted to other taps of {', '.join(result['adapted_sessions'])}"
        )
    elif "adapted_taps" in result and result["adapted_taps"] is None:
        log.warning(
            f"{args.model}: was adapted to recordings (see its {FILE_NAME}), which may hold the "
            "tested taps"
        )
    for label in result["never_trained"]:
        log.warning(
            f"{args.model}: training never saw the key {label!r}; its "
            f"{result['keys'][label]['taps']} taps count as missed"
        )
    counts = confusion_matrix(truth, found.prediction, labels=range(len(tested.labels)))
    with atomic_folder(args.output, "evaluate") as temporary:
        write_predictions(temporary / "predictions.parquet", found)
        write_json(temporary / "metrics.json", result)
        write_confusion(temporary / "confusion.tsv", counts, tested.labels)
        write_provenance(
            temporary,
            "evaluate",
            __name__,
            {"model": metadata["kind"]},
            [
                args.model / MODEL_METADATA_FILE,
                args.keyboard,
                *(folder / ENCODING_FILE for folder in args.datasets),
            ],
            MODEL_PACKAGES,
        )
    log.info(
        f"{args.output}: macro-F1 {result[SPACE_MERGED]:.3f} with the space bar as one key, "
        f"{result['macro_f1']:.3f} over all keys, accuracy {result['accuracy']:.3f}"
    )
