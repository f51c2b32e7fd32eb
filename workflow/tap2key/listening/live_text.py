"""What is shown as typed while taps come in; a decoder may change its mind about it."""

from typing import Protocol

from tap2key.decoding.beam import Decoder
from tap2key.decoding.characters import log_of
from tap2key.listening.live_taps import LiveTap
from tap2key.reading.transcript import Types

# More than fits on a projector; a text of hours would grow without end.
LONGEST = 2000


class LiveText(Protocol):
    """Text made of taps as they come. `shown` is its end, at most `LONGEST` characters."""

    @property
    def shown(self) -> str:
        """The text so far; what was shown before may have changed."""

    def add(self, tap: LiveTap) -> None:
        """Take in the next tap."""


class RawKeys:
    """A `LiveText` of what each tap's most probable key types."""

    def __init__(self, types: Types) -> None:
        """Nothing typed yet.

        Args:
            types: what a key types.
        """
        self._types = types
        self.shown = ""

    def add(self, tap: LiveTap) -> None:
        """See `LiveText`."""
        self.shown = (self.shown + self._types(tap.named.key))[-LONGEST:]


class DecodedText:
    """A `LiveText` that a decoder makes of all keys' probabilities, and revises."""

    def __init__(self, decoder: Decoder) -> None:
        """Nothing typed yet.

        Args:
            decoder: of a new text.
        """
        self._decoder = decoder

    @property
    def whole(self) -> str:
        """All of the text."""
        return self._decoder.text

    @property
    def shown(self) -> str:
        """See `LiveText`."""
        return self.whole[-LONGEST:]

    def add(self, tap: LiveTap) -> None:
        """See `LiveText`."""
        self._decoder.feed(tap.named.time_s, log_of(tap.probabilities))
