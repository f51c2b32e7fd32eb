"""Whitening: every frequency of a tap as loud as any other, alike in all channels.

Pads and nails, soft and hard taps differ in their spectra; where the tap was is told by phases and
by levels between channels, which stay.

Source:
    Knapp, C., Carter, G. (1976), The generalized correlation method for estimation of time delay,
        IEEE Trans. Acoust. Speech Signal Process. 24, 320-327: the phase transform; here with the
        channels' mean power in place of each pair's, and a floor below which nothing is raised.
"""

import numpy as np
from scipy import fft

FLOOR = 0.03


def whitened(windows: np.ndarray) -> np.ndarray:
    """Divide each window's spectra by their root mean square over channels.

    X_c(f) / (M(f) + 0.03 max M), M(f)² being the mean of |X_c(f)|² over the channels c.

    Args:
        windows: [n, channels, frames].

    Returns:
        [n, channels, frames] float32, in arbitrary units.
    """
    frames = windows.shape[-1]
    # Twice the length, so that nothing wraps around from the end to the beginning.
    length = fft.next_fast_len(2 * frames, real=True)
    spectra = fft.rfft(np.asarray(windows, dtype=np.float32), length, axis=-1)
    power = spectra.real**2 + spectra.imag**2
    common = np.sqrt(power.mean(axis=-2, keepdims=True))
    floor = FLOOR * common.max(axis=-1, keepdims=True)
    silent = np.finfo(np.float32).tiny
    return fft.irfft(spectra / (common + floor + silent), length, axis=-1)[..., :frames]
