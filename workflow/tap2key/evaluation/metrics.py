"""How well keys were named: pure functions of truth and prediction."""

from collections.abc import Iterable, Sequence
from statistics import mean
from typing import Any

import numpy as np
from sklearn.metrics import brier_score_loss, log_loss, precision_recall_fscore_support

CALIBRATION_BINS = 15
# The floor's standard error is then below 0.0005, for 500 taps.
CALIBRATION_DRAWS = 300
SPACE = "_"
# What logs and pictures of single models name first; docs/method.md says why.
SPACE_MERGED = "macro_f1_space_merged"
MEASURES = (
    *(SPACE_MERGED, "macro_f1", "accuracy_space_merged", "accuracy", "top_3_accuracy"),
    *("weighted_f1", "log_loss", "brier_score_loss"),
    *("calibration_error", "calibration_error_floor"),
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

    `log_loss` is the mean negative log-likelihood in nats, where no probability counts as less
    than 1.2e-7, the precision of what is saved; `brier_score_loss` is the squared distance from the
    true key's certainty, summed over keys, from 0 to 2 (Brier, 1950).

    Args:
        truth: [n], indices into `labels`.
        probabilities: [n, labels].
        labels: names of the keys.
    """
    prediction = probabilities.argmax(axis=1)
    names = np.array(labels)
    merged = np.array([merged_space(label) for label in labels])
    of_merged = label_scores(merged[truth], merged[prediction])
    # As they were saved: scikit-learn clips at the precision of what it is given, and refuses what
    # rounding left above 1.
    saved, every = np.minimum(probabilities, 1).astype(np.float32), np.arange(len(labels))
    found = {
        **label_scores(names[truth], names[prediction]),
        **{f"{name}_space_merged": of_merged[name] for name in ("accuracy", "macro_f1")},
        "top_3_accuracy": top_accuracy(truth, probabilities, 3),
        "log_loss": float(log_loss(truth, saved, labels=every)),
        "brier_score_loss": float(brier_score_loss(truth, saved, labels=every)),
        "calibration_error": calibration_error(truth, probabilities),
        "calibration_error_floor": calibration_error_floor(probabilities),
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
    bins = _confidence_bins(confidence)
    gaps = [
        abs(right[bins == b].mean() - confidence[bins == b].mean()) * (bins == b).mean()
        for b in np.unique(bins)
    ]
    return float(sum(gaps))


def calibration_error_floor(probabilities: np.ndarray) -> float:
    """What `calibration_error` would be on average if every probability came true.

    A finite number of taps leaves chance differences in every bin. Keys are drawn from the
    probabilities themselves (consistency resampling: Bröcker and Smith, 2007; Vaicenavicius et al.,
    2019), 300 times with a fixed seed: the likeliest key is then right as often as it is
    confident. [n, labels] → the mean over the draws.
    """
    confidence = probabilities.max(axis=1)
    bins = _confidence_bins(confidence)
    rng = np.random.default_rng(0)
    errors = [
        np.abs(np.bincount(bins, (rng.random(len(bins)) < confidence) - confidence)).sum()
        for _ in range(CALIBRATION_DRAWS)
    ]
    return float(np.mean(errors) / len(bins))


def _confidence_bins(confidence: np.ndarray) -> np.ndarray:
    return np.minimum((confidence * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)


def mean_of_known(values: Iterable[float | None]) -> float | None:
    """The mean of those values that there are; None where there is none."""
    known = [value for value in values if value is not None]
    return mean(known) if known else None
