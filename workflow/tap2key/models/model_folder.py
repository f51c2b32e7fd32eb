"""What a model's folder says about the model, beside transformers' own files."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tap2key.core.errors import Tap2keyError
from tap2key.core.files import read_json, write_json
from tap2key.core.provenance import package_versions
from tap2key.datasets.encoded_dataset import EncodedDataset
from tap2key.datasets.representations import Encoding
from tap2key.models.softness import ONLY_LABELS, Softness

ABOUT_FILE = "tap2key.json"
FOREST_FILE = "forest.skops"
ABOUT_PACKAGES = ("torch", "transformers", "accelerate", "datasets", "scikit-learn", "numpy")
# Versions that must agree, major and minor, for a model of a kind to be read back faithfully.
DECISIVE_PACKAGE = {
    "wav2vec2": "transformers",
    "gcc_phat_forest": "scikit-learn",
    "level_forest": "scikit-learn",
    "mfcc_forest": "scikit-learn",
    "convolutional": "transformers",
}
# A network's last layer.
HEAD = {"wav2vec2": "classifier", "convolutional": "head"}


def write_about(
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
    write_json(
        folder / ABOUT_FILE,
        {
            "kind": settings["kind"],
            "labels": list(dataset.labels),
            "encoding": asdict(dataset.encoding),
            "length": length,
            "crop_ms": settings["model"]["crop_ms"],
            "max_duration_s": settings["model"]["max_duration_s"],
            "held_out": fold["held_out"],
            "tests_on_rows": fold["tests_on_rows"],
            "trained_on": sorted(fold["fingerprints"]),
            "training_taps": fold["class_counts"]["train"],
            "seed": seed,
            "validation": validation,
            "softness": asdict(softness),
            "validated_by": fold["validation_by"],
            "packages": package_versions(ABOUT_PACKAGES),
        },
    )


def read_about(folder: Path, allow_other_version: bool = False) -> dict[str, Any]:
    """Read it back, refusing a model that another version of its library made.

    Raises:
        Tap2keyError: not a model of this pipeline, or made with another major or minor version.
    """
    # Models from before there were soft labels do not say.
    about = {"softness": {}, **read_json(folder / ABOUT_FILE)}
    package = DECISIVE_PACKAGE[about["kind"]]
    made, here = about["packages"][package], package_versions([package])[package]
    if made.split(".")[:2] != here.split(".")[:2] and not allow_other_version:
        raise Tap2keyError(
            f"{folder}: made with {package} {made}, and {here} is installed; install {made} or "
            "allow it with --allow-other-version"
        )
    return about


def encoding_of(about: Mapping[str, Any]) -> Encoding:
    """The encoding that a model was trained on."""
    return Encoding.told(about["encoding"])
