"""What makes a single tap quick to name changes no probability: it is told by the stock model."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from made import SHAPE, held_out_study, stage
from torch.nn.utils import parametrize
from transformers import AutoFeatureExtractor, AutoModelForAudioClassification

from tap2key.audio.array import array_of
from tap2key.core.errors import Tap2keyError
from tap2key.datasets.crops import cut_of
from tap2key.datasets.encoding import Encoding
from tap2key.models.model_folder import write_model_metadata
from tap2key.models.own_networks import OWN_NETWORKS
from tap2key.models.predictor import load_predictor
from tap2key.models.wav2vec2 import build_classifier, build_extractor

ARRAY = array_of({"channels": 4})
LABELS = ("a", "b", "c", "|")
CROP_MS = [0.5, 1.5]
# Of great weights, so that it is sure of what it says.
SURE = {**SHAPE, "initializer_range": 0.5, "num_conv_pos_embeddings": 15}
MODEL = {"checkpoint": None, "inflate_stem": False, "freeze": [], "max_duration_s": None}
# Of pairs, the first convolution is as long as one of them.
OF_PAIRS = {"conv_dim": [16], "conv_bias": True, "feat_extract_norm": "layer"}
PAIRS = {**SURE, **OF_PAIRS, "num_feat_extract_layers": 1}
del PAIRS["conv_kernel"], PAIRS["conv_stride"]
CASES = {
    "interleaved": ("wav2vec2", "interleave", SURE),
    "pairs": ("wav2vec2", "pairs", PAIRS),
    "pairs_waves": ("wav2vec2", "pairs_waves", PAIRS),
    "stable": ("wav2vec2", "pairs", {**PAIRS, "do_stable_layer_norm": True}),
    "convolutional": ("convolutional", "interleave", {}),
    "convolutional pairs": ("convolutional", "pairs", {}),
    "learned_gcc": ("learned_gcc", "interleave", {}),
}


@pytest.fixture(scope="module", params=CASES)
def saved(tmp_path_factory, request):
    """An untrained model as it is loaded here and by stock Transformers."""
    folder = tmp_path_factory.mktemp(request.param)
    kind, _, _ = CASES[request.param]
    encoding, cut = save(folder, *CASES[request.param])
    family = OWN_NETWORKS.get(kind, AutoModelForAudioClassification)
    stock = AutoFeatureExtractor.from_pretrained(folder), family.from_pretrained(folder).eval()
    return load_predictor(folder)[0], stock, encoding, cut


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An untrained network's."""
    folder = tmp_path_factory.mktemp("whole")
    save(folder, *CASES["pairs"])
    return folder


def save(folder, kind, representation, shape):
    """Write an untrained model's folder; its encoding and what it is given of it."""
    encoding = Encoding(representation, 16_000, (1, 3), array=ARRAY)
    length = encoding.held * encoding.frames
    settings = {"kind": kind, "model": {**MODEL, "config_overrides": shape, "crop_ms": CROP_MS}}
    settings["model"]["revision"] = None
    torch.manual_seed(0)
    cut = cut_of(encoding, length, CROP_MS, None)
    build_classifier(settings, LABELS, encoding, cut).save_pretrained(folder)
    build_extractor(encoding.sample_rate).save_pretrained(folder)
    about = {"held_out": ["Ana"], "tests_on_rows": False, "fingerprints": {"Bo": ""}}
    about |= {"validation_by": "session", "validation": [["Bo", "s2"]], "validation_taps": ""}
    about |= {"class_counts": {"train": dict.fromkeys(LABELS, 1)}}
    trained_on = SimpleNamespace(labels=LABELS, encoding=encoding)
    write_model_metadata(folder, settings, about, trained_on, length, 0, {})
    return encoding, cut


@pytest.mark.parametrize("batch", [1, 2, 64, 65, 130])
def test_probabilities_are_the_stock_models_whatever_the_batch(saved, batch):
    predictor, (extractor, network), encoding, cut = saved
    rng = np.random.default_rng(batch)
    windows = rng.standard_normal((batch, encoding.held, encoding.frames)).astype(np.float32)
    # Quiet and loud, off zero, and with a channel or pair, or all of them, dead.
    windows *= 10 ** rng.uniform(-3, 1, (batch, 1, 1)).astype(np.float32)
    windows[::3] += 0.5
    windows[::4, 0] = 0
    windows[5::10] = 0
    rows = windows if encoding.stacked else windows.transpose(0, 2, 1)
    rows = np.ascontiguousarray(rows).reshape(batch, -1)
    found = predictor.probabilities(rows)
    inputs = extractor(list(cut(windows)), sampling_rate=16_000, return_tensors="pt")
    with torch.inference_mode():
        expected = network(**inputs).logits.softmax(dim=-1).numpy()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    # The numbers mean something: they differ from window to window.
    assert batch == 1 or np.ptp(expected, axis=0).max() > 0.01


def test_nothing_of_the_weights_is_computed_anew_for_every_tap(saved):
    predictor, (_, network), _, _ = saved
    assert not any(map(parametrize.is_parametrized, predictor.model.modules()))
    # And the folder stays as it was: the stock model, which does.
    of_transformers = type(network) not in OWN_NETWORKS.values()
    assert any(map(parametrize.is_parametrized, network.modules())) == of_transformers


def cut_off(path):
    path.write_bytes(path.read_bytes()[:50])


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("model.safetensors", cut_off),
        ("model.safetensors", Path.unlink),
        ("config.json", cut_off),
        ("preprocessor_config.json", Path.unlink),
        ("tap2key.json", lambda path: path.write_text("{}")),
        ("tap2key.json", lambda path: path.write_text(json.dumps({"kind": "wav2vec2"}))),
    ],
)
def test_a_networks_folder_that_is_not_whole_is_one_line(folder, tmp_path, name, damage):
    """As an interrupted copy leaves it."""
    copied = shutil.copytree(folder, tmp_path / "Ana's copy")
    damage(copied / name)
    with pytest.raises(Tap2keyError, match=r"Ana's copy.*; copy the model again$") as refused:
        load_predictor(copied)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("damage", [cut_off, Path.unlink])
def test_a_forests_folder_that_is_not_whole_is_one_line(tmp_path, damage):
    fold, training, _ = held_out_study(tmp_path / "study", ("Ana", "Bo", "Chen"))
    model = tmp_path / "model"
    chosen = ("--kind", "level_forest", "--trees", 3)
    stage("baseline", "--fold", fold, "--datasets", *training, *chosen, "--output", model)
    assert load_predictor(model)
    damage(model / "forest.skops")
    with pytest.raises(Tap2keyError, match=r"model: is damaged or not complete \(.*again$"):
        load_predictor(model)
