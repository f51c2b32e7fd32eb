"""Whether models of different kinds name more keys rightly together than each of them alone.

    python tests/benchmark/averages.py --results FOLDER --experiments NAME NAME …

The probabilities that finished experiments gave the same taps are averaged, as `predict --models`
does with models that it is given together: of every two of the experiments and of all of them. It
prints macro-F1 and accuracy of each and of each average, and how much an average's macro-F1 exceeds
that of each experiment, with 95 % intervals over the participants. It asserts nothing.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from statistics import mean

import numpy as np
import pandas as pd

from tap2key.comparison.intervals import mean_interval, mean_of_seeds
from tap2key.comparison.significance import paired_test
from tap2key.comparison.summaries import Compared
from tap2key.core.errors import Tap2keyError
from tap2key.evaluation.metrics import measures
from tap2key.evaluation.predictions import Predictions, concatenated, read_predictions

# What each seed's models say of all folds' taps.
Answers = dict[str, Predictions]


def answers_of(results: Path, experiment: str) -> Answers:
    """An experiment's predictions, by seed; taps in one order, whatever was evaluated first.

    Raises:
        Tap2keyError: there are none.
    """
    folder = results / "evaluations" / experiment
    found: dict[str, list[Predictions]] = {}
    for file in sorted(folder.glob("*/seed-*/predictions.parquet")):
        found.setdefault(file.parent.name, []).append(read_predictions(file))
    if not found:
        raise Tap2keyError(f"{folder}: no predictions; run the experiment first")
    return {seed: in_order(concatenated(parts)) for seed, parts in found.items()}


def in_order(found: Predictions) -> Predictions:
    """The same predictions, by participant, session, recording and tap."""
    return found.at(sorted(range(len(found.identity)), key=lambda row: found.identity[row]))


def average(members: Sequence[Answers], names: Sequence[str]) -> Answers:
    """Of the seeds that all have, the mean of their probabilities.

    Raises:
        Tap2keyError: they have no seed in common, or named different taps or keys.
    """
    seeds = [seed for seed in members[0] if all(seed in member for member in members)]
    together = {}
    for seed in seeds:
        parts = [member[seed] for member in members]
        if len({(part.identity, part.labels) for part in parts}) > 1:
            raise Tap2keyError(
                f"{' and '.join(names)}: did not test the same taps; compare experiments of one "
                "split, all of whose folds are done"
            )
        probabilities = np.mean([part.probabilities for part in parts], axis=0)
        together[seed] = replace(parts[0], probabilities=probabilities)
    if not together:
        raise Tap2keyError(f"{' and '.join(names)}: no seed in common; evaluate one for both")
    return together


def scored(name: str, answers: Answers) -> tuple[Compared, float]:
    """Macro-F1 of every participant, by seed, and the mean accuracy."""
    people: dict[str, dict[str, float]] = {}
    accuracies = []
    for seed, found in answers.items():
        for person in dict.fromkeys(key[0] for key in found.identity):
            own = found.of(person)
            measured = measures(own.truth, own.probabilities, own.labels)
            people.setdefault(person, {})[seed] = measured["macro_f1"]
            accuracies.append(measured["accuracy"])
    return Compared(name, people, len(answers), None, None), mean(accuracies)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, required=True, help="results of a finished study")
    parser.add_argument("--experiments", required=True, nargs="+", help="that tested the same taps")
    args = parser.parse_args()
    alone = {name: answers_of(args.results, name) for name in args.experiments}
    sizes = {1, 2, len(alone)}
    rows, gains, single = [], [], {}
    for names in (each for size in sorted(sizes) for each in combinations(alone, size)):
        title = " + ".join(names)
        experiment, accuracy = scored(title, average([alone[name] for name in names], names))
        scores = {person: mean_of_seeds(runs) for person, runs in experiment.people.items()}
        low, high = mean_interval(list(experiment.people.values()))
        worst = min(scores, key=lambda person: scores[person])
        rows.append(
            {
                "experiments": title,
                "macro_f1": mean(scores.values()),
                **{"low": low, "high": high, "worst": scores[worst]},
                **{"participant": worst, "accuracy": accuracy},
            }
        )
        if len(names) == 1:
            single[title] = experiment
            continue
        for name in alone:
            test = paired_test(experiment, single[name])
            gains.append(
                {
                    "average": title,
                    "more_than": name,
                    **{"macro_f1": test.mean_difference, "low": test.low, "high": test.high},
                }
            )
    for table in (rows, gains):
        print(pd.DataFrame(table).to_string(index=False, float_format="%.3f"), end="\n\n")


if __name__ == "__main__":
    main()
