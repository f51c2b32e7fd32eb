"""What training a classifier and fitting a baseline have in common: their arguments and data."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets import DatasetDict

from tap2key.core.code_hash import code_hash
from tap2key.core.digests import digest
from tap2key.core.files import read_json
from tap2key.core.provenance import package_versions
from tap2key.datasets.encoded_dataset import (
    FOLD_FILE,
    EncodedDataset,
    load_dataset_folder,
    load_fold,
)
from tap2key.models.model_folder import MODEL_PACKAGES


@dataclass(frozen=True)
class Fold:
    """What one run reads: the fold's folder, what it says, its data, one of its datasets."""

    folder: Path
    metadata: dict[str, Any]
    data: DatasetDict
    first: EncodedDataset

    @property
    def length(self) -> int:
        """Values of an encoded window."""
        return self.first.data.features["input_values"].length

    def identity(
        self, stage: str, settings: Mapping[str, Any], seed: int, output: Path, **more: Any
    ) -> str:
        """A hash of all that decides a model of this fold, to go on from what is of the same alone.

        Args:
            stage: the module that makes it, whose code counts.
            settings: the experiment's, as far as they determine the model.
            seed: of everything that is random.
            output: its folder; experiments that come out the same are still different models.
            more: what else decides it.
        """
        return digest(
            {
                "settings": settings,
                "seed": seed,
                "fold": self.metadata,
                "output": str(output),
                "code": code_hash(stage),
                "packages": package_versions(MODEL_PACKAGES),
                **more,
            }
        )


def add_fitting_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of every stage that makes a model from a fold."""
    parser.add_argument("--fold", type=Path, required=True, help="a folder of the fold stage")
    parser.add_argument(
        "--datasets",
        type=Path,
        nargs="+",
        required=True,
        help="datasets of the training participants",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, required=True, help="the model's folder")
    parser.add_argument(
        "--searched",
        type=Path,
        nargs="?",
        help="another seed's model, whose search found the settings for this one too",
    )


def open_fold(args: argparse.Namespace) -> Fold:
    """Open a fold's data; the held-out participant's is refused."""
    data = load_fold(args.fold, args.datasets)
    metadata = read_json(args.fold / FOLD_FILE)
    return Fold(args.fold, metadata, data, load_dataset_folder(args.datasets[0]))
