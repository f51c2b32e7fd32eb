"""What keys mean in text: the characters they type, and how likely a tap is each of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tap2key.study.keyboard import Keyboard
from tap2key.study.truth import RELEASE_LABEL

# What `decode` and `predict` write, a row for each character.
CHARACTERS_NAME = "characters.parquet"
BACKSPACE = "\b"
BACKSPACE_LABEL = "backspace"
# A model's probabilities are mixed with as much of equal ones: people slip, and models are surer
# than they should be.
DOUBT = 0.01
# A probability that a model rounds to 0.
SMALLEST = 1e-12


@dataclass(frozen=True)
class Characters:
    """The characters of a keyboard and the keys that type each; several keys may type one.

    Attributes:
        labels: the model's keys.
        typed: what each key types; "" for nothing, such as what is outside every key.
    """

    labels: tuple[str, ...]
    typed: tuple[str, ...]

    @cached_property
    def symbols(self) -> tuple[str, ...]:
        """What is typed, in keyboard order; `BACKSPACE` takes the last character back."""
        return tuple(dict.fromkeys(text for text in self.typed if text))

    @property
    def has_backspace(self) -> bool:
        """Whether a key takes characters back."""
        return BACKSPACE in self.symbols

    @cached_property
    def _keys(self) -> np.ndarray:
        """[symbols, labels], 1 where a key types a symbol."""
        return np.array([[t == s for t in self.typed] for s in self.symbols], dtype=float)

    def log_likelihoods(
        self, log_probabilities: np.ndarray, spread: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """How likely each tap's sound is, given a symbol, up to a factor common to all.

        A model that was trained on equally many taps of each key gives p(key | sound) in proportion
        to p(sound | key). So are the six parts of the space bar one key in text: where people use
        all of a symbol's n keys alike, p(sound | symbol) is the mean over them (`spread` 1), and
        where each keeps to one, nearly the sum (`spread` 0): the sum over nˢᵖʳᵉᵃᵈ.

        Args:
            log_probabilities: [taps, labels], natural logarithms.
            spread: 0 to 1.

        Returns:
            Of the symbols [taps, symbols], and of keys that type nothing [taps], -∞ without any.
        """
        probabilities = np.exp(log_probabilities)
        mixed = (1 - DOUBT) * probabilities + DOUBT / len(self.labels)
        counts = self._keys.sum(axis=1)
        with np.errstate(divide="ignore"):
            silent = np.log(probabilities @ np.array([not text for text in self.typed], float))
        return np.log(mixed @ self._keys.T) - spread * np.log(counts), silent


def log_of(probabilities: np.ndarray) -> np.ndarray:
    """Natural logarithms of probabilities, those of 0 finite: any shape."""
    return np.log(np.maximum(probabilities, SMALLEST))


def characters_of(labels: Sequence[str], types: Callable[[str], str]) -> Characters:
    """The characters that a model's keys type.

    Args:
        labels: the model's keys.
        types: what each types; "" for nothing.
    """
    return Characters(tuple(labels), tuple(symbol_of(label, types) for label in labels))


def what_types(keyboard: Keyboard) -> Callable[[str], str]:
    """What each key types; a key being released types nothing."""
    return {RELEASE_LABEL: "", **keyboard.types}.__getitem__


def symbol_of(label: str, types: Callable[[str], str]) -> str:
    """What a key means in text: what it types, or `BACKSPACE`."""
    return BACKSPACE if label.casefold() == BACKSPACE_LABEL else types(label)
