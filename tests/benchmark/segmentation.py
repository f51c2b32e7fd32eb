"""Time segmentation beside the prototype's way of doing it, on simulated recordings.

    python tests/benchmark/segmentation.py --work FOLDER

It prints a table and asserts nothing: how fast a machine is, is no property of the code. Both sides
read the same files, in turns, each as a process of its own; the first turn only warms the caches.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
WORKFLOW = HERE.parents[1] / "workflow"
TAPS_PER_S = 3
MEGABYTE = 1024


@dataclass(frozen=True)
class Spent:
    """What a process took: by the clock, on all processors, and its peak memory in MB."""

    wall_s: float
    cpu_s: float
    peak_mb: float


def run(*command: object) -> Spent:
    """Run a process to its end."""
    environment = {**os.environ, "PYTHONPATH": str(WORKFLOW)}
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *map(str, command)], env=environment, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    wall_s = time.perf_counter() - started
    # Reaped already: without this, the process object would wait for it again.
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} failed")
    return Spent(wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / MEGABYTE)


def simulated(work: Path, name: str, recordings: int, seconds: int) -> Path:
    """A session of simulated recordings of about that many seconds; made once per folder."""
    study = work / name
    if not study.is_dir():
        size = ("--participants", 1, "--sessions", 1, "--recordings", recordings)
        size += ("--taps", seconds * TAPS_PER_S, "--subtype", "PCM_32", "--material", "mdf")
        run("-m", "tap2key", "simulate", "--study", study, "--truth", work / f"{name}-truth", *size)
    return next(study.iterdir())


class Bench:
    """Runs both sides into folders that are emptied before each run."""

    def __init__(self, work: Path, threads: int) -> None:
        self.output, self.threads = work / "output", threads

    def ours(self, session: Path, *more: object) -> Spent:
        """One process of the segment stage."""
        shutil.rmtree(self.output, ignore_errors=True)
        where = ("--dir", session, "--output", self.output, "--threads", self.threads)
        return run("-m", "tap2key", "segment", *where, *more)

    def prototype(self, session: Path, recordings: Sequence[int]) -> Spent:
        """One process of the prototype's way per recording, one after the other."""
        spent = []
        for index in recordings:
            shutil.rmtree(self.output, ignore_errors=True)
            where = ("--dir", session, "--output", self.output, "--idx", index)
            spent.append(run(HERE / "prototype.py", *where))
        return Spent(
            sum(s.wall_s for s in spent),
            sum(s.cpu_s for s in spent),
            max(s.peak_mb for s in spent),
        )


def report(what: str, prototype: list[Spent], ours: list[Spent]) -> None:
    """Print the medians of both sides and their ratios."""

    def middle(spent: list[Spent], which: str) -> float:
        return statistics.median(getattr(s, which) for s in spent)

    for which, unit in (("wall_s", "s"), ("cpu_s", "s"), ("peak_mb", "MB")):
        theirs, mine = middle(prototype, which), middle(ours, which)
        ratio = theirs / mine
        print(f"{what}\t{which}\t{theirs:.2f} {unit}\t{mine:.2f} {unit}\t{ratio:.2f}", flush=True)


def main() -> None:
    """Print: what, quantity, prototype, ours, how many times less ours takes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="folder for 9 GB of recordings")
    parser.add_argument("--turns", type=int, default=5, help="how often each side is timed")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of the segment stage")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    minute = simulated(args.work, "ten-minutes", recordings=10, seconds=60)
    half_hour = simulated(args.work, "half-hour", recordings=1, seconds=1800)
    bench = Bench(args.work, args.threads)

    print("what\tquantity\tprototype\tours\tratio")
    turns = [
        (bench.prototype(minute, [0]), bench.ours(minute, "--idx", 0))
        for _ in range(args.turns + 1)
    ]
    report("one recording of a minute", *map(list, zip(*turns[1:], strict=True)))
    turns = [(bench.prototype(minute, range(10)), bench.ours(minute)) for _ in range(args.turns)]
    report(f"ten of them, {args.threads} threads", *map(list, zip(*turns, strict=True)))
    spent = bench.ours(half_hour)
    print(f"half an hour\tpeak_mb\t\t{spent.peak_mb:.0f} MB\t", flush=True)
    print(f"half an hour\twall_s\t\t{spent.wall_s:.1f} s\t", flush=True)
    print(f"load average while timing: {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")


if __name__ == "__main__":
    main()
