"""Stage `adaptation-curve`: an experiment's scores by what its models learned of a session."""

import argparse
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tap2key.comparison.intervals import mean_interval
from tap2key.core.files import read_tsv
from tap2key.core.folders import atomic_folder
from tap2key.core.html_tables import formatted, write_table
from tap2key.core.log import log
from tap2key.core.output_guard import check_output_folder
from tap2key.core.provenance import write_provenance
from tap2key.evaluation.adaptation import ADAPTATION_FILE, LEARNED_FROM, UNLABELLED
from tap2key.evaluation.participant_scores import spread
from tap2key.reports.plot_curves import draw_adaptation

SCORES = ("accuracy", "macro_f1")
NUMBERS = ("labelled", "unlabelled", "tested")
COLUMNS = (
    *("participant", "learned_from", "taps_per_key", "labelled", "unlabelled", "tested"),
    *("accuracy", "accuracy_sd_over_seeds", "macro_f1"),
    *("accuracy_low", "accuracy_high", "macro_f1_low", "macro_f1_high"),
)
NOTE = (
    "The first taps of each key in a session that is held out are labelled, and the model is "
    "adapted for that session with them; it is scored on the session's later recordings, each tap "
    "once, the same ones in every row. The earlier half of a session's recordings gives the "
    "labelled taps; a session with one recording is halved by its taps. Nothing: the model as it "
    "is. Unlabelled: a network that learned from all taps of the earlier half and from no label; "
    "where it is sure of too few, it is left as it is. Labelled, unlabelled and tested: taps, over "
    "all sessions. Of a key with too few taps all are labelled. Where several folds test sessions "
    "of one person, scores are means weighted by tested taps. Low and high: 95 % interval of the "
    "mean over participants (Student's t, with the variance from seeds added); one participant has "
    "none."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the stage's command line."""
    parser.add_argument("--experiment", required=True, help="its name, for titles")
    parser.add_argument(
        "--adaptations", type=Path, nargs="+", required=True, help="folders of adaptation-scores"
    )
    parser.add_argument("--output", type=Path, required=True, help="folder for the results")


def main(args: argparse.Namespace) -> None:
    """Write curve.{tsv,html,png,pdf}."""
    check_output_folder(args, "adaptation-curve", shared=True)
    drawn = [
        row
        for folder in args.adaptations
        for row in read_tsv(folder / ADAPTATION_FILE, required=("seed", "learned_from", *SCORES))
    ]
    people = by_participant(drawn)
    means = mean_rows(people)
    with atomic_folder(args.output, "adaptation-curve") as temporary:
        write_table(
            temporary / "curve",
            [formatted(row) for row in [*people, *means]],
            COLUMNS,
            f"{args.experiment}: accuracy after adaptation",
            NOTE,
        )
        draw_adaptation(
            temporary / "curve",
            [
                row["learned_from"] if row["taps_per_key"] is None else str(row["taps_per_key"])
                for row in means
            ],
            {
                person: [row["accuracy"] for row in people if row["participant"] == person]
                for person in sorted({row["participant"] for row in people})
            },
            [row["accuracy"] for row in means],
            [row["accuracy_low"] for row in means],
            [row["accuracy_high"] for row in means],
            f"{args.experiment}: adapted with a few taps of the session",
        )
        write_provenance(
            temporary,
            "adaptation-curve",
            __name__,
            {"experiment": args.experiment},
            [folder / ADAPTATION_FILE for folder in args.adaptations],
            ("numpy", "matplotlib"),
        )
    log.info(f"{args.output}: {len(args.adaptations)} models")


def by_participant(drawn: list[dict[str, str]]) -> list[dict]:
    """Means over seeds, by participant and what their models learned from.

    Of a person whose sessions several folds test the scores are means, weighted by tested taps.
    """
    groups: dict[tuple, dict[str, list[dict[str, str]]]] = defaultdict(lambda: defaultdict(list))
    for one in drawn:
        groups[one["participant"], *_order(one)][one["seed"]].append(one)
    rows = []
    for (person, way, count), seeds in sorted(groups.items()):
        row: dict = {"participant": person, "learned_from": LEARNED_FROM[way]}
        row["taps_per_key"] = None if LEARNED_FROM[way] == UNLABELLED else count
        for name in NUMBERS:
            row[name] = round(sum(int(r[name]) for of in seeds.values() for r in of) / len(seeds))
        for name in SCORES:
            scores = {seed: _over_folds(folds, name) for seed, folds in seeds.items()}
            row |= {name: float(np.mean([*scores.values()])), f"{name}_of_seeds": scores}
        row["accuracy_sd_over_seeds"] = spread([*row["accuracy_of_seeds"].values()])
        rows.append(row)
    return rows


def _over_folds(folds: Sequence[Mapping[str, str]], score: str) -> float:
    tested = [int(row["tested"]) for row in folds]
    return float(np.average([float(row[score]) for row in folds], weights=tested))


def mean_rows(people: list[dict]) -> list[dict]:
    """Means over participants with their intervals, by what their models learned from."""
    groups: dict[tuple[int, int], list[dict]] = defaultdict(list)
    for one in people:
        groups[_order(one)].append(one)
    rows = []
    for _, own in sorted(groups.items()):
        row: dict = {"participant": "mean"}
        row |= {name: own[0][name] for name in ("learned_from", "taps_per_key")}
        row |= {name: sum(r[name] for r in own) for name in NUMBERS}
        for name in SCORES:
            row[name] = float(np.mean([r[name] for r in own]))
            interval = mean_interval([r[f"{name}_of_seeds"] for r in own])
            row[f"{name}_low"], row[f"{name}_high"] = interval
        rows.append(row)
    return rows


def _order(row: Mapping[str, Any]) -> tuple[int, int]:
    """Where a row comes: as the model is, without labels, by labelled taps per key."""
    return LEARNED_FROM.index(row["learned_from"]), int(row["taps_per_key"] or 0)
