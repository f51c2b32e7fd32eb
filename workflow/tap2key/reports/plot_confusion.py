"""The picture of a confusion matrix."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib import pyplot as plt

from tap2key.core.pictures import SHARE_COLOURS, save_picture, shown_all, text_colour

INCHES_PER_KEY = 0.29
INCHES_AROUND = (2.9, 1.7)
SMALLEST = 3.0


def draw_confusion(
    stem: Path,
    counts: np.ndarray,
    labels: Sequence[str],
    title: str,
    new_rows: Sequence[int] = (),
) -> None:
    """Draw a confusion matrix, rows normalised, with the counts in its cells.

    Beside each row stand how many taps the key had and the share that was named rightly.

    Args:
        stem: path without ending; `.png` and `.pdf` are written.
        counts: [labels, labels], true key by predicted key.
        labels: names of the keys, in keyboard order.
        title: stands above it.
        new_rows: indices of the labels with which a new row of the keyboard begins; a line sets
            them apart.
    """
    taps = counts.sum(axis=1)
    shares = np.divide(counts, taps[:, None], out=np.zeros(counts.shape), where=taps[:, None] > 0)
    side = max(SMALLEST, INCHES_PER_KEY * len(labels))
    figure, axes = plt.subplots(
        figsize=(side + INCHES_AROUND[0], side + INCHES_AROUND[1]), layout="constrained"
    )
    image = axes.imshow(shares, cmap=SHARE_COLOURS, vmin=0, vmax=1)
    for row, column in zip(*np.nonzero(counts), strict=True):
        axes.text(
            column,
            row,
            str(counts[row, column]),
            ha="center",
            va="center",
            fontsize=8 if counts[row, column] < 1000 else 6,
            color=text_colour(shares[row, column]),
        )
    ticks = np.arange(len(labels))
    names = shown_all(labels)
    axes.set_xticks(ticks, names, fontsize=10, rotation=90)
    axes.set_yticks(ticks, names, fontsize=10)
    axes.set_xticks(ticks[:-1] + 0.5, minor=True)
    axes.set_yticks(ticks[:-1] + 0.5, minor=True)
    axes.grid(which="minor", color="0.88", linewidth=0.4)
    axes.tick_params(which="minor", length=0)
    for row in new_rows:
        axes.axhline(row - 0.5, color="0.35", linewidth=0.9)
        axes.axvline(row - 0.5, color="0.35", linewidth=0.9)
    right = axes.secondary_yaxis("right")
    right.set_yticks(ticks, [_row_note(n, shares[i, i]) for i, n in enumerate(taps)], fontsize=8)
    right.tick_params(length=0)
    axes.set_xlabel("predicted key")
    axes.set_ylabel("true key")
    axes.set_title(title, pad=24)
    axes.annotate(
        "taps, right",
        (1, 1),
        xytext=(4, 5),
        xycoords="axes fraction",
        textcoords="offset points",
        fontsize=8,
    )
    figure.colorbar(image, label="share of the true key's taps", shrink=0.6, pad=0.02)
    save_picture(figure, stem)


def _row_note(taps: int, right: float) -> str:
    return f"{taps}, {100 * right:.0f} %" if taps else "0"
