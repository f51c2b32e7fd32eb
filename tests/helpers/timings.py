"""Times of taps and touches as the simulator makes them, without a sound; and steps in time."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tap2key.core.shipped import DIFFICULTY
from tap2key.simulation.difficulty import load_difficulty
from tap2key.simulation.sensor import Contacts, scan_times
from tap2key.simulation.typist import tap_times

DIFFICULTY = load_difficulty(DIFFICULTY)


@dataclass(frozen=True)
class Timings:
    """One recording's taps and its session's touches.

    `tap_s` is [taps] in seconds from its first sample, `touch_s` [touches] in seconds after its
    start; both ascend. `tap` and `touch` number the true taps, −1 for what is none; `run` is
    [touches], which stretch of the log each is from.
    """

    tap_s: np.ndarray
    tap: np.ndarray
    touch_s: np.ndarray
    touch: np.ndarray
    run: np.ndarray
    duration_s: float
    latency_s: float


def timings(
    seed: int,
    count: int,
    set_by: Sequence[tuple[float, float]] = (),
    lost: Sequence[tuple[float, float]] = (),
    stops: float = 1e9,
) -> Timings:
    """Make a recording of `count` taps.

    Args:
        seed: the same seed makes the same recording.
        count: how many taps.
        set_by: when the sensor's clock is set, as a share of the recording, and by how many s.
        lost: where samples are lost, as a share of the recording, and how many s.
        stops: after which share of the recording the sensor logs no more.
    """
    rng = np.random.default_rng(seed)
    true_s = tap_times(rng, count, rng.uniform(3.2, 4.0), DIFFICULTY["rhythm"])
    duration = float(true_s[-1] + rng.uniform(0.5, 1.5))
    latency = float(rng.uniform(-0.26, -0.02))
    seen = np.flatnonzero(rng.random(count) > DIFFICULTY["sensor"]["missed"])
    contact = (true_s * (1 + rng.uniform(-50e-6, 50e-6)) - latency)[seen]
    # Without a tap: palms and phantoms, what came before, and the session's next recording.
    others = np.r_[
        rng.uniform(-3, duration + 3, rng.poisson(0.02 * count)),
        -rng.uniform(3, 30, 4),
        duration + 40 + tap_times(rng, count, 3.5, DIFFICULTY["rhythm"]),
    ]
    start = np.r_[contact, others]
    touch = np.r_[seen, np.full(len(others), -1)]
    contacts = Contacts(start, np.full(len(start), 0.085), np.zeros((len(start), 2)))
    touch_s, run = scan_times(rng, contacts, DIFFICULTY), np.zeros(len(start), int)
    for share, by in set_by:
        after = start > share * duration - latency
        touch_s, run = touch_s + by * after, run + after * (by < 0)
    logged = start < stops * duration
    order = np.argsort(touch_s[logged], kind="stable")
    tap_s = np.r_[true_s, rng.uniform(0, duration, rng.poisson(0.005 * count))]
    tap = np.r_[np.arange(count), np.full(len(tap_s) - count, -1)]
    gone_s, heard = np.zeros(len(tap_s)), rng.random(len(tap_s)) > 0.001
    for share, gap in lost:
        at = share * duration
        heard &= (tap_s < at) | (tap_s >= at + gap)
        gone_s += gap * (tap_s >= at + gap)
    kept = np.flatnonzero(heard)[np.argsort((tap_s - gone_s)[heard], kind="stable")]
    return Timings(
        (tap_s - gone_s)[kept],
        tap[kept],
        touch_s[logged][order],
        touch[logged][order],
        run[logged][order],
        duration - sum(gap for _, gap in lost),
        latency,
    )
