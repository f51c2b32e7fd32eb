"""Stage `cost`: estimate what a run has yet to do: jobs, hours and disk."""

import argparse
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from tap2key.audio.named_arrays import STUDYS_OWN
from tap2key.config.configuration import complete_config, read_config
from tap2key.config.experiments import merge
from tap2key.config.stage_settings import SVM_KIND
from tap2key.orchestration.dry_run import Job, jobs_to_do
from tap2key.orchestration.job_seconds import (
    ASSUMED,
    MEASURED,
    SHIPPED,
    Key,
    Lines,
    known_line,
    measured_lines,
    shipped_lines,
    workload_of_finished,
)
from tap2key.orchestration.planning import plan_of
from tap2key.orchestration.workload import (
    GPU_OPERATIONS,
    TREES,
    Work,
    Workload,
    encoding_in,
    length_of,
)
from tap2key.study.manifest import MANIFEST_NAME, read_manifest

FLOAT = 4
SAMPLE_BYTES = {"PCM_16": 2, "PCM_24": 3, "PCM_32": 4, "FLOAT": 4}
# Measured on the demo, as formats do not determine them: the simulator's pace, bytes per training
# tap of a tree and of the one beside it that tells places, and a job's tables, pictures and log.
SIMULATED_SECONDS_PER_TAP, TREE_TAP, OF_JOB = 0.36, 50, 100_000
# The same of a support vector machine: bytes per value of an input and per training tap.
SVM_VALUE, SVM_TAP = 510, 345
# Weights and AdamW's two moments; two checkpoints stay while the next is written.
CHECKPOINT_OF_PARAMETER = 3 * 3 * FLOAT
PARAMETERS_OF_BASE = 95e6
SMALL = "others"

UNKNOWN = "not measured"
# Sources of the hours, and what they mean.
SOURCES = {
    MEASURED: "measured: by the jobs in {}.",
    SHIPPED: "shipped: by a rough table that comes with tap2key, from simulated studies.",
    ASSUMED: "assumed: no GPU was measured; give --benchmarks of a run on GPUs.",
    UNKNOWN: "not measured: not among the hours.",
}


@dataclass
class Row:
    """What the jobs of one rule take, and the sources of these figures."""

    jobs: int = 0
    cpu_s: float = 0.0
    gpu_s: float = 0.0
    sources: set[str] = field(default_factory=set)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the stage's command line."""
    parser.add_argument(
        "--configfile", type=Path, nargs="+", default=[], help="as for snakemake, in this order"
    )
    parser.add_argument(
        "--config",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="single values, as for snakemake",
    )
    parser.add_argument(
        "--forceall", action="store_true", help="as for snakemake: count finished jobs too"
    )
    parser.add_argument(
        "--benchmarks",
        type=Path,
        help="RESULTS/benchmarks of a finished run, to estimate hours from; default: those of "
        "these results, and for other rules a table that comes with tap2key",
    )


def main(args: argparse.Namespace) -> None:
    """Print the jobs of a dry run with their hours and disk; nothing is run."""
    single = dict(pair.partition("=")[::2] for pair in args.config)
    single = {key: yaml.safe_load(value) for key, value in single.items()}
    config = complete_config(merge(read_config(args.configfile), single))
    jobs = jobs_to_do(args.configfile, single, args.forceall)
    if not jobs:
        print("Nothing to do: all is there and up to date. --forceall counts everything.")
        return
    recordings = read_manifest(Path(config["results"], MANIFEST_NAME))
    workload = Workload(plan_of(config, recordings))
    use = model_use(jobs, workload.plan.results)
    lines = shipped_lines()
    benchmarks, measured = measured_run(args.benchmarks, workload)
    if measured is not None:
        lines |= measured_lines([(benchmarks, measured)], use, lines)
    works = [work_of(job, workload, use) for job in jobs]
    rows = rows_of(jobs, works, lines)
    print_jobs(workload, rows)
    print_disk(bytes_of(jobs, works, workload))
    print("\n" + "\n".join(remarks(workload, rows, benchmarks)))


def model_use(jobs: Sequence[Job], results: str) -> dict[str, str]:
    """For each rule that makes or uses models, "made" or "used"."""
    found = {}
    for job in jobs:
        for use, paths in (("used", job.inputs), ("made", job.outputs)):
            if any(path.startswith(f"{results}/models/") for path in paths):
                found[job.rule] = use
    return found


def measured_run(benchmarks: Path | None, present: Workload) -> tuple[Path, Workload | None]:
    """The benchmarks to estimate hours from, and the workload of their run, if there is one.

    Raises:
        Tap2keyError: the configuration of the run is missing beside the given benchmarks.
    """
    folder = benchmarks or Path(present.plan.results, "benchmarks")
    if benchmarks is not None or (folder.parent / "run" / "config.yaml").is_file():
        return folder, workload_of_finished(folder.parent)
    # In a run that is in progress or was interrupted, finished jobs are part of the plan.
    return folder, present if folder.is_dir() else None


def work_of(job: Job, workload: Workload, use: Mapping[str, str]) -> Work | None:
    """The work of a job, identified by its benchmark's path."""
    if job.benchmark is None:
        return None
    path = Path(job.benchmark).relative_to(Path(workload.plan.results, "benchmarks"))
    name = path.with_suffix("").as_posix().partition("/")[2]
    return workload.work(name, use.get(job.rule))


def rows_of(jobs: Sequence[Job], works: Sequence[Work | None], lines: Lines) -> dict[str, Row]:
    """What the jobs of each rule take together."""
    rows: dict[str, Row] = {}
    for job, work in zip(jobs, works, strict=True):
        row = rows.setdefault(job.rule, Row())
        row.jobs += 1
        line = known_line(Key(job.rule, work.kind, work.unit), lines) if work else None
        if work and line:
            on_gpu = work.unit == GPU_OPERATIONS
            row.gpu_s += line.at(work.amount) * on_gpu
            row.cpu_s += line.at(work.amount) * (not on_gpu)
        if job.benchmark is not None:
            row.sources.add(line.source if line else UNKNOWN)
    return rows


def print_jobs(workload: Workload, rows: Mapping[str, Row]) -> None:
    """Print a row for each rule, and their sum."""
    print(
        f"To do, estimated: {len(workload.plan.participants)} participants, "
        f"{len(workload.taps)} sessions, about {sum(workload.taps.values())} taps, "
        f"{len(workload.plan.experiments)} experiments\n"
    )
    on_gpus = any(row.gpu_s for row in rows.values())
    total = Row(*(sum(getattr(r, f) for r in rows.values()) for f in ("jobs", "cpu_s", "gpu_s")))
    print(f"{'rule':<18}{'jobs':>7}{'hours':>10}" + f"{'GPU-hours':>11}" * on_gpus + "  from")
    for rule, row in {**rows, "total": total}.items():
        gpu_hours = f"{row.gpu_s / 3600:>11.2f}" * on_gpus
        print(f"{rule:<18}{row.jobs:>7}{row.cpu_s / 3600:>10.2f}{gpu_hours}", end="")
        print(f"  {', '.join(sorted(row.sources))}".rstrip())


def bytes_of(
    jobs: Sequence[Job], works: Sequence[Work | None], workload: Workload
) -> dict[str, float]:
    """Bytes that jobs will write, by folder of the results; small ones are summed."""
    plan = workload.plan
    found = {SMALL: float(OF_JOB * len(jobs))}
    for job, work in zip(jobs, works, strict=True):
        if work is None or not job.outputs:
            continue
        folder, name, *below = Path(job.outputs[0]).relative_to(plan.results).parts
        size = 0.0
        if folder == "simulated":
            sample = SAMPLE_BYTES[plan.config["simulate"]["subtype"]]
            seconds = work.amount * SIMULATED_SECONDS_PER_TAP
            array = plan.arrays[STUDYS_OWN]
            size = seconds * array.sample_rate * array.channels * sample
        elif folder == "taps":
            array = plan.arrays[plan.array_name(name, below[0])]
            size = work.amount * math.prod(array.shape) * FLOAT
        elif folder == "datasets":
            encoding = encoding_in(plan.encodings[name], workload.array)
            size = work.amount * length_of(encoding) * FLOAT
        elif folder == "pretrained":
            size = FLOAT * PARAMETERS_OF_BASE
        elif work.unit == TREES:
            size = work.kept * TREE_TAP
        elif folder == "models" and work.kind == SVM_KIND:
            encoding = encoding_in(plan.experiments[name]["encoding"], workload.array)
            size = length_of(encoding) * SVM_VALUE + work.kept * SVM_TAP
        elif folder == "models" and name in workload.networks:
            size = FLOAT * workload.networks[name].parameters
        if size:
            found[folder] = found.get(folder, 0) + size
    return found


def print_disk(sizes: Mapping[str, float]) -> None:
    """Print a row for each folder, and their sum."""
    print(f"\n{'folder':<18}{'disk':>17}")
    for folder, size in {**sizes, "total": sum(sizes.values())}.items():
        print(f"{folder:<18}{readable(size):>17}")


def readable(size: float) -> str:
    """Bytes in megabytes or gigabytes."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"


def remarks(workload: Workload, rows: Mapping[str, Row], benchmarks: Path) -> list[str]:
    """What the numbers are based on, as lines to print."""
    sources = {source for row in rows.values() for source in row.sources}
    lines = ["Hours are the wall-clock time of jobs, summed."]
    lines += [text.format(benchmarks) for source, text in SOURCES.items() if source in sources]
    if workload.networks:
        largest = max(network.parameters for network in workload.networks.values())
        extra = readable(CHECKPOINT_OF_PARAMETER * largest)
        lines.append(f"Each training job also holds up to {extra} of checkpoints while it runs.")
    fetched = workload.plan.fetched.items()
    missing = [name for folder, (name, _) in fetched if not Path(folder).is_dir()]
    if missing:
        lines.append(
            f"Not fetched yet, taken to be as large as wav2vec2-base: {', '.join(missing)}."
        )
    if workload.plan.config["simulate"] is None:
        lines.append(
            "Taps are counted where segmented, else the sensor's touches. Recordings are "
            "not counted as disk."
        )
    return lines
