"""Stage `train`: train a network on one fold, from a checkpoint or from scratch."""

import argparse
import os
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState

from tap2key.config.arguments import add_settings, settings_of
from tap2key.config.stage_settings import NETWORK, STAGING
from tap2key.core.errors import Tap2keyError
from tap2key.core.log import log
from tap2key.core.output_guard import check_output_folder
from tap2key.core.shipped import KEYBOARD
from tap2key.models.model_folder import HEAD
from tap2key.training.checkpoints import only_whole_checkpoints
from tap2key.training.fit_network import train
from tap2key.training.fold_data import add_fitting_arguments, open_fold
from tap2key.training.processes import check_gpus, sole_writer
from tap2key.training.search import as_found
from tap2key.training.staging import staged
from tap2key.training.training_run import TrainingRun

# A node that died leaves its lock until the file server gives up on it.
SECONDS_TO_WAIT_FOR_LOCK = 120


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the stage's command line."""
    add_fitting_arguments(parser)
    add_settings(parser, "experiment", NETWORK)
    add_settings(parser, "launch", STAGING)
    parser.add_argument(
        "--checkpoints", type=Path, required=True, help="root folder for resumable checkpoints"
    )
    parser.add_argument("--world-size", type=int, default=1, help="processes there must be")
    parser.add_argument("--gpu", action="store_true", help="fail unless there is a GPU")
    parser.add_argument(
        "--pretrained", type=Path, nargs="?", help="a copy of the settings' model.checkpoint"
    )
    parser.add_argument(
        "--keyboard",
        type=Path,
        default=KEYBOARD,
        help="key centres that the taps were labelled with, for soft labels",
    )


def main(args: argparse.Namespace) -> None:
    """Train, resuming from an earlier checkpoint of exactly this run if there is one."""
    settings = settings_of(args, "experiment", NETWORK)
    if settings["kind"] not in HEAD:
        raise Tap2keyError(f"--kind is {settings['kind']}; choose {', '.join(HEAD)}")
    check_output_folder(args, "train", checkpoint_on_disk(settings))
    settings = as_found(settings, args.searched)
    if args.checkpoints.exists() and not args.checkpoints.is_dir():
        raise Tap2keyError(f"{args.checkpoints}: is a file; name a folder for checkpoints")
    args.datasets = staged(args.datasets, args.stage_to)
    fold = open_fold(args)
    check_gpus(os.environ)
    state = PartialState(cpu=not torch.cuda.is_available())
    if state.num_processes != args.world_size:
        raise Tap2keyError(
            f"started {state.num_processes} processes where {args.world_size} were asked for; "
            "start training with `python -m tap2key launch`"
        )
    if args.gpu and not torch.cuda.is_available():
        raise Tap2keyError("--gpu: this machine has no GPU; check the profile's GPU resources")
    run = TrainingRun(
        *(fold, settings, args.seed, args.output, args.world_size, args.pretrained, args.keyboard),
        args.searched,
    )
    places = run.places()
    checkpoints = args.checkpoints / run.identity()
    checkpoints.mkdir(parents=True, exist_ok=True)
    if state.is_main_process:
        log.info(f"processes that train together: {state.num_processes}")
    with sole_writer(checkpoints, SECONDS_TO_WAIT_FOR_LOCK), only_whole_checkpoints(checkpoints):
        train(run, places, checkpoints)


def checkpoint_on_disk(settings: dict[str, Any]) -> list[tuple[str, str]]:
    """The checkpoint to start from if it is on this disk, with the option that names it."""
    start = settings["model"]["checkpoint"]
    return [("--model-checkpoint", start)] if start is not None and Path(start).exists() else []
