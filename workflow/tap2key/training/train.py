"""Stage `train`: fine-tune a Wav2Vec2 classifier on one fold."""

import argparse
import math
import shutil
import sys
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from accelerate import PartialState
from datasets import Dataset
from transformers import (
    EarlyStoppingCallback,
    TrainerState,
    TrainingArguments,
    set_seed,
)
from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_callback import PrinterCallback

from tap2key.config.configuration import merge
from tap2key.core.errors import Tap2keyError
from tap2key.core.files import room_at, write_tsv
from tap2key.core.folders import atomic_folder
from tap2key.core.log import log
from tap2key.core.provenance import (
    code_hash,
    digest,
    fingerprint,
    package_versions,
    write_provenance,
)
from tap2key.core.shipped import KEYBOARD
from tap2key.datasets.crops import cut_of
from tap2key.datasets.encoded_dataset import FOLD_FILE, identities, touched_at
from tap2key.models.divergence import check_weights
from tap2key.models.hub import origin
from tap2key.models.key_places import Places, places_of
from tap2key.models.model_folder import ABOUT_PACKAGES, HEAD, write_about
from tap2key.models.model_inputs import INPUT_CUT, cut_in_words
from tap2key.models.softness import Softness
from tap2key.models.wav2vec2 import build_classifier, build_extractor
from tap2key.study.keyboard import load_keyboard
from tap2key.training.augmentation import Augmentation
from tap2key.training.batches import share_of_batch
from tap2key.training.bookkeeping import Bookkeeping
from tap2key.training.checkpoint_metric import WeightedF1
from tap2key.training.checkpoints import last_complete_checkpoint, only_whole_checkpoints
from tap2key.training.fold_data import (
    Fold,
    add_fitting_arguments,
    check_model_output,
    open_fold,
    read_settings,
)
from tap2key.training.inputs import Inputs, as_batch
from tap2key.training.processes import Interruption, check_equal_weights, sole_writer, told_by_first
from tap2key.training.soft_labels import SoftLabelTrainer, soft_labels
from tap2key.training.staging import staged
from tap2key.training.temperature import divide_logits, fit_temperature

HISTORY_COLUMNS = ("epoch", "step", "loss", "learning_rate", "eval_loss", "eval_weighted_f1")
# A node that died leaves its lock until the file server gives up on it.
SECONDS_TO_WAIT_FOR_LOCK = 120


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the stage's command line."""
    add_fitting_arguments(parser)
    parser.add_argument(
        "--checkpoints", type=Path, required=True, help="root folder for resumable checkpoints"
    )
    parser.add_argument("--world-size", type=int, default=1, help="processes there must be")
    parser.add_argument("--gpu", action="store_true", help="fail unless there is a GPU")
    parser.add_argument(
        "--stage-to",
        nargs="?",
        help="copy the datasets here first: a node's own disk, such as $TMPDIR",
    )
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
    settings = read_settings(args.settings)
    check_model_output(args, "train", settings)
    if args.checkpoints.exists() and not args.checkpoints.is_dir():
        raise Tap2keyError(f"{args.checkpoints}: is a file; name a folder for checkpoints")
    args.datasets = staged(args.datasets, args.stage_to)
    fold = open_fold(args)
    state = PartialState(cpu=not torch.cuda.is_available())
    if state.num_processes != args.world_size:
        raise Tap2keyError(
            f"started {state.num_processes} processes where {args.world_size} were asked for; "
            "start training with `python -m tap2key launch`"
        )
    if args.gpu and not torch.cuda.is_available():
        raise Tap2keyError("--gpu: this machine has no GPU; check the profile's GPU resources")
    places = None
    if settings["training"]["soft_label_sd_mm"]:
        places = places_of(load_keyboard(args.keyboard), fold.first.labels)
    identity = {
        "settings": settings,
        "seed": args.seed,
        "fold": fold.about,
        # Experiments that come out the same are still different models.
        "output": str(args.output),
        "read": [fingerprint(path, whole=True) for path in read_beside(settings, args)],
        "pretrained": origin(settings, args.pretrained),
        "code": code_hash("tap2key.training.train"),
        "packages": package_versions(ABOUT_PACKAGES),
    }
    run = args.checkpoints / digest(identity)
    run.mkdir(parents=True, exist_ok=True)
    if state.is_main_process:
        log.info(f"processes that train together: {state.num_processes}")
    with sole_writer(run, SECONDS_TO_WAIT_FOR_LOCK), only_whole_checkpoints(run):
        train(fold, settings, run, args, places)


def read_beside(settings: dict[str, Any], args: argparse.Namespace) -> list[Path]:
    """What training reads beside the fold: a checkpoint on this disk, the keyboard's centres."""
    named = args.pretrained or settings["model"]["checkpoint"]
    start = [Path(named)] if named is not None and Path(named).is_dir() else []
    return [*start, args.keyboard] if settings["training"]["soft_label_sd_mm"] else start


def train(
    fold: Fold,
    settings: dict[str, Any],
    checkpoints: Path,
    args: argparse.Namespace,
    places: Places | None,
) -> None:
    """Train one model and publish it at `args.output`; checkpoints go when it is there.

    `places`, where the keys are, is None where labels alone are learned.
    """
    seed, output = args.seed, args.output
    set_seed(seed)
    encoding, labels = fold.first.encoding, fold.first.labels
    extractor = build_extractor(encoding.sample_rate)
    chosen = settings["model"]
    cut = cut_of(encoding, fold.length, chosen["crop_ms"], chosen["max_duration_s"])
    at_hand = {} if args.pretrained is None else {"model": {"checkpoint": str(args.pretrained)}}
    model = build_classifier(merge(settings, at_hand), labels, cut)
    augmentation = Augmentation(**settings["augmentation"])
    rows = in_whole_batches(fold.data["train"], settings["training"]["batch_size"])
    sd_mm = settings["training"]["soft_label_sd_mm"]
    training, validation = (
        Inputs(
            data,
            encoding,
            cut,
            extractor,
            changes,
            seed,
            taught(data, sd_mm, places, f"{fold.folder}, {side}"),
        )
        for side, data, changes in (
            ("training", rows, augmentation if augmentation != Augmentation() else None),
            ("validation", fold.data["validation"], None),
        )
    )
    arguments = training_arguments(
        settings["training"], len(training), args.world_size, seed, checkpoints
    )
    patience = settings["training"]["patience"]
    interruption = Interruption()
    trainer = SoftLabelTrainer(
        model=model,
        args=arguments,
        train_dataset=training,
        eval_dataset=validation,
        data_collator=as_batch,
        compute_metrics=weighted_f1,
        callbacks=[Bookkeeping(training), interruption, EarlyStoppingCallback(patience)],
    )
    trainer.remove_callback(PrinterCallback)
    with interruption.listening(), room_at(checkpoints):
        checkpoint = told_by_first(last_complete_checkpoint(checkpoints))
        to_its_end = train_from(checkpoint, trainer, patience)
    if not to_its_end:
        if not trainer.is_world_process_zero():
            raise SystemExit(1)
        raise Tap2keyError(
            f"{interruption.heard or 'a signal'}: training stopped at step "
            f"{trainer.state.global_step} of {trainer.state.max_steps}; "
            "start it again to go on from its last checkpoint"
        )
    check_equal_weights(model)
    heard = trainer.predict(validation)
    if not trainer.is_world_process_zero():
        return
    temperature = fit_temperature(np.asarray(heard.predictions), np.asarray(heard.label_ids))
    head = model.get_submodule(HEAD[settings["kind"]])
    assert isinstance(head, torch.nn.Linear)
    divide_logits(head, temperature)
    check_weights(model, str(output))
    with atomic_folder(output, "train") as temporary:
        model.save_pretrained(temporary)
        setattr(extractor, INPUT_CUT, cut_in_words(cut, fold.length))
        extractor.save_pretrained(temporary)
        write_history(temporary / "history.tsv", trainer.state.log_history)
        best = {"weighted_f1": trainer.state.best_metric, "step": trainer.state.best_global_step}
        write_about(
            temporary,
            *(settings, fold.about, fold.first, fold.length, seed, best),
            Softness(temperature, 0.0 if training.targets is None else sd_mm),
        )
        write_provenance(
            temporary,
            "train",
            __name__,
            {**settings, "seed": seed, "pretrained": origin(settings, args.pretrained)},
            [fold.folder / FOLD_FILE, *read_beside(settings, args)],
            ABOUT_PACKAGES,
            whole=True,
        )
    shutil.rmtree(checkpoints)
    log.info(f"{output}: best validation weighted F1 {trainer.state.best_metric:.3f}")


def taught(data: Dataset, sd_mm: float, places: Places | None, side: str) -> np.ndarray | None:
    """The soft labels of a side's rows; None without places, or if no row's touch has one."""
    if places is None:
        return None
    touched = touched_at(data)
    if np.isnan(touched).all():
        return None
    labels = np.array(data.with_format("numpy")["label"])
    shares, elsewhere = soft_labels(labels, touched, places, sd_mm)
    if elsewhere.any() and PartialState().is_main_process:
        taps = len({key for key, other in zip(identities(data), elsewhere, strict=True) if other})
        log.warning(
            f"{side}: {taps} taps have another label than --keyboard gives their "
            "touch and teach it alone; give the key centres that they were labelled with"
        )
    return shares


def train_from(checkpoint: str | None, trainer: SoftLabelTrainer, patience: int) -> bool:
    """Train, from a checkpoint on if there is one, and load the best epoch's weights.

    Returns:
        Whether training came to its end, by its last step or early, rather than by a signal.

    Raises:
        Tap2keyError: the checkpoint holds something else than numbers.
    """
    if checkpoint is not None:
        state = TrainerState.load_from_json(str(Path(checkpoint) / TRAINER_STATE_NAME))
        stopping = state.stateful_callbacks[EarlyStoppingCallback.__name__]["attributes"]
        if stopping["early_stopping_patience_counter"] >= patience:
            # Killed since: Trainer would go on for another evaluation.
            trainer.state = state
            trainer._load_best_model()
            return True
    try:
        trainer.train(resume_from_checkpoint=checkpoint)
    except UnpicklingError as error:
        raise Tap2keyError(
            f"{checkpoint}: is not as it was written ({str(error).splitlines()[0]}); delete it"
        ) from error
    # Asked for anew, since Trainer replaces its callbacks when it resumes.
    stopping = next(
        c for c in trainer.callback_handler.callbacks if isinstance(c, EarlyStoppingCallback)
    )
    early = stopping.early_stopping_patience_counter >= patience
    return early or trainer.state.global_step >= trainer.state.max_steps


def training_arguments(
    chosen: dict[str, Any], rows: int, world_size: int, seed: int, output: Path
) -> TrainingArguments:
    """Translate an experiment's `training` into the Trainer's arguments.

    `batch_size` is what one step sees over all processes, so that the number of processes does not
    change the result.
    """
    batch = share_of_batch(chosen["batch_size"], world_size, "training.batch_size")
    cuda = torch.cuda.is_available()
    precision = chosen["precision"]
    if precision == "auto":
        precision = "fp16" if cuda else "fp32"
    batches = -(-rows // chosen["batch_size"])
    steps = -(-batches // chosen["gradient_accumulation_steps"])
    between = chosen["evaluate_every"] * steps
    # Told as a share, 1 would be one step to the library.
    warmup_steps = math.ceil(chosen["epochs"] * steps * chosen["warmup_ratio"])
    return TrainingArguments(
        output_dir=str(output),
        num_train_epochs=chosen["epochs"],
        per_device_train_batch_size=batch,
        per_device_eval_batch_size=max(64, batch),
        gradient_accumulation_steps=chosen["gradient_accumulation_steps"],
        learning_rate=chosen["learning_rate"],
        lr_scheduler_type=chosen["lr_scheduler_type"],
        warmup_steps=warmup_steps,
        weight_decay=chosen["weight_decay"],
        adam_beta2=chosen["adam_beta2"],
        label_smoothing_factor=chosen["label_smoothing"],
        fp16=precision == "fp16",
        bf16=precision == "bf16",
        use_cpu=not cuda,
        # What it would hide ends training.
        logging_nan_inf_filter=False,
        eval_strategy="steps",
        eval_steps=between,
        save_strategy="steps",
        save_steps=between,
        save_total_limit=2,
        logging_strategy="steps",
        logging_steps=between,
        load_best_model_at_end=True,
        metric_for_best_model="weighted_f1",
        greater_is_better=True,
        restore_callback_states_from_checkpoint=True,
        remove_unused_columns=False,
        label_names=["labels"],
        seed=seed,
        data_seed=seed,
        report_to="none",
        disable_tqdm=not sys.stderr.isatty(),
    )


def in_whole_batches(data: Dataset, batch_size: int) -> Dataset:
    """`data` with its first rows repeated until the last batch is full.

    Only then do any number of processes get equal shares of every batch, and the same result.
    """
    rows = -(-len(data) // batch_size) * batch_size
    return data.select(np.resize(np.arange(len(data)), rows))


def weighted_f1(prediction: Any) -> dict[str, float]:
    """The metric that chooses the best epoch."""
    guesses = np.argmax(prediction.predictions, axis=-1)
    return WeightedF1().compute(predictions=guesses, references=prediction.label_ids)


def write_history(path: Path, log: list[dict[str, Any]]) -> None:
    """Write loss and score by epoch as a table, one row per evaluation."""
    rows: dict[int, dict[str, Any]] = {}
    for entry in log:
        if "loss" in entry or "eval_loss" in entry:
            rows.setdefault(entry["step"], {}).update(entry)
    write_tsv(path, rows.values(), HISTORY_COLUMNS)
