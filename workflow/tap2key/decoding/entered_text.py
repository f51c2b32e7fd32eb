"""What `decode` writes of a model's recordings, for the summary of an experiment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import pyarrow as pa

from tap2key.core.errors import Tap2keyError
from tap2key.core.files import read_json, read_tsv
from tap2key.decoding.beam import DecodedCharacter
from tap2key.decoding.text_entry import Counts

PHRASES_NAME, COUNTS_NAME, SUMMARY_NAME = "phrases.tsv", "counts.tsv", "decoded.json"
# Beside those that language models give: what the sensor saw, and the likeliest key of every tap.
SENSOR, HEARD = "sensor", "heard"
_OF_RECORDING = ("participant", "session", "recording")
PHRASE_COLUMNS = (*_OF_RECORDING, "phrase", "version", "asked", "text")
COUNT_COLUMNS = (*_OF_RECORDING, "version", *(field.name for field in fields(Counts)))


@dataclass(frozen=True)
class DecodedRun:
    """What one model's held-out recordings became.

    Attributes:
        seed: of the model.
        seen: participants who were also in training.
        has_backspace: whether the keyboard has one.
        phrases: a row for each phrase and version.
        counts: of each recording, by participant and version.
    """

    seed: int
    seen: tuple[str, ...]
    has_backspace: bool
    phrases: list[dict[str, str]]
    counts: list[tuple[str, str, Counts]]


def read_decoded(folder: Path) -> DecodedRun:
    """Read an output of `decode` back.

    Raises:
        Tap2keyError: a file is missing or damaged.
    """
    about = read_json(folder / SUMMARY_NAME)
    rows = read_tsv(folder / COUNTS_NAME, required=COUNT_COLUMNS)
    try:
        counts = [(row["participant"], row["version"], _counts(row)) for row in rows]
        return DecodedRun(
            about["seed"],
            tuple(about["seen_in_training"]),
            about["has_backspace"],
            read_tsv(folder / PHRASES_NAME, required=PHRASE_COLUMNS),
            counts,
        )
    except (KeyError, ValueError) as error:
        raise Tap2keyError(f"{folder}: is damaged ({error}); decode again") from None


def _counts(row: dict[str, str]) -> Counts:
    whole = {
        field.name: int(row[field.name]) for field in fields(Counts) if field.name != "seconds"
    }
    return Counts(**whole, seconds=float(row["seconds"]))


def as_character_table(
    named: Mapping[str, str], characters: Sequence[DecodedCharacter]
) -> pa.Table:
    """One row per decoded character: what `named` says of all, character, tap, time_s, confidence.

    `tap` is empty of a character that no tap was found for.
    """
    count = len(characters)
    return pa.table(
        {
            **{column: pa.array([value] * count, pa.string()) for column, value in named.items()},
            "character": pa.array([each.text for each in characters], pa.string()),
            "tap": pa.array([each.tap for each in characters], pa.int32()),
            "time_s": pa.array([each.time_s for each in characters], pa.float64()),
            "confidence": pa.array([each.confidence for each in characters], pa.float64()),
        }
    )


def versions_in(runs: Sequence[DecodedRun]) -> list[str]:
    """The versions of the text, in order."""
    return list(dict.fromkeys(version for run in runs for _, version, _ in run.counts))
