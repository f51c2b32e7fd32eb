"""How the channels of a window become the model's input, at which rate and over which part."""

from collections.abc import Callable
from functools import cache
from math import gcd

import numpy as np
from scipy import signal

from tap2key.datasets.encoding import Encoding
from tap2key.signal.pair_correlations import TINY, pair_correlations
from tap2key.signal.whitening import whitened

HIGHPASS_ORDER = 2
# Of the anti-aliasing filter, in samples of its result; as `scipy.signal.resample_poly` has it.
FILTER_HALF_WIDTH = 10
OUTPUTS_AT_ONCE = 32


def interleave(windows: np.ndarray) -> np.ndarray:
    """Frame by frame, all channels of one instant beside each other: [n, c, t] → [n, t·c].

    One window's result equals `window.reshape(-1, order="F")`.
    """
    return windows.transpose(0, 2, 1).reshape(len(windows), -1)


def stack(windows: np.ndarray) -> np.ndarray:
    """One channel after the other: [n, c, t] → [n, c·t]."""
    return windows.reshape(len(windows), -1)


def average(windows: np.ndarray) -> np.ndarray:
    """The mean of the channels: [n, c, t] → [n, t]."""
    return windows.mean(axis=1)


def max_abs(windows: np.ndarray) -> np.ndarray:
    """The largest magnitude over the channels at each instant: [n, c, t] → [n, t]."""
    return np.abs(windows).max(axis=1)


# Of all channels; those of a group are interleaved.
REPRESENTATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    f.__name__: f for f in (interleave, stack, average, max_abs)
}


def represent(windows: np.ndarray, encoding: Encoding) -> np.ndarray:
    """Make the model's input of the channels: [n, c, t] → [n, values]; not of correlations."""
    known = REPRESENTATIONS.get(encoding.representation)
    if known is not None:
        return known(windows)
    return interleave(windows[:, encoding.array.group(encoding.representation)])


def encode_windows(windows: np.ndarray, encoding: Encoding) -> np.ndarray:
    """Filter, resample, crop, whiten, represent windows of the array: [n, c, t] → [n, length].

    The result is float32. `pairs` are correlated at the array's own rate, over what is kept; with
    `pairs_waves` the channels' `waves_around_onset` follow.

    Resampling is polyphase with an anti-aliasing filter, that of `scipy.signal.resample_poly`, so
    96 to 16 kHz turns 8192 samples into 1366.
    """
    windows = np.asarray(windows, dtype=np.float32)
    if not len(windows):
        # A row's length follows from the steps below, which numpy does not do for nothing.
        return encode_windows(np.zeros((1, *windows.shape[1:])), encoding)[:0]
    rate = encoding.array.sample_rate
    if encoding.correlated:
        # The filter is causal: what comes after the crop need not pass it.
        windows = windows[:, :, : encoding.kept_at(rate).stop]
    if encoding.highpass_hz is not None:
        windows = highpass(windows, encoding.highpass_hz, rate)
    if encoding.correlated:
        kept = encoding.crop(windows, rate)
        longest_s = encoding.array.max_delay_ms / 1000
        curves = pair_correlations(kept, rate, encoding.sample_rate, longest_s)
        if encoding.with_waves:
            curves = np.concatenate([curves, waves_around_onset(windows, encoding)], axis=1)
        return curves.reshape(len(curves), -1)
    windows = encoding.crop(resampled(windows, rate, encoding.sample_rate))
    if encoding.whiten:
        windows = whitened(windows)
    return np.ascontiguousarray(represent(windows, encoding), dtype=np.float32)


def waves_around_onset(windows: np.ndarray, encoding: Encoding) -> np.ndarray:
    """Each channel's wave over as many lags about the onset as a correlation has about lag 0.

    As if the channel were correlated with the blow itself: a wave that arrives later lies at later
    lags. Of what `crop_ms` keeps, whitened by one filter for all channels, each channel scaled to
    unit standard deviation; a channel of zeros stays so.

    Args:
        windows: [n, channels, samples], windows of the array, or their beginnings.
        encoding: of correlations.

    Returns:
        [n, channels, lags] float32.
    """
    rate = encoding.sample_rate
    kept = encoding.kept_at(rate)
    windows = resampled(windows, encoding.array.sample_rate, rate)[:, :, : kept.stop]
    # Where the result's first lag is in the window, which may begin later or end earlier.
    start = encoding.onset_at(rate) - encoding.onset_frame
    first = max(start, kept.start or 0)
    part = windows[:, :, first : start + encoding.frames]
    waves = np.zeros((*windows.shape[:2], encoding.frames), dtype=np.float32)
    waves[:, :, first - start : first - start + part.shape[-1]] = part
    waves = whitened(waves)
    return waves / np.maximum(waves.std(axis=-1, keepdims=True), TINY)


def resampled(windows: np.ndarray, rate: int, target: int) -> np.ndarray:
    """Windows at another rate, by a polyphase anti-aliasing filter: [n, c, t] → [n, c, ⌈·⌉]."""
    if rate % target == 0:
        return decimate(windows, rate // target)
    common = gcd(target, rate)
    return signal.resample_poly(windows, target // common, rate // common, axis=-1)


def decimate(windows: np.ndarray, factor: int) -> np.ndarray:
    """One of `factor` samples, after an anti-aliasing filter: [n, c, t] → [n, c, ⌈t / factor⌉].

    `scipy.signal.resample_poly(windows, 1, factor, axis=-1)` but for rounding, in a quarter of the
    time: a stretch of samples times a banded matrix is several samples of the result at once.
    """
    if factor == 1:
        return windows
    bands = _bands(factor)
    length = windows.shape[-1]
    kept = -(-length // factor)
    blocks = -(-kept // OUTPUTS_AT_ONCE)
    step = factor * OUTPUTS_AT_ONCE
    before = FILTER_HALF_WIDTH * factor
    padded = np.zeros((*windows.shape[:-1], step * blocks + len(bands)), dtype=np.float32)
    padded[..., before : before + length] = windows
    stretches = np.lib.stride_tricks.sliding_window_view(padded, len(bands), axis=-1)
    result = stretches[..., ::step, :][..., :blocks, :] @ bands
    return result.reshape(*windows.shape[:-1], -1)[..., :kept]


@cache
def _bands(factor: int) -> np.ndarray:
    """[samples, OUTPUTS_AT_ONCE]: `resample_poly`'s own filter, `factor` lower in every column."""
    taps = 2 * FILTER_HALF_WIDTH * factor + 1
    kernel = signal.firwin(taps, 1 / factor, window=("kaiser", 5.0))
    bands = np.zeros((factor * (OUTPUTS_AT_ONCE - 1) + taps, OUTPUTS_AT_ONCE), dtype=np.float32)
    for column in range(OUTPUTS_AT_ONCE):
        bands[factor * column : factor * column + taps, column] = kernel
    return bands


def highpass(windows: np.ndarray, corner_hz: float, sample_rate: int) -> np.ndarray:
    """Causal Butterworth high-pass along the last axis, started in the first sample's steady state.

    Causal, so that nothing of a tap appears before its onset.
    """
    sections, steady = _sections(corner_hz, sample_rate, windows.dtype)
    shape = (len(sections),) + (1,) * (windows.ndim - 1) + (2,)
    state = steady.reshape(shape) * windows[..., :1]
    return signal.sosfilt(sections, windows, axis=-1, zi=state)[0]


@cache
def _sections(corner_hz: float, sample_rate: int, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
    """The filter's second-order sections, and their steady state for a constant 1."""
    sections = signal.butter(HIGHPASS_ORDER, corner_hz, "highpass", fs=sample_rate, output="sos")
    sections = sections.astype(dtype)
    return sections, signal.sosfilt_zi(sections).astype(dtype)
