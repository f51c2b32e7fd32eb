"""Saved models, whatever their kind: encoded windows in, probabilities of the keys out."""

from pathlib import Path
from typing import Any, Protocol

import numpy as np

from tap2key.core.errors import DivergedError
from tap2key.models.divergence import ADVICE, check_answers, check_weights
from tap2key.models.model_folder import FOREST_FILE, HEAD, encoding_of, read_about
from tap2key.models.model_inputs import cut_of_model

INPUTS_AT_ONCE = 64
TRUSTED_TYPES = ["sklearn.tree._tree.Tree"]


class Predictor(Protocol):
    """A model that is ready to use."""

    def probabilities(self, inputs: np.ndarray) -> np.ndarray:
        """[n, length] float32 encoded windows → [n, labels] float64, rows adding up to 1.

        Raises:
            Tap2keyError: they are not finite numbers, because the model or a window is not.
        """

    def with_embeddings(self, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """The probabilities, and of a network what its last layer sees: [n, width]."""


def load_predictor(folder: Path, allow_other_version: bool = False) -> tuple[Predictor, dict]:
    """Read a model's folder; also returns what the folder says about the model.

    Raises:
        Tap2keyError: see `read_about`.
        DivergedError: its weights are not finite numbers.
    """
    about = read_about(folder, allow_other_version)
    if about["kind"] in ("wav2vec2", "convolutional"):
        return NetworkPredictor(folder, about), about
    return ForestPredictor(folder, about), about


class NetworkPredictor:
    """A trained classifier, its inputs cut and normalised as in training."""

    def __init__(self, folder: Path, about: dict[str, Any]) -> None:
        """Load with stock transformers, or as the plain network that transformers does not know."""
        # Imported here so that scoring a forest does not load torch.
        import torch
        from transformers import AutoFeatureExtractor, AutoModelForAudioClassification

        from tap2key.models.convolutional import ConvolutionalClassifier

        plain = about["kind"] == "convolutional"
        family: Any = ConvolutionalClassifier if plain else AutoModelForAudioClassification
        self.torch = torch
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.folder = folder
        self.model = family.from_pretrained(folder).to(self.device).eval()
        check_weights(self.model, str(folder))
        self.head = self.model.get_submodule(HEAD[about["kind"]])
        self.extractor = AutoFeatureExtractor.from_pretrained(folder)
        self.encoding = encoding_of(about)
        self.cut = cut_of_model(about)

    def probabilities(self, inputs: np.ndarray) -> np.ndarray:
        """See `Predictor`."""
        return self.with_embeddings(inputs)[0]

    def with_embeddings(self, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See `Predictor`."""
        seen: list[np.ndarray] = []
        hook = self.head.register_forward_pre_hook(
            lambda _, given: seen.append(given[0].cpu().numpy())
        )
        try:
            probabilities = self._forward(inputs)
        finally:
            hook.remove()
        embeddings = np.concatenate(seen)
        check_answers(self.folder, inputs, probabilities, embeddings)
        return probabilities, embeddings

    def _forward(self, inputs: np.ndarray) -> np.ndarray:
        parts = []
        for at in range(0, len(inputs), INPUTS_AT_ONCE):
            windows = self.encoding.separated(inputs[at : at + INPUTS_AT_ONCE])
            batch = self.extractor(
                list(self.cut(windows)),
                sampling_rate=self.extractor.sampling_rate,
                return_tensors="pt",
            )
            with self.torch.inference_mode():
                logits = self.model(batch["input_values"].to(self.device)).logits
            parts.append(logits.double().softmax(dim=-1).cpu().numpy())
        return np.concatenate(parts)


class ForestPredictor:
    """A forest on delays and levels."""

    def __init__(self, folder: Path, about: dict[str, Any]) -> None:
        """Load with skops, which runs nothing from the file.

        A forged tree could still crash the process, so a forest is as trusted as its folder.
        """
        import skops.io

        from tap2key.models.forest_features import forest_features

        self.forest = skops.io.load(folder / FOREST_FILE, trusted=TRUSTED_TYPES)
        if not all(np.isfinite(tree.tree_.value).all() for tree in self.forest.estimators_):
            raise DivergedError(f"{folder}: a tree's shares are not finite; {ADVICE}")
        self.folder = folder
        self.features, self.kind = forest_features, about["kind"]
        self.encoding, self.labels = encoding_of(about), about["labels"]

    def probabilities(self, inputs: np.ndarray) -> np.ndarray:
        """See `Predictor`; a key that training never saw has probability 0."""
        result = np.zeros((len(inputs), len(self.labels)))
        seen = self.forest.classes_
        result[:, seen] = self.forest.predict_proba(self.features(self.kind, inputs, self.encoding))
        check_answers(self.folder, inputs, result)
        return result

    def with_embeddings(self, inputs: np.ndarray) -> tuple[np.ndarray, None]:
        """See `Predictor`; a forest has no last layer."""
        return self.probabilities(inputs), None
