"""How well simulated recordings of held-out participants are read, beside what evaluate scored.

    python tests/benchmark/transcripts.py --results demo --experiment aligned-48000

For every participant, the model that held them out reads their own recordings, without touches. Two
things are printed: how often the key is right among the taps that evaluate scored, by both stages;
and the character error rate of the whole transcript against all keys that were truly tapped, found
or not, touched or not. It asserts nothing.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "helpers"), str(HERE.parents[1] / "workflow")]

from editing import Edits, edits  # noqa: E402

from tap2key.reading.transcript import NamedTap, transcript  # noqa: E402

SAME_TAP_S = 0.001
IDENTITY = ["session", "recording", "tap"]
COLUMNS = (
    *("participant", "matched_taps", "predict_accuracy", "evaluate_accuracy", "characters"),
    *("error_rate", "substitutions", "insertions", "deletions"),
)


def predicted(model: Path, recordings: list[Path], output: Path) -> pd.DataFrame:
    """Run the predict stage in a process of its own."""
    command = [sys.executable, "-m", "tap2key", "predict", "--models", str(model)]
    command += ["--recordings", *map(str, recordings), "--output", str(output)]
    subprocess.run(command, cwd=HERE.parents[1] / "workflow", check=True, capture_output=True)
    return pd.read_parquet(output / "tapped_keys.parquet")


def on_the_same_taps(found: pd.DataFrame, scored: pd.DataFrame) -> pd.DataFrame:
    """Rows of evaluate's predictions, with what predict named the tap at the same time."""
    parts = []
    for recording, own in scored.groupby("recording"):
        taps = found[found.recording == recording]
        apart = np.abs(taps.time_s.to_numpy()[:, None] - own.time_s.to_numpy())
        near = apart.min(axis=0) <= SAME_TAP_S
        named = taps.prediction.to_numpy()[apart.argmin(axis=0)]
        parts.append(own.assign(named=named)[near])
    return pd.concat(parts)


def typing_errors(found: pd.DataFrame, truth: pd.DataFrame) -> Edits:
    """Edits of all recordings together."""
    total = Edits(0, 0, 0, 0)
    for recording, own in truth.groupby("recording"):
        own, taps = own.sort_values("time_s"), found[found.recording == recording]
        texts = [
            transcript([NamedTap(0, key, 1) for key in keys], 0)
            for keys in (own.label, taps.prediction)
        ]
        total += edits(*texts)
    return total


def row_of(results: Path, experiment: str, person: str, seed: int, work: Path) -> list[object]:
    """One participant's line of the table."""
    run = f"{experiment}/{person}/seed-{seed}"
    sessions = sorted((results / "taps" / person).iterdir())
    taps = pd.concat([pd.read_parquet(folder / "taps.parquet") for folder in sessions])
    scored = pd.read_parquet(results / "evaluations" / run / "predictions.parquet")
    scored = scored.merge(taps[[*IDENTITY, "time_s"]], on=IDENTITY)
    simulated = results.resolve() / "simulated"
    folders = [simulated / "study" / f"{person}_{folder.name}" for folder in sessions]
    recordings = [wav for folder in folders for wav in sorted(folder.glob("*/*.wav"))]
    truth = pd.concat(
        [pd.read_parquet(simulated / "truth" / f.name / "true_taps.parquet") for f in folders]
    )
    found = predicted(results.resolve() / "models" / run, recordings, work / person)
    same = on_the_same_taps(found, scored)
    errors = typing_errors(found, truth)
    return [
        *(person, f"{len(same)} of {len(scored)}"),
        *(f"{(same[name] == same.truth).mean():.4f}" for name in ("named", "prediction")),
        *(errors.length, f"{errors.rate:.4f}"),
        *(errors.substitutions, errors.insertions, errors.deletions),
    ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, required=True, help="results of a simulated study")
    parser.add_argument("--experiment", required=True, help="which experiment's models")
    parser.add_argument("--seed", type=int, default=0, help="which seed's models")
    args = parser.parse_args()
    print("\t".join(COLUMNS))
    with tempfile.TemporaryDirectory() as work:
        for folder in sorted((args.results / "models" / args.experiment).iterdir()):
            row = row_of(args.results, args.experiment, folder.name, args.seed, Path(work))
            print("\t".join(map(str, row)), flush=True)


if __name__ == "__main__":
    main()
