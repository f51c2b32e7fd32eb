"""Seconds of a rule's jobs as a function of their work: lines fitted to benchmarks."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tap2key.config.configuration import complete_config, read_config
from tap2key.core.files import read_tsv
from tap2key.orchestration.planning import plan_of
from tap2key.orchestration.workload import GPU_OPERATIONS, Workload
from tap2key.reports.benchmarks import read_benchmarks
from tap2key.study.manifest import MANIFEST_NAME, read_manifest

# A slope needs this many jobs, the largest with this many times the work of the smallest, and has
# to explain this much of the variance of their seconds.
FEWEST_JOBS, LEAST_SPREAD, LEAST_EXPLAINED = 4, 2.0, 0.5

COLUMNS = ("rule", "kind", "unit", "jobs", "base_s", "s_per_unit")


class Key(NamedTuple):
    """Jobs whose seconds lie on one line: of a rule, for one kind of model, in one unit."""

    rule: str
    kind: str
    unit: str


@dataclass(frozen=True)
class Line:
    """Seconds of a job: a base and a slope, in seconds per unit of work."""

    base: float
    slope: float
    jobs: int
    source: str

    def at(self, amount: float) -> float:
        """Seconds of a job with this much work."""
        return self.base + self.slope * amount


Lines = Mapping[Key, Line]

SHIPPED_TABLE = Path(__file__).with_suffix(".tsv")

MEASURED, SHIPPED, ASSUMED = "measured", "shipped", "assumed"
# No GPU was at hand to measure one. Half a minute to start, and a tenth of the 10^14 operations a
# second that data sheets promise, for forward and backward: three times the operations of forward.
ASSUMED_ON_GPU = Line(30.0, 3e-13, 0, ASSUMED)


def shipped_lines(file: Path = SHIPPED_TABLE) -> dict[Key, Line]:
    """The lines that come with the project; `make seconds` measures them."""
    return {
        Key(row["rule"], row["kind"], row["unit"]): Line(
            float(row["base_s"]), float(row["s_per_unit"]), int(row["jobs"]), SHIPPED
        )
        for row in read_tsv(file, required=COLUMNS)
    }


def measured_lines(
    runs: Iterable[tuple[Path, Workload]], model_use: Mapping[str, str], known: Lines
) -> dict[Key, Line]:
    """Lines fitted to the jobs of all runs together.

    Args:
        runs: each one's RESULTS/benchmarks and workload.
        model_use: "made" or "used" for each rule that makes or uses models.
        known: lines that give the slope where a key's own jobs do not determine it.
    """
    points: dict[Key, list[tuple[float, float]]] = {}
    for folder, workload in runs:
        for rule, jobs in read_benchmarks(folder).items():
            for job, row in jobs:
                work = workload.work(job, model_use.get(rule))
                if work is not None:
                    key = Key(rule, work.kind, work.unit)
                    held = workload.gpus if work.unit == GPU_OPERATIONS else 1
                    points.setdefault(key, []).append((work.amount, held * float(row["s"])))
    found = {}
    for key, measured in points.items():
        amounts, seconds = np.array(measured).T
        found[key] = fitted(amounts, seconds, known_line(key, known))
    return found


def workload_of_finished(results: Path) -> Workload:
    """The workload of a run that was finished.

    Args:
        results: its results; the configuration is the one written there, wherever they were made.

    Raises:
        Tap2keyError: the run was not finished.
    """
    config = complete_config(read_config([results / "run" / "config.yaml"]))
    config["results"] = str(results)
    return Workload(plan_of(config, read_manifest(results / MANIFEST_NAME)))


def fitted(work: np.ndarray, seconds: np.ndarray, known: Line | None) -> Line:
    """A line through jobs: by least squares if they determine a slope, else a scaled known line.

    Args:
        work: amount of each job; shape (jobs,).
        seconds: of each job; shape (jobs,).
        known: scaled to these jobs' seconds if they are too few or too similar.
    """
    jobs, mean = len(work), float(seconds.mean())
    if jobs >= FEWEST_JOBS and work.max() > LEAST_SPREAD * work.min():
        slope, base = np.polyfit(work / work.max(), seconds, 1)
        explained = np.corrcoef(work, seconds)[0, 1] ** 2 if seconds.std() else 0.0
        if slope <= 0 or explained < LEAST_EXPLAINED:
            return Line(mean, 0.0, jobs, MEASURED)
        if base < 0:
            # No job takes less than no time: the best line through zero.
            return Line(0.0, float(work @ seconds / (work @ work)), jobs, MEASURED)
        return Line(float(base), float(slope / work.max()), jobs, MEASURED)
    if known is None or not known.at(float(work.mean())):
        return Line(mean, 0.0, jobs, MEASURED)
    factor = mean / known.at(float(work.mean()))
    return Line(factor * known.base, factor * known.slope, jobs, MEASURED)


def known_line(key: Key, lines: Lines) -> Line | None:
    """A line for jobs: their own, else the steepest of other kinds of model; None if unknown."""
    if key in lines:
        return lines[key]
    others = [line for other, line in lines.items() if other._replace(kind=key.kind) == key]
    if others:
        return max(others, key=lambda line: (line.slope, line.base))
    return ASSUMED_ON_GPU if key.unit == GPU_OPERATIONS else None
