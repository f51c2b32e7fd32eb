"""What Trainer costs beside a bare PyTorch loop with the same model, data, optimiser and schedule.

    OMP_NUM_THREADS=1 PYTHONPATH=workflow:tests python tests/benchmark/trainer.py
    … --profile             # and where a step's time goes

Both train the shipped experiment from the same weights for the same number of epochs, in turn, and
the least CPU seconds of each count, since a busy machine distorts any other. Evaluations and
checkpoints, which the bare loop has none of, are off. What Trainer does once before its first step
is printed apart.
"""

import argparse
import copy
import cProfile
import pstats
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from gpu.made_taps import write_fold, write_people
from torch.nn.functional import cross_entropy
from transformers import get_scheduler, set_seed
from transformers.trainer_callback import PrinterCallback

from tap2key.config.configuration import complete_config, read_config
from tap2key.core.shipped import KEYBOARD
from tap2key.datasets.crops import cut_of
from tap2key.models.wav2vec2 import Classifier, build_classifier, build_extractor
from tap2key.training.augmentation import Augmentation
from tap2key.training.bookkeeping import Bookkeeping
from tap2key.training.fold_data import open_fold
from tap2key.training.inputs import TARGETS, Inputs, as_batch
from tap2key.training.processes import Interruption
from tap2key.training.soft_labels import SoftLabelTrainer, targets_of
from tap2key.training.trainer_arguments import in_whole_batches, training_arguments
from tap2key.training.training_run import TrainingRun

EXPERIMENTS = ("pairs-waves-48000", "aligned-48000")
SHOWN = 25


def main() -> None:
    """Print seconds and the ratio for each experiment."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--experiments", nargs="+", default=EXPERIMENTS)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--taps-per-key", type=int, default=12, help="of each of two people")
    parser.add_argument("--profile", action="store_true", help="print what takes Trainer's time")
    args = parser.parse_args()
    torch.set_num_threads(1)
    root = Path(tempfile.mkdtemp(prefix="tap2key-benchmark-"))
    try:
        write_people(root, args.taps_per_key)
        for name in args.experiments:
            measure(root, name, args)
    finally:
        shutil.rmtree(root)


def measure(root: Path, name: str, args: argparse.Namespace) -> None:
    """Train both ways in turn, and print what they cost."""
    settings = complete_config(read_config([]))["experiments"][name]
    settings["training"] |= {"epochs": args.epochs, "min_steps": 0}
    model, inputs = made(root, name, settings)
    least: dict[str, float] = {}
    before, losses = [], {}
    for _ in range(args.repeats):
        for way, train in (("Trainer", by_trainer), ("bare loop", by_hand)):
            fresh = copy.deepcopy(model)
            begun = time.process_time()
            losses[way], seconds = train(fresh, inputs, settings["training"], root)
            least[way] = min(seconds, least.get(way, seconds))
            if way == "Trainer":
                before.append(time.process_time() - begun - seconds)
    steps = args.epochs * len(inputs) // settings["training"]["batch_size"]
    for way, taken in least.items():
        print(f"{name}: {way}: {1000 * taken / steps:.1f} ms a step, loss {losses[way]:.3f}")
    print(f"{name}: Trainer, once: {min(before):.2f} s")
    print(f"{name}: Trainer / bare loop: {least['Trainer'] / least['bare loop']:.3f}", flush=True)
    if args.profile:
        profiler = cProfile.Profile()
        profiler.runcall(by_trainer, copy.deepcopy(model), inputs, settings["training"], root)
        pstats.Stats(profiler).sort_stats("tottime").print_stats(SHOWN)


def made(root: Path, name: str, settings: dict[str, Any]) -> tuple[Classifier, Inputs]:
    """The network and its training inputs, as the training stage makes them."""
    arguments = write_fold(root, name, settings["encoding"])
    parser = argparse.ArgumentParser()
    parser.add_argument("--fold", type=Path)
    parser.add_argument("--datasets", type=Path, nargs="+")
    fold = open_fold(parser.parse_args(arguments))
    run = TrainingRun(fold, settings, 0, root / "model", 1, None, KEYBOARD)
    encoding, chosen = fold.first.encoding, settings["model"]
    cut = cut_of(encoding, fold.length, chosen["crop_ms"], chosen["max_duration_s"])
    set_seed(0)
    data = in_whole_batches(fold.data["train"], settings["training"]["batch_size"])
    inputs = Inputs(
        *(data, encoding, cut, build_extractor(encoding.sample_rate)),
        *(Augmentation(**settings["augmentation"]), 0),
        targets_of(data, run.soft_label_sd_mm, run.places(), name),
    )
    return build_classifier(settings, fold.first.labels, encoding, cut), inputs


def by_trainer(
    model: Classifier, inputs: Inputs, chosen: dict[str, Any], root: Path
) -> tuple[float, float]:
    """Train as the stage does; the mean loss of all steps, and the seconds that they took."""
    arguments = training_arguments(chosen, len(inputs), 1, 0, root / "checkpoints")
    arguments.eval_strategy = arguments.save_strategy = arguments.logging_strategy = "no"
    arguments.load_best_model_at_end = False
    arguments.disable_tqdm = True
    trainer = SoftLabelTrainer(
        **{"model": model, "args": arguments, "train_dataset": inputs, "data_collator": as_batch},
        callbacks=[bookkeeping := WithoutEvaluation(inputs), Interruption()],
    )
    trainer.remove_callback(PrinterCallback)
    loss = trainer.train().training_loss
    return loss, bookkeeping.ended - bookkeeping.begun


class WithoutEvaluation(Bookkeeping):
    """The stage's bookkeeping without the last step's evaluation, and when steps ran."""

    begun = ended = 0.0

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        self.begun = time.process_time()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self.ended = time.process_time()


def by_hand(
    model: Classifier, inputs: Inputs, chosen: dict[str, Any], root: Path
) -> tuple[float, float]:
    """Train by a loop that does only what it must; the same two numbers."""
    batch = chosen["batch_size"]
    steps = chosen["epochs"] * len(inputs) // batch
    optimiser = torch.optim.AdamW(
        model.parameters(),
        lr=chosen["learning_rate"],
        betas=(0.9, chosen["adam_beta2"]),
        weight_decay=chosen["weight_decay"],
    )
    warmup = round(steps * chosen["warmup_ratio"])
    schedule = get_scheduler(chosen["lr_scheduler_type"], optimiser, warmup, steps)
    generator = torch.Generator().manual_seed(0)
    total, begun = 0.0, time.process_time()
    model.train()
    for epoch in range(chosen["epochs"]):
        inputs.epoch = epoch
        for rows in torch.randperm(len(inputs), generator=generator).split(batch):
            made = inputs.__getitems__(rows.tolist())
            optimiser.zero_grad()
            logits = model(input_values=made["input_values"]).logits
            loss = cross_entropy(logits, made[TARGETS])
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            total += loss.item()
    return total / steps, time.process_time() - begun


if __name__ == "__main__":
    main()
