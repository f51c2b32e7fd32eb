"""Stage `fit-decoder`: language models for a model's taps, and the costs that suit them best."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from tap2key.config.arguments import add_settings, settings_of
from tap2key.config.stage_settings import DECODING
from tap2key.core.errors import Tap2keyError
from tap2key.core.files import write_tsv
from tap2key.core.folders import atomic_folder
from tap2key.core.log import log
from tap2key.core.output_guard import check_output_folder
from tap2key.core.provenance import write_provenance
from tap2key.core.shipped import KEYBOARD, text_file
from tap2key.core.user_tables import read_text
from tap2key.datasets.encoded_dataset import FOLD_FILE
from tap2key.decoding.beam import Costs
from tap2key.decoding.character_model import as_typed
from tap2key.decoding.characters import characters_of, what_types
from tap2key.decoding.choice import WITHOUT_LANGUAGE, choose_costs
from tap2key.decoding.decoder_folder import CORPUS, NONE, language_model_of, save_decoder
from tap2key.decoding.heard import heard_in
from tap2key.models.model_folder import (
    MODEL_METADATA_FILE,
    MODEL_PACKAGES,
    read_model_metadata,
)
from tap2key.segmentation.taps import TAPS_NAME
from tap2key.study.keyboard import load_keyboard
from tap2key.study.texts import Asked, Key, read_texts

TRIED_NAME = "validation.tsv"
TRIED_COLUMNS = (
    *("language_model", "weight", "missed", "invented", "spread"),
    *("wrong_characters", "asked_characters", "character_error_rate", "chosen"),
)
PACKAGES = (*MODEL_PACKAGES, "rapidfuzz", "wordfreq")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the stage's command line."""
    parser.add_argument("--model", type=Path, required=True, help="a model's folder")
    parser.add_argument("--fold", type=Path, required=True, help="the fold it was trained on")
    parser.add_argument(
        "--taps", type=Path, nargs="+", required=True, help="taps of the fold's training people"
    )
    parser.add_argument(
        "--texts", type=Path, nargs="*", default=[], help="tables of what people were asked to type"
    )
    parser.add_argument(
        "--keyboard", type=Path, default=KEYBOARD, help="what the taps were labelled with"
    )
    add_settings(parser, "decode", DECODING)
    parser.add_argument("--output", type=Path, required=True, help="folder for the decoders")
    parser.add_argument(
        "--allow-other-version",
        action="store_true",
        help="accept a model made with another version of its library",
    )


def main(args: argparse.Namespace) -> None:
    """Write a folder for each language model, and what was tried."""
    settings = settings_of(args, "decode", DECODING)
    kinds = settings["language_models"]
    if not kinds:
        raise Tap2keyError("--language-models names none; give none, corpus or another")
    corpus = text_file(settings["corpus"])
    inputs = [("--corpus", corpus)] if corpus else []
    check_output_folder(args, "fit-decoder", inputs)
    metadata = read_model_metadata(args.model, args.allow_other_version)
    keyboard = load_keyboard(args.keyboard)
    characters = characters_of(metadata["labels"], what_types(keyboard))
    texts: dict[Key, Asked] = {}
    for path in args.texts:
        texts |= read_texts(path, keyboard)
    own = validating(args.fold)
    recordings, _ = heard_in(
        args.taps,
        args.model,
        {key: asked for key, asked in texts.items() if key in own},
        args.allow_other_version,
    )
    if not recordings:
        log.warning(
            f"{args.fold}: no recording validates whole and has a known text; the decoders have "
            "the usual costs"
        )
    known = _asked_in_corpus(texts, corpus, characters.symbols) if CORPUS in kinds else 0
    if known:
        log.warning(
            f"{corpus}: holds {known} of the phrases that people were asked to type; what is read "
            "with it says nothing about other text"
        )
    rows: list[dict[str, Any]] = []
    with atomic_folder(args.output, "fit-decoder") as temporary:
        for kind in kinds:
            model = language_model_of(kind, characters.symbols, settings, corpus)
            start = WITHOUT_LANGUAGE if kind == NONE else Costs()
            costs, tried = choose_costs(characters, model, start, recordings, settings["beam"])
            (temporary / kind).mkdir()
            chosen: dict[str, Any] = {"recordings": ["/".join(each.key) for each in recordings]}
            if kind == CORPUS:
                chosen["asked_phrases_in_corpus"] = known
            save_decoder(temporary / kind, kind, characters, costs, settings, corpus, chosen)
            for one in tried:
                error_rate = f"{one.distance / one.asked:.4f}"
                values = astuple(one.costs)
                row = (kind, *values, one.distance, one.asked, error_rate, one.costs == costs)
                rows.append(dict(zip(TRIED_COLUMNS, row, strict=True)))
            log.info(f"{args.output}: {kind}: {costs}")
        write_tsv(temporary / TRIED_NAME, rows, TRIED_COLUMNS)
        write_provenance(
            temporary,
            "fit-decoder",
            __name__,
            settings,
            [
                *(args.model / MODEL_METADATA_FILE, args.fold / FOLD_FILE, args.keyboard),
                *args.texts,
                *(folder / TAPS_NAME for folder in args.taps),
                *([corpus] if corpus else []),
            ],
            PACKAGES,
        )


def _asked_in_corpus(
    texts: Mapping[Key, Asked], corpus: Path | None, symbols: Sequence[str]
) -> int:
    """How many different phrases that were asked for are lines of the corpus too."""
    if corpus is None:
        return 0
    asked = {line for one in texts.values() for line in as_typed("\n".join(one.phrases), symbols)}
    return len(asked & set(as_typed(read_text(corpus), symbols)))


def validating(fold: Path) -> set[Key]:
    """The recordings of a fold that validate, and of which no tap trains."""
    sides = [_recordings_of(fold, side) for side in ("validation", "train")]
    return sides[0] - sides[1]


def _recordings_of(fold: Path, side: str) -> set[Key]:
    columns: Sequence[str] = ("participant", "session", "recording")
    try:
        table = pq.read_table(fold / f"{side}.parquet", columns=list(columns))
    except OSError as error:
        raise Tap2keyError(f"{fold}: not a fold ({error}); make it again") from None
    return set(zip(*(table[name].to_pylist() for name in columns), strict=True))
