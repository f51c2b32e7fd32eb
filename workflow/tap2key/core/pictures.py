"""What all pictures share: fonts, colours, and files that are small and alike every time."""

import math
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from PIL import Image

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, to_rgb
from matplotlib.figure import Figure

from tap2key.core.files import atomic_file

# One hue from light to dark: the same to colour-blind eyes and on a grey printer.
SHARE_COLOURS: Colormap = matplotlib.colormaps["Blues"]
# From Okabe and Ito's palette for all kinds of eyes.
STRONG, CALM = "#D55E00", "#0072B2"
LINE_COLOURS = (CALM, STRONG, "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
DARK_ABOVE = 0.55
# A report of 20 participants holds hundreds of these.
DOTS_PER_INCH = 110
PALETTE_COLOURS = 256

ENTER = "|"
STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "pdf.fonttype": 42,
    "axes.titlesize": 13,
    "axes.titlelocation": "left",
    "axes.labelsize": 11,
}
plt.rcParams.update(STYLE)


def shown(label: str) -> str:
    """A label as a stranger reads it."""
    return "Enter" if label == ENTER else label


def shown_all(labels: Sequence[str]) -> list[str]:
    """Labels as a stranger reads them."""
    return [shown(label) for label in labels]


def text_colour(share: float) -> str:
    """What stands out on the colour of a share."""
    return "white" if share > DARK_ABOVE else "black"


def draw_people(
    axes: Axes,
    row: int,
    values: Sequence[float],
    interval: tuple[float, float] | None,
    text: str,
    height: float,
) -> None:
    """Draw a row of participants' values: dots, their mean as a line, its interval as a bar.

    Args:
        axes: with values along x.
        row: its y.
        values: one of each participant, at least one.
        interval: of their mean; None where there is none.
        text: stands to the right of the axes.
        height: of the bar, in rows.
    """
    mean, ends = float(np.mean(values)), 0.61 * height
    if interval is not None:
        low, high = interval
        axes.barh(row, high - low, height, left=low, color=STRONG, alpha=0.3, edgecolor=STRONG)
    axes.plot([mean, mean], [row - ends, row + ends], color=STRONG, linewidth=2.5)
    # Beside one another, so that equal values can be told apart.
    places = row + (np.arange(len(values)) % 5 - 2) * height / 8
    look: dict[str, Any] = {"alpha": 0.7, "markersize": 8 * height, "markeredgecolor": "white"}
    axes.plot(values, places, "o", color=CALM, **look)
    axes.annotate(
        text,
        (1, row),
        xytext=(8, 0),
        xycoords=axes.get_yaxis_transform(),
        textcoords="offset points",
        va="center",
        annotation_clip=False,
    )


def save_picture(figure: Figure, stem: Path) -> None:
    """Write `stem`.png, with few colours, and `stem`.pdf; close the figure.

    The same figure gives the same bytes.
    """
    with _drawn(figure) as image:
        _save_few_colours(image, stem)
    with atomic_file(stem.with_name(f"{stem.name}.pdf")) as temporary:
        figure.savefig(temporary, metadata={"CreationDate": None})
    plt.close(figure)


def save_png(figure: Figure, stem: Path) -> None:
    """Write only `stem`.png, likewise; close the figure."""
    with _drawn(figure) as image:
        _save_few_colours(image, stem)
    plt.close(figure)


def save_in_colours(figure: Figure, stem: Path, colours: Sequence[str]) -> None:
    """Write `stem`.png in nothing but the given colours; close the figure."""
    palette = Image.new("P", (1, 1))
    # Up to 16 entries would be packed two to a byte, and repeats harder to find: larger files.
    entries = [*colours] * math.ceil(17 / len(colours))
    palette.putpalette([round(255 * part) for colour in entries for part in to_rgb(colour)])
    with _drawn(figure) as image:
        _save_png(image.quantize(palette=palette, dither=Image.Dither.NONE), stem)
    plt.close(figure)


def _drawn(figure: Figure) -> Image.Image:
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=DOTS_PER_INCH)
    return Image.open(buffer).convert("RGB")


def _save_png(image: Image.Image, stem: Path) -> None:
    with atomic_file(stem.with_name(f"{stem.name}.png")) as temporary:
        image.save(temporary, optimize=True)


def _save_few_colours(image: Image.Image, stem: Path) -> None:
    _save_png(image.quantize(PALETTE_COLOURS, dither=Image.Dither.NONE), stem)
