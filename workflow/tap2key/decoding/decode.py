"""Stage `decode`: what held-out people typed, as a model hears it and as decoders read it."""

import argparse
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tap2key.core.files import write_json, write_tsv
from tap2key.core.folders import atomic_folder
from tap2key.core.log import log
from tap2key.core.output_guard import check_output_folder
from tap2key.core.provenance import write_provenance
from tap2key.core.shipped import KEYBOARD
from tap2key.decoding.characters import CHARACTERS_NAME, characters_of, what_types
from tap2key.decoding.decoder_folder import DECODER_FILE, load_decoder
from tap2key.decoding.entered_text import (
    COUNT_COLUMNS,
    COUNTS_NAME,
    HEARD,
    PHRASE_COLUMNS,
    PHRASES_NAME,
    SENSOR,
    SUMMARY_NAME,
    as_character_table,
)
from tap2key.decoding.heard import Heard, end_of_phrase, heard_in
from tap2key.decoding.text_entry import Entered, count_recording
from tap2key.models.model_folder import MODEL_METADATA_FILE, MODEL_PACKAGES, read_model_metadata
from tap2key.segmentation.taps import TAPS_NAME
from tap2key.study.keyboard import load_keyboard
from tap2key.study.texts import Asked, Key, read_texts

RECORDINGS_NAME = "decoded_recordings.tsv"
RECORDING_COLUMNS = ("participant", "session", "recording", "status", "reason", "taps", "phrases")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the stage's command line."""
    parser.add_argument("--model", type=Path, required=True, help="a model's folder")
    parser.add_argument(
        "--decoders", type=Path, nargs="+", required=True, help="folders of single decoders"
    )
    parser.add_argument(
        "--taps", type=Path, nargs="+", required=True, help="taps of people whom to read"
    )
    parser.add_argument(
        "--texts",
        type=Path,
        nargs="+",
        required=True,
        help="tables of what people were asked to type",
    )
    parser.add_argument(
        "--keyboard", type=Path, default=KEYBOARD, help="what the taps were labelled with"
    )
    parser.add_argument("--output", type=Path, required=True, help="folder for the results")
    parser.add_argument(
        "--allow-other-version",
        action="store_true",
        help="accept a model made with another version of its library",
    )


def main(args: argparse.Namespace) -> None:
    """Write phrases, counts and characters of every recording whose text is known."""
    check_output_folder(args, "decode")
    metadata = read_model_metadata(args.model, args.allow_other_version)
    keyboard = load_keyboard(args.keyboard)
    types = what_types(keyboard)
    texts: dict[Key, Asked] = {}
    for path in args.texts:
        texts |= read_texts(path, keyboard)
    decoders = {path.name: load_decoder([path], metadata["labels"]) for path in args.decoders}
    recordings, unknown = heard_in(args.taps, args.model, texts, args.allow_other_version)
    if not recordings:
        where = "/".join(unknown[0]) if unknown else "these sessions"
        log.warning(f"{args.texts[0]}: has no text of {where} or another tested recording")
    characters = characters_of(metadata["labels"], types)
    end = end_of_phrase(characters)
    phrases: list[dict[str, Any]] = []
    counts: list[dict[str, Any]] = []
    tables: list[pa.Table] = []
    seconds = dict.fromkeys(decoders, 0.0)
    for heard in recordings:
        versions = {
            SENSOR: heard.typed(types),
            HEARD: heard.named(metadata["labels"], types),
        }
        for name, decoder in decoders.items():
            began = time.perf_counter()
            found = decoder.decoded(heard.time_s, heard.log_probabilities)
            seconds[name] += time.perf_counter() - began
            versions[name] = [Entered(each.text, each.time_s) for each in found]
            tables.append(as_character_table({"language_model": name, **_named(heard.key)}, found))
        for version, entered in versions.items():
            counted, final = count_recording(heard.phrases, entered, end)
            counts.append({**_named(heard.key), "version": version, **asdict(counted)})
            phrases += _phrase_rows(heard, version, final)
    taps = sum(len(heard.time_s) for heard in recordings)
    people = sorted({heard.key[0] for heard in recordings})
    with atomic_folder(args.output, "decode") as temporary:
        write_tsv(temporary / PHRASES_NAME, phrases, PHRASE_COLUMNS)
        write_tsv(temporary / COUNTS_NAME, counts, COUNT_COLUMNS)
        write_tsv(
            temporary / RECORDINGS_NAME,
            [
                *(
                    {
                        **_named(heard.key),
                        **{"status": "ok", "taps": len(heard.time_s)},
                        "phrases": len(heard.phrases),
                    }
                    for heard in recordings
                ),
                *(
                    {**_named(key), "status": "left out", "reason": "no text is known"}
                    for key in unknown
                ),
            ],
            RECORDING_COLUMNS,
        )
        if tables:
            pq.write_table(pa.concat_tables(tables), temporary / CHARACTERS_NAME)
        write_json(
            temporary / SUMMARY_NAME,
            {
                "participants": people,
                "seen_in_training": sorted(set(people) & set(metadata["trained_on"])),
                "has_backspace": characters.has_backspace,
                "seed": metadata["seed"],
            },
        )
        write_provenance(
            temporary,
            "decode",
            __name__,
            {"language_models": list(decoders)},
            [
                *(args.model / MODEL_METADATA_FILE, args.keyboard),
                *args.texts,
                *(folder / TAPS_NAME for folder in args.taps),
                *(path / DECODER_FILE for path in args.decoders),
            ],
            (*MODEL_PACKAGES, "rapidfuzz", "wordfreq"),
        )
    for name, took in seconds.items():
        log.info(
            f"{args.output}: {name}: {1000 * took / max(taps, 1):.1f} ms a tap, of {taps} taps"
        )


def _named(key: Key) -> dict[str, Any]:
    return dict(zip(("participant", "session", "recording"), key, strict=True))


def _phrase_rows(heard: Heard, version: str, final: list[str]) -> Iterator[dict[str, Any]]:
    for number, (asked, text) in enumerate(zip(heard.phrases, final, strict=True), start=1):
        yield {
            **_named(heard.key),
            **{"phrase": number, "version": version, "asked": asked, "text": text},
        }
