"""Random changes of a window that keep what tells the keys apart: the delays between channels."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import fft

FIR_MS = 1.0
TILT_REFERENCE_HZ = 2000.0
LOWEST_TILTED_HZ = 100.0


@dataclass(frozen=True)
class Augmentation:
    """How strong each change is; 0 switches it off.

    Attributes:
        gain_db: standard deviation of each channel's own gain.
        delay_us: standard deviation of each channel's own delay, as if its microphone had moved.
        stretch: largest change of the time scale around the onset, as if waves were slower or
            faster in another table.
        shift_ms: largest shift in time, common to all channels.
        tilt_db: standard deviation of a spectral tilt common to all channels, dB per octave.
        fir: strength of a random filter of 1 ms common to all channels.
        polarity: flip the sign of half the windows.
        noise_db: largest rise of the window's own noise floor, as if the tap were softer.
        channel_dropout: probability that a channel is silent; two stay at least.
        correlation_noise: of correlations, noise beside a correlation's own standard
            deviation.
        mixup: mix taps with one another before all else; both parameters of the beta distribution
            of their shares.
    """

    gain_db: float = 0.0
    delay_us: float = 0.0
    stretch: float = 0.0
    shift_ms: float = 0.0
    tilt_db: float = 0.0
    fir: float = 0.0
    polarity: bool = False
    noise_db: float = 0.0
    channel_dropout: float = 0.0
    correlation_noise: float = 0.0
    mixup: float = 0.0

    @property
    def filters(self) -> bool:
        """Whether windows have to pass a filter."""
        return self.tilt_db > 0 or self.fir > 0 or self.delay_us > 0


def augment(
    windows: np.ndarray,
    sample_rate: int,
    onset_frame: int,
    augmentation: Augmentation,
    seeds: Sequence[tuple[int, ...]],
) -> tuple[np.ndarray, np.ndarray]:
    """Change each window in its own random way.

    Args:
        windows: [n, channels, frames] float32.
        sample_rate: Hz.
        onset_frame: where the tap begins; the first half of what is before counts as noise.
        augmentation: what to do and how strongly.
        seeds: [n], what each window's randomness is derived from; the same seed gives the same
            change, whatever else is in the batch.

    Returns:
        [n, channels, frames] changed windows, and [n] shifts in whole frames, for the crop that
        follows to apply.
    """
    quiet = max(2, onset_frame // 2)
    count, channels = windows.shape[:2]
    most = round(augmentation.shift_ms * sample_rate / 1000)
    taps = max(2, round(FIR_MS * sample_rate / 1000))
    shifts = np.zeros(count, dtype=int)
    filters = np.zeros((count, taps), dtype=np.float32)
    tilts = np.zeros(count, dtype=np.float32)
    delays = np.zeros((count, channels), dtype=np.float32)
    speeds = np.ones(count)
    noise = np.zeros(windows.shape if augmentation.noise_db > 0 else 0, dtype=np.float32)
    gains = np.ones((count, channels, 1), dtype=np.float32)
    for row, seed in enumerate(seeds):
        # Every draw is made whether used or not, so that switching one change off leaves the
        # others' randomness alone; but noise, the last, and a shift without anything to choose.
        rng = np.random.default_rng(seed)
        shifts[row] = rng.integers(-most, most + 1)
        tilts[row] = augmentation.tilt_db * rng.standard_normal()
        filters[row] = rng.standard_normal(taps)
        decibels = augmentation.gain_db * rng.standard_normal(channels)
        turned = rng.random() < 0.5
        sign = -1.0 if augmentation.polarity and turned else 1.0
        kept = ~dropped_channels(rng.random((channels,)), augmentation.channel_dropout)
        gains[row, :, 0] = sign * kept * 10 ** (decibels / 20)
        rise = 10 ** (augmentation.noise_db * rng.random() / 20)
        delays[row] = augmentation.delay_us * 1e-6 * rng.standard_normal(channels)
        speeds[row] = 1 + augmentation.stretch * rng.uniform(-1, 1)
        if augmentation.noise_db > 0:
            rng.standard_normal(out=noise[row], dtype=np.float32)
            noise[row] *= np.float32(np.sqrt(rise**2 - 1))
    if augmentation.noise_db > 0:
        windows = windows + noise * windows[:, :, :quiet].std(axis=2, keepdims=True)
    if augmentation.stretch > 0:
        windows = _stretched(windows, onset_frame, speeds)
    if augmentation.filters:
        windows = _filtered(windows, sample_rate, tilts, augmentation.fir * filters, delays)
    return windows * gains, shifts


def dropped_channels(drawn: np.ndarray, probability: float) -> np.ndarray:
    """Which channels are dropped: those drawn below the probability, but never all but one."""
    dropped = drawn < probability
    dropped[np.argsort(drawn)[-2:]] = False
    return dropped


def _stretched(windows: np.ndarray, onset_frame: int, speeds: np.ndarray) -> np.ndarray:
    """Read each window faster or slower around its onset, by cubic interpolation.

    The interpolation is Catmull and Rom's (1974); frames outside the window are silent.
    """
    frames = windows.shape[-1]
    times = onset_frame + (np.arange(frames) - onset_frame) * speeds[:, None]
    first = np.floor(times).astype(int)
    x = (times - first).astype(np.float32)[:, :, None]
    margin = int(max(1 - first.min(), first.max() + 3 - frames, 0))
    padded = np.pad(windows.transpose(0, 2, 1), ((0, 0), (margin, margin), (0, 0)))
    # A frame's channels lie side by side: one row to fetch instead of one value per channel.
    rows = padded.reshape(-1, windows.shape[1])
    at = first + margin + np.arange(len(windows))[:, None] * padded.shape[1]
    a, b, c, d = (rows.take(at + step, axis=0) for step in (-1, 0, 1, 2))
    result = b + 0.5 * x * (c - a + x * (2 * a - 5 * b + 4 * c - d + x * (3 * (b - c) + d - a)))
    return result.transpose(0, 2, 1)


def _filtered(
    windows: np.ndarray, sample_rate: int, tilts: np.ndarray, fir: np.ndarray, delays: np.ndarray
) -> np.ndarray:
    """One filter per window for all its channels, a tilt and an FIR tail, and a delay for each."""
    frames = windows.shape[-1]
    length = frames + fir.shape[1]
    frequencies = np.fft.rfftfreq(length, 1 / sample_rate)
    octaves = np.log2(frequencies.clip(LOWEST_TILTED_HZ) / TILT_REFERENCE_HZ)
    tilt = 10 ** (tilts[:, None] * octaves / 20)
    decay = np.exp(-3 * np.arange(fir.shape[1]) / fir.shape[1]) / np.sqrt(fir.shape[1])
    tail = fir * decay
    tail[:, 0] += 1
    spectrum = tilt * np.fft.rfft(tail, length)
    response: np.ndarray = spectrum.astype(np.complex64)[:, None, :]
    if delays.any():
        angles = np.float32(-2 * np.pi) * delays[:, :, None] * frequencies.astype(np.float32)
        turns = np.empty(angles.shape, np.complex64)
        np.cos(angles, out=turns.real)
        np.sin(angles, out=turns.imag)
        response = response * turns
    # Unlike numpy's, in single precision and several transforms at a time.
    spectra = fft.rfft(np.ascontiguousarray(windows), length) * response
    return fft.irfft(spectra, length)[..., :frames]
