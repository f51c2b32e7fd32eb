"""How a model came by its probabilities, as far as they tell where on a key a tap was."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Softness:
    """What made a network's or a forest's probabilities as broad or narrow as they are.

    `temperature` is what its logits, of a forest the logarithms of its votes, are divided by to
    make it as sure as it is right; what is surely one key's no longer tells where on the key, so
    places are told from before. A network's weights hold it already. `sd_mm` is the standard
    deviation of the soft labels that a network learned, 0 of labels alone.
    """

    temperature: float = 1.0
    sd_mm: float = 0.0


ONLY_LABELS = Softness()
