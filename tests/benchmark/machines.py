"""How far the same training ends elsewhere on another machine.

    python tests/benchmark/machines.py --results ONE OTHER --experiment NAME [NAME …]

ONE and OTHER are finished runs of the same configuration. One machine can stand for two: with
ATEN_CPU_CAPABILITY=default in its environment torch adds up as on a processor without AVX2. For
every experiment it prints the share of taps that the two name differently, how far their
probabilities differ at most, and macro-F1 of the first, the other, and the largest difference of a
fold and seed. It asserts nothing.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from tap2key.core.errors import Tap2keyError
from tap2key.evaluation.predictions import read_predictions
from tap2key.training.search import macro_f1


def compared(one: Path, other: Path) -> dict[str, float]:
    """Of two evaluations of the same taps by models of two machines.

    Raises:
        Tap2keyError: they are not of the same taps.
    """
    first, second = (read_predictions(folder / "predictions.parquet") for folder in (one, other))
    if first.identity != second.identity:
        raise Tap2keyError(f"{other}: other taps than {one}; give two runs of one configuration")
    named, otherwise = first.prediction, second.prediction
    scores = macro_f1(first.truth, named), macro_f1(second.truth, otherwise)
    return {
        "taps": len(named),
        "named otherwise": float((named != otherwise).mean()),
        "probability": float(np.abs(first.probabilities - second.probabilities).max()),
        "macro-F1": scores[0],
        "there": scores[1],
        "difference": abs(scores[0] - scores[1]),
    }


def main() -> None:
    """Print a row for each experiment."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, nargs=2, required=True, help="two finished runs")
    parser.add_argument("--experiment", required=True, nargs="+")
    args = parser.parse_args()
    one, other = (folder / "evaluations" for folder in args.results)
    how = {"taps": "sum", "probability": "max", "difference": "max"}
    rows = {}
    for name in args.experiment:
        runs = sorted(path.relative_to(one) for path in (one / name).glob("*/seed-*"))
        if not runs:
            parser.error(f"{one / name}: no evaluations; give an experiment that has run")
        found = pd.DataFrame([compared(one / run, other / run) for run in runs])
        rows[name] = found.agg({column: how.get(column, "mean") for column in found})
    print(pd.DataFrame(rows).T.to_string(float_format="%.4f"))


if __name__ == "__main__":
    main()
