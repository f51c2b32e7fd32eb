"""Temperature scaling: a model's probabilities made as sure as they are right.

Source:
    Guo, C., Pleiss, G., Sun, Y., Weinberger, K. (2017), On calibration of modern neural networks,
        Proc. 34th Int. Conf. Machine Learning, 1321-1330.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from tap2key.core.errors import DivergedError
from tap2key.models.divergence import ADVICE

# Baselines are fitted without it, as it takes seconds to import.
if TYPE_CHECKING:
    import torch

LOWEST, HIGHEST = 0.01, 100.0


def fit_temperature(logits: np.ndarray, truth: np.ndarray) -> float:
    """The divisor of logits, from 0.01 to 100, under which the true keys are likeliest.

    One tap more is taken to have been its second likeliest key, whichever tap that was (Laplace's
    rule of succession): where all taps are named rightly, no divisor would be small enough.

    Args:
        logits: [n, labels], at least two, of taps that the model was not trained on.
        truth: [n], indices of labels.

    Raises:
        DivergedError: a logit is not a finite number.
    """
    if not np.isfinite(logits).all():
        raise DivergedError(f"the logits of validation taps are not finite; {ADVICE}")
    rows, second = np.arange(len(logits)), np.argsort(-logits, axis=1, kind="stable")[:, 1]

    def loss(exponent: float) -> float:
        likely = log_softmax(logits / np.exp(exponent), axis=1)
        return -likely[rows, truth].sum() - likely[rows, second].mean()

    found = minimize_scalar(loss, bounds=(np.log(LOWEST), np.log(HIGHEST)), method="bounded")
    return float(np.exp(found.x))


def divide_logits(head: torch.nn.Linear, temperature: float) -> None:
    """Scale a last layer so that its logits come out divided by `temperature`."""
    head.weight.data.div_(temperature)
    head.bias.data.div_(temperature)
