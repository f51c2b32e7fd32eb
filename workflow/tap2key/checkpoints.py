"""Which of a run's checkpoints were written to their end."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from accelerate import PartialState

COMPLETE = "complete"


def mark_complete(checkpoint: Path) -> None:
    """Say that a checkpoint is whole; without this mark it is not resumed from."""
    (checkpoint / COMPLETE).touch()


@contextmanager
def only_whole_checkpoints(folder: Path) -> Iterator[None]:
    """Before and after the block, remove checkpoints that were not written to their end."""
    try:
        remove_half_written(folder)
        yield
    finally:
        remove_half_written(folder)


def remove_half_written(folder: Path) -> None:
    """Remove checkpoints without their mark; only the first process does."""
    if PartialState().is_main_process:
        for checkpoint in folder.glob("checkpoint-*"):
            if not (checkpoint / COMPLETE).is_file():
                shutil.rmtree(checkpoint, ignore_errors=True)


def last_complete_checkpoint(folder: Path) -> str | None:
    """The newest checkpoint that was written to its end, or None."""
    whole = [p.parent for p in folder.glob(f"checkpoint-*/{COMPLETE}")]
    newest = max(whole, key=lambda p: int(p.name.rsplit("-", 1)[1]), default=None)
    return None if newest is None else str(newest)
