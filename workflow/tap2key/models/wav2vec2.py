"""The classifier that is trained: Wav2Vec2 from a shape or a checkpoint, or one of our own."""

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2ForSequenceClassification

from tap2key.core.errors import Tap2keyError, first_line
from tap2key.datasets.crops import Cut
from tap2key.datasets.encoding import Encoding
from tap2key.models.divergence import check_weights
from tap2key.models.hub import revision_of
from tap2key.models.own_networks import OWN_NETWORKS, Own, build_own

Classifier = Wav2Vec2ForSequenceClassification | Own
FIRST_KERNEL = "wav2vec2.feature_extractor.conv_layers.0.conv.weight"
# Enough to tell the channels apart from the first step on, too little to undo the pretraining.
ASYMMETRY = 0.3
NAMED_BY_KEYBOARD = ("num_labels", "id2label", "label2id")
OVERRIDES = "model.config_overrides"
# What transformers and torch raise of a shape that cannot be. Other errors are bugs and no one
# line: neither of them says that of a shape by a TypeError or an AttributeError.
SHAPE_ERRORS = (StrictDataclassError, ValueError, RuntimeError, ArithmeticError, LookupError)
# And of a checkpoint that cannot be read.
CHECKPOINT_ERRORS = (OSError, ValueError, RuntimeError, SafetensorError, UnpicklingError, EOFError)


def build_classifier(
    settings: Mapping[str, Any], labels: Sequence[str], encoding: Encoding, cut: Cut
) -> Classifier:
    """The classifier of an experiment.

    Args:
        settings: all of the experiment's.
        labels: names of the classes, in order.
        encoding: what windows are.
        cut: what of them the classifier is given.

    Raises:
        Tap2keyError: see `build_model` and `build_own`.
    """
    if settings["kind"] in OWN_NETWORKS:
        return build_own(settings["kind"], labels, encoding, cut)
    chosen = settings["model"]
    overrides = chosen["config_overrides"]
    if chosen["checkpoint"] is None:
        overrides = with_stem(overrides, cut)
    return build_model(
        chosen["checkpoint"],
        overrides,
        labels,
        cut.length,
        cut.period if chosen["inflate_stem"] else None,
        chosen["freeze"],
        chosen["revision"],
    )


def with_stem(overrides: Mapping[str, Any], cut: Cut) -> dict[str, Any]:
    """The settings with a first convolution that makes one token of each channel or pair.

    Only where channels or pairs follow one another, and the settings leave `conv_kernel` out: how
    long a channel or pair is follows from the array and the encoding.
    """
    if not cut.stacked or "conv_kernel" in overrides:
        return dict(overrides)
    return {**overrides, "conv_kernel": [cut.frames], "conv_stride": [cut.frames]}


def build_model(
    checkpoint: str | None,
    overrides: Mapping[str, Any],
    labels: Sequence[str],
    input_length: int,
    aligned_channels: int | None = None,
    freeze: Sequence[str] = (),
    revision: str | None = None,
) -> Wav2Vec2ForSequenceClassification:
    """A classifier with one output per label.

    Args:
        checkpoint: a model hub's name or a folder; None starts from scratch.
        overrides: settings of `Wav2Vec2Config`: all of them, or changes to the checkpoint's.
        labels: names of the classes, in order.
        aligned_channels: widen the first convolution, the checkpoint's or that of `overrides`, to
            whole frames of so many interleaved channels; None leaves it.
        freeze: beginnings of the names of parameters that are not trained.
        revision: commit, tag or branch of a checkpoint on the model hub; see `revision_of`.
        input_length: values of one input, to refuse a model that makes no frame of them.

    Raises:
        Tap2keyError: an unknown setting, a checkpoint that cannot be read or has other labels, or
            inputs too short for the model's strides.
        DivergedError: the checkpoint's weights are not finite numbers.
    """
    _check_settings(overrides)
    names = {
        "num_labels": len(labels),
        "id2label": dict(enumerate(labels)),
        "label2id": {label: index for index, label in enumerate(labels)},
    }
    if checkpoint is None:
        model = _from_scratch(overrides, names, aligned_channels)
    else:
        model = _from_checkpoint(checkpoint, overrides, labels, names, aligned_channels, revision)
    if _frames(model.config, input_length) < 1:
        raise Tap2keyError(
            f"model: inputs of {input_length} values give no frame; keep more of the window "
            "(crop_ms, max_duration_s) or lower the last strides in "
            "model.config_overrides.conv_stride"
        )
    _freeze(model, freeze)
    _without_input_gradients(model)
    # Its forward takes **kwargs, which Trainer would read as scaling its own loss.
    # (Torch's types hold every attribute of a module for a tensor or a module.)
    model.accepts_loss_kwargs = False  # type: ignore[assignment]
    return model


def build_extractor(sample_rate: int) -> Wav2Vec2FeatureExtractor:
    """A feature extractor that gives each input zero mean and unit variance over all channels."""
    return Wav2Vec2FeatureExtractor(
        feature_size=1,
        sampling_rate=sample_rate,
        padding_value=0.0,
        do_normalize=True,
        return_attention_mask=False,
    )


def _frames(config: Wav2Vec2Config, length: int) -> int:
    """Frames that the convolutions make of an input, by the formula of `torch.nn.Conv1d`."""
    for kernel, stride in zip(config.conv_kernel, config.conv_stride, strict=True):
        length = (length - kernel) // stride + 1
    return length


def _from_scratch(
    overrides: Mapping[str, Any], names: Mapping[str, Any], aligned_channels: int | None
) -> Wav2Vec2ForSequenceClassification:
    try:
        config = Wav2Vec2Config(**overrides, **names)
        if aligned_channels is not None:
            widen(config, aligned_channels)
        return Wav2Vec2ForSequenceClassification(config)
    except SHAPE_ERRORS as error:
        raise Tap2keyError(f"{OVERRIDES}: {_one_line(error)}") from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _misfit(error: Exception) -> str:
    """Why overrides do not fit a checkpoint; of sizes the library only names its own option."""
    if "mismatched_sizes" in str(error):
        return "the weights have other sizes; leave out what changes them"
    return _one_line(error)


def _check_settings(overrides: Mapping[str, Any]) -> None:
    known = set(Wav2Vec2Config().to_dict())
    for key in overrides:
        if key in NAMED_BY_KEYBOARD:
            raise Tap2keyError(f"{OVERRIDES}: {key!r} comes from the keyboard; leave it out")
        if key == "dtype":
            raise Tap2keyError(f"{OVERRIDES}: 'dtype' comes from training.precision; leave it out")
        if key not in known:
            raise Tap2keyError(f"{OVERRIDES}: Wav2Vec2Config has no setting {key!r}; see its docs")


def inflate(kernel: torch.Tensor, channels: int, asymmetry: float) -> torch.Tensor:
    """Widen a one-channel kernel to interleaved channels: [out, 1, k] → [out, 1, channels·k].

    With stride channels·s on interleaved data it is a convolution of `channels` channels with
    kernel k and stride s. Equal parts make it the channels' mean, which is blind to delays between
    them, so each part is scaled by a random 1 ± `asymmetry`.
    """
    parts = kernel.repeat(1, channels, 1) / channels
    parts = parts * (1 + asymmetry * torch.randn(len(kernel), channels, 1))
    return parts.permute(0, 2, 1).reshape(len(kernel), 1, -1)


def _aligned(
    narrow: Wav2Vec2ForSequenceClassification, channels: int
) -> Wav2Vec2ForSequenceClassification:
    """A model with its first convolution inflated; the other weights as they are."""
    config = copy.deepcopy(narrow.config)
    widen(config, channels)
    model = Wav2Vec2ForSequenceClassification(config)
    weights = narrow.state_dict()
    weights[FIRST_KERNEL] = inflate(weights[FIRST_KERNEL], channels, ASYMMETRY)
    model.load_state_dict(weights)
    return model


def widen(config: Wav2Vec2Config, channels: int) -> None:
    """Make a first convolution of one channel span whole frames of interleaved channels."""
    first, *others = config.conv_kernel
    config.conv_kernel = [channels * first, *others]
    first, *others = config.conv_stride
    config.conv_stride = [channels * first, *others]


def _freeze(model: torch.nn.Module, beginnings: Sequence[str]) -> None:
    """Leave the parameters out of training whose names begin so."""
    for beginning in beginnings:
        found = [p for name, p in model.named_parameters() if name.startswith(beginning)]
        if not found:
            parts = sorted({name.rsplit(".", 1)[0] for name, _ in model.named_parameters()})
            raise Tap2keyError(
                f"model.freeze: no parameter begins with {beginning!r}; there are "
                f"{', '.join(parts[:8])} …"
            )
        for parameter in found:
            parameter.requires_grad = False


def _without_input_gradients(model: Wav2Vec2ForSequenceClassification) -> None:
    """Leave out the gradients of the inputs, which nothing uses.

    The library has them computed for gradient checkpointing. Of a first convolution as long as a
    pair's correlation they take most of the time.
    """
    model.wav2vec2.feature_extractor._requires_grad = False


def _from_checkpoint(
    checkpoint: str,
    overrides: Mapping[str, Any],
    labels: Sequence[str],
    names: Mapping[str, Any],
    aligned_channels: int | None,
    revision: str | None,
) -> Wav2Vec2ForSequenceClassification:
    # A compute node without a network would try for a minute, in every job.
    here: dict[str, Any] = {"local_files_only": True, "revision": revision_of(checkpoint, revision)}
    try:
        found = Wav2Vec2Config.from_pretrained(checkpoint, **here)
        classifies = "Wav2Vec2ForSequenceClassification" in (found.architectures or [])
        others = found.id2label or {}
        if classifies and list(others.values()) != list(labels):
            raise Tap2keyError(
                f"model.checkpoint {checkpoint}: was trained on different labels "
                f"({len(others)} of them); start from a checkpoint with these "
                f"{len(labels)} or without a classifier"
            )
        model = Wav2Vec2ForSequenceClassification.from_pretrained(
            checkpoint, **names, **overrides, **here
        )
    except (*CHECKPOINT_ERRORS, *SHAPE_ERRORS) as error:
        if overrides and isinstance(error, SHAPE_ERRORS):
            raise Tap2keyError(
                f"{OVERRIDES}, of model.checkpoint {checkpoint}: {_misfit(error)}"
            ) from error
        advice = (
            "it is not a readable model folder"
            if Path(checkpoint).is_dir()
            else "fetch it where there is a network (python -m tap2key fetch), or give a folder"
        )
        raise Tap2keyError(
            f"model.checkpoint {checkpoint}: {first_line(error)}; {advice}"
        ) from error
    check_weights(model, f"model.checkpoint {checkpoint}")
    return model if aligned_channels is None else _aligned(model, aligned_channels)
