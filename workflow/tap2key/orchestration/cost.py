"""Stage `cost`: what a run will take, before it runs: jobs, hours and disk. An estimate."""

import argparse
from collections.abc import Mapping
from pathlib import Path

import yaml

from tap2key.audio.audio_file import WINDOW
from tap2key.config.configuration import complete_config, merge, read_config
from tap2key.datasets.representations import CHANNELS, WINDOW_RATE
from tap2key.orchestration.plan import plan_of
from tap2key.orchestration.recording_sources import find_recordings
from tap2key.orchestration.workload import ROWS_OVER_TAPS, Network, Workload, length_of
from tap2key.reports.benchmarks import runtime_rows
from tap2key.study.keyboard import load_keyboard
from tap2key.study.manifest import MANIFEST_NAME, read_manifest

# Seconds of a job, and seconds per tap that it handles: measured on the demo, one core per job.
SECONDS = {
    "simulate": (0.5, 0.025),
    "segment": (0.4, 0.003),
    "preview": (1.5, 0.008),
    "encode": (0.5, 0.0036),
    "fold": (2.0, 0.0),
    "pretrained": (60.0, 0.0),
    "baseline": (3.0, 0.005),
    "evaluate": (10.0, 0.006),
    "draw": (3.0, 0.0),
    "adaptation_scores": (5.0, 0.006),
    "adaptation_curve": (3.0, 0.0),
    "choose": (1.5, 0.0),
    "predict": (15.0, 0.0),
    "summarize": (5.0, 0.001),
    "learning_curves": (2.0, 0.0),
    "compare": (3.0, 0.0),
    "overview": (0.5, 0.0),
    "record": (1.0, 0.0),
}
# Training, on one core: its start, what each window costs besides the network, and the network's
# speed (wav2vec2-base took 1 core-second for two windows of 10,928 values).
TRAIN_START_S, TRAIN_WINDOW_S, CPU_OPERATIONS_PER_S = 10.0, 0.0006, 5.6e10
# Forward and backward are three times the operations of forward alone.
FORWARD_AND_BACKWARD = 3
# Of one GPU: assumed, not measured.
GPU_STEP_S, GPU_OPERATIONS_PER_S = 0.05, 1e13

# Bytes, measured on the demo.
SIMULATED_SECONDS_PER_TAP = 0.36
SAMPLE_BYTES = {"PCM_16": 2, "PCM_24": 3, "PCM_32": 4, "FLOAT": 4}
TAP_ROW, SESSION = 70, 12_000
PREVIEW_ROW, PREVIEW = 170, 20_000
DATASET_ROW, DATASET = 90, 12_000
FOLD_ROW, FOLD = 4, 12_000
TREE_ROW = 22
MODEL_FILES = 25_000
EVALUATION, SUMMARY, ADAPTATION = 260_000, 290_000, 97_000
LOGS_OF_JOB = 4_400
REPORT, REPORT_OF_RUN = 100_000, 420_000
FLOAT = 4
# Weights and AdamW's two moments; two checkpoints stay while the next is written.
CHECKPOINT_FLOATS, CHECKPOINTS = 3, 3


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
        "--benchmarks",
        type=Path,
        help="RESULTS/benchmarks of a finished run, to correct the hours by what that one took",
    )


def main(args: argparse.Namespace) -> None:
    """Print jobs, hours and disk; nothing is run or written."""
    single = dict(pair.partition("=")[::2] for pair in args.config)
    single = {key: yaml.safe_load(value) for key, value in single.items()}
    config = complete_config(merge(read_config(args.configfile), single))
    workload = Workload(plan_of(config, find_recordings(config)))
    seconds = estimated_seconds(workload)
    if args.benchmarks is not None:
        for rule, factor in measured_factors(args.benchmarks, config["launch"]["gpu"]).items():
            seconds[rule] = factor * seconds.get(rule, 0)
    print(
        f"An estimate: {len(workload.plan.participants)} participants, {len(workload.taps)} "
        f"sessions, about {sum(workload.taps.values())} taps, "
        f"{len(workload.plan.experiments)} experiments, {workload.jobs['fold']} models\n"
    )
    on_gpu = seconds.get("train", 0) if config["launch"]["gpu"] else 0
    print(f"{'rule':<18}{'jobs':>7}{'hours':>10}")
    for rule, jobs in workload.jobs.items():
        kind = " on GPUs" if on_gpu and rule == "train" else ""
        print(f"{rule:<18}{jobs:>7}{seconds.get(rule, 0) / 3600:>10.2f}{kind}")
    print(f"{'total':<18}{sum(workload.jobs.values()):>7}", end="")
    print(f"{(sum(seconds.values()) - on_gpu) / 3600:>10.2f} CPU-hours", end="")
    print(f", {on_gpu / 3600:.2f} GPU-hours" if on_gpu else "")
    sizes = estimated_bytes(workload)
    print(f"\n{'folder':<18}{'disk':>17}")
    for folder, size in {**sizes, "total": sum(sizes.values())}.items():
        print(f"{folder:<18}{readable(size):>17}")
    print("\n" + "\n".join(remarks(workload, args.benchmarks)))


def measured_factors(benchmarks: Path, gpu: bool) -> dict[str, float]:
    """By rule, how much longer an earlier run's jobs took than is estimated for them.

    Jobs are compared by their mean: the benchmarks may hold some that are no longer part of it.

    Raises:
        Tap2keyError: beside the benchmarks is not what that run was.
    """
    results = benchmarks.parent
    config = complete_config(read_config([results / "run" / "config.yaml"]))
    config["results"] = str(results)
    workload = Workload(plan_of(config, read_manifest(results / MANIFEST_NAME)))
    estimated = {
        rule: seconds / workload.jobs[rule]
        for rule, seconds in estimated_seconds(workload).items()
        if workload.jobs.get(rule)
    }
    measured = {
        row["rule"]: float(row["total_s"]) / row["jobs"] for row in runtime_rows(benchmarks)
    }
    if config["launch"]["gpu"] != gpu:
        measured.pop("train", None)
    return {rule: measured[rule] / s for rule, s in estimated.items() if rule in measured and s}


def remarks(workload: Workload, benchmarks: Path | None) -> list[str]:
    """What the numbers rest on, for whoever reads them."""
    said = []
    if workload.networks:
        largest = max(network.parameters for network in workload.networks.values())
        extra = CHECKPOINTS * CHECKPOINT_FLOATS * FLOAT * largest
        said.append(
            f"Each training job also holds up to {readable(extra)} of checkpoints while it runs; "
            "its hours are for all epochs, and it may stop early."
        )
        if workload.plan.config["launch"]["gpu"] and benchmarks is None:
            said.append(
                f"GPU-hours are a guess ({GPU_OPERATIONS_PER_S / 1e12:g} TFLOP/s, at least "
                f"{GPU_STEP_S * 1000:g} ms a step); a finished run's --benchmarks correct it."
            )
    fetched = workload.plan.fetched.items()
    missing = [name for folder, (name, _) in fetched if not Path(folder).is_dir()]
    if missing:
        said.append(
            f"Not fetched yet, taken to be as large as wav2vec2-base: {', '.join(missing)}."
        )
    source = "the demo on one core a job" if benchmarks is None else str(benchmarks)
    said.append(f"Hours are wall-clock summed over jobs, at rates measured in {source}.")
    if workload.plan.config["simulate"] is None:
        said.append(
            "Taps are counted where segmented, else the sensor's touches. Recordings are "
            "not counted as disk."
        )
    return said


def estimated_seconds(workload: Workload) -> dict[str, float]:
    """Wall-clock seconds of each rule, summed over its jobs."""
    plan = workload.plan
    taps = sum(workload.taps.values())
    tested = trained = 0.0
    for name in plan.experiments:
        seeds = len(plan.experiments[name]["seeds"])
        for fold, people in plan.folds(name).items():
            tested += seeds * sum(workload.taps_of[p] for p in people.test)
            if name not in workload.networks:
                trained += seeds * workload.training_taps(name, fold)
    handled = {
        "simulate": taps,
        "segment": taps,
        "preview": taps,
        "encode": sum(workload.taps_of[person] for _, person in workload.datasets),
        "baseline": trained,
        "evaluate": tested,
        "adaptation_scores": tested if plan.adapted else 0,
        "summarize": tested,
    }
    found = {
        rule: workload.jobs[rule] * of_job + handled.get(rule, 0) * of_tap
        for rule, (of_job, of_tap) in SECONDS.items()
        if rule in workload.jobs
    }
    if workload.networks:
        found["train"] = sum(training_seconds(workload, name) for name in workload.networks)
    return found


def training_seconds(workload: Workload, experiment: str) -> float:
    """Seconds of training an experiment's networks: of one core, or of one GPU."""
    plan, network = workload.plan, workload.networks[experiment]
    settings = plan.experiments[experiment]
    operations = FORWARD_AND_BACKWARD * network.operations
    if plan.config["launch"]["gpu"]:
        of_window = max(
            operations / GPU_OPERATIONS_PER_S, GPU_STEP_S / settings["training"]["batch_size"]
        )
    else:
        of_window = TRAIN_WINDOW_S + operations / CPU_OPERATIONS_PER_S
    return len(settings["seeds"]) * sum(
        TRAIN_START_S + of_window * workload.rows_seen(experiment, fold)
        for fold in plan.folds(experiment)
    )


def estimated_bytes(workload: Workload) -> dict[str, float]:
    """Bytes of each folder of the results once everything is done."""
    plan = workload.plan
    taps = sum(workload.taps.values())
    labels = len(load_keyboard(plan.keyboard).labels)
    found: dict[str, float] = {}
    if plan.simulated:
        samples = taps * SIMULATED_SECONDS_PER_TAP * WINDOW_RATE * CHANNELS
        found["simulated"] = samples * SAMPLE_BYTES[plan.config["simulate"]["subtype"]]
    found["taps"] = taps * (WINDOW * CHANNELS * FLOAT + TAP_ROW) + len(workload.taps) * SESSION
    found["previews"] = taps * PREVIEW_ROW + len(workload.taps) * PREVIEW
    found["datasets"] = sum(
        workload.taps_of[person] * (FLOAT * length_of(encoding) + DATASET_ROW) + DATASET
        for (_, person), encoding in workload.datasets.items()
    )
    for folder in ("folds", "models", "evaluations"):
        found[folder] = 0
    for name, settings in plan.experiments.items():
        network = workload.networks.get(name)
        for fold, people in plan.folds(name).items():
            seeds = len(settings["seeds"])
            pool = sum(workload.taps_of[p] for p in people.train)
            tested = sum(workload.taps_of[p] for p in people.test)
            rows = workload.training_taps(name, fold)
            found["folds"] += seeds * (FOLD + FOLD_ROW * pool)
            found["models"] += seeds * (MODEL_FILES + model_bytes(network, settings, rows))
            found["evaluations"] += seeds * (EVALUATION + tested * FLOAT * (labels + 12))
    runs = workload.jobs["fold"]
    fetched = {f: n for name, n in workload.networks.items() for f in plan.pretrained(name)}
    if fetched:
        found["pretrained"] = sum(FLOAT * network.parameters for network in fetched.values())
    found["summary"] = SUMMARY * len(plan.experiments)
    found["adaptation"] = ADAPTATION * len(plan.adapted)
    found["logs"] = LOGS_OF_JOB * sum(workload.jobs.values())
    found["report"] = REPORT + REPORT_OF_RUN * (runs + len(plan.experiments))
    return found


def readable(size: float) -> str:
    """Bytes in megabytes or gigabytes."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"


def model_bytes(network: Network | None, settings: Mapping, rows: float) -> float:
    """Bytes of one saved model."""
    if network is not None:
        return FLOAT * network.parameters
    return TREE_ROW * settings["trees"] * rows * (ROWS_OVER_TAPS if settings["oversample"] else 1)
