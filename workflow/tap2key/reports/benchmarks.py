"""Snakemake's benchmark tables: what each job of a run took."""

from collections.abc import Iterable
from pathlib import Path
from statistics import mean, median
from typing import Any

from tap2key.core.files import read_tsv

NOT_MEASURED = ("", "NA", "-")


def read_benchmarks(folder: Path) -> dict[str, list[tuple[str, dict[str, str]]]]:
    """By rule, each job's path below the rule's folder and its row.

    Args:
        folder: holds `<rule>/…/<job>.tsv` and `<rule>.tsv`.
    """
    measured: dict[str, list[tuple[str, dict[str, str]]]] = {}
    for path in sorted(folder.rglob("*.tsv")):
        job = path.relative_to(folder).with_suffix("")
        for row in read_benchmark(path):
            measured.setdefault(job.parts[0], []).append(("/".join(job.parts[1:]), row))
    return measured


def read_benchmark(path: Path) -> list[dict[str, str]]:
    """The rows of one table: one, unless the rule repeats its measurement."""
    return read_tsv(path, required=["s", "max_rss"])


def numbers(cells: Iterable[str]) -> list[float]:
    """Those cells that were measured."""
    return [float(cell) for cell in cells if cell not in NOT_MEASURED]


def runtime_rows(benchmarks: Path) -> list[dict[str, Any]]:
    """One row per rule, the one that took longest first.

    Seconds are wall-clock, memory is the resident set in MiB, as psutil counts it.
    """
    rows = []
    for rule, jobs in read_benchmarks(benchmarks).items():
        seconds = [float(row["s"]) for _, row in jobs]
        memory = numbers(row["max_rss"] for _, row in jobs)
        load = numbers(row.get("mean_load", "") for _, row in jobs)
        rows.append(
            {
                "rule": rule,
                "jobs": len(jobs),
                "total_s": f"{sum(seconds):.1f}",
                "median_s": f"{median(seconds):.1f}",
                "longest_s": f"{max(seconds):.1f}",
                "longest_job": jobs[seconds.index(max(seconds))][0],
                "most_memory_mb": f"{max(memory):.0f}" if memory else None,
                "mean_load_percent": f"{sum(load) / len(load):.0f}" if load else None,
            }
        )
    return sorted(rows, key=lambda row: -float(str(row["total_s"])))


def training_minutes(benchmarks: Iterable[Path]) -> dict[str, dict[str, float | None]]:
    """By experiment, what training one of its models took on average: minutes, and CPU minutes.

    Args:
        benchmarks: Snakemake's tables, <experiment>/<fold>/seed-<n>.tsv; those that are not there
            were not measured.
    """
    measured: dict[str, list[dict[str, str]]] = {}
    for path in benchmarks:
        if path.exists():
            measured.setdefault(path.parts[-3], []).extend(read_benchmark(path))
    return {
        experiment: {
            "training_minutes": _mean_minutes(row["s"] for row in rows),
            "training_cpu_minutes": _mean_minutes(row.get("cpu_time", "") for row in rows),
        }
        for experiment, rows in measured.items()
    }


def _mean_minutes(seconds: Iterable[str]) -> float | None:
    measured = numbers(seconds)
    return mean(measured) / 60 if measured else None
