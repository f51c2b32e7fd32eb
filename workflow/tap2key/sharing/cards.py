"""Stage `cards`: a model card in the folder of each of an experiment's models."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from tap2key.core.errors import Tap2keyError
from tap2key.core.files import read_json, read_tsv, write_tsv
from tap2key.core.folders import atomic_folder
from tap2key.core.log import log
from tap2key.core.output_guard import check_output_folder
from tap2key.core.provenance import FILE_NAME, write_provenance
from tap2key.evaluation.participant_scores import SUMMARY_FILE
from tap2key.models.model_folder import MODEL_METADATA_FILE
from tap2key.sharing.card_file import CARD_FILE, check_card, edited_card, put_card
from tap2key.sharing.model_card import model_card
from tap2key.training.search import SEARCH_FILE

COLUMNS = ("model", "card", "macro_f1", "held_out")
KEPT = "kept, edited"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the stage's command line."""
    parser.add_argument(
        "--models",
        type=Path,
        nargs="+",
        required=True,
        help="models' folders, <experiment>/<fold>/seed-<n>",
    )
    parser.add_argument(
        "--evaluations",
        type=Path,
        nargs="+",
        required=True,
        help="these models' folders of the evaluate stage, in the same order",
    )
    parser.add_argument(
        "--summary", type=Path, required=True, help="the experiment's folder of summarize"
    )
    parser.add_argument("--simulated", action="store_true", help="say that the study is simulated")
    parser.add_argument(
        "--output", type=Path, required=True, help="folder for the list of the cards"
    )


def main(args: argparse.Namespace) -> None:
    """Write README.md into every model's folder, unless somebody edited it, then cards.tsv."""
    check_output_folder(args, "cards")
    if len(args.models) != len(args.evaluations):
        raise Tap2keyError(
            f"cards: {len(args.models)} models but {len(args.evaluations)} evaluations; give each "
            "model's own"
        )
    summary = read_json(args.summary / SUMMARY_FILE)
    rows: list[dict[str, str]] = []
    cards: dict[Path, str] = {}
    for folder, evaluation in zip(args.models, args.evaluations, strict=True):
        metrics = read_json(evaluation / "metrics.json")
        metadata = read_json(folder / MODEL_METADATA_FILE)
        settings, fold = read_json(folder / FILE_NAME)["settings"], folder.parent.name
        tried = folder / SEARCH_FILE
        candidates = len(read_tsv(tried)) if tried.exists() else None
        about = (metadata, settings, metrics, summary, fold, args.simulated, candidates)
        card = str(model_card(*about))
        check_card(folder, card)
        kept = edited_card(folder, card) is not None
        if not kept:
            cards[folder] = card
        rows.append(
            {
                "model": f"{fold}/{folder.name}",
                "card": KEPT if kept else CARD_FILE,
                "macro_f1": f"{metrics['macro_f1']:.4f}",
                "held_out": "yes" if metrics["held_out"] else "no",
            }
        )
    for folder, card in cards.items():
        put_card(folder, card)
    if edited := [folder / CARD_FILE for folder in args.models if folder not in cards]:
        log.warning(
            f"{', '.join(map(str, edited))}: edited, so kept as it is; to have one with the scores "
            "of now, move it away and start again"
        )
    with atomic_folder(args.output, "cards") as temporary:
        write_tsv(temporary / "cards.tsv", rows, COLUMNS)
        write_provenance(
            temporary,
            "cards",
            __name__,
            {"experiment": summary["experiment"], "simulated": args.simulated},
            [args.summary / SUMMARY_FILE, *_metrics(args.evaluations)],
            ("huggingface_hub",),
        )
    log.info(f"{args.output}: {len(cards)} cards")


def _metrics(evaluations: Sequence[Path]) -> list[Path]:
    return [folder / "metrics.json" for folder in evaluations]
