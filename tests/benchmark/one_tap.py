"""Time how long one tap takes to classify on one core, with PyTorch and with ONNX Runtime.

    python tests/benchmark/one_tap.py --model FOLDER [--taps TAPSFOLDER]

From a complete window to probabilities: encode, cut, normalise, model, softmax. It prints
the median and the 99th percentile, in ms, and asserts nothing: how fast a machine is, is no
property of the code. On a busy machine only the processor time means something.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from tap2key.datasets.crops import Cut
from tap2key.datasets.encoding import Encoding
from tap2key.datasets.representations import encode_windows
from tap2key.exchange.export_onnx import INPUT, OUTPUT, export_onnx
from tap2key.models.model_folder import encoding_of
from tap2key.models.predictor import load_predictor
from tap2key.segmentation.taps import load_taps

WARM_UP = 50
TARGETS_MS = {"PyTorch": 3, "ONNX Runtime": 1.5}


def by_pytorch(folder: Path) -> tuple[Callable[[np.ndarray], np.ndarray], Encoding]:
    """Encoded windows → probabilities, as `evaluate` and `predict` do it."""
    torch.set_num_threads(1)
    predictor, about = load_predictor(folder)
    return predictor.probabilities, encoding_of(about)


def by_onnxruntime(path: Path, encoding: Encoding) -> Callable[[np.ndarray], np.ndarray]:
    """Encoded windows → probabilities, as a device would do it."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    cut = Cut(**json.loads(session.get_modelmeta().custom_metadata_map["cut"]))

    def probabilities(encoded: np.ndarray) -> np.ndarray:
        return session.run([OUTPUT], {INPUT: cut(encoding.separated(encoded))})[0]

    return probabilities


def timed(what: str, step: Callable[[np.ndarray], np.ndarray], windows: np.ndarray) -> None:
    """Print median and 99th percentile over single windows."""
    for window in windows[:WARM_UP]:
        step(window[None])
    took, cpu = [], []
    for window in windows:
        started, worked = time.perf_counter(), time.process_time()
        step(window[None])
        took.append(1000 * (time.perf_counter() - started))
        cpu.append(1000 * (time.process_time() - worked))
    print(f"{what}\t{np.median(took):.2f}\t{np.quantile(took, 0.99):.2f}\t{np.median(cpu):.2f}")


def main() -> None:
    """Print a table: what, median ms, p99 ms, median CPU ms."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True, help="a trained network's folder")
    parser.add_argument("--taps", type=Path, help="taps folder (default: noise)")
    parser.add_argument("--windows", type=int, default=1000, help="how many to time")
    args = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    pytorch, encoding = by_pytorch(args.model)
    if args.taps is None:
        rng = np.random.default_rng(0)
        windows = rng.standard_normal((64, *encoding.array.shape)).astype(np.float32)
    else:
        windows = np.array(load_taps(args.taps)[1][:64])
    windows = np.resize(windows, (args.windows, *windows.shape[1:]))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        export_onnx(args.model, path)
        onnx = by_onnxruntime(path, encoding)
    encoded = encode_windows(windows[:64], encoding)
    difference = np.abs(pytorch(encoded) - onnx(encoded)).max()
    print("what\tmedian ms\tp99 ms\tmedian CPU ms")
    timed("encode alone", lambda w: encode_windows(w, encoding), windows)
    timed("PyTorch", lambda w: pytorch(encode_windows(w, encoding)), windows)
    timed("ONNX Runtime", lambda w: onnx(encode_windows(w, encoding)), windows)
    load, cores = os.getloadavg()[0], os.cpu_count()
    targets = ", ".join(f"{what} {limit} ms" for what, limit in TARGETS_MS.items())
    print(f"targets: {targets}; probabilities differ by {difference:.1e} at most")
    print(f"load average while timing: {load:.1f} on {cores} processors")


if __name__ == "__main__":
    main()
