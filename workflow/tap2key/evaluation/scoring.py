"""Which rows a model is scored on, what it says of them, and whether they fit each other."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

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
        help="accept a model made with another version of its library",
    )


def open_tested(folders: list[Path], fold: Path | None) -> EncodedDataset:
    """The rows to score: whole datasets, or the rows of them that a fold tests on.

    Raises:
        Tap2keyError: the datasets differ in kind, changed since the fold was made, lack a row that
            it tests on, or all trained.
    """
    opened = [load_dataset_folder(folder) for folder in folders]
    check_same_kind(opened)
    metadata = {} if fold is None else read_json(fold / FOLD_FILE)
    if fold is None or not metadata["tests_on_rows"]:
        # Of a group that is held out, whoever has no tap in it may be among them and have trained.
        unheard = [x for x in opened if x.participant not in metadata.get("fingerprints", {})]
        if not unheard:
            people = ", ".join(sorted({each.participant for each in opened}))
            raise Tap2keyError(
                f"{fold}: trains on {people}, who cannot also be tested; give the datasets of "
                "participants that it holds out"
            )
        return replace(unheard[0], data=concatenate_datasets([each.data for each in unheard]))
    check_unchanged(metadata, opened, fold)
    # Of a group that is held out some people may be held out whole.
    whole = [each.data for each in opened if each.participant in metadata["held_out"]]
    others = [each.data for each in opened if each.participant not in metadata["held_out"]]
    listed = listed_parts(concatenate_datasets(others), fold, ["test"])["test"]
    return replace(opened[0], data=concatenate_datasets([listed, *whole]))


def predictions_of(
    predictor: Predictor, tested: EncodedDataset, places: Places, softness: Softness
) -> Predictions:
    """What a model says of every row, to the precision that is saved."""
    columns = tested.data.with_format("numpy")
    inputs = Rows(tested.data).all()
    probabilities, located = predictor.located(inputs, places)
    probabilities = _as_saved(probabilities)
    if located is None:
        located = expected_places(probabilities, places, softness)
    return Predictions(
        tested.labels,
        tuple(identities(tested.data)),
        np.array(columns["label"]),
        probabilities,
        touched_at(tested.data),
        _as_saved(located),
    )


def adapted_among(metadata: dict, found: Predictions) -> dict[str, Any]:
    """Which tested taps and sessions a model was adapted to; empty of one that was not adapted.

    Returns:
        `adapted_sessions`, as participant/session, and `adapted_taps`, how many; None where it was
        adapted to recordings, of which no tap has a name.
    """
    if "adapted_to" not in metadata:
        return {}
    taps = _adapted_to(metadata)
    if not taps:
        return {"adapted_sessions": None, "adapted_taps": None}
    sessions = {identity[:2] for identity in taps} & {identity[:2] for identity in found.identity}
    return {
        "adapted_sessions": sorted("/".join(session) for session in sessions),
        "adapted_taps": len(tested_and_adapted_to(metadata, found)),
    }


def tested_and_adapted_to(metadata: dict, found: Predictions) -> set[tuple]:
    """The identities of tested taps that a model was adapted to."""
    return _adapted_to(metadata) & set(found.identity)


def _adapted_to(metadata: dict) -> set[tuple]:
    return {tuple(identity) for identity in metadata.get("adapted_to", {}).get("taps", ())}


def _as_saved(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float32).astype(float)


def check_fits(model: Path, metadata: dict, dataset: EncodedDataset) -> None:
    """Refuse a dataset that is not what the model was trained on.

    Raises:
        Tap2keyError: other keys, or another encoding.
    """
    if list(dataset.labels) != metadata["labels"]:
        raise Tap2keyError(
            f"{model}: was trained on different keys ({len(metadata['labels'])}) than "
            f"{dataset.folder} has ({len(dataset.labels)}); use a dataset made with the same "
            "keyboard"
        )
    wanted = encoding_of(metadata)
    if not wanted.alike(dataset.encoding):
        raise Tap2keyError(
            f"{dataset.folder}: not encoded as {model} needs it "
            f"({wanted.differences(dataset.encoding)}); encode the taps that way"
        )
