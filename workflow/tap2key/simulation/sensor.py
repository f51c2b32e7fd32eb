"""What the touch sensor writes down: late by its scan, sometimes nothing, sometimes too much."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from tap2key.simulation.difficulty import DISTURBANCES, Difficulty
from tap2key.study.keyboard import MM_PER_UNIT, Keyboard

EVENTS = {"Down": "   Down", "Move": "   Move", "Up": "     Up"}
# Fields are what a log of a real sensor holds: time, touch id, event, x, y (0.1 mm), contact size.
SIZE_RANGE = (40, 110)
SHORTEST_TOUCH_S = 0.02
# The log has microseconds.
LOG_DECIMALS = 6


@dataclass(frozen=True)
class Contacts:
    """Fingers or palms on the sensor's field, in any order.

    `start_s` and `duration_s` are [n] on the sensor's clock, `reading_mm` is [n, 2].
    """

    start_s: np.ndarray
    duration_s: np.ndarray
    reading_mm: np.ndarray

    def later(self, by_s: float) -> "Contacts":
        """The same, some seconds later."""
        return Contacts(self.start_s + by_s, self.duration_s, self.reading_mm)


def read_positions(
    rng: np.random.Generator, position_mm: np.ndarray, difficulty: Difficulty
) -> np.ndarray:
    """Where the sensor believes the fingers to be, on its 0.1 mm grid, in mm: [n, 2] → [n, 2]."""
    read = position_mm + rng.normal(0, difficulty["sensor"]["reading_sd_mm"], position_mm.shape)
    return np.round(np.maximum(read, 0) / MM_PER_UNIT) * MM_PER_UNIT


def missed(rng: np.random.Generator, count: int, difficulty: Difficulty) -> np.ndarray:
    """Which taps the sensor does not see → [count] bool."""
    return rng.random(count) < difficulty["sensor"]["missed"]


def merged(rng: np.random.Generator, second: np.ndarray, difficulty: Difficulty) -> np.ndarray:
    """Which taps the sensor takes for part of the touch just before: [n] bool → [n] bool."""
    return second & (rng.random(len(second)) < difficulty[DISTURBANCES]["overlap"]["missed"])


def phantoms(
    rng: np.random.Generator, keyboard: Keyboard, taps: int, span_s: float, difficulty: Difficulty
) -> Contacts:
    """Touches without a tap, at any time within `span_s` and any place of the keyboard."""
    count = int(rng.binomial(taps, min(difficulty["sensor"]["phantom"], 1.0)))
    return _anywhere(rng, keyboard, rng.uniform(0, span_s, count))


def strays(
    rng: np.random.Generator,
    keyboard: Keyboard,
    span_s: tuple[float, float],
    difficulty: Difficulty,
) -> Contacts:
    """Touches while nothing is recorded, within `span_s`."""
    low, high = difficulty["sensor"]["stray_touches"]
    count = int(rng.integers(low, high + 1))
    return _anywhere(rng, keyboard, rng.uniform(*span_s, count))


def palms(
    rng: np.random.Generator, keyboard: Keyboard, span_s: float, difficulty: Difficulty
) -> Contacts:
    """Long contacts near the user's edge of the field, within `span_s`."""
    count = int(rng.poisson(difficulty["sensor"]["palms_per_minute"] * span_s / 60))
    low, high = _field_mm(keyboard)
    place = np.stack(
        [rng.uniform(low[0], high[0], count), rng.uniform(high[1] - 15, high[1] + 10, count)], 1
    )
    return Contacts(rng.uniform(0, span_s, count), rng.uniform(0.4, 2.5, count), place)


def _anywhere(rng: np.random.Generator, keyboard: Keyboard, start_s: np.ndarray) -> Contacts:
    low, high = _field_mm(keyboard)
    place = rng.uniform(low, high, (len(start_s), 2))
    return Contacts(start_s, rng.uniform(0.03, 0.15, len(start_s)), place)


def _field_mm(keyboard: Keyboard) -> tuple[np.ndarray, np.ndarray]:
    centres = keyboard.centres * MM_PER_UNIT
    return centres.min(axis=0), centres.max(axis=0)


def scan_times(rng: np.random.Generator, contacts: Contacts, difficulty: Difficulty) -> np.ndarray:
    """When the sensor reports each contact, in s → [n], in the order of `contacts`.

    The sensor sees a contact at its next scan. It scans fast while something is on its field and
    for a while after, and slowly otherwise.
    """
    sensor = difficulty["sensor"]
    start, stop = contacts.start_s, contacts.start_s + contacts.duration_s
    period = np.empty(len(start))
    active_until = -np.inf
    for i in np.argsort(start, kind="stable"):
        idle = start[i] > active_until
        period[i] = 1 / sensor["idle_hz" if idle else "active_hz"]
        active_until = max(active_until, stop[i] + sensor["idle_after_s"])
    reported = start + period * rng.random(len(start)) + sensor["processing_ms"] / 1000
    return np.round(reported, LOG_DECIMALS)


def csv_lines(
    rng: np.random.Generator,
    contacts: Contacts,
    reported_s: np.ndarray,
    zero: datetime,
    difficulty: Difficulty,
) -> list[str]:
    """The sensor's log, one line an event, in order of time; `zero` is the sensor clock's 0 s."""
    step = 1 / difficulty["sensor"]["active_hz"]
    ends = np.maximum(
        contacts.start_s + contacts.duration_s + difficulty["sensor"]["processing_ms"] / 1000,
        reported_s + SHORTEST_TOUCH_S,
    )
    ids = _touch_ids(reported_s, ends)
    sizes = rng.integers(*SIZE_RANGE, len(reported_s))
    events: list[tuple[float, int, str, int, int, int]] = []
    for i, (down, up) in enumerate(zip(reported_s, ends, strict=True)):
        x, y = np.round(contacts.reading_mm[i] / MM_PER_UNIT).astype(int)
        moves = np.arange(down + step, up - step / 2, step)
        wobble = rng.integers(-3, 4, (len(moves) + 1, 2))
        events.append((down, ids[i], "Down", x, y, sizes[i]))
        for at, (dx, dy) in zip([*moves, up], wobble, strict=True):
            event = "Up" if at == up else "Move"
            events.append((at, ids[i], event, x + dx, y + dy, sizes[i]))
    events.sort(key=lambda event: event[0])
    return [
        f"{zero + timedelta(seconds=float(at)):%Y-%m-%d %H:%M:%S.%f},"
        f"{touch},{EVENTS[event]},{max(x, 0)},{max(y, 0)},{size}"
        for at, touch, event, x, y, size in events
    ]


def _touch_ids(starts: np.ndarray, ends: np.ndarray) -> list[int]:
    """The smallest number that no finger still on the field has."""
    ids = [0] * len(starts)
    busy: dict[int, float] = {}
    for i in np.argsort(starts, kind="stable"):
        busy = {touch: end for touch, end in busy.items() if end >= starts[i]}
        ids[i] = next(n for n in range(len(starts) + 1) if n not in busy)
        busy[ids[i]] = ends[i]
    return ids


def joined(contacts: list[Contacts]) -> Contacts:
    """All contacts of several lists as one."""
    return Contacts(
        np.concatenate([c.start_s for c in contacts]),
        np.concatenate([c.duration_s for c in contacts]),
        np.concatenate([c.reading_mm for c in contacts]).reshape(-1, 2),
    )
