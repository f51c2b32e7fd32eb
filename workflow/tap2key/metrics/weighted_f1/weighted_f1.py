"""Metric module for the `evaluate` library: F1 of each class, averaged by how common it is."""

import datasets
import evaluate
from sklearn.metrics import f1_score

DESCRIPTION = "F1 of each class, weighted by the class's number of references."


class WeightedF1(evaluate.Metric):
    """Weighted F1, loaded by path so that no model hub is asked."""

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
