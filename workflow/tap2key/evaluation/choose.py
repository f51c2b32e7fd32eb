"""Stage `choose`: name the best experiment by validation scores alone, before any test is read."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from statistics import mean, stdev
from typing import NamedTuple

from tap2key.core.errors import Tap2keyError
from tap2key.core.files import read_json
from tap2key.core.html_tables import write_table
from tap2key.core.log import log
from tap2key.core.output_guard import check_output_files, stem_of
from tap2key.models.model_folder import ABOUT_FILE

COLUMNS = (
    *("experiment", "models", "validation_weighted_f1", "sd_over_models", "validated_by"),
    "chosen",
)
NOTE = (
    "Weighted F1 of the best epoch on each fold's validation people or sessions, mean over the "
    "folds and seeds that all experiments have (if there are none, over each one's own). Nothing "
    "of a held-out participant goes into it, so that their scores stay honest. An experiment that "
    "is validated on sessions of people it also trained on is not ranked with those that are "
    "validated on other people: its score is higher for that alone."
)
OTHER_PEOPLE = "participant"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the stage's command line."""
    parser.add_argument(
        "--models",
        type=Path,
        nargs="+",
        required=True,
        help="models' folders, <experiment>/<fold>/seed-<n>, of the experiments",
    )
    parser.add_argument(
        "--output",
        type=Path,
        required=True,
        help="a .tsv; an .html of the same name goes beside it",
    )


def main(args: argparse.Namespace) -> None:
    """Write the experiments in order of their validation scores, and print the best one's name."""
    check_output_files(args, (".tsv", ".html"))
    found: dict[str, dict[tuple[str, str], Validated]] = {}
    for folder in args.models:
        runs = found.setdefault(folder.parents[1].name, {})
        runs[folder.parent.name, folder.name] = validated(folder)
    rows = ranked(found)
    stem = stem_of(args.output)
    write_table(stem, rows, COLUMNS, f"Chosen: {rows[0]['experiment']}", NOTE)
    log.info(f"chosen on validation scores: {rows[0]['experiment']}")


class Validated(NamedTuple):
    """A model's validation score, and by what its validation set was chosen."""

    weighted_f1: float
    by: str


def validated(model: Path) -> Validated:
    """What a model's folder says of its best epoch.

    Raises:
        Tap2keyError: it has no such score, as a forest has none, or does not say by what.
    """
    about = read_json(model / ABOUT_FILE)
    score = about["validation"].get("weighted_f1")
    if score is None:
        raise Tap2keyError(
            f"{model}: has no validation F1; give models that were trained in epochs"
        )
    if "validated_by" not in about:
        raise Tap2keyError(
            f"{model / ABOUT_FILE}: an earlier version wrote it; train the model anew"
        )
    return Validated(score, about["validated_by"])


def ranked(found: Mapping[str, Mapping[tuple[str, str], Validated]]) -> list[dict[str, object]]:
    """Experiments, the best first; of equals the first given; those not comparable last.

    Args:
        found: by experiment, its models by fold and seed.
    """
    common = set.intersection(*(set(runs) for runs in found.values()))
    scores = {
        name: [score.weighted_f1 for run, score in runs.items() if run in common or not common]
        for name, runs in found.items()
    }
    by = {name: next(iter(runs.values())).by for name, runs in found.items()}
    kind = OTHER_PEOPLE if OTHER_PEOPLE in by.values() else next(iter(by.values()))
    ordered = sorted(found, key=lambda name: (by[name] != kind, -mean(scores[name])))
    return [
        {
            "experiment": name,
            "models": len(scores[name]),
            "validation_weighted_f1": f"{mean(scores[name]):.4f}",
            "sd_over_models": f"{stdev(scores[name]):.4f}" if len(scores[name]) > 1 else None,
            "validated_by": by[name],
            "chosen": ("yes" if name == ordered[0] else "no") if by[name] == kind else "not ranked",
        }
        for name in ordered
    ]
