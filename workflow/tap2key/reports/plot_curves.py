"""Pictures with lines: learning curves, experiments compared, accuracy after adaptation."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from tap2key.comparison.intervals import Interval
from tap2key.core.pictures import LINE_COLOURS, draw_people, save_picture

MOST_NAMED_LINES = 12


def draw_learning(
    stem: Path, histories: Mapping[str, Mapping[str, Sequence[float]]], title: str
) -> None:
    """Draw loss and validation score by epoch, one line per model.

    Args:
        stem: path without ending; `.png` and `.pdf` are written.
        histories: by model, the columns epoch, loss, eval_loss and eval_weighted_f1, NaN where
            nothing was measured.
        title: stands above it.
    """
    figure, panels = plt.subplots(1, 3, figsize=(12, 4.2), layout="constrained")
    columns = ("loss", "eval_loss", "eval_weighted_f1")
    names = ("training loss", "validation loss", "validation weighted F1")
    for axes, column, name in zip(panels, columns, names, strict=True):
        for at, (model, history) in enumerate(histories.items()):
            epoch, values = np.array(history["epoch"]), np.array(history[column])
            known = ~np.isnan(values)
            axes.plot(
                epoch[known],
                values[known],
                color=LINE_COLOURS[at % len(LINE_COLOURS)],
                linestyle=("-", "--", ":")[at // len(LINE_COLOURS) % 3],
                linewidth=1.4,
                marker="o" if known.sum() < 15 else None,
                markersize=3,
                label=model,
            )
        axes.set(xlabel="epoch", ylabel=name, xlim=(0, None))
        axes.grid(color="0.9")
    panels[2].set_ylim(0, 1)
    # One scale for both losses, so that they can be compared.
    top = max(axes.get_ylim()[1] for axes in panels[:2])
    for axes in panels[:2]:
        axes.set_ylim(0, top)
    figure.suptitle(title, x=0.01, ha="left", fontsize=13)
    if len(histories) <= MOST_NAMED_LINES:
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right upper")
    save_picture(figure, stem)


def draw_comparison(
    stem: Path,
    scores: Mapping[str, Sequence[float]],
    intervals: Mapping[str, Interval],
    note: str,
) -> None:
    """Draw each experiment's participants as dots, their mean as a line, its interval as a bar.

    Args:
        stem: path without ending; `.png` and `.pdf` are written.
        scores: by experiment, one score from 0 to 1 for each participant.
        intervals: by experiment, low and high of the mean; None for one participant.
        note: what the score is.
    """
    figure, axes = plt.subplots(figsize=(10, 1.5 + 0.55 * len(scores)), layout="constrained")
    for row, (name, values) in enumerate(scores.items()):
        low, high = intervals[name]
        text, interval = f"{np.mean(values):.3f}", None
        if low is not None and high is not None:
            interval = low, high
            text += f"  ({low:.3f}–{high:.3f})"
        draw_people(axes, row, values, interval, text, 0.62)
    axes.set_yticks(range(len(scores)), list(scores), fontsize=11)
    axes.set(xlim=(-0.02, 1.02), ylim=(len(scores) - 0.5, -0.5), xlabel=note)
    axes.grid(axis="x", color="0.9")
    axes.set_axisbelow(True)
    figure.suptitle(
        "Participants (dots), their mean (line) and its 95 % interval (bar, in brackets)",
        x=0.01,
        ha="left",
        fontsize=12,
    )
    save_picture(figure, stem)


def draw_adaptation(
    stem: Path,
    ways: Sequence[str],
    people: Mapping[str, Sequence[float]],
    mean: Sequence[float],
    low: Sequence[float | None],
    high: Sequence[float | None],
    title: str,
) -> None:
    """Draw accuracy by what a model learned of the session.

    Args:
        stem: path without ending; `.png` and `.pdf` are written.
        ways: numbers of labelled taps per key, 0 being the model as it is; or without labels.
        people: by participant, one accuracy for each of `ways`.
        mean: over participants.
        low: lower end of the interval of the mean; None for one participant.
        high: its upper end.
        title: stands above it.
    """
    figure, axes = plt.subplots(figsize=(8.5, 4.8), layout="constrained")
    positions = np.arange(len(ways))
    few = len(people) <= MOST_NAMED_LINES
    for at, (person, values) in enumerate(people.items()):
        _line(axes, positions, values, at, person if few else None)
    # None becomes NaN, which is not drawn.
    bottom, top = (np.array(end, dtype=float) for end in (low, high))
    axes.fill_between(positions, bottom, top, color="0.85", label="95 % interval of the mean")
    axes.plot(positions, mean, "-o", color="black", linewidth=2.4, label="mean")
    for x, value in zip(positions, mean, strict=True):
        axes.annotate(
            f"{value:.3f}",
            (x, value),
            xytext=(0, 9),
            textcoords="offset points",
            ha="center",
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1},
        )
    axes.set_xticks(positions, ways)
    axes.set_xlim(-0.25, len(positions) - 0.75)
    axes.set(
        xlabel="labelled taps per key in the session", ylabel="accuracy on the session's later taps"
    )
    axes.grid(color="0.9")
    figure.suptitle(title, x=0.01, ha="left", fontsize=13)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside right upper")
    save_picture(figure, stem)


def _line(axes: Axes, x: np.ndarray, values: Sequence[float], at: int, name: str | None) -> None:
    colour = LINE_COLOURS[at % len(LINE_COLOURS)]
    axes.plot(x, values, "-o", color=colour, linewidth=1.1, markersize=4, alpha=0.8, label=name)
