"""A picture of accuracy by condition."""

from collections.abc import Sequence
from math import nan
from pathlib import Path
from statistics import mean

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from tap2key.core.names import by_number
from tap2key.core.pictures import CALM, STRONG, save_picture
from tap2key.evaluation.conditions import BORDER, SESSION, Bin
from tap2key.evaluation.tap_conditions import GAP, SNR

TITLES = {
    BORDER: "distance to the nearest key border, mm",
    SNR: "signal-to-noise ratio, dB",
    GAP: "gap to the nearest other tap, ms",
    SESSION: "session of each participant, in the order of their names",
}

# More counts would run into each other.
MOST_COUNTED = 8


def draw_conditions(stem: Path, bins: Sequence[Bin], title: str) -> None:
    """Draw the accuracy in every bin, a panel for each condition; sessions by their number.

    Args:
        stem: path without ending; `.png` and `.pdf` are written.
        bins: of all conditions.
        title: stands above it.
    """
    figure, panels = plt.subplots(2, 2, figsize=(11, 7.5), layout="constrained", sharey=True)
    for axes, (condition, name) in zip(panels.flat, TITLES.items(), strict=True):
        own = [each for each in bins if each.condition == condition]
        columns = _by_turn(own) if condition == SESSION else own
        axes.set_xlabel(name)
        if columns:
            _panel(axes, columns)
        else:
            axes.text(0.5, 0.5, "not known", transform=axes.transAxes, ha="center", color="0.4")
            axes.set_xticks([])
    for axes in panels[:, 0]:
        axes.set(ylim=(-0.02, 1.02), ylabel="accuracy, all keys")
    figure.suptitle(
        f"{title}\nParticipants (dots), their mean (line) and how many of the taps (grey)",
        x=0.01,
        ha="left",
        fontsize=12,
    )
    save_picture(figure, stem)


def _panel(axes: Axes, columns: Sequence[Bin]) -> None:
    places = np.arange(len(columns))
    shares = np.array([each.taps for each in columns], dtype=float)
    axes.bar(places, shares / shares.sum(), 0.8, color="0.88", zorder=0)
    for place, each in zip(places, columns, strict=True):
        values = [*each.accuracy.values()]
        spread = (np.arange(len(values)) % 5 - 2) * 0.06
        axes.plot(
            place + spread,
            values,
            "o",
            color=CALM,
            alpha=0.6,
            markersize=4.5,
            markeredgecolor="white",
            linestyle="none",
        )
    means = [mean(each.accuracy.values()) if each.accuracy else nan for each in columns]
    axes.plot(places, means, "-", color=STRONG, linewidth=2.2)
    axes.plot(places, means, "_", color=STRONG, markersize=16, markeredgewidth=2.5)
    few = len(columns) <= MOST_COUNTED
    names = [f"{each.name}\n{each.taps} taps" if few else each.name for each in columns]
    axes.set_xticks(places, names, fontsize=9)
    axes.grid(axis="y", color="0.9")
    axes.set_axisbelow(True)


def _by_turn(sessions: Sequence[Bin]) -> list[Bin]:
    """Everybody's first sessions together, then their second ones, and so on."""
    turns: dict[int, list[Bin]] = {}
    people: dict[str, int] = {}
    for each in sorted(sessions, key=lambda each: by_number(each.name)):
        person = each.name.split("/", 1)[0]
        people[person] = people.get(person, 0) + 1
        turns.setdefault(people[person], []).append(each)
    return [
        Bin(
            SESSION,
            f"{turn}.",
            sum(each.taps for each in own),
            {name: value for each in own for name, value in each.accuracy.items()},
            {},
        )
        for turn, own in sorted(turns.items())
    ]
