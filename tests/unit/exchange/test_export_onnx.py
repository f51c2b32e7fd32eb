import json

import numpy as np
import onnxruntime
import pytest
import sounds
import torch
from made import ENCODING, EVERYBODY, LABELS, SHAPE, held_out_study, stage

from tap2key.__main__ import main
from tap2key.audio.array import DEFAULT
from tap2key.core.files import read_json
from tap2key.datasets.crops import cut_of
from tap2key.datasets.encoded_dataset import load_dataset_folder
from tap2key.datasets.representations import encode_windows
from tap2key.models.model_folder import write_model_metadata
from tap2key.models.predictor import load_predictor
from tap2key.models.wav2vec2 import build_classifier, build_extractor

CROP = (0.5, 2)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return held_out_study(tmp_path_factory.mktemp("study"), EVERYBODY[:3], taps=24)


@pytest.fixture(scope="module", params=["wav2vec2", "convolutional", "learned_gcc"])
def exported(request, study, tmp_path_factory):
    """A model folder as training writes it, and its ONNX file."""
    folder = tmp_path_factory.mktemp(request.param)
    model_settings = {
        "checkpoint": None,
        "config_overrides": SHAPE,
        "inflate_stem": False,
        "freeze": [],
    }
    model_settings |= {"revision": None}
    settings = {
        "kind": request.param,
        "model": {**model_settings, "crop_ms": CROP, "max_duration_s": None},
    }
    torch.manual_seed(0)
    cut = cut_of(ENCODING, 512, CROP, None)
    model = build_classifier(settings, LABELS, ENCODING, cut)
    decide(model, cut.length)
    model.save_pretrained(folder)
    build_extractor(ENCODING.sample_rate).save_pretrained(folder)
    fold_folder, _, made = study
    opened = load_dataset_folder(made["Bo"])
    write_model_metadata(folder, settings, read_json(fold_folder / "fold.json"), opened, 512, 0, {})
    stage("export", "--onnx", folder, "--output", folder / "model.onnx")
    return folder


def decide(model, length):
    """Spread the outputs: the near-uniform probabilities of fresh weights hide differences."""
    head = list(model.children())[-1]
    noise = torch.randn(64, length, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        for _ in range(20):  # so that batch normalisation has averages
            model.train()(noise)
        logits = model.eval()(noise).logits
        scale = 2 / logits.std(dim=0).mean()
        head.bias.copy_(scale * (head.bias - logits.mean(dim=0)))
        head.weight.mul_(scale)


def by_onnx(path, encoded):
    """Probabilities by what the file itself says, with nothing of ours."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    cut = json.loads(session.get_modelmeta().custom_metadata_map["cut"])
    frames = encoded.reshape(len(encoded), -1, cut["channels"])
    kept = frames[:, cut["first"] : cut["first"] + cut["frames"]]
    (found,) = session.run(None, {"window": kept.reshape(len(encoded), -1)})
    return found


def recorded(count):
    """Raw windows of taps in a room, quiet and loud: [count, 8, 8192] float32."""
    rng = np.random.default_rng(4)
    return np.stack(
        [
            sounds.recording(
                [2192 / 96_000], 8192 / 96_000, seed=n, loudness=rng.uniform(0.01, 0.9)
            ).T
            for n in range(count)
        ]
    ).astype(np.float32)


@pytest.mark.parametrize("batch", [1, 7])
@pytest.mark.parametrize("what", ["noise", "recorded"])
def test_the_numbers_are_pytorchs(exported, batch, what):
    if what == "noise":
        encoded = np.random.default_rng(batch).standard_normal((batch, 512)).astype(np.float32)
        encoded[0] *= 1e-4
    else:
        encoded = encode_windows(recorded(batch), ENCODING)
    expected = load_predictor(exported)[0].probabilities(encoded)
    found = by_onnx(exported / "model.onnx", encoded)
    assert found.shape == (batch, len(LABELS))
    assert np.abs(found - expected).max() < 1e-5
    # Far from uniform, and not the same for every window: the numbers mean something.
    assert batch == 1 or expected.max() > 0.6
    assert batch == 1 or np.ptp(expected, axis=0).max() > 0.01


def test_the_file_says_what_it_needs_and_gives(exported):
    session = onnxruntime.InferenceSession(
        exported / "model.onnx", providers=["CPUExecutionProvider"]
    )
    notes = session.get_modelmeta().custom_metadata_map
    assert json.loads(notes["labels"]) == list(LABELS)
    assert json.loads(notes["encoding"]) == {
        "representation": "interleave",
        "sample_rate": 16_000,
        "crop_ms": [1, 3],
        "highpass_hz": None,
        "whiten": False,
        "array": DEFAULT.as_dict(),
    }
    # 0.5 ms before and 2 ms after the onset, which is 16 frames into the encoded window.
    cut = {"first": 8, "frames": 40, "channels": 8, "stacked": False}
    assert json.loads(notes["cut"]) == cut
    assert notes["onset_frame"] == "8"
    assert json.loads(notes["held_out"]) == ["Ana"]
    (given,) = session.get_inputs()
    assert (given.name, given.shape[1:]) == ("window", [320])
    assert not isinstance(given.shape[0], int)
    assert not (exported / "model.onnx.data").exists()


def test_a_forest_and_a_folder_without_a_model_are_refused(study, tmp_path, capsys):
    fold_folder, training, _ = study
    where = ("--fold", fold_folder, "--datasets", *training, "--output", tmp_path / "forest")
    stage("baseline", *where, "--kind", "level_forest", "--trees", 3)
    for folder, words in ((tmp_path / "forest", "is a level_forest"), (tmp_path, "no such file")):
        output = tmp_path / "model.onnx"
        assert main(["export", "--onnx", str(folder), "--output", str(output)]) == 1
        assert words in capsys.readouterr().err
        assert not output.exists()
