"""Under which conditions taps are named rightly: place, loudness, neighbours in time, session."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tap2key.core.errors import Tap2keyError
from tap2key.evaluation.metrics import merged_space
from tap2key.evaluation.predictions import Predictions
from tap2key.evaluation.tap_conditions import GAP, SNR
from tap2key.models.key_places import Places

BORDER, SESSION = "border_distance_mm", "session"
# The upper ends of all bins but the last; the value at an end belongs to the next bin.
EDGES: dict[str, tuple[float, ...]] = {
    BORDER: (1, 2, 4, 6),
    SNR: (20, 30, 35, 40, 45, 50, 60),
    GAP: (75, 100, 150, 250, 500),
}
# A share of fewer taps of one participant is noise.
FEWEST_TAPS = 5
CONDITION_COLUMNS = (
    *("condition", "bin", "taps", "participants", "accuracy_space_merged", "accuracy"),
    *("accuracy_sd_over_participants", "lowest_accuracy", "lowest_participant"),
)


@dataclass(frozen=True)
class Bin:
    """The taps of one bin of a condition.

    `accuracy` and `accuracy_space_merged` are by participant, of those with `FEWEST_TAPS` there;
    `taps` counts everybody's, each once whatever the number of seeds.
    """

    condition: str
    name: str
    taps: int
    accuracy: dict[str, float]
    accuracy_space_merged: dict[str, float]

    def row(self) -> dict[str, Any]:
        """All of `CONDITION_COLUMNS`."""
        values = self.accuracy
        lowest = min(values, key=values.__getitem__) if values else None
        return {
            "condition": self.condition,
            "bin": self.name,
            "taps": self.taps,
            "participants": len(values),
            "accuracy_space_merged": mean(self.accuracy_space_merged.values()) if values else None,
            "accuracy": mean(values.values()) if values else None,
            "accuracy_sd_over_participants": stdev(values.values()) if len(values) > 1 else None,
            "lowest_accuracy": None if lowest is None else values[lowest],
            "lowest_participant": lowest,
        }


def measured_conditions(path: Path, found: Predictions) -> dict[str, np.ndarray]:
    """What the overview measured of predicted taps: by condition [taps], NaN where not known.

    Raises:
        Tap2keyError: the file is not readable, or lacks a tap.
    """
    try:
        people = sorted({key[0] for key in found.identity})
        table = pq.read_table(path, filters=[("participant", "in", people)])
        keys = zip(*(table[n].to_pylist() for n in table.column_names[:4]), strict=True)
        at = {key: row for row, key in enumerate(keys)}
        rows = [at[key] for key in found.identity]
        return {name: table[name].to_numpy()[rows] for name in (GAP, SNR)}
    except KeyError as error:
        raise Tap2keyError(
            f"{path}: has no {error}, which was evaluated; make overview and evaluations of the "
            "same taps"
        ) from error
    except (OSError, pa.ArrowException) as error:
        raise Tap2keyError(f"{path}: not readable ({error}); make the overview again") from error


def border_distance_mm(truth: np.ndarray, touched: np.ndarray, places: Places) -> np.ndarray:
    """How far inside its key each tap was touched: [taps] in mm, NaN where no place is known.

    Keys share the table by their nearest centres (a Voronoi diagram), so that the border with
    another key is the perpendicular bisector between the two centres: from a point at distances d
    and e from centres that are c apart it is (e² − d²)/2c away. Of a key with several centres that
    is the border of the nearest one's part, and its own may be further off. Negative where the key
    was named by others than the touch sensor and the touch was beyond its border.

    Args:
        truth: [taps], indices of labels.
        touched: [taps, 2], the sensor's x, y in 0.1 mm.
        places: where the labels are.
    """
    where = places.seen(touched)
    points = places.nearest_parts(where)
    rows = np.arange(len(truth))
    own = points[rows, truth]
    squares = ((where[:, None] - points) ** 2).sum(axis=-1)
    apart = np.linalg.norm(points - own[:, None], axis=-1)
    apart[rows, truth] = np.nan
    with np.errstate(divide="ignore", invalid="ignore"):
        distances = (squares - squares[rows, truth][:, None]) / (2 * apart)
    # A label without a place borders on nothing.
    distances[np.isnan(distances)] = inf
    nearest = distances.min(axis=1)
    return np.where(np.isfinite(nearest), nearest, np.nan)


def condition_bins(found: Predictions, measured: Mapping[str, np.ndarray]) -> list[Bin]:
    """Accuracy by bins of each condition, and by session: those bins that have taps.

    Args:
        found: all evaluations together.
        measured: by condition, [taps] values in the order of `found`; NaN is in no bin.
    """
    merged = np.array([merged_space(label) for label in found.labels])
    people = np.array([key[0] for key in found.identity])
    right = found.truth == found.prediction
    scored = (people, right, merged[found.truth] == merged[found.prediction], found.identity)
    bins = []
    for condition, values in measured.items():
        edges = EDGES[condition]
        known = ~np.isnan(values)
        numbers = np.digitize(values, edges)
        bins += [
            _bin(condition, name, np.flatnonzero(known & (numbers == number)), *scored)
            for number, name in enumerate(bin_names(edges))
        ]
    sessions = np.array([f"{person}/{session}" for person, session, *_ in found.identity])
    names, number = np.unique(sessions, return_inverse=True)
    rows = np.split(np.argsort(number, kind="stable"), np.cumsum(np.bincount(number))[:-1])
    bins += [_bin(SESSION, name, own, *scored) for name, own in zip(names, rows, strict=True)]
    return [each for each in bins if each.taps]


def bin_names(edges: Sequence[float]) -> list[str]:
    """What the bins are called that these upper ends make."""
    between = [f"{low:g}–{high:g}" for low, high in pairwise(edges)]
    return [f"< {edges[0]:g}", *between, f"≥ {edges[-1]:g}"]


def _bin(
    condition: str,
    name: str,
    rows: np.ndarray,
    people: np.ndarray,
    right: np.ndarray,
    right_merged: np.ndarray,
    identity: Sequence[tuple],
) -> Bin:
    taps: dict[str, set[tuple]] = {}
    for row in rows:
        taps.setdefault(identity[row][0], set()).add(identity[row])
    enough = sorted(person for person, own in taps.items() if len(own) >= FEWEST_TAPS)
    own = {person: rows[people[rows] == person] for person in enough}
    return Bin(
        condition,
        name,
        sum(map(len, taps.values())),
        {person: float(right[some].mean()) for person, some in own.items()},
        {person: float(right_merged[some].mean()) for person, some in own.items()},
    )
