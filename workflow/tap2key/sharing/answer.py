"""Stage `answer`: the page that the report opens with, and what Snakemake shows beside it."""

import argparse
from pathlib import Path

import yaml

from tap2key.comparison.summaries import interval_of_mean, read_summary
from tap2key.core.errors import Tap2keyError
from tap2key.core.files import read_tsv
from tap2key.core.folders import atomic_folder
from tap2key.core.log import log
from tap2key.core.output_guard import check_output_folder
from tap2key.core.provenance import write_provenance
from tap2key.evaluation.participant_scores import SUMMARY_FILE
from tap2key.sharing.answer_page import answer_page
from tap2key.sharing.headline import Study, headline, study_line, warnings

# Those columns without which a table is of another version.
EXPERIMENT_COLUMNS = (
    *("experiment", "held_out", "participants", "taps", "models", "models_at_chance"),
    *("accuracy", "macro_f1", "macro_f1_low", "macro_f1_high"),
    *("worst_macro_f1", "worst_participant"),
)
TABLES = {
    "sessions": ("minutes", "taps", "matched"),
    "segmented_recordings": ("participant", "session", "status", "warnings"),
    "left_out": ("reason",),
    "compared_channels": ("verdict",),
}
COMPARISON_COLUMNS = ("participants", "needs_participants")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the stage's command line."""
    parser.add_argument(
        "--experiments",
        type=Path,
        required=True,
        help="the .tsv of the compare stage, its .png beside it",
    )
    parser.add_argument(
        "--summaries", type=Path, nargs="+", required=True, help="folders of the summarize stage"
    )
    parser.add_argument("--overview", type=Path, required=True, help="folder of the overview stage")
    parser.add_argument("--comparisons", type=Path, help="comparisons.tsv of the compare stage")
    parser.add_argument("--choice", type=Path, help="the .tsv of the choose stage")
    parser.add_argument("--simulated", action="store_true", help="say that the study is simulated")
    parser.add_argument("--output", type=Path, required=True, help="folder for the page")


def main(args: argparse.Namespace) -> None:
    """Write answer.html, and metadata.yaml for Snakemake's --report-metadata."""
    check_output_folder(args, "answer")
    experiments = read_tsv(args.experiments, EXPERIMENT_COLUMNS)
    if not experiments:
        raise Tap2keyError(f"{args.experiments}: no experiment in it; compare again")
    choice = [] if args.choice is None else read_tsv(args.choice, ("experiment", "chosen"))
    comparisons = [] if args.comparisons is None else read_tsv(args.comparisons, COMPARISON_COLUMNS)
    rows = [read_tsv(args.overview / f"{name}.tsv", own) for name, own in TABLES.items()]
    study = Study(*rows)
    folders = {folder.name: folder for folder in args.summaries}
    for row in experiments:
        if row["experiment"] not in folders:
            raise Tap2keyError(
                f"{args.experiments}: its {row['experiment']} is not among the --summaries; add it"
            )
    experiments = [exact(row, folders[row["experiment"]]) for row in experiments]
    best = headline(experiments, choice)
    name = best.row["experiment"]
    summary = folders[name]
    keys = len(read_tsv(summary / "confusion.tsv"))
    page = answer_page(
        best,
        experiments,
        keys,
        study_line(study),
        warnings(best, experiments, study, comparisons, args.simulated),
        args.experiments.with_suffix(".png"),
        summary / "confusion.png",
    )
    with atomic_folder(args.output, "answer") as temporary:
        (temporary / "answer.html").write_text(page, encoding="utf-8")
        # Without metadata the report opens with its graph of rules beside the answer; of a text,
        # Snakemake 9 would show how docutils parsed it, so there are numbers alone.
        tested = {"Tested participants": "participants", "Tested taps": "taps"}
        (temporary / "metadata.yaml").write_text(
            yaml.safe_dump({title: int(best.row[column]) for title, column in tested.items()}),
            encoding="utf-8",
        )
        tables = [args.experiments, *(args.overview / f"{table}.tsv" for table in TABLES)]
        write_provenance(
            temporary,
            "answer",
            __name__,
            {"experiment": name, "simulated": args.simulated},
            [
                *tables,
                *(table for table in (args.comparisons, args.choice) if table is not None),
                *(folder / SUMMARY_FILE for folder in args.summaries),
                summary / "confusion.png",
            ],
            (),
        )
    log.info(f"{args.output}: macro-F1 {float(best.row['macro_f1']):.3f} by {name}, {best.reason}")


def exact(row: dict[str, str], summary: Path) -> dict[str, str]:
    """A row of experiments.tsv with its scores unrounded: rounded twice, they may differ.

    Raises:
        Tap2keyError: see `read_summary`.
    """
    found = read_summary(summary)
    scores = [person["macro_f1"] for person in found["participants"]]
    low, high = interval_of_mean(found)
    numbers = {
        "macro_f1": found["mean"]["macro_f1"],
        "macro_f1_low": low,
        "macro_f1_high": high,
        "worst_macro_f1": min(scores),
    }
    return {**row, **{name: "" if n is None else repr(float(n)) for name, n in numbers.items()}}
