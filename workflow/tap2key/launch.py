"""Stage `launch`: start the training stage through `accelerate launch`."""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence

from tap2key.errors import Tap2keyError

FIRST_PORT = 20_000
PORTS = 20_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the stage's command line."""
    parser.add_argument("--processes", type=int, default=1, help="processes on this node")
    parser.add_argument(
        "--threads", type=int, default=os.cpu_count(), help="CPU threads of all processes together"
    )
    parser.add_argument("--gpu", action="store_true", help="one GPU per process; fail without")
    parser.add_argument("training", nargs="+", help="after --, the training stage's own arguments")


def main(args: argparse.Namespace) -> None:
    """Replace this process by the launcher."""
    if args.processes < 1:
        raise Tap2keyError(f"--processes {args.processes}: must be at least 1")
    command = launch_command(args.processes, args.threads, args.gpu, args.training, os.environ)
    print(" ".join(command[:12]), "…", file=sys.stderr, flush=True)
    os.execv(command[0], command)


def launch_command(
    processes: int,
    threads: int,
    gpu: bool,
    training: Sequence[str],
    environment: Mapping[str, str],
) -> list[str]:
    """The argument list that starts `processes` training processes on one node.

    Args:
        processes: how many; each takes one GPU when `gpu`.
        threads: CPU threads that all processes share: each rank gets its part.
        gpu: whether a missing GPU is an error rather than training on the CPU.
        training: arguments of the `train` stage.
        environment: the job's environment; the port is derived from SLURM_JOB_ID, so that two jobs
            on one node do not meet.
    """
    port = FIRST_PORT + int(environment.get("SLURM_JOB_ID") or os.getpid()) % PORTS
    arguments = [
        *(sys.executable, "-m", "accelerate.commands.launch"),
        *("--num_machines", "1"),
        *("--num_processes", str(processes)),
        *("--num_cpu_threads_per_process", str(max(1, threads // processes))),
        *("--mixed_precision", "no"),
        *("--dynamo_backend", "no"),
    ]
    # accelerate's --cpu runs one process whatever --num_processes says; --multi_gpu runs them all,
    # and without a GPU they talk through gloo.
    if processes > 1:
        arguments += ["--multi_gpu", "--main_process_port", str(port)]
    elif not gpu:
        arguments += ["--cpu"]
    arguments += ["-m", "tap2key", "train", "--world-size", str(processes)]
    return [*arguments, *(["--gpu"] if gpu else []), *training]
