"""Cross-correlations of all pairs of microphones: the whole curves, whose peaks are the delays.

Source:
    Knapp, C., Carter, G. (1976), The generalized correlation method for estimation of time delay,
        IEEE Trans. Acoust. Speech Signal Process. 24, 320-327: the phase transform (PHAT).
"""

from functools import cache
from math import gcd

import numpy as np
from scipy import fft

from tap2key.signal.delays import pairs

# Correlations that are transformed back at a time: few enough to stay in a core's cache.
AT_ONCE = 128
# Rumble below and hiss above carry no delays.
LOWEST_HZ, HIGHEST_HZ = 100.0, 14_000.0
FADE_S = 0.0005
# Keeps the phase transform of a silent channel, and the scale of its pairs, finite.
TINY = 1e-12


def pair_correlations(
    windows: np.ndarray,
    sample_rate: int,
    lag_rate: int,
    max_delay_s: float,
) -> np.ndarray:
    """Generalised cross-correlation with phase transform of every pair of channels.

    Every channel is transformed once, over at least twice its length so that nothing wraps around.
    A pair's cross-spectrum keeps its phases from 100 Hz to 14 kHz; each correlation is scaled to
    zero mean and unit standard deviation over its lags. The correlations of a channel of zeros are
    0 throughout; those of another constant can be noise of rounding, high-passed or not.

    Args:
        windows: [n, channels, samples].
        sample_rate: of the windows, in Hz.
        lag_rate: lags per second of the result; any rate, by the length of the inverse transform.
        max_delay_s: the greatest lag either way.

    Returns:
        [n, pairs, lags] float32, pairs in the order of `tap2key.signal.delays.pairs`; the peak is
        at a positive lag where the second channel hears the sound later.
    """
    count, channels, samples = windows.shape
    length, result_length = _lengths(samples, sample_rate, lag_rate, max_delay_s)
    inside = _band(length, sample_rate)
    reach = round(max_delay_s * lag_rate)
    first, second = np.array(pairs(channels)).T
    faded = _fade(samples, sample_rate)
    found = np.empty((count, len(first), 2 * reach + 1), dtype=np.float32)
    taps_at_once = max(1, AT_ONCE // len(first))
    for start in range(0, count, taps_at_once):
        rows = slice(start, start + taps_at_once)
        part = np.asarray(windows[rows], dtype=np.float32)
        part = (part - part.mean(axis=-1, keepdims=True)) * faded
        spectra = fft.rfft(part, length, axis=-1)
        spectra *= inside / (np.abs(spectra) + TINY)
        curves = fft.irfft(spectra[:, second] * spectra.conj()[:, first], result_length, axis=-1)
        found[rows, :, :reach] = curves[:, :, result_length - reach :]
        found[rows, :, reach:] = curves[:, :, : reach + 1]
    found -= found.mean(axis=-1, keepdims=True)
    found /= np.maximum(found.std(axis=-1, keepdims=True), TINY)
    return found


def _lengths(samples: int, sample_rate: int, lag_rate: int, max_delay_s: float) -> tuple[int, int]:
    """Lengths of the forward and inverse transforms that give exactly `lag_rate`.

    They hold all lags up to `max_delay_s`, which may be more than the windows are long.
    """
    step = sample_rate // gcd(sample_rate, lag_rate)
    needed = samples + max(samples, round(max_delay_s * sample_rate) + 1)
    length = step * fft.next_fast_len(-(-needed // step), real=True)
    return length, length * lag_rate // sample_rate


@cache
def _band(length: int, sample_rate: int) -> np.ndarray:
    """Which frequencies of a transform of that length are kept: [length // 2 + 1]."""
    frequency = fft.rfftfreq(length, 1 / sample_rate)
    return (frequency >= LOWEST_HZ) & (frequency <= HIGHEST_HZ)


@cache
def _fade(samples: int, sample_rate: int) -> np.ndarray:
    """Fades half a millisecond in and out: a cut-off end would be a click."""
    slope = min(round(FADE_S * sample_rate), samples // 2)
    rise = (0.5 - 0.5 * np.cos(np.pi * (np.arange(slope) + 0.5) / max(slope, 1))).astype(np.float32)
    return np.concatenate([rise, np.ones(samples - 2 * slope, np.float32), rise[::-1]])
