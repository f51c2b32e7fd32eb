"""How right labels are where time steps: recordings that lost samples, clocks that were set.

    python tests/benchmark/clock_steps.py --output results/segmentation

Each simulated session is changed in one way after another, and segmented. As in labels.py, seeds
from 9000 on are for this measurement alone.
"""

import argparse
import contextlib
import io
import re
import shutil
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import soundfile

from tap2key.core.errors import Tap2keyError
from tap2key.core.files import read_tsv, write_tsv
from tap2key.core.progress import progress
from tap2key.core.shipped import DIFFICULTY, KEYBOARD
from tap2key.segmentation.recordings_table import RECORDINGS_NAME
from tap2key.segmentation.session import Settings, segment_session
from tap2key.segmentation.taps import TAPS_NAME
from tap2key.simulation.difficulty import load_difficulty
from tap2key.simulation.plan import (
    TRUE_TAPS_NAME,
    PlannedSession,
    checked_settings,
    plan_study,
)
from tap2key.simulation.session import make_session
from tap2key.study.keyboard import load_keyboard
from tap2key.study.scan import recordings_in

SEEDS = (9000, 9001, 9002, 9003)
STUDY = {"taps": 300, "participants": 2, "sessions": 1, "recordings": 1}
SAME_TAP_S = 0.02
LEAST_RIGHT, MOST_LEFT_OUT = 0.999, 0.02


@dataclass(frozen=True)
class Change:
    """What happens to a recording, at shares of its length.

    `set_by` are settings of the sensor's clock and `lost` are losses of samples, (share, seconds)
    each; after the share `stops` the sensor logs no more.
    """

    name: str
    set_by: tuple[tuple[float, float], ...] = ()
    lost: tuple[tuple[float, float], ...] = ()
    stops: float | None = None

    @property
    def steps(self) -> int:
        """How often the clock steps."""
        return len(self.set_by) + len(self.lost)


SCATTERED = tuple((float(share), 0.021) for share in np.linspace(0.05, 0.95, 10))
CHANGES = (
    Change("none"),
    *(
        Change(f"clock set by {by:+g} s at {at:.0%}", set_by=((at, by),))
        for at, by in ((0.6, 0.06), (0.3, -0.06), (0.6, 0.25), (0.5, -1.5), (0.4, 60), (0.6, -60))
    ),
    Change("clock set by an hour at 50%", set_by=((0.5, 3600),)),
    Change("clock set twice", set_by=((0.3, 0.15), (0.7, -0.4))),
    *(Change(f"{gap:g} s lost at 50%", lost=((0.5, gap),)) for gap in (0.06, 0.25, 2, 20)),
    Change("21 ms lost ten times", lost=SCATTERED),
    Change("touches stop at 40%", stops=0.4),
)
COLUMNS = ("change", "recordings", "labelled", "right", "left_out_per_step", "steps", "steps_found")


def measured(case: tuple[int, PlannedSession]) -> list[dict]:
    """Simulate one session, and segment it after each change: a row for each."""
    seed, planned = case
    settings = checked_settings({"seed": seed, **STUDY})
    with tempfile.TemporaryDirectory() as scratch:
        study, truth = Path(scratch) / "study", Path(scratch) / "truth"
        make_session(
            planned,
            study,
            truth,
            settings,
            load_keyboard(KEYBOARD),
            load_difficulty(DIFFICULTY),
            [],
        )
        true = pd.read_parquet(truth / planned.folder / TRUE_TAPS_NAME)
        return [
            row_of(change, study / planned.folder, Path(scratch) / str(number), true)
            for number, change in enumerate(CHANGES)
        ]


def row_of(change: Change, session: Path, folder: Path, true: pd.DataFrame) -> dict:
    """One changed recording against the truth."""
    shutil.copytree(session, folder)
    (recording,) = recordings_in(folder)
    duration_s = soundfile.info(recording.path).duration
    lose_samples(recording.path, change, duration_s)
    (log,) = recording.touch_files
    log.write_text(
        "\n".join(changed_rows(log.read_text().splitlines(), change, recording.start, duration_s))
        + "\n"
    )
    output = folder / "taps"
    with contextlib.redirect_stderr(io.StringIO()):
        segment_session([recording], load_keyboard(KEYBOARD), Settings(), output)
    taps = pd.read_parquet(output / TAPS_NAME)
    (audit,) = read_tsv(output / RECORDINGS_NAME)
    taps = taps[taps["label"].notna()]
    kept = np.array([survives(time, change, duration_s) for time in true["time_s"]])
    place = np.array([time_after(time, change, duration_s) for time in true["time_s"]])
    nearest = [int(np.abs(place - time).argmin()) for time in taps["time_s"]]
    own = true.iloc[nearest]
    right = (
        (np.abs(place[nearest] - taps["time_s"].to_numpy()) <= SAME_TAP_S)
        & own["touched"].to_numpy()
        & (np.abs(own["touch_x"].to_numpy() - taps["x"].to_numpy()) <= 0.6)
        & (np.abs(own["touch_y"].to_numpy() - taps["y"].to_numpy()) <= 0.6)
    )
    logged = change.stops is None or true["time_s"] < change.stops * duration_s
    could = int((kept & true["touched"] & logged).sum())
    shutil.rmtree(folder)
    return {
        "change": change.name,
        "could": could,
        "labelled": len(taps),
        "right": int(right.sum()),
        "steps": change.steps,
        "steps_found": len(re.findall("clock steps", audit["warnings"])),
    }


def lose_samples(wav: Path, change: Change, duration_s: float) -> None:
    """Take samples out of a recording."""
    if not change.lost:
        return
    sound, rate = soundfile.read(wav, dtype="int32")
    edges = [0.0]
    for share, gap in change.lost:
        edges += [share * duration_s, share * duration_s + gap]
    edges.append(duration_s)
    kept = [
        sound[round(a * rate) : round(b * rate)]
        for a, b in zip(edges[::2], edges[1::2], strict=True)
    ]
    soundfile.write(wav, np.concatenate(kept), rate, subtype="PCM_32")


def survives(time_s: float, change: Change, duration_s: float) -> bool:
    """Whether a tap is still in the recording."""
    return not any(s * duration_s <= time_s < s * duration_s + gap for s, gap in change.lost)


def time_after(time_s: float, change: Change, duration_s: float) -> float:
    """When a tap is after samples were lost; of one whose onset is lost, where its rest begins."""
    gone = sum(
        min(gap, time_s - s * duration_s) for s, gap in change.lost if time_s >= s * duration_s
    )
    return time_s - gone


def changed_rows(
    rows: Sequence[str], change: Change, start: datetime, duration_s: float
) -> list[str]:
    """A touch log's rows as a sensor whose clock is set, or that stops, would have written them."""
    kept = []
    for row in rows:
        stamp, rest = row.split(",", 1)
        time = datetime.fromisoformat(stamp)
        share = (time - start).total_seconds() / duration_s
        if change.stops is not None and share > change.stops:
            continue
        by = sum(step for at, step in change.set_by if share > at)
        kept.append(f"{time + timedelta(seconds=by):%Y-%m-%d %H:%M:%S.%f},{rest}")
    return kept


def main() -> None:
    """Measure, print a table, and write it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, required=True, help="folder for the table")
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--workers", type=int, default=psutil.cpu_count(logical=False) or 1)
    args = parser.parse_args()
    todo = [
        (seed, planned)
        for seed in args.seeds
        for planned in plan_study(checked_settings({"seed": seed, **STUDY}))
    ]
    with ProcessPoolExecutor(args.workers, get_context("spawn")) as pool:
        done = list(progress(pool.map(measured, todo), "sessions measured", len(todo)))
    rows = pd.DataFrame([row for session in done for row in session])
    table = []
    for change in CHANGES:
        own = rows[rows["change"] == change.name]
        out = 1 - own["labelled"].sum() / own["could"].sum()
        table.append(
            {
                "change": change.name,
                "recordings": len(own),
                "labelled": own["labelled"].sum(),
                "right": f"{own['right'].sum() / max(own['labelled'].sum(), 1):.5f}",
                "left_out_per_step": f"{out / max(change.steps, 1):.4f}",
                "steps": own["steps"].sum(),
                "steps_found": own["steps_found"].sum(),
            }
        )
    print(pd.DataFrame(table).to_string(index=False))
    write_tsv(args.output / "clock_steps.tsv", table, COLUMNS)
    missed = [
        row["change"]
        for row in table
        if float(row["right"]) < LEAST_RIGHT or float(row["left_out_per_step"]) > MOST_LEFT_OUT
    ]
    if missed:
        raise Tap2keyError(f"labels are not as right as they have to be: {', '.join(missed)}")


if __name__ == "__main__":
    try:
        main()
    except Tap2keyError as error:
        sys.exit(f"clock_steps: {error}")
