"""The Wav2Vec2 classifier: from a shape, or from a checkpoint."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2ForSequenceClassification

from tap2key.errors import Tap2keyError

NAMED_BY_KEYBOARD = ("num_labels", "id2label", "label2id")


def build_model(
    checkpoint: str | None, shape: Mapping[str, Any], labels: Sequence[str], input_length: int
) -> Wav2Vec2ForSequenceClassification:
    """A classifier with one output per label.

    Args:
        checkpoint: a model hub's name or a folder; None starts from scratch.
        shape: settings of `Wav2Vec2Config`: all of them, or changes to the checkpoint's.
        labels: names of the classes, in order.
        input_length: values of one input, to refuse a model that makes no frame of them.

    Raises:
        Tap2keyError: an unknown setting, a checkpoint that cannot be read or has other labels, or
            inputs too short for the model's strides.
    """
    _check_settings(shape)
    names = {
        "num_labels": len(labels),
        "id2label": dict(enumerate(labels)),
        "label2id": {label: index for index, label in enumerate(labels)},
    }
    if checkpoint is None:
        model = _from_shape(shape, names)
    else:
        model = _from_checkpoint(checkpoint, shape, labels, names)
    frames = int(model._get_feat_extract_output_lengths(input_length))
    if frames < 1:
        raise Tap2keyError(
            f"model: inputs of {input_length} values give no frame; keep more of the window "
            "(crop_ms, max_duration_s) or lower the last strides in model.shape.conv_stride"
        )
    # Its forward takes **kwargs, which Trainer would read as scaling its own loss.
    model.accepts_loss_kwargs = False
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


def _from_shape(
    shape: Mapping[str, Any], names: Mapping[str, Any]
) -> Wav2Vec2ForSequenceClassification:
    try:
        return Wav2Vec2ForSequenceClassification(Wav2Vec2Config(**shape, **names))
    except Exception as error:  # of many types; only the shape can be at fault
        raise Tap2keyError(f"model.shape: {_one_line(error)}") from None


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _check_settings(shape: Mapping[str, Any]) -> None:
    known = set(Wav2Vec2Config().to_dict())
    for key in shape:
        if key in NAMED_BY_KEYBOARD:
            raise Tap2keyError(f"model.shape: {key!r} comes from the keyboard; leave it out")
        if key not in known:
            raise Tap2keyError(f"model.shape: Wav2Vec2Config has no setting {key!r}; see its docs")


def _from_checkpoint(
    checkpoint: str, shape: Mapping[str, Any], labels: Sequence[str], names: Mapping[str, Any]
) -> Wav2Vec2ForSequenceClassification:
    try:
        found = Wav2Vec2Config.from_pretrained(checkpoint)
        classifies = "Wav2Vec2ForSequenceClassification" in (found.architectures or [])
        if classifies and list(found.id2label.values()) != list(labels):
            raise Tap2keyError(
                f"model.checkpoint {checkpoint}: was trained on other labels "
                f"({len(found.id2label)} of them); start from a checkpoint with these "
                f"{len(labels)} or without a classifier"
            )
        return Wav2Vec2ForSequenceClassification.from_pretrained(checkpoint, **names, **shape)
    except (OSError, ValueError, RuntimeError) as error:
        advice = (
            "it is not a readable model folder"
            if Path(checkpoint).is_dir()
            else "give a folder, or fetch it once on a machine with a network"
        )
        reason = str(error).splitlines()[0]
        raise Tap2keyError(f"model.checkpoint {checkpoint}: {reason}; {advice}") from None
    except Tap2keyError:
        raise
    except Exception as error:  # of many types; the checkpoint is readable, so it is the shape
        raise Tap2keyError(f"model.shape: {_one_line(error)}") from None
