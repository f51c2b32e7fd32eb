"""Soft labels: what a tap teaches, spread over the keys near its touch.

A label says between which borders a finger came down, the touch says where. To learn the second
is to learn one map of the whole keyboard instead of 34 regions, each from a few taps.

Source:
    Geng, X. (2016), Label distribution learning, IEEE Trans. Knowl. Data Eng. 28, 1734-1748.
"""

from typing import Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy
from transformers import Trainer

from tap2key.core.errors import DivergedError, Tap2keyError
from tap2key.models.divergence import ADVICE
from tap2key.models.key_places import Places, seen_from_the_table
from tap2key.training.inputs import TARGETS

# Touches as far from one key as from another are told apart by rounding alone.
TIE_MM2 = 1e-6


def soft_labels(
    labels: np.ndarray, touched: np.ndarray, places: Places, sd_mm: float
) -> tuple[np.ndarray, np.ndarray]:
    """Each key's share of each tap: a normal density of the touch about the key's nearest centre.

    The tap's own key has the largest share, since labels are those of the nearest centre. A tap
    with another label than that, or without a place, belongs to its label alone.

    Args:
        labels: [n], indices of labels.
        touched: [n, 2], the touch sensor's x, y in 0.1 mm, NaN where there is none.
        places: where the labels are.
        sd_mm: the density's standard deviation in mm.

    Returns:
        [n, labels] float32, rows adding up to 1, and [n], which taps have another label than their
        place's.
    """
    squares = places.squared_distances(seen_from_the_table(touched.astype(float)))
    placed, nearest = ~np.isnan(squares[:, 0]), squares.min(axis=1)
    soft = placed & (squares[np.arange(len(labels)), labels] <= nearest + TIE_MM2)
    shares = np.eye(len(places.labels))[labels]
    near = np.exp((nearest[:, None] - squares) / (2 * sd_mm**2))
    shares[soft] = (near / near.sum(axis=1, keepdims=True))[soft]
    return shares.astype(np.float32), placed & ~soft


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
