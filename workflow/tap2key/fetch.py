"""Stage `fetch`: bring a pretrained checkpoint from the model hub, for nodes without a network."""

import argparse
from pathlib import Path

from transformers import Wav2Vec2Config, Wav2Vec2ForSequenceClassification, Wav2Vec2Model

from tap2key.errors import Tap2keyError
from tap2key.files import atomic_folder

CLASSIFIER = Wav2Vec2ForSequenceClassification


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the stage's command line."""
    parser.add_argument("--checkpoint", required=True, help="its name on the model hub")
    parser.add_argument("--output", type=Path, required=True, help="the folder to write")


def main(args: argparse.Namespace) -> None:
    """Fetch a checkpoint and write it as safetensors, which hold nothing that could run."""
    try:
        found = Wav2Vec2Config.from_pretrained(args.checkpoint)
        classifies = CLASSIFIER.__name__ in (found.architectures or [])
        kind = CLASSIFIER if classifies else Wav2Vec2Model
        model = kind.from_pretrained(args.checkpoint)
    except (OSError, ValueError, RuntimeError) as error:
        raise Tap2keyError(
            f"model.checkpoint {args.checkpoint}: {str(error).splitlines()[0]}; run this "
            "rule where there is a network (snakemake --until pretrained), or give a folder"
        ) from error
    with atomic_folder(args.output) as temporary:
        model.save_pretrained(temporary)
