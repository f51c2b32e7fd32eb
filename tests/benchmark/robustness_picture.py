"""The picture of robustness.py: macro-F1 by level and experiment, and how the ranks hold."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt

from tap2key.core.pictures import CALM, SHARE_COLOURS, save_png, text_colour

INCHES_PER_ROW = 0.3
INCHES_PER_COLUMN = 1.1
INCHES_OF_RANKS = 2.2
INCHES_AROUND = (4.2, 1.9)


def draw(stem: Path, summary: pd.DataFrame, ranks: pd.DataFrame) -> None:
    """Write `stem`.png.

    Args:
        stem: path without ending.
        summary: as `summary_of` makes it; its first level is the own world.
        ranks: as `ranks_of` makes it.
    """
    levels = list(dict.fromkeys(zip(summary["factor"], summary["level"], strict=True)))
    table = summary.pivot(index=["factor", "level"], columns="experiment").loc[levels]
    scores = table["macro_f1"].sort_values(levels[0], axis=1, ascending=False)
    away = table["difference"][scores.columns]
    experiments = len(scores.columns)
    shown = np.column_stack([scores, table["recall"].mean(axis=1)])
    figure, (left, right) = plt.subplots(
        1,
        2,
        figsize=(
            INCHES_PER_COLUMN * shown.shape[1] + INCHES_AROUND[0],
            INCHES_PER_ROW * len(levels) + INCHES_AROUND[1],
        ),
        width_ratios=[shown.shape[1] * INCHES_PER_COLUMN, INCHES_OF_RANKS],
        sharey=True,
        layout="constrained",
    )
    left.imshow(shown, cmap=SHARE_COLOURS, vmin=0, vmax=1, aspect="auto")
    for row, column in np.ndindex(shown.shape):
        text = f"{shown[row, column]:.2f}"
        if row and column < experiments:
            text += f" ({away.iloc[row, column]:+.2f})"
        colour = text_colour(shown[row, column])
        left.text(column, row, text, ha="center", va="center", fontsize=8, color=colour)
    names = [*scores.columns, "taps found"]
    left.set_xticks(range(len(names)), names, rotation=25, ha="right", fontsize=9)
    left.set_yticks(range(len(levels)), [" ".join(level).strip() for level in levels], fontsize=9)
    left.axvline(experiments - 0.5, color="0.35", linewidth=0.8)
    left.set_title("Macro-F1, and its change")
    for row in range(1, len(levels)):
        if levels[row][0] != levels[row - 1][0]:
            for axes in (left, right):
                axes.axhline(row - 0.5, color="0.35", linewidth=0.8)
    known = ranks.set_index(["factor", "level"])["rank_correlation"].to_dict()
    at = [row for row, level in enumerate(levels) if level in known]
    right.plot([known[levels[row]] for row in at], at, "o", color=CALM)
    right.set_xlim(-1.1, 1.1)
    right.grid(axis="x", color="0.85")
    right.tick_params(axis="y", length=0)
    right.set_xlabel("Rank correlation with\nthe own world's order")
    save_png(figure, stem)
