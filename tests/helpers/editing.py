"""How far a text is from what was meant: the fewest edits, by kind."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Edits:
    """What turns the meant text into the found one, and the meant text's length."""

    substitutions: int
    insertions: int
    deletions: int
    length: int

    @property
    def rate(self) -> float:
        """The character error rate."""
        return (self.substitutions + self.insertions + self.deletions) / self.length

    def __add__(self, other: "Edits") -> "Edits":
        """Of both texts together."""
        names = ("substitutions", "insertions", "deletions", "length")
        return Edits(*(getattr(self, name) + getattr(other, name) for name in names))


def edits(meant: Sequence[str], found: Sequence[str]) -> Edits:
    """Levenshtein's distance by kind; among equally short ways, the one with most substitutions."""
    cost = np.zeros((len(meant) + 1, len(found) + 1), dtype=int)
    cost[:, 0], cost[0] = range(len(meant) + 1), range(len(found) + 1)
    for i, wanted in enumerate(meant, start=1):
        for j, got in enumerate(found, start=1):
            replaced = cost[i - 1, j - 1] + (wanted != got)
            cost[i, j] = min(replaced, cost[i - 1, j] + 1, cost[i, j - 1] + 1)
    i, j = len(meant), len(found)
    substitutions = insertions = deletions = 0
    while i or j:
        differs = bool(i and j) and meant[i - 1] != found[j - 1]
        if i and j and cost[i, j] == cost[i - 1, j - 1] + differs:
            substitutions += differs
            i, j = i - 1, j - 1
        elif i and cost[i, j] == cost[i - 1, j] + 1:
            deletions += 1
            i -= 1
        else:
            insertions += 1
            j -= 1
    return Edits(substitutions, insertions, deletions, len(meant))
