"""What training a classifier and fitting a baseline have in common: their arguments and data."""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets import DatasetDict

from tap2key.config.configuration import complete_experiment
from tap2key.core.errors import Tap2keyError
from tap2key.core.files import read_json
from tap2key.core.finite_numbers import loads
from tap2key.core.output_guard import check_output_folder
from tap2key.datasets.encoded_dataset import (
    FOLD_FILE,
    EncodedDataset,
    load_dataset_folder,
    load_fold,
)


@dataclass(frozen=True)
class Fold:
    """What one run reads: the fold's folder, what it says, its data, one of its datasets."""

    folder: Path
    about: dict[str, Any]
    data: DatasetDict
    first: EncodedDataset

    @property
    def length(self) -> int:
        """Values of an encoded window."""
        return self.first.data.features["input_values"].length


def add_fitting_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of every stage that makes a model from a fold."""
    parser.add_argument("--fold", type=Path, required=True, help="a folder of the fold stage")
    parser.add_argument(
        "--datasets", type=Path, nargs="+", required=True, help="the training people's datasets"
    )
    parser.add_argument(
        "--settings", default="{}", help="the experiment's settings: JSON, or a file of it"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, required=True, help="the model's folder")


def read_settings(text: str) -> dict[str, Any]:
    """An experiment's settings from JSON text or a JSON file, with all defaults filled in."""
    if not text.lstrip().startswith("{"):
        return complete_experiment(read_json(text), text)
    try:
        settings = loads(text)
    except ValueError as error:
        raise Tap2keyError(f"--settings: not JSON ({error})") from error
    return complete_experiment(settings, "--settings")


def check_model_output(args: argparse.Namespace, stage: str, settings: dict[str, Any]) -> None:
    """Check that a model may be written to `args.output`; see `check_output_folder`."""
    inputs = [] if args.settings.lstrip().startswith("{") else [("--settings", args.settings)]
    start = settings["model"]["checkpoint"]
    if start is not None and Path(start).exists():
        inputs.append(("model.checkpoint", start))
    check_output_folder(args, stage, inputs)


def open_fold(args: argparse.Namespace) -> Fold:
    """Open a fold's data; the held-out participant's is refused."""
    data = load_fold(args.fold, args.datasets)
    about = read_json(args.fold / FOLD_FILE)
    return Fold(args.fold, about, data, load_dataset_folder(args.datasets[0]))
