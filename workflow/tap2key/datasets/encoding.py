"""What of a window is kept for a model's input: a representation, a rate, a part. No sound here.

So that a run is planned, and its jobs start, without SciPy, which takes most of a second.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from tap2key.audio.array import DEFAULT, WHOLE, Array, array_of
from tap2key.config.stage_settings import CORRELATED, PAIRS_WAVES
from tap2key.signal.lags import lags_of

# Whatever the array, they are of one channel.
OF_ONE_CHANNEL = ("average", "max_abs")


@dataclass(frozen=True)
class Encoding:
    """A representation at a sample rate, and how much of the window is kept.

    Attributes:
        representation: one of `WHOLE`, or a group of the array.
        sample_rate: of the result, in Hz; at most the array's. Of `pairs` and `pairs_waves`, lags
            per second.
        crop_ms: milliseconds kept before and after the onset; None keeps the whole window.
        highpass_hz: corner of a causal Butterworth high-pass before everything else; None for none.
        whiten: whether the window is whitened, by one filter for all channels.
        array: what the windows were recorded with.
    """

    representation: str = "interleave"
    sample_rate: int = 16_000
    crop_ms: tuple[float, float] | None = None
    highpass_hz: float | None = None
    whiten: bool = False
    array: Array = DEFAULT

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, Any]) -> "Encoding":
        """The encoding that a dataset's or model's JSON file describes; see `as_dict`."""
        fields = {name: metadata[name] for name in cls.__dataclass_fields__ if name != "array"}
        crop = fields["crop_ms"]
        fields["crop_ms"] = None if crop is None else tuple(crop)
        return cls(**fields, array=array_of(metadata.get("array")))

    def as_dict(self) -> dict[str, Any]:
        """What `from_metadata` reads back."""
        return {**asdict(self), "array": self.array.as_dict()}

    def check(self) -> None:
        """Refuse an encoding that the array cannot give.

        Raises:
            Tap2keyError: an unknown group, or a rate above the array's.
        """
        self.array.check_encoding(self.representation, self.sample_rate)

    def alike(self, other: "Encoding") -> bool:
        """Whether one model can read both: all is the same, except that arrays may differ if
        `form` does not.

        Raises:
            Tap2keyError: an array does not have the group that is represented.
        """
        return replace(other, array=self.array) == self and self.form == other.form

    def differences(self, other: "Encoding") -> str:
        """What another encoding has instead, in words."""
        own, others = self.as_dict(), other.as_dict()
        parts = [
            f"{name} {others[name]} instead of {own[name]}"
            for name in own
            if name != "array" and own[name] != others[name]
        ]
        arrays = self.array.differences(other.array)
        return ", ".join([*parts, *([f"array: {arrays}"] if arrays else [])])

    @property
    def form(self) -> dict[str, float]:
        """What a model relies on of the array, in words; of a single channel no delays."""
        known: dict[str, float] = {
            "channels or pairs": self.held,
            "frames": self.frames,
            "frames before the onset": self.onset_frame,
        }
        if self.representation in OF_ONE_CHANNEL:
            return known
        return known | {"max_delay_ms": self.array.max_delay_ms}

    @property
    def channels(self) -> int:
        """How many channels alternate in the result; the period of its frames."""
        if self.stacked or self.representation in OF_ONE_CHANNEL:
            return 1
        return self.held

    @property
    def held(self) -> int:
        """How many channels, or pairs, or both, the result keeps apart."""
        if self.representation in OF_ONE_CHANNEL:
            return 1
        if self.correlated:
            kept = len(self.array.kept)
            return kept * (kept - 1) // 2 + (kept if self.with_waves else 0)
        if self.representation in WHOLE:
            return len(self.array.kept)
        return len(self.array.group(self.representation))

    @property
    def correlated(self) -> bool:
        """Whether the result is of lags, of pairs and maybe of channels around the onset."""
        return self.representation in CORRELATED

    @property
    def with_waves(self) -> bool:
        """Whether the channels' waves follow the pairs."""
        return self.representation == PAIRS_WAVES

    @property
    def stacked(self) -> bool:
        """Whether channels, or pairs, follow one another instead of alternating."""
        return self.correlated or self.representation == "stack"

    def separated(self, inputs: np.ndarray) -> np.ndarray:
        """The channels that the encoding holds: [n, length] → [n, channels, frames], a view."""
        if self.stacked:
            return inputs.reshape(len(inputs), self.held, -1)
        return inputs.reshape(len(inputs), -1, self.held).transpose(0, 2, 1)

    @property
    def onset_frame(self) -> int:
        """The frame of the result that holds the onset; of correlations, the lag 0."""
        if self.correlated:
            return self.frames // 2
        return self._onset if self.crop_ms is None else min(self._onset, self._kept_before)

    @property
    def frames(self) -> int:
        """Frames of the result; of correlations, lags."""
        if self.correlated:
            return lags_of(self.sample_rate, self.array.max_delay_ms / 1000)
        every = -(-self.array.window * self.sample_rate // self.array.sample_rate)
        return len(range(every)[self._kept])

    @property
    def _onset(self) -> int:
        """The frame that holds the onset before anything is cropped."""
        return self.onset_at(self.sample_rate)

    def onset_at(self, rate: int) -> int:
        """The frame of a window at a rate that holds the onset, before anything is cropped."""
        return round(self.array.before * rate / self.array.sample_rate)

    @property
    def _kept(self) -> slice:
        return self.kept_at(self.sample_rate)

    def kept_at(self, rate: int) -> slice:
        """The frames of a window at a rate that `crop_ms` keeps."""
        if self.crop_ms is None:
            return slice(None)
        before, after = (round(ms * rate / 1000) for ms in self.crop_ms)
        onset = self.onset_at(rate)
        return slice(max(0, onset - before), onset + after)

    @property
    def _kept_before(self) -> int:
        assert self.crop_ms is not None
        return round(self.crop_ms[0] * self.sample_rate / 1000)

    def crop(self, windows: np.ndarray, rate: int | None = None) -> np.ndarray:
        """Keep `crop_ms` around the onset of windows at `rate`, else `sample_rate`."""
        return windows[:, :, self.kept_at(rate or self.sample_rate)]
