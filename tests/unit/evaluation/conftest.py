"""A study of four people, and a model that holds one of them out."""

import pytest
import torch
from made import ENCODING, LABELS, SHAPE, held_out_study

from tap2key.core.files import read_json
from tap2key.datasets.encoded_dataset import load_dataset_folder
from tap2key.models.model_folder import write_model_metadata
from tap2key.models.wav2vec2 import build_extractor, build_model

CROP = (0.5, 2)


@pytest.fixture(scope="session")
def study(tmp_path_factory):
    return held_out_study(tmp_path_factory.mktemp("study"), taps=60, rare=2)


@pytest.fixture(scope="session")
def network(study, tmp_path_factory):
    """A model folder as training writes it, with weights that were never trained."""
    folder = tmp_path_factory.mktemp("network")
    torch.manual_seed(0)
    build_model(None, SHAPE, LABELS, 8 * 40).save_pretrained(folder)
    build_extractor(ENCODING.sample_rate).save_pretrained(folder)
    settings = {"kind": "wav2vec2", "model": {"crop_ms": CROP, "max_duration_s": None}}
    opened = load_dataset_folder(study.datasets["Bo"])
    write_model_metadata(folder, settings, read_json(study.fold / "fold.json"), opened, 512, 0, {})
    return folder
