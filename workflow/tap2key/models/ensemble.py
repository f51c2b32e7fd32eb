"""One or several saved models that name the keys of windows together."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from tap2key.audio.array import Array
from tap2key.core.errors import Tap2keyError
from tap2key.datasets.encoding import Encoding
from tap2key.datasets.representations import encode_windows
from tap2key.models.model_folder import encoding_of
from tap2key.models.predictor import Predictor, load_predictor


class Ensemble:
    """Models with the same keys; their probabilities are averaged.

    `labels` are the keys in keyboard order, `encodings` one per model, `array` what all of them
    were trained on, or another that gives them inputs of the same form.
    """

    def __init__(
        self,
        folders: Sequence[Path],
        allow_other_version: bool = False,
        array: Array | None = None,
    ) -> None:
        """Load the models.

        Args:
            folders: theirs.
            allow_other_version: accept a model made with another version of its library.
            array: what the windows are recorded with; None for what the models were trained on.

        Raises:
            Tap2keyError: a folder is no model, two models have different keys or, if none is given,
                arrays, or a model cannot read windows of the given one.
        """
        loaded = [load_predictor(folder, allow_other_version) for folder in folders]
        self.labels: tuple[str, ...] = tuple(loaded[0][1]["labels"])
        for folder, (_, metadata) in zip(folders, loaded, strict=True):
            if tuple(metadata["labels"]) != self.labels:
                raise Tap2keyError(
                    f"{folder}: was trained on different keys ({len(metadata['labels'])}) than "
                    f"{folders[0]} ({len(self.labels)}); use models of one keyboard together"
                )
        self.predictors: list[Predictor] = [predictor for predictor, _ in loaded]
        trained = [encoding_of(metadata) for _, metadata in loaded]
        self.array = array or trained[0].array
        self.encodings: list[Encoding] = [replace(each, array=self.array) for each in trained]
        for folder, own, encoding in zip(folders, trained, self.encodings, strict=True):
            differences = self.array.differences(own.array)
            if array is None and own.array != self.array:
                raise Tap2keyError(
                    f"{folder}: was trained on a different array than {folders[0]} "
                    f"({differences}); use models of one array together, or say with --array what "
                    "the recordings were recorded with"
                )
            encoding.check()
            if not encoding.alike(own):
                raise Tap2keyError(
                    f"{folder}: does not go together with --array, represented as "
                    f"{own.representation}: it was trained on another array ({differences})"
                )

    @property
    def highest_rate(self) -> int:
        """The highest sample rate that a model needs a recording to have, in Hz.

        Lags between microphones may be finer than the samples that they are found in.
        """
        return max(min(each.sample_rate, each.array.sample_rate) for each in self.encodings)

    def probabilities(self, windows: np.ndarray) -> np.ndarray:
        """[n, c, t] raw windows of `array` → [n, labels], rows adding up to 1."""
        encoded = {e: encode_windows(windows, e) for e in dict.fromkeys(self.encodings)}
        total = np.zeros((len(windows), len(self.labels)))
        for predictor, encoding in zip(self.predictors, self.encodings, strict=True):
            total += predictor.probabilities(encoded[encoding])
        return total / len(self.predictors)
