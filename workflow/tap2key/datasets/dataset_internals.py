"""What is taken from inside the library `datasets`, which has no public name for it."""

import numpy as np
from datasets import Dataset


def selected_rows(data: Dataset) -> np.ndarray:
    """The rows of its Arrow table that a dataset shows, repeats included: [rows] int64."""
    if data._indices is None:
        return np.arange(len(data))
    return data._indices.column(0).to_numpy().astype(np.int64)


def fingerprint_of(data: Dataset) -> str:
    """The library's hash of how a dataset came about."""
    return data._fingerprint
