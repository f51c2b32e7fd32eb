"""What a reader of `recordings.tsv` asks of a recording: numbers, and what is odd about it."""

from collections.abc import Sequence

import numpy as np

from tap2key.segmentation.clock import gaps, pieces_cell, steps
from tap2key.segmentation.piecewise_clock import Piece
from tap2key.segmentation.taps import BY_ORDER

RECORDINGS_NAME = "recordings.tsv"
RECORDING_COLUMNS = (
    "participant",
    "session",
    "recording",
    "status",
    "reason",
    "warnings",
    "duration_s",
    "sample_rate",
    "latency_s",
    "latency_sd_ms",
    "drift_ppm",
    "taps",
    "touches",
    "matched",
    "unmatched_taps",
    "unmatched_touches",
    "residual_median_ms",
    "residual_p95_ms",
    "boundary_share",
    "unverified",
    "overlapping_taps",
    "taps_cut_off",
    "none_dropped",
    "jitter_ms",
    "clock_lead",
    "clock_pieces",
    "releases",
)
# Distances to the nearest and to the next key that differ by less: within 2 mm of the boundary.
NEAR_BOUNDARY_MM = 4.0
# A tap or two beside a step, or at an end, are not worth a word.
FEWEST_TO_MENTION = 4
LEAST_LABELLED = 0.5


def audit_numbers(rows: list[dict], touches: int, matched: int, pieces: Sequence[Piece]) -> dict:
    """What a skeptical reader wants to know of a recording, as cells of `recordings.tsv`.

    Args:
        rows: the recording's rows of `taps.parquet`.
        touches: how many touches fell into the recording.
        matched: how many of them have a tap, in `rows` or not.
        pieces: where its clock is known; latency and drift are the first one's.
    """
    labelled = [row for row in rows if row["label"] is not None]
    residuals = np.abs([row["match_ms"] for row in labelled])
    margins = [row["key_margin_mm"] for row in labelled if row.get("key_margin_mm") is not None]
    near = [margin < NEAR_BOUNDARY_MM for margin in margins]
    clock = pieces[0].clock
    numbers = {
        "clock_pieces": pieces_cell(pieces) if len(pieces) > 1 else None,
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
    if clock.latency_sd_s is not None and clock.jitter_s is not None:
        numbers |= {
            "latency_sd_ms": round(1000 * clock.latency_sd_s, 3),
            "jitter_ms": round(1000 * clock.jitter_s, 3),
            "clock_lead": round(min(clock.lead, 1e9), 1),
        }
    if labelled:
        numbers |= {
            "residual_median_ms": round(float(np.median(residuals)), 3),
            "residual_p95_ms": round(float(np.quantile(residuals, 0.95)), 3),
        }
    if near:
        numbers["boundary_share"] = round(sum(near) / len(near), 4)
    return numbers


def clock_warnings(
    pieces: Sequence[Piece], tap_s: np.ndarray, matched: np.ndarray, duration_s: float
) -> list[str]:
    """What is odd about a recording's clock, in words.

    Args:
        pieces: where it is known.
        tap_s: [taps] ascending onsets in seconds from the first sample.
        matched: [taps] index of each tap's touch, −1 for none.
        duration_s: the recording's length.
    """
    found = [
        f"the clock steps near {at:.2f} s: touches come {by:+.3f} s later"
        for at, by in steps(pieces)
    ]
    found += [
        f"{count} taps between {start:.2f} and {end:.2f} s have no label: touches stop or do not "
        "fit there"
        for start, end, count in gaps(pieces, tap_s, duration_s)
        if count >= FEWEST_TO_MENTION
    ]
    labelled = int((matched >= 0).sum())
    if labelled < LEAST_LABELLED * len(tap_s):
        found.append(f"only {labelled} of {len(tap_s)} taps have a touch")
    return found
