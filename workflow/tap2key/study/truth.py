"""Sources of truth: when each key was struck, whatever recorded it.

A touch log gives places, an event table gives keys, a clip has one key; stages see `Events`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from tap2key.core.errors import Tap2keyError

NEONODE, EVENTS, CLIPS = SOURCES = ("neonode", "events", "clips")
FOLDERS = "folders"
FIT, KNOWN = "fit", "known"
IGNORE, DROP, KEEP = "none", "drop", "keep"
RELEASE_LABEL = "release"
UNITS = {"s": 1.0, "ms": 1e-3, "us": 1e-6}
SPOKEN = {"s": "seconds", "ms": "milliseconds", "us": "microseconds"}
# The clock's search can still move such times into the recording.
SLACK_S = 2.0
MOST_OUTSIDE = 0.5
FITS_IN_OTHER_UNIT = 0.9
# Of the recording's length; a shorter span would fit by chance.
LEAST_SPAN = 0.1


@dataclass(frozen=True)
class Truth:
    """What is known of a study's source of truth.

    `unit` is that of an event table's times in a recording. `columns` gives a table's own names
    for `time`, `key`, `x`, `y` and `recording` (in a TextGrid, `key` names the tier). `clock` is
    `fit` (latency and drift are estimated) or `known` (times are exact). `releases` is what to do
    with the sound of a key being released: `none` (there is no such sound), `drop`, or `keep` as a
    class.
    `characters` maps logger entries to labels that the keyboard does not resolve.
    """

    unit: str = "s"
    columns: Mapping[str, str] = field(default_factory=dict)
    clock: str = FIT
    releases: str = IGNORE
    characters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Events:
    """Strokes from a source of truth, in time order.

    `times` is [n] datetime64[us] by the source's clock. `xy` is [n, 2] in 0.1 mm, NaN where it is
    not known. `run` is [n]: the stretch of the source that an event is from; times rise within one,
    and a clock that is set back starts the next. `label` has n keys as the source names them (None
    where an entry is not a key), and is None where keys follow from `xy`. `in_recording`: the
    source counts time from the recording's first sample. `unmapped` lists the entries that are not
    keys.
    """

    times: np.ndarray
    xy: np.ndarray
    run: np.ndarray
    label: tuple[str | None, ...] | None = None
    in_recording: bool = False
    unmapped: str = ""

    def seconds_since(self, start: datetime) -> np.ndarray:
        """Each event's time in seconds after `start`: [n] float64."""
        return (self.times - np.datetime64(start, "us")) / np.timedelta64(1, "s")


NO_EVENTS = Events(np.zeros(0, "datetime64[us]"), np.zeros((0, 2)), np.zeros(0, int))


def check_within(seconds: np.ndarray, duration_s: float, where: str, unit: str = "s") -> str:
    """Check that times in a recording can belong to it.

    Args:
        seconds: [n] times after the recording's first sample.
        duration_s: its length.
        where: the table, for messages.
        unit: in which the table's numbers were read.

    Returns:
        A warning if some events lie outside the recording, else an empty string.

    Raises:
        Tap2keyError: most of them do; the message says whether another unit would fit.
    """
    outside = _outside(seconds, duration_s)
    if not outside.any():
        return ""
    finding = (
        f"{int(outside.sum())} of {len(seconds)} events lie outside the recording "
        f"(0 to {duration_s:.1f} s), the first at {seconds[outside.argmax()]:.1f} s"
    )
    if outside.mean() <= MOST_OUTSIDE:
        return finding
    for other, factor in UNITS.items():
        scaled = seconds * factor / UNITS[unit]
        fits = 1 - _outside(scaled, duration_s).mean() >= FITS_IN_OTHER_UNIT
        if factor < UNITS[unit] and fits and np.ptp(scaled) >= LEAST_SPAN * duration_s:
            raise Tap2keyError(
                f"{where}: {finding}; they look like {SPOKEN[other]}, not {SPOKEN[unit]}: set "
                f"truth.unit to {other}"
            )
    raise Tap2keyError(f"{where}: {finding}; check that the table belongs to the recording")


def _outside(seconds: np.ndarray, duration_s: float) -> np.ndarray:
    return (seconds < -SLACK_S) | (seconds > duration_s + SLACK_S)
