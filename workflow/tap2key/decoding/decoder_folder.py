"""A decoder on disk: its language model, the characters, and the costs that were chosen for it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from tap2key.core.errors import Tap2keyError
from tap2key.core.files import read_json, write_json
from tap2key.core.user_tables import read_text
from tap2key.decoding.beam import Costs, DecodedCharacter, Decoder
from tap2key.decoding.causal_model import CausalModel
from tap2key.decoding.character_model import corpus_model, frequencies_model
from tap2key.decoding.characters import BACKSPACE, Characters
from tap2key.decoding.language_model import LanguageModel, NoLanguageModel

DECODER_FILE = "decoder.json"
CORPUS_FILE = "corpus.txt"
NONE, CORPUS, WORDS, CAUSAL = "none", "corpus", "word_frequencies", "transformers"


@dataclass(frozen=True)
class SavedDecoder:
    """What a decoder's folder holds."""

    characters: Characters
    language_model: LanguageModel
    costs: Costs
    beam: int

    def begin(self) -> Decoder:
        """A decoder of a new text."""
        return Decoder(self.characters, self.language_model, self.costs, self.beam)

    def decoded(self, time_s: np.ndarray, log_probabilities: np.ndarray) -> list[DecodedCharacter]:
        """The text of a whole recording; see `Decoder.read`."""
        return self.begin().read(time_s, log_probabilities)


def language_model_of(
    kind: str, symbols: Sequence[str], settings: Mapping[str, Any], corpus: Path | None
) -> LanguageModel:
    """A language model of a kind.

    Args:
        kind: one of the configuration's `decode.language_models`.
        symbols: the characters.
        settings: the configuration's section `decode`.
        corpus: the text of `corpus`.

    Raises:
        Tap2keyError: what it needs is not given or cannot be used.
    """
    symbols = [symbol for symbol in symbols if symbol != BACKSPACE]
    if kind == CORPUS:
        if corpus is None:
            raise Tap2keyError("decode.corpus is not set; name the text that corpus learns from")
        model = corpus_model(read_text(corpus), symbols)
        if not model.knows_anything:
            raise Tap2keyError(f"{corpus}: holds no word that the keyboard types; give other text")
        return model
    if kind == WORDS:
        return frequencies_model(_words(settings["language"]), symbols)
    if kind == CAUSAL:
        if settings["checkpoint"] is None:
            raise Tap2keyError("decode.checkpoint is not set; name a folder of Transformers")
        return CausalModel(Path(settings["checkpoint"]), symbols)
    return NoLanguageModel(symbols)


def _words(language: str) -> list[tuple[str, float]]:
    # Imported here: it takes a second that no other language model needs.
    import wordfreq

    known = wordfreq.available_languages("small")
    if language not in known:
        raise Tap2keyError(
            f"decode.language is {language!r}, of which there are no word frequencies; choose one "
            f"of {', '.join(sorted(known))}"
        )
    return list(wordfreq.get_frequency_dict(language, "small").items())


def save_decoder(
    folder: Path,
    kind: str,
    characters: Characters,
    costs: Costs,
    settings: Mapping[str, Any],
    corpus: Path | None,
    chosen: Mapping[str, Any],
) -> None:
    """Write a decoder's folder, which exists; see `language_model_of`.

    Args:
        folder: where to.
        kind: of language model.
        characters: of the keyboard.
        costs: what was chosen.
        settings: the configuration's section `decode`.
        corpus: the text of `corpus`, which is copied, so that the folder is complete.
        chosen: on what the costs were chosen.
    """
    if kind == CORPUS and corpus is not None:
        (folder / CORPUS_FILE).write_text(read_text(corpus), encoding="utf-8")
    checkpoint = settings["checkpoint"]
    write_json(
        folder / DECODER_FILE,
        {
            "language_model": kind,
            "language": settings["language"] if kind == WORDS else None,
            "checkpoint": str(Path(checkpoint).absolute()) if kind == CAUSAL else None,
            "beam": settings["beam"],
            "costs": asdict(costs),
            "labels": list(characters.labels),
            "typed": list(characters.typed),
            "chosen": dict(chosen),
        },
    )


def load_decoder(folders: Sequence[Path], labels: Sequence[str]) -> SavedDecoder:
    """One decoder of the folders of several, which differ in what they were chosen on.

    Of each of the costs it takes the median.

    Args:
        folders: theirs.
        labels: of the model whose taps are decoded.

    Raises:
        Tap2keyError: not a decoder, or of other keys or another language model.
    """
    saved = [read_json(folder / DECODER_FILE) for folder in folders]
    first = saved[0]
    for folder, one in zip(folders, saved, strict=True):
        if one.get("labels") != list(labels):
            raise Tap2keyError(
                f"{folder}: a decoder of other keys than the model has; use one that was made for "
                "a model of this keyboard"
            )
        same = ("language_model", "language", "checkpoint", "typed")
        if any(one[name] != first[name] for name in same):
            raise Tap2keyError(
                f"{folder}: another language model than {folders[0]} has; use decoders of one"
            )
    characters = Characters(tuple(labels), tuple(first["typed"]))
    costs = Costs(**{name: median(one["costs"][name] for one in saved) for name in first["costs"]})
    corpus = folders[0] / CORPUS_FILE
    model = language_model_of(first["language_model"], characters.symbols, first, corpus)
    return SavedDecoder(characters, model, costs, first["beam"])
