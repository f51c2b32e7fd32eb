"""The decoder: taps in, one by one; out comes the likeliest text, which later taps may revise."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from tap2key.decoding.characters import BACKSPACE, Characters
from tap2key.decoding.language_model import LanguageModel

# Worse than the best by so many nats, a text is given up.
WIDEST_GAP = 25.0
# Taps after which a character is settled.
USUAL_LAG = 40
USUAL_BEAM = 32
# Of text that is typed, the share of Backspace where there is such a key.
BACKSPACE_SHARE = 0.03


@dataclass(frozen=True)
class Costs:
    """What weighs against the sound of taps, in nats.

    Attributes:
        weight: of the language model's logarithms.
        missed: of a character that no tap was found for.
        invented: of a tap that nobody made.
        spread: how evenly people use all keys of one character, 0 to 1; see `Characters`.
    """

    weight: float = 0.6
    missed: float = 7.0
    invented: float = 9.0
    spread: float = 0.5


@dataclass(frozen=True)
class DecodedCharacter:
    """A character of decoded text.

    Attributes:
        text: the character.
        time_s: the onset of its tap; of one that no tap was found for, the middle between the taps
            around it.
        confidence: 0 to 1, the probability that this tap typed this character, over all texts that
            the decoder still considers.
        tap: the number of its tap, from 0; None of one that no tap was found for.
    """

    text: str
    time_s: float
    confidence: float
    tap: int | None


class _Typed(NamedTuple):
    """A character of a hypothesis; a chain back to the last settled one."""

    before: "_Typed | None"
    symbol: int
    tap: int
    missed: bool
    cost: float


class _Hypothesis(NamedTuple):
    score: float
    state: Any
    last: _Typed | None
    text: str
    # States before each unsettled character, for Backspace to return to.
    states: tuple[Any, ...]


class Decoder:
    """A beam search over texts, fed tap by tap.

    A text's score is the sum, over taps, of the logarithm of how likely the tap's sound is given
    the character, plus the weighted logarithm of the language model's probability of the character.
    A tap outside every key types nothing and costs as much language as any character: to leave one
    out is no cheaper. Any tap may type nothing at the cost `invented`, and before it a character
    may have been typed unheard at the cost `missed`. Ways of typing the same text are added up, as
    in prefix search (Graves et al., 2006). But for the settled text, memory does not grow.
    """

    def __init__(
        self,
        characters: Characters,
        language_model: LanguageModel,
        costs: Costs,
        beam: int = USUAL_BEAM,
        lag: int | None = USUAL_LAG,
    ) -> None:
        """Begin a text.

        Args:
            characters: of the keyboard.
            language_model: of `characters.symbols` without `BACKSPACE`.
            costs: see there.
            beam: texts considered at once.
            lag: taps after which a character is settled; None for never.
        """
        self._characters, self._model, self._costs = characters, language_model, costs
        self._beam, self._lag = beam, lag
        self._order = [characters.symbols.index(symbol) for symbol in language_model.symbols]
        self._any = -costs.weight * float(np.log(len(self._order)))
        self._back = characters.symbols.index(BACKSPACE) if characters.has_backspace else None
        self._times: list[float] = []
        self._first = 0
        # Of the last tap that was settled.
        self._before_s: float | None = None
        self.settled: list[DecodedCharacter] = []
        self._hypotheses = [_Hypothesis(0.0, language_model.start(), None, "", ())]

    @property
    def text(self) -> str:
        """The likeliest text of the taps so far."""
        return "".join(c.text for c in self.settled) + self._hypotheses[0].text

    @property
    def characters(self) -> list[DecodedCharacter]:
        """The likeliest text of the taps so far, character by character."""
        return [*self.settled, *self._unsettled()]

    def feed(self, time_s: float, log_probabilities: np.ndarray) -> None:
        """Take the next tap.

        Args:
            time_s: its onset, not before the last one's.
            log_probabilities: [labels], the natural logarithms of its keys' probabilities.
        """
        likelihoods, silent = self._characters.log_likelihoods(
            log_probabilities[None], self._costs.spread
        )
        nothing = np.logaddexp(silent[0] + self._any, -self._costs.invented)
        tap = self._first + len(self._times)
        self._times.append(time_s)
        starting = self._hypotheses
        if self._costs.weight > 0:
            starting = [*starting, *self._with_one_missed(tap)]
        found: dict[str, _Hypothesis] = {}
        language = self._language(starting)
        scores = np.array([h.score for h in starting])
        typed = scores[:, None] + likelihoods + self._costs.weight * language
        every = np.concatenate([typed, (scores + nothing)[:, None]], axis=1)
        for row, column in _largest(every, 2 * self._beam):
            hypothesis, score = starting[row], float(every[row, column])
            if column < typed.shape[1]:
                cost = self._costs.weight * float(language[row, column])
                hypothesis = self._extended(hypothesis, column, tap, False, cost, score)
            else:
                hypothesis = hypothesis._replace(score=score)
            _merge(found, hypothesis)
        self._hypotheses = sorted(found.values(), key=lambda h: -h.score)[: self._beam]
        self._settle()

    def read(
        self, time_s: Sequence[float] | np.ndarray, log_probabilities: np.ndarray
    ) -> list[DecodedCharacter]:
        """The likeliest text of all taps of a recording: onsets [taps], [taps, labels]."""
        for onset, row in zip(time_s, log_probabilities, strict=True):
            self.feed(float(onset), row)
        self.finish()
        return self.characters

    def finish(self) -> None:
        """Settle all characters: no tap follows."""
        self.settled += self._unsettled()
        best = self._hypotheses[0]
        self._hypotheses = [_Hypothesis(0.0, best.state, None, "", ())]
        self._first += len(self._times)
        self._before_s = self._times[-1] if self._times else self._before_s
        self._times = []

    def _language(self, hypotheses: Sequence[_Hypothesis]) -> np.ndarray:
        """The language model's logarithms: [hypotheses, symbols]."""
        result = np.zeros((len(hypotheses), len(self._characters.symbols)))
        result[:, self._order] = self._model.log_probabilities([h.state for h in hypotheses])
        if self._back is not None:
            result += np.log1p(-BACKSPACE_SHARE)
            result[:, self._back] = np.log(BACKSPACE_SHARE)
        return result

    def _with_one_missed(self, tap: int) -> list[_Hypothesis]:
        """The hypotheses with one more character, which was typed unheard before a tap."""
        language = self._costs.weight * self._language(self._hypotheses)
        if self._back is not None:
            language[:, self._back] = -np.inf
        scores = np.array([h.score for h in self._hypotheses])[:, None] - self._costs.missed
        every = scores + language
        return [
            self._extended(
                self._hypotheses[row],
                column,
                tap,
                True,
                float(language[row, column]),
                float(every[row, column]),
            )
            for row, column in _largest(every, max(self._beam // 2, 1))
        ]

    def _extended(
        self, h: _Hypothesis, symbol: int, tap: int, missed: bool, cost: float, score: float
    ) -> _Hypothesis:
        """A hypothesis with one more character, or one less."""
        if symbol == self._back:
            if h.last is None:
                return h._replace(score=score)
            # What was taken back need not be good language, only as good as any character.
            return _Hypothesis(
                score - h.last.cost + self._any,
                h.states[-1],
                h.last.before,
                h.text[: -len(self._characters.symbols[h.last.symbol])],
                h.states[:-1],
            )
        text = self._characters.symbols[symbol]
        return _Hypothesis(
            score,
            self._model.advanced(h.state, self._model.symbols.index(text)),
            _Typed(h.last, symbol, tap, missed, cost),
            h.text + text,
            (*h.states, h.state) if self._back is not None else (),
        )

    def _unsettled(self) -> list[DecodedCharacter]:
        """The best hypothesis's characters, each with the weight of all that agree on it."""
        weights = np.exp([h.score - self._hypotheses[0].score for h in self._hypotheses])
        weights /= weights.sum()
        agreeing: dict[tuple[int, int, bool], float] = {}
        for hypothesis, weight in zip(self._hypotheses, weights, strict=True):
            for each in _chain(hypothesis.last):
                key = (each.symbol, each.tap, each.missed)
                agreeing[key] = agreeing.get(key, 0.0) + float(weight)
        return [
            self._decoded(each, min(agreeing[each.symbol, each.tap, each.missed], 1.0))
            for each in _chain(self._hypotheses[0].last)
        ]

    def _decoded(self, each: _Typed, confidence: float) -> DecodedCharacter:
        after = self._times[each.tap - self._first]
        earlier = each.tap - 1 - self._first
        before = self._times[earlier] if earlier >= 0 else (self._before_s or after)
        time_s = (before + after) / 2 if each.missed else after
        tap = None if each.missed else each.tap
        return DecodedCharacter(self._characters.symbols[each.symbol], time_s, confidence, tap)

    def _settle(self) -> None:
        """Settle the characters of taps that lie `lag` back; drop what disagrees with them."""
        if self._lag is None or len(self._times) <= 2 * self._lag:
            return
        border = self._first + len(self._times) - self._lag
        best = [each for each in _chain(self._hypotheses[0].last) if each.tap < border]
        self.settled += self._unsettled()[: len(best)]
        text = "".join(self._characters.symbols[each.symbol] for each in best)
        kept = []
        for h in self._hypotheses:
            chain = _chain(h.last)
            own = [each for each in chain if each.tap < border]
            if "".join(self._characters.symbols[each.symbol] for each in own) == text:
                last: _Typed | None = None
                for each in chain[len(own) :]:
                    last = each._replace(before=last)
                states = h.states[len(own) :]
                kept.append(_Hypothesis(h.score, h.state, last, h.text[len(text) :], states))
        self._hypotheses = [h._replace(score=h.score - kept[0].score) for h in kept]
        self._before_s = self._times[border - self._first - 1]
        self._times = self._times[border - self._first :]
        self._first = border


def _chain(last: _Typed | None) -> list[_Typed]:
    found = []
    while last is not None:
        found.append(last)
        last = last.before
    return found[::-1]


def _largest(scores: np.ndarray, count: int) -> list[tuple[int, int]]:
    """Rows and columns of the largest scores that are not far below the best, best first."""
    flat = scores.reshape(-1)
    chosen = np.argpartition(-flat, min(count, len(flat)) - 1)[:count]
    chosen = chosen[flat[chosen] > flat.max() - WIDEST_GAP]
    # Of equal scores the earlier, whatever the sorting.
    chosen = chosen[np.lexsort((chosen, -flat[chosen]))]
    return [(int(at) // scores.shape[1], int(at) % scores.shape[1]) for at in chosen]


def _merge(found: dict[str, _Hypothesis], hypothesis: _Hypothesis) -> None:
    """Add a way of typing a text to those found before; the best of them says how."""
    known = found.get(hypothesis.text)
    if known is None:
        found[hypothesis.text] = hypothesis
        return
    better = known if known.score >= hypothesis.score else hypothesis
    total = float(np.logaddexp(known.score, hypothesis.score))
    found[hypothesis.text] = better._replace(score=total)
