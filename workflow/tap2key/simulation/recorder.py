"""What the recorder does to sound: channels leak into one another, and begin at other times.

The difficulty file names the sources.
"""

import numpy as np


def couple(sound: np.ndarray, level_db: float) -> None:
    """Let each channel leak into those next to it: [channels, samples], in place."""
    leak = np.float32(10 ** (level_db / 20))
    if leak == 0:
        return
    before = np.zeros_like(sound[0])
    for channel in range(len(sound)):
        own = sound[channel].copy()
        sound[channel] += leak * before
        if channel + 1 < len(sound):
            sound[channel] += leak * sound[channel + 1]
        before = own


def skew(sound: np.ndarray, late: np.ndarray) -> None:
    """Make channels late by whole samples: [channels, samples] in place, [channels].

    What runs over the end, where nothing is tapped, fills the beginning.
    """
    for channel, samples in zip(sound, late, strict=True):
        if samples:
            channel[:] = np.roll(channel, samples)
