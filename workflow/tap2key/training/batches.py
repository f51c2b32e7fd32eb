"""How training divides its rows: into batches that processes share, steps and epochs."""

from collections.abc import Mapping
from typing import Any

from tap2key.core.errors import Tap2keyError


def share_of_batch(batch_size: int, processes: int, where: str) -> int:
    """The rows of a batch that each of the processes gets.

    Raises:
        Tap2keyError: they cannot share it evenly; the message names `where`, the setting.
    """
    if batch_size % processes:
        raise Tap2keyError(
            f"{where} {batch_size}: cannot be shared by {processes} processes (launch); "
            "choose a multiple"
        )
    return batch_size // processes


def steps_of_epoch(training: Mapping[str, Any], rows: int) -> int:
    """How often an experiment's `training` changes the weights in an epoch of so many rows."""
    batches = -(-rows // training["batch_size"])
    return -(-batches // training["gradient_accumulation_steps"])


def with_enough_steps(training: Mapping[str, Any], rows: int) -> dict[str, Any]:
    """An experiment's `training` with as many times the epochs as `min_steps` needs.

    Evaluations are as many times further apart, so that there are as many of them, and `patience`
    means the same.
    """
    steps = training["epochs"] * steps_of_epoch(training, rows)
    times = max(1, -(-training["min_steps"] // steps))
    longer = {name: times * training[name] for name in ("epochs", "evaluate_every")}
    return {**training, **longer}
