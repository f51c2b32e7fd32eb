"""Score finished experiments' models once more, with white noise added to every microphone.

    python tests/benchmark/noise.py --results FOLDER --experiment NAME [NAME …]

Every model names the taps of the people whom it never heard. The noise is independent in every
microphone; its level is given below the tap's own, the root mean square of all channels in the
5 ms from the onset. It prints accuracy, the mean over models, for each experiment and level, and
asserts nothing.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from dead_microphone import accuracy, held_out_windows

from tap2key.models.model_folder import encoding_of
from tap2key.models.predictor import load_predictor

LEVELS_DB = (40, 30, 20, 10, 5, 0)
LOUD_MS = 5.0


def noisy(windows: np.ndarray, onset: int, loud: int, below_db: float) -> np.ndarray:
    """Windows with noise so many decibels below each tap: [n, channels, samples], same shape."""
    tap = windows[:, :, onset : onset + loud].astype(np.float64)
    level = np.sqrt(np.mean(tap**2, axis=(1, 2))) * 10 ** (-below_db / 20)
    noise = np.random.default_rng(0).standard_normal(windows.shape, dtype=np.float32)
    return windows + level[:, None, None].astype(np.float32) * noise


def scores(results: Path, model: Path) -> dict[str, float]:
    """Of one model: accuracy as recorded, and at each level."""
    predictor, metadata = load_predictor(model)
    encoding = encoding_of(metadata)
    array = encoding.array
    windows, truth = held_out_windows(results, metadata)
    found = {"as recorded": accuracy(predictor, encoding, windows, truth)}
    for below_db in LEVELS_DB:
        changed = noisy(windows, array.before, array.samples(LOUD_MS), below_db)
        found[f"{below_db} dB"] = accuracy(predictor, encoding, changed, truth)
    return found


def main() -> None:
    """Print a row for each experiment."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, required=True, help="results of a finished study")
    parser.add_argument("--experiment", required=True, nargs="+", help="that held people out")
    args = parser.parse_args()
    rows = {}
    for name in args.experiment:
        models = sorted((args.results / "models" / name).glob("*/seed-*"))
        rows[name] = pd.DataFrame([scores(args.results, model) for model in models]).mean()
    print(pd.DataFrame(rows).T.to_string(float_format="%.3f"))


if __name__ == "__main__":
    main()
