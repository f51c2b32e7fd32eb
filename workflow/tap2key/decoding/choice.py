"""Which costs decode best, chosen on recordings that neither trained the model nor are tested."""

from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, replace

from tap2key.decoding.beam import USUAL_BEAM, Costs, Decoder
from tap2key.decoding.characters import Characters
from tap2key.decoding.heard import Heard, end_of_phrase
from tap2key.decoding.language_model import LanguageModel
from tap2key.decoding.text_entry import Entered, count_recording, total

# Tried one after another, each with the best of the others so far.
TRIED = {
    "spread": (0.0, 0.5, 1.0),
    "weight": (0.15, 0.3, 0.45, 0.6, 0.9),
    "invented": (4.0, 6.0, 9.0, 13.0),
    "missed": (4.0, 7.0, 10.0),
}
# Without a language model no character can be told that was missed.
WITHOUT_LANGUAGE = Costs(weight=0.0, spread=0.0)


@dataclass(frozen=True)
class Tried:
    """Costs and what they lead to: the minimum string distance, summed over recordings."""

    costs: Costs
    distance: int
    asked: int


def choose_costs(
    characters: Characters,
    language_model: LanguageModel,
    start: Costs,
    recordings: Sequence[Heard],
    beam: int = USUAL_BEAM,
) -> tuple[Costs, list[Tried]]:
    """The costs of the fewest wrong characters; of equal ones those that were tried first.

    Args:
        characters: of the keyboard.
        language_model: see `Decoder`.
        start: what is tried first, and taken where no recordings are given.
        recordings: with known texts, of people on whom nothing else is measured.
        beam: see `Decoder`.

    Returns:
        The costs, and all that were tried.
    """
    if not recordings:
        return start, []
    tried: dict[tuple, Tried] = {}

    def attempt(costs: Costs) -> Tried:
        key = astuple(costs)
        if key not in tried:
            tried[key] = _tried(characters, language_model, costs, recordings, beam)
        return tried[key]

    best = attempt(start)
    for name, values in _turns(start):
        for value in values:
            one = attempt(replace(best.costs, **{name: value}))
            if one.distance < best.distance:
                best = one
    return best.costs, list(tried.values())


def _turns(start: Costs) -> Iterator[tuple[str, tuple[float, ...]]]:
    if start.weight == 0:
        yield "invented", TRIED["invented"]
        return
    yield from TRIED.items()


def _tried(
    characters: Characters,
    language_model: LanguageModel,
    costs: Costs,
    recordings: Sequence[Heard],
    beam: int,
) -> Tried:
    end = end_of_phrase(characters)
    texts = (decoded_of(each, characters, language_model, costs, beam) for each in recordings)
    counts = total(
        count_recording(each.phrases, text, end)[0]
        for each, text in zip(recordings, texts, strict=True)
    )
    wrong = counts.substitutions + counts.insertions + counts.deletions
    return Tried(costs, wrong, counts.asked)


def decoded_of(
    heard: Heard,
    characters: Characters,
    language_model: LanguageModel,
    costs: Costs,
    beam: int = USUAL_BEAM,
) -> list[Entered]:
    """The decoded text of a recording."""
    decoder = Decoder(characters, language_model, costs, beam)
    found = decoder.read(heard.time_s, heard.log_probabilities)
    return [Entered(each.text, each.time_s) for each in found]
