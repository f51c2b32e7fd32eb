"""A causal language model of Transformers, asked at the end of every word."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tap2key.core.errors import Tap2keyError, first_line
from tap2key.decoding.character_model import BREAKS

# Before the word at hand it reads so much text, in characters.
LONGEST_TEXT = 200
MOST_REMEMBERED = 50_000
TEXTS_AT_ONCE = 64


@dataclass(frozen=True)
class _State:
    """Finished words with what parts them, and the letters of the word at hand."""

    text: str
    word: str


class CausalModel:
    """Words as a causal model of Transformers finds them likely.

    Such a model has tokens, not characters. Within a word all characters count as equally likely;
    what ends the word replaces that by the model's probability of the word and its end, given the
    text before.
    """

    def __init__(self, folder: Path, symbols: Sequence[str]) -> None:
        """Load a model and its tokenizer from a folder; nothing is fetched.

        Args:
            folder: as `save_pretrained` writes it.
            symbols: the characters.

        Raises:
            Tap2keyError: the folder does not hold a causal model with its tokenizer.
        """
        # Imported here, as it takes seconds that no other language model needs.
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        if not folder.is_dir():
            raise Tap2keyError(f"{folder}: no such folder; give one with a Transformers model")
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            model = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True)
        except (OSError, ValueError, KeyError) as error:
            raise Tap2keyError(
                f"{folder}: not a causal language model of Transformers with its tokenizer "
                f"({first_line(error)})"
            ) from None
        self.symbols = tuple(symbols)
        self._torch, self._model = torch, model.eval()
        self._ends = [at for at, symbol in enumerate(self.symbols) if symbol in BREAKS]
        self._remembered: dict[str, float] = {}

    def start(self) -> _State:
        """See `LanguageModel`."""
        return _State("", "")

    def advanced(self, state: _State, symbol: int) -> _State:
        """See `LanguageModel`."""
        typed = self.symbols[symbol]
        if typed not in BREAKS:
            return _State(state.text, state.word + typed)
        return _State((state.text + state.word + typed)[-LONGEST_TEXT:], "")

    def log_probabilities(self, states: Sequence[_State]) -> np.ndarray:
        """See `LanguageModel`; those of ends of words make up for the characters before."""
        uniform = -np.log(len(self.symbols))
        result = np.full((len(states), len(self.symbols)), uniform)
        wanted = [s.text for s in states]
        wanted += [s.text + s.word + self.symbols[end] for s in states for end in self._ends]
        known = self._of_texts(wanted)
        for row, state in enumerate(states):
            for end in self._ends:
                whole = known[state.text + state.word + self.symbols[end]] - known[state.text]
                result[row, end] = whole - uniform * len(state.word)
        return result

    def _of_texts(self, texts: Sequence[str]) -> dict[str, float]:
        """The logarithm of each text's probability."""
        missing = [text for text in dict.fromkeys(texts) if text not in self._remembered]
        if len(self._remembered) + len(missing) > MOST_REMEMBERED:
            self._remembered.clear()
            missing = list(dict.fromkeys(texts))
        for at in range(0, len(missing), TEXTS_AT_ONCE):
            some = missing[at : at + TEXTS_AT_ONCE]
            self._remembered.update(zip(some, self._scored(some), strict=True))
        return self._remembered

    def _scored(self, texts: Sequence[str]) -> list[float]:
        torch = self._torch
        tokens = [self._tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
        # Something has to stand before the first token for it to have a probability.
        before = self._tokenizer.bos_token_id
        if before is None:
            before = self._tokenizer.eos_token_id or 0
        longest = max(map(len, tokens))
        # What follows the last token does not change what a causal model makes of those before it.
        padded = torch.tensor([[before, *t, *[before] * (longest - len(t))] for t in tokens])
        with torch.inference_mode():
            logits = self._model(padded[:, :-1]).logits if longest else None
        if logits is None:
            return [0.0] * len(texts)
        found = logits.double().log_softmax(dim=-1).gather(2, padded[:, 1:, None])[..., 0]
        return [float(row[: len(t)].sum()) for row, t in zip(found, tokens, strict=True)]
