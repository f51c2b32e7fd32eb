"""What is drawn of a set of named taps: confusion matrix, keyboard map, and a table of keys."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tap2key.core.html_tables import write_table
from tap2key.evaluation.metrics import SPACE_MERGED
from tap2key.models.key_places import Places, error_ellipses, errors_mm
from tap2key.reports.plot_confusion import draw_confusion
from tap2key.reports.plot_keyboard import draw_keyboard

# What comes beside the picture of the confusion matrix.
FILES = ("keyboard.png", "keyboard.pdf", "keys.tsv", "keys.html")
KEY_COLUMNS = (
    *("key", "taps", "accuracy", "precision", "most often named instead", "of its taps"),
    *("error_median_mm", "offset_right_mm", "offset_away_mm", "sd_major_mm", "sd_minor_mm"),
)
KEYS_NOTE = (
    "Accuracy is the share of a key's taps named rightly, precision the share right among those "
    "named so. Error, offset and sd are of the expected place of its taps relative to its centre, "
    "in mm, to the right and away from the person at the table."
)


def draw_findings(
    confusion: Path,
    counts: np.ndarray,
    truth: np.ndarray,
    expected: np.ndarray,
    places: Places,
    title: str,
) -> None:
    """Draw a confusion matrix as png and pdf, and write `FILES` beside it.

    Args:
        confusion: path of its picture, without ending.
        counts: [labels, labels], true key by predicted key.
        truth: [taps], indices of labels.
        expected: [taps, 2], where each tap is expected to have been, in mm.
        places: where the labels are on the keyboard.
        title: of the pictures.
    """
    ellipses = error_ellipses(truth, expected, places)
    errors = errors_mm(truth, expected, places)
    folder = confusion.parent
    draw_confusion(confusion, counts, places.labels, title, places.rows)
    draw_keyboard(folder / "keyboard", counts, ellipses, places, title, median_or_nan(errors))
    rows = []
    for index, label in enumerate(places.labels):
        own = errors[truth == index]
        row = {"key": label, **_row_of_counts(counts, index, places.labels)}
        if not np.isnan(median_or_nan(own)):
            row["error_median_mm"] = f"{median_or_nan(own):.1f}"
        if index in ellipses:
            ellipse = ellipses[index]
            values = (*ellipse.offset, *ellipse.sd)
            row |= {c: f"{v:.1f}" for c, v in zip(KEY_COLUMNS[-4:], values, strict=True)}
        rows.append(row)
    write_table(folder / "keys", rows, KEY_COLUMNS, f"{title}: keys", KEYS_NOTE)


def headline(scores: Mapping[str, Any]) -> str:
    """The scores of a picture's title; `scores` holds `MEASURES`."""
    return (
        f"macro-F1 {scores[SPACE_MERGED]:.3f} with the space bar as one key, "
        f"{scores['macro_f1']:.3f} over all keys, accuracy {scores['accuracy']:.3f}"
    )


def median_or_nan(values: np.ndarray) -> float:
    """The median of those values that are numbers; NaN where none is."""
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else float("nan")


def _row_of_counts(counts: np.ndarray, index: int, labels: tuple[str, ...]) -> dict[str, object]:
    taps, named = counts[index].sum(), counts[:, index].sum()
    row: dict[str, object] = {"taps": taps}
    if taps:
        row["accuracy"] = f"{counts[index, index] / taps:.3f}"
    if named:
        row["precision"] = f"{counts[index, index] / named:.3f}"
    wrong = counts[index].copy()
    wrong[index] = 0
    if wrong.any():
        row["most often named instead"] = labels[wrong.argmax()]
        row["of its taps"] = f"{wrong.max() / taps:.3f}"
    return row
