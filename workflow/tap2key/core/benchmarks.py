"""Snakemake's benchmark tables: what each job of a run took."""

from collections.abc import Iterable
from pathlib import Path

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
