"""A language model of characters and words, counted in a text."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tap2key.study.texts import ENTER, SPACE

BREAKS = (SPACE, ENTER)
APOSTROPHES = "'’ʼ"
# Characters before the next that are counted with it, beside whole words.
LONGEST_CONTEXT = 5
MOST_REMEMBERED = 200_000
# Where only words are known: how many a phrase has, and among how many they are counted.
WORDS_PER_PHRASE = 7
WORDS_COUNTED = 1e6


class CharacterModel:
    """Characters after the last few, after the word so far, and after that and the word before it.

    The probability after each context is interpolated with that after the next shorter one, down to
    equal probabilities, by Witten and Bell's method C (1991): of a context seen n times with t
    different characters, the shorter one weighs t / (n + t).
    """

    def __init__(self, symbols: Sequence[str], of_phrases: bool = True) -> None:
        """Know nothing yet.

        Args:
            symbols: the characters; what is counted consists of these.
            of_phrases: whether what follows Enter is told from what follows a space.
        """
        self.symbols = tuple(symbols)
        self._index = {symbol: at for at, symbol in enumerate(self.symbols)}
        self._first = ENTER if of_phrases and ENTER in self._index else SPACE
        self._of_phrases = of_phrases
        self._counts: dict[str, dict[int, float]] = {}
        self._remembered: dict[str, np.ndarray] = {}
        self._next: dict[tuple[str, int], str] = {}

    @property
    def knows_anything(self) -> bool:
        """Whether anything was counted."""
        return bool(self._counts)

    def count(self, text: str, ends: Mapping[str, float]) -> None:
        """Count a text's characters, as following the end of another.

        Args:
            text: of characters of `symbols`.
            ends: the characters that may follow it, each with how often it does.
        """
        whole = self._first + text
        weight = sum(ends.values())
        for at in range(1, len(whole)):
            self._add(whole[:at], whole[at], weight)
        for end, times in ends.items():
            self._add(whole, end, times)
        self._remembered.clear()

    def _add(self, history: str, symbol: str, times: float) -> None:
        at = self._index[symbol]
        for context in _contexts(history):
            following = self._counts.setdefault(context, {})
            following[at] = following.get(at, 0.0) + times

    def start(self) -> str:
        """See `LanguageModel`."""
        return self._first

    def advanced(self, state: str, symbol: int) -> str:
        """See `LanguageModel`."""
        known = (state, symbol)
        if known not in self._next:
            typed = self.symbols[symbol]
            whole = state + (typed if self._of_phrases or typed != ENTER else SPACE)
            if len(self._next) >= MOST_REMEMBERED:
                self._next.clear()
            self._next[known] = _relevant(whole)
        return self._next[known]

    def log_probabilities(self, states: Sequence[Any]) -> np.ndarray:
        """See `LanguageModel`."""
        return np.stack([self._after(state) for state in states])

    def _after(self, history: str) -> np.ndarray:
        found = self._remembered.get(history)
        if found is None:
            if len(self._remembered) >= MOST_REMEMBERED:
                self._remembered.clear()
            found = self._remembered[history] = np.log(self._interpolated(history))
        return found

    def _interpolated(self, history: str) -> np.ndarray:
        result = np.full(len(self.symbols), 1 / len(self.symbols))
        for context in _contexts(history):
            following = self._counts.get(context)
            if following is None:
                # Then no longer one occurred either.
                break
            seen = sum(following.values())
            result *= len(following) / (seen + len(following))
            for symbol, times in following.items():
                result[symbol] += times / (seen + len(following))
        return result


def _contexts(history: str) -> Iterator[str]:
    """The ends of a text that say what follows, each the end of the next."""
    word = _start_of_word(history)
    before = _start_of_word(history[: word - 1]) if word > 1 else word
    lengths = {*range(LONGEST_CONTEXT + 1)}
    for start in (word, before):
        # With the space or Enter before the word.
        lengths.add(len(history) - max(start - 1, 0))
    for length in sorted(lengths):
        if length <= len(history):
            yield history[len(history) - length :]


def _relevant(history: str) -> str:
    """As much of a text as its contexts reach back."""
    word = _start_of_word(history)
    before = _start_of_word(history[: word - 1]) if word > 1 else word
    return history[min(max(before - 1, 0), max(len(history) - LONGEST_CONTEXT, 0)) :]


def _start_of_word(text: str) -> int:
    """Where the word begins that a text ends in."""
    return 1 + max(text.rfind(mark) for mark in BREAKS)


def corpus_model(text: str, symbols: Sequence[str]) -> CharacterModel:
    """The model of a corpus; see `as_typed`."""
    model = CharacterModel(symbols)
    end = ENTER if ENTER in symbols else SPACE
    ends = {end: 1.0} if end in symbols else {}
    for line in as_typed(text, symbols):
        model.count(line, ends)
    return model


def frequencies_model(words: Iterable[tuple[str, float]], symbols: Sequence[str]) -> CharacterModel:
    """The model of a list of words, each with its share of all words of a language.

    A word is taken to follow any other, and one in `WORDS_PER_PHRASE` to end a phrase.
    """
    model = CharacterModel(symbols, of_phrases=False)
    known = set(symbols)
    last = 1 / WORDS_PER_PHRASE if ENTER in known else 0.0
    for word, share in words:
        typed = "".join(c for c in word if c not in APOSTROPHES)
        if typed and set(typed) <= known - {*BREAKS}:
            times = share * WORDS_COUNTED
            ends = {SPACE: times * (1 - last), ENTER: times * last}
            model.count(typed, {end: n for end, n in ends.items() if n and end in known})
    return model


def as_typed(text: str, symbols: Sequence[str]) -> list[str]:
    """A corpus as it would be typed, line by line.

    Letters are made small where there are no capitals; apostrophes are left out, all else that is
    no symbol parts words. Without a space every word is a line.
    """
    known = set(symbols)
    lines = []
    for line in text.splitlines():
        small = "".join(c if c in known else c.lower() for c in line if c not in APOSTROPHES)
        words = "".join(c if c in known and c not in BREAKS else SPACE for c in small).split()
        if SPACE not in known:
            lines += words
        elif words:
            lines.append(SPACE.join(words))
    return lines
