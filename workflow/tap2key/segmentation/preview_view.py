"""What there is to see of a recording: its taps, touches and level over time."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from tap2key.audio.array import DEFAULT, Array
from tap2key.audio.audio_file import AudioFile
from tap2key.audio.clip_reel import ClipReel
from tap2key.core.errors import Tap2keyError
from tap2key.segmentation.clock import pieces_of_cell
from tap2key.segmentation.linear_clock import LEAST_REACH_S, Clock
from tap2key.segmentation.piecewise_clock import Piece
from tap2key.signal.detection import NOISE_QUANTILE
from tap2key.signal.filters import high_pass
from tap2key.signal.onset import CUTOFF_HZ, section_at
from tap2key.study.manifest import Recording
from tap2key.study.truth import NO_EVENTS, Events

# The high-pass rings for 5 ms; each piece is filtered with so much before it.
LEAD_S = 0.01


@dataclass(frozen=True)
class View:
    """One recording as it was segmented; times are in seconds from its first sample.

    Of n taps in time order: `tap_s`, `labels` (None without a touch), `overlaps`, `threshold`
    (full scale 1.0) and `delay_ms`, how much later than the tap its touch came once latency is
    taken off (NaN without a touch): drift shows in it as a slope. Of m touches in time order:
    `touch_s`, by the recording's clock, and `matched`. `pieces` are the stretches with one clock
    each, none where the recording was left out; `touch_s` is then uncorrected. `audit` is its row
    of `recordings.tsv`; `array` is what it was recorded with.
    """

    recording: Recording
    audit: Mapping[str, Any]
    pieces: tuple[Piece, ...]
    duration_s: float
    tap_s: np.ndarray
    labels: tuple[str | None, ...]
    overlaps: np.ndarray
    threshold: np.ndarray
    delay_ms: np.ndarray
    touch_s: np.ndarray
    matched: np.ndarray
    array: Array = DEFAULT

    @property
    def clock(self) -> Clock | None:
        """The clock at the recording's beginning."""
        return self.pieces[0].clock if self.pieces else None

    @property
    def reason(self) -> str | None:
        """Why the recording was left out, if it was."""
        if self.pieces:
            return None
        return str(self.audit["reason"]).removeprefix(f"{self.recording.path}: ")

    def drift_lines(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Ends of each piece in s, [2], and the `delay_ms` that its fitted drift makes there."""
        ends = [np.array([piece.start_s, piece.end_s]) for piece in self.pieces]
        drifts = [piece.clock.drift for piece in self.pieces]
        return [(times, 1000 * d * times) for times, d in zip(ends, drifts, strict=True)]


def view_of(
    recording: Recording,
    audit: Mapping[str, Any],
    rows: Sequence[Mapping],
    touches: Events | Tap2keyError,
    array: Array = DEFAULT,
) -> View:
    """Put together what was found in a recording.

    Args:
        recording: where it is and when it started.
        audit: its row of `recordings.tsv`.
        rows: its rows of `taps.parquet`, in time order.
        touches: its session's touches, or why they could not be read.
        array: what it was recorded with.
    """
    duration_s = float(audit.get("duration_s") or 0)
    pieces = _pieces(audit, duration_s) if audit["status"] == "ok" else ()
    if isinstance(touches, Tap2keyError):
        touches = NO_EVENTS
    by_name = Piece(0.0, duration_s, Clock(latency_s=0.0))
    pairs = [row["touch_time"] for row in rows if row.get("touch_time") is not None]
    paired = np.isin(touches.times, np.array(pairs, dtype="datetime64[us]"))
    touch_s, matched = [], []
    for piece in pieces or (by_name,):
        time_s = piece.clock.expected_tap_s(touches.seconds_since(recording.start))
        # The touch of a piece's last tap may come after its end.
        late = paired & (np.abs(time_s - piece.end_s) <= LEAST_REACH_S)
        own = ((time_s >= piece.start_s) & (time_s <= piece.end_s)) | late
        touch_s.append(time_s[own])
        matched.append(paired[own])
    tap_s = np.array([row["time_s"] for row in rows], dtype=float)
    residual_ms = np.array([row.get("match_ms") for row in rows], dtype=float)
    drift = np.zeros(len(tap_s))
    for piece in pieces:
        drift[piece.holds(tap_s)] = piece.clock.drift
    return View(
        recording=recording,
        audit=audit,
        pieces=pieces,
        duration_s=duration_s,
        tap_s=tap_s,
        labels=tuple(row["label"] for row in rows),
        overlaps=np.array([row["overlaps"] for row in rows], dtype=bool),
        threshold=np.array([row["threshold"] for row in rows], dtype=float),
        delay_ms=residual_ms + 1000 * drift * tap_s,
        touch_s=np.concatenate(touch_s),
        matched=np.concatenate(matched),
        array=array,
    )


def _pieces(audit: Mapping[str, Any], duration_s: float) -> tuple[Piece, ...]:
    if audit.get("clock_pieces"):
        return tuple(pieces_of_cell(str(audit["clock_pieces"])))
    clock = Clock(float(audit["latency_s"]), 1e-6 * float(audit["drift_ppm"]))
    return (Piece(0.0, duration_s, clock),)


def stretches(duration_s: float, longest_s: float, most: int) -> list[tuple[float, float]]:
    """Which parts of a recording to show, as pairs of start and end in seconds.

    The whole in equal parts of at most `longest_s`; where that would be more than `most`, as many
    of that length, spread evenly from its beginning to its end.
    """
    needed = max(1, math.ceil(duration_s / longest_s - 1e-9))
    if needed <= most:
        edges = np.linspace(0, duration_s, needed + 1)
        return list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))
    starts = np.linspace(0, duration_s - longest_s, most) if most > 1 else np.zeros(1)
    return [(start, start + longest_s) for start in starts.tolist()]


@dataclass(frozen=True)
class Level:
    """A stretch of the recording, high-passed as for finding onsets; full scale 1.0.

    `edges_s` is [columns + 1]; `loudest` is [columns], the greatest absolute sample of any
    microphone in each; `noise` is [columns], the root mean square in quiet near each, median over
    microphones.
    """

    edges_s: np.ndarray
    loudest: np.ndarray
    noise: np.ndarray


def levels(
    audio: AudioFile | ClipReel, parts: Sequence[tuple[float, float]], columns: int
) -> Iterator[Level]:
    """Measure stretches of a recording, a second at a time.

    Args:
        audio: the recording.
        parts: start and end of each stretch in seconds, in time order.
        columns: into how many columns of equal width each is divided.
    """
    rate = audio.array.sample_rate
    lead = round(LEAD_S * rate)
    edges = [
        np.linspace(start, min(end, audio.duration_s), columns + 1) * rate for start, end in parts
    ]
    bounds = [
        np.linspace(e[0], e[-1], math.ceil((e[-1] - e[0]) / rate) + 1).astype(int) for e in edges
    ]
    starts = (int(first) - lead for bound in bounds for first in bound[:-1])
    read = audio.sections(starts, lead + rate)
    for edge, bound in zip(edges, bounds, strict=True):
        loudest, noise = np.zeros(columns), np.zeros(len(bound) - 1)
        for number, (first, last) in enumerate(pairwise(bound.tolist())):
            signal = _high_passed(next(read), first, rate)[:, : last - first]
            noise[number] = _noise(signal, section_at(rate).noise_piece)
            column = np.searchsorted(edge, np.arange(first, last), side="right") - 1
            changes = np.flatnonzero(np.diff(column, prepend=-1))
            most = np.maximum.reduceat(np.abs(signal).max(axis=0), changes)
            np.maximum.at(loudest, column[changes], most)
        piece = np.searchsorted(bound, edge[:-1], side="right") - 1
        yield Level(edge / rate, loudest, noise[np.clip(piece, 0, len(noise) - 1)])


def _high_passed(section: np.ndarray, first: int, sample_rate: int) -> np.ndarray:
    lead = round(LEAD_S * sample_rate)
    if first < lead:
        # Before the recording there is no silence to step out of.
        section[: lead - first] = section[lead - first]
    return high_pass(np.ascontiguousarray(section.T), CUTOFF_HZ, sample_rate)[:, lead:]


def _noise(signal: np.ndarray, piece: int) -> float:
    """Root mean square in quiet, median over channels: [channels, samples] →."""
    count = max(1, signal.shape[1] // piece)
    length = signal.shape[1] // count
    pieces = signal[:, : count * length].reshape(len(signal), count, length)
    rms = np.sqrt(np.mean(np.square(pieces), axis=2))
    return float(np.median(np.quantile(rms, NOISE_QUANTILE, axis=1)))
