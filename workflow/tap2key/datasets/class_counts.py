"""How many taps of each key a fold trains, validates and tests on."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tap2key.core.files import read_json
from tap2key.datasets.encoded_dataset import FOLD_FILE

# By the names that the fold stage gives them; the test's come from the evaluation.
SIDES = {
    "train": "train",
    "train_as_seen": "as seen",
    "validation": "validation",
    "test": "test",
}
NOTE = (
    "Taps of each key that a fold trains, validates and tests on. As seen: what one epoch of "
    "training sees, rows of rarer keys repeated if the experiment oversamples."
)


def class_count_rows(fold: Path, metrics: Mapping[str, Any]) -> list[dict[str, object]]:
    """One row per side of a fold: fold, seed, side, taps, then each key's taps.

    Args:
        fold: the fold's folder, `<experiment>/<fold>/seed-<n>`.
        metrics: what the evaluate stage wrote of the model that was trained on it.
    """
    tested = {label: key["taps"] for label, key in metrics["keys"].items()}
    counts = read_json(fold / FOLD_FILE)["class_counts"] | {"test": tested}
    where = {"fold": fold.parent.name, "seed": metrics["seed"]}
    return [
        {**where, "side": name, "taps": sum(counts[side].values()), **counts[side]}
        for side, name in SIDES.items()
    ]
