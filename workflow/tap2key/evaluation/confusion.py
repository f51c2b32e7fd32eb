"""Confusion matrices: counted, and written as tables."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tap2key.core.files import write_tsv

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
