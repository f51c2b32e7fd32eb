"""Which of a run's checkpoints can be resumed from: written to their end, and not diverged."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from accelerate import PartialState
from safetensors import SafetensorError, safe_open
from transformers.utils import SAFE_WEIGHTS_NAME

from tap2key.core.log import log
from tap2key.models.divergence import undefined_weight

COMPLETE = "complete"


def mark_complete(checkpoint: Path) -> None:
    """Say that a checkpoint is whole; without this mark it is not resumed from."""
    (checkpoint / COMPLETE).touch()


@contextmanager
def only_whole_checkpoints(folder: Path) -> Iterator[None]:
    """Before and after the block, remove checkpoints that were not written to their end.

    Before it, remove those too whose weights diverged or are damaged: resumed from, they would
    diverge again and again.
    """
    try:
        remove_half_written(folder)
        remove_diverged(folder)
        yield
    finally:
        remove_half_written(folder)


def remove_half_written(folder: Path) -> None:
    """Remove checkpoints without their mark; only the first process does."""
    if PartialState().is_main_process:
        for checkpoint in folder.glob("checkpoint-*"):
            if not (checkpoint / COMPLETE).is_file():
                shutil.rmtree(checkpoint, ignore_errors=True)


def remove_diverged(folder: Path) -> None:
    """Remove checkpoints whose weights are not finite or cannot be read; the first process does."""
    if not PartialState().is_main_process:
        return
    for weights in folder.glob(f"checkpoint-*/{SAFE_WEIGHTS_NAME}"):
        try:
            with safe_open(weights, "pt") as file:
                names = list(file.keys())
                undefined = undefined_weight((name, file.get_tensor(name)) for name in names)
            reason = undefined and f"{undefined} is not finite"
        except SafetensorError as error:
            reason = str(error)
        if reason is not None:
            log.warning(f"{weights.parent}: not resumed from ({reason})")
            shutil.rmtree(weights.parent, ignore_errors=True)


def last_complete_checkpoint(folder: Path) -> str | None:
    """The newest checkpoint that was written to its end, or None."""
    whole = [p.parent for p in folder.glob(f"checkpoint-*/{COMPLETE}")]
    newest = max(whole, key=lambda p: int(p.name.rsplit("-", 1)[1]), default=None)
    return None if newest is None else str(newest)
