"""Score a finished experiment's models once more, with one microphone dead at a time.

    python tests/benchmark/dead_microphone.py --results FOLDER --experiment NAME

Every model names the taps of the people whom it never heard, first with all microphones, then with
each of them silent (zeros) or unplugged (noise alone, as loud as before the onset). It prints a
line for each model and way, and the means of the models for each microphone, and asserts nothing.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from tap2key.datasets.encoding import Encoding
from tap2key.datasets.representations import encode_windows
from tap2key.models.model_folder import encoding_of
from tap2key.models.predictor import Predictor, load_predictor
from tap2key.segmentation.taps import load_taps

Change = Callable[[np.ndarray, int], np.ndarray]


def silent(windows: np.ndarray, onset: int) -> np.ndarray:
    """A channel that records zeros: [n, samples] → [n, samples]."""
    return np.zeros_like(windows)


def unplugged(windows: np.ndarray, onset: int) -> np.ndarray:
    """A channel that records noise of its own: [n, samples] → [n, samples]."""
    spread = windows[:, : onset // 2].std(axis=1, keepdims=True)
    noise = np.random.default_rng(0).standard_normal(windows.shape, dtype=np.float32)
    return spread * noise


WAYS: dict[str, Change] = {"silent": silent, "unplugged": unplugged}


def labelled_windows(person: Path, labels: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """All labelled taps of a person: [n, channels, samples] and [n], indices of labels."""
    windows, truth = [], []
    for session in sorted(person.iterdir()):
        taps, recorded = load_taps(session)
        keys = taps.column("label").to_pandas()
        known = keys.isin(labels).to_numpy()
        windows.append(recorded[known])
        truth += [labels.index(key) for key in keys[known]]
    return np.concatenate(windows), np.array(truth)


def held_out_windows(results: Path, metadata: dict) -> tuple[np.ndarray, np.ndarray]:
    """The same of everybody whom a model never heard, one after another."""
    people = [results / "taps" / person for person in metadata["held_out"]]
    found = [labelled_windows(person, metadata["labels"]) for person in people]
    windows, truth = zip(*found, strict=True)
    return np.concatenate(windows), np.concatenate(truth)


def accuracy(
    predictor: Predictor, encoding: Encoding, windows: np.ndarray, truth: np.ndarray
) -> float:
    """The proportion of taps that are named rightly."""
    encoded = encode_windows(windows, encoding)
    return float((predictor.probabilities(encoded).argmax(axis=1) == truth).mean())


def scores(results: Path, model: Path) -> list[dict]:
    """Of one model: accuracy with all microphones, and with each one dead, a row for each way."""
    predictor, metadata = load_predictor(model)
    encoding = encoding_of(metadata)
    windows, truth = held_out_windows(results, metadata)
    intact = accuracy(predictor, encoding, windows, truth)
    rows = []
    for way, change in WAYS.items():
        dead = {}
        for row, channel in enumerate(encoding.array.kept):
            changed = windows.copy()
            changed[:, row] = change(windows[:, row], encoding.array.before)
            dead[f"without_{channel}"] = accuracy(predictor, encoding, changed, truth)
        own = {"held_out": model.parent.name, "seed": metadata["seed"], "way": way, "all": intact}
        rows.append({**own, "mean": np.mean(list(dead.values())), **dead})
    return rows


def main() -> None:
    """Print a row for each model and way, and the means."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, required=True, help="results of a finished study")
    parser.add_argument("--experiment", required=True, help="one that held each participant out")
    args = parser.parse_args()
    models = sorted((args.results / "models" / args.experiment).glob("*/seed-*"))
    rows = pd.DataFrame([row for model in models for row in scores(args.results, model)])
    print(rows.to_string(index=False, float_format="%.4f"))
    print(rows.groupby("way").mean(numeric_only=True).to_string(float_format="%.4f"))


if __name__ == "__main__":
    main()
