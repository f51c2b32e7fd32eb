"""`python -m tap2key anchors`: how difficult a simulated study is, in figures to read beside any.

Works on segmented taps, so that the anchors and the models that they are compared with see the
same windows. The only stage besides `simulate` that reads the truth; nothing reads its output.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.model_selection import train_test_split

from tap2key.audio.array import DEFAULT, Array
from tap2key.core.errors import Tap2keyError
from tap2key.core.files import write_tsv
from tap2key.core.output_guard import check_output_files
from tap2key.core.progress import progress
from tap2key.segmentation.taps import TAPS_NAME, WINDOWS_NAME, array_of_taps
from tap2key.segmentation.taps import read_taps as taps_in
from tap2key.signal.delays import around_onset, gcc_phat_delays, level_ratios
from tap2key.simulation.plan import TRUE_TAPS_NAME

MAX_DELAY_S = 0.0015
TEST_SHARE = 0.3
TOO_EASY = 0.30
# A segmented tap is the true one whose onset is this near, or none.
SAME_TAP_S = 0.02
COLUMNS = ("anchor", "split", "taps", "mean", "worst", "worst_participant")


@dataclass(frozen=True)
class Features:
    """What the forests see of each labelled tap: delays [n, pairs] in s and level ratios [n, c]."""

    delays: np.ndarray
    ratios: np.ndarray


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument("--taps", type=Path, required=True, help="segmented taps: results/taps")
    parser.add_argument("--truth", type=Path, required=True, help="what simulate wrote as truth")
    parser.add_argument("--output", type=Path, help="tsv to write the anchors to as well")
    parser.add_argument("--seed", type=int, default=0, help="of split and forests (default: 0)")
    parser.add_argument("--trees", type=int, default=300, help="per forest (default: 300)")


def main(args: argparse.Namespace) -> None:
    """Print the anchors of a study.

    Raises:
        Tap2keyError: no taps, no truth, or too few to say anything.
    """
    if args.output is not None:
        check_output_files(args)
    truth = read_truth(args.truth)
    taps, features = read_taps(args.taps)
    rows = anchors(taps, features, truth, args.seed, args.trees)
    print(f"{'anchor':<28}{'split':<18}{'taps':>7}{'mean':>8}{'worst':>8}")
    for row in rows:
        worst = "" if row["worst"] is None else f"{row['worst']:8.3f} {row['worst_participant']}"
        print(f"{row['anchor']:<28}{row['split']:<18}{row['taps']:>7}{row['mean']:>8.3f}{worst}")
    too_easy = [
        row
        for row in rows
        if row["anchor"] == "level-ratio forest"
        and row["split"] == "held out"
        and row["mean"] > TOO_EASY
    ]
    if too_easy:
        print(
            f"warning: level ratios alone reach {too_easy[0]['mean']:.2f} on people never heard, "
            f"above {TOO_EASY:.2f}: this study is too easy to prove anything"
        )
    if args.output is not None:
        write_tsv(args.output, rows, COLUMNS)


def read_truth(root: Path) -> pd.DataFrame:
    """All `true_taps.parquet` below a folder as one table, in order of their paths.

    Raises:
        Tap2keyError: there is none.
    """
    paths = _below(root, TRUE_TAPS_NAME)
    if not paths:
        raise Tap2keyError(f"{root}: no {TRUE_TAPS_NAME} below it; give the folder with the truth")
    return pd.concat([pd.read_parquet(path) for path in paths], ignore_index=True)


def read_taps(root: Path) -> tuple[pd.DataFrame, Features]:
    """The labelled taps below a folder, and the forests' features of their windows.

    Raises:
        Tap2keyError: there are none, or a session's windows and rows are not equally many.
    """
    tables, delays, ratios = [], [], []
    arrays: list[Array] = []
    for path in progress(_below(root, TAPS_NAME), "sessions measured"):
        table = pd.read_parquet(path)
        windows = _windows(path.with_name(WINDOWS_NAME))
        if len(windows) != len(table):
            raise Tap2keyError(
                f"{path.parent}: {len(windows)} windows but {len(table)} taps; segment it again"
            )
        labelled = np.flatnonzero(table["label"].notna())
        array = array_of_taps(taps_in(path.parent))
        if arrays and array not in arrays:
            raise Tap2keyError(
                f"{path.parent}: recorded with a different array ({arrays[0].differences(array)}) "
                "than those before; compare sessions of one array"
            )
        arrays.append(array)
        near = around_onset(windows[labelled], array.sample_rate, array.before)
        tables.append(table.iloc[labelled])
        delays.append(gcc_phat_delays(near, array.sample_rate, MAX_DELAY_S))
        ratios.append(level_ratios(near))
    if not tables or not sum(map(len, tables)):
        raise Tap2keyError(f"{root}: no labelled taps below it; give the folder that segment wrote")
    return (
        pd.concat(tables, ignore_index=True),
        Features(np.concatenate(delays), np.concatenate(ratios)),
    )


def _windows(path: Path) -> np.ndarray:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise Tap2keyError(f"{path}: not readable ({error}); segment it again") from None


def _below(root: Path, name: str) -> list[Path]:
    found = root.rglob(name)
    return sorted(p for p in found if not any(part.startswith(".") for part in p.parts))


def anchors(
    taps: pd.DataFrame, features: Features, truth: pd.DataFrame, seed: int, trees: int
) -> list[dict[str, Any]]:
    """One row per anchor and split; `worst` only where people are held out.

    Args:
        taps: labelled taps with participant, recording, time_s, label.
        features: of the same taps.
        truth: true taps with the same columns; label is the key nearest to the true position.
        seed: of the random split and the forests.
        trees: in each forest.
    """
    rows = [_ceiling(taps, truth)]
    labels = taps["label"].to_numpy(dtype=str)
    people = taps["participant"].to_numpy(dtype=str)
    both = np.hstack([features.delays * DEFAULT.sample_rate, features.ratios])
    for name, values in (("level-ratio forest", features.ratios), ("GCC-PHAT forest", both)):
        # Keys with one or two taps cannot be split evenly, so the split is not stratified.
        train, test = train_test_split(
            np.arange(len(labels)), test_size=TEST_SHARE, random_state=seed
        )
        accuracy = _accuracy(values, labels, train, test, seed, trees)
        rows.append(_row(name, "random 70/30", len(test), accuracy))
        if len(set(people)) < 2:
            continue
        scores = {
            person: _accuracy(
                values,
                labels,
                np.flatnonzero(people != person),
                np.flatnonzero(people == person),
                seed,
                trees,
            )
            for person in sorted(set(people))
        }
        worst = min(scores, key=scores.__getitem__)
        mean = float(np.mean(list(scores.values())))
        rows.append(_row(name, "held out", len(labels), mean, scores[worst], worst))
    return rows


def _ceiling(taps: pd.DataFrame, truth: pd.DataFrame) -> dict[str, Any]:
    keys = ["participant", "recording"]
    found = pd.merge_asof(
        taps.assign(given=taps["label"]).sort_values("time_s")[[*keys, "time_s", "given"]],
        truth.sort_values("time_s")[[*keys, "time_s", "label"]],
        on="time_s",
        by=keys,
        direction="nearest",
        tolerance=SAME_TAP_S,
    ).dropna(subset=["label"])
    if found.empty:
        raise Tap2keyError("the truth has none of these taps; give the truth of the same study")
    agreed = float((found["given"] == found["label"]).mean())
    return _row("nearest key, true position", "all", len(found), agreed)


def _accuracy(
    values: np.ndarray,
    labels: np.ndarray,
    train: np.ndarray,
    test: np.ndarray,
    seed: int,
    trees: int,
) -> float:
    forest = ExtraTreesClassifier(
        trees, random_state=seed, n_jobs=psutil.cpu_count(logical=False) or 1
    )
    forest.fit(values[train], labels[train])
    return float(np.mean(forest.predict(values[test]) == labels[test]))


def _row(
    anchor: str,
    split: str,
    taps: int,
    mean: float,
    worst: float | None = None,
    worst_participant: str | None = None,
) -> dict[str, Any]:
    values = (anchor, split, taps, mean, worst, worst_participant)
    return dict(zip(COLUMNS, values, strict=True))
