"""The keyboard: its keys, where each one's centres are, and what it types."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tap2key.core.errors import Tap2keyError
from tap2key.core.names import CONTROL, composed
from tap2key.core.user_tables import Row, read_user_table

# x grows to the left, as the Neonode's does; x_right, given instead of x, to the right.
LEFTWARDS, RIGHTWARDS = "x", "x_right"
COLUMNS = ("label", LEFTWARDS, RIGHTWARDS, "y", "types", "shifted", "width", "height", "outside")
NUMBER = re.compile(r"[+-]?([0-9]{1,9}\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,2})?")
MM_PER_UNIT = 0.1
ESCAPES = {r"\n": "\n", r"\t": "\t", r"\\": "\\"}
# The first study's names, for files that do not declare these keys.
USUAL_OUTSIDE, USUAL_ENTER = "none", "|"
USUAL_SPACE = re.compile("_.+", re.DOTALL)


@dataclass(frozen=True)
class Keyboard:
    """Keys, and their centres in the touch sensor's coordinates.

    Attributes:
        file: where it was read, for messages.
        labels: the distinct labels in keyboard order (as they first appear in the file).
        centres: [centres, 2], x and y in units of 0.1 mm; y grows towards the user.
        centre_labels: [centres], the index into `labels` of each centre; a label may have several,
            or none.
        sizes: [centres, 2], width and height of the key in 0.1 mm; NaN where the file has none.
        rightwards: whether x grows to the right; the Neonode's grows to the left.
        outside: the label of what is outside every key; None if the keyboard has none.
        types: what each label types; "" for nothing.
        shifted: what a label types together with Shift, where the file says so.
    """

    file: str
    labels: tuple[str, ...]
    centres: np.ndarray
    centre_labels: np.ndarray
    sizes: np.ndarray
    rightwards: bool
    outside: str | None
    types: Mapping[str, str]
    shifted: Mapping[str, str]

    @property
    def without_place(self) -> tuple[str, ...]:
        """The keys that have no centre."""
        placed = set(self.centre_labels.tolist())
        return tuple(
            label
            for index, label in enumerate(self.labels)
            if index not in placed and label != self.outside
        )

    def lacking_places(self) -> str | None:
        """A sentence on the keys that have no centre; None if all have one."""
        missing = self.without_place
        if not missing:
            return None
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        return f"{self.file}: no place (x, y) for {missing[0]!r}{more}"

    def check_places(self, purpose: str) -> None:
        """Refuse a keyboard with keys that have no centre.

        Args:
            purpose: what needs their places, as the subject of a sentence in the plural.

        Raises:
            Tap2keyError: a key without a centre.
        """
        if lack := self.lacking_places():
            raise Tap2keyError(f"{lack}; {purpose} need one of every key")

    def nearest(self, xy: np.ndarray) -> np.ndarray:
        """Index into `labels` of the nearest key: [n, 2] in 0.1 mm → [n]."""
        return self.centre_labels[self._distances(xy).argmin(axis=1)]

    def distance_mm(self, xy: np.ndarray) -> np.ndarray:
        """How far the nearest key is, in mm: [n, 2] in 0.1 mm → [n]."""
        return self._distances(xy).min(axis=1) * MM_PER_UNIT

    def boundary_margin_mm(self, xy: np.ndarray) -> np.ndarray:
        """How much nearer the nearest label is than the next other label, in mm: [n, 2] → [n]."""
        distances = self._distances(xy)
        rows = np.arange(len(distances))
        nearest = distances.argmin(axis=1)
        own = self.centre_labels[nearest]
        others = np.where(self.centre_labels[None, :] == own[:, None], np.inf, distances)
        return (others.min(axis=1) - distances[rows, nearest]) * MM_PER_UNIT

    @property
    def reach(self) -> np.ndarray:
        """How far each key's long axis reaches from its centre: [centres, 2] in 0.1 mm.

        A square key, or one without a size, is the point of its centre; a space bar is a line, so
        that a touch near its end is not taken for the letter above.
        """
        longer = self.sizes - self.sizes.min(axis=1, keepdims=True)
        return np.nan_to_num(longer, nan=0.0) / 2

    def _distances(self, xy: np.ndarray) -> np.ndarray:
        xy = np.asarray(xy, dtype=float).reshape(-1, 2)
        offsets = xy[:, None, :] - self.centres[None, :, :]
        reach = self.reach
        if reach.any():
            offsets -= np.clip(offsets, -reach, reach)
        return np.linalg.norm(offsets, axis=2)


def load_keyboard(path: str | Path) -> Keyboard:
    """Read a keyboard from a csv with the column label and any others of `COLUMNS`.

    Lengths are in 0.1 mm. A label without x and y has no place; one in several rows has several.
    What a key types may be written with `\\n`, `\\t` and `\\\\`.

    Raises:
        Tap2keyError: the file is missing or not readable; a column is missing or unknown; a label
            is blank or holds a control character; a length is not a finite number; two centres
            are in one place; two rows of a label type different things; more than one label is
            outside every key.
    """
    rows = read_user_table(path, ("label",), delimiters=(",", ";", "\t"))
    columns = set().union(*(row.cells for row in rows))
    x = _x_column(path, columns)
    read = [_read(row, f"{path}, line {row.line}", x) for row in rows]
    _check_one_centre_a_place(path, read)
    labels = tuple(dict.fromkeys(row.label for row in read))
    if len(labels) < 2:
        raise Tap2keyError(f"{path}: a keyboard needs at least two different labels")
    outside = _outside(path, read, "outside" in columns)
    usual = {label: usual_text(label) for label in labels}
    types = _texts(path, read, "types") if "types" in columns else usual
    placed = [row for row in read if row.centre is not None]
    return Keyboard(
        str(path),
        labels,
        np.array([row.centre for row in placed], dtype=float).reshape(-1, 2),
        np.array([labels.index(row.label) for row in placed], dtype=int),
        np.array([row.size for row in placed], dtype=float).reshape(-1, 2),
        x == RIGHTWARDS,
        outside,
        {label: "" if label == outside else text for label, text in types.items()},
        {label: text for label, text in _texts(path, read, "shifted").items() if text},
    )


@dataclass(frozen=True)
class _Row:
    """A line of the file; lengths in 0.1 mm, `centre` None for a key without a place."""

    line: int
    label: str
    centre: tuple[float, float] | None
    size: tuple[float, float]
    types: str
    shifted: str
    outside: bool


def _read(row: Row, where: str, x: str | None) -> _Row:
    label = composed(row.cells["label"].strip())
    if not label or CONTROL.search(label):
        raise Tap2keyError(
            f"{where}: the label {row.cells['label']!r} is blank or holds a control character "
            "such as a tab; give the key a printable name"
        )
    centre = None
    if x is not None and (row.cells[x].strip() or row.cells["y"].strip()):
        centre = _number(row.cells[x]), _number(row.cells["y"])
        if not all(map(math.isfinite, centre)):
            raise Tap2keyError(
                f"{where}: {x} and y must be numbers (0.1 mm, with a decimal point), or both "
                "empty for a key without a place"
            )
    return _Row(
        row.line,
        label,
        centre,
        (_length(row, "width", where), _length(row, "height", where)),
        _text(row.cells.get("types", "")),
        _text(row.cells.get("shifted", "")),
        bool(row.cells.get("outside", "").strip()),
    )


def _check_one_centre_a_place(path: str | Path, rows: Sequence[_Row]) -> None:
    lines: dict[tuple[float, float], int] = {}
    for row in rows:
        if row.centre in lines:
            raise Tap2keyError(
                f"{path}, line {row.line}: the same centre as in line {lines[row.centre]}; a touch "
                "there would have two keys; remove one of them"
            )
        if row.centre is not None:
            lines[row.centre] = row.line


def _outside(path: str | Path, rows: Sequence[_Row], declared: bool) -> str | None:
    marked = {
        row.label for row in rows if (row.outside if declared else row.label == USUAL_OUTSIDE)
    }
    if len(marked) > 1:
        raise Tap2keyError(
            f"{path}: {', '.join(sorted(marked))} are all marked outside; mark only one"
        )
    return next(iter(marked), None)


def _texts(path: str | Path, rows: Sequence[_Row], column: str) -> dict[str, str]:
    """What each label types; an empty cell in a label's further rows changes nothing."""
    texts: dict[str, str] = {}
    for row in rows:
        text = getattr(row, column)
        known = texts.get(row.label) or text
        if text and text != known:
            raise Tap2keyError(
                f"{path}, line {row.line}: {column} {text!r}, but an earlier row of "
                f"{row.label!r} has {known!r}; make them the same"
            )
        texts[row.label] = known
    return texts


def usual_text(label: str) -> str:
    """What a key types by default: as in the first study's names, else its label."""
    if label == USUAL_OUTSIDE:
        return ""
    if label == USUAL_ENTER:
        return "\n"
    return " " if USUAL_SPACE.fullmatch(label) else label


def _x_column(path: str | Path, columns: set[str]) -> str | None:
    """The column of x; None where keys have no places."""
    if unknown := columns - set(COLUMNS):
        raise Tap2keyError(
            f"{path}: unknown column {min(unknown)!r}; available: {', '.join(COLUMNS)}"
        )
    found = columns & {LEFTWARDS, RIGHTWARDS}
    if len(found) == 2:
        raise Tap2keyError(
            f"{path}: columns {LEFTWARDS} and {RIGHTWARDS}; keep the one for the direction "
            "in which x grows"
        )
    if bool(found) != ("y" in columns):
        missing = "y" if found else LEFTWARDS
        raise Tap2keyError(f"{path}: no column {missing}; add it to the header line")
    return next(iter(found), None)


def _text(cell: str) -> str:
    """What is typed; a cell of blanks is a space, since spreadsheets do not pad cells."""
    stripped = cell.strip()
    if not stripped:
        return " " if cell else ""
    return composed(ESCAPES.get(stripped, stripped))


def _length(row: Row, column: str, where: str) -> float:
    cell = row.cells.get(column, "")
    if not cell.strip():
        return math.nan
    length = _number(cell)
    if not 0 < length < math.inf:
        raise Tap2keyError(f"{where}: {column} must be a number above 0 (0.1 mm)")
    return length


def _number(cell: str) -> float:
    return float(cell) if NUMBER.fullmatch(cell.strip()) else math.nan
