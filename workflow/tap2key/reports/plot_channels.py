"""A picture of all channels: how loud taps and noise are in each recording, and what is flagged."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.patches import Rectangle

from tap2key.core.files import JOIN
from tap2key.core.pictures import SHARE_COLOURS, STRONG, plt, save_png, text_colour
from tap2key.segmentation.channel_table import OK

PANELS = (
    ("level_db", "taps, dB of full scale"),
    ("noise_db", "noise floor, dB of full scale"),
    ("snr_db", "taps over noise, dB"),
)
# Verdicts as they fit into a cell.
MARKS = {
    "dead": "D",
    "faint": "F",
    "noisy": "N",
    "railed": "R",
    "dropouts": "O",
    "patchy": "P",
    "copy": "C",
    "swapped": "X",
    "astray": "A",
}
# Beyond so many recordings a row is a session, or the picture could not be read.
MOST_ROWS = 120
INCHES_PER_ROW, LEAST_INCHES, MOST_INCHES = 0.24, 1.2, 60.0
# Digital silence would take all colours from the rest.
LOWEST_DB = -130.0


def draw_channels(stem: Path, rows: Sequence[dict[str, str]]) -> None:
    """Write `stem`.png: a row per recording (or session, where there are many), by channel.

    Args:
        stem: path without ending.
        rows: of `channels.tsv`, of all sessions.
    """
    named = ("participant", "session", "recording")
    groups = _grouped(rows, named)
    if len(groups) > MOST_ROWS:
        groups = _grouped(rows, named[:2])
    tall = min(MOST_INCHES, max(LEAST_INCHES, INCHES_PER_ROW * len(groups)))
    figure, axes = plt.subplots(
        1, len(PANELS), figsize=(13, tall + 1.5), sharey=True, layout="constrained"
    )
    channels = sorted({int(row["channel"]) for row in rows})
    for axis, (column, title) in zip(axes, PANELS, strict=True):
        if groups:
            values = [_values(own, column, channels) for own in groups.values()]
            _draw_panel(axis, values, channels, title)
        for place, own in enumerate(groups.values()):
            _draw_marks(axis, place, own, channels)
    labels = _labels(list(groups))
    axes[0].set_yticks(range(len(labels)), labels, fontsize=8)
    flagged = sum(row["verdict"] != OK for row in rows)
    seen = [kind for kind in MARKS if any(kind in row["verdict"].split(JOIN) for row in rows)]
    legend = f":  {',  '.join(f'{MARKS[kind]} {kind}' for kind in seen)}" if seen else ""
    figure.suptitle(
        f"{len(rows)} channels of recordings, {flagged} flagged{legend}", x=0.01, ha="left"
    )
    save_png(figure, stem)


def _grouped(
    rows: Sequence[dict[str, str]], names: Sequence[str]
) -> dict[tuple[str, ...], list[dict[str, str]]]:
    groups: dict[tuple[str, ...], list[dict[str, str]]] = {}
    for row in rows:
        groups.setdefault(tuple(row[name] for name in names), []).append(row)
    return groups


def _labels(keys: Sequence[tuple[str, ...]]) -> list[str]:
    """What differs from the row above: participant and session are said once."""
    labels: list[str] = []
    before: tuple[str, ...] = ()
    for key in keys:
        same = len(key) > 2 and before[:2] == key[:2]
        labels.append(key[-1] if same else "  ".join(key))
        before = key
    return labels


def _values(rows: Sequence[dict[str, str]], column: str, channels: Sequence[int]) -> list[float]:
    values = []
    for channel in channels:
        own = [float(r[column]) for r in rows if int(r["channel"]) == channel and r[column]]
        values.append(max(LOWEST_DB, float(np.median(own))) if own else np.nan)
    return values


def _draw_panel(
    axis: Axes, values: Sequence[Sequence[float]], channels: Sequence[int], title: str
) -> None:
    table = np.array(values, dtype=float).reshape(-1, len(channels))
    known = table[np.isfinite(table)]
    low, high = np.quantile(known, [0.02, 0.98]) if len(known) else (0.0, 1.0)
    scale = Normalize(low, max(high, low + 1), clip=True)
    axis.imshow(table, SHARE_COLOURS, scale, aspect="auto", interpolation="nearest")
    for place, row in enumerate(table):
        for at, value in enumerate(row):
            if np.isfinite(value):
                colour = text_colour(float(scale(value)))
                text = f"{value:.0f}" if value > LOWEST_DB else "–"
                axis.text(at, place, text, ha="center", va="center", color=colour, fontsize=7)
    axis.set_xticks(range(len(channels)), map(str, channels))
    axis.set_xlabel("channel")
    axis.set_title(title, fontsize=10)
    axis.tick_params(length=0)


def _draw_marks(
    axis: Axes, place: int, rows: Sequence[dict[str, str]], channels: Sequence[int]
) -> None:
    for at, channel in enumerate(channels):
        own = [row["verdict"] for row in rows if int(row["channel"]) == channel]
        kinds = dict.fromkeys(kind for verdict in own for kind in verdict.split(JOIN))
        marks = "".join(MARKS[kind] for kind in kinds if kind != OK)
        if marks:
            corner = (at - 0.46, place - 0.44)
            frame = Rectangle(corner, 0.92, 0.88, fill=False, edgecolor=STRONG, linewidth=2)
            axis.add_patch(frame)
            style: dict[str, Any] = {"color": STRONG, "fontsize": 7, "fontweight": "bold"}
            behind = {"facecolor": "white", "edgecolor": "none", "pad": 0.8}
            axis.text(at + 0.4, place, marks, ha="right", va="center", bbox=behind, **style)
