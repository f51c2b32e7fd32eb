"""The printed keyboard: where each key's centre is, and which key a touch belongs to."""

import math
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tap2key.core.errors import Tap2keyError
from tap2key.core.names import CONTROL, composed
from tap2key.core.user_tables import read_user_table

COLUMNS = ("label", "x", "y")
NUMBER = re.compile(r"[+-]?([0-9]{1,9}\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,2})?")
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
        Tap2keyError: the file is missing or not readable; a column is missing or unknown; a label
            is blank or holds a control character; a coordinate is not a finite number; two centres
            are in one place.
    """
    labels: list[str] = []
    centres: list[tuple[float, float]] = []
    centre_labels: list[int] = []
    lines: dict[tuple[float, float], int] = {}
    for row in read_user_table(path, COLUMNS, delimiters=(",", ";", "\t")):
        where = f"{path}, line {row.line}"
        if set(row.cells) != set(COLUMNS):
            raise Tap2keyError(f"{path}: the header must be {','.join(COLUMNS)}")
        label = composed(row.cells["label"].strip())
        if not label or CONTROL.search(label):
            raise Tap2keyError(
                f"{where}: the label {row.cells['label']!r} is blank or holds a control character "
                "such as a tab; give the key a name that can be printed"
            )
        centre = _number(row.cells["x"]), _number(row.cells["y"])
        if not all(map(math.isfinite, centre)):
            raise Tap2keyError(
                f"{where}: x and y must be numbers (0.1 mm, with a decimal point if with any)"
            )
        if centre in lines:
            raise Tap2keyError(
                f"{where}: the same centre as in line {lines[centre]}; a touch there would have "
                "two keys: mend or take away one of them"
            )
        lines[centre] = row.line
        centres.append(centre)
        if label not in labels:
            labels.append(label)
        centre_labels.append(labels.index(label))
    if len(labels) < 2:
        raise Tap2keyError(f"{path}: a keyboard needs at least two different labels")
    return Keyboard(tuple(labels), np.array(centres), np.array(centre_labels))


def _number(cell: str) -> float:
    return float(cell) if NUMBER.fullmatch(cell.strip()) else math.nan
