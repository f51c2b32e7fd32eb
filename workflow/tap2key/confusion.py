"""Confusion matrices: counted, written as tables and read back."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tap2key.errors import Tap2keyError
from tap2key.files import read_tsv, write_tsv

TRUE_KEY = "true key"


def confusion_counts(truth: np.ndarray, prediction: np.ndarray, labels: int) -> np.ndarray:
    """Counts by true key (rows) and predicted key (columns).

    Args:
        truth: [taps], indices of keys.
        prediction: [taps], indices of keys.
        labels: how many keys there are.

    Returns:
        [labels, labels] integers.
    """
    counts = np.zeros((labels, labels), dtype=int)
    np.add.at(counts, (truth, prediction), 1)
    return counts


def write_confusion(path: Path, counts: np.ndarray, labels: Sequence[str]) -> None:
    """Write counts as a table: one row per true key, one column per predicted key."""
    rows = [
        {TRUE_KEY: label, **dict(zip(labels, row.tolist(), strict=True))}
        for label, row in zip(labels, counts, strict=True)
    ]
    write_tsv(path, rows, [TRUE_KEY, *labels])


def read_confusion(path: Path) -> tuple[np.ndarray, list[str]]:
    """Read counts and the names of the keys back.

    Raises:
        Tap2keyError: the table is missing, or a cell is not a count.
    """
    table = read_tsv(path, required=[TRUE_KEY])
    labels = [row[TRUE_KEY] for row in table]
    try:
        return np.array([[int(row[key]) for key in labels] for row in table]), labels
    except (KeyError, ValueError) as error:
        raise Tap2keyError(f"{path}: not a confusion matrix ({error}); evaluate anew") from None
