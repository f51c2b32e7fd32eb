"""Where a tap was, without learning: delays between microphones, and how loud each one is.

Source:
    Knapp, C., Carter, G. (1976), The generalized correlation method for estimation of time delay,
        IEEE Trans. Acoust. Speech Signal Process. 24, 320-327: the phase transform (PHAT).
"""

from itertools import combinations

import numpy as np
from scipy import fft, signal

HIGH_PASS_HZ = 150.0
# The correlation is drawn this much finer than the samples before its peak is sought.
UPSAMPLING = 4
CHUNK = 256
# Keeps the phase transform of an all-zero channel finite.
TINY = 1e-12


def pairs(channels: int) -> list[tuple[int, int]]:
    """All pairs of channels, in the order of the delays: (0, 1), (0, 2) and so on."""
    return list(combinations(range(channels), 2))


def around_onset(
    windows: np.ndarray,
    sample_rate: int,
    onset: int,
    before_s: float = 0.002,
    after_s: float = 0.004,
) -> np.ndarray:
    """High-pass windows at 150 Hz and keep what is near the onset.

    Args:
        windows: [n, channels, samples].
        sample_rate: in Hz.
        onset: its sample in each window.
        before_s: how much to keep before it.
        after_s: and after it.

    Returns:
        [n, channels, kept] float32, with short slopes at both ends.
    """
    first = onset - round(before_s * sample_rate)
    last = onset + round(after_s * sample_rate)
    # The filter settles on the samples before those that are kept.
    lead = min(first, round(0.010 * sample_rate))
    sections = signal.butter(2, HIGH_PASS_HZ, "highpass", fs=sample_rate, output="sos")
    kept = np.empty((*windows.shape[:2], last - first), dtype=np.float32)
    for start in range(0, len(windows), CHUNK):
        part = np.asarray(windows[start : start + CHUNK, :, first - lead : last], dtype=float)
        kept[start : start + CHUNK] = signal.sosfilt(sections, part, axis=2)[:, :, lead:]
    return with_slopes(kept)


def with_slopes(windows: np.ndarray) -> np.ndarray:
    """Fade both ends of windows in and out over an eighth of their length: [..., samples].

    The phase transform hears a cut-off end as loudly as the tap; without slopes delays are wrong.
    """
    return windows * signal.windows.tukey(windows.shape[-1], 0.25).astype(np.float32)


def gcc_phat_delays(windows: np.ndarray, sample_rate: int, max_delay_s: float) -> np.ndarray:
    """Delays between all pairs of channels by generalised cross-correlation with phase transform.

    The correlation is interpolated by zero-padding its spectrum, and its peak by a parabola.

    Args:
        windows: [n, channels, samples].
        sample_rate: in Hz.
        max_delay_s: no longer delay is looked for.

    Returns:
        [n, pairs] in s; positive where the second channel of a pair hears the sound later.
    """
    count, channels, samples = windows.shape
    length = fft.next_fast_len(2 * samples, real=True)
    first, second = np.array(pairs(channels)).T
    rate = sample_rate * UPSAMPLING
    reach = int(np.ceil(max_delay_s * rate))
    delays = np.empty((count, len(first)))
    for start in range(0, count, CHUNK):
        part = np.asarray(windows[start : start + CHUNK], dtype=np.float32)
        spectra = fft.rfft(part, length, axis=2)
        spectra /= np.abs(spectra) + TINY
        for pair, (a, b) in enumerate(zip(first, second, strict=True)):
            cross = spectra[:, b] * spectra[:, a].conj()
            fine = fft.irfft(cross, length * UPSAMPLING, axis=1)
            near = np.concatenate([fine[:, -reach - 1 :], fine[:, : reach + 2]], axis=1)
            delays[start : start + CHUNK, pair] = (_peak(near) - reach) / rate
    return delays


def _peak(correlation: np.ndarray) -> np.ndarray:
    """Place of the largest value inside each row, between samples: [n, m] → [n], from column 1."""
    rows = np.arange(len(correlation))
    at = correlation[:, 1:-1].argmax(axis=1) + 1
    left, middle, right = (correlation[rows, at + step] for step in (-1, 0, 1))
    curvature = left - 2 * middle + right
    with np.errstate(divide="ignore", invalid="ignore"):
        offset = np.where(curvature < 0, (left - right) / (2 * curvature), 0.0)
    return at - 1 + np.clip(offset, -0.5, 0.5)


def level_ratios(windows: np.ndarray) -> np.ndarray:
    """How loud each channel is beside all together: [n, channels, t] → dB [n, channels]."""
    power = np.empty(windows.shape[:2])
    for start in range(0, len(windows), CHUNK):
        part = np.asarray(windows[start : start + CHUNK], dtype=float)
        power[start : start + CHUNK] = np.mean(part**2, axis=2)
    power += TINY
    return 10 * np.log10(power / power.mean(axis=1, keepdims=True))
