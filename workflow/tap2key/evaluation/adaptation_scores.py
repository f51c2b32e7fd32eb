"""Stage `adaptation-scores`: how much a few taps of the tested would help a model."""

import argparse
from pathlib import Path

import numpy as np

from tap2key.core.files import write_tsv
from tap2key.core.folders import atomic_folder
from tap2key.core.html_tables import formatted
from tap2key.core.log import log
from tap2key.core.output_guard import check_output_folder
from tap2key.core.provenance import write_provenance
from tap2key.datasets.encoded_dataset import ENCODING_FILE, FOLD_FILE, IDENTITY
from tap2key.datasets.encoded_dataset import Rows as Inputs
from tap2key.datasets.row_times import in_time, names_of
from tap2key.evaluation.adaptation import ADAPTATION_FILE, Rows, adaptation_curve
from tap2key.evaluation.scoring import add_scoring_arguments, check_fits, open_tested
from tap2key.models.key_places import places_of
from tap2key.models.model_folder import HEAD, MODEL_METADATA_FILE, MODEL_PACKAGES
from tap2key.models.predictor import check_not_adapted, load_predictor
from tap2key.models.session_adaptation import outputs_of
from tap2key.models.softness import Softness
from tap2key.study.keyboard import load_keyboard
from tap2key.study.manifest import read_manifest

TAPS_PER_KEY = (1, 2, 5)
COLUMNS = (
    *("participant", "seed", "learned_from", "taps_per_key", "labelled", "unlabelled", "tested"),
    *("accuracy", "macro_f1"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the stage's command line."""
    parser.add_argument("--model", type=Path, required=True, help="a model's folder")
    parser.add_argument("--fold", type=Path, required=True, help="the fold it was trained on")
    parser.add_argument(
        "--test-datasets",
        type=Path,
        nargs="+",
        required=True,
        help="datasets of the tested participants",
    )
    parser.add_argument(
        "--taps-per-key", type=int, nargs="+", default=list(TAPS_PER_KEY), metavar="K"
    )
    parser.add_argument(
        "--manifest",
        type=Path,
        help="results/manifest.tsv, for start times (default: recordings are in time order in the "
        "datasets)",
    )
    add_scoring_arguments(parser)


def main(args: argparse.Namespace) -> None:
    """Write adaptation.tsv: scores by participant and what the model learned from."""
    check_output_folder(args, "adaptation-scores")
    predictor, metadata = load_predictor(args.model, args.allow_other_version)
    check_not_adapted(predictor, args.model)
    tested = open_tested(args.test_datasets, args.fold)
    check_fits(args.model, metadata, tested)
    places = places_of(load_keyboard(args.keyboard), tested.labels)
    outputs = outputs_of(
        predictor.probabilities(Inputs(tested.data).all()),
        metadata["kind"] in HEAD,
        places,
        Softness(**metadata["softness"]),
    )
    keys = np.array(tested.data.with_format("numpy")["label"])
    identity = tested.data.with_format("arrow")[:].select(IDENTITY)
    people, sessions, recordings = names_of(identity)
    order = in_time(identity, read_manifest(args.manifest) if args.manifest is not None else [])
    not_held_out = sorted(set(people.tolist()) & set(metadata["trained_on"]))
    # Whoever has sessions of their own held out trains with the others.
    if not_held_out and not metadata["tests_on_rows"]:
        log.warning(f"{args.model}: was trained on {', '.join(not_held_out)}")
    rows = []
    for person in np.unique(people):
        own = np.flatnonzero(people == person)
        curve = adaptation_curve(
            outputs.of(own),
            keys[own],
            Rows(sessions[own], recordings[own], order[own]),
            places,
            sorted(set(args.taps_per_key)),
        )
        rows += [{"participant": person, "seed": metadata["seed"], **row} for row in curve]
    with atomic_folder(args.output, "adaptation-scores") as temporary:
        write_tsv(temporary / ADAPTATION_FILE, map(formatted, rows), COLUMNS)
        write_provenance(
            temporary,
            "adaptation-scores",
            __name__,
            {"taps_per_key": args.taps_per_key},
            [
                args.model / MODEL_METADATA_FILE,
                args.fold / FOLD_FILE,
                args.keyboard,
                *(folder / ENCODING_FILE for folder in args.test_datasets),
            ],
            MODEL_PACKAGES,
        )
    for count in sorted({row["taps_per_key"] for row in rows} - {None}):
        mean = np.mean([row["accuracy"] for row in rows if row["taps_per_key"] == count])
        log.info(f"{args.output}: {count} taps per key, accuracy {mean:.3f}")
