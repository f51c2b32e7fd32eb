"""Random changes of pair correlations, modelled on how arrays and tables differ."""

from collections.abc import Sequence
from math import isqrt

import numpy as np

from tap2key.signal.delays import pairs
from tap2key.training.augmentation import Augmentation, dropped_channels


def augment_pairs(
    correlations: np.ndarray,
    lag_rate: int,
    augmentation: Augmentation,
    seeds: Sequence[tuple[int, ...]],
    waves: bool = False,
) -> np.ndarray:
    """Change each tap's correlations in its own random way.

    A microphone that moved (`delay_us`) shifts all of its pairs, each by the difference of its two
    microphones' delays; another wave speed (`stretch`) stretches the lags about 0. Between lags
    values are interpolated linearly, beyond the ends they are 0. A dropped microphone
    (`channel_dropout`) leaves its pairs at 0, as a silent channel does, or with noise alone, as one
    that is unplugged, with equal probability; at least two microphones stay. White noise
    (`correlation_noise`) comes last.

    Waves about the onset (`pairs_waves`) are changed as correlations of the onset with each
    microphone would be. An onset found early or late (`shift_ms`) shifts them all alike.

    Args:
        correlations: [n, pairs, lags] float32, unit standard deviation each; with `waves`
            [n, pairs and then channels, lags].
        lag_rate: lags per second.
        augmentation: what to do and how strongly.
        seeds: [n], what each tap's randomness is derived from; the same seed gives the same change,
            whatever else is in the batch.
        waves: whether channels' waves follow the pairs.

    Returns:
        Float32, as many as there were.
    """
    count, number = correlations.shape[:2]
    channels = channels_of(number, waves)
    # Where there are waves the onset counts as one more microphone, the first of their pairs.
    onset = [(channels, channel) for channel in range(channels)] if waves else []
    first, second = np.array([*pairs(channels), *onset]).T
    shifts = np.zeros((count, number))
    speeds = np.ones(count)
    gains = np.ones((count, number), dtype=np.float32)
    spreads = np.full((count, number), augmentation.correlation_noise, dtype=np.float32)
    noisy = augmentation.correlation_noise > 0 or augmentation.channel_dropout > 0
    noise = np.zeros(correlations.shape if noisy else 0, dtype=np.float32)
    for row, seed in enumerate(seeds):
        # Every draw is made whether used or not (except noise, the last), so that switching one
        # change off leaves the others' randomness alone.
        rng = np.random.default_rng(seed)
        delays = augmentation.delay_us * 1e-6 * rng.standard_normal(channels)
        speeds[row] = 1 + augmentation.stretch * rng.uniform(-1, 1)
        dropped = dropped_channels(rng.random(channels), augmentation.channel_dropout)
        silent = rng.random() < 0.5
        if waves:
            delays = np.append(delays, augmentation.shift_ms * 1e-3 * rng.uniform(-1, 1))
            dropped = np.append(dropped, False)
        shifts[row] = (delays[second] - delays[first]) * lag_rate
        gone = dropped[first] | dropped[second]
        gains[row, gone] = 0
        spreads[row, gone] = 0 if silent else 1
        if noisy:
            rng.standard_normal(out=noise[row], dtype=np.float32)
    if shifts.any() or augmentation.stretch > 0:
        correlations = _read_at(correlations, shifts, speeds)
    changed = correlations * gains[:, :, None]
    return changed + spreads[:, :, None] * noise if noisy else changed


def channels_of(number: int, waves: bool = False) -> int:
    """The number of channels that has this many pairs, or with `waves` pairs and channels."""
    return (isqrt(1 + 8 * number) + (-1 if waves else 1)) // 2


def _read_at(correlations: np.ndarray, shifts: np.ndarray, speeds: np.ndarray) -> np.ndarray:
    """Read each curve moved by its shift, in lags, and stretched about lag 0: [n, pairs, lags]."""
    count, number, lags = correlations.shape
    middle = lags // 2
    steps = np.arange(lags) - middle
    # Two zeros at either end stand for everything beyond it.
    padded = np.zeros((number, lags + 4), np.float32)
    flat = padded.reshape(-1)
    starts = np.arange(number)[:, None] * (lags + 4) + 2
    result = np.empty(correlations.shape, np.float32)
    # Tap by tap, what is worked on stays in the processor's cache.
    for row in range(count):
        padded[:, 2:-2] = correlations[row]
        at = middle + steps * speeds[row] - shifts[row][:, None]
        left = np.floor(at)
        weight = (at - left).astype(np.float32)
        index = starts + np.clip(left, -2, lags).astype(np.int64)
        result[row] = flat.take(index) * (1 - weight) + flat.take(index + 1) * weight
    return result
