"""Which rows a model is scored on, what it says of them, and whether they fit each other."""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from datasets import concatenate_datasets

from tap2key.core.errors import Tap2keyError
from tap2key.core.files import read_json
from tap2key.core.shipped import KEYBOARD
from tap2key.datasets.encoded_dataset import (
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
from tap2key.evaluation.predictions import Predictions
from tap2key.models.key_places import Places, expected_places
from tap2key.models.model_folder import encoding_of
from tap2key.models.predictor import Predictor
from tap2key.models.softness import Softness


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


def open_tested(folders: list[Path], fold: Path | None) -> EncodedDataset:
    """The rows to score: whole datasets, or the rows of them that a fold tests on.

    Raises:
        Tap2keyError: the datasets differ in kind, changed since the fold was made, or lack a row
            that it tests on.
    """
    opened = [load_dataset_folder(folder) for folder in folders]
    check_same_kind(opened)
    pool = concatenate_datasets([dataset.data for dataset in opened])
    if fold is not None:
        about = read_json(fold / FOLD_FILE)
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
