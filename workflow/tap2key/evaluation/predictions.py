"""A model's answers on a dataset: what the evaluate stage writes, one row per tap."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tap2key.core.errors import Tap2keyError
from tap2key.datasets.encoded_dataset import IDENTITY, PLACE

EXPECTED = ("expected_right_mm", "expected_away_mm")


@dataclass(frozen=True)
class Predictions:
    """What the keys of some taps are and what a model says of them.

    Attributes:
        labels: names of the keys, in keyboard order.
        identity: [taps] (participant, session, recording, tap).
        truth: [taps], indices into `labels`.
        probabilities: [taps, labels].
        touched: [taps, 2], the touch sensor's reading x, y in 0.1 mm.
        expected: [taps, 2], where the model expects each tap to have been, in mm as the user sees
            the keyboard; NaN where it expects none.
    """

    labels: tuple[str, ...]
    identity: tuple[tuple, ...]
    truth: np.ndarray
    probabilities: np.ndarray
    touched: np.ndarray
    expected: np.ndarray

    @property
    def prediction(self) -> np.ndarray:
        """[taps], indices of the likeliest labels."""
        return self.probabilities.argmax(axis=1)

    def of(self, participant: str) -> "Predictions":
        """Those of one participant's taps."""
        return self.at([row for row, key in enumerate(self.identity) if key[0] == participant])

    def at(self, rows: Sequence[int]) -> "Predictions":
        """Those at some rows, in their order."""
        rows = list(rows)
        return Predictions(
            self.labels,
            tuple(self.identity[row] for row in rows),
            self.truth[rows],
            self.probabilities[rows],
            self.touched[rows],
            self.expected[rows],
        )


def concatenated(parts: list[Predictions]) -> Predictions:
    """Several evaluations as one; they have the same labels."""
    return Predictions(
        parts[0].labels,
        tuple(chain.from_iterable(part.identity for part in parts)),
        *(
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("truth", "probabilities", "touched", "expected")
        ),
    )


def write_predictions(path: Path, predictions: Predictions) -> None:
    """One row per tap: which and where, the true and the named key, and all probabilities."""
    names = np.array(predictions.labels)
    flat = pa.array(predictions.probabilities.astype(np.float32).reshape(-1))
    columns = dict(zip(IDENTITY, map(list, zip(*predictions.identity, strict=True)), strict=True))
    columns["tap"] = pa.array(columns["tap"], pa.int32())
    columns |= {
        name: pa.array(values, pa.float32())
        for names, places in ((PLACE, predictions.touched), (EXPECTED, predictions.expected))
        for name, values in zip(names, places.T, strict=True)
    }
    columns["truth"] = names[predictions.truth]
    columns["prediction"] = names[predictions.prediction]
    columns["probabilities"] = pa.FixedSizeListArray.from_arrays(flat, len(names))
    metadata = {"labels": "\t".join(predictions.labels)}
    pq.write_table(pa.table(columns).replace_schema_metadata(metadata), path)


def read_predictions(path: Path) -> Predictions:
    """Read an evaluation's predictions back.

    Raises:
        Tap2keyError: the file is missing or not such a table, or holds probabilities that are not
            finite numbers.
    """
    try:
        table = pq.read_table(path)
        labels = tuple(table.schema.metadata[b"labels"].decode().split("\t"))
        index = {label: at for at, label in enumerate(labels)}
        flat = table["probabilities"].combine_chunks().flatten().to_numpy()
        if not np.isfinite(flat).all():
            raise ValueError("probabilities that are not finite numbers")
        return Predictions(
            labels,
            tuple(zip(*(table[name].to_pylist() for name in IDENTITY), strict=True)),
            np.array([index[label] for label in table["truth"].to_pylist()], dtype=int),
            flat.reshape(len(table), len(labels)).astype(float),
            *(
                np.stack([table[name].to_numpy() for name in names], axis=1)
                for names in (PLACE, EXPECTED)
            ),
        )
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError) as error:
        raise Tap2keyError(f"{path}: not predictions ({error}); evaluate again") from error
