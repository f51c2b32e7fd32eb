"""Stage `summarize`: one experiment's held-out participants in one table and one picture."""

import argparse
import sys
from pathlib import Path
from statistics import mean, stdev

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tap2key.config import SHIPPED_KEYBOARD
from tap2key.confusion import read_confusion
from tap2key.errors import Tap2keyError
from tap2key.files import atomic_folder, read_json, write_json
from tap2key.findings import read_predictions, write_findings
from tap2key.keyboard import load_keyboard
from tap2key.places import places_of
from tap2key.provenance import write_provenance
from tap2key.scores import label_scores
from tap2key.tables import formatted, write_table

COLUMNS = (
    *("participant", "taps", "seeds"),
    *("accuracy", "macro_f1", "weighted_f1", "macro_f1_sd_over_seeds"),
)
SCORES = ("accuracy", "macro_f1", "weighted_f1")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the stage's command line."""
    parser.add_argument("--experiment", required=True, help="its name, for titles")
    parser.add_argument(
        "--evaluations", type=Path, nargs="+", required=True, help="folders of the evaluate stage"
    )
    parser.add_argument("--output", type=Path, required=True, help="folder for the summary")
    parser.add_argument(
        "--keyboard", type=Path, default=SHIPPED_KEYBOARD, help="key centres, for the keyboard map"
    )


def main(args: argparse.Namespace) -> None:
    """Write participants.tsv, and of all participants together what evaluate writes of each."""
    metrics = [read_json(folder / "metrics.json") for folder in args.evaluations]
    held_out = all(m["held_out"] for m in metrics)
    rows = participant_rows(
        [
            (m["seed"], pq.read_table(folder / "predictions.parquet"))
            for folder, m in zip(args.evaluations, metrics, strict=True)
        ]
    )
    counts, labels = pooled_confusion(args.evaluations)
    predictions = [read_predictions(f / "predictions.parquet") for f in args.evaluations]
    truth, probabilities = (np.concatenate([p[at] for p in predictions]) for at in (0, 1))
    average = rows[-1]
    who = "held-out participants" if held_out else "participants, none of them held out"
    with atomic_folder(args.output) as temporary:
        write_table(
            temporary / "participants",
            [formatted(row) for row in rows],
            COLUMNS,
            f"{args.experiment}: participants",
            f"Scores of {who}, averaged over seeds, then their mean.",
        )
        write_json(
            temporary / "summary.json", {"experiment": args.experiment, "held_out": held_out}
        )
        write_findings(
            temporary,
            counts,
            truth,
            probabilities,
            places_of(load_keyboard(args.keyboard), labels),
            f"{args.experiment}: {len(rows) - 1} {who}, "
            f"mean accuracy {average['accuracy']:.3f}, mean macro-F1 {average['macro_f1']:.3f}",
        )
        write_provenance(
            temporary,
            "tap2key.summarize",
            {"experiment": args.experiment},
            [folder / "metrics.json" for folder in args.evaluations],
            ("numpy", "matplotlib"),
        )
    print(f"{args.output}: {len(rows) - 1} {who}", file=sys.stderr)


def participant_rows(evaluations: list[tuple[int, pa.Table]]) -> list[dict]:
    """One row per participant, averaged over seeds, then the mean over participants.

    Args:
        evaluations: the seed and the predictions of each. A participant whose taps are spread over
            several folds is scored on all of them together.
    """
    runs: dict[str, dict[int, list[tuple[str, str]]]] = {}
    for seed, table in evaluations:
        columns = (table[name].to_pylist() for name in ("participant", "truth", "prediction"))
        for participant, truth, prediction in zip(*columns, strict=True):
            runs.setdefault(participant, {}).setdefault(seed, []).append((truth, prediction))
    rows = []
    for participant, by_seed in sorted(runs.items()):
        scored = [label_scores(*zip(*pairs, strict=True)) for pairs in by_seed.values()]
        taps = len(next(iter(by_seed.values())))
        row = {"participant": participant, "taps": taps, "seeds": len(scored)}
        row.update({score: mean(run[score] for run in scored) for score in SCORES})
        macro = [run["macro_f1"] for run in scored]
        row["macro_f1_sd_over_seeds"] = stdev(macro) if len(macro) > 1 else None
        rows.append(row)
    average = {"participant": "mean", "taps": sum(row["taps"] for row in rows)}
    average["seeds"] = max(row["seeds"] for row in rows)
    average.update({score: mean(row[score] for row in rows) for score in SCORES})
    return [*rows, average]


def pooled_confusion(evaluations: list[Path]) -> tuple[np.ndarray, list[str]]:
    """The confusion counts of all evaluations together, and the keys."""
    total, labels = read_confusion(evaluations[0] / "confusion.tsv")
    for folder in evaluations[1:]:
        counts, keys = read_confusion(folder / "confusion.tsv")
        if keys != labels:
            raise Tap2keyError(f"{folder}: has other keys than {evaluations[0]}; evaluate anew")
        total = total + counts
    return total, labels
