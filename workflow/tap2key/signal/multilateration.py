"""Which of some places a tap was at, by its delays, the microphones' places and one wave speed."""

import numpy as np
from scipy.optimize import minimize_scalar

from tap2key.signal.delays import pairs

# From soft plates to steel; the best of so many speeds is refined.
SLOWEST_M_S, FASTEST_M_S, SPEEDS = 50.0, 6000.0, 64


def path_differences(places_mm: np.ndarray, microphones_mm: np.ndarray) -> np.ndarray:
    """How much longer the way to a pair's second microphone is: [places, pairs] in m.

    Args:
        places_mm: [places, 2].
        microphones_mm: [channels, 2 or 3], on the same axes; places are at height 0.
    """
    lifted = np.pad(places_mm, ((0, 0), (0, microphones_mm.shape[1] - 2)))
    distances = np.linalg.norm(lifted[:, None] - microphones_mm[None], axis=2)
    first, second = np.array(pairs(len(microphones_mm))).T
    return (distances[:, second] - distances[:, first]) / 1000


def misfits(delays: np.ndarray, differences: np.ndarray, speed: float) -> np.ndarray:
    """How far measured delays are from those of places: [n, places], mean magnitude in µs.

    Magnitudes, not squares: some correlations peak at an echo, and squared they would decide.

    Args:
        delays: [n, pairs] in s.
        differences: [places, pairs] in m, see `path_differences`.
        speed: of the wave, in m/s.
    """
    expected = differences / speed
    return 1e6 * np.stack([np.abs(delays - row).mean(axis=1) for row in expected], axis=1)


def fit_speed(delays: np.ndarray, differences: np.ndarray, possible: np.ndarray) -> float:
    """The wave speed, in m/s, at which taps are nearest to where they were.

    Args:
        delays: [n, pairs] in s.
        differences: [places, pairs] in m.
        possible: [n, places], at which of the places each tap may have been; at least at one.
    """

    def misfit(exponent: float) -> float:
        found = misfits(delays, differences, float(np.exp(exponent)))
        return float(np.where(possible, found, np.inf).min(axis=1).mean())

    exponents, step = np.linspace(np.log(SLOWEST_M_S), np.log(FASTEST_M_S), SPEEDS, retstep=True)
    best = min(exponents, key=misfit)
    found = minimize_scalar(misfit, bounds=(best - step, best + step), method="bounded")
    return float(np.exp(found.x))
