"""Stage `predict`: recordings without a touch sensor → taps, their keys, and what was typed."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tap2key.audio.array_argument import add_array
from tap2key.config.arguments import add_settings, settings_of
from tap2key.config.stage_settings import FINDING, HEARD, NAMING
from tap2key.core.errors import Tap2keyError
from tap2key.core.files import write_tsv
from tap2key.core.folders import atomic_folder
from tap2key.core.log import log
from tap2key.core.output_guard import check_output_folder
from tap2key.core.progress import progress
from tap2key.core.provenance import write_provenance
from tap2key.decoding.characters import CHARACTERS_NAME, log_of
from tap2key.decoding.decoder_folder import DECODER_FILE, load_decoder
from tap2key.decoding.entered_text import as_character_table
from tap2key.models.ensemble import Ensemble
from tap2key.models.model_folder import MODEL_METADATA_FILE, MODEL_PACKAGES
from tap2key.reading.recorded_taps import named_or_left_out
from tap2key.reading.tapped_keys import as_table, named_taps, what_keys_type
from tap2key.reading.transcript import NamedTap, label_track, text_grid, transcript
from tap2key.reading.unlabelled import (
    DECODED_NAME,
    READ_RECORDINGS_NAME,
    TAPPED_KEYS_NAME,
    TRACK_ENDINGS,
    TRANSCRIPT_NAME,
    unlabelled_recordings,
)

RECORDING_COLUMNS = ("recording", "path", "status", "reason", "warnings", "duration_s", "taps")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the stage's command line."""
    parser.add_argument(
        "--models",
        type=Path,
        nargs="+",
        required=True,
        help="models' folders; of several, the probabilities are averaged",
    )
    parser.add_argument(
        "--recordings",
        type=Path,
        nargs="+",
        required=True,
        help="wav, w64 or FLAC files, or folders of them",
    )
    parser.add_argument("--output", type=Path, required=True, help="folder for the results")
    add_settings(parser, "predict", NAMING)
    add_settings(parser, "segment", FINDING)
    add_settings(parser, "truth", HEARD)
    parser.add_argument(
        "--decoders",
        type=Path,
        nargs="*",
        default=[],
        help="decoders' folders, to write decoded text beside the raw keys; of several, of one "
        "language model, the median of the costs is taken",
    )
    add_array(parser, None, "what the models were trained on")
    parser.add_argument(
        "--keyboard",
        type=Path,
        help="what each key types; models that were not trained on its keys are refused",
    )
    parser.add_argument(
        "--allow-other-version",
        action="store_true",
        help="accept a model made with another version of its library",
    )


def main(args: argparse.Namespace) -> None:
    """Write the tapped keys, a transcript, which recordings were read, label tracks, TextGrids."""
    check_output_folder(args, "predict")
    settings = {
        **settings_of(args, "predict", NAMING),
        **settings_of(args, "segment", FINDING),
        **settings_of(args, "truth", HEARD),
    }
    recordings = unlabelled_recordings(args.recordings)
    ensemble = Ensemble(args.models, args.allow_other_version, args.array)
    types = what_keys_type(ensemble.labels, args.keyboard, args.models[0])
    decoder = load_decoder(args.decoders, ensemble.labels) if args.decoders else None
    tables, texts = [], []
    decoded: list[pa.Table] = []
    decoded_texts: list[tuple[str, str]] = []
    audits: list[dict[str, Any]] = []
    with atomic_folder(args.output, "predict") as temporary:
        for recording in progress(recordings, "recordings"):
            audits.append({"recording": recording.name, "path": recording.path, "status": "ok"})
            found = named_or_left_out(
                recording, ensemble, settings["peak_height"], settings["releases"]
            )
            if isinstance(found, str):
                audits[-1] |= {"status": "left out", "reason": found}
                continue
            audio, onsets, probabilities, warnings = found
            time_s = onsets / audio.array.sample_rate
            table = as_table(recording.name, time_s, probabilities, ensemble.labels)
            named = named_taps(table)
            write_tracks(temporary, recording.name, named, audio.duration_s)
            audits[-1] |= {"taps": len(named), "duration_s": round(audio.duration_s, 6)}
            if warnings:
                audits[-1]["warnings"] = warnings
            text = transcript(named, settings["confidence_threshold"], types)
            texts.append((recording.name, text))
            if decoder is not None:
                characters = decoder.decoded(time_s, log_of(probabilities))
                decoded.append(as_character_table({"recording": recording.name}, characters))
                decoded_texts.append((recording.name, "".join(c.text for c in characters)))
            tables.append(table)
        if not tables:
            raise Tap2keyError(f"no recording can be used; the first: {audits[0]['reason']}")
        pq.write_table(pa.concat_tables(tables), temporary / TAPPED_KEYS_NAME)
        (temporary / TRANSCRIPT_NAME).write_text(joined(texts), encoding="utf-8")
        if decoder is not None:
            pq.write_table(pa.concat_tables(decoded), temporary / CHARACTERS_NAME)
            (temporary / DECODED_NAME).write_text(joined(decoded_texts), encoding="utf-8")
        write_tsv(temporary / READ_RECORDINGS_NAME, audits, RECORDING_COLUMNS)
        write_provenance(
            temporary,
            "predict",
            __name__,
            {**settings, "array": ensemble.array.as_dict()},
            [
                *(folder / MODEL_METADATA_FILE for folder in args.models),
                *(folder / DECODER_FILE for folder in args.decoders),
                *(audit["path"] for audit in audits if audit["status"] == "ok"),
            ],
            MODEL_PACKAGES,
        )
    log.info(
        f"{args.output}: {sum(map(len, tables))} taps in {len(texts)} of {len(audits)} recordings"
    )


def write_tracks(folder: Path, name: str, taps: Sequence[NamedTap], duration_s: float) -> None:
    """Write a recording's label track and TextGrid."""
    for ending, track in zip(TRACK_ENDINGS, (label_track, text_grid), strict=True):
        path = folder / f"{name}{ending}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(track(taps, duration_s), encoding="utf-8")


def joined(texts: Sequence[tuple[str, str]]) -> str:
    """The text of one recording as it is, or those of several, each below its recording's name."""
    if len(texts) == 1:
        return f"{texts[0][1]}\n"
    return "\n".join(f"== {name}\n{text}\n" for name, text in texts)
