"""How right segmentation is: simulated studies that it was not tuned on, against their truth.

    python tests/benchmark/labels.py --output results/segmentation

Every seed is simulated on every material in recordings of three lengths; signal-to-noise ratio and
faults are drawn from the simulator's difficulty file. Seeds from 9000 on are for this measurement:
whoever improves segmentation does it with --seeds 8000 and up, and looks here once.
"""

import argparse
import contextlib
import io
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
import psutil

from tap2key.audio.array import DEFAULT
from tap2key.audio.audio_file import AudioFile
from tap2key.core.errors import Tap2keyError
from tap2key.core.files import read_tsv, write_tsv
from tap2key.core.progress import progress
from tap2key.core.shipped import DIFFICULTY, KEYBOARD
from tap2key.segmentation.recordings_table import RECORDINGS_NAME
from tap2key.segmentation.session import Settings, segment_session
from tap2key.segmentation.taps import TAPS_NAME
from tap2key.signal.detection import find_taps
from tap2key.simulation.difficulty import load_difficulty
from tap2key.simulation.plan import MATERIALS, PlannedSession, checked_settings, plan_study
from tap2key.simulation.session import make_session
from tap2key.study.keyboard import load_keyboard
from tap2key.study.scan import recordings_in

SEEDS = tuple(range(9000, 9006))
# Taps per recording, then how much of that a study has.
SIZES = {
    "short": {"taps": 20, "participants": 2, "sessions": 1, "recordings": 2},
    "usual": {"taps": 90, "participants": 2, "sessions": 2, "recordings": 1},
    "long": {"taps": 400, "participants": 1, "sessions": 1, "recordings": 1},
}
SAME_TAP_S = 0.02
SAME_TOUCH = np.timedelta64(10, "us")
# A clock that is wrong by this much, or so many labels in a row that belong to other taps.
SHIFTED_S = 0.03
SHIFTED_IN_A_ROW = 3
RECORDING_COLUMNS = (
    "seed",
    "material",
    "size",
    "participant",
    "session",
    "recording",
    "snr_db",
    "status",
    "reason",
    "taps",
    "touched",
    "found",
    "true_found",
    "labelled",
    "right",
    "labelled_touched",
    "latency_error_ms",
    "shifted",
    "false_steps",
    "onset_spread_ms",
)


@dataclass(frozen=True)
class Case:
    """One simulated session, and the settings of its study."""

    seed: int
    material: str
    size: str
    planned: PlannedSession

    @property
    def settings(self) -> dict:
        """What the session's study is simulated with."""
        return study_settings(self.seed, self.material, self.size)


@dataclass(frozen=True)
class Figure:
    """A measured quantity, and the target that it has to keep."""

    name: str
    measure: Callable[[pd.DataFrame, np.ndarray], float]
    target: float | None = None
    at_least: bool = True

    def verdict(self, value: float) -> str:
        """yes, NO, or nothing where there is no target."""
        if self.target is None:
            return ""
        return "yes" if (value >= self.target if self.at_least else value <= self.target) else "NO"


def study_settings(seed: int, material: str, size: str) -> dict:
    """Settings of the simulate stage."""
    return checked_settings({"seed": seed, "material": material, **SIZES[size]})


def cases(seeds: Sequence[int], sizes: Sequence[str]) -> list[Case]:
    """Every session, the longest first, so that no core waits for the other at the end."""
    return [
        Case(seed, material, size, planned)
        for size in sorted(sizes, key=lambda name: -SIZES[name]["taps"])
        for seed in seeds
        for material in MATERIALS
        for planned in plan_study(study_settings(seed, material, size))
    ]


def measured(case: Case) -> list[tuple[dict, np.ndarray]]:
    """Simulate and segment one session, and compare: per recording a row and its onset errors."""
    with tempfile.TemporaryDirectory() as scratch:
        study, truth, output = (Path(scratch) / name for name in ("study", "truth", "output"))
        make_session(
            case.planned,
            study,
            truth,
            case.settings,
            load_keyboard(KEYBOARD),
            load_difficulty(DIFFICULTY),
            [],
        )
        recordings = recordings_in(
            study / case.planned.folder, case.planned.participant, case.planned.session
        )
        # Sessions run beside each other; their progress bars would only mix.
        with contextlib.redirect_stderr(io.StringIO()):
            segment_session(recordings, load_keyboard(KEYBOARD), Settings(), output)
        audits = {row["recording"]: row for row in read_tsv(output / RECORDINGS_NAME)}
        known = truth / case.planned.folder
        facts = {row["recording"]: row for row in read_tsv(known / "true_recordings.tsv")}
        taps = pd.read_parquet(output / TAPS_NAME)
        true = pd.read_parquet(known / "true_taps.parquet")
        return [
            compared(
                case,
                taps[taps["recording"] == r.recording].reset_index(drop=True),
                true[true["recording"] == r.recording].reset_index(drop=True),
                audits[r.recording],
                facts[r.recording],
                r.path,
            )
            for r in recordings
        ]


def compared(
    case: Case, taps: pd.DataFrame, true: pd.DataFrame, audit: dict, facts: dict, wav: Path
) -> tuple[dict, np.ndarray]:
    """One recording's row of the audit against the truth, and its onset errors in s."""
    left_out = audit["status"] != "ok"
    # A recording without a clock has no rows; what was heard in it is still a matter of detection.
    found_s = (
        find_taps(AudioFile(wav)).onset / DEFAULT.sample_rate
        if left_out
        else taps["time_s"].to_numpy()
    )
    found, partner = same_taps(found_s, true["time_s"].to_numpy())
    touched = true["touched"].to_numpy()
    row = {
        "seed": case.seed,
        "material": case.material,
        "size": case.size,
        "participant": case.planned.participant,
        "session": case.planned.session,
        "recording": audit["recording"],
        "snr_db": float(facts["snr_db"]),
        "status": audit["status"],
        "reason": (audit["reason"] or "").replace(str(wav), wav.name),
        "taps": len(true),
        "touched": int(touched.sum()),
        "found": len(found_s),
        "true_found": len(found),
        "labelled": 0,
        "right": 0,
        "labelled_touched": 0,
        "shifted": 0,
        # No clock of this study steps.
        "false_steps": int(bool(audit["clock_pieces"])),
    }
    error_s = found_s[found] - true["time_s"].to_numpy()[partner]
    row["onset_spread_ms"] = 1000 * float(np.std(error_s)) if len(error_s) else None
    if not left_out:
        row |= labels_against_truth(taps, true, found, partner)
        # The sensor's mean delay cannot be told from latency, and counts as part of it.
        latency_s = float(facts["latency_s"]) - float(facts["sensor_delay_s"])
        error = float(audit["latency_s"]) - latency_s
        row["latency_error_ms"] = 1000 * error
        row["shifted"] |= int(abs(error) > SHIFTED_S)
    return row, error_s


def same_taps(found_s: np.ndarray, true_s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which found and true taps are each other's nearest, within `SAME_TAP_S`: two of [pairs]."""
    if not len(found_s):
        return np.empty(0, int), np.empty(0, int)
    apart = np.abs(found_s[:, None] - true_s[None, :])
    nearest = apart.argmin(axis=1)
    found = np.arange(len(found_s))
    both = (apart.argmin(axis=0)[nearest] == found) & (apart[found, nearest] <= SAME_TAP_S)
    return found[both], nearest[both]


def labels_against_truth(
    taps: pd.DataFrame, true: pd.DataFrame, found: np.ndarray, partner: np.ndarray
) -> dict:
    """Count labels; a label on a sound that is no tap, or that the sensor missed, is wrong."""
    labelled = taps["label"].notna().to_numpy()
    made = true["touch_label"].to_numpy(dtype=object)[partner]
    right = labelled[found] & (taps["label"].to_numpy(dtype=object)[found] == made)
    touched = true["touched"].to_numpy()[partner]
    own = np.abs(taps["touch_time"].to_numpy()[found] - true["touch_time"].to_numpy()[partner])
    foreign = labelled[found] & touched & ~(own <= SAME_TOUCH)
    in_a_row = np.convolve(foreign, np.ones(SHIFTED_IN_A_ROW), "valid") if len(foreign) else [0]
    return {
        "labelled": int(labelled.sum()),
        "right": int(right.sum()),
        "labelled_touched": int((labelled[found] & touched).sum()),
        "shifted": int(max(in_a_row) >= SHIFTED_IN_A_ROW),
    }


def f1(rows: pd.DataFrame, _: np.ndarray) -> float:
    """Harmonic mean of precision and recall, over all taps of the rows."""
    return 2 * rows["true_found"].sum() / (rows["found"].sum() + rows["taps"].sum())


def about_median_ms(errors_s: np.ndarray, quantile: float) -> float:
    """A quantile of the absolute onset errors about their median, in ms."""
    return 1000 * float(np.quantile(np.abs(errors_s - np.median(errors_s)), quantile))


def share(part: str, whole: str) -> Callable[[pd.DataFrame, np.ndarray], float]:
    """A figure: the sum of one column over the sum of another."""
    return lambda rows, _: rows[part].sum() / rows[whole].sum()


FIGURES = (
    Figure("recordings", lambda rows, _: len(rows)),
    Figure("true taps", lambda rows, _: rows["taps"].sum()),
    Figure("detection precision", share("true_found", "found")),
    Figure("detection recall", share("true_found", "taps")),
    Figure("detection F1", f1, 0.998),
    Figure("onset error, median ms", lambda _, errors: about_median_ms(errors, 0.5), 0.3, False),
    Figure("onset error, p95 ms", lambda _, errors: about_median_ms(errors, 0.95), 0.3, False),
    Figure("right of the labelled", share("right", "labelled"), 0.995),
    Figure("labelled of the touched", share("labelled_touched", "touched"), 0.98),
    Figure("recordings left out", lambda rows, _: (rows["status"] != "ok").mean(), 0.01, False),
    Figure(
        "latency error, RMS ms",
        lambda rows, _: float(np.sqrt(np.mean(rows["latency_error_ms"].dropna() ** 2))),
        2.0,
        False,
    ),
    Figure("shifted pairings", lambda rows, _: rows["shifted"].sum(), 0, False),
    Figure("false clock steps", lambda rows, _: rows["false_steps"].sum(), 0, False),
)


def scopes(rows: pd.DataFrame) -> Iterator[tuple[str, pd.Series]]:
    """What is reported apart: materials, lengths and everything, and which rows those are."""
    for column, names in (("material", MATERIALS), ("size", SIZES)):
        for name in names:
            if (rows[column] == name).any():
                yield name, rows[column] == name
    yield "total", pd.Series(True, index=rows.index)


def main() -> None:
    """Measure, print a table, and write it with one row per recording beside it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, required=True, help="folder for the two tables")
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--workers", type=int, default=psutil.cpu_count(logical=False) or 1)
    args = parser.parse_args()
    todo = cases(args.seeds, args.sizes)
    with ProcessPoolExecutor(args.workers, get_context("spawn")) as pool:
        done = list(progress(pool.map(measured, todo), "sessions measured", len(todo)))
    recordings = [recording for session in done for recording in session]
    rows = pd.DataFrame([row for row, _ in recordings])
    errors = [error_s for _, error_s in recordings]
    table = []
    for scope, chosen in scopes(rows):
        own = np.concatenate([errors[i] for i in np.flatnonzero(chosen)])
        for figure in FIGURES:
            value = float(figure.measure(rows[chosen], own))
            table.append(
                {
                    "scope": scope,
                    "figure": figure.name,
                    "value": f"{value:.5g}",
                    "target": figure.target,
                    "met": figure.verdict(value),
                }
            )
    print_table(table)
    write_tsv(args.output / "labels.tsv", table, tuple(table[0]))
    ordered = rows.sort_values(["size", "seed", "material", "participant", "recording"])
    write_tsv(args.output / "recordings.tsv", ordered.to_dict("records"), RECORDING_COLUMNS)
    if any(row["met"] == "NO" for row in table if row["scope"] == "total"):
        raise Tap2keyError(f"a target is missed; {args.output / 'recordings.tsv'} shows where")


def print_table(table: list[dict]) -> None:
    """One line per figure, one column per scope; * marks what misses its target."""
    names = list(dict.fromkeys(row["scope"] for row in table))
    print(f"{'':<26}" + "".join(f"{name:>10}" for name in names) + f"{'target':>10}  met")
    for figure in FIGURES:
        cells = {row["scope"]: row for row in table if row["figure"] == figure.name}
        values = [cells[name]["value"] + "*" * (cells[name]["met"] == "NO") for name in names]
        bound = ""
        if figure.target is not None:
            bound = f"{'≥' if figure.at_least else '≤'} {figure.target:g}"
        print(
            f"{figure.name:<26}"
            + "".join(f"{value:>10}" for value in values)
            + f"{bound:>10}  {cells['total']['met']}"
        )


if __name__ == "__main__":
    try:
        main()
    except Tap2keyError as error:
        sys.exit(f"labels: {error}")
