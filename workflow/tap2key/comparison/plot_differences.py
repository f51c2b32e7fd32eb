"""A picture of differences between experiments, their intervals and what is practically nil."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib import pyplot as plt

from tap2key.comparison.significance import PairedTest
from tap2key.core.pictures import draw_people, save_picture

# Up to this many widths of the region the axis is linear; where differences reach further, it is
# logarithmic beyond, so that the region can still be told from its surroundings.
LINEAR = 5


def draw_differences(
    stem: Path, families: Mapping[str, Sequence[PairedTest]], region: float, note: str
) -> None:
    """Draw each difference: participants as dots, the mean as a line, its interval as a bar.

    Args:
        stem: path without ending; `.png` and `.pdf` are written.
        families: by name, comparisons in which somebody was tested by both.
        region: differences up to this are practically nil, and shaded.
        note: what the difference is of.
    """
    rows = sum(len(tests) + 1 for tests in families.values())
    figure, axes = plt.subplots(figsize=(11, 1.7 + 0.42 * max(rows, 2)), layout="constrained")
    axes.axvspan(-region, region, color="0.88", zorder=0, label=f"practically nil: ± {region:g}")
    axes.axvline(0, color="0.5", linewidth=1)
    ticks: list[tuple[int, str, str]] = []
    row = 0
    for family, tests in families.items():
        ticks.append((row, family, "bold"))
        for test in tests:
            row += 1
            ticks.append((row, f"{test.first} − {test.second}", "normal"))
            _draw(axes, row, test)
        row += 1
    axes.set_yticks([at for at, _, _ in ticks], [text for _, text, _ in ticks], fontsize=10)
    for label, (_, _, weight) in zip(axes.get_yticklabels(), ticks, strict=True):
        label.set_fontweight(weight)
    ends = [
        abs(value)
        for tests in families.values()
        for test in tests
        for value in (*test.differences, test.low or 0.0, test.high or 0.0)
    ]
    reach = 1.05 * max([*ends, 3 * region])
    if reach > 2 * LINEAR * region:
        axes.set_xscale("symlog", linthresh=LINEAR * region, linscale=1.5)
        note += f" (logarithmic beyond ± {LINEAR * region:g})"
        ticks_at = [factor * region for factor in (1, 5, 20, 50) if factor * region < reach]
        axes.set_xticks([*(-at for at in reversed(ticks_at)), 0, *ticks_at], minor=False)
        axes.set_xticks([], minor=True)
        axes.xaxis.set_major_formatter("{x:g}")
    axes.set(xlim=(-reach, reach), ylim=(max(row, 2) - 0.4, -0.6), xlabel=note)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="0.93")
    axes.set_axisbelow(True)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower right", frameon=False)
    figure.suptitle(
        "Participants' differences (dots), their mean (line) and its 95 % interval (bar)",
        x=0.01,
        ha="left",
        fontsize=12,
    )
    save_picture(figure, stem)


def _draw(axes: plt.Axes, row: int, test: PairedTest) -> None:
    if test.mean_difference is None:
        return
    text, interval = f"{test.mean_difference:+.3f}", None
    if test.low is not None and test.high is not None:
        interval = test.low, test.high
        text += f"  ({test.low:+.3f} to {test.high:+.3f})"
    draw_people(axes, row, test.differences, interval, text.replace("-", "−"), 0.56)
