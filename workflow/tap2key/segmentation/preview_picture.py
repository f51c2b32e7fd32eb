"""The picture of one segmented recording: level, taps and touches in rows, and its clock below."""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from tap2key.core.pictures import CALM, DOTS_PER_INCH, STRONG, save_in_colours, shown
from tap2key.segmentation.clock import steps
from tap2key.segmentation.preview_view import Level, View
from tap2key.signal.onset import ABOVE_NOISE

# All measures are pixels, so that a column of the level is a pixel and no peak is lost.
WIDTH, LEFT = 1300, 62
COLUMNS = 1220
LINE, LEGEND = 19, 30
LANES, LANE, FLAG = 3, 13, 6
SIGNAL, TOUCHES, BELOW = 88, 18, 22
CLOCK, CLOCK_BELOW = 120, 44
BOTTOM = 8

PIXEL = 72 / DOTS_PER_INCH
TEXT, SMALL = 8.5, 7.5
CHARACTER = 0.602  # of DejaVu Sans Mono's size
NO_TOUCH = "?"

WINDOW_GREY, SHARED, LEVEL_GREY, THRESHOLD = "#e4e4e4", "#f5cf80", "#8c8c8c", "#009E73"
# What lies between text or lines and paper takes the nearest of these.
COLOURS = (
    *("#ffffff", "#000000", "#666666", LEVEL_GREY, "#b8b8b8", WINDOW_GREY, SHARED),
    *(CALM, STRONG, THRESHOLD),
)

# Whole pixels, not blurred: half the size.
TICK: dict[str, Any] = {
    "marker": "|",
    "ls": "none",
    "ms": 12 * PIXEL,
    "mew": 2 * PIXEL,
    "antialiased": False,
}
THRESHOLD_MARK = {**TICK, "marker": "_", "ms": 8 * PIXEL}

LEAST_RANGE_DB, GREATEST_RANGE_DB = 20.0, 75.0
SILENT = 1e-6


def draw_recording(
    stem: Path,
    view: View,
    parts: Sequence[Level],
    peak_height: float | None,
    heading: Sequence[str],
) -> None:
    """Draw one recording into `stem`.png.

    Args:
        stem: path without ending.
        view: what was found.
        parts: the stretches to show, in `COLUMNS` columns each; none if it cannot be read.
        peak_height: the least height of a tap that the user set, full scale 1.0.
        heading: lines above the picture, the first of them bold.
    """
    lines = [line for text in heading for line in textwrap.wrap(text, 165) or [""]]
    top = 10 + LINE * len(lines) + (LEGEND if parts else 0)
    above = FLAG + LANES * LANE if len(view.tap_s) else 0
    row = above + SIGNAL + TOUCHES + BELOW
    clock = CLOCK + CLOCK_BELOW if view.clock is not None and parts else 0
    height = top + row * len(parts) + (LINE if parts else 0) + clock + BOTTOM
    figure = plt.figure(figsize=(WIDTH / DOTS_PER_INCH, height / DOTS_PER_INCH))
    for number, line in enumerate(lines):
        figure.text(
            10 / WIDTH,
            1 - (8 + LINE * number) / height,
            line,
            va="top",
            fontsize=TEXT + 1.5 * (number == 0),
            fontweight="bold" if number == 0 else "normal",
            parse_math=False,
        )
    if parts:
        low, high = level_range(parts)
        _legend(figure, view, peak_height, 1 - (top - LEGEND + 2) / height)
    for number, part in enumerate(parts):
        first = top + number * row
        axes = _axes(figure, first, row - BELOW, height)
        _draw_row(axes, view, part, (low, high), above, peak_height)
    if parts:
        axes.set_xlabel("seconds from the recording's first sample", fontsize=TEXT, labelpad=1)
    if clock:
        axes = _axes(figure, height - BOTTOM - CLOCK_BELOW - CLOCK + 10, CLOCK - 10, height)
        _draw_clock(axes, view, parts)
    save_in_colours(figure, stem, COLOURS)


def decibels(amplitude: np.ndarray | float) -> np.ndarray:
    """Amplitudes in dB of full scale; silence stays finite."""
    return 20 * np.log10(np.maximum(amplitude, SILENT))


def level_range(parts: Sequence[Level]) -> tuple[float, float]:
    """The range of levels to draw in dB, the same for all rows: from the noise to the loudest."""
    high = max(float(decibels(part.loudest).max()) for part in parts) + 1
    low = min(float(decibels(part.noise).min()) for part in parts) + 3
    return min(max(low, high - GREATEST_RANGE_DB), high - LEAST_RANGE_DB), high


def placed(
    centres: Sequence[float], widths: Sequence[float], lanes: int, gap: float = 2.0
) -> tuple[np.ndarray, np.ndarray]:
    """Place labels in a few lanes so that none touches another.

    Each takes the lowest lane with room at its own place; where none has room, it moves right in
    the one that has first.

    Args:
        centres: ascending.
        widths: of each label.
        lanes: how many there are.
        gap: between neighbours.

    Returns:
        The lane and the centre of each.
    """
    ends = np.full(lanes, -np.inf)
    chosen, moved = np.zeros(len(centres), dtype=int), np.zeros(len(centres))
    for i, (centre, width) in enumerate(zip(centres, widths, strict=True)):
        left = centre - width / 2
        free = np.flatnonzero(ends + gap <= left)
        lane = int(free[0]) if len(free) else int(ends.argmin())
        left = max(left, float(ends[lane]) + gap)
        ends[lane] = left + width
        chosen[i], moved[i] = lane, left + width / 2
    return chosen, moved


def _axes(figure: Figure, top: float, tall: float, height: float) -> Axes:
    box = (LEFT / WIDTH, 1 - (top + tall) / height, COLUMNS / WIDTH, tall / height)
    axes = figure.add_axes(box)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(labelsize=SMALL, length=3, pad=2)
    return axes


def _draw_row(
    axes: Axes,
    view: View,
    part: Level,
    low_high: tuple[float, float],
    above: float,
    peak_height: float | None,
) -> None:
    low, high = low_high
    start, end = part.edges_s[0], part.edges_s[-1]
    per_pixel = (high - low) / SIGNAL
    bottom = low - TOUCHES * per_pixel
    axes.set(xlim=(start, end), ylim=(bottom, high + above * per_pixel))
    array = view.array
    for shared, colour in ((False, WINDOW_GREY), (True, SHARED)):
        spans = [
            (tap - array.before / array.sample_rate, array.window / array.sample_rate)
            for tap in view.tap_s[view.overlaps == shared]
        ]
        axes.broken_barh(spans, (low, high - low), facecolors=colour, antialiased=False)
    here = np.flatnonzero((view.tap_s >= start) & (view.tap_s < end))
    labelled = np.array([view.labels[i] is not None for i in here], dtype=bool)
    for chosen, colour in ((here[labelled], CALM), (here[~labelled], STRONG)):
        onsets = view.tap_s[chosen]
        axes.vlines(onsets, low, high, colour, lw=PIXEL, antialiased=False, zorder=2)
        # The level hides the line of a loud tap.
        flag = high + FLAG * per_pixel
        axes.vlines(onsets, high, flag, colour, lw=2 * PIXEL, antialiased=False)
    # In whole dB, which makes smaller files.
    level = np.clip(np.round(decibels(part.loudest)), low, None)
    axes.stairs(
        level,
        part.edges_s,
        baseline=low,
        fill=True,
        color=LEVEL_GREY,
        antialiased=False,
        lw=0,
        zorder=3,
    )
    needed = np.clip(decibels(ABOVE_NOISE * part.noise), low, None)
    axes.stairs(needed, part.edges_s, baseline=None, color=THRESHOLD, lw=1, zorder=4)
    if peak_height is not None and low < decibels(peak_height) < high:
        axes.axhline(float(decibels(peak_height)), color="black", lw=1, ls=(0, (4, 3)), zorder=4)
    axes.plot(view.tap_s[here], decibels(view.threshold[here]), color="black", **THRESHOLD_MARK)
    _draw_labels(axes, view, here, high, per_pixel)
    middle = low - TOUCHES / 2 * per_pixel
    for chosen, style in _touch_styles(view):
        axes.plot(view.touch_s[chosen], np.full(chosen.sum(), middle), **style)
    step = 20 if high - low > 45 else 10
    ticks = [t for t in range(-120, 1, step) if low <= t <= high]
    axes.set_yticks(ticks, [f"{t} dB" for t in ticks])
    axes.set_xticks(np.arange(np.ceil(start), end + 1e-9, 1))


def _draw_labels(axes: Axes, view: View, here: np.ndarray, high: float, per_pixel: float) -> None:
    texts = [NO_TOUCH if view.labels[i] is None else shown(view.labels[i]) for i in here]
    size = CHARACTER * SMALL * DOTS_PER_INCH / 72
    start, end = axes.get_xlim()
    pixels = (view.tap_s[here] - start) / (end - start) * COLUMNS
    lanes, pixels = placed(pixels, [size * len(text) for text in texts], LANES)
    for text, lane, at in zip(texts, lanes, pixels, strict=True):
        axes.text(
            start + at / COLUMNS * (end - start),
            high + (FLAG + lane * LANE + 1) * per_pixel,
            text,
            ha="center",
            va="bottom",
            fontfamily="DejaVu Sans Mono",
            fontsize=SMALL,
            color=STRONG if text == NO_TOUCH else "black",
            fontweight="bold" if text == NO_TOUCH else "normal",
            parse_math=False,
        )


def _touch_styles(view: View) -> list[tuple[np.ndarray, dict[str, Any]]]:
    if view.clock is None:
        every = np.ones(len(view.touch_s), dtype=bool)
        return [(every, {**TICK, "color": "#666666"})]
    return [
        (view.matched, {**TICK, "color": CALM}),
        (~view.matched, {"marker": "x", "ls": "none", "ms": 6, "mew": 1.6, "color": STRONG}),
    ]


def _legend(figure: Figure, view: View, peak_height: float | None, top: float) -> None:
    touches = [
        Line2D([], [], label=label, **style)
        for label, (_, style) in zip(
            ("touch, clock corrected", "touch without tap")
            if view.clock is not None
            else ("touch, clock not corrected",),
            _touch_styles(view),
            strict=True,
        )
    ]
    taps = [
        Line2D([], [], color=CALM, lw=1.2, label="tap"),
        Line2D([], [], color=STRONG, lw=1.2, label="tap without touch (?)"),
        Patch(color=WINDOW_GREY, label="window"),
        Patch(color=SHARED, label="window with part of a neighbour"),
        Line2D([], [], color="black", label="threshold at onset", **THRESHOLD_MARK),
    ]
    handles = [
        Patch(color=LEVEL_GREY, label="loudest microphone"),
        Line2D([], [], color=THRESHOLD, lw=1, label=f"{ABOVE_NOISE:.0f} × noise"),
        *(taps if view.clock is not None else []),
        *touches,
    ]
    if peak_height is not None:
        handles.append(Line2D([], [], color="black", lw=1, ls=(0, (4, 3)), label="peak height"))
    figure.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(2 / WIDTH, top),
        ncols=len(handles),
        fontsize=SMALL,
        frameon=False,
        handlelength=1.3,
        columnspacing=1.2,
        handletextpad=0.5,
        borderaxespad=0,
    )


def _draw_clock(axes: Axes, view: View, parts: Sequence[Level]) -> None:
    known = ~np.isnan(view.delay_ms)
    for part in parts:
        if part.edges_s[-1] - part.edges_s[0] < view.duration_s / len(parts) - 1e-6:
            axes.axvspan(part.edges_s[0], part.edges_s[-1], color=WINDOW_GREY, lw=0)
    axes.plot(
        view.tap_s[known], view.delay_ms[known], "o", ms=3, mew=0, color=CALM, antialiased=False
    )
    for ends in view.drift_lines():
        axes.plot(*ends, color="black", lw=1.2)
    for at, by in steps(view.pieces):
        axes.axvline(at, color=STRONG, lw=1, ls=(0, (4, 3)))
        axes.annotate(
            f"clock steps {by:+.3f} s",
            (at, 0.97),
            xycoords=("data", "axes fraction"),
            xytext=(3, 0),
            textcoords="offset points",
            va="top",
            fontsize=SMALL,
            color=STRONG,
        )
    line = np.concatenate([drift_ms for _, drift_ms in view.drift_lines()])
    values = np.r_[view.delay_ms[known], line, line.mean() - 15, line.mean() + 15]
    span = values.max() - values.min()
    low, high = values.min() - 0.22 * span, values.max() + 0.06 * span
    axes.set(xlim=(0, view.duration_s), ylim=(low, high))
    unmatched = [label is None for label in view.labels]
    for times, (_, style), share in (
        (
            view.tap_s[unmatched],
            (None, {**TICK, "color": STRONG}),
            0.05,
        ),
        (view.touch_s[~view.matched], _touch_styles(view)[1], 0.05),
    ):
        axes.plot(times, np.full(len(times), low + share * (high - low)), **style)
    axes.grid(axis="y", color="#b8b8b8", lw=0.6)
    axes.set_axisbelow(True)
    axes.set_ylabel("touch after tap, ms", fontsize=SMALL)
    axes.set_xlabel("seconds; the line is the fitted drift", fontsize=TEXT, labelpad=1)
