"""Stage `baseline`: fit extremely randomised trees on delays and levels, on one fold."""

import argparse
import sys
import zipfile

import numpy as np
import skops.io
from sklearn.ensemble import ExtraTreesClassifier

from tap2key.dataset import Rows
from tap2key.delays import gcc_phat_delays, level_ratios
from tap2key.errors import Tap2keyError
from tap2key.files import atomic_folder
from tap2key.fitting import Fold, add_fitting_arguments, open_fold, read_settings
from tap2key.modelfolder import ABOUT_PACKAGES, write_about
from tap2key.provenance import write_provenance
from tap2key.represent import CHANNELS, Encoding

FOREST_FILE = "forest.skops"
# Delays beyond the time that a wave needs across the table are noise.
MAX_DELAY_S = 0.002
FEWEST_TAPS_IN_LEAF = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the stage's command line."""
    add_fitting_arguments(parser)
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")


def main(args: argparse.Namespace) -> None:
    """Fit a forest and publish it in a model folder."""
    settings = read_settings(args.settings)
    fold = open_fold(args)
    forest = fit(fold, settings["kind"], settings["trees"], args.seed, args.threads)
    validation = features(
        settings["kind"], Rows(fold.data["validation"]).all(), fold.first.encoding
    )
    truth = np.array(fold.data["validation"].with_format("numpy")["label"])
    accuracy = float((forest.predict(validation) == truth).mean())
    with atomic_folder(args.output) as temporary:
        skops.io.dump(
            forest, temporary / FOREST_FILE, compression=zipfile.ZIP_DEFLATED, compresslevel=1
        )
        score = {"accuracy": accuracy}
        write_about(temporary, settings, fold.about, fold.first, fold.length, args.seed, score)
        write_provenance(
            temporary,
            "tap2key.baseline",
            {**settings, "seed": args.seed},
            [fold.folder / "fold.json"],
            ABOUT_PACKAGES,
        )
    print(f"{args.output}: validation accuracy {accuracy:.3f}", file=sys.stderr)


def fit(fold: Fold, kind: str, trees: int, seed: int, threads: int) -> ExtraTreesClassifier:
    """A forest trained on the fold's rows, repeats included."""
    data = fold.data["train"]
    rows = np.arange(len(data)) if data._indices is None else data._indices.column(0).to_numpy()
    unique, positions = np.unique(rows, return_index=True)
    inputs = features(kind, Rows(data)[positions], fold.first.encoding)
    place = {row: at for at, row in enumerate(unique)}
    seen = np.array([place[row] for row in rows])
    labels = np.array(data.with_format("numpy")["label"])
    forest = ExtraTreesClassifier(
        trees, min_samples_leaf=FEWEST_TAPS_IN_LEAF, n_jobs=threads, random_state=seed
    )
    return forest.fit(inputs[seen], labels)


def features(kind: str, inputs: np.ndarray, encoding: Encoding) -> np.ndarray:
    """What a forest sees of encoded windows: [n, length] → [n, 8] or [n, 36].

    Raises:
        Tap2keyError: the encoding does not keep all eight channels apart.
    """
    if encoding.representation != "interleave":
        raise Tap2keyError(
            f"{kind} needs all eight channels: set encoding.representation to interleave, "
            f"not {encoding.representation}"
        )
    windows = inputs.reshape(len(inputs), -1, CHANNELS).transpose(0, 2, 1)
    levels = level_ratios(windows)
    if kind == "level_forest":
        return levels
    return np.hstack([gcc_phat_delays(windows, encoding.sample_rate, MAX_DELAY_S), levels])
