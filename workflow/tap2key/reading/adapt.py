"""Stage `adapt`: a model and some taps of a session → a model that fits person and session."""

import argparse
import shutil
from dataclasses import asdict
from pathlib import Path

from tap2key.config.arguments import add_settings, settings_of
from tap2key.config.stage_settings import FINDING, HEARD
from tap2key.core.errors import Tap2keyError
from tap2key.core.files import write_json
from tap2key.core.folders import atomic_folder
from tap2key.core.log import log
from tap2key.core.output_guard import check_output_folder
from tap2key.core.provenance import write_provenance
from tap2key.core.shipped import KEYBOARD
from tap2key.models.ensemble import Ensemble
from tap2key.models.key_places import places_of
from tap2key.models.model_folder import (
    ADAPTED_FILE,
    ADAPTED_KEYBOARD_FILE,
    HEAD,
    MODEL_FILES,
    MODEL_METADATA_FILE,
    MODEL_PACKAGES,
    read_model_metadata,
)
from tap2key.models.predictor import check_not_adapted
from tap2key.models.session_adaptation import AS_BEFORE, fit_labelled, fit_unlabelled, outputs_of
from tap2key.models.softness import Softness
from tap2key.reading.taps_to_learn import taps_in_folders, taps_in_recordings
from tap2key.reading.unlabelled import unlabelled_recordings
from tap2key.segmentation.taps import TAPS_NAME
from tap2key.study.keyboard import load_keyboard


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the stage's command line."""
    parser.add_argument("--model", type=Path, required=True, help="a model's folder")
    learned_from = parser.add_mutually_exclusive_group(required=True)
    learned_from.add_argument(
        "--taps",
        type=Path,
        nargs="+",
        help="taps folders of the person and session at hand, as `segment` writes them",
    )
    learned_from.add_argument(
        "--recordings",
        type=Path,
        nargs="+",
        help="their recordings, of which no key is known (networks only)",
    )
    parser.add_argument(
        "--unlabelled",
        action="store_true",
        help="with --taps: learn from all taps and from none of their labels (networks only)",
    )
    parser.add_argument("--output", type=Path, required=True, help="the adapted model's folder")
    add_settings(parser, "segment", FINDING)
    add_settings(parser, "truth", HEARD)
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


def main(args: argparse.Namespace) -> None:
    """Write a copy of the model with what the taps showed; `predict` and `evaluate` use it."""
    check_output_folder(args, "adapt")
    recordings = [] if args.recordings is None else unlabelled_recordings(args.recordings)
    metadata = read_model_metadata(args.model, args.allow_other_version)
    ensemble = Ensemble([args.model], args.allow_other_version)
    (predictor,) = ensemble.predictors
    check_not_adapted(predictor, args.model)
    keyboard = load_keyboard(args.keyboard)
    places = places_of(keyboard, metadata["labels"])
    labelled = args.taps is not None and not args.unlabelled
    settings = {**settings_of(args, "segment", FINDING), **settings_of(args, "truth", HEARD)}
    if args.taps is not None:
        read_from = [folder / TAPS_NAME for folder in args.taps]
        taps = taps_in_folders(args.taps, args.model, predictor, metadata, labelled, keyboard)
    else:
        taps = taps_in_recordings(recordings, ensemble, **settings)
        read_from = [r.path for r in recordings if r.path not in taps.left_out]
    softness = Softness(**metadata["softness"])
    outputs = outputs_of(taps.probabilities, metadata["kind"] in HEAD, places, softness)
    try:
        adaptation = (
            fit_labelled(outputs, taps.keys, places)
            if labelled
            else fit_unlabelled(outputs, places)
        )
    except Tap2keyError as error:
        raise Tap2keyError(f"{args.model}: {error}") from None
    if len(taps.sessions) > 1:
        log.warning(
            f"{args.output}: taps of {len(taps.sessions)} sessions are taken together; where "
            "microphones were moved in between, adapt to each session by itself"
        )
    copied = [args.model / name for name in MODEL_FILES if (args.model / name).is_file()]
    saved = {"softness": asdict(softness), **adaptation.as_dict(metadata["labels"])}
    adapted_to = {"labelled": labelled, **taps.as_dict()}
    with atomic_folder(args.output, "adapt") as temporary:
        for path in copied:
            shutil.copyfile(path, temporary / path.name)
        shutil.copyfile(args.keyboard, temporary / ADAPTED_KEYBOARD_FILE)
        write_json(temporary / ADAPTED_FILE, saved)
        write_json(temporary / MODEL_METADATA_FILE, {**metadata, "adapted_to": adapted_to})
        write_provenance(
            temporary,
            "adapt",
            __name__,
            {"labelled": labelled, **({} if args.taps else settings)},
            [*copied, args.keyboard, *read_from],
            MODEL_PACKAGES,
        )
    kind = "labelled taps" if labelled else "taps without labels"
    weights = ", ".join(f"{name} {w:g}" for name, w in adaptation.weights._asdict().items())
    log.info(f"{args.output}: adapted to {len(taps.keys)} {kind}; weights: {weights}")
    if adaptation.weights == AS_BEFORE:
        log.warning(
            f"{args.output}: the taps show nothing that would help the model; it names keys as "
            "before"
        )
