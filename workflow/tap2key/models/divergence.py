"""Refusing models that diverged, where they are made and wherever they are used."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tap2key.core.errors import DivergedError, Tap2keyError

if TYPE_CHECKING:
    import torch

ADVICE = "train it again, with a lower training.learning_rate"


def check_weights(model: torch.nn.Module, whose: str) -> None:
    """Refuse a network with a weight that is NaN or infinite.

    Raises:
        DivergedError: names `whose` it is and the weight.
    """
    name = undefined_weight(model.state_dict().items())
    if name is not None:
        raise DivergedError(f"{whose}: its weights diverged ({name} is not finite); {ADVICE}")


def undefined_weight(weights: Iterable[tuple[str, torch.Tensor]]) -> str | None:
    """The name of the first of some weights that is NaN or infinite anywhere; None if none is."""
    return next((name for name, weight in weights if not weight.isfinite().all()), None)


def check_windows(inputs: np.ndarray) -> None:
    """Refuse windows, [n, length], with a value that is NaN or infinite.

    Raises:
        Tap2keyError: says how many of them there are.
    """
    broken = int((~np.isfinite(inputs).all(axis=1)).sum())
    if broken:
        raise Tap2keyError(
            f"{broken} of {len(inputs)} windows hold numbers that are not finite; leave their "
            "recording out"
        )


def check_answers(folder: Path, inputs: np.ndarray, *answers: np.ndarray) -> None:
    """Refuse what a model says of windows where it is not finite.

    Args:
        folder: the model's.
        inputs: [n, length], what it was given.
        answers: each [n, width], such as probabilities.

    Raises:
        Tap2keyError: some windows are not finite themselves.
        DivergedError: all windows are, and the model is at fault.
    """
    if all(np.isfinite(answer).all() for answer in answers):
        return
    check_windows(inputs)
    undefined = int(np.any([~np.isfinite(a).all(axis=1) for a in answers], axis=0).sum())
    raise DivergedError(
        f"{folder}: its probabilities are not finite for {undefined} of {len(inputs)} windows; "
        f"{ADVICE}"
    )
