"""How the channels of a window become the model's input, at which rate and over which part."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from math import gcd
from typing import Any

import numpy as np
from scipy import signal

from tap2key.signal.whitening import whitened

CHANNELS = 8
WINDOW_RATE = 96_000
WINDOW_SAMPLES = 8192
ONSET_SAMPLE = 2192
BOTTOM = slice(0, 4)
TOP = slice(4, 8)
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


def top(windows: np.ndarray) -> np.ndarray:
    """The four top microphones (channels 4–7), interleaved: [n, 8, t] → [n, 4·t]."""
    return interleave(windows[:, TOP])


def bottom(windows: np.ndarray) -> np.ndarray:
    """The four bottom microphones (channels 0–3), interleaved: [n, 8, t] → [n, 4·t]."""
    return interleave(windows[:, BOTTOM])


REPRESENTATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    f.__name__: f for f in (interleave, stack, average, max_abs, top, bottom)
}
INTERLEAVED_CHANNELS = {"interleave": 8, "top": 4, "bottom": 4, "average": 1, "max_abs": 1}


@dataclass(frozen=True)
class Encoding:
    """A representation at a sample rate, and how much of the window is kept.

    Attributes:
        representation: one of `REPRESENTATIONS`.
        sample_rate: of the result, in Hz; at most 96,000.
        crop_ms: milliseconds kept before and after the onset; None keeps the whole window.
        highpass_hz: corner of a causal Butterworth high-pass before everything else; None for none.
        whiten: whether what is kept is whitened, alike in all channels.
    """

    representation: str = "interleave"
    sample_rate: int = 16_000
    crop_ms: tuple[float, float] | None = None
    highpass_hz: float | None = None
    whiten: bool = False

    @classmethod
    def told(cls, about: Mapping[str, Any]) -> "Encoding":
        """The encoding that a dataset's or model's own JSON file tells of."""
        told = {name: about[name] for name in cls.__dataclass_fields__}
        crop = told["crop_ms"]
        return cls(**{**told, "crop_ms": None if crop is None else tuple(crop)})

    @property
    def channels(self) -> int:
        """How many channels alternate in the result; the period of its frames."""
        return INTERLEAVED_CHANNELS.get(self.representation, 1)

    @property
    def stacked(self) -> bool:
        """Whether the channels follow one another instead of alternating."""
        return self.representation == "stack"

    def separated(self, inputs: np.ndarray) -> np.ndarray:
        """The channels that the encoding holds: [n, length] → [n, channels, frames], a view."""
        if self.stacked:
            return inputs.reshape(len(inputs), CHANNELS, -1)
        return inputs.reshape(len(inputs), -1, self.channels).transpose(0, 2, 1)

    @property
    def onset_frame(self) -> int:
        """The frame of the result that holds the onset."""
        onset = round(ONSET_SAMPLE * self.sample_rate / WINDOW_RATE)
        return onset if self.crop_ms is None else min(onset, self._kept_before)

    @property
    def _kept_before(self) -> int:
        assert self.crop_ms is not None
        return round(self.crop_ms[0] * self.sample_rate / 1000)

    def crop(self, windows: np.ndarray) -> np.ndarray:
        """Keep `crop_ms` around the onset of windows that are already at `sample_rate`."""
        if self.crop_ms is None:
            return windows
        onset = round(ONSET_SAMPLE * self.sample_rate / WINDOW_RATE)
        after = round(self.crop_ms[1] * self.sample_rate / 1000)
        return windows[:, :, max(0, onset - self._kept_before) : onset + after]


def encode_windows(windows: np.ndarray, encoding: Encoding) -> np.ndarray:
    """Filter, resample, crop, whiten, represent windows: [n, 8, 8192] at 96 kHz → [n, length].

    The result is float32.

    Resampling is polyphase with an anti-aliasing filter, that of `scipy.signal.resample_poly`, so
    96 to 16 kHz turns 8192 samples into 1366.
    """
    windows = np.asarray(windows, dtype=np.float32)
    if encoding.highpass_hz is not None:
        windows = highpass(windows, encoding.highpass_hz, WINDOW_RATE)
    if WINDOW_RATE % encoding.sample_rate == 0:
        windows = decimate(windows, WINDOW_RATE // encoding.sample_rate)
    else:
        common = gcd(encoding.sample_rate, WINDOW_RATE)
        windows = signal.resample_poly(
            windows, encoding.sample_rate // common, WINDOW_RATE // common, axis=-1
        )
    windows = encoding.crop(windows)
    if encoding.whiten:
        windows = whitened(windows)
    represented = REPRESENTATIONS[encoding.representation](windows)
    return np.ascontiguousarray(represented, dtype=np.float32)


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
    sections = signal.butter(
        HIGHPASS_ORDER, corner_hz, "highpass", fs=sample_rate, output="sos"
    ).astype(windows.dtype)
    steady = signal.sosfilt_zi(sections).astype(windows.dtype)
    shape = (len(sections),) + (1,) * (windows.ndim - 1) + (2,)
    state = steady.reshape(shape) * windows[..., :1]
    return signal.sosfilt(sections, windows, axis=-1, zi=state)[0]
