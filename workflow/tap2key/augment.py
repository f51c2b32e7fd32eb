"""Random changes of a window that keep what tells the keys apart: the delays between channels."""

from dataclasses import dataclass

import numpy as np

FIR_MS = 1.0
TILT_REFERENCE_HZ = 2000.0
LOWEST_TILTED_HZ = 100.0


@dataclass(frozen=True)
class Augmentation:
    """How strong each change is; 0 switches it off.

    Attributes:
        gain_db: standard deviation of each channel's own gain.
        shift_ms: largest shift in time, common to all channels.
        tilt_db: standard deviation of a spectral tilt common to all channels, dB per octave.
        fir: strength of a random filter of 1 ms common to all channels.
        polarity: flip the sign of half the windows.
        noise_db: largest rise of the window's own noise floor, as if the tap were softer.
        channel_dropout: probability that a channel is silent.
    """

    gain_db: float = 0.0
    shift_ms: float = 0.0
    tilt_db: float = 0.0
    fir: float = 0.0
    polarity: bool = False
    noise_db: float = 0.0
    channel_dropout: float = 0.0

    @property
    def filters(self) -> bool:
        """Whether windows have to pass a filter."""
        return self.tilt_db > 0 or self.fir > 0


def augment(
    windows: np.ndarray,
    sample_rate: int,
    quiet_frames: int,
    augmentation: Augmentation,
    seeds: list[tuple[int, ...]],
) -> tuple[np.ndarray, np.ndarray]:
    """Change each window in its own random way.

    Args:
        windows: [n, channels, frames] float32.
        sample_rate: Hz.
        quiet_frames: how many first frames hold only noise; at least 2 for `noise_db`.
        augmentation: what to do and how strongly.
        seeds: [n], what each window's randomness is derived from; the same seed gives the same
            change, whatever else is in the batch.

    Returns:
        [n, channels, frames] changed windows, and [n] shifts in whole frames, for the crop that
        follows to apply.
    """
    windows = windows.copy()
    count, channels, frames = windows.shape
    most = round(augmentation.shift_ms * sample_rate / 1000)
    taps = max(2, round(FIR_MS * sample_rate / 1000))
    shifts = np.zeros(count, dtype=int)
    filters = np.zeros((count, taps), dtype=np.float32)
    tilts = np.zeros(count, dtype=np.float32)
    gains = np.ones((count, channels, 1), dtype=np.float32)
    for row, seed in enumerate(seeds):
        # Every draw is made whether used or not, so that switching one change off leaves the
        # others' randomness alone.
        rng = np.random.default_rng(seed)
        shifts[row] = rng.integers(-most, most + 1)
        tilts[row] = augmentation.tilt_db * rng.standard_normal()
        filters[row] = rng.standard_normal(taps)
        decibels = augmentation.gain_db * rng.standard_normal(channels)
        sign = -1.0 if augmentation.polarity and rng.random() < 0.5 else 1.0
        kept = rng.random(channels) >= augmentation.channel_dropout
        gains[row, :, 0] = sign * kept * 10 ** (decibels / 20)
        rise = 10 ** (augmentation.noise_db * rng.random() / 20)
        if augmentation.noise_db > 0:
            floor = windows[row, :, :quiet_frames].std(axis=1, keepdims=True)
            noise = rng.standard_normal((channels, frames), dtype=np.float32)
            windows[row] += np.float32(np.sqrt(rise**2 - 1)) * floor * noise
    if augmentation.filters:
        windows = _filtered(windows, sample_rate, tilts, augmentation.fir * filters)
    return windows * gains, shifts


def _filtered(
    windows: np.ndarray, sample_rate: int, tilts: np.ndarray, fir: np.ndarray
) -> np.ndarray:
    """One filter per window for all its channels: a tilt in dB per octave, and an FIR tail."""
    frames = windows.shape[-1]
    length = frames + fir.shape[1]
    frequencies = np.fft.rfftfreq(length, 1 / sample_rate).clip(LOWEST_TILTED_HZ)
    octaves = np.log2(frequencies / TILT_REFERENCE_HZ)
    response = 10 ** (tilts[:, None] * octaves / 20)
    decay = np.exp(-3 * np.arange(fir.shape[1]) / fir.shape[1]) / np.sqrt(fir.shape[1])
    tail = fir * decay
    tail[:, 0] += 1
    response = (response * np.fft.rfft(tail, length)).astype(np.complex64)
    spectra = np.fft.rfft(windows, length) * response[:, None, :]
    return np.fft.irfft(spectra, length)[..., :frames].astype(np.float32)
