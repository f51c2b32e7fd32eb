"""Stage `learning-curves`: the learning curves of an experiment's models in one picture."""

import argparse
from pathlib import Path

from tap2key.core.files import read_tsv
from tap2key.core.log import log
from tap2key.core.output_guard import stem_of
from tap2key.core.provenance_beside import check_files_with_provenance, write_provenance_beside
from tap2key.reports.plot_curves import draw_learning

HISTORY = "history.tsv"
DRAWN = ("epoch", "loss", "eval_loss", "eval_weighted_f1")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the stage's command line."""
    parser.add_argument("--experiment", required=True, help="its name, for the title")
    parser.add_argument("--models", type=Path, nargs="+", required=True, help="models' folders")
    parser.add_argument(
        "--output", type=Path, required=True, help="a .png; a .pdf of the same name goes beside it"
    )


def main(args: argparse.Namespace) -> None:
    """Draw every model's history."""
    files = check_files_with_provenance(args, (".png", ".pdf"))
    histories = {}
    for folder in args.models:
        rows = read_tsv(folder / HISTORY, required=DRAWN)
        name = f"{folder.parent.name}, {folder.name}"
        histories[name] = {c: [float(row[c] or "nan") for row in rows] for c in DRAWN}
    draw_learning(stem_of(args.output), histories, f"{args.experiment}: learning curves")
    write_provenance_beside(
        files,
        "learning-curves",
        __name__,
        {"experiment": args.experiment},
        [folder / HISTORY for folder in args.models],
        ("matplotlib",),
    )
    log.info(f"{args.output}: {len(histories)} models")
