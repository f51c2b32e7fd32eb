"""Where randomness comes from: one independent stream per purpose and place in the study."""

from enum import IntEnum

import numpy as np


class Purpose(IntEnum):
    """What a stream is for; a new purpose leaves the other streams as they are."""

    PERSON = 1
    SETUP = 2
    TAPS = 3
    NOISE = 4
    SENSOR = 5
    CLOCK = 6


def stream(seed: int, purpose: Purpose, *place: int) -> np.random.Generator:
    """A generator that depends on nothing but its arguments (place: participant, session, …)."""
    return np.random.default_rng([seed, int(purpose), *place])


def between(rng: np.random.Generator, limits: tuple[float, float], size: int | None = None):  # noqa: ANN201
    """Even draws from [low, high]; a float, or [size] of them."""
    return rng.uniform(limits[0], limits[1], size)


def bounded_normal(rng: np.random.Generator, bound: float, size: int | None = None):  # noqa: ANN201
    """Standard normal draws cut off at ± `bound`; a float, or [size] of them."""
    return np.clip(rng.standard_normal(size), -bound, bound)
