"""One or several saved models that name the keys of windows together."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tap2key.core.errors import Tap2keyError
from tap2key.datasets.representations import Encoding, encode_windows
from tap2key.models.model_folder import encoding_of
from tap2key.models.predictor import Predictor, load_predictor


class Ensemble:
    """Models with the same keys; their probabilities are averaged.

    `labels` are the keys in keyboard order, `encodings` one per model.
    """

    def __init__(self, folders: Sequence[Path], allow_other_version: bool = False) -> None:
        """Load the models.

        Raises:
            Tap2keyError: a folder is no model, or two models have different keys.
        """
        loaded = [load_predictor(folder, allow_other_version) for folder in folders]
        self.labels: tuple[str, ...] = tuple(loaded[0][1]["labels"])
        for folder, (_, about) in zip(folders, loaded, strict=True):
            if tuple(about["labels"]) != self.labels:
                raise Tap2keyError(
                    f"{folder}: was trained on other keys ({len(about['labels'])}) than "
                    f"{folders[0]} ({len(self.labels)}); use models of one keyboard together"
                )
        self.predictors: list[Predictor] = [predictor for predictor, _ in loaded]
        self.encodings: list[Encoding] = [encoding_of(about) for _, about in loaded]

    @property
    def highest_rate(self) -> int:
        """The highest sample rate that a model needs, in Hz."""
        return max(encoding.sample_rate for encoding in self.encodings)

    def probabilities(self, windows: np.ndarray) -> np.ndarray:
        """[n, 8, 8192] raw windows at 96 kHz → [n, labels], rows adding up to 1."""
        encoded = {e: encode_windows(windows, e) for e in dict.fromkeys(self.encodings)}
        total = np.zeros((len(windows), len(self.labels)))
        for predictor, encoding in zip(self.predictors, self.encodings, strict=True):
            total += predictor.probabilities(encoded[encoding])
        return total / len(self.predictors)
