"""Which part of an encoded window a model sees."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tap2key.audio.array import Array
from tap2key.config.stage_settings import CORRELATED, KINDS_OF_DELAYS, LEARNED_GCC
from tap2key.core.errors import Tap2keyError
from tap2key.datasets.encoding import Encoding


@dataclass(frozen=True)
class Cut:
    """Which part of an encoded window the model sees, alike wherever it is used.

    Attributes:
        first: first frame.
        frames: number of frames.
        channels: values per frame.
        stacked: one channel after the other instead of frame by frame.
    """

    first: int
    frames: int
    channels: int
    stacked: bool = False

    @property
    def period(self) -> int:
        """How many channels alternate in an input."""
        return 1 if self.stacked else self.channels

    @property
    def length(self) -> int:
        """Values of one input."""
        return self.frames * self.channels

    def __call__(self, windows: np.ndarray, shifts: np.ndarray | None = None) -> np.ndarray:
        """Cut windows, moved by `shifts` whole frames: [n, channels, frames] → [n, length].

        Frames outside the window are silent.
        """
        if shifts is None or not shifts.any():
            kept = windows[:, :, self.first : self.first + self.frames]
        else:
            margin = int(np.abs(shifts).max())
            padded = np.pad(windows, ((0, 0), (0, 0), (margin, margin)))
            starts = margin + self.first + shifts
            columns = starts[:, None] + np.arange(self.frames)
            kept = np.take_along_axis(padded, columns[:, None, :], axis=2)
        ordered = kept if self.stacked else kept.transpose(0, 2, 1)
        return np.ascontiguousarray(ordered).reshape(len(windows), -1)


def cut_of(
    encoding: Encoding,
    length: int,
    crop_ms: tuple[float, float] | None,
    max_duration_s: float | None,
) -> Cut:
    """Where a model with these settings cuts windows of this encoding.

    Args:
        encoding: what the windows are.
        length: values of an encoded window.
        crop_ms: milliseconds before and after the onset; None keeps all, as correlations always do.
        max_duration_s: longest input, as values over sample rate; None keeps all, as correlations
            always do.

    Raises:
        Tap2keyError: the encoding does not hold that much before or after the onset.
    """
    channels = encoding.held
    frames = length // channels
    first, last = 0, frames
    if crop_ms is not None and not encoding.correlated:
        per_ms = encoding.sample_rate / 1000
        first = encoding.onset_frame - round(crop_ms[0] * per_ms)
        last = encoding.onset_frame + round(crop_ms[1] * per_ms)
        if first < 0 or last > frames:
            raise Tap2keyError(
                f"model.crop_ms {list(crop_ms)}: the encoding does not hold that much; choose a "
                "wider encoding.crop_ms"
            )
    if max_duration_s is not None and not encoding.correlated:
        most = int(max_duration_s * encoding.sample_rate) // channels
        last = min(last, first + most)
    return Cut(first, last - first, channels, encoding.stacked)


def cut_too_early(array: Array, settings: Mapping[str, Any]) -> str | None:
    """Which key cuts away what arrives as late as delays are looked for; None if none does.

    The onset is where the first microphone hears a tap: a delay of `array.max_delay_ms` lies that
    much after it, and is not found in what ends before.

    Args:
        array: what the windows were recorded with.
        settings: an experiment's.
    """
    encoding, kind = settings["encoding"], settings["kind"]
    if encoding["representation"] not in CORRELATED and kind not in KINDS_OF_DELAYS:
        return None
    ends = {"array.window_ms": array.window_ms, "encoding.crop_ms": encoding["crop_ms"]}
    if kind == LEARNED_GCC:
        ends["model.crop_ms"] = settings["model"]["crop_ms"]
    short = (key for key, kept in ends.items() if kept and kept[1] <= array.max_delay_ms)
    return next(short, None)
