"""A model whose numbers are not finite is refused where it is made and wherever it is used."""

import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import skops.io
import torch
from made import (
    CENTRES,
    LABELS,
    SETTINGS,
    SHAPE,
    dataset,
    error_line,
    fold,
    held_out_study,
    people,
    stage,
    training_arguments,
    windows,
)
from safetensors.torch import load_file, save_file
from sounds import recording, write_wav

from tap2key.core.errors import DivergedError, Tap2keyError
from tap2key.core.files import read_json
from tap2key.evaluation.predictions import Predictions, read_predictions, write_predictions
from tap2key.models.divergence import check_answers
from tap2key.models.model_folder import FOREST_FILE
from tap2key.models.predictor import load_predictor
from tap2key.models.wav2vec2 import build_model
from tap2key.training.bookkeeping import Bookkeeping
from tap2key.training.checkpoints import last_complete_checkpoint, only_whole_checkpoints
from tap2key.training.temperature import fit_temperature

QUICK = {"training": {**SETTINGS["training"], "epochs": 1}}
# Adam's first step with it leaves weights whose products overflow.
DIVERGING = {"training": {**SETTINGS["training"], "learning_rate": 1e30}}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("study")
    (root / "keyboard.csv").write_text(CENTRES)
    return held_out_study(root, taps=48)


@pytest.fixture(scope="module")
def models(data, tmp_path_factory):
    """By kind, a sound model's folder."""
    root = tmp_path_factory.mktemp("models")
    folder, training, _ = data
    for kind in ("wav2vec2", "convolutional"):
        stage("train", *training_arguments(folder, training, root, kind, kind=kind, **QUICK))
    given = ("--fold", folder, "--datasets", *training, "--trees", 5)
    stage("baseline", *given, "--kind", "gcc_phat_forest", "--output", root / "gcc_phat_forest")
    return root


KINDS = ("wav2vec2", "convolutional", "gcc_phat_forest")


def spoilt(model, copy, number=float("nan")):
    """A copy of a model with one number of its weights replaced."""
    shutil.copytree(model, copy)
    if (copy / FOREST_FILE).exists():
        forest = skops.io.load(copy / FOREST_FILE, trusted=["sklearn.tree._tree.Tree"])
        forest.estimators_[-1].tree_.value[0] = number
        skops.io.dump(forest, copy / FOREST_FILE)
        return copy
    spoil(copy / "model.safetensors", number)
    return copy


def spoil(path, number=float("nan")):
    weights = load_file(path)
    name = sorted(weights)[len(weights) // 2]
    weights[name].view(-1)[-1] = number
    save_file(weights, path, metadata={"format": "pt"})


def overflowing(model, copy):
    """A copy of a network with finite weights, whose logits are not."""
    shutil.copytree(model, copy)
    weights = load_file(copy / "model.safetensors")
    for name in weights:
        if name in ("projector.weight", "classifier.weight", "head.weight"):
            weights[name].copy_(torch.full_like(weights[name], 3e38))
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    return copy


def uses(data, model, output):
    """The command lines of all stages that use a model."""
    folder, _, datasets = data
    keyboard = ("--keyboard", folder.parent / "keyboard.csv")
    scored = ("--model", model, *keyboard, "--output", output)
    yield ("evaluate", *scored, "--datasets", datasets["Ana"])
    tested = ("--test-datasets", datasets["Ana"])
    yield ("adaptation-scores", *scored, "--fold", folder, *tested)
    if "forest" not in model.name:
        yield ("export", "--onnx", model, "--output", output)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_model_with_a_weight_that_is_not_finite_is_refused(
    data, models, tmp_path, capsys, kind, number
):
    model = spoilt(models / kind, tmp_path / kind, number)
    for arguments in uses(data, model, tmp_path / "output"):
        line = error_line(capsys, *arguments)
        assert str(model) in line and "not finite" in line
        assert [p.name for p in tmp_path.iterdir()] == [kind]


@pytest.mark.parametrize("kind", ["wav2vec2", "convolutional"])
def test_a_model_whose_probabilities_are_not_finite_is_refused(
    data, models, tmp_path, capsys, kind
):
    model = overflowing(models / kind, tmp_path / kind)
    for arguments in uses(data, model, tmp_path / "output"):
        line = error_line(capsys, *arguments)
        assert str(model) in line
        assert "finite" in line or "differ" in line
        assert [p.name for p in tmp_path.iterdir()] == [kind]


@pytest.mark.parametrize("spoiling", [spoilt, overflowing])
def test_one_diverged_model_of_several_is_named_and_names_no_tap(
    models, tmp_path, capsys, spoiling
):
    broken = spoiling(models / "wav2vec2", tmp_path / "broken")
    write_wav(tmp_path / "new" / "a.wav", recording([0.5, 1.0, 1.5], 2.0))
    given = ("predict", "--recordings", tmp_path / "new", "--output", tmp_path / "read")
    line = error_line(capsys, *given, "--models", models / "wav2vec2", broken)
    assert str(broken) in line and "finite" in line
    assert not (tmp_path / "read").exists()
    stage(*given, "--models", models / "wav2vec2", models / "gcc_phat_forest")


@pytest.mark.parametrize("kind", ["wav2vec2", "convolutional", "learned_gcc"])
@pytest.mark.parametrize("sd_mm", [0, 12])
def test_training_that_diverges_stops_there_and_publishes_nothing(
    data, tmp_path, capsys, kind, sd_mm
):
    folder, training, _ = data
    settings = {"training": {**DIVERGING["training"], "soft_label_sd_mm": sd_mm, "warmup_ratio": 0}}
    arguments = training_arguments(folder, training, tmp_path, kind=kind, **settings)
    arguments += ["--keyboard", folder.parent / "keyboard.csv"]
    # And again, as the workflow's retries do.
    for _ in range(2):
        line = error_line(capsys, "train", *arguments)
        assert "training diverged at step 2 of 36: the loss is not finite; " in line
        assert not (tmp_path / "model").exists()
        assert list(tmp_path.glob("checkpoints/*/checkpoint-*")) == []


def test_training_that_diverges_with_its_last_step_publishes_nothing(data, tmp_path, capsys):
    """No loss follows that would tell."""
    folder, training, _ = data
    last = {"batch_size": 96, "epochs": 1, "warmup_ratio": 0}
    settings = {"training": {**DIVERGING["training"], **last}}
    line = error_line(capsys, "train", *training_arguments(folder, training, tmp_path, **settings))
    assert "training diverged by step 1 of 1: the validation loss is not finite; " in line
    assert not (tmp_path / "model").exists()
    assert list(tmp_path.glob("checkpoints/*/checkpoint-*")) == []


def test_training_that_diverges_later_goes_on_from_no_diverged_checkpoint(
    data, tmp_path, capsys, monkeypatch
):
    """Its retries stop at the same step, and its last sound checkpoint is kept."""
    folder, training, _ = data
    arguments = training_arguments(folder, training, tmp_path)
    with monkeypatch.context() as patched:

        def spoil_weights(self, args, state, control, model, **kwargs):
            if state.global_step == 9:
                next(model.parameters()).data.fill_(float("nan"))

        patched.setattr(Bookkeeping, "on_step_begin", spoil_weights, raising=False)
        for _ in range(2):
            assert "diverged at step 10 of 36" in error_line(capsys, "train", *arguments)
            (checkpoint,) = tmp_path.glob("checkpoints/*/checkpoint-*")
            assert checkpoint.name == "checkpoint-6"
    stage("train", *arguments)
    stage("train", *training_arguments(folder, training, tmp_path / "whole"))
    one, other = (load_file(r / "model/model.safetensors") for r in (tmp_path, tmp_path / "whole"))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_checkpoint_with_weights_that_are_not_finite_is_not_resumed_from(tmp_path, capsys):
    for step in (6, 12, 18):
        folder = tmp_path / f"checkpoint-{step}"
        build_model(None, SHAPE, LABELS, 512).save_pretrained(folder)
        (folder / "complete").touch()
    spoil(tmp_path / "checkpoint-12" / "model.safetensors")
    damaged = tmp_path / "checkpoint-18" / "model.safetensors"
    damaged.write_bytes(damaged.read_bytes()[:500])
    with only_whole_checkpoints(tmp_path):
        assert [p.name for p in tmp_path.iterdir()] == ["checkpoint-6"]
    told = capsys.readouterr().err
    assert "checkpoint-12: not resumed from (" in told and "is not finite)" in told
    assert "checkpoint-18: not resumed from (" in told


def test_a_checkpoint_that_a_signal_asks_for_is_not_whole_when_its_weights_diverged(tmp_path):
    """It is written before any loss tells."""
    (tmp_path / "checkpoint-5").mkdir()
    arguments = SimpleNamespace(output_dir=str(tmp_path))
    state = SimpleNamespace(global_step=5, max_steps=9, is_world_process_zero=True)
    model = build_model(None, SHAPE, LABELS, 512)
    told = Bookkeeping(None)
    told.on_save(arguments, state, None, model=model)
    assert last_complete_checkpoint(tmp_path) is not None
    (tmp_path / "checkpoint-5" / "complete").unlink()
    model.classifier.bias.data[1] = float("inf")
    with pytest.raises(DivergedError, match=r"step 5 of 9: its weights .*classifier\.bias"):
        told.on_save(arguments, state, None, model=model)
    assert last_complete_checkpoint(tmp_path) is None


def spoilt_windows(root):
    """A fold of which one training window holds a NaN."""
    label_ids = np.arange(48) % 3
    datasets = people(root / "datasets", ["Ana", "Chen"], taps=48)
    for name in ("Bo", "Dee"):
        made = windows(label_ids, np.random.default_rng(0)).transpose(0, 2, 1).reshape(48, -1)
        made[7, 100] = np.nan
        datasets[name] = dataset(root / name, name, label_ids, inputs=made)
    return fold(root / "fold", datasets, "Ana")


def test_windows_that_are_not_finite_are_blamed_themselves(tmp_path, models, capsys):
    folder, training = spoilt_windows(tmp_path)
    arguments = training_arguments(folder, training, tmp_path, **QUICK)
    assert "windows hold numbers that are not finite" in error_line(capsys, "train", *arguments)
    for kind in ("gcc_phat_forest", "level_forest", "mfcc_forest"):
        given = ("--fold", folder, "--datasets", *training, "--output", tmp_path / "forest")
        line = error_line(capsys, "baseline", *given, "--kind", kind, "--trees", "5")
        assert "not finite" in line
    for kind in KINDS:
        tested = ("--datasets", training[-1], "--output", tmp_path / "scores")
        line = error_line(capsys, "evaluate", "--model", models / kind, *tested)
        assert "1 of 48 windows" in line and str(models / kind) not in line
    assert not {"model", "forest", "scores"} & {p.name for p in tmp_path.iterdir()}


def test_answers_are_counted_by_window(tmp_path):
    inputs, answers = np.zeros((4, 3)), np.zeros((4, 2))
    check_answers(tmp_path, inputs, answers, answers)
    answers[1:3, 0] = np.inf
    with pytest.raises(DivergedError, match="not finite for 2 of 4 windows"):
        check_answers(tmp_path, inputs, np.zeros((4, 2)), answers)


def test_a_checkpoint_to_start_from_must_be_finite(tmp_path):
    build_model(None, SHAPE, LABELS, 512).save_pretrained(tmp_path / "base")
    spoil(tmp_path / "base" / "model.safetensors")
    with pytest.raises(DivergedError, match=r"model\.checkpoint .*base: its weights diverged"):
        build_model(str(tmp_path / "base"), {}, LABELS, 512)


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_no_temperature_is_fitted_to_logits_that_are_not_finite(number):
    logits = np.eye(3)[[0, 1, 2, 0]]
    assert np.isfinite(fit_temperature(logits, np.array([0, 1, 2, 1])))
    logits[2, 1] = number
    with pytest.raises(DivergedError, match="logits"):
        fit_temperature(logits, np.array([0, 1, 2, 1]))


def test_saved_predictions_that_are_not_finite_are_refused(tmp_path):
    probabilities = np.full((2, 3), 1 / 3)
    probabilities[1, 2] = np.nan
    identity = (("Ana", "s1", "r1", 0), ("Ana", "s1", "r1", 1))
    places = np.zeros((2, 2))
    found = Predictions(LABELS, identity, np.array([0, 1]), probabilities, places, places)
    write_predictions(tmp_path / "predictions.parquet", found)
    with pytest.raises(Tap2keyError, match=r"probabilities that are not finite.*evaluate again"):
        read_predictions(tmp_path / "predictions.parquet")


def test_a_sound_model_is_as_it_was(data, models):
    inputs = np.zeros((3, 512), dtype=np.float32)
    for kind in KINDS:
        found = load_predictor(models / kind)[0].probabilities(inputs)
        np.testing.assert_allclose(found.sum(axis=1), 1)
    assert np.isfinite(read_json(models / "wav2vec2" / "tap2key.json")["softness"]["temperature"])
