"""Stage `fetch`: bring a pretrained checkpoint from the model hub, for nodes without a network."""

import argparse
from pathlib import Path

from safetensors import SafetensorError
from transformers import Wav2Vec2Config, Wav2Vec2ForSequenceClassification, Wav2Vec2Model

from tap2key.core.errors import Tap2keyError, first_line
from tap2key.core.folders import atomic_folder
from tap2key.core.log import log
from tap2key.core.output_guard import check_output_folder
from tap2key.core.provenance import write_provenance
from tap2key.models.divergence import check_weights
from tap2key.models.hub import FETCHING, cached_commit, revision_of

CLASSIFIER = Wav2Vec2ForSequenceClassification
PACKAGES = ("torch", "transformers", "huggingface-hub")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the stage's command line."""
    parser.add_argument("--checkpoint", required=True, help="its name on the model hub")
    parser.add_argument(
        "--revision",
        nargs="?",
        help="its commit, tag or branch (default: the one that this version pins, else main)",
    )
    parser.add_argument("--output", type=Path, required=True, help="the folder to write")


def main(args: argparse.Namespace) -> None:
    """Fetch a checkpoint and write it as safetensors, which hold nothing that could run.

    Its provenance.json says which repository and revision was asked for and which commit came.
    """
    asked = revision_of(args.checkpoint, args.revision)
    given = Path(args.checkpoint)
    check_output_folder(args, "fetch", [("--checkpoint", given)] if given.exists() else [])
    try:
        found = Wav2Vec2Config.from_pretrained(args.checkpoint, revision=asked)
        commit = None if given.exists() else cached_commit(args.checkpoint, asked)
        classifies = CLASSIFIER.__name__ in (found.architectures or [])
        kind = CLASSIFIER if classifies else Wav2Vec2Model
        # A branch may have moved on since its configuration came.
        model = kind.from_pretrained(args.checkpoint, revision=commit or asked)
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise Tap2keyError(
            f"model.checkpoint {args.checkpoint}, revision {asked}: {first_line(error)}; "
            "run this rule where there is a network (snakemake --until pretrained), or give a "
            "folder"
        ) from error
    check_weights(model, f"model.checkpoint {args.checkpoint}")
    with atomic_folder(args.output, "fetch") as temporary:
        model.save_pretrained(temporary)
        origin = {"checkpoint": args.checkpoint, "revision": asked, "commit": commit}
        inputs = [given] if given.exists() else []
        write_provenance(temporary, FETCHING, __name__, origin, inputs, PACKAGES)
    log.info(f"{args.output}: {args.checkpoint}, commit {commit or 'unknown'}")
