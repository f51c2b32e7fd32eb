"""Label matched taps with the keys of their touches, and count what a reader of the audit asks."""

import numpy as np

from tap2key.audio import SAMPLE_RATE, WINDOW, WINDOW_AFTER
from tap2key.clock import Clock
from tap2key.detect import Taps
from tap2key.keyboard import Keyboard
from tap2key.study import Recording
from tap2key.taps import BY_ORDER, BY_TIME
from tap2key.touches import Touches

# Distances to the nearest and to the next key that differ by less: within 2 mm of the boundary.
NEAR_BOUNDARY_MM = 4.0


def labelled_rows(
    recording: Recording,
    taps: Taps,
    touches: Touches,
    matched: np.ndarray,
    touch_s: np.ndarray,
    expected_s: np.ndarray,
    keyboard: Keyboard,
) -> list[dict]:
    """One row of `taps.parquet` per tap, in time order, but for the tap's number.

    Args:
        recording: where the taps were found.
        taps: what was found, n of them.
        touches: what the sensor saw meanwhile.
        matched: [n] index of each tap's touch, −1 for none.
        touch_s: each touch's time in seconds after the start in the recording's name.
        expected_s: [n] when each tap's touch was expected, likewise.
        keyboard: names the key of a touch.
    """
    keys = keyboard.nearest(touches.xy)
    margins = keyboard.boundary_margin_mm(touches.xy)
    rows = []
    for i, (touch, overlaps) in enumerate(zip(matched, overlapping(taps.onset), strict=True)):
        row = {
            "participant": recording.participant,
            "session": recording.session,
            "recording": recording.recording,
            "time_s": float(taps.onset[i] / SAMPLE_RATE),
            "label": None,
            "overlaps": bool(overlaps),
            "peak": float(taps.peak[i]),
            "pairing": BY_TIME,
            "threshold": float(taps.threshold[i]),
        }
        if touch >= 0:
            row |= {
                "label": keyboard.labels[keys[touch]],
                "x": float(touches.xy[touch, 0]),
                "y": float(touches.xy[touch, 1]),
                "touch_time": touches.times[touch].item(),
                "match_ms": float(1000 * (touch_s[touch] - expected_s[i])),
                "key_margin_mm": float(margins[touch]),
            }
        rows.append(row)
    return rows


def overlapping(onsets: np.ndarray) -> np.ndarray:
    """Which windows hold a part of another tap, a tap being as long as a window after its onset.

    Args:
        onsets: [n] ascending, in samples.
    """
    gaps = np.diff(onsets)
    overlaps = np.zeros(len(onsets), dtype=bool)
    overlaps[:-1] |= gaps < WINDOW_AFTER
    overlaps[1:] |= gaps < WINDOW
    return overlaps


def audit_numbers(rows: list[dict], touches: int, matched: int, clock: Clock) -> dict:
    """What a skeptical reader wants to know of a recording, as cells of `recordings.tsv`.

    Args:
        rows: the recording's rows of `taps.parquet`.
        touches: how many touches fell into the recording.
        matched: how many of them have a tap, in `rows` or not.
        clock: how the recording's time relates to the sensor's.
    """
    labelled = [row for row in rows if row["label"] is not None]
    residuals = np.abs([row["match_ms"] for row in labelled])
    near = [row["key_margin_mm"] < NEAR_BOUNDARY_MM for row in labelled]
    numbers = {
        "latency_s": round(clock.latency_s, 6),
        "drift_ppm": round(1e6 * clock.drift, 2),
        "taps": len(rows),
        "touches": touches,
        "matched": len(labelled),
        "unmatched_taps": len(rows) - len(labelled),
        "unmatched_touches": touches - matched,
        "unverified": sum(row["pairing"] == BY_ORDER for row in labelled),
        "overlapping_taps": sum(row["overlaps"] for row in rows),
    }
    if clock.latency_sd_s is not None:
        numbers |= {
            "latency_sd_ms": round(1000 * clock.latency_sd_s, 3),
            "jitter_ms": round(1000 * clock.jitter_s, 3),
            "clock_lead": round(min(clock.lead, 1e9), 1),
        }
    if labelled:
        numbers |= {
            "residual_median_ms": round(float(np.median(residuals)), 3),
            "residual_p95_ms": round(float(np.quantile(residuals, 0.95)), 3),
            "boundary_share": round(sum(near) / len(near), 4),
        }
    return numbers
