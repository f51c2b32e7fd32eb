"""Where the microphones of an array stand on the simulated table."""

import numpy as np

from tap2key.audio.array import Array
from tap2key.simulation.difficulty import Difficulty


def draw_set(rng: np.random.Generator, array: Array, difficulty: Difficulty) -> np.ndarray:
    """Places of a set of microphones around the nominal ones, in the sensor's mm: [channels, 2]."""
    nominal = nominal_mm(array, difficulty)
    return nominal + rng.normal(0, difficulty["microphones"]["set_sd_mm"], nominal.shape)


def nominal_mm(array: Array, difficulty: Difficulty) -> np.ndarray:
    """Places in the sensor's mm, [channels, 2]: the array's, the difficulty file's, or a ring.

    The difficulty file has places for one number of channels. Others, unless the array says where
    they are, stand in equal steps along the edges of the rectangle that holds those places.
    """
    microphones = difficulty["microphones"]
    shipped = np.stack([microphones["x_mm"], microphones["y_mm"]], axis=1).astype(float)
    if array.positions_mm is not None:
        return np.array(array.positions_mm, dtype=float)[:, :2]
    if array.channels == len(shipped):
        return shipped
    low, high = shipped.min(axis=0), shipped.max(axis=0)
    corners = np.array([low, (high[0], low[1]), high, (low[0], high[1]), low])
    reached = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(corners, axis=0), axis=1))])
    at = np.arange(array.channels) / array.channels * reached[-1]
    return np.stack([np.interp(at, reached, corners[:, axis]) for axis in (0, 1)], axis=1)
