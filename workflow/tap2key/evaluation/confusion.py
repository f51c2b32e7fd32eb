"""Confusion matrices as tables."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tap2key.core.files import write_tsv

TRUE_KEY = "true key"


def write_confusion(path: Path, counts: np.ndarray, labels: Sequence[str]) -> None:
    """Write counts as a table: one row per true key, one column per predicted key."""
    rows = [
        {TRUE_KEY: label, **dict(zip(labels, row.tolist(), strict=True))}
        for label, row in zip(labels, counts, strict=True)
    ]
    write_tsv(path, rows, [TRUE_KEY, *labels])
