"""A saved model with stock Transformers names the keys that `evaluate` has it name."""

import re

import datasets
import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from made import LABELS, SETTINGS, dataset, fold, held_out_study, stage, training_arguments
from running import ROOT
from transformers import AutoFeatureExtractor, AutoModelForAudioClassification

from tap2key.__main__ import main
from tap2key.core.errors import Tap2keyError
from tap2key.core.files import read_json
from tap2key.datasets.encoded_dataset import Rows, identities, load_fold
from tap2key.datasets.encoding import Encoding
from tap2key.models.model_inputs import cut_for
from tap2key.models.predictor import load_predictor

PAGE = ROOT / "docs" / "python.md"
# Half of a row, which shifts move to and fro in training.
CROPPED = {
    "model": {**SETTINGS["model"], "crop_ms": [0.5, 1.5]},
    "augmentation": {"shift_ms": 0.25},
}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A fold, its training datasets, all datasets, and a model's folder with its evaluation."""
    root = tmp_path_factory.mktemp("study")
    folder, training, made = held_out_study(root, taps=96)
    stage("train", *training_arguments(folder, training, root, **CROPPED))
    tested = ("--datasets", made["Ana"], "--output", root / "scores")
    stage("evaluate", "--model", root / "model", *tested)
    return folder, training, made, root


def probabilities_of(model, rows):
    """With stock Transformers alone."""
    extractor = AutoFeatureExtractor.from_pretrained(model)
    network = AutoModelForAudioClassification.from_pretrained(model).eval()
    rate = extractor.sampling_rate
    inputs = extractor(list(rows), sampling_rate=rate, return_tensors="pt")
    with torch.inference_mode():
        return network(**inputs).logits.softmax(dim=-1).numpy()


def evaluated(root):
    table = pq.read_table(root / "scores" / "predictions.parquet")
    return np.stack(table["probabilities"].to_numpy())


def test_the_documented_lines_reach_the_accuracy_of_evaluate(study, capsys):
    folder, training, made, root = study
    text = next(
        block
        for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
        if "AutoFeatureExtractor" in block
    )
    lines = re.sub(r'^model = ".*"$', "", text, flags=re.M)
    assert lines != text
    known = {"fold": load_fold(folder, training, made["Ana"]), "model": str(root / "model")}
    capsys.readouterr()
    exec(lines, known)
    printed = float(capsys.readouterr().out.splitlines()[-1])
    assert printed == read_json(root / "scores" / "metrics.json")["accuracy"]
    assert 1 / len(LABELS) < printed
    assert known["named"].tolist() == evaluated(root).argmax(axis=1).tolist()


def test_cut_rows_give_what_evaluate_gives_and_whole_rows_do_not(study):
    folder, training, made, root = study
    data = load_fold(folder, training, made["Ana"])["test"]
    cut = cut_for(root / "model", data).with_format("numpy")
    found = probabilities_of(root / "model", cut["input_values"])
    np.testing.assert_allclose(found, evaluated(root), atol=1e-6)
    whole = probabilities_of(root / "model", data.with_format("numpy")["input_values"])
    assert np.abs(whole - found).max() > 0.01


def test_the_feature_extractor_says_where_to_cut(study):
    """For who has nothing of this pipeline; rows are interleaved, frame by frame."""
    _, _, made, root = study
    told = AutoFeatureExtractor.from_pretrained(root / "model").input_cut
    assert told == {
        **{"row_length": 512, "first": 8, "frames": 24 + 8, "channels": 8},
        "stacked": False,
    }
    rows = datasets.load_from_disk(str(made["Ana"])).with_format("numpy")["input_values"][:]
    first, last = (told["channels"] * n for n in (told["first"], told["first"] + told["frames"]))
    found = probabilities_of(root / "model", rows[:, first:last])
    np.testing.assert_allclose(found, evaluated(root), atol=1e-6)


def test_a_fold_is_exported_as_a_model_takes_it(study, tmp_path):
    folder, training, made, root = study
    arguments = ("--fold", folder, "--datasets", *training, "--test-datasets", made["Ana"])
    given = ("export", "--dataset", *arguments, "--model", root / "model")
    stage(*given, "--output", tmp_path / "exported")
    exported = datasets.load_from_disk(str(tmp_path / "exported"))
    rows = exported["test"].with_format("numpy")
    found = probabilities_of(root / "model", rows["input_values"])
    np.testing.assert_allclose(found, evaluated(root), atol=1e-6)
    expected = load_fold(folder, training, made["Ana"])
    for side, part in exported.items():
        assert identities(part) == identities(expected[side])
        assert part["label"][:] == expected[side]["label"][:]
        assert part.features["label"] == expected[side].features["label"]


def test_repeated_rows_stay_repeated_and_in_order(study):
    folder, training, _, root = study
    train = load_fold(folder, training)["train"].select([5, 0, 5, 40, 0])
    cut = cut_for(root / "model", train)
    assert identities(cut) == identities(train)
    whole = Rows(train).all().reshape(5, 64, 8)
    np.testing.assert_array_equal(Rows(cut).all(), whole[:, 8:40].reshape(5, -1))
    # The repeats share their values.
    assert len(cut.data) == 3


@pytest.mark.parametrize("crop_ms", [[0.5, 1.5], None])
def test_stacked_channels_are_cut_one_by_one(tmp_path, crop_ms):
    encoding = Encoding("stack", 16_000, (1, 3), None)
    rng = np.random.default_rng(0)
    made = {}
    for name in ("Ana", "Bo", "Chen"):
        inputs = rng.standard_normal((12, 512)).astype(np.float32)
        label_ids = np.arange(12) % 3
        made[name] = dataset(tmp_path / name, name, label_ids, encoding=encoding, inputs=inputs)
    folder, training = fold(tmp_path / "fold", made, "Ana")
    training_settings = {**SETTINGS["training"], "epochs": 1}
    settings = {"model": {**SETTINGS["model"], "crop_ms": crop_ms}, "training": training_settings}
    stage("train", *training_arguments(folder, training, tmp_path, **settings))
    data = load_fold(folder, training, made["Ana"])["test"]
    rows = Rows(data).all()
    expected = load_predictor(tmp_path / "model")[0].probabilities(rows)
    cut = Rows(cut_for(tmp_path / "model", data)).all()
    np.testing.assert_allclose(probabilities_of(tmp_path / "model", cut), expected, atol=1e-6)
    kept = rows.reshape(12, 8, 64)
    kept = kept if crop_ms is None else kept[:, :, 8:40]
    np.testing.assert_array_equal(cut, kept.reshape(12, -1))


def test_a_forest_takes_whole_rows(study, tmp_path):
    folder, training, made, _ = study
    given = ("--fold", folder, "--datasets", *training, "--output", tmp_path / "forest")
    stage("baseline", *given, "--kind", "level_forest", "--trees", 3)
    data = load_fold(folder, training, made["Ana"])["test"]
    assert cut_for(tmp_path / "forest", data) is data


def test_rows_that_a_model_cannot_take_are_refused(study, tmp_path, capsys):
    folder, training, made, root = study
    data = load_fold(folder, training, made["Ana"])["test"]
    cut = cut_for(root / "model", data)
    with pytest.raises(Tap2keyError, match=r"takes rows of 512 values, not of 256"):
        cut_for(root / "model", cut)
    other = dataset(tmp_path / "other", "Ana", [0, 1, 2], labels=("a", "b", "c"))
    with pytest.raises(Tap2keyError, match="was trained on different keys"):
        cut_for(root / "model", datasets.load_from_disk(str(other)))
    arguments = ("--taps", tmp_path, "--model", root / "model", "--output", tmp_path / "out")
    assert main(["export", "--dataset", "paths", *map(str, arguments)]) == 1
    assert "does not take --model" in capsys.readouterr().err
