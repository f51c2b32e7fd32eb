"""Whether microphones are plugged in as before: how each channel's delay follows the place touched.

Taps of known places give every channel a plane: its delay behind the median channel at the middle
of the keyboard, and how that changes along x and y. Planes survive re-placing microphones by
millimetres and other wave speeds; two swapped plugs swap two of them. No geometry is known,
so recordings are only compared with each other.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tap2key.study.keyboard import Keyboard

FEWEST_PLACED = 8
ROUNDS = 4
# Taps this many times further off the planes than the median tap do not count in the next round.
OUTLYING = 3.0
# A pattern's standard error, relative to the planes' median size, above which it says nothing: as
# where labels are wrong. Sound: 0.03 to 0.1.
LEAST_SURE = 0.2
# Planes have to fit so much better (squared) when swapped. tests/benchmark/channels.py: those of
# swapped plugs fit at least 1.6 times better beside one recording of another session and 2.4 times
# beside the middle of several; those of sound ones by the inverse.
FAR_BETTER = 1.4
# What may remain afterwards, relative to the planes' median size: at the channels concerned, and
# at the median channel. Sound: 0.5 and 0.25 at most; another rig fits in no order.
FITTING, SAME_RIG = 0.6, 0.35
# A channel that fits no place, relative to that size and to the median channel. Sound: 0.5, 4.
ASTRAY, ASTRAY_OF_OTHERS = 1.0, 5.0


@dataclass(frozen=True)
class Comparison:
    """A pattern beside a reference.

    `misfit_ms` is [channels], root mean square over the keyboard, NaN where unknown; `moved` are
    groups of channels that fit when swapped among each other; `astray` fit nowhere.
    """

    misfit_ms: np.ndarray
    moved: tuple[tuple[int, ...], ...]
    astray: tuple[int, ...]


def fit_pattern(arrival_ms: np.ndarray, xy: np.ndarray, keyboard: Keyboard) -> np.ndarray:
    """Fit each channel's plane, robustly.

    Args:
        arrival_ms: [n, channels], NaN where a channel did not hear the tap; a channel that is NaN
            throughout is left out.
        xy: [n, 2] places in 0.1 mm, NaN where unknown.
        keyboard: its middle and spread are the planes' origin and unit.

    Returns:
        [channels, 3] in ms: the delay in the middle of the keyboard, and its change over one
        standard deviation of the keys along x and along y; NaN where it is not known well enough.
    """
    pattern = np.full((arrival_ms.shape[1], 3), np.nan)
    used = np.isfinite(arrival_ms).any(axis=0)
    kept = np.isfinite(xy).all(axis=1) & np.isfinite(arrival_ms[:, used]).all(axis=1)
    if used.sum() < 3 or kept.sum() < FEWEST_PLACED or not len(keyboard.centres):
        return pattern
    delays = arrival_ms[kept][:, used]
    # The median of the channels stays the same whatever their order.
    delays -= np.median(delays, axis=1, keepdims=True)
    spread = keyboard.centres.std(axis=0)
    places = (xy[kept] - keyboard.centres.mean(axis=0)) / np.where(spread > 0, spread, 1)
    design = np.column_stack([np.ones(len(places)), places])
    chosen = np.ones(len(places), dtype=bool)
    for _ in range(ROUNDS):
        if chosen.sum() < FEWEST_PLACED:
            return pattern
        planes = np.linalg.lstsq(design[chosen], delays[chosen], rcond=None)[0]
        off = np.abs(delays - design @ planes)
        each = np.median(off, axis=1)
        chosen = each <= OUTLYING * np.median(each)
    sure = 1.48 * np.median(off) * np.sqrt(3 / chosen.sum())
    if sure <= LEAST_SURE * np.median(np.linalg.norm(_centred(planes.T), axis=1)):
        pattern[used] = planes.T
    return pattern


def compare(pattern: np.ndarray, reference: np.ndarray) -> Comparison:
    """Look for channels that fit the reference only when swapped, or not at all.

    Args:
        pattern: [channels, 3] in ms, as `fit_pattern` gives it.
        reference: likewise, of other recordings.
    """
    misfit = np.full(len(pattern), np.nan)
    common, apart, size = distances(pattern, reference)
    if len(common) < 3:
        return Comparison(misfit, (), ())
    misfit[common] = np.sqrt(np.diag(apart))
    moved = [c for c in _cycles(_best_order(apart)) if _fits_moved(apart, c, FITTING * size)]
    order = np.arange(len(common))
    for cycle in moved:
        order[cycle] = [*cycle[1:], cycle[0]]
    if np.median(np.sqrt(apart[np.arange(len(common)), order])) > SAME_RIG * size:
        moved = []
    settled = {index for cycle in moved for index in cycle}
    rest = [i for i in range(len(common)) if i not in settled]
    usual = np.median(misfit[common][rest]) if rest else 0.0
    least = max(ASTRAY * size, ASTRAY_OF_OTHERS * usual)
    return Comparison(
        misfit,
        tuple(tuple(sorted(int(common[i]) for i in cycle)) for cycle in moved),
        tuple(int(common[i]) for i in rest if misfit[common[i]] > least),
    )


def distances(pattern: np.ndarray, reference: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """How far each channel of a pattern is from each of a reference, whatever the wave speeds.

    Args:
        pattern: [channels, 3] in ms.
        reference: likewise.

    Returns:
        The n channels that both know, squared distances [n, n] in ms² (a row for each of the
        pattern's channels), and the median size of the pattern's planes in ms.
    """
    common = np.flatnonzero(np.isfinite(pattern[:, 0]) & np.isfinite(reference[:, 0]))
    if not len(common):
        return common, np.empty((0, 0)), 0.0
    own, other = _centred(pattern[common]), _centred(reference[common])
    size = float(np.median(np.linalg.norm(own, axis=1)))
    # Which channel is which does not matter for this scale.
    other = other * (size / max(float(np.median(np.linalg.norm(other, axis=1))), 1e-9))
    return common, np.sum((own[:, None] - other[None]) ** 2, axis=2), size


def middle_pattern(patterns: Sequence[np.ndarray]) -> np.ndarray:
    """The median of patterns, each scaled to the same size: of [channels, 3] → [channels, 3]."""
    scaled = []
    for pattern in patterns:
        known = np.isfinite(pattern[:, 0])
        if known.sum() >= 3:
            centred = np.full_like(pattern, np.nan)
            centred[known] = _centred(pattern[known])
            scaled.append(centred / np.median(np.linalg.norm(centred[known], axis=1)))
    middle = np.full(np.shape(patterns[0]), np.nan)
    if scaled:
        stacked = np.array(scaled)
        for channel in np.flatnonzero(np.isfinite(stacked[:, :, 0]).any(axis=0)):
            middle[channel] = np.nanmedian(stacked[:, channel], axis=0)
    return middle


def known(pattern: np.ndarray) -> bool:
    """Whether a pattern says anything."""
    return bool(np.isfinite(pattern).any())


def _centred(planes: np.ndarray) -> np.ndarray:
    return planes - np.median(planes, axis=0)


def _best_order(apart: np.ndarray) -> np.ndarray:
    """Exchange pairs as long as that brings channels nearer: [n, n] → which place each fits."""
    order = np.arange(len(apart))
    first, second = np.triu_indices(len(apart), 1)
    while True:
        now = apart[first, order[first]] + apart[second, order[second]]
        then = apart[first, order[second]] + apart[second, order[first]]
        best = int(np.argmax(now - then))
        if now[best] - then[best] <= 1e-12:
            return order
        a, b = first[best], second[best]
        order[[a, b]] = order[[b, a]]


def _cycles(order: np.ndarray) -> list[list[int]]:
    cycles, seen = [], set()
    for start in range(len(order)):
        cycle, at = [], start
        while at not in seen:
            seen.add(at)
            cycle.append(at)
            at = int(order[at])
        if len(cycle) > 1:
            cycles.append(cycle)
    return cycles


def _fits_moved(apart: np.ndarray, cycle: list[int], near: float) -> bool:
    to = [*cycle[1:], cycle[0]]
    before, after = apart[cycle, cycle].sum(), apart[cycle, to].sum()
    return before >= FAR_BETTER * after and np.sqrt(after / len(cycle)) <= near
