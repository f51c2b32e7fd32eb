"""Pictures."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
from matplotlib import pyplot as plt

INCHES_PER_KEY = 0.3
COUNT_IS_WHITE_ABOVE = 0.6


def draw_confusion(path: Path, counts: np.ndarray, labels: Sequence[str], title: str) -> None:
    """Draw a confusion matrix, rows normalised, with the counts in its cells.

    Args:
        path: a PNG or PDF.
        counts: [labels, labels], true key by predicted key.
        labels: names of the keys, in keyboard order.
        title: stands above it.
    """
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)
    size = 1.8 + INCHES_PER_KEY * len(labels)
    figure, axes = plt.subplots(figsize=(size + 0.9, size), layout="constrained")
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in zip(*np.nonzero(counts), strict=True):
        dark = shares[row, column] > COUNT_IS_WHITE_ABOVE
        axes.text(
            column,
            row,
            str(counts[row, column]),
            ha="center",
            va="center",
            fontsize=7,
            color="white" if dark else "black",
        )
    ticks = np.arange(len(labels))
    axes.set_xticks(ticks, labels, fontsize=9, rotation=90)
    axes.set_yticks(ticks, labels, fontsize=9)
    axes.set_xticks(ticks[:-1] + 0.5, minor=True)
    axes.set_yticks(ticks[:-1] + 0.5, minor=True)
    axes.grid(which="minor", color="0.9", linewidth=0.4)
    axes.tick_params(which="minor", length=0)
    axes.set_xlabel("predicted key")
    axes.set_ylabel("true key")
    axes.set_title(title)
    figure.colorbar(image, label="share of the true key's taps", shrink=0.6, pad=0.02)
    figure.savefig(path, dpi=150)
    plt.close(figure)
