"""The keyboard map: where on the table keys are named rightly, and where wrong ones lie."""

import textwrap
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse as EllipsePatch
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.patheffects import withStroke

from tap2key.core.pictures import CALM, SHARE_COLOURS, STRONG, save_picture, shown, text_colour
from tap2key.models.key_places import Ellipse, Places

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
CHARACTERS_WIDE, TITLE_CHARACTERS_WIDE = 130, 92
# A laptop's function keys are half as high as the others.
LOWEST_CAP_OF_TWO_LINES_MM = 12.0
SMALL_POINTS = 6.0
# So that `backspace` stays within its cap.
POINTS_TO_FILL_A_MM = 3.5
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

    Keys without a place are listed below the first part.

    Args:
        stem: path without ending; `.png` and `.pdf` are written.
        counts: [labels, labels], true key by predicted key.
        ellipses: how each label's expected places lie around its centre.
        places: where the labels are.
        title: stands above it.
        median_error_mm: of all expected places, for the title of the lowest part.
    """
    keys = [np.concatenate(_corners(places, label)) for label in _placed_keys(places)]
    if not keys:
        _draw_none(stem, counts, places, title)
        return
    low, high = _extent([*keys, _ring(places)])
    heights = [high[1] - low[1]] * 2 + [np.ptp(np.concatenate(keys)[:, 1]) + 2 * MARGIN_MM]
    inches = INCHES_WIDE / (high[0] - low[0])
    figure, parts = plt.subplots(
        3,
        1,
        figsize=(INCHES_WIDE, sum(heights) * inches + INCHES_OF_TITLES),
        height_ratios=heights,
        layout="constrained",
    )
    _title(figure, title)
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


def _title(figure: Figure, title: str) -> None:
    lines = textwrap.fill(title, TITLE_CHARACTERS_WIDE)
    figure.suptitle(lines, fontsize=14, x=0.004, ha="left")


def _extent(parts: Iterable[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    every = np.concatenate(list(parts))
    return every.min(axis=0) - MARGIN_MM, every.max(axis=0) + MARGIN_MM


def _draw_none(stem: Path, counts: np.ndarray, places: Places, title: str) -> None:
    figure, axes = plt.subplots(figsize=(INCHES_WIDE, INCHES_OF_TITLES), layout="constrained")
    _title(figure, title)
    axes.set_axis_off()
    _list_without_place(axes, counts, places)
    save_picture(figure, stem)


def _placed_keys(places: Places) -> Iterator[str]:
    for label in places.labels:
        if label != places.outside and len(places.parts[label]):
            yield label


def _ring(places: Places) -> np.ndarray:
    """Where the centres outside every key are: [centres, 2], in mm."""
    return np.empty((0, 2)) if places.outside is None else places.parts[places.outside]


def _corners(places: Places, label: str) -> tuple[np.ndarray, np.ndarray]:
    """Centres of usual caps that would lie in the lower left and upper right of a label's caps.

    Each is [centres, 2] in mm.
    """
    further = np.nan_to_num((places.sizes[label] - CAP_MM) / 2, nan=0.0)
    return places.parts[label] - further, places.parts[label] + further


def _caps(places: Places, label: str) -> list[tuple[np.ndarray, np.ndarray]]:
    """Lower left and upper right corner of each of a label's caps, in mm.

    Centres without a size are parts of one key, such as the first study's Enter.
    """
    lower, upper = _corners(places, label)
    apart = not np.isnan(places.sizes[label]).any()
    groups = [[part] for part in range(len(lower))] if apart else [[*range(len(lower))]]
    half = CAP_MM / 2
    return [(lower[g].min(axis=0) - half, upper[g].max(axis=0) + half) for g in groups]


def _cap(axes: Axes, low: np.ndarray, high: np.ndarray, colour: object) -> None:
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
        words = _share_in_words(counts, index)
        parts = places.parts[label]
        if not len(parts):
            continue
        if label == places.outside:
            _outside(axes, parts, colour)
            x, y = parts[:, 0].max(), parts[:, 1].min()
            axes.text(x, y, f"circles: outside every key\n{words}", ha="right", va="center")
            continue
        ink = text_colour(share if taps else 0)
        for low, high in _caps(places, label):
            _cap(axes, low, high, colour)
            x, y = (low + high) / 2
            style: dict[str, Any] = {"ha": "center", "va": "center", "color": ink}
            if high[1] - low[1] < LOWEST_CAP_OF_TWO_LINES_MM:
                # Of two words that do not fit, the colour says the second.
                line = f"{shown(label)} {words}" if taps else shown(label)
                axes.text(x, y, line, fontsize=SMALL_POINTS, **style)
                continue
            points = min(14.0, POINTS_TO_FILL_A_MM * (high[0] - low[0]) / len(shown(label)))
            axes.text(x, y + 3.2, shown(label), fontsize=points, **style)
            axes.text(x, y - 4.2, words, fontsize=9.5, **style)
    _list_without_place(axes, counts, places)


def _share_in_words(counts: np.ndarray, index: int) -> str:
    taps = counts[index].sum()
    return f"{100 * counts[index, index] / taps:.0f} %" if taps else "no taps"


def _list_without_place(axes: Axes, counts: np.ndarray, places: Places) -> None:
    missing = [
        f"{shown(label)} {_share_in_words(counts, index)}"
        for index, label in enumerate(places.labels)
        if not len(places.parts[label])
    ]
    if missing:
        words = f"Not drawn, since the keyboard gives no place: {', '.join(missing)}"
        lines = textwrap.fill(words, CHARACTERS_WIDE)
        axes.text(0, 0, lines, ha="left", va="top", fontsize=9.5, transform=axes.transAxes)


def _outside(axes: Axes, parts: np.ndarray, colour: object) -> None:
    for centre in parts:
        axes.add_patch(
            plt.Circle(centre, OUTSIDE_RADIUS_MM, facecolor=colour, edgecolor="0.45", lw=0.5)
        )


def _named_caps(axes: Axes, places: Places) -> None:
    for label in _placed_keys(places):
        for low, high in _caps(places, label):
            _cap(axes, low, high, "white")
            name: dict[str, Any] = {"ha": "left", "va": "top", "fontsize": 10, "color": "0.3"}
            axes.text(low[0] + 1.0, high[1] - 0.6, shown(label), **name, **ON_TOP)


def _draw_confusions(axes: Axes, counts: np.ndarray, places: Places) -> None:
    _named_caps(axes, places)
    _outside(axes, _ring(places), "white")
    wrong = counts - np.diag(np.diag(counts))
    wrong[~places.placed], wrong[:, ~places.placed] = 0, 0
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
