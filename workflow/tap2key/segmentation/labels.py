"""Label matched taps with the keys of their touches, and count what a reader of the audit asks."""

from collections.abc import Sequence

import numpy as np

from tap2key.audio.array import Array
from tap2key.segmentation.matching import match_pieces
from tap2key.segmentation.piecewise_clock import Piece
from tap2key.segmentation.taps import BY_TIME
from tap2key.signal.detection import Taps
from tap2key.study.keyboard import Keyboard
from tap2key.study.manifest import Recording
from tap2key.study.truth import Events


def paired(
    pieces: Sequence[Piece],
    tap_s: np.ndarray,
    touch_s: np.ndarray,
    run: np.ndarray,
    duration_s: float,
    selectivity_s: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pair a recording's taps with the session's touches.

    Args:
        pieces: where its clock is known.
        tap_s: [taps] ascending onsets in seconds from the first sample.
        touch_s: [touches] ascending, in seconds after the start in the recording's name.
        run: [touches] which part of the logs each is from.
        duration_s: the recording's length.
        selectivity_s: the greatest distance of a pair.

    Returns:
        [taps] index of each tap's touch, −1 for none; [taps] when its touch was expected, NaN
        where the clock is not known; [touches] which came while the recording ran.
    """
    matched, expected_s = np.full(len(tap_s), -1), np.full(len(tap_s), np.nan)
    held = [np.flatnonzero(piece.holds(tap_s)) for piece in pieces]
    for piece, taps in zip(pieces, held, strict=True):
        expected_s[taps] = piece.clock.expected_touch_s(tap_s[taps])
    reaches = [piece.clock.reach_s(selectivity_s) for piece in pieces]
    during = _during(pieces, reaches, touch_s, duration_s)
    usable = np.flatnonzero(during)
    found = match_pieces([expected_s[t] for t in held], touch_s[usable], reaches, run[usable])
    for taps, touches in zip(held, found, strict=True):
        matched[taps] = np.where(touches >= 0, np.append(usable, -1)[touches], -1)
    return matched, expected_s, during


def _during(
    pieces: Sequence[Piece], reaches: Sequence[float], touch_s: np.ndarray, duration_s: float
) -> np.ndarray:
    during = np.zeros(len(touch_s), dtype=bool)
    for piece, reach in zip(pieces, reaches, strict=True):
        first, last = piece.clock.expected_touch_s(np.array([piece.start_s, piece.end_s]))
        # The touch of a tap at a recording's end came after it ended; elsewhere it may be late.
        first -= reach * (piece.start_s > 0)
        last += reach * (piece.end_s < duration_s)
        during |= (touch_s >= first) & (touch_s <= last)
    return during


def labelled_rows(
    recording: Recording,
    taps: Taps,
    touches: Events,
    matched: np.ndarray,
    touch_s: np.ndarray,
    expected_s: np.ndarray,
    keyboard: Keyboard,
) -> list[dict]:
    """One row of `taps.parquet` per tap, in time order, but for the tap's number.

    Args:
        recording: where the taps were found.
        taps: what was found, n of them.
        touches: all of the session, or events of another source of truth.
        matched: [n] index of each tap's touch, −1 for none.
        touch_s: each touch's time in seconds after the start in the recording's name.
        expected_s: [n] when each tap's touch was expected, likewise.
        keyboard: names the key of a touch; it needs places unless the events name theirs.
    """
    placed = np.isfinite(touches.xy).all(axis=1)
    # Events that name their keys need no keyboard with places.
    located = len(keyboard.centres) > 0
    if located:
        keys = keyboard.nearest(touches.xy[matched])
        margins = keyboard.boundary_margin_mm(touches.xy[matched])
    tap_s, shared = taps.time_s, overlapping(taps.onset, taps.array)
    rows = []
    for i, (touch, overlaps) in enumerate(zip(matched, shared, strict=True)):
        row = {
            "participant": recording.participant,
            "session": recording.session,
            "recording": recording.recording,
            "time_s": float(tap_s[i]),
            "label": None,
            "overlaps": bool(overlaps),
            "peak": float(taps.peak[i]),
            "pairing": BY_TIME,
            "threshold": float(taps.threshold[i]),
        }
        if touch >= 0:
            row |= {
                "touch_time": touches.times[touch].item(),
                "match_ms": float(1000 * (touch_s[touch] - expected_s[i])),
            }
            if touches.label is not None:
                row["label"] = touches.label[touch]
            else:
                row["label"] = keyboard.labels[keys[i]]
            if placed[touch]:
                row |= {"x": float(touches.xy[touch, 0]), "y": float(touches.xy[touch, 1])}
                if located:
                    row["key_margin_mm"] = float(margins[i])
        rows.append(row)
    return rows


def overlapping(onsets: np.ndarray, array: Array) -> np.ndarray:
    """Which windows hold a part of another tap, a tap being as long as a window after its onset.

    Args:
        onsets: [n] ascending, in samples.
        array: how long a window is.
    """
    gaps = np.diff(onsets)
    overlaps = np.zeros(len(onsets), dtype=bool)
    overlaps[:-1] |= gaps < array.after
    overlaps[1:] |= gaps < array.window
    return overlaps
