"""Stage `evaluate`: score a saved model on a labelled dataset."""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from datasets import concatenate_datasets

from tap2key.core.errors import Tap2keyError
from tap2key.core.files import read_json, write_json
from tap2key.core.folders import atomic_folder
from tap2key.core.outputs import check_output_folder
from tap2key.core.provenance import write_provenance
from tap2key.core.shipped import KEYBOARD
from tap2key.datasets.encoded_dataset import (
    ENCODING_FILE,
    FOLD_FILE,
    EncodedDataset,
    Rows,
    check_same_kind,
    check_unchanged,
    identities,
    listed_parts,
    load_dataset_folder,
    touched_at,
)
from tap2key.evaluation.confusion import confusion_counts
from tap2key.evaluation.metrics import scores
from tap2key.evaluation.predictions import Predictions, write_predictions
from tap2key.models.model_folder import ABOUT_FILE, ABOUT_PACKAGES, encoding_of
from tap2key.models.places import Places, expected_places, location_scores, places_of
from tap2key.models.predictor import Predictor, load_predictor
from tap2key.models.softness import Softness
from tap2key.reports.findings import held_out_of, write_findings
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


def add_scoring_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what every stage that scores a model is told."""
    parser.add_argument("--output", type=Path, required=True, help="folder for the results")
    parser.add_argument(
        "--keyboard",
        type=Path,
        default=KEYBOARD,
        help="key centres that the taps were labelled with",
    )
    parser.add_argument(
        "--allow-other-version",
        action="store_true",
        help="use a model that another version of its library made",
    )


def main(args: argparse.Namespace) -> None:
    """Write predictions, metrics, confusion matrix, keyboard map and a table of the keys."""
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
        print(
            f"tap2key: warning: {args.model}: training never saw the key {label!r}; its "
            f"{result['keys'][label]['taps']} taps count as missed",
            file=sys.stderr,
        )
    counts = confusion_counts(truth, found.prediction, len(tested.labels))
    with atomic_folder(args.output, "evaluate") as temporary:
        write_predictions(temporary / "predictions.parquet", found)
        write_json(temporary / "metrics.json", result)
        who = ", ".join(result["participants"])
        who += f", {held_out_of(len(result['participants']), len(heard))}"
        write_findings(
            temporary,
            counts,
            truth,
            found.expected,
            places,
            f"{who}: accuracy {result['accuracy']:.3f}, macro-F1 {result['macro_f1']:.3f}, "
            f"{len(truth)} taps",
        )
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
            (*ABOUT_PACKAGES, "matplotlib"),
        )
    print(
        f"{args.output}: accuracy {result['accuracy']:.3f}, macro-F1 {result['macro_f1']:.3f}",
        file=sys.stderr,
    )


def open_tested(folders: list[Path], fold: Path | None) -> EncodedDataset:
    """The rows to score: whole datasets, or the rows of them that a fold tests on.

    Raises:
        Tap2keyError: the datasets differ in kind, changed since the fold was made, or lack a row
            that it tests on.
    """
    opened = [load_dataset_folder(folder) for folder in folders]
    check_same_kind(opened)
    pool = concatenate_datasets([dataset.data for dataset in opened])
    about = {"tests_on_rows": False} if fold is None else read_json(fold / FOLD_FILE)
    if about["tests_on_rows"]:
        check_unchanged(about, opened, fold)
        pool = listed_parts(pool, fold, ["test"])["test"]
    return replace(opened[0], data=pool)


def predictions_of(
    predictor: Predictor, tested: EncodedDataset, places: Places, softness: Softness
) -> Predictions:
    """What a model says of every row, to the precision that is saved."""
    columns = tested.data.with_format("numpy")
    probabilities = _as_saved(predictor.probabilities(Rows(tested.data).all()))
    return Predictions(
        tested.labels,
        tuple(identities(tested.data)),
        np.array(columns["label"]),
        probabilities,
        touched_at(tested.data),
        _as_saved(expected_places(probabilities, places, softness)),
    )


def _as_saved(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float32).astype(float)


def check_fits(model: Path, about: dict, dataset: EncodedDataset) -> None:
    """Refuse a dataset that is not what the model was trained on.

    Raises:
        Tap2keyError: other keys, or another encoding.
    """
    if list(dataset.labels) != about["labels"]:
        raise Tap2keyError(
            f"{model}: was trained on other keys ({len(about['labels'])}) than {dataset.folder} "
            f"has ({len(dataset.labels)}); use a dataset made with the same keyboard"
        )
    wanted = encoding_of(about)
    if dataset.encoding != wanted:
        raise Tap2keyError(
            f"{dataset.folder}: encoded as {dataset.encoding}, but {model} needs {wanted}; "
            "encode the taps that way"
        )
