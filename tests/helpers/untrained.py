"""Models with weights that were never trained: their answers are arbitrary, but stay the same."""

from types import SimpleNamespace

import torch
from made import ENCODING, SHAPE

from tap2key.models.model_folder import SELECTION_SCORE, write_model_metadata
from tap2key.models.wav2vec2 import build_extractor, build_model


def network(folder, labels, seed=0, encoding=ENCODING, length=512, **shape):
    """A model's folder as training writes it, with weights that were never trained.

    What differs from the usual shape is named; a great `initializer_range` makes sure answers.
    """
    torch.manual_seed(seed)
    build_model(None, {**SHAPE, **shape}, labels, length).save_pretrained(folder)
    build_extractor(encoding.sample_rate).save_pretrained(folder)
    settings = {"kind": "wav2vec2", "model": {"crop_ms": None, "max_duration_s": None}}
    about = {
        "held_out": ["Ana"],
        "tests_on_rows": False,
        "fingerprints": {"Bo": ""},
        "validation_by": "session",
        "validation": [["Bo", "s2"]],
        "validation_taps": "",
    }
    about["class_counts"] = {"train": dict.fromkeys(labels, 1)}
    trained_on = SimpleNamespace(labels=labels, encoding=encoding)
    write_model_metadata(folder, settings, about, trained_on, length, seed, {SELECTION_SCORE: 0.0})
    return folder
