"""What each evaluation of a training run measures, and the metric that chooses the best epoch."""

from collections.abc import Mapping, Sequence
from typing import Any

import datasets
import evaluate
import numpy as np
from sklearn.metrics import f1_score

from tap2key.training.chance import Chance
from tap2key.training.search import macro_f1

DESCRIPTION = "F1 of each class, weighted by the class's number of references."


class WeightedF1(evaluate.Metric):
    """Weighted F1, a metric of the `evaluate` library.

    Imported rather than loaded by path, which would copy it to a cache and run it from there.
    Nothing is written to disk.
    """

    def __init__(self) -> None:
        """Predictions and references stay in memory."""
        super().__init__(keep_in_memory=True)

    def _build_data_dir(self) -> str:
        # The library would make a folder below HF_HOME, which need not be writable.
        return self._data_dir_root

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=DESCRIPTION,
            citation="",
            inputs_description="predictions and references: class numbers",
            features=datasets.Features(
                {"predictions": datasets.Value("int32"), "references": datasets.Value("int32")}
            ),
        )

    def _compute(self, predictions: list[int], references: list[int]) -> dict[str, float]:
        score = f1_score(references, predictions, average="weighted", zero_division=0)
        return {"weighted_f1": float(score)}


def weighted_f1(prediction: Any) -> dict[str, float]:
    """The metric that chooses the best epoch."""
    guesses = np.argmax(prediction.predictions, axis=-1)
    return WeightedF1().compute(predictions=guesses, references=prediction.label_ids)


def validation_scores(prediction: Any) -> dict[str, Any]:
    """Weighted and macro-F1, and if the network beats always naming the commonest key."""
    chance = Chance.of(prediction.predictions, prediction.label_ids)
    guesses = np.argmax(prediction.predictions, axis=-1)
    return {
        **weighted_f1(prediction),
        "macro_f1": macro_f1(prediction.label_ids, guesses),
        "accuracy": chance.accuracy,
        "chance_p": chance.p,
        "at_chance": chance.at_chance,
    }


def last_macro_f1(log: Sequence[Mapping[str, Any]]) -> float:
    """Macro-F1 of the last evaluation in a Trainer's log: after the last epoch, if it came to it.

    Where training ended early, it is of the evaluation that ended it. The best of many evaluations
    would favour whoever looks more often.
    """
    return next(entry["eval_macro_f1"] for entry in reversed(log) if "eval_macro_f1" in entry)
