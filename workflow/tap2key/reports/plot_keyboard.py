"""The keyboard map: where on the table keys are named rightly, and where wrong ones lie."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import Ellipse as EllipsePatch
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.patheffects import withStroke

from tap2key.core.pictures import CALM, SHARE_COLOURS, STRONG, save_picture, shown, text_colour
from tap2key.models.key_places import Ellipse, Places
from tap2key.study.keyboard import OUTSIDE

CAP_MM = 16.0
CAP_ROUNDING_MM = 2.0
MARGIN_MM = 11.0
INCHES_WIDE = 10.0
INCHES_OF_TITLES = 1.5
OUTSIDE_RADIUS_MM = 3.2
MOST_ARROWS = 15
FEWEST_FOR_ARROW = 2
WIDEST = 6.0
SCALE_MM = 20
# A key's expected places are drawn at their true size unless that is too small to see.
SMALLEST_SD_MM = 0.3
UNUSED = "0.93"
# Letters stay legible where an arrow or ellipse crosses them.
ON_TOP: dict[str, Any] = {
    "zorder": 5,
    "path_effects": [withStroke(linewidth=2.5, foreground="white")],
}


def draw_keyboard(
    stem: Path,
    counts: np.ndarray,
    ellipses: Mapping[int, Ellipse],
    places: Places,
    title: str,
    median_error_mm: float,
) -> None:
    """Draw accuracy, commonest confusions and errors in mm on the keyboard, to scale.

    Args:
        stem: path without ending; `.png` and `.pdf` are written.
        counts: [labels, labels], true key by predicted key.
        ellipses: how each label's expected places lie around its centre.
        places: where the labels are.
        title: stands above it.
        median_error_mm: of all expected places, for the title of the lowest part.
    """
    low, high = _extent(places.parts.values())
    keys = [parts for label, parts in places.parts.items() if label != OUTSIDE]
    heights = [high[1] - low[1]] * 2 + [np.ptp(np.concatenate(keys)[:, 1]) + 2 * MARGIN_MM]
    inches = INCHES_WIDE / (high[0] - low[0])
    figure, parts = plt.subplots(
        3,
        1,
        figsize=(INCHES_WIDE, sum(heights) * inches + INCHES_OF_TITLES),
        height_ratios=heights,
        layout="constrained",
    )
    figure.suptitle(title, fontsize=14, x=0.004, ha="left")
    lowest = _extent(keys)
    for axes, bottom, top in zip(
        parts, (low[1], low[1], lowest[0][1]), (high[1], high[1], lowest[1][1]), strict=True
    ):
        axes.set(xlim=(low[0], high[0]), ylim=(bottom, top), aspect="equal")
        axes.set_axis_off()
    _draw_accuracy(parts[0], counts, places)
    _draw_confusions(parts[1], counts, places)
    _draw_errors(parts[2], ellipses, places)
    parts[2].set_title(
        f"Expected places, to scale: median error {median_error_mm:.1f} mm; ellipses are one "
        "standard deviation, lines go from + to their mean",
        fontsize=11,
    )
    save_picture(figure, stem)


def _extent(parts: Iterable[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    every = np.concatenate(list(parts))
    return every.min(axis=0) - MARGIN_MM, every.max(axis=0) + MARGIN_MM


def _cap(axes: Axes, parts: np.ndarray, colour: object) -> None:
    low, high = parts.min(axis=0) - CAP_MM / 2, parts.max(axis=0) + CAP_MM / 2
    axes.add_patch(
        FancyBboxPatch(
            (low[0], low[1]),
            high[0] - low[0],
            high[1] - low[1],
            boxstyle=f"round,pad=0,rounding_size={CAP_ROUNDING_MM}",
            facecolor=colour,
            edgecolor="0.45",
            linewidth=0.8,
        )
    )


def _draw_accuracy(axes: Axes, counts: np.ndarray, places: Places) -> None:
    axes.set_title("Share of each key's taps named rightly", fontsize=11)
    for index, label in enumerate(places.labels):
        taps = counts[index].sum()
        share = counts[index, index] / taps if taps else 0.0
        colour = SHARE_COLOURS(share) if taps else UNUSED
        words = f"{100 * share:.0f} %" if taps else "no taps"
        parts = places.parts[label]
        if label == OUTSIDE:
            _outside(axes, parts, colour)
            x, y = parts[:, 0].max(), parts[:, 1].min()
            axes.text(x, y, f"circles: outside every key\n{words}", ha="right", va="center")
            continue
        _cap(axes, parts, colour)
        x, y = parts.mean(axis=0)
        ink = text_colour(share if taps else 0)
        axes.text(x, y + 3.2, shown(label), ha="center", va="center", fontsize=14, color=ink)
        axes.text(x, y - 4.2, words, ha="center", va="center", fontsize=9.5, color=ink)


def _outside(axes: Axes, parts: np.ndarray, colour: object) -> None:
    for centre in parts:
        axes.add_patch(
            plt.Circle(centre, OUTSIDE_RADIUS_MM, facecolor=colour, edgecolor="0.45", lw=0.5)
        )


def _named_caps(axes: Axes, places: Places) -> None:
    for label, parts in places.parts.items():
        if label == OUTSIDE:
            continue
        _cap(axes, parts, "white")
        left, top = parts[:, 0].min() - CAP_MM / 2 + 1.0, parts[:, 1].max() + CAP_MM / 2 - 0.6
        axes.text(left, top, shown(label), ha="left", va="top", fontsize=10, color="0.3", **ON_TOP)


def _draw_confusions(axes: Axes, counts: np.ndarray, places: Places) -> None:
    _named_caps(axes, places)
    if OUTSIDE in places.parts:
        _outside(axes, places.parts[OUTSIDE], "white")
    wrong = counts - np.diag(np.diag(counts))
    commonest = np.argsort(-wrong, axis=None, kind="stable")[:MOST_ARROWS]
    pairs = [np.unravel_index(at, wrong.shape) for at in commonest]
    pairs = [pair for pair in pairs if wrong[pair] >= FEWEST_FOR_ARROW]
    if not pairs:
        axes.set_title("No confusion occurred twice", fontsize=11)
        return
    most = wrong[pairs[0]]
    axes.set_title(
        f"The {len(pairs)} commonest of {wrong.sum()} confusions, from the true key to the named "
        f"one; the widest arrow is {most} taps, the narrowest {wrong[pairs[-1]]}",
        fontsize=11,
    )
    for true, named in pairs:
        axes.add_patch(
            FancyArrowPatch(
                tuple(places.nearest_part(true, named)),
                tuple(places.nearest_part(named, true)),
                connectionstyle="arc3,rad=0.3",
                arrowstyle="-|>",
                mutation_scale=12,
                shrinkA=3,
                shrinkB=3,
                color=STRONG,
                alpha=0.85,
                linewidth=WIDEST * wrong[true, named] / most,
            )
        )


def _draw_errors(axes: Axes, ellipses: Mapping[int, Ellipse], places: Places) -> None:
    _named_caps(axes, places)
    for index, ellipse in ellipses.items():
        centre = places.centres[index]
        middle = centre + ellipse.offset
        axes.add_patch(
            EllipsePatch(
                middle,
                *(2 * np.maximum(ellipse.sd, SMALLEST_SD_MM)),
                angle=ellipse.angle_deg,
                facecolor=(*to_rgb(CALM), 0.3),
                edgecolor=CALM,
                linewidth=1.2,
            )
        )
        axes.plot(*zip(centre, middle, strict=True), color=STRONG, linewidth=1.6, alpha=0.9)
        axes.plot(*centre, marker="+", color="0.2", markersize=5, markeredgewidth=0.8)
    _draw_scale(axes)


def _draw_scale(axes: Axes) -> None:
    x, y = axes.get_xlim()[0] + 3, axes.get_ylim()[0] + 3
    axes.plot([x, x + SCALE_MM], [y, y], color="black", linewidth=2, solid_capstyle="butt")
    axes.text(x + SCALE_MM + 2, y, f"{SCALE_MM} mm", va="center", fontsize=10)
