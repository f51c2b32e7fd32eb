"""Stage `power`: which differences a study can show, by how many people take part."""

import argparse

import numpy as np

from tap2key.comparison.intervals import LEVEL
from tap2key.comparison.signed_ranks import null_distribution
from tap2key.comparison.significance import fewest_participants
from tap2key.core.errors import Tap2keyError

STUDIES = 10_000
SEED = 0
WANTED = 0.8
EFFECTS = (0.5, 0.8, 1.2, 2.0)
MOST_PARTICIPANTS = 200
# As large as any effect that is worth asking for.
LARGEST_EFFECT = 10.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the stage's command line."""
    parser.add_argument(
        "--participants", type=int, nargs="+", default=[6, 12, 24], help="how many people"
    )
    parser.add_argument(
        "--comparisons",
        type=int,
        nargs="+",
        default=[1, 6],
        help="how many comparisons a family has, which Holm corrects for",
    )


def main(args: argparse.Namespace) -> None:
    """Print the power of the exact test of one comparison, the first that Holm corrects."""
    for option in ("participants", "comparisons"):
        for given in getattr(args, option):
            if not 1 <= given <= MOST_PARTICIPANTS:
                raise Tap2keyError(
                    f"--{option} is {given}; it must be from 1 to {MOST_PARTICIPANTS}"
                )
    print("participants\tcomparisons\tneeds_participants", end="")
    print("".join(f"\tpower_dz_{effect:g}" for effect in EFFECTS), end="")
    print(f"\tdz_for_power_{WANTED:g}")
    for comparisons in args.comparisons:
        needed = fewest_participants(comparisons)
        for participants in args.participants:
            found = [f"{power(participants, comparisons, effect):.2f}" for effect in EFFECTS]
            least = smallest_effect(participants, comparisons)
            cells = [participants, comparisons, needed, *found, f"{least:.2f}" if least else ""]
            print("\t".join(map(str, cells)))


def critical_sum(participants: int, level: float) -> int | None:
    """The least sum of the ranks of one sign that is significant in the exact two-sided test.

    None where not even differences of one sign are significant.
    """
    probable = null_distribution(range(1, participants + 1))
    tail = np.cumsum(probable[::-1])[::-1]
    significant = np.flatnonzero(2 * tail < level)
    return int(significant[0]) if len(significant) else None


def power(participants: int, comparisons: int, effect: float) -> float:
    """How probable it is that the exact test of one of several comparisons is significant.

    The participants' differences are normal; the test is at the level that Holm's correction sets
    for the smallest p of the family, as if no other comparison were significant. It is the share
    of 10,000 simulated studies.

    Args:
        participants: how many.
        comparisons: in the family.
        effect: Cohen's d_z: the mean difference by the differences' standard deviation.
    """
    least = critical_sum(participants, (1 - LEVEL) / comparisons)
    if least is None:
        return 0.0
    return float(np.mean(_sums(participants, effect) >= least))


def smallest_effect(participants: int, comparisons: int) -> float | None:
    """The least d_z whose power is 0.8, to two decimals; None where no effect has it."""
    if power(participants, comparisons, LARGEST_EFFECT) < WANTED:
        return None
    low, high = 0.0, LARGEST_EFFECT
    while high - low > 0.005:
        middle = (low + high) / 2
        low, high = (
            (low, middle) if power(participants, comparisons, middle) >= WANTED else (middle, high)
        )
    return high


def _sums(participants: int, effect: float) -> np.ndarray:
    """The larger sum of ranks of either sign, in each simulated study."""
    rng = np.random.default_rng(SEED)
    differences = rng.normal(effect, 1, (STUDIES, participants))
    ranks = 1 + np.abs(differences).argsort(axis=1).argsort(axis=1)
    positive = np.where(differences > 0, ranks, 0).sum(axis=1)
    return np.maximum(positive, ranks.sum(axis=1) - positive)
