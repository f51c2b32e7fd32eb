"""Strokes of an event table against a recording: their clock, and which sounds are presses.

Compared with a touch sensor's, a logger's times scatter widely about a key's first sound: the
finger meets the key up to 60 ms before it is down. But a logger misses nothing, and its clock does
not step.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tap2key.segmentation.clock import find_clock
from tap2key.segmentation.labels import paired
from tap2key.segmentation.linear_clock import (
    CLOSE_S,
    FEWEST_PAIRS,
    Clock,
    clock_near,
    estimate_clock,
)
from tap2key.segmentation.piecewise_clock import Piece
from tap2key.signal.releases import CONTACT, CONTACT_S, ECHO_S, HELD_S, PRESS, RELEASE

GREATEST_JITTER_S = 0.025
# Of this many strokes in a row, a smaller share near a tap means another clock.
IN_A_ROW, LEAST_NEAR = 8, 0.5


def find_stroke_clock(
    tap_s: np.ndarray,
    stroke_s: np.ndarray,
    duration_s: float,
    pinned_s: float | None,
    known: bool = False,
) -> tuple[list[Piece], str]:
    """The stretches of a recording whose clock is known, in time order.

    Args:
        tap_s: [taps] ascending onsets of presses in seconds from the first sample.
        stroke_s: [strokes] ascending, in seconds after the recording's start.
        duration_s: the recording's length.
        pinned_s: a latency that the user gave.
        known: the times are exact, apart from that latency.

    Returns:
        The stretches, and the reason if there are none: evidence too thin, or against any clock.
    """
    if known:
        return [Piece(0.0, duration_s, Clock(pinned_s or 0.0))], ""
    if pinned_s is None:
        clock, _ = estimate_clock(tap_s, stroke_s, duration_s, GREATEST_JITTER_S)
    else:
        clock, _ = clock_near(pinned_s, tap_s, stroke_s, duration_s, GREATEST_JITTER_S)
    if clock is not None and _holds(clock, tap_s, stroke_s, duration_s):
        return [Piece(0.0, duration_s, clock)], ""
    return find_clock(tap_s, stroke_s, duration_s, pinned_s)


def _holds(clock: Clock, tap_s: np.ndarray, stroke_s: np.ndarray, duration_s: float) -> bool:
    """Whether one clock fits strokes throughout a recording."""
    expected = clock.expected_tap_s(stroke_s)
    expected = expected[(expected > 0) & (expected < duration_s)]
    edges = (tap_s[:-1] + tap_s[1:]) / 2
    near = np.abs(tap_s[np.searchsorted(edges, expected)] - expected) <= CLOSE_S
    if len(near) < FEWEST_PAIRS:
        return True
    together = np.convolve(near, np.ones(IN_A_ROW) / IN_A_ROW, mode="valid")
    return bool(together.min() >= LEAST_NEAR)


def pair_presses(
    pieces: Sequence[Piece],
    tap_s: np.ndarray,
    roles: np.ndarray,
    stroke_s: np.ndarray,
    run: np.ndarray,
    duration_s: float,
    selectivity_s: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Pair a recording's presses with strokes, and revise which sounds are presses.

    A stroke without a press takes any other sound that is nearer than a release can be.

    Args:
        pieces: where the recording's clock is known.
        tap_s: [taps] ascending onsets in seconds from the first sample.
        roles: [taps] as found from the sounds alone.
        stroke_s: [strokes] ascending, in seconds after the recording's start.
        run: [strokes] which part of the source each is from.
        duration_s: the recording's length.
        selectivity_s: the greatest distance of a pair.

    Returns:
        [taps] index of each tap's stroke, −1 for none; [taps] roles.
    """
    matched, free = np.full(len(tap_s), -1), np.arange(len(stroke_s))
    reach_s = min(selectivity_s, HELD_S[0])
    # Some presses are heard only as their contact, farther off than times usually scatter.
    widely = [replace(piece, clock=replace(piece.clock, jitter_s=None)) for piece in pieces]
    for chosen in (np.flatnonzero(roles == PRESS), np.flatnonzero(roles != PRESS)):
        among, _, _ = paired(widely, tap_s[chosen], stroke_s[free], run[free], duration_s, reach_s)
        matched[chosen] = np.where(among >= 0, np.append(free, -1)[among], -1)
        free = np.setdiff1d(free, matched)
    expected = [piece.clock.expected_tap_s(stroke_s) for piece in pieces]
    held = [e[piece.holds(e)] for piece, e in zip(pieces, expected, strict=True)]
    return matched, beside_truth(tap_s, roles, matched, np.sort(np.concatenate(held)))


def beside_truth(
    tap_s: np.ndarray, roles: np.ndarray, matched: np.ndarray, stroke_s: np.ndarray
) -> np.ndarray:
    """The role of each sound, given when keys were struck.

    Args:
        tap_s: [taps] ascending onsets in seconds from the first sample.
        roles: [taps] as found from the sounds alone.
        matched: [taps] index of each tap's stroke, −1 for none.
        stroke_s: [strokes] ascending, when each stroke's tap is expected, heard or not.

    Returns:
        [taps] roles: a sound with a stroke is a press; one just before a stroke is its contact; one
        as long after it as keys are held is its release.
    """
    settled = np.where(matched >= 0, PRESS, roles)
    after = np.searchsorted(stroke_s, tap_s)
    padded = np.concatenate([[-np.inf], stroke_s, [np.inf]])
    since, until = tap_s - padded[after], padded[after + 1] - tap_s
    before = (matched < 0) & (until <= CONTACT_S)
    # The paired sound may have been the first of its press, or the last.
    behind = (matched < 0) & (since <= HELD_S[1] + ECHO_S)
    settled[before] = CONTACT
    settled[behind & ~(before & (roles == CONTACT))] = RELEASE
    return settled
