"""Stage `baseline`: fit a forest on one fold."""

import argparse
import zipfile
from typing import TypeAlias

import numpy as np
import skops.io
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier

from tap2key.core.folders import atomic_folder
from tap2key.core.log import log
from tap2key.core.provenance import write_provenance
from tap2key.datasets.encoded_dataset import Rows
from tap2key.models.forest_features import forest_features
from tap2key.models.model_folder import ABOUT_PACKAGES, FOREST_FILE, write_about
from tap2key.training.fold_data import (
    Fold,
    add_fitting_arguments,
    check_model_output,
    open_fold,
    read_settings,
)

FEWEST_TAPS_IN_LEAF = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the stage's command line."""
    add_fitting_arguments(parser)
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")


def main(args: argparse.Namespace) -> None:
    """Fit a forest and publish it in a model folder."""
    settings = read_settings(args.settings)
    check_model_output(args, "baseline", settings)
    fold = open_fold(args)
    forest = fit(fold, settings["kind"], settings["trees"], args.seed, args.threads)
    validation = forest_features(
        settings["kind"], Rows(fold.data["validation"]).all(), fold.first.encoding
    )
    truth = np.array(fold.data["validation"].with_format("numpy")["label"])
    accuracy = float((forest.predict(validation) == truth).mean())
    with atomic_folder(args.output, "baseline") as temporary:
        skops.io.dump(
            forest, temporary / FOREST_FILE, compression=zipfile.ZIP_DEFLATED, compresslevel=1
        )
        score = {"accuracy": accuracy}
        write_about(temporary, settings, fold.about, fold.first, fold.length, args.seed, score)
        write_provenance(
            temporary,
            "baseline",
            __name__,
            {**settings, "seed": args.seed},
            [fold.folder / "fold.json"],
            ABOUT_PACKAGES,
        )
    log.info(f"{args.output}: validation accuracy {accuracy:.3f}")


BaseForest: TypeAlias = ExtraTreesClassifier | RandomForestClassifier


def fit(fold: Fold, kind: str, trees: int, seed: int, threads: int) -> BaseForest:
    """A forest trained on the fold's rows, repeats included."""
    data = fold.data["train"]
    rows = np.arange(len(data)) if data._indices is None else data._indices.column(0).to_numpy()
    unique, positions = np.unique(rows, return_index=True)
    inputs = forest_features(kind, Rows(data)[positions], fold.first.encoding)
    place = {row: at for at, row in enumerate(unique)}
    seen = np.array([place[row] for row in rows])
    labels = np.array(data.with_format("numpy")["label"])
    family = RandomForestClassifier if kind == "mfcc_forest" else ExtraTreesClassifier
    forest = family(trees, min_samples_leaf=FEWEST_TAPS_IN_LEAF, n_jobs=threads, random_state=seed)
    return forest.fit(inputs[seen], labels)
