"""What every source of live sound gives: blocks of samples, and what was lost between them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from tap2key.audio.array import Array
from tap2key.audio.audio_file import BEYOND_ANY_SCALE, FASTEST_RATE, SLOWEST_RATE
from tap2key.core.errors import Tap2keyError

# What is judged at once, at least: half a dozen decisions in the time that a listener notices.
BLOCK_S = 0.002
# So often a source that waits says so, for others to look whether to go on.
TICK_S = 0.1


@dataclass(frozen=True)
class Lost:
    """Sound that never came: why, and how many seconds, None where nobody knows."""

    reason: str
    seconds: float | None


@dataclass(frozen=True)
class Block:
    """Samples [n, channels] float32, full scale 1.0, and what was lost just before them."""

    samples: np.ndarray
    lost: Lost | None = None


class Source(Protocol):
    """Where sound comes from. `name` is for people, `rate` in Hz."""

    name: str
    rate: int

    def blocks(self) -> Iterator[Block | None]:
        """Blocks as they come; None where nothing came for `TICK_S`. It ends with the sound.

        Raises:
            Tap2keyError: what comes is no sound, or the source has failed.
        """

    def close(self) -> None:
        """Stop, and free what was taken."""


def check_form(name: str, channels: int, rate: int, array: Array) -> None:
    """Refuse a stream that models of an array cannot read.

    Raises:
        Tap2keyError: another number of channels, or an impossible rate.
    """
    if channels != array.channels:
        raise Tap2keyError(
            f"{name}: {channels} channel(s), but the model's array has {array.channels}; listen to "
            "all microphones at once, or use a model of this array"
        )
    if not SLOWEST_RATE <= rate <= FASTEST_RATE:
        raise Tap2keyError(
            f"{name}: sample rate {rate} Hz is outside {SLOWEST_RATE}–{FASTEST_RATE} Hz"
        )


def check_sound(name: str, samples: np.ndarray, at_s: float) -> None:
    """Refuse values that are no sound.

    Raises:
        Tap2keyError: they are not numbers, or far beyond full scale.
    """
    # Written so that what is not a number fails the comparison too.
    if not (np.abs(samples) < BEYOND_ANY_SCALE).all():
        raise Tap2keyError(
            f"{name}: holds values that are no sound near {at_s:.2f} s (not numbers, or too "
            "great); say how samples are written with --format"
        )
