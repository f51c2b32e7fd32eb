"""Mutate whole studies as people, spreadsheets and disks do, and see what comes of them.

    PYTHONPATH=tests python -m benchmark.fuzz_studies --studies 3000

Each is a small simulated study in which files were moved, doubled, linked, renamed, cut off or
saved anew. Nothing of it may be changed; every label has to be of the tap's own touch; no tap may
be there twice; whatever looks like a recording or a touch log is used or listed; and a refusal is
one line that names a file. What fails is printed with the command that does it again.
"""

import argparse
import functools
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import psutil
from benchmark.fuzz import doubles, links, logs, places, product, sounds, tables
from benchmark.fuzz.base import Base, make_base, read_base
from benchmark.fuzz.mutant import Mutant
from benchmark.fuzz.oracle import Labels, failures, of_labels, snapshot
from benchmark.fuzz.registry import MUTATIONS, Mutation

from tap2key.core.progress import progress

MODULES = (doubles, links, logs, places, sounds, tables)
MOST = 3
AGAIN = "PYTHONPATH=tests python -m benchmark.fuzz_studies"
REFUSED, LEFT_OUT, USED = "refused in one line", "used in part", "used whole"


@dataclass(frozen=True)
class Report:
    """What was done to one study, how it ended, and what is wrong with that."""

    seed: int
    mutations: tuple[str, ...]
    ending: str
    failures: tuple[str, ...]


def mutated(mutant: Mutant, mutations: Sequence[Mutation], most: int) -> tuple[str, ...]:
    """Apply one to `most` of the mutations; → their names."""
    count = int(mutant.rng.integers(1, most + 1))
    drawn = [mutations[i] for i in mutant.rng.permutation(len(mutations))]
    applied: list[str] = []
    for one in sorted(drawn[:count], key=lambda m: m.phase) + drawn[count:]:
        if len(applied) == count or (applied and one.phase < MUTATIONS[applied[-1]].phase):
            continue
        if mutant.attempt(one.apply):
            applied.append(one.name)
    return tuple(applied)


@functools.cache
def baseline(folder: Path) -> tuple[Base, dict, Labels]:
    """The base study in `folder`, what comes of its sessions, and its labelled taps.

    Raises:
        AssertionError: the base study itself fails.
    """
    base, known = read_base(folder), {}
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        mutant = Mutant(base, Path(scratch), np.random.default_rng(0))
        outcome = product.run(mutant, None, known)
        assert not outcome.crash and outcome.refusal is None, outcome
        labels: Labels = {used.recording.recording: set() for used in outcome.used}
        for used in outcome.used:
            wrong = list(of_labels(mutant, used, labels[used.recording.recording]))
            assert used.ok and not wrong, f"{used.audit}: {wrong}"
    return base, known, labels


def fuzz(
    seed: int,
    folder: Path,
    only: Sequence[str] = (),
    most: int = MOST,
    limit_s: float | None = 60,
    keep: bool = False,
) -> Report:
    """Mutate one study and check what comes of it.

    Args:
        seed: the same seed makes the same study.
        folder: holds the base study; the mutated one is made in it.
        only: names of the mutations to draw from; default: all.
        most: of so many at once.
        limit_s: a study that takes longer is a failure.
        keep: leave the mutated study there.
    """
    root = folder / f"study-{seed}"
    shutil.rmtree(root, ignore_errors=True)
    base, known, labels = baseline(folder)
    mutant = Mutant(base, root, np.random.default_rng(seed))
    names = mutated(mutant, [MUTATIONS[name] for name in only or MUTATIONS], most)
    before = snapshot(root, mutant.root / "results")
    outcome = product.run(mutant, limit_s, known)
    found = tuple(failures(mutant, outcome, before, labels))
    ending = USED if all(used.ok for used in outcome.used) else LEFT_OUT
    if outcome.refusal is not None or outcome.crash:
        ending = REFUSED
    if not keep:
        shutil.rmtree(root)
    return Report(seed, names, ending, found)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print how many studies ended in which way, and what fails; exit status 1 if any does."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0, help="of the first study; each has the next")
    parser.add_argument("--only", nargs="+", default=[], choices=MUTATIONS, metavar="MUTATION")
    parser.add_argument("--most", type=int, default=MOST, help="mutations of one study")
    parser.add_argument("--limit", type=float, default=30, help="seconds that a study may take")
    parser.add_argument("--keep", type=Path, help="leave the studies in this folder")
    parser.add_argument("--workers", type=int, default=psutil.cpu_count(logical=False) or 1)
    args = parser.parse_args(arguments)
    folder = args.keep or Path(tempfile.mkdtemp(prefix="fuzz-"))
    if not (folder / "study").is_dir():
        make_base(folder)
    one = functools.partial(
        fuzz,
        folder=folder,
        only=args.only,
        most=args.most,
        limit_s=args.limit,
        keep=args.keep is not None,
    )
    seeds = range(args.seed, args.seed + args.studies)
    if args.workers == 1:
        reports = list(progress(map(one, seeds), "studies", len(seeds)))
    else:
        with ProcessPoolExecutor(args.workers, get_context("spawn")) as pool:
            reports = list(progress(pool.map(one, seeds, chunksize=4), "studies", len(seeds)))
    if args.keep is None:
        shutil.rmtree(folder)
    # A name may be no Unicode.
    sys.stdout.reconfigure(errors="backslashreplace")
    failed = [report for report in reports if report.failures]
    options = "".join(f" --only {' '.join(args.only)}" if args.only else "")
    options += f" --most {args.most}" if args.most != MOST else ""
    for report in failed:
        print(f"{', '.join(report.mutations)}:")
        for failure in report.failures:
            print(f"    {failure}")
        print(f"    again: {AGAIN} --studies 1 --seed {report.seed}{options}")
    for kind, count in Counter(f.split(":")[0] for r in failed for f in r.failures).most_common():
        print(f"{count}\t{kind}")
    endings = Counter(report.ending for report in reports)
    print(", ".join(f"{count} {ending}" for ending, count in sorted(endings.items())), end="; ")
    print(f"{len(failed)} of {len(reports)} studies failing")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
