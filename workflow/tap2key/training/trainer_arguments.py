"""An experiment's `training` as the Trainer's own arguments."""

import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from transformers import TrainingArguments

from tap2key.training.batches import share_of_batch, steps_of_epoch, with_enough_steps


def training_arguments(
    chosen: dict[str, Any],
    rows: int,
    world_size: int,
    seed: int,
    output: Path,
    best_epoch: bool = True,
) -> TrainingArguments:
    """Translate an experiment's `training` into the Trainer's arguments.

    `batch_size` is what one step sees over all processes, so that the number of processes does not
    change the result. Without `best_epoch`, the weights are those of the last epoch, and
    validation taps are not looked at before.
    """
    batch = share_of_batch(chosen["batch_size"], world_size, "training.batch_size")
    cuda = torch.cuda.is_available()
    precision = chosen["precision"]
    if precision == "auto":
        precision = "fp16" if cuda else "fp32"
    chosen = with_enough_steps(chosen, rows)
    steps = steps_of_epoch(chosen, rows)
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
        eval_strategy="steps" if best_epoch else "no",
        eval_steps=between,
        save_strategy="steps",
        save_steps=between,
        save_total_limit=2,
        logging_strategy="steps",
        logging_steps=between,
        load_best_model_at_end=best_epoch,
        metric_for_best_model="weighted_f1" if best_epoch else None,
        greater_is_better=best_epoch or None,
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
