"""How people tap: which keys, when, how hard, and with which part of the finger."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tap2key.simulation.difficulty import DISTURBANCES, Difficulty
from tap2key.simulation.random_streams import bounded_normal
from tap2key.simulation.sentences import Typed
from tap2key.study.keyboard import MM_PER_UNIT, Keyboard

FORCE_BOUND_SD = 2.5
# Gaps outside bursts stay a little clear of 250 ms, or rounding would decide what is close.
APART_S = 0.26


@dataclass(frozen=True)
class Typist:
    """One participant's habits; see the section typist of the difficulty file."""

    force_db: float
    force_spread_db: float
    taps_per_s: float
    pad_s: float
    click_s: float
    click_share: float
    row_bias_mm: dict[float, np.ndarray]


@dataclass(frozen=True)
class Taps:
    """Every tap of one recording, in order of time; each field is [n] but `position_mm` [n, 2].

    `contact_s` is when the finger touches down, from the first sample of the recording.
    `bounce_s` is how much later it does so again, NaN where it does not. `liftoff_db` is how loud
    it is as it leaves after `duration_s`, against the tap, NaN where it is not heard. `second` says
    which are the second of two fingers that come down almost at once.
    """

    contact_s: np.ndarray
    position_mm: np.ndarray
    force: np.ndarray
    pad_s: np.ndarray
    click_s: np.ndarray
    click_share: np.ndarray
    bounce_s: np.ndarray
    bounce_gain: np.ndarray
    duration_s: np.ndarray
    liftoff_db: np.ndarray
    second: np.ndarray


def draw_typist(rng: np.random.Generator, keyboard: Keyboard, difficulty: Difficulty) -> Typist:
    """Draw a participant's habits."""
    habits = difficulty["typist"]
    rows = np.unique(keyboard.centres[:, 1])
    return Typist(
        force_db=habits["force_sd_db"] * bounded_normal(rng, FORCE_BOUND_SD),
        force_spread_db=rng.uniform(*habits["force_spread_db"]),
        taps_per_s=rng.uniform(*habits["taps_per_s"]),
        pad_s=rng.uniform(*habits["pad_ms"]) / 1000,
        click_s=rng.uniform(*habits["click_ms"]) / 1000,
        click_share=rng.uniform(*habits["click_share"]),
        row_bias_mm={float(y): rng.normal(0, habits["row_bias_sd_mm"], 2) for y in rows},
    )


def draw_taps(
    rng: np.random.Generator,
    typist: Typist,
    keyboard: Keyboard,
    difficulty: Difficulty,
    count: int,
    typed: Typed | None = None,
) -> Taps:
    """Draw the taps of one recording: of all keys in random order, or of what is typed."""
    habits, disturbances = difficulty["typist"], difficulty[DISTURBANCES]
    aimed, contact_s, second = draw_aims(rng, typist, keyboard, difficulty, count, typed)
    (leaving,) = rng.spawn(1)
    count, centres = len(aimed), keyboard.centres[aimed]
    bias = np.array([typist.row_bias_mm[float(y)] for y in centres[:, 1]])
    aim = rng.normal(0, habits["aim_sd_mm"], (count, 2))
    vary = 1 + habits["tap_to_tap"] * bounded_normal(rng, 2.5, 3 * count).reshape(3, count)
    force_db = typist.force_db + typist.force_spread_db * bounded_normal(rng, FORCE_BOUND_SD, count)
    bounced = rng.random(count) < habits["bounce_share"]
    bounce_s = _between(rng, habits["bounce_ms"], count) / 1000
    return Taps(
        contact_s=contact_s,
        position_mm=centres * MM_PER_UNIT + bias + aim,
        force=10 ** (force_db / 20),
        pad_s=typist.pad_s * vary[0],
        click_s=typist.click_s * vary[1],
        click_share=typist.click_share * vary[2],
        bounce_s=np.where(bounced, bounce_s, np.nan),
        bounce_gain=10 ** (_between(rng, habits["bounce_db"], count) / 20),
        duration_s=np.clip(rng.normal(0.085, 0.02, count), 0.03, 0.15),
        liftoff_db=np.where(
            leaving.random(count) < disturbances["liftoff"]["share"],
            _between(leaving, disturbances["liftoff"]["level_db"], count),
            np.nan,
        ),
        second=second,
    )


def draw_aims(
    rng: np.random.Generator,
    typist: Typist,
    keyboard: Keyboard,
    difficulty: Difficulty,
    count: int,
    typed: Typed | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The first that is drawn of a recording's taps; all else follows.

    Returns:
        Which centre each tap aims at; its time of contact in s; and whether it is the second of two
        fingers that come down almost at once: [n] each.
    """
    # Of its own, so that without such pairs all else is as it was.
    (pairing,) = rng.spawn(1)
    if typed is None:
        contact_s = tap_times(rng, count, typist.taps_per_s, difficulty["rhythm"])
        aimed = key_order(rng, keyboard, count)
    else:
        contact_s, aimed = typed.contact_s, typed.centres
    return aimed, *overlapped(pairing, contact_s, aimed, difficulty[DISTURBANCES]["overlap"])


def overlapped(
    rng: np.random.Generator, contact_s: np.ndarray, aimed: np.ndarray, overlap: dict[str, Any]
) -> tuple[np.ndarray, np.ndarray]:
    """Bring pairs of successive taps so close together that their fingers overlap.

    Args:
        rng: draws which, and how close.
        contact_s: [n], rising.
        aimed: [n], the centre of each; two taps of the same one stay apart.
        overlap: that section of the difficulty file.

    Returns:
        The times with the second tap of each pair moved up, and which taps those are: [n] each.
    """
    first = np.arange(0, len(aimed) - 1, 2)
    first = first[aimed[first] != aimed[first + 1]]
    wanted = min(round(overlap["share"] * len(aimed) / 2), len(first))
    seconds = np.sort(rng.permutation(first)[:wanted]) + 1
    moved, second = contact_s.copy(), np.zeros(len(aimed), dtype=bool)
    second[seconds] = True
    gap_s = _between(rng, overlap["gap_ms"], len(seconds)) / 1000
    moved[seconds] = np.minimum(contact_s[seconds - 1] + gap_s, contact_s[seconds])
    return moved, second


def key_order(rng: np.random.Generator, keyboard: Keyboard, count: int) -> np.ndarray:
    """Which centre each tap aims at: blocks of every label once, in random order → [count].

    A label with several centres gets a random one of them.
    """
    labels = len(keyboard.labels)
    blocks = [rng.permutation(labels) for _ in range(-(-count // labels))]
    wanted = np.concatenate(blocks)[:count]
    choices = [np.flatnonzero(keyboard.centre_labels == label) for label in range(labels)]
    return np.array([rng.choice(choices[label]) for label in wanted])


def tap_times(
    rng: np.random.Generator, count: int, taps_per_s: float, rhythm: dict[str, Any]
) -> np.ndarray:
    """Times of contact in s, rising → [count].

    Exactly the wanted share of taps (to the nearest possible count) has a neighbour closer than
    250 ms: they come in bursts of two or three, shuffled among single taps.
    """
    bursts = _burst_sizes(rng, round(rhythm["close_share"] * count), rhythm["triple_share"])
    groups = np.array(bursts + [1] * (count - sum(bursts)))
    rng.shuffle(groups)
    starts = np.zeros(count, dtype=bool)
    starts[np.cumsum(groups) - groups] = True
    short = _between(rng, rhythm["close_ms"], count) / 1000
    short_share = 1 - starts.mean()
    mean_long = (1 / taps_per_s - short_share * np.mean(rhythm["close_ms"]) / 1000) / starts.mean()
    spare = max(mean_long - APART_S, 0.01)
    long = APART_S + rng.gamma(1.5, spare / 1.5, count)
    paused = rng.random(count) < rhythm["pause_share"]
    long = np.where(paused, long + _between(rng, rhythm["pause_s"], count), long)
    gaps = np.where(starts, long, short)
    gaps[0] = rng.uniform(0.6, 2.0)
    return np.cumsum(gaps)


def _between(rng: np.random.Generator, limits: Sequence[float], count: int) -> np.ndarray:
    low, high = limits
    return rng.uniform(low, high, count)


def _burst_sizes(rng: np.random.Generator, taps: int, triple_share: float) -> list[int]:
    sizes: list[int] = []
    while taps - sum(sizes) >= 2:
        left = taps - sum(sizes)
        sizes.append(3 if left == 3 or (left > 4 and rng.random() < triple_share) else 2)
    return sizes
