"""The array: how many microphones there are, how they are recorded, and the names of groups."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tap2key.config.stage_settings import CORRELATED
from tap2key.core.errors import Tap2keyError

MOST_CHANNELS = 64
# Onsets are sought above 500 Hz, and the sudden rises of taps above 2 kHz.
SLOWEST_RATE, FASTEST_RATE = 16_000, 768_000
LONGEST_WINDOW_MS = 1000.0
# Representations of all channels; groups must have other names.
WHOLE = ("interleave", "stack", "average", "max_abs", *CORRELATED)
LONGEST_DELAY_MS = 50.0
FIELDS = (
    *("channels", "sample_rate", "window_ms", "max_delay_ms"),
    *("groups", "positions_mm", "ignore"),
)

Group = tuple[str, tuple[int, ...]]
Position = tuple[float, ...]


def _number(value: object) -> bool:
    return type(value) in (int, float) and math.isfinite(value)  # type: ignore[arg-type]


def _whole(key: str, value: object, least: int, most: int) -> None:
    if type(value) is not int or not least <= value <= most:
        raise Tap2keyError(f"array.{key} is {value}; give a whole number from {least} to {most}")


@dataclass(frozen=True)
class Array:
    """The microphones of a rig; channels are numbered from 0, as in the recordings' files.

    Attributes:
        channels: how many a recording has, 1 to 64.
        sample_rate: at which taps are cut, in Hz; recordings of another rate are resampled.
        window_ms: how much of a tap is kept before and after its onset.
        max_delay_ms: the longest delay between two microphones that counts, about the time a wave
            takes across the array; longer ones are noise.
        groups: names of some of the channels, sorted by name.
        positions_mm: where each channel's microphone is, two or three coordinates.
        ignore: channels that are not used, ascending.

    Raises:
        Tap2keyError: an impossible value, by its key.
    """

    channels: int = 8
    sample_rate: int = 96_000
    window_ms: tuple[float, float] = (22.833, 62.5)
    max_delay_ms: float = 2.0
    groups: tuple[Group, ...] = (("bottom", (0, 1, 2, 3)), ("top", (4, 5, 6, 7)))
    positions_mm: tuple[Position, ...] | None = None
    ignore: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        _whole("channels", self.channels, 1, MOST_CHANNELS)
        _whole("sample_rate", self.sample_rate, SLOWEST_RATE, FASTEST_RATE)
        ends = self.window_ms
        if len(ends) != 2 or not all(_number(ms) and 0 < ms <= LONGEST_WINDOW_MS for ms in ends):
            raise Tap2keyError(
                f"array.window_ms is {list(ends)}; give milliseconds before and after the onset, "
                f"both above 0 and at most {LONGEST_WINDOW_MS:g}"
            )
        if not _number(self.max_delay_ms) or not 0 < self.max_delay_ms <= LONGEST_DELAY_MS:
            raise Tap2keyError(
                f"array.max_delay_ms is {self.max_delay_ms}; give milliseconds, above 0 and at "
                f"most {LONGEST_DELAY_MS:g}"
            )
        self._check_listed("array.ignore", self.ignore)
        if len(self.ignore) == self.channels:
            raise Tap2keyError("array.ignore lists every channel; keep at least one")
        for name, members in self.groups:
            if name in WHOLE or not name.isidentifier():
                raise Tap2keyError(
                    f"array.groups: a group cannot be called {name!r}; use letters, digits and _, "
                    f"and none of {', '.join(WHOLE)}"
                )
            self._check_listed(f"array.groups.{name}", members)
            if not set(members) - set(self.ignore):
                raise Tap2keyError(f"array.groups.{name} has no channel in use")
        if self.positions_mm is not None:
            self._check_positions(self.positions_mm)

    def _check_listed(self, key: str, listed: Sequence[int]) -> None:
        for channel in listed:
            if type(channel) is not int or not 0 <= channel < self.channels:
                raise Tap2keyError(
                    f"{key} names channel {channel}; the array has channels 0 to "
                    f"{self.channels - 1}"
                )
        if len(set(listed)) < len(listed):
            twice = next(c for c in listed if listed.count(c) > 1)
            raise Tap2keyError(f"{key} names channel {twice} twice; name each once")

    def _check_positions(self, positions: Sequence[Position]) -> None:
        known = [c for c, place in enumerate(positions) if place is not None]
        if len(positions) != self.channels or len(known) < self.channels:
            raise Tap2keyError(
                f"array.positions_mm gives {len(known)} of {self.channels} channels a place; give "
                "all of them one, or none"
            )
        sizes = {len(place) for place in positions}
        if sizes not in ({2}, {3}) or not all(_number(at) for place in positions for at in place):
            raise Tap2keyError(
                "array.positions_mm: give every channel two coordinates in mm, or every channel "
                "three"
            )

    @property
    def kept(self) -> tuple[int, ...]:
        """The channels that are used, in the order in which they are read."""
        return tuple(c for c in range(self.channels) if c not in self.ignore)

    @property
    def before(self) -> int:
        """Samples of a window before the onset."""
        return self.samples(self.window_ms[0])

    @property
    def after(self) -> int:
        """Samples of a window from the onset on."""
        return self.samples(self.window_ms[1])

    @property
    def window(self) -> int:
        """Samples of a window."""
        return self.before + self.after

    @property
    def shape(self) -> tuple[int, int]:
        """Of a window: channels that are used, and samples."""
        return len(self.kept), self.window

    def samples(self, ms: float) -> int:
        """How many samples some milliseconds are."""
        return round(ms * self.sample_rate / 1000)

    def group(self, name: str) -> list[int]:
        """The rows of a window that hold a group's channels, without ignored ones.

        Raises:
            Tap2keyError: there is no such group.
        """
        self.check_encoding(name, self.sample_rate)
        kept = self.kept
        return [kept.index(channel) for channel in dict(self.groups)[name] if channel in kept]

    def check_encoding(self, representation: str, sample_rate: int) -> None:
        """Refuse an encoding that the array's windows cannot give.

        Raises:
            Tap2keyError: a group that it does not have, or a rate above its own.
        """
        names = (*WHOLE, *(name for name, _ in self.groups))
        if representation not in names:
            raise Tap2keyError(
                f"unknown representation {representation!r}; available: {', '.join(names)}; "
                "array.groups gives channels a name"
            )
        correlated = representation in CORRELATED
        if correlated and len(self.kept) < 2:
            raise Tap2keyError(
                f"encoding.representation {representation} needs at least two channels"
            )
        if sample_rate > self.sample_rate and not correlated:
            raise Tap2keyError(
                f"encoding.sample_rate {sample_rate} is above array.sample_rate "
                f"{self.sample_rate}; lower it"
            )

    def as_dict(self) -> dict[str, Any]:
        """What `array_of` reads back."""
        positions = self.positions_mm
        return {
            "channels": self.channels,
            "sample_rate": self.sample_rate,
            "window_ms": list(self.window_ms),
            "max_delay_ms": self.max_delay_ms,
            "groups": {name: list(members) for name, members in self.groups},
            "positions_mm": None if positions is None else [list(place) for place in positions],
            "ignore": list(self.ignore),
        }

    def differences(self, other: "Array") -> str:
        """What another array has instead, in words: `channels 6 instead of 8`."""
        own, others = self.as_dict(), other.as_dict()
        return ", ".join(
            f"{name} {others[name]} instead of {own[name]}"
            for name in FIELDS
            if own[name] != others[name]
        )


DEFAULT = Array()


def array_of(metadata: Mapping[str, Any] | None) -> Array:
    """The array that a configuration or JSON file describes; keys left out take the default.

    Groups are the default's where there are as many channels, but for those with no channel in
    use, and none otherwise. None is the default array, as in files written before the array was
    configurable.

    Raises:
        Tap2keyError: a key is unknown or its value impossible.
    """
    fields = {name: value for name, value in (metadata or {}).items() if value is not None}
    for name in fields:
        if name not in FIELDS:
            raise Tap2keyError(f"array: unknown key {name!r}; available: {', '.join(FIELDS)}")
    groups = fields.pop("groups", None)
    try:
        if groups is None and fields.get("channels", DEFAULT.channels) == DEFAULT.channels:
            ignored = set(fields.get("ignore", ()))
            groups = {name: own for name, own in DEFAULT.groups if not ignored.issuperset(own)}
        elif groups is None:
            groups = {}
        fields["groups"] = tuple(sorted((str(n), tuple(members)) for n, members in groups.items()))
        for name in ("window_ms", "ignore"):
            if name in fields:
                fields[name] = tuple(fields[name])
        fields["ignore"] = tuple(sorted(fields.get("ignore", ())))
        if "positions_mm" in fields:
            fields["positions_mm"] = tuple(
                None if place is None else tuple(place) for place in fields["positions_mm"]
            )
    except (AttributeError, TypeError):
        raise Tap2keyError(
            f"array: {dict(metadata or {})} is not an array; see config/README.md"
        ) from None
    return Array(**fields)


def array_of_text(text: str) -> Array:
    """The array of a JSON object: `{"channels": 6, "sample_rate": 44100}`.

    Raises:
        Tap2keyError: the text is not a JSON object, or `array_of` refuses it.
    """
    try:
        metadata = json.loads(text)
    except ValueError as error:
        raise Tap2keyError(f"--array: not a JSON object ({error})") from None
    if not isinstance(metadata, dict):
        raise Tap2keyError(f"--array: {text} is not a JSON object")
    return array_of(metadata)


def enough(channels: int) -> int:
    """How many channels suffice as evidence for all: three, or half of fewer than six."""
    return min(3, (channels + 1) // 2)
