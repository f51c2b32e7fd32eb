"""What training says, notes and marks on its way, and where it stops because it diverged."""

import math
from pathlib import Path
from typing import Any

from accelerate import PartialState
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from tap2key.core.errors import DivergedError
from tap2key.core.files import write_tsv
from tap2key.core.log import log
from tap2key.models.divergence import ADVICE, check_weights
from tap2key.training.checkpoints import mark_complete
from tap2key.training.inputs import Inputs

HISTORY_COLUMNS = (
    *("epoch", "step", "loss", "learning_rate", "eval_loss", "eval_weighted_f1"),
    *("eval_macro_f1", "eval_accuracy", "eval_chance_p", "eval_at_chance"),
)
YES_OR_NO: dict[bool | None, str] = {True: "yes", False: "no"}


class Bookkeeping(TrainerCallback):
    """Tells the data which epoch it is, marks whole checkpoints, and speaks in plain lines."""

    def __init__(self, training: Inputs) -> None:
        """`training` draws its augmentation from the epoch."""
        self.training = training

    def on_epoch_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """A run resumed in mid-epoch has a fraction of it behind it."""
        self.training.epoch = int(state.epoch + 1e-6)

    def on_step_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """The last step is evaluated too, whatever `evaluate_every` is."""
        if state.global_step >= state.max_steps:
            control.should_evaluate = control.should_log = True

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """One line per evaluation.

        Raises:
            DivergedError: its loss is not a finite number.
        """
        metrics = kwargs["metrics"]
        if not math.isfinite(metrics["eval_loss"]):
            raise DivergedError(
                f"training diverged by step {state.global_step} of {state.max_steps}: the "
                f"validation loss is not finite; {ADVICE}"
            )
        if state.is_world_process_zero and args.disable_tqdm:
            at_chance = " (at chance)" if metrics.get("eval_at_chance") else ""
            log.info(
                f"epoch {state.epoch:.0f} of {args.num_train_epochs:.0f}: validation loss "
                f"{metrics['eval_loss']:.3f}, weighted F1 {metrics['eval_weighted_f1']:.3f}"
                f"{at_chance}"
            )

    def on_save(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """A checkpoint without this mark may be half-written and is not resumed from.

        Raises:
            DivergedError: its weights are not finite numbers.
        """
        check_weights(kwargs["model"], f"step {state.global_step} of {state.max_steps}")
        PartialState().wait_for_everyone()
        if state.is_world_process_zero:
            assert args.output_dir is not None
            mark_complete(Path(args.output_dir) / f"checkpoint-{state.global_step}")


def write_history(path: Path, log: list[dict[str, Any]]) -> None:
    """Write loss and scores by epoch as a table, one row per evaluation.

    `eval_at_chance` is yes where the network was no better than always naming the commonest key,
    and empty where there are too few validation taps to tell.
    """
    rows: dict[int, dict[str, Any]] = {}
    for entry in log:
        if "loss" in entry or "eval_loss" in entry:
            rows.setdefault(entry["step"], {}).update(entry)
    for row in rows.values():
        row["eval_at_chance"] = YES_OR_NO.get(row.get("eval_at_chance"))
    write_tsv(path, rows.values(), HISTORY_COLUMNS)
