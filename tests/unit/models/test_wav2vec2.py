import json
import shutil
import socket

import numpy as np
import pytest
import torch
from made import LABELS, SHAPE, dataset, fold, stage, training_arguments
from transformers import (
    AutoFeatureExtractor,
    AutoModelForAudioClassification,
    Trainer,
    TrainingArguments,
    Wav2Vec2Config,
    Wav2Vec2ForSequenceClassification,
    Wav2Vec2Model,
    pipeline,
)

from tap2key.core.errors import Tap2keyError
from tap2key.datasets.crops import Cut
from tap2key.datasets.encoding import Encoding
from tap2key.datasets.representations import interleave
from tap2key.models import wav2vec2 as model_module
from tap2key.models.wav2vec2 import (
    FIRST_KERNEL,
    build_extractor,
    build_model,
    inflate,
    with_stem,
)

LENGTH = 512


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return build_model(None, SHAPE, LABELS, LENGTH).eval()


@pytest.fixture(scope="module")
def saved(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    model.save_pretrained(folder)
    build_extractor(48_000).save_pretrained(folder)
    return folder


def test_the_aligned_stem_is_an_eight_channel_convolution(model):
    """Kernel 8k and stride 8s over interleaved channels are kernel k and stride s over eight."""
    rng = np.random.default_rng(0)
    windows = rng.standard_normal((4, 8, LENGTH // 8)).astype(np.float32)
    stem = model.wav2vec2.feature_extractor.conv_layers[0].conv
    kernel, stride = SHAPE["conv_kernel"][0] // 8, SHAPE["conv_stride"][0] // 8
    assert (stem.kernel_size, stem.stride) == ((8 * kernel,), (8 * stride,))
    spread = stem.weight.reshape(-1, kernel, 8).permute(0, 2, 1)
    with torch.no_grad():
        aligned = stem(torch.from_numpy(interleave(windows))[:, None])
        expected = torch.nn.functional.conv1d(torch.from_numpy(windows), spread, stride=stride)
    torch.testing.assert_close(aligned, expected, atol=1e-5, rtol=1e-5)


def test_the_classifier_has_one_output_per_key_by_name(model):
    assert model(torch.zeros(2, LENGTH)).logits.shape == (2, len(LABELS))
    assert list(model.config.id2label.values()) == list(LABELS)
    assert model.config.label2id == {"a": 0, "b": 1, "|": 2}


def test_trainer_does_not_scale_its_loss(model, tmp_path):
    """Trainer would multiply gradients by the accumulation steps of a model that takes kwargs."""
    assert model.accepts_loss_kwargs is False
    trainer = Trainer(model, TrainingArguments(str(tmp_path), use_cpu=True, report_to="none"))
    assert not trainer.model_accepts_loss_kwargs


def test_a_saved_model_loads_in_stock_transformers(model, saved):
    stock = AutoModelForAudioClassification.from_pretrained(saved).eval()
    extractor = AutoFeatureExtractor.from_pretrained(saved)
    sound = np.random.default_rng(1).standard_normal(LENGTH).astype(np.float32)
    batch = extractor(sound, sampling_rate=48_000, return_tensors="pt")
    assert batch["input_values"].std() == pytest.approx(1, abs=0.01)
    with torch.no_grad():
        torch.testing.assert_close(stock(**batch).logits, model(**batch).logits)
    with pytest.raises(ValueError, match="48000"):
        extractor(sound, sampling_rate=16_000)


def test_a_checkpoint_with_these_labels_goes_on_where_it_was(model, saved):
    again = build_model(str(saved), {"mask_time_prob": 0.25}, LABELS, LENGTH)
    for name, weight in model.state_dict().items():
        assert torch.equal(again.state_dict()[name], weight), name
    assert again.config.mask_time_prob == 0.25
    assert again.accepts_loss_kwargs is False


def test_a_checkpoint_with_other_labels_is_refused(saved):
    for labels in (("a", "b"), ("a", "b", "c"), ("b", "a", "|")):
        with pytest.raises(Tap2keyError, match=r"was trained on different labels \(3 of them\)"):
            build_model(str(saved), {}, labels, LENGTH)


def test_a_checkpoint_without_a_classifier_takes_any_labels(tmp_path):
    body = Wav2Vec2Model(Wav2Vec2Config(**SHAPE))
    body.save_pretrained(tmp_path)
    built = build_model(str(tmp_path), {}, ("x", "y"), LENGTH)
    assert list(built.config.id2label.values()) == ["x", "y"]
    stem = "feature_extractor.conv_layers.0.conv.weight"
    assert torch.equal(built.state_dict()[f"wav2vec2.{stem}"], body.state_dict()[stem])


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ({"hidden_sise": 16}, "Wav2Vec2Config has no setting 'hidden_sise'"),
        ({"conv_stride": [16, 2, 2]}, r"model\.config_overrides: "),
        ({"num_attention_heads": 3}, r"model\.config_overrides: .*num_heads"),
        ({"num_attention_heads": 0}, r"model\.config_overrides: .*zero"),
        ({"hidden_act": "odd"}, r"model\.config_overrides: 'odd'"),
        ({"hidden_size": -4}, r"model\.config_overrides: .*negative"),
        ({"id2label": {0: "z"}}, "'id2label' comes from the keyboard"),
        ({"dtype": "float16"}, r"'dtype' comes from training\.precision"),
    ],
)
def test_a_shape_that_cannot_be_is_refused_in_one_line(shape, message):
    with pytest.raises(Tap2keyError, match=message) as error:
        build_model(None, {**SHAPE, **shape}, LABELS, LENGTH)
    assert "\n" not in str(error.value)


def test_a_checkpoint_with_an_impossible_change_is_refused(saved):
    for shape, said in (
        ({"num_attention_heads": 3}, "num_heads"),
        ({"hidden_dropout": 7.0}, "dropout probability"),
        ({"hidden_size": 32}, "the weights have other sizes; leave out what changes them"),
    ):
        where = rf"model\.config_overrides, of model\.checkpoint {saved}: "
        with pytest.raises(Tap2keyError, match=where + f".*{said}") as refused:
            build_model(str(saved), shape, LABELS, LENGTH)
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize("kind", [TypeError, AttributeError, AssertionError])
def test_a_bug_is_not_blamed_on_the_configuration(kind, saved, monkeypatch):
    def broken(self, config):
        raise kind("a bug")

    monkeypatch.setattr(Wav2Vec2Model, "__init__", broken)
    for checkpoint, shape in ((None, SHAPE), (str(saved), {})):
        with pytest.raises(kind, match="a bug"):
            build_model(checkpoint, shape, LABELS, LENGTH)


def test_a_bug_in_widening_a_checkpoint_is_not_blamed_on_it(saved, monkeypatch):
    def broken(*given):
        raise ValueError("a bug")

    monkeypatch.setattr(model_module, "inflate", broken)
    with pytest.raises(ValueError, match="a bug"):
        build_model(str(saved), {}, LABELS, LENGTH, aligned_channels=2)


def test_what_cannot_be_read_or_built_names_its_cause(saved, tmp_path):
    with pytest.raises(Tap2keyError) as error:
        build_model(None, {**SHAPE, "num_attention_heads": 3}, LABELS, LENGTH)
    assert isinstance(error.value.__cause__, ValueError)
    shutil.copytree(saved, tmp_path / "broken")
    weights = tmp_path / "broken" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(
        Tap2keyError, match=r"model\.checkpoint .*broken: .*not a readable"
    ) as error:
        build_model(str(tmp_path / "broken"), {}, LABELS, LENGTH)
    assert error.value.__cause__ is not None


def test_inputs_too_short_for_one_frame_are_refused():
    # 64 values, then 3 frames of stride 16: 96 values give one frame, fewer none.
    assert build_model(None, SHAPE, LABELS, 96)(torch.zeros(1, 96)).logits.shape == (1, 3)
    with pytest.raises(Tap2keyError, match="inputs of 95 values give no frame; keep more"):
        build_model(None, SHAPE, LABELS, 95)


def test_an_unreadable_checkpoint_is_named_in_one_line(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "wav2vec2"}))
    for checkpoint in (tmp_path, tmp_path / "absent"):
        with pytest.raises(Tap2keyError, match=r"model\.checkpoint .*: ") as error:
            build_model(str(checkpoint), {}, LABELS, LENGTH)
        assert "\n" not in str(error.value)
        assert str(checkpoint) in str(error.value)


def test_an_inflated_kernel_is_the_mean_of_the_channels_until_it_is_told_apart():
    torch.manual_seed(0)
    kernel = torch.randn(4, 1, 10)
    channels = torch.randn(2, 8, 200)
    flat = channels.transpose(1, 2).reshape(2, 1, -1)
    wide = inflate(kernel, 8, asymmetry=0.0)
    assert wide.shape == (4, 1, 80)
    mean = torch.nn.functional.conv1d(channels.mean(dim=1, keepdim=True), kernel, stride=5)
    assert torch.allclose(torch.nn.functional.conv1d(flat, wide, stride=40), mean, atol=1e-5)
    parts = inflate(kernel, 8, asymmetry=0.3).reshape(4, 10, 8)
    assert (parts.std(dim=2) > 0).all()


def test_an_aligned_stem_keeps_the_pretrained_weights_and_sees_frames(tmp_path):
    torch.manual_seed(0)
    narrow = {**SHAPE, "conv_kernel": [10, 3], "conv_stride": [5, 2]}
    before = build_model(None, narrow, LABELS, 512)
    before.wav2vec2.save_pretrained(tmp_path / "base")
    after = build_model(str(tmp_path / "base"), {}, LABELS, 512, aligned_channels=8)
    assert list(after.config.conv_kernel) == [80, 3]
    assert list(after.config.conv_stride) == [40, 2]
    old, new = before.state_dict(), after.state_dict()
    same = [name for name in old if name.startswith("wav2vec2") and name != FIRST_KERNEL]
    assert same
    for name in same:
        assert torch.equal(old[name], new[name]), name
    assert new[FIRST_KERNEL].shape[-1] == 8 * old[FIRST_KERNEL].shape[-1]


def test_a_stem_from_scratch_is_given_for_one_channel_and_built_for_all():
    built = []
    for kernel, stride, channels in ((64, 16, None), (8, 2, 8)):
        torch.manual_seed(0)
        shape = {**SHAPE, "conv_kernel": [kernel, 3], "conv_stride": [stride, 2]}
        built.append(build_model(None, shape, LABELS, 512, aligned_channels=channels))
    by_hand, widened = built
    assert by_hand.config.to_dict() == widened.config.to_dict()
    for name, weight in by_hand.state_dict().items():
        assert torch.equal(widened.state_dict()[name], weight), name


def test_a_checkpoint_that_is_not_here_is_said_so_at_once(monkeypatch):
    """Without asking a network, which would take a minute to give up."""

    def refuse(*args, **kwargs):
        raise AssertionError("asked the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    name = "facebook/a-model-that-nobody-fetched"
    with pytest.raises(Tap2keyError, match=rf"model\.checkpoint {name}: .*fetch it where") as error:
        build_model(name, {}, LABELS, LENGTH)
    assert "\n" not in str(error.value)


def test_a_learned_sum_of_layers_trains_and_comes_back(tmp_path):
    torch.manual_seed(0)
    shape = {**SHAPE, "num_hidden_layers": 3, "use_weighted_layer_sum": True}
    summed = build_model(None, shape, LABELS, LENGTH)
    assert summed.layer_weights.shape == (4,)
    before = summed.layer_weights.detach().clone()
    optimizer = torch.optim.SGD(summed.parameters(), lr=1.0)
    inputs, labels = torch.randn(8, LENGTH), torch.arange(8) % 3
    for _ in range(3):
        optimizer.zero_grad()
        summed(inputs, labels=labels).loss.backward()
        optimizer.step()
    # Which layers matter is learned: no two weights moved alike.
    assert len(set((summed.layer_weights - before).tolist())) == 4
    summed.eval().save_pretrained(tmp_path)
    stock = AutoModelForAudioClassification.from_pretrained(tmp_path).eval()
    with torch.no_grad():
        found = stock(inputs, output_hidden_states=True)
        shares = torch.exp(summed.layer_weights) / torch.exp(summed.layer_weights).sum()
        mixed = sum(share * h for share, h in zip(shares, found.hidden_states, strict=True))
        expected = summed.classifier(summed.projector(mixed).mean(dim=1))
        torch.testing.assert_close(found.logits, expected)


def test_frozen_parameters_stay_as_they_are():
    torch.manual_seed(0)
    frozen = build_model(None, SHAPE, LABELS, LENGTH, freeze=["wav2vec2.feature_extractor"])
    before = {name: weight.detach().clone() for name, weight in frozen.named_parameters()}
    optimizer = torch.optim.AdamW(frozen.parameters(), lr=0.1, weight_decay=0.1)
    frozen(torch.randn(8, LENGTH), labels=torch.arange(8) % 3).loss.backward()
    optimizer.step()
    for name, weight in frozen.named_parameters():
        same = torch.equal(weight, before[name])
        assert same == name.startswith("wav2vec2.feature_extractor") or "masked_spec" in name, name


def test_training_learns_the_same_without_gradients_of_the_inputs():
    torch.manual_seed(0)
    ours = build_model(None, SHAPE, LABELS, 2048)
    stock = Wav2Vec2ForSequenceClassification(ours.config)
    stock.load_state_dict(ours.state_dict())
    inputs = torch.linspace(-1, 1, 2 * 2048).reshape(2, 2048)
    asked, gradients = [], []
    for model in (ours, stock):
        first = model.wav2vec2.feature_extractor.conv_layers[0]
        first.register_forward_pre_hook(lambda _, given: asked.append(given[0].requires_grad))
        torch.manual_seed(1)
        model.train()(inputs, labels=torch.tensor([0, 1])).loss.backward()
        gradients.append([p.grad for p in model.parameters()])
    assert asked == [False, True]
    for own, theirs in zip(*gradients, strict=True):
        assert (own is None) == (theirs is None)
        assert own is None or torch.equal(own, theirs)


def test_short_inputs_are_trained_without_masks():
    """A mask of the default ten frames is longer than what a tap leaves, and is refused."""
    torch.manual_seed(0)
    short = torch.randn(2, 200)
    masked = {**SHAPE, "apply_spec_augment": True, "mask_time_prob": 0.05}
    with pytest.raises(ValueError, match="mask_length"):
        build_model(None, masked, LABELS, 200).train()(short)
    unmasked = build_model(None, {**masked, "mask_time_prob": 0.0}, LABELS, 200).train()
    assert torch.isfinite(unmasked(short, labels=torch.tensor([0, 1])).loss)


def full_size(folder):
    """The size of facebook/wav2vec2-base, 94 million weights, all of them random."""
    torch.manual_seed(0)
    Wav2Vec2Model(Wav2Vec2Config()).save_pretrained(folder)
    return folder


def stand_in(folder):
    """The same layers, narrow."""
    torch.manual_seed(0)
    narrow = {"hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
    widths = {"intermediate_size": 64, "conv_dim": [16] * 7, "num_conv_pos_embedding_groups": 4}
    Wav2Vec2Model(Wav2Vec2Config(**narrow, **widths)).save_pretrained(folder)
    return folder


@pytest.mark.parametrize(
    "pretrained",
    [stand_in, pytest.param(full_size, marks=pytest.mark.slow)],
    ids=["narrow", "full"],
)
def test_the_prototypes_recipe_trains_from_a_folder_and_loads_anywhere(pretrained, tmp_path):
    """16 kHz, the whole window, the checkpoint's own first convolution and the aligned one."""
    checkpoint = pretrained(tmp_path / "base")
    encoding = Encoding("interleave", 16_000)
    label_ids = np.arange(12) % 3
    rng = np.random.default_rng(0)
    datasets = {}
    for name in ("Ana", "Bo", "Chen"):
        flat = rng.standard_normal((12, 10_928)).astype(np.float32)
        datasets[name] = dataset(
            *(tmp_path / name, name, label_ids), encoding=encoding, inputs=0.1 * flat
        )
    folder, training = fold(tmp_path / "fold", datasets, "Ana")
    recipe = {"epochs": 1, "batch_size": 4, "gradient_accumulation_steps": 4}
    for aligned in (False, True):
        chosen = {"checkpoint": str(checkpoint), "inflate_stem": aligned}
        overrides = {"mask_time_prob": 0.0}
        if aligned:
            overrides["conv_stride"] = [5, 2, 2, 2, 1, 1, 1]
        output = f"aligned-{aligned}"
        settings = {"model": {**chosen, "config_overrides": overrides}, "training": recipe}
        stage("train", *training_arguments(folder, training, tmp_path, output, **settings))
        classify = pipeline("audio-classification", model=str(tmp_path / output), device="cpu")
        found = classify(
            {"raw": rng.standard_normal(10_928).astype(np.float32), "sampling_rate": 16_000}
        )
        assert {guess["label"] for guess in found} == set(LABELS)
        assert sum(guess["score"] for guess in found) == pytest.approx(1, abs=1e-3)
        config = Wav2Vec2Config.from_pretrained(tmp_path / output)
        assert config.conv_kernel[0] == (80 if aligned else 10)
        assert config.conv_stride[0] == (40 if aligned else 5)


def test_frozen_parameters_are_those_whose_names_begin_so():
    model = build_model(None, SHAPE, LABELS, 512, freeze=["wav2vec2.feature_extractor"])
    for name, parameter in model.named_parameters():
        assert parameter.requires_grad != name.startswith("wav2vec2.feature_extractor"), name
    with pytest.raises(Tap2keyError, match=r"model.freeze: no parameter begins with 'stem'"):
        build_model(None, SHAPE, LABELS, 512, freeze=["stem"])


def test_each_pair_becomes_one_token_unless_the_stem_is_given():
    pairs = Cut(0, 193, 28, stacked=True)
    stem = with_stem({"conv_dim": [16]}, pairs)
    assert stem == {"conv_dim": [16], "conv_kernel": [193], "conv_stride": [193]}
    own = {"conv_kernel": [10], "conv_stride": [5]}
    assert with_stem(own, pairs) == own
    assert with_stem({"conv_dim": [16]}, Cut(0, 193, 8)) == {"conv_dim": [16]}
    shape = {**SHAPE, **with_stem({"conv_dim": [16], "num_feat_extract_layers": 1}, pairs)}
    classifier = build_model(None, shape, LABELS, pairs.length)
    tokens = classifier.wav2vec2.feature_extractor(torch.randn(2, pairs.length))
    assert tokens.shape == (2, 16, 28)
