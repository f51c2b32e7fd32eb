"""The printed keyboard: where each key's centre is, and which key a touch belongs to."""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tap2key.errors import Tap2keyError

MM_PER_UNIT = 0.1
OUTSIDE = "none"


@dataclass(frozen=True)
class Keyboard:
    """Key centres in the touch sensor's coordinates.

    `labels` are the distinct labels in keyboard order (as they first appear in the file).
    `centres` is [centres, 2], x and y in units of 0.1 mm: x grows to the left, y towards the user.
    `centre_labels` is [centres], the index into `labels` of each centre; a label may have several.
    """

    labels: tuple[str, ...]
    centres: np.ndarray
    centre_labels: np.ndarray

    def nearest(self, xy: np.ndarray) -> np.ndarray:
        """Index into `labels` of the nearest centre: [n, 2] in 0.1 mm → [n]."""
        return self.centre_labels[self._distances(xy).argmin(axis=1)]

    def distance_mm(self, xy: np.ndarray) -> np.ndarray:
        """How far the nearest centre is, in mm: [n, 2] in 0.1 mm → [n]."""
        return self._distances(xy).min(axis=1) * MM_PER_UNIT

    def boundary_margin_mm(self, xy: np.ndarray) -> np.ndarray:
        """How much nearer the nearest label is than the next other label, in mm: [n, 2] → [n]."""
        distances = self._distances(xy)
        rows = np.arange(len(distances))
        nearest = distances.argmin(axis=1)
        own = self.centre_labels[nearest]
        others = np.where(self.centre_labels[None, :] == own[:, None], np.inf, distances)
        return (others.min(axis=1) - distances[rows, nearest]) * MM_PER_UNIT

    def _distances(self, xy: np.ndarray) -> np.ndarray:
        xy = np.asarray(xy, dtype=float).reshape(-1, 2)
        return np.linalg.norm(xy[:, None, :] - self.centres[None, :, :], axis=2)


def load_keyboard(path: str | Path) -> Keyboard:
    """Read a keyboard from a csv with the columns label, x, y (0.1 mm).

    Raises:
        Tap2keyError: the file is missing, a column is missing, or a coordinate is not a number.
    """
    labels: list[str] = []
    centres: list[tuple[float, float]] = []
    centre_labels: list[int] = []
    try:
        with Path(path).open(newline="", encoding="utf-8-sig") as handle:
            reader = csv.DictReader(handle)
            if reader.fieldnames != ["label", "x", "y"]:
                raise Tap2keyError(f"{path}: the header must be label,x,y")
            for row in reader:
                label = row["label"]
                try:
                    centres.append((float(row["x"]), float(row["y"])))
                except (TypeError, ValueError):
                    raise Tap2keyError(
                        f"{path}, line {reader.line_num}: x and y must be numbers (0.1 mm)"
                    ) from None
                if label not in labels:
                    labels.append(label)
                centre_labels.append(labels.index(label))
    except OSError as error:
        raise Tap2keyError(f"{path}: keyboard not readable ({error.strerror})") from None
    if len(labels) < 2:
        raise Tap2keyError(f"{path}: a keyboard needs at least two different labels")
    return Keyboard(tuple(labels), np.array(centres), np.array(centre_labels))
