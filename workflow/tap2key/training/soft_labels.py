"""Soft labels: what a tap teaches, spread over the keys near its touch.

A label says between which borders a finger came down, the touch says where. To learn the second
is to learn one map of the whole keyboard instead of 34 regions, each from a few taps.

Source:
    Geng, X. (2016), Label distribution learning, IEEE Trans. Knowl. Data Eng. 28, 1734-1748.
"""

from typing import Any

import numpy as np
import torch
from accelerate import PartialState
from datasets import Dataset
from torch.nn.functional import cross_entropy
from transformers import Trainer

from tap2key.core.errors import DivergedError, Tap2keyError
from tap2key.core.log import log
from tap2key.datasets.encoded_dataset import identities, touched_at
from tap2key.models.divergence import ADVICE
from tap2key.models.key_places import Places
from tap2key.training.inputs import TARGETS

# Touches as far from one key as from another are told apart by rounding alone.
TIE_MM2 = 1e-6


def soft_labels(
    labels: np.ndarray, touched: np.ndarray, places: Places, sd_mm: float
) -> tuple[np.ndarray, np.ndarray]:
    """Each key's share of each tap: a normal density of the touch about the key's nearest centre.

    The tap's own key has the largest share, since labels are those of the nearest centre. A tap
    whose touch has no place counts as one at its key's centre, or in equal parts at each of its
    centres. A tap with another label than its place's belongs to its label alone, and so does one
    without a place outside every key or on a key that has none.

    Args:
        labels: [n], indices of labels.
        touched: [n, 2], the touch sensor's x, y in 0.1 mm, NaN where there is none.
        places: where the labels are.
        sd_mm: the density's standard deviation in mm.

    Returns:
        [n, labels] float32, rows adding up to 1, and [n], which taps have another label than their
        place's.
    """
    squares = _squares(places.seen(touched.astype(float)), places)
    placed, nearest = np.isfinite(squares).any(axis=1), squares.min(axis=1)
    soft = placed & (squares[np.arange(len(labels)), labels] <= nearest + TIE_MM2)
    shares = np.eye(len(places.labels))[labels]
    shares[soft] = _density(squares[soft], sd_mm)
    for label in np.unique(labels[~placed]):
        if not np.isnan(places.centres[label]).any():
            parts = _squares(places.parts[places.labels[label]], places)
            shares[~placed & (labels == label)] = _density(parts, sd_mm).mean(axis=0)
    return shares.astype(np.float32), placed & ~soft


def _squares(where: np.ndarray, places: Places) -> np.ndarray:
    """From places to each label's nearest centre: [n, 2] in mm → [n, labels] in mm²."""
    squares = places.squared_distances(where)
    squares[:, ~places.placed] = np.inf
    return squares


def _density(squares: np.ndarray, sd_mm: float) -> np.ndarray:
    """[n, labels] in mm² → [n, labels], rows adding up to 1."""
    near = np.exp((squares.min(axis=1, keepdims=True) - squares) / (2 * sd_mm**2))
    return near / near.sum(axis=1, keepdims=True)


def targets_of(data: Dataset, sd_mm: float, places: Places | None, side: str) -> np.ndarray | None:
    """The soft labels of a side's rows; None if neither a key nor a row's touch has a place."""
    if places is None:
        return None
    touched = touched_at(data)
    if np.isnan(touched).all() and np.isnan(places.centres).all():
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


class SoftLabelTrainer(Trainer):
    """A Trainer whose batches may bring `targets`, [n, labels], to be learned for the labels.

    It stops where the loss is no finite number any more.
    """

    # The loss below is a mean over the batch at hand, as the labels' own.
    loss_is_scaled_for_ga = False

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, torch.Tensor | Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> torch.Tensor | tuple[torch.Tensor, Any]:
        """See `Trainer`."""
        if TARGETS not in inputs:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        targets = inputs.pop(TARGETS)
        del inputs["labels"]
        outputs = model(**inputs)
        smoothing = self.args.label_smoothing_factor
        loss = cross_entropy(outputs.logits, targets, label_smoothing=smoothing)
        return (loss, outputs) if return_outputs else loss

    def training_step(
        self,
        model: torch.nn.Module,
        inputs: dict[str, torch.Tensor | Any],
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> torch.Tensor:
        """See `Trainer`.

        Raises:
            Tap2keyError: the loss is not finite, because training diverged or a window is not.
        """
        loss = super().training_step(model, inputs, num_items_in_batch)
        if not loss.isfinite():
            step = f"step {self.state.global_step + 1} of {self.state.max_steps}"
            if not inputs["input_values"].isfinite().all():
                raise Tap2keyError(
                    f"{step}: windows hold numbers that are not finite; leave their recording out"
                )
            raise DivergedError(f"training diverged at {step}: the loss is not finite; {ADVICE}")
        return loss
