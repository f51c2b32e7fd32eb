"""The mutations by name, and in which order they may follow each other."""

from collections.abc import Callable
from dataclasses import dataclass

from benchmark.fuzz.mutant import Mutant

# A table names paths, so it is written when they stand; copies are made of what was changed.
CONTENTS, PLACES, TABLES = 0, 1, 2
MUTATIONS: dict[str, "Mutation"] = {}


@dataclass(frozen=True)
class Mutation:
    """`apply` changes a study and says in it what has to come of that."""

    name: str
    phase: int
    apply: Callable[[Mutant], None]


def mutation(phase: int) -> Callable:
    """Register a function, by its own name, as a mutation of this phase."""

    def register(function: Callable[[Mutant], None]) -> Callable[[Mutant], None]:
        MUTATIONS[function.__name__] = Mutation(function.__name__, phase, function)
        return function

    return register
