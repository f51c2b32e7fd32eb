"""What every language model can do, and the one that knows nothing."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np


class LanguageModel(Protocol):
    """Says how likely each character follows what was typed so far.

    A state stands for a text; it is hashable, and two texts that go on alike may share one.
    """

    symbols: tuple[str, ...]

    def start(self) -> Any:
        """The state before the first character."""

    def advanced(self, state: Any, symbol: int) -> Any:
        """The state after one more character, an index into `symbols`."""

    def log_probabilities(self, states: Sequence[Any]) -> np.ndarray:
        """Natural logarithms of the next characters' probabilities: [states, symbols]."""


class NoLanguageModel:
    """Takes every character for equally likely."""

    def __init__(self, symbols: Sequence[str]) -> None:
        """Take over the characters."""
        self.symbols = tuple(symbols)

    def start(self) -> None:
        """See `LanguageModel`."""

    def advanced(self, state: None, symbol: int) -> None:
        """See `LanguageModel`."""

    def log_probabilities(self, states: Sequence[None]) -> np.ndarray:
        """See `LanguageModel`."""
        return np.full((len(states), len(self.symbols)), -np.log(len(self.symbols)))
