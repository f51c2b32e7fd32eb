"""Tapped keys: as a table with the probabilities of all keys, and what each of them types."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from tap2key.core.errors import Tap2keyError
from tap2key.decoding.characters import what_types
from tap2key.reading.transcript import NamedTap, Types
from tap2key.study.keyboard import load_keyboard, usual_text
from tap2key.study.truth import RELEASE_LABEL


def what_keys_type(labels: Sequence[str], keyboard: Path | None, model: Path) -> Types:
    """What each of a model's keys types; a key being released types nothing.

    Args:
        labels: the model's.
        keyboard: says it; None for what keys usually type.
        model: for messages.

    Raises:
        Tap2keyError: the keyboard cannot be read, or has other keys than the model.
    """
    if keyboard is None:
        return lambda key: "" if key == RELEASE_LABEL else usual_text(key)
    found = load_keyboard(keyboard)
    if found.labels != tuple(x for x in labels if x in found.labels or x != RELEASE_LABEL):
        raise Tap2keyError(
            f"{model}: was trained on different keys than {keyboard} has; use a "
            "model that was trained with this keyboard, or give the one it was trained with"
        )
    return what_types(found)


def as_table(
    recording: str, time_s: np.ndarray, probabilities: np.ndarray, labels: Sequence[str]
) -> pa.Table:
    """One row per tap: recording, tap, time_s, prediction, confidence and all probabilities."""
    best = probabilities.argmax(axis=1)
    flat = pa.array(probabilities.astype(np.float32).reshape(-1))
    columns = {
        "recording": pa.array([recording] * len(time_s), pa.string()),
        "tap": pa.array(range(len(time_s)), pa.int32()),
        "time_s": pa.array(time_s),
        "prediction": pa.array([labels[at] for at in best], pa.string()),
        "confidence": pa.array(probabilities.max(axis=1, initial=0)),
        "probabilities": pa.FixedSizeListArray.from_arrays(flat, len(labels)),
    }
    return pa.table(columns, metadata={"labels": "\t".join(labels)})


def named_taps(table: pa.Table) -> list[NamedTap]:
    """The rows of `as_table` as taps."""
    columns = (table[name].to_pylist() for name in ("time_s", "prediction", "confidence"))
    return [NamedTap(*row) for row in zip(*columns, strict=True)]
