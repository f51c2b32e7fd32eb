"""What a model's folder says about the model, beside transformers' own files."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tap2key.config.stage_settings import BASELINES, LEARNED_GCC, MULTILATERATION
from tap2key.core.digests import digest, fingerprint
from tap2key.core.errors import Tap2keyError
from tap2key.core.files import read_json, write_json
from tap2key.core.provenance import package_versions
from tap2key.datasets.encoded_dataset import EncodedDataset
from tap2key.datasets.encoding import Encoding
from tap2key.models.softness import ONLY_LABELS, Softness

MODEL_METADATA_FILE = "tap2key.json"
FOREST_FILE = "forest.skops"
# Beside a forest: trees that tell where a tap was touched.
TOUCHES_FILE = "touches.skops"
SVM_FILE = "svm.skops"
MULTILATERATION_FILE = "multilateration.json"
# What a model consists of; not all kinds have all of these.
MODEL_FILES = (
    *("config.json", "model.safetensors", "preprocessor_config.json", FOREST_FILE, TOUCHES_FILE),
    *(SVM_FILE, MULTILATERATION_FILE, MODEL_METADATA_FILE, "history.tsv"),
)
# Among a model's validation scores, by which experiments are chosen: macro-F1 of a network as its
# last evaluated epoch leaves it, of a baseline as it is.
SELECTION_SCORE = "selection_macro_f1"
# Beside an adapted model's other files: what was learned from taps, and where its keys are.
ADAPTED_FILE = "adaptation.json"
ADAPTED_KEYBOARD_FILE = "keyboard.csv"
MODEL_PACKAGES = ("torch", "transformers", "accelerate", "datasets", "scikit-learn", "numpy")
# A network's last layer.
HEAD = {"wav2vec2": "classifier", "convolutional": "head", LEARNED_GCC: "head"}
# Versions that must agree, major and minor, for a model of a kind to be read back faithfully.
DECISIVE_PACKAGE = {
    **dict.fromkeys(HEAD, "transformers"),
    **dict.fromkeys(BASELINES, "scikit-learn"),
}


def model_fingerprint(folder: Path) -> str:
    """A hash of a model's own files; its card and provenance may change without it."""
    files = [folder / name for name in MODEL_FILES]
    return digest({file.name: fingerprint(file, whole=True) for file in files if file.is_file()})


def write_model_metadata(
    folder: Path,
    settings: dict[str, Any],
    fold: dict[str, Any],
    dataset: EncodedDataset,
    length: int,
    seed: int,
    validation: dict[str, Any],
    softness: Softness = ONLY_LABELS,
) -> None:
    """Write what evaluation and prediction need to know about a model into its folder."""
    # A baseline sees the whole of an encoded window.
    model = settings.get("model", {"crop_ms": None, "max_duration_s": None})
    tried = search["budget"] if (search := settings.get("search")) else 1
    write_json(
        folder / MODEL_METADATA_FILE,
        {
            "kind": settings["kind"],
            "labels": list(dataset.labels),
            "encoding": dataset.encoding.as_dict(),
            "length": length,
            "crop_ms": model["crop_ms"],
            "max_duration_s": model["max_duration_s"],
            "held_out": fold["held_out"],
            "tests_on_rows": fold["tests_on_rows"],
            "trained_on": sorted(fold["fingerprints"]),
            "training_taps": fold["class_counts"]["train"],
            "seed": seed,
            "validation": validation,
            "softness": asdict(softness),
            "validated_by": fold["validation_by"],
            "validation_people": sorted({person for person, _ in fold["validation"]}),
            "validation_taps": fold["validation_taps"],
            # Multilateration has no setting to search.
            "candidates": None if settings["kind"] == MULTILATERATION else tried,
            "packages": package_versions(MODEL_PACKAGES),
        },
    )


def read_model_metadata(folder: Path, allow_other_version: bool = False) -> dict[str, Any]:
    """Read it back, refusing a model that another version of its library made.

    Raises:
        Tap2keyError: not a model of this pipeline, a damaged one, or one made with another major or
            minor version.
    """
    # Models from before there were soft labels do not say.
    metadata = {"softness": {}, **read_json(folder / MODEL_METADATA_FILE)}
    try:
        package = DECISIVE_PACKAGE[metadata["kind"]]
        made = metadata["packages"][package]
    except (KeyError, TypeError) as error:
        raise Tap2keyError(
            f"{folder / MODEL_METADATA_FILE}: says nothing of {error}; copy the model again"
        ) from error
    here = package_versions([package])[package]
    if made.split(".")[:2] != here.split(".")[:2] and not allow_other_version:
        raise Tap2keyError(
            f"{folder}: made with {package} {made}, and {here} is installed; install {made} or "
            "allow it with --allow-other-version"
        )
    return metadata


def encoding_of(metadata: Mapping[str, Any]) -> Encoding:
    """The encoding that a model was trained on."""
    return Encoding.from_metadata(metadata["encoding"])
