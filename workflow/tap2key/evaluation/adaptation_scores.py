"""Stage `adaptation-scores`: how much a few labelled taps of the tested would help a model."""

import argparse
from pathlib import Path

import numpy as np
from datasets import Dataset

from tap2key.core.files import write_tsv
from tap2key.core.folders import atomic_folder
from tap2key.core.html_tables import formatted
from tap2key.core.log import log
from tap2key.core.output_guard import check_output_folder
from tap2key.core.provenance import write_provenance
from tap2key.datasets.encoded_dataset import (
    ENCODING_FILE,
    FOLD_FILE,
    Rows,
    load_fold,
    touched_at,
    unrepeated,
)
from tap2key.evaluation.adaptation import ADAPTATION_FILE, Heard, Locator, adaptation_curve
from tap2key.evaluation.scoring import add_scoring_arguments, check_fits, open_tested
from tap2key.models.key_places import places_of, seen_from_the_table
from tap2key.models.model_folder import ABOUT_FILE, ABOUT_PACKAGES
from tap2key.models.predictor import Predictor, load_predictor
from tap2key.study.keyboard import load_keyboard

TAPS_PER_KEY = (1, 2, 5)
DRAWS = 10
# Of each key: enough for a smooth map, and no wait for a large network.
MOST_TRAINING_TAPS = 60
COLUMNS = (
    *("participant", "seed", "draw", "taps_per_key", "given", "tested"),
    *("accuracy", "macro_f1"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the stage's command line."""
    parser.add_argument("--model", type=Path, required=True, help="a model's folder")
    parser.add_argument("--fold", type=Path, required=True, help="the fold it was trained on")
    parser.add_argument(
        "--training", type=Path, nargs="+", required=True, help="the training people's datasets"
    )
    parser.add_argument(
        "--dataset", type=Path, nargs="+", required=True, help="the tested people's datasets"
    )
    parser.add_argument(
        "--taps-per-key", type=int, nargs="+", default=list(TAPS_PER_KEY), metavar="K"
    )
    parser.add_argument("--draws", type=int, default=DRAWS, help="how often to draw those taps")
    add_scoring_arguments(parser)


def main(args: argparse.Namespace) -> None:
    """Write adaptation.tsv: scores by participant, draw and labelled taps per key."""
    check_output_folder(args, "adaptation-scores")
    predictor, about = load_predictor(args.model, args.allow_other_version)
    tested = open_tested(args.dataset, args.fold)
    check_fits(args.model, about, tested)
    places = places_of(load_keyboard(args.keyboard), tested.labels)
    heard = hear(predictor, load_fold(args.fold, args.training)["train"], tested.data)
    columns = tested.data.with_format("numpy")
    keys, people, sessions = (
        np.array(columns[name]) for name in ("label", "participant", "session")
    )
    heard_before = sorted(set(people.tolist()) & set(about["trained_on"]))
    if heard_before:
        log.warning(f"{args.model}: was trained on {', '.join(heard_before)}")
    rows = []
    for person in np.unique(people):
        own = np.flatnonzero(people == person)
        curve = adaptation_curve(
            heard.of(own),
            keys[own],
            sessions[own],
            places,
            sorted(set(args.taps_per_key)),
            args.draws,
            about["seed"],
        )
        rows += [{"participant": person, "seed": about["seed"], **row} for row in curve]
    with atomic_folder(args.output, "adaptation-scores") as temporary:
        write_tsv(temporary / ADAPTATION_FILE, map(formatted, rows), COLUMNS)
        write_provenance(
            temporary,
            "adaptation-scores",
            __name__,
            {"taps_per_key": args.taps_per_key, "draws": args.draws},
            [
                args.model / ABOUT_FILE,
                args.fold / FOLD_FILE,
                args.keyboard,
                *(folder / ENCODING_FILE for folder in [*args.training, *args.dataset]),
            ],
            ABOUT_PACKAGES,
        )
    for count in sorted({row["taps_per_key"] for row in rows}):
        mean = np.mean([row["accuracy"] for row in rows if row["taps_per_key"] == count])
        log.info(f"{args.output}: {count} taps per key, accuracy {mean:.3f}")


def hear(predictor: Predictor, training: Dataset, tested: Dataset) -> Heard:
    """What a model makes of the tested taps; where they were is learned from training taps.

    Taps whose touch has no place, such as those with ingested labels, teach none.
    """
    probabilities, embeddings = predictor.with_embeddings(Rows(tested).all())
    if embeddings is None:
        return Heard(probabilities, None)
    seen = seen_from_the_table(touched_at(training).astype(float))
    located = np.flatnonzero(~np.isnan(seen[:, 0]))
    if not len(located):
        return Heard(probabilities, None)
    rows = located[sample(training.select(located), MOST_TRAINING_TAPS)]
    _, known = predictor.with_embeddings(Rows(training.select(rows)).all())
    assert known is not None, "it gave the others' embeddings"
    return Heard(probabilities, Locator(known, seen[rows])(embeddings))


def sample(data: Dataset, most: int) -> np.ndarray:
    """Rows of at most so many taps of each key, drawn alike every time; no tap twice."""
    once = np.random.default_rng(0).permutation(unrepeated(data))
    labels = np.array(data.with_format("numpy")["label"])[once]
    chosen = [once[labels == label][:most] for label in np.unique(labels)]
    return np.sort(np.concatenate(chosen))
