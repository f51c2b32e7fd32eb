"""Measure training on one GPU, and check it against training on the CPU.

    tests/gpu/run                        # in less than eight minutes, without a network
    tests/gpu/run --device cpu --small   # try the script itself, in a minute and without a GPU

Trains pairs-waves-48000 and a Wav2Vec2 of the base model's size from random weights, on made-up
taps, in every precision; kills a training and resumes it; starts two processes on the one GPU; and
trains the same on the CPU. Prints a section for docs/cluster.md, and ends with 1 if a check failed.
"""

import argparse
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import transformers
from gpu.made_taps import write_fold, write_people

from tap2key.config.arguments import options_of
from tap2key.config.configuration import complete_config, read_config
from tap2key.config.experiments import merge
from tap2key.config.stage_settings import NETWORK
from tap2key.core.files import read_tsv
from tap2key.training.launch import Shape

SECONDS = 460
GIB = 2**30
NO_TIME = "no time left"
PRECISIONS = ("fp32", "fp16", "bf16")
# The same arithmetic in another order, step after step; fp16 also leaves out its first steps.
TOLERANCE = {"fp32": 0.02, "fp16": 0.15, "bf16": 0.10}
RESUMED_TOLERANCE = 1e-3
# A schedule that does not depend on how many epochs follow, so that the CPU may train fewer.
CONSTANT = {"lr_scheduler_type": "constant_with_warmup", "warmup_ratio": 0, "min_steps": 0}
# Of the library's defaults, which are the base model's, all but what is random: a GPU draws other
# numbers than a CPU.
NOTHING_RANDOM = {
    **{f"{name}_dropout": 0.0 for name in ("hidden", "attention", "activation", "final")},
    **{"feat_proj_dropout": 0.0, "layerdrop": 0.0, "mask_time_prob": 0.0},
    **{"apply_spec_augment": False},
}
SMALL_NETWORK = {
    **{"conv_dim": [16] * 3, "conv_kernel": [80, 3, 3], "conv_stride": [40, 4, 4]},
    **{"num_feat_extract_layers": 3, "hidden_size": 32, "num_hidden_layers": 1},
    **{"num_attention_heads": 2, "intermediate_size": 32, "classifier_proj_size": 32},
    **{"num_conv_pos_embeddings": 4, "num_conv_pos_embedding_groups": 2},
}
CHANGES = {
    "pairs-waves-48000": {"training": {"epochs": 24, "evaluate_every": 6}},
    "wav2vec2-base": {
        "model": {"checkpoint": None, "config_overrides": NOTHING_RANDOM},
        "training": {
            **{"epochs": 4, "evaluate_every": 1, "batch_size": 32},
            **{"gradient_accumulation_steps": 1, "learning_rate": 1e-4},
        },
    },
}
SMALL = {
    "pairs-waves-48000": {"training": {"epochs": 3, "evaluate_every": 1}},
    "wav2vec2-base": {"model": {"config_overrides": SMALL_NETWORK}},
}
COLUMNS = (
    *("training", "precision", "windows/s", "GPU memory", "GPU busy", "loading"),
    *("loss", "loss on CPU"),
)


@dataclass(frozen=True)
class Case:
    """An experiment to train, and the arguments that name its fold."""

    name: str
    settings: dict[str, Any]
    fold: list[str]

    def arguments(self, precision: str, folder: Path, epochs: int | None = None) -> list[str]:
        """The training stage's own; model and checkpoints go below `folder`."""
        training = {"precision": precision} | ({"epochs": epochs} if epochs else {})
        settings = merge(self.settings, {"training": training})
        return [
            *self.fold,
            *options_of("experiment", settings, NETWORK),
            *("--checkpoints", str(folder / "checkpoints"), "--output", str(folder / "model")),
        ]


@dataclass(frozen=True)
class Check:
    """What was compared, how it came out, and what there is to say."""

    what: str
    passed: bool
    said: str


def experiments(small: bool) -> dict[str, dict[str, Any]]:
    """The shipped experiments that are trained, with what is changed to measure them."""
    shipped = complete_config(read_config([]))["experiments"]
    found = {}
    for name, change in CHANGES.items():
        settings = merge(merge(shipped[name], change), {"training": CONSTANT})
        found[name] = merge(settings, SMALL[name]) if small else settings
    return found


def cases(root: Path, small: bool) -> list[Case]:
    """The experiments with their folds, made below `root`."""
    write_people(root, 1 if small else 12)
    return [
        Case(name, settings, write_fold(root, name, settings["encoding"]))
        for name, settings in experiments(small).items()
    ]


@dataclass(frozen=True)
class Machine:
    """Where training runs, where its files go, and until when."""

    root: Path
    gpu: bool
    deadline: float

    @property
    def on_cpu(self) -> "Machine":
        """The same without its GPU."""
        return replace(self, gpu=False)

    @property
    def environment(self) -> dict[str, str]:
        """Of the processes that train."""
        hidden = {} if self.gpu else {"CUDA_VISIBLE_DEVICES": ""}
        return {**os.environ, **hidden}

    @property
    def left(self) -> float:
        """Seconds."""
        return max(0.0, self.deadline - time.monotonic())

    def run(self, command: Sequence[str], log: Path) -> int | None:
        """Its exit status; None if it was ended for want of time."""
        if not self.left:
            return None
        process = self.start(command, log)
        try:
            return process.wait(self.left)
        except subprocess.TimeoutExpired:
            end(process)
            return None

    def start(self, command: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
        """Start a command that says everything to a file."""
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as handle:
            return subprocess.Popen(
                [sys.executable, *command],
                **{"env": self.environment, "stdout": handle, "stderr": handle},
                start_new_session=True,
            )

    def timed(
        self, case: Case, precision: str, epochs: int | None = None
    ) -> tuple[dict[str, Any], list[float]] | str:
        """What a training measured, and its losses by evaluation; or why there are none."""
        folder = self.root / case.name / f"{'gpu' if self.gpu else 'cpu'}-{precision}"
        measured, log = folder / "measured.json", folder / "log.txt"
        arguments = [*case.arguments(precision, folder, epochs), *(["--gpu"] if self.gpu else [])]
        status = self.run(["-m", "gpu.timed_training", str(measured), *arguments], log)
        if status is None:
            return NO_TIME
        if status:
            return last_line(log)
        return json.loads(measured.read_text(encoding="utf-8")), losses(folder)

    def launched(self, case: Case, folder: Path, processes: int = 1) -> list[str]:
        """The command that trains in single precision, as the workflow's rule does."""
        shape = Shape(1, processes, os.cpu_count() or 1, self.gpu)
        training = case.arguments("fp32", folder)
        return ["-m", "tap2key", "launch", *shape.options(), "--", *training]


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process and all that it started, as the kernel would."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def last_line(log: Path) -> str:
    """The last thing that was said."""
    return next(reversed(log.read_text(errors="replace").strip().splitlines()), "said nothing")


def losses(folder: Path) -> list[float]:
    """The training losses of a model's history."""
    return [float(row["loss"]) for row in read_tsv(folder / "model" / "history.tsv")]


def apart(found: Sequence[float], expected: Sequence[float]) -> float:
    """The largest difference, as a share of what was expected."""
    return max(abs(a - b) / abs(b) for a, b in zip(found, expected, strict=True))


def resumes(machine: Machine, case: Case, undisturbed: list[float]) -> Check:
    """Kill a training once it has a checkpoint, and start it again."""
    what = f"{case.name}, killed and started again"
    folder = machine.root / case.name / "resumed"
    command = machine.launched(case, folder)
    process = machine.start(command, folder / "killed.txt")
    while process.poll() is None and machine.left:
        if list(folder.glob("checkpoints/*/checkpoint-*/complete")):
            break
        time.sleep(0.02)
    if process.poll() is not None:
        return Check(what, False, last_line(folder / "killed.txt"))
    end(process)
    status = machine.run(command, folder / "resumed.txt")
    if status is None:
        return Check(what, False, NO_TIME)
    if status:
        return Check(what, False, last_line(folder / "resumed.txt"))
    first = f"epoch {case.settings['training']['evaluate_every']} of"
    resumed = first not in (folder / "resumed.txt").read_text(errors="replace")
    difference = apart(losses(folder), undisturbed)
    said = f"{'resumed' if resumed else 'began anew'}, losses differ by {difference:.2g}"
    return Check(what, resumed and difference <= RESUMED_TOLERANCE, said)


def two_processes(machine: Machine, case: Case, one: list[float]) -> Check:
    """Start two processes; on a single GPU they are to be refused in words."""
    what = f"{case.name}, two processes on {'one GPU' if machine.gpu else 'the CPU'}"
    folder = machine.root / case.name / "two"
    status = machine.run(machine.launched(case, folder, processes=2), folder / "log.txt")
    if status is None:
        return Check(what, False, NO_TIME)
    if status == 0:
        difference = apart(losses(folder), one)
        said = f"trained, losses differ from one process's by {difference:.2g}"
        return Check(what, difference <= RESUMED_TOLERANCE, said)
    lines = (folder / "log.txt").read_text(errors="replace").splitlines()
    refusal = next((x for x in lines if "error: launch.processes 2" in x), None)
    said = f"refused: {refusal.split('error: ', 1)[1]}" if refusal else lines[-1]
    return Check(what, machine.gpu and refusal is not None, said)


def measure(machine: Machine, small: bool) -> tuple[list[list[str]], list[Check]]:
    """Rows of the table, and the checks."""
    rows, checks = [], []
    precisions = [p for p in PRECISIONS if machine.gpu or p != "fp16"]  # which needs a GPU
    made = cases(machine.root, small)
    found = {(case.name, p): machine.timed(case, p) for case in made for p in precisions}
    first = made[0]
    undisturbed = found[first.name, "fp32"]
    if isinstance(undisturbed, str):
        checks.append(Check(f"{first.name}, trained", False, undisturbed))
    else:
        checks.append(resumes(machine, first, undisturbed[1]))
        checks.append(two_processes(machine, first, undisturbed[1]))
    for case in made:
        epochs = case.settings["training"]["evaluate_every"]
        cpu = (
            machine.on_cpu.timed(case, "fp32", epochs) if machine.gpu else found[case.name, "fp32"]
        )
        on_cpu = "–" if isinstance(cpu, str) else f"{cpu[1][0]:.3f}"
        for precision in precisions:
            here = found[case.name, precision]
            what = f"{case.name}, {precision}, first loss beside the CPU's in fp32"
            if isinstance(here, str) or isinstance(cpu, str):
                checks.append(Check(what, False, here if isinstance(here, str) else cpu))
            else:
                difference = apart(here[1][:1], cpu[1][:1])
                passed = difference <= TOLERANCE[precision]
                checks.append(Check(what, passed, f"differs by {difference:.1%}"))
            told = ["–"] * 5 if isinstance(here, str) else told_of(*here)
            rows.append([case.name, precision, *told, on_cpu])
        if machine.gpu and not isinstance(cpu, str):
            rows.append([case.name, "fp32, CPU", *told_of(*cpu), on_cpu])
    return rows, checks


def told_of(measured: dict[str, Any], found: list[float]) -> list[str]:
    """The cells of a training, from windows/s to its first loss."""

    def shown(key: str, text: str, unit: float = 1.0) -> str:
        return "–" if measured[key] is None else text.format(measured[key] / unit)

    return [
        shown("windows_per_s", "{:.0f}"),
        shown("memory_bytes", "{:.2f} GiB", GIB),
        shown("utilisation", "{:.0%}"),
        shown("loading", "{:.0%}"),
        f"{found[0]:.3f}",
    ]


def section(rows: list[list[str]], checks: list[Check], gpu: bool, seconds: float) -> str:
    """What goes into docs/cluster.md."""
    device = torch.cuda.get_device_name() if gpu else "no GPU"
    software = f"torch {torch.__version__}, transformers {transformers.__version__}"
    lines = [
        f"{device}, {os.cpu_count()} CPUs ({platform.machine()}), {software}; {seconds:.0f} s:",
        "",
        *(f"| {' | '.join(cells)} |" for cells in (COLUMNS, ["---"] * len(COLUMNS), *rows)),
        "",
        *(f"- {'passed' if c.passed else 'FAILED'}: {c.what}: {c.said}" for c in checks),
    ]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Measure, and print the section."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=("gpu", "cpu"), default="gpu")
    parser.add_argument("--small", action="store_true", help="tiny networks, to try the script")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="until it has to end")
    parser.add_argument("--output", type=Path, help="folder to keep logs and models in")
    args = parser.parse_args()
    if args.device == "gpu" and not torch.cuda.is_available():
        parser.error("torch sees no GPU here; is it built for CUDA, and nvidia-smi content?")
    begun = time.monotonic()
    root = args.output or Path(tempfile.mkdtemp(prefix="tap2key-gpu-"))
    machine = Machine(root, args.device == "gpu", begun + args.seconds)
    try:
        rows, checks = measure(machine, args.small)
    finally:
        if args.output is None:
            shutil.rmtree(root)
    print(section(rows, checks, machine.gpu, time.monotonic() - begun))
    return 0 if all(check.passed for check in checks) else 1


if __name__ == "__main__":
    sys.exit(main())
