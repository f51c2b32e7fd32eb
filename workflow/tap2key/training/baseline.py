"""Stage `baseline`: fit a forest, a support vector machine or a wave speed on one fold."""

import argparse
import shutil
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import skops.io

from tap2key.config.arguments import add_settings, settings_of
from tap2key.config.search_space import candidates, with_candidate
from tap2key.config.stage_settings import (
    BASELINE,
    BASELINES,
    FOREST_KINDS,
    MULTILATERATION,
    SVM_KIND,
)
from tap2key.core.errors import Tap2keyError
from tap2key.core.files import write_json
from tap2key.core.folders import atomic_folder
from tap2key.core.log import log
from tap2key.core.output_guard import check_output_folder
from tap2key.core.provenance import write_provenance
from tap2key.core.shipped import KEYBOARD
from tap2key.datasets.encoded_dataset import FOLD_FILE, Rows, load_dataset_folder
from tap2key.models.baseline_features import baseline_features
from tap2key.models.model_folder import (
    FOREST_FILE,
    MODEL_PACKAGES,
    MULTILATERATION_FILE,
    SELECTION_SCORE,
    SVM_FILE,
    TOUCHES_FILE,
    write_model_metadata,
)
from tap2key.study.keyboard import load_keyboard
from tap2key.training.fitting import (
    Fitted,
    TrainingTaps,
    fit_forest,
    fit_multilateration,
    fit_svm,
    fit_touches,
    training_taps,
)
from tap2key.training.fold_data import Fold, add_fitting_arguments, open_fold
from tap2key.training.search import SEARCH_FILE, as_found, macro_f1, search_among, write_search

FILES = {MULTILATERATION: MULTILATERATION_FILE, SVM_KIND: SVM_FILE}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the stage's command line."""
    add_fitting_arguments(parser)
    add_settings(parser, "experiment", BASELINE)
    parser.add_argument(
        "--checkpoints", type=Path, help="root folder for what a search has tried, to go on from"
    )
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of a forest")
    parser.add_argument(
        "--keyboard",
        type=Path,
        nargs="?",
        default=KEYBOARD,
        const=KEYBOARD,
        help="key centres that the taps were labelled with, for multilateration",
    )


def main(args: argparse.Namespace) -> None:
    """Fit a baseline, on the settings that a search finds best if there is one, and publish it."""
    settings = settings_of(args, "experiment", BASELINE)
    kind = settings["kind"]
    if kind not in BASELINES:
        raise Tap2keyError(f"--kind is {kind}; choose {', '.join(BASELINES)}")
    settings = {name: settings[name] for name in BASELINES[kind]}
    check_output_folder(args, "baseline")
    settings = as_found(settings, args.searched)
    fold = open_fold(args)
    inputs = baseline_features(kind, Rows(fold.data["validation"]).all(), fold.first.encoding)
    truth = np.array(fold.data["validation"].with_format("numpy")["label"])
    tried, search = candidates(settings), None
    kept = None
    if tried:
        if args.checkpoints is None:
            raise Tap2keyError("--search: give --checkpoints too, a folder for what was tried")
        kept = args.checkpoints / fold.identity(__name__, settings, args.seed, args.output)
    taps = None if kind == MULTILATERATION else training_taps(fold, kind)
    fitted = fitting(args, kind, fold, taps, inputs, truth)
    if kept is not None:
        search = search_among(
            tried,
            kept,
            lambda _, candidate: macro_f1(
                truth, fitted(with_candidate(settings, candidate)).predicted
            ),
        )
        settings = with_candidate(settings, search.best)
    found = fitted(settings)
    files = {FILES.get(kind, FOREST_FILE): found.saved}
    if kind in FOREST_KINDS and taps is not None:
        touches = fit_touches(taps, settings, args.seed, args.threads)
        files |= {} if touches is None else {TOUCHES_FILE: touches}
    accuracy = float((found.predicted == truth).mean())
    with atomic_folder(args.output, "baseline") as temporary:
        for name, saved in files.items():
            if name == MULTILATERATION_FILE:
                write_json(temporary / name, saved)
            else:
                packed = {"compression": zipfile.ZIP_DEFLATED, "compresslevel": 1}
                skops.io.dump(saved, temporary / name, **packed)
        if search is not None:
            write_search(temporary / SEARCH_FILE, search)
        write_model_metadata(
            temporary,
            *(settings, fold.metadata, fold.first, fold.length, args.seed),
            {"accuracy": accuracy, SELECTION_SCORE: macro_f1(truth, found.predicted)},
            found.softness,
        )
        write_provenance(
            temporary,
            "baseline",
            __name__,
            {**settings, "seed": args.seed},
            [fold.folder / FOLD_FILE, *([args.searched / SEARCH_FILE] if args.searched else [])],
            MODEL_PACKAGES,
        )
    if kept is not None:
        shutil.rmtree(kept, ignore_errors=True)
    log.info(f"{args.output}: validation accuracy {accuracy:.3f}")


def fitting(
    args: argparse.Namespace,
    kind: str,
    fold: Fold,
    taps: TrainingTaps | None,
    inputs: np.ndarray,
    truth: np.ndarray,
) -> Callable[[Mapping[str, Any]], Fitted]:
    """What fits a kind of baseline with given settings.

    Args:
        args: the stage's.
        kind: of baseline.
        fold: whose training taps it is fitted to.
        taps: as the kind sees them; None for multilateration, which takes them from the fold.
        inputs: [n, features] of validation taps.
        truth: [n], indices of their labels.
    """
    if taps is None:
        check_one_array(args.datasets)
        keyboard = load_keyboard(args.keyboard)
        return lambda _: fit_multilateration(fold, keyboard, inputs, truth)
    if kind == SVM_KIND:
        return lambda settings: fit_svm(taps, settings["svm"], args.seed, inputs, truth)
    return lambda settings: fit_forest(taps, settings, args.seed, args.threads, inputs, truth)


def check_one_array(datasets: Sequence[Path]) -> None:
    """Refuse training on several arrays, as delays would be taken for those of the first.

    Raises:
        Tap2keyError: two datasets are of different arrays.
    """
    arrays = [load_dataset_folder(folder).encoding.array for folder in datasets]
    for folder, array in zip(datasets, arrays, strict=True):
        if array != arrays[0]:
            raise Tap2keyError(
                f"{folder}: was recorded with another array than {datasets[0]} "
                f"({arrays[0].differences(array)}); {MULTILATERATION} is for one array"
            )
