"""How well keys were named: pure functions of truth and prediction."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.metrics import precision_recall_fscore_support

CALIBRATION_BINS = 15
SPACE = "_"
MEASURES = (
    *("accuracy", "top_3_accuracy", "macro_f1", "macro_f1_space_merged", "weighted_f1"),
    "calibration_error",
)


def scores(
    truth: np.ndarray,
    probabilities: np.ndarray,
    labels: Sequence[str],
    training_taps: dict[str, int],
) -> dict[str, Any]:
    """The measures over all taps, and precision, recall and F1 of each key.

    A key that training never saw counts as missed and is listed.

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
    return {
        "taps": len(truth),
        **measures(truth, probabilities, labels),
        "never_trained": [
            label
            for label, taps in zip(labels, support, strict=True)
            if taps and not training_taps.get(label)
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


def measures(
    truth: np.ndarray, probabilities: np.ndarray, labels: Sequence[str]
) -> dict[str, float]:
    """All of `MEASURES`; averages run over the keys that occur in `truth`.

    Args:
        truth: [n], indices into `labels`.
        probabilities: [n, labels].
        labels: names of the keys.
    """
    prediction = probabilities.argmax(axis=1)
    names = np.array(labels)
    merged = np.array([merged_space(label) for label in labels])
    found = {
        **label_scores(names[truth], names[prediction]),
        "macro_f1_space_merged": label_scores(merged[truth], merged[prediction])["macro_f1"],
        "top_3_accuracy": top_accuracy(truth, probabilities, 3),
        "calibration_error": calibration_error(truth, probabilities),
    }
    return {name: found[name] for name in MEASURES}


def label_scores(
    truth: Sequence[str] | np.ndarray, prediction: Sequence[str] | np.ndarray
) -> dict[str, float]:
    """Accuracy, macro-F1 and weighted F1 over the keys that occur in `truth`."""
    _, _, f1, support = precision_recall_fscore_support(
        truth, prediction, labels=sorted(set(truth)), zero_division=0
    )
    return {
        "accuracy": float(np.mean(np.array(truth) == np.array(prediction))),
        "macro_f1": float(f1.mean()),
        "weighted_f1": float(np.average(f1, weights=support)),
    }


def merged_space(label: str) -> str:
    """The label with the parts of the space bar (`_1` to `_6`) as one key."""
    return SPACE if label.startswith(SPACE) and label[1:].isdigit() else label


def top_accuracy(truth: np.ndarray, probabilities: np.ndarray, count: int) -> float:
    """Share of taps whose key is among the `count` likeliest."""
    likeliest = np.argsort(-probabilities, axis=1, kind="stable")[:, :count]
    return float((likeliest == truth[:, None]).any(axis=1).mean())


def calibration_error(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """Expected calibration error in 15 equal bins of confidence (Guo et al., 2017)."""
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == truth
    bins = np.minimum((confidence * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    gaps = [
        abs(right[bins == b].mean() - confidence[bins == b].mean()) * (bins == b).mean()
        for b in np.unique(bins)
    ]
    return float(sum(gaps))
