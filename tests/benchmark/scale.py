"""Time a dry run of a large study beside a bare Snakemake workflow with as many jobs and edges.

    python tests/benchmark/scale.py --work FOLDER

The study is made of empty stand-in files. Both sides look at the same files, in turns, each as a
process of its own. It prints a table and asserts only that both sides have the same graph.
"""

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
WAV = "01.acoustic/13.05.22.123_01_27_2023.wav"
CSV = "02.neonode/13.00.00_01_27_2023_nnode.csv"
MEGABYTE = 1024
PROFILE = ("--profile", str(ROOT / "profiles" / "local"))
BARE = ("-s", HERE / "bare.smk", "--cores", "all")
AS_MANY_FILES = (*BARE, "--config", "files=all")
OURS = ("-s", ROOT / "Snakefile", *PROFILE, "--config", "study=study")
ONE_EXPERIMENT = (*OURS, "select_experiments=gcc-phat-forest")


@dataclass(frozen=True)
class Spent:
    """What a process took: by the clock, on all processors, and its peak memory in MB."""

    wall_s: float
    cpu_s: float
    peak_mb: float


def make_study(work: Path, participants: int, sessions: int) -> None:
    """A nested study of empty files."""
    work.mkdir(parents=True, exist_ok=True)
    for name in ("manifest.tsv", "keyboard.csv"):
        (work / name).touch()
    for person in range(participants):
        for session in range(sessions):
            folder = work / "study" / f"P{person:03}" / f"{session:02}"
            for name in (WAV, CSV):
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).touch()


def command(arguments: tuple[object, ...], *more: str) -> list[str]:
    """Snakemake's argument list."""
    return [sys.executable, "-m", "snakemake", *map(str, arguments), *more]


def dry_run(work: Path, arguments: tuple[object, ...]) -> Spent:
    """Run a dry run to its end."""
    started = time.perf_counter()
    process = subprocess.Popen(
        command(arguments, "--dry-run", "--quiet"),
        cwd=work,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    wall_s = time.perf_counter() - started
    # Reaped already: without this, the process object would wait for it again.
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(map(str, arguments))} failed")
    return Spent(wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / MEGABYTE)


def graph(work: Path, arguments: tuple[object, ...]) -> tuple[Counter, Counter]:
    """Jobs by rule, and edges by pair of rules, from the graph that Snakemake draws."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as drawn:
        subprocess.run(
            command(arguments, "--dag"),
            cwd=work,
            stdout=drawn,
            stderr=subprocess.DEVNULL,
            check=True,
        )
        drawn.seek(0)
        text = drawn.read()
    rule = dict(re.findall(r'^\t(\d+)\[label = "(\w+)', text, flags=re.M))
    edges = re.findall(r"^\t(\d+) -> (\d+)", text, flags=re.M)
    return Counter(rule.values()), Counter((rule[a], rule[b]) for a, b in edges)


def report(what: str, bare: list[Spent], ours: list[Spent]) -> None:
    """Print the medians of both sides and their ratios."""
    for which, unit in (("wall_s", "s"), ("cpu_s", "s"), ("peak_mb", "MB")):
        theirs, mine = (statistics.median(getattr(s, which) for s in side) for side in (bare, ours))
        print(
            f"{what}\t{which}\t{theirs:.1f} {unit}\t{mine:.1f} {unit}\t{mine / theirs:.2f}",
            flush=True,
        )


def main() -> None:
    """Print: what, quantity, bare, ours, how many times as much ours takes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="folder for the empty files")
    parser.add_argument("--participants", type=int, default=200)
    parser.add_argument("--sessions", type=int, default=50, help="of each participant")
    parser.add_argument("--turns", type=int, default=5, help="how often each side is timed")
    args = parser.parse_args()
    make_study(args.work, args.participants, args.sessions)

    graphs = [graph(args.work, side) for side in (BARE, AS_MANY_FILES, ONE_EXPERIMENT)]
    for theirs in graphs[:2]:
        if theirs != graphs[2]:
            raise SystemExit(f"not the same graph:\n{theirs}\n{graphs[2]}")
    jobs, edges = graphs[2]
    print(f"{jobs.total()} jobs, {edges.total()} edges")

    print("what\tquantity\tbare\tours\tratio")
    turns = [
        [dry_run(args.work, side) for side in (BARE, AS_MANY_FILES, ONE_EXPERIMENT)]
        for _ in range(args.turns)
    ]
    bare, as_many_files, ours = map(list, zip(*turns, strict=True))
    report("one output each", bare, ours)
    report("as many files", as_many_files, ours)
    four = dry_run(args.work, OURS)
    print(
        f"four experiments\tall\t\t{four.wall_s:.1f} s, {four.cpu_s:.1f} s, {four.peak_mb:.0f} MB"
    )


if __name__ == "__main__":
    main()
