"""What all pictures share: fonts, colours, and files that are small and alike every time."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import matplotlib
from PIL import Image

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.colors import Colormap
from matplotlib.figure import Figure

from tap2key.files import atomic_file

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
STYLE = {
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


def save_picture(figure: Figure, stem: Path) -> None:
    """Write `stem`.png, with few colours, and `stem`.pdf; close the figure.

    The same figure gives the same bytes.
    """
    _write_png(figure, stem)
    with atomic_file(stem.with_name(f"{stem.name}.pdf")) as temporary:
        figure.savefig(temporary, metadata={"CreationDate": None})
    plt.close(figure)


def save_png(figure: Figure, stem: Path) -> None:
    """Write only `stem`.png, likewise; close the figure."""
    _write_png(figure, stem)
    plt.close(figure)


def _write_png(figure: Figure, stem: Path) -> None:
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=DOTS_PER_INCH)
    with Image.open(buffer) as image, atomic_file(stem.with_name(f"{stem.name}.png")) as temporary:
        few = image.convert("RGB").quantize(PALETTE_COLOURS, dither=Image.Dither.NONE)
        few.save(temporary, optimize=True)
