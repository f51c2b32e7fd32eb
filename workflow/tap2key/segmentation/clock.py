"""A recording's clock, in one piece or several, from its taps and its session's touches."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from tap2key.segmentation.linear_clock import (
    FEWEST_PAIRS,
    JITTERS_IN_REACH,
    SEARCH_S,
    Clock,
    clock_near,
    estimate_clock,
)
from tap2key.segmentation.piecewise_clock import Piece, find_pieces, steady_piece

# Read off a picture, a latency is right to some 10 ms; farther off, a tap may meet another's touch.
PINNED_WITHIN_S = 0.03


def find_clock(
    tap_s: np.ndarray, touch_s: np.ndarray, duration_s: float, pinned_s: float | None
) -> tuple[list[Piece], str]:
    """The stretches of a recording whose clock is known, in time order.

    Args:
        tap_s: [taps] ascending onsets in seconds from the first sample.
        touch_s: [touches] ascending, of the whole session, in seconds after the start in the
            file's name.
        duration_s: the recording's length.
        pinned_s: a latency that the user gave for the recording's first sample.

    Returns:
        The stretches; none where the evidence is too thin or against it, and then the reason.
    """
    if pinned_s is None:
        clock, reason = estimate_clock(tap_s, touch_s, duration_s)
    else:
        clock, reason = clock_near(pinned_s, tap_s, touch_s, duration_s)
    if clock is not None and (clock.pairs < FEWEST_PAIRS or not len(tap_s)):
        return [Piece(0.0, duration_s, clock)], ""
    whole = clock and steady_piece(tap_s, touch_s, duration_s, clock)
    pieces = [whole] if whole else find_pieces(tap_s, touch_s, duration_s, clock)
    if not pieces:
        return [], reason or (
            "taps and touches do not keep to one clock, nor to several; check the sensor's log and "
            "that no samples were lost"
        )
    if pinned_s is not None:
        return _pinned(pieces, pinned_s)
    if min(abs(piece.clock.latency_s) for piece in pieces) > SEARCH_S:
        return [], (
            f"taps fit touches {-pieces[0].clock.latency_s:+.2f} s from where the start in the "
            "name puts them; correct the start in the name or in study.tsv"
        )
    return pieces, ""


def _pinned(pieces: list[Piece], pinned_s: float) -> tuple[list[Piece], str]:
    """The stretches with the given latency in the first of them."""
    first, *others = pieces
    off_s = abs(first.clock.latency_s - pinned_s)
    if off_s > PINNED_WITHIN_S:
        return [], (
            f"the given latency ({pinned_s:.3f} s) is not what taps and touches show "
            f"({first.clock.latency_s:.3f} s); correct it, or have it estimated"
        )
    # Touches may be as much farther from where they are expected as the given latency is off.
    assert first.clock.jitter_s is not None, "a clock that was fitted has its jitter"
    jitter_s = first.clock.jitter_s + off_s / JITTERS_IN_REACH
    clock = replace(first.clock, latency_s=pinned_s, latency_sd_s=None, jitter_s=jitter_s)
    return [replace(first, clock=clock), *others], ""


def steps(pieces: Sequence[Piece]) -> list[tuple[float, float]]:
    """Where a clock steps, in s from the first sample, and by how much touches come later after."""
    found = []
    for before, after in pairwise(pieces):
        at = (before.end_s + after.start_s) / 2
        old, new = (float(p.clock.expected_touch_s(np.array([at]))[0]) for p in (before, after))
        found.append((at, new - old))
    return found


def gaps(
    pieces: Sequence[Piece], tap_s: np.ndarray, duration_s: float
) -> list[tuple[float, float, int]]:
    """Stretches without a known clock that hold taps: start and end in s, and how many taps."""
    edges = [0.0, *(edge for piece in pieces for edge in (piece.start_s, piece.end_s)), duration_s]
    found = []
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        inside = tap_s[(tap_s >= start) & (tap_s < end)]
        if len(inside):
            found.append((start, end, len(inside)))
    return found


PIECE_FORMAT = "{:.6f} {:.6f} {:.6f} {:.3f}"


def pieces_cell(pieces: Sequence[Piece]) -> str:
    """Pieces as a cell of recordings.tsv: start, end, latency in s and drift in ppm of each."""
    return "; ".join(
        PIECE_FORMAT.format(p.start_s, p.end_s, p.clock.latency_s, 1e6 * p.clock.drift)
        for p in pieces
    )


def pieces_of_cell(cell: str) -> list[Piece]:
    """What `pieces_cell` wrote."""
    numbers = [[float(number) for number in part.split()] for part in cell.split("; ") if part]
    return [Piece(start, end, Clock(latency, 1e-6 * ppm)) for start, end, latency, ppm in numbers]
