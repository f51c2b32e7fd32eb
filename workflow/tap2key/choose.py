"""Stage `choose`: name the best experiment by validation scores alone, before any test is read."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev

from tap2key.errors import Tap2keyError
from tap2key.files import read_json
from tap2key.modelfolder import ABOUT_FILE
from tap2key.tables import write_table

COLUMNS = ("experiment", "models", "validation_weighted_f1", "sd_over_models", "chosen")
NOTE = (
    "Weighted F1 of the best epoch on each fold's validation people or sessions, mean over folds "
    "and seeds. Nothing of a held-out participant goes into it, so that their scores stay honest."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the stage's command line."""
    parser.add_argument(
        "--models",
        type=Path,
        nargs="+",
        required=True,
        help="models' folders, <experiment>/<fold>/seed-<n>, of experiments with the same folds",
    )
    parser.add_argument(
        "--output",
        type=Path,
        required=True,
        help="a .tsv; an .html of the same name goes beside it",
    )


def main(args: argparse.Namespace) -> None:
    """Write the experiments in order of their validation scores, and print the best one's name."""
    scores: dict[str, list[float]] = {}
    for folder in args.models:
        scores.setdefault(folder.parents[1].name, []).append(validation_score(folder))
    rows = ranked(scores)
    write_table(
        args.output.with_suffix(""), rows, COLUMNS, f"Chosen: {rows[0]['experiment']}", NOTE
    )
    print(f"chosen on validation scores: {rows[0]['experiment']}", file=sys.stderr)


def validation_score(model: Path) -> float:
    """What a model's folder says of its best epoch.

    Raises:
        Tap2keyError: it has no such score, as a forest has none.
    """
    found = read_json(model / ABOUT_FILE)["validation"].get("weighted_f1")
    if found is None:
        raise Tap2keyError(
            f"{model}: has no validation F1; give models that were trained in epochs"
        )
    return found


def ranked(scores: Mapping[str, Sequence[float]]) -> list[dict[str, object]]:
    """Experiments, the best first; of equals the first given."""
    ordered = sorted(scores, key=lambda name: -mean(scores[name]))
    return [
        {
            "experiment": name,
            "models": len(scores[name]),
            "validation_weighted_f1": f"{mean(scores[name]):.4f}",
            "sd_over_models": f"{stdev(scores[name]):.4f}" if len(scores[name]) > 1 else None,
            "chosen": "yes" if name == ordered[0] else "no",
        }
        for name in ordered
    ]
