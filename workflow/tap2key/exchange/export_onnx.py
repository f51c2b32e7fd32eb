"""A trained network as one ONNX file that gives the same probabilities without this pipeline."""

import json
import logging
import warnings
from dataclasses import asdict
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch

from tap2key.core.code_hash import code_hash
from tap2key.core.errors import Tap2keyError
from tap2key.core.files import atomic_file
from tap2key.core.log import log
from tap2key.core.provenance import package_versions
from tap2key.datasets.crops import Cut
from tap2key.models.model_folder import HEAD, encoding_of
from tap2key.models.predictor import AdaptedPredictor, NetworkPredictor, load_predictor

INPUT, OUTPUT = "window", "probabilities"
PACKAGES = ("torch", "transformers", "onnx", "onnxscript", "onnxruntime")
GREATEST_DIFFERENCE = 1e-5
# What Wav2Vec2FeatureExtractor.zero_mean_unit_var_norm adds to the variance.
LEAST_VARIANCE = 1e-7
CHECKED_BATCHES = (1, 7)


class Graph(torch.nn.Module):
    """From cut windows to probabilities: the normalisation of the feature extractor, the model, and
    a softmax.
    """

    def __init__(self, model: torch.nn.Module, normalise: bool) -> None:
        """`normalise` as the feature extractor's `do_normalize`."""
        super().__init__()
        self.model, self.normalise = model, normalise

    def forward(self, window: torch.Tensor) -> torch.Tensor:
        """[n, length] → [n, labels]."""
        if self.normalise:
            centred = window - window.mean(dim=-1, keepdim=True)
            variance = (centred * centred).mean(dim=-1, keepdim=True)
            window = centred / torch.sqrt(variance + LEAST_VARIANCE)
        return self.model(window).logits.softmax(dim=-1)


def export_onnx(folder: Path, output: Path, allow_other_version: bool = False) -> None:
    """Write a network as ONNX, and check its numbers against PyTorch.

    The input `window` is [batch, length] float32: a tap's window (channels × samples of the
    metadata's array, full scale 1.0) filtered, resampled and represented as the metadata's
    `encoding` says, and of that the `cut`: `frames` frames of `channels` values
    from frame `first` on. Normalisation to zero mean and unit variance is part of the graph, so a
    device needs nothing of PyTorch or transformers. The output `probabilities` is [batch, labels],
    in the order of the metadata's `labels`.

    Args:
        folder: the model's folder.
        output: the file to write, weights included.
        allow_other_version: take a model that another version of its library made.

    Raises:
        Tap2keyError: the model is a forest, or ONNX Runtime's numbers differ from PyTorch's.
    """
    predictor, metadata = load_predictor(folder, allow_other_version)
    if isinstance(predictor, AdaptedPredictor):
        raise Tap2keyError(
            f"{folder}: is adapted, which ONNX cannot hold; export the model that was adapted"
        )
    if not isinstance(predictor, NetworkPredictor):
        raise Tap2keyError(
            f"{folder}: is a {metadata['kind']}; only networks can be exported as ONNX ("
            f"{', '.join(HEAD)})"
        )
    graph = Graph(predictor.model.cpu(), predictor.extractor.do_normalize).eval()
    with atomic_file(output) as temporary:
        _translate(graph, predictor.cut.length, temporary)
        _describe(temporary, metadata, predictor.cut)
        difference = _difference(temporary, graph, predictor.cut.length)
        if not difference < GREATEST_DIFFERENCE:
            raise Tap2keyError(
                f"{folder}: ONNX Runtime's probabilities differ from PyTorch's by up to "
                f"{difference:.1e}; nothing was written"
            )
    log.info(f"{output}: probabilities within {difference:.0e} of PyTorch's")


def _translate(graph: Graph, length: int, path: Path) -> None:
    # It warns of operators of a package that is not installed and that no model here uses.
    logging.getLogger("torch.onnx._internal.exporter._registration").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        # Of torch's own code about itself.
        warnings.simplefilter("ignore", FutureWarning)
        torch.onnx.export(
            graph,
            (torch.zeros(2, length),),
            path,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_shapes={INPUT: {0: torch.export.Dim("batch")}},
            external_data=False,
            verbose=False,
        )


def _describe(path: Path, metadata: dict, cut: Cut) -> None:
    """Store in the file what a user needs to feed it and to read its output."""
    encoding = encoding_of(metadata)
    notes = {
        "kind": metadata["kind"],
        "labels": metadata["labels"],
        "encoding": encoding.as_dict(),
        "cut": asdict(cut),
        "onset_frame": encoding.onset_frame - cut.first,
        "normalisation": "in the graph: zero mean and unit variance over each window",
        "held_out": metadata["held_out"],
        "trained_on": metadata["trained_on"],
        "packages": package_versions(PACKAGES),
        "code": code_hash(__name__),
    }
    model = onnx.load(path)
    onnx.helper.set_model_props(
        model,
        {
            key: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            for key, value in notes.items()
        },
    )
    onnx.checker.check_model(model)
    onnx.save(model, path)


def _difference(path: Path, graph: Graph, length: int) -> float:
    """The greatest difference of a probability between ONNX Runtime and PyTorch, on noise."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(0)
    differences = []
    for batch in CHECKED_BATCHES:
        noise = rng.standard_normal((batch, length)).astype(np.float32)
        with torch.inference_mode():
            expected = graph(torch.from_numpy(noise)).numpy()
        (found,) = session.run([OUTPUT], {INPUT: noise})
        differences.append(np.abs(found - expected).max())
    # Of a NaN among them Python's max() would depend on their order.
    return float(np.max(differences))
