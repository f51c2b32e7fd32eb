"""How well keys were named: pure functions of truth and prediction."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.metrics import precision_recall_fscore_support


def scores(
    truth: np.ndarray, probabilities: np.ndarray, labels: list[str], training_taps: dict[str, int]
) -> dict[str, Any]:
    """Accuracy and F1 over all taps and per key.

    Averages run over the keys that occur in `truth`; a key that training never saw counts as
    missed and is listed.

    Args:
        truth: [n], indices into `labels`.
        probabilities: [n, labels].
        labels: names of the keys.
        training_taps: how many taps of each key training had.
    """
    prediction = probabilities.argmax(axis=1)
    precision, recall, f1, support = precision_recall_fscore_support(
        truth, prediction, labels=range(len(labels)), zero_division=0
    )
    occurs = support > 0
    return {
        "taps": len(truth),
        "accuracy": float((prediction == truth).mean()),
        "macro_f1": float(f1[occurs].mean()),
        "weighted_f1": float(np.average(f1, weights=support)),
        "never_trained": [
            label
            for label, tapped in zip(labels, occurs, strict=True)
            if tapped and not training_taps.get(label)
        ],
        "keys": {
            label: {
                "precision": float(precision[index]),
                "recall": float(recall[index]),
                "f1": float(f1[index]),
                "taps": int(support[index]),
            }
            for index, label in enumerate(labels)
        },
    }


def label_scores(truth: Sequence[str], prediction: Sequence[str]) -> dict[str, float]:
    """Accuracy, macro-F1 and weighted F1 over the keys that occur in `truth`."""
    _, _, f1, support = precision_recall_fscore_support(
        truth, prediction, labels=sorted(set(truth)), zero_division=0
    )
    return {
        "accuracy": float(np.mean(np.array(truth) == np.array(prediction))),
        "macro_f1": float(f1.mean()),
        "weighted_f1": float(np.average(f1, weights=support)),
    }
