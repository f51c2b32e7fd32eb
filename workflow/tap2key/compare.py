"""Stage `compare`: the summaries of several experiments side by side."""

import argparse
from pathlib import Path
from statistics import mean, stdev

from tap2key.files import read_json, read_tsv
from tap2key.plot_curves import draw_comparison
from tap2key.tables import formatted, write_table

COLUMNS = (
    *("experiment", "held_out", "participants", "taps", "accuracy", "macro_f1"),
    *("macro_f1_sd_over_participants", "worst_macro_f1", "worst_participant"),
)

NOTE = (
    "Means over participants; macro-F1 weights all keys alike. Where held out is no, the "
    "participants were also heard in training."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the stage's command line."""
    parser.add_argument(
        "--summaries", type=Path, nargs="+", required=True, help="folders of the summarize stage"
    )
    parser.add_argument(
        "--output",
        type=Path,
        help="a .tsv; .html, .png and .pdf go beside it (default: only print)",
    )


def main(args: argparse.Namespace) -> None:
    """Print every experiment's participants and one table over experiments; write the latter."""
    rows = [experiment_row(folder) for folder in args.summaries]
    for folder in args.summaries:
        held_out = read_json(folder / "summary.json")["held_out"]
        print(f"\n{folder.name}: participants {'held out' if held_out else 'NOT held out'}")
        print_table(read_tsv(folder / "participants.tsv"))
    print("\nExperiments")
    print_table([formatted(row) for row in rows])
    if args.output is not None:
        stem = args.output.with_suffix("")
        write_table(stem, [formatted(row) for row in rows], COLUMNS, "Experiments", NOTE)
        draw_comparison(stem, {f.name: macro_f1_of(f) for f in args.summaries}, "macro-F1")


def experiment_row(folder: Path) -> dict:
    """Mean, spread and worst participant of one experiment's summary."""
    people = read_tsv(folder / "participants.tsv", required=["participant", "macro_f1"])[:-1]
    macro = macro_f1_of(folder)
    worst = min(people, key=lambda row: float(row["macro_f1"]))
    return {
        "experiment": folder.name,
        "held_out": "yes" if read_json(folder / "summary.json")["held_out"] else "no",
        "participants": len(people),
        "taps": sum(int(row["taps"]) for row in people),
        "accuracy": mean(float(row["accuracy"]) for row in people),
        "macro_f1": mean(macro),
        "macro_f1_sd_over_participants": stdev(macro) if len(macro) > 1 else None,
        "worst_macro_f1": min(macro),
        "worst_participant": worst["participant"],
    }


def macro_f1_of(folder: Path) -> list[float]:
    """The macro-F1 of each participant of one experiment's summary."""
    rows = read_tsv(folder / "participants.tsv", required=["macro_f1"])
    return [float(row["macro_f1"]) for row in rows[:-1]]


def print_table(rows: list[dict]) -> None:
    """Print rows in aligned columns."""
    columns = list(rows[0])
    cells = [columns, *([str("" if r[c] is None else r[c]) for c in columns] for r in rows)]
    widths = [max(len(line[at]) for line in cells) for at in range(len(columns))]
    for line in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)))
