"""Stage `summarize`: one experiment's held-out participants in one table and one picture."""

import argparse
import sys
from pathlib import Path
from statistics import mean, stdev

import numpy as np

from tap2key.confusion import read_confusion, write_confusion
from tap2key.errors import Tap2keyError
from tap2key.files import atomic_folder, read_json, write_tsv
from tap2key.plots import draw_confusion
from tap2key.provenance import write_provenance

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


def main(args: argparse.Namespace) -> None:
    """Write participants.tsv, confusion.tsv and confusion.png."""
    by_participant: dict[str, list[dict]] = {}
    for folder in args.evaluations:
        metrics = read_json(folder / "metrics.json")
        if not metrics["held_out_by_model"]:
            raise Tap2keyError(
                f"{folder}: the model was trained on {metrics['participant']}; a summary is of "
                "held-out participants only"
            )
        by_participant.setdefault(metrics["participant"], []).append(metrics)
    rows = participant_rows(by_participant)
    counts, labels = pooled_confusion(args.evaluations)
    average = rows[-1]
    with atomic_folder(args.output) as temporary:
        write_tsv(temporary / "participants.tsv", [formatted(row) for row in rows], COLUMNS)
        write_confusion(temporary / "confusion.tsv", counts, labels)
        draw_confusion(
            temporary / "confusion.png",
            counts,
            labels,
            f"{args.experiment}: {len(by_participant)} held-out participants, "
            f"mean accuracy {average['accuracy']:.3f}, mean macro-F1 {average['macro_f1']:.3f}",
        )
        write_provenance(
            temporary,
            "tap2key.summarize",
            {"experiment": args.experiment},
            [folder / "metrics.json" for folder in args.evaluations],
            ("numpy", "matplotlib"),
        )
    print(f"{args.output}: {len(by_participant)} participants", file=sys.stderr)


def participant_rows(by_participant: dict[str, list[dict]]) -> list[dict]:
    """One row per participant, averaged over seeds, then the mean over participants."""
    rows = []
    for participant, runs in sorted(by_participant.items()):
        row = {"participant": participant, "taps": runs[0]["taps"], "seeds": len(runs)}
        row.update({score: mean(run[score] for run in runs) for score in SCORES})
        macro = [run["macro_f1"] for run in runs]
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


def formatted(row: dict) -> dict:
    """Scores with four decimals."""
    return {key: f"{v:.4f}" if isinstance(v, float) else v for key, v in row.items()}
