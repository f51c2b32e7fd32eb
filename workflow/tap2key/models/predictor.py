"""Saved models, whatever their kind: encoded windows in, probabilities of the keys out."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from zipfile import BadZipFile

import numpy as np
from safetensors import SafetensorError

from tap2key.config.stage_settings import MULTILATERATION, SVM_KIND
from tap2key.core.errors import Tap2keyError, first_line
from tap2key.core.files import read_json
from tap2key.models.baseline_predictors import (
    ForestPredictor,
    MultilaterationPredictor,
    SvmPredictor,
)
from tap2key.models.divergence import check_answers, check_weights
from tap2key.models.key_places import Places, places_of
from tap2key.models.model_folder import (
    ADAPTED_FILE,
    ADAPTED_KEYBOARD_FILE,
    HEAD,
    encoding_of,
    read_model_metadata,
)
from tap2key.models.model_inputs import cut_of_model
from tap2key.models.session_adaptation import Adaptation, outputs_of
from tap2key.models.softness import Softness
from tap2key.study.keyboard import load_keyboard

if TYPE_CHECKING:
    import torch

INPUTS_AT_ONCE = 64
# What libraries raise where a model's file is missing, cut off or of something else.
UNREADABLE = (
    *(OSError, ValueError, TypeError, RuntimeError, LookupError, EOFError),
    *(BadZipFile, SafetensorError),
)


class Predictor(Protocol):
    """A model that is ready to use."""

    def probabilities(self, inputs: np.ndarray) -> np.ndarray:
        """[n, length] float32 encoded windows → [n, labels] float64, rows adding up to 1.

        Raises:
            Tap2keyError: they are not finite numbers, because the model or a window is not.
        """

    def located(self, inputs: np.ndarray, places: Places) -> tuple[np.ndarray, np.ndarray | None]:
        """The probabilities, and where taps were if the model tells it besides: [n, 2].

        In mm as the user sees the keyboard, NaN of taps outside every key; None where it follows
        from the probabilities (`key_places.expected_places`).

        Args:
            inputs: [n, length] float32 encoded windows.
            places: where the labels are.

        Raises:
            Tap2keyError: see `probabilities`.
        """


def load_predictor(folder: Path, allow_other_version: bool = False) -> tuple[Predictor, dict]:
    """Read a model's folder; also returns what the folder says about the model.

    Raises:
        Tap2keyError: see `read_model_metadata`; or another of its files is missing or damaged.
        DivergedError: its weights are not finite numbers.
    """
    metadata = read_model_metadata(folder, allow_other_version)
    families: dict[str, Callable[[Path, dict], Predictor]] = {
        **dict.fromkeys(HEAD, NetworkPredictor),
        SVM_KIND: SvmPredictor,
        MULTILATERATION: MultilaterationPredictor,
    }
    try:
        predictor = families.get(metadata["kind"], ForestPredictor)(folder, metadata)
    except UNREADABLE as error:
        raise Tap2keyError(
            f"{folder}: is damaged or not complete ({first_line(error)}); copy the model again"
        ) from error
    if (folder / ADAPTED_FILE).exists():
        predictor = AdaptedPredictor(predictor, folder, metadata)
    return predictor, metadata


def check_not_adapted(predictor: Predictor, folder: Path) -> None:
    """Refuse a model that was adapted where one as training left it is needed.

    Raises:
        Tap2keyError: it was.
    """
    if isinstance(predictor, AdaptedPredictor):
        raise Tap2keyError(f"{folder}: is adapted already; give the model that was adapted")


class NetworkPredictor:
    """A trained classifier, its inputs cut and normalised as in training."""

    def __init__(self, folder: Path, metadata: dict[str, Any]) -> None:
        """Load with stock transformers, or as a network that transformers does not have."""
        # Imported here so that scoring a forest does not load torch.
        import torch
        from transformers import AutoFeatureExtractor, AutoModelForAudioClassification

        from tap2key.models.own_networks import OWN_NETWORKS

        family: Any = OWN_NETWORKS.get(metadata["kind"], AutoModelForAudioClassification)
        self.torch = torch
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.folder = folder
        self.model = family.from_pretrained(folder).to(self.device).eval()
        check_weights(self.model, str(folder))
        fold_weights(self.model)
        self.extractor = AutoFeatureExtractor.from_pretrained(folder)
        self.encoding = encoding_of(metadata)
        self.cut = cut_of_model(metadata)

    def probabilities(self, inputs: np.ndarray) -> np.ndarray:
        """See `Predictor`."""
        parts = []
        for at in range(0, len(inputs), INPUTS_AT_ONCE):
            windows = self.cut(self.encoding.separated(inputs[at : at + INPUTS_AT_ONCE]))
            batch = self.torch.tensor(self.normalised(windows), dtype=self.torch.float32)
            with self.torch.inference_mode():
                logits = self.model(batch.to(self.device)).logits
            parts.append(logits.double().softmax(dim=-1).cpu().numpy())
        probabilities = np.concatenate(parts)
        check_answers(self.folder, inputs, probabilities)
        return probabilities

    def located(self, inputs: np.ndarray, places: Places) -> tuple[np.ndarray, None]:
        """See `Predictor`."""
        return self.probabilities(inputs), None

    def normalised(self, windows: np.ndarray) -> np.ndarray:
        """Cut windows as the model takes them, by the extractor's own formula: [n, length], both.

        The rest of the extractor pads inputs to one length. These have it already, and for a single
        tap that would take as long as a layer of a small network.
        """
        if not self.extractor.do_normalize:
            return windows
        return np.stack(self.extractor.zero_mean_unit_var_norm(list(windows), attention_mask=None))


def fold_weights(model: "torch.nn.Module") -> None:
    """Compute once what a network else derives from its parameters at every call.

    Wav2Vec2 has the kernel of its positional convolution as directions and lengths, for training.
    """
    from torch.nn.utils import parametrize

    parametrized: list[Any] = [m for m in model.modules() if parametrize.is_parametrized(m)]
    for module in parametrized:
        for name in list(module.parametrizations):
            parametrize.remove_parametrizations(module, name, leave_parametrized=True)


class AdaptedPredictor:
    """A model and what the stage `adapt` learned from some taps of the session at hand."""

    def __init__(self, model: Predictor, folder: Path, metadata: dict[str, Any]) -> None:
        """Read what was learned.

        Args:
            model: as it is by itself.
            folder: which also holds what was learned, and the keyboard.
            metadata: what the folder says about the model.

        Raises:
            Tap2keyError: a file is missing or damaged.
        """
        saved = read_json(folder / ADAPTED_FILE)
        places = places_of(load_keyboard(folder / ADAPTED_KEYBOARD_FILE), metadata["labels"])
        self.model, self.places, self.network = model, places, metadata["kind"] in HEAD
        try:
            self.softness = Softness(**saved["softness"])
            self.adaptation = Adaptation.from_dict(saved, places)
        except (KeyError, TypeError, ValueError) as error:
            raise Tap2keyError(
                f"{folder / ADAPTED_FILE}: is damaged ({error}); adapt the model again"
            ) from error

    def probabilities(self, inputs: np.ndarray) -> np.ndarray:
        """See `Predictor`."""
        return self.located(inputs, self.places)[0]

    def located(self, inputs: np.ndarray, places: Places) -> tuple[np.ndarray, np.ndarray | None]:
        """See `Predictor`; a network's probabilities, once sharpened, no longer tell places."""
        probabilities, located = self.model.located(inputs, places)
        outputs = outputs_of(probabilities, self.network, self.places, self.softness)
        if outputs.places is not None:
            located = self.adaptation.places(outputs)
        return self.adaptation.probabilities(outputs), located
