"""Where randomness comes from: one independent stream per purpose and place in the study."""

from enum import IntEnum

import numpy as np
from scipy.special import ndtr, ndtri


class Purpose(IntEnum):
    """What a stream is for; a new purpose leaves the other streams as they are."""

    PERSON = 1
    SETUP = 2
    TAPS = 3
    NOISE = 4
    SENSOR = 5
    CLOCK = 6
    MICROPHONES = 7
    TEXT = 8


def stream(seed: int, purpose: Purpose, *place: int) -> np.random.Generator:
    """A generator that depends on nothing but its arguments (place: participant, session, …)."""
    return np.random.default_rng([seed, int(purpose), *place])


def bounded_normal(rng: np.random.Generator, bound: float, size: int | None = None) -> np.ndarray:
    """Standard normal draws none of which lies beyond ± `bound`: [size], or a single one."""
    return ndtri(rng.uniform(ndtr(-bound), ndtr(bound), size))
