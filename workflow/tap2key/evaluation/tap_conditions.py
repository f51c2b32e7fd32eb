"""How loud and how close to one another the taps of a session are, named or not."""

from collections.abc import Iterable, Mapping
from math import inf
from pathlib import Path

import numpy as np
import pyarrow as pa

from tap2key.segmentation.taps import read_taps

TAP_CONDITIONS_NAME = "tap_conditions.parquet"
SNR, GAP = "snr_db", "gap_ms"


def tap_conditions(folder: Path, channels: Iterable[Mapping[str, str]]) -> pa.Table:
    """The gaps and signal-to-noise ratios of a session's taps, labelled or not.

    A tap's `gap_ms` is from its onset to the nearest other one in its recording; null where taps
    were cut out beforehand, as clips are. Its `snr_db` is the recording's, the median over its
    channels of a median tap's peak over the noise before it above 500 Hz, and by how much the tap
    is louder than the recording's median one.

    Args:
        folder: the session's taps.
        channels: rows of its `channels.tsv`.

    Raises:
        Tap2keyError: the taps cannot be read.
    """
    taps = read_taps(folder)
    recordings = taps["recording"].to_numpy(zero_copy_only=False)
    time_s, peak = (taps[name].to_numpy() for name in ("time_s", "peak"))
    touched = taps["touch_time"].is_valid().to_numpy()
    ratios = _recordings_snr(channels)
    gap, snr = np.full(len(taps), np.nan), np.full(len(taps), np.nan)
    for recording in np.unique(recordings):
        own = np.flatnonzero(recordings == recording)
        if touched[own].any():
            own = own[np.argsort(time_s[own], kind="stable")]
            gaps = np.diff(time_s[own], prepend=-inf, append=inf)
            gap[own] = 1000 * np.minimum(gaps[:-1], gaps[1:])
        median = np.median(peak[own])
        if recording in ratios and median > 0:
            with np.errstate(divide="ignore"):
                snr[own] = ratios[recording] + 20 * np.log10(peak[own] / median)
    columns = {name: taps[name] for name in ("participant", "session", "recording", "tap")}
    measured = {GAP: pa.array(gap, from_pandas=True), SNR: pa.array(snr, from_pandas=True)}
    return pa.table({**columns, **measured})


def _recordings_snr(channels: Iterable[Mapping[str, str]]) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for row in channels:
        if row["snr_db"] not in ("", None):
            found.setdefault(row["recording"], []).append(float(row["snr_db"]))
    return {recording: float(np.median(values)) for recording, values in found.items()}
