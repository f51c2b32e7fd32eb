"""The metric that chooses the best epoch: F1 of each class, averaged by how common it is."""

import datasets
import evaluate
from sklearn.metrics import f1_score

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
