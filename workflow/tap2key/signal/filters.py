"""Filters for sections of sound that are in memory as a whole."""

import math
from functools import lru_cache

import numpy as np


def high_pass(signal: np.ndarray, cutoff_hz: float, sample_rate: int) -> np.ndarray:
    """Filter with a causal second-order Butterworth high-pass, along the last axis.

    The response is the bilinear transform of s² / (s² + √2 s + 1), applied by one FFT. The signal
    is taken to start from its first value; what rings past its end is cut off.

    Args:
        signal: [..., samples], float32.
        cutoff_hz: where the response is −3 dB.
        sample_rate: in Hz.
    """
    samples = signal.shape[-1]
    # The tail e^(−2π·f_c·t/√2) has fallen below −100 dB after 2.6 periods of the cutoff.
    padded = _fast_length(samples + math.ceil(2.6 * sample_rate / cutoff_hz))
    spectrum = np.fft.rfft(signal - signal[..., :1], padded) * _response(
        padded, cutoff_hz / sample_rate
    )
    return np.fft.irfft(spectrum, padded)[..., :samples]


@lru_cache(maxsize=8)
def _response(padded: int, cutoff: float) -> np.ndarray:
    """The high-pass at an FFT's frequencies, cutoff over rate: → [padded // 2 + 1] complex64."""
    warped = math.tan(math.pi * cutoff)
    delay = np.exp(-2j * np.pi * np.arange(padded // 2 + 1) / padded)
    numerator = (1 - delay) ** 2
    response = numerator / (
        numerator + math.sqrt(2) * warped * (1 - delay) * (1 + delay) + (warped * (1 + delay)) ** 2
    )
    return response.astype(np.complex64)


def _fast_length(least: int) -> int:
    """The smallest even length from `least` on that an FFT splits into factors of 2, 3 and 5."""
    length = least + least % 2
    while True:
        rest = length
        for factor in (2, 3, 5):
            while rest % factor == 0:
                rest //= factor
        if rest == 1:
            return length
        length += 2
