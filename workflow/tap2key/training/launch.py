"""Stage `launch`: start the training stage through `accelerate launch`, on one node or several."""

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from tap2key.config.arguments import add_settings, options_of, settings_of
from tap2key.config.stage_settings import PROCESSES
from tap2key.core.errors import Tap2keyError
from tap2key.core.log import log

FIRST_PORT = 20_000
PORTS = 20_000
ONE_NODE = "localhost"
VISIBLE_GPUS = "CUDA_VISIBLE_DEVICES"


@dataclass(frozen=True)
class Shape:
    """How many processes train one model, where, and with what."""

    nodes: int
    processes: int
    threads: int
    gpu: bool = False

    @property
    def world_size(self) -> int:
        """Processes on all nodes."""
        return self.nodes * self.processes

    def options(self) -> list[str]:
        """The options of this stage that describe it."""
        chosen = options_of("launch", asdict(self), PROCESSES)
        return [*chosen, "--threads", str(self.threads)]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the stage's command line."""
    add_settings(parser, "launch", PROCESSES)
    parser.add_argument(
        "--threads", type=int, default=os.cpu_count(), help="CPU threads of a node's processes"
    )
    parser.add_argument(
        "--joined", action="store_true", help="srun started this on each node; not for use by hand"
    )
    parser.add_argument("training", nargs="+", help="after --, the training stage's own arguments")


def main(args: argparse.Namespace) -> None:
    """Replace this process by the launcher, or by `srun` of this stage on every node."""
    if args.threads < 1:
        raise Tap2keyError(f"--threads is {args.threads}; it must be at least 1")
    shape = Shape(**settings_of(args, "launch", PROCESSES), threads=args.threads)
    if shape.nodes > 1 and not args.joined:
        command = srun_command(shape, args.training, os.environ)
    else:
        host = first_host(os.environ) if args.joined else ONE_NODE
        command = launch_command(shape, args.training, os.environ, host)
    log.info(" ".join(command[: command.index("tap2key") + 2]) + " …")
    # SLURM signals every process of a job. The training processes answer, by a checkpoint; if the
    # launchers between died of it, the job would be over before the checkpoint was written.
    for number in (signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)
    if not shape.gpu:
        # Otherwise torch would use what GPUs it finds, and several processes fail for want of more.
        os.environ[VISIBLE_GPUS] = ""
    try:
        os.execvp(command[0], command)
    except OSError as error:
        raise Tap2keyError(f"{command[0]}: cannot be started ({error.strerror})") from error


def launch_command(
    shape: Shape, training: Sequence[str], environment: Mapping[str, str], host: str
) -> list[str]:
    """The argument list that starts this node's training processes.

    Args:
        shape: processes, threads (each process gets its part), and whether each takes a GPU.
        training: arguments of the `train` stage.
        environment: the job's. The port is derived from SLURM_JOB_ID, so that two jobs on one node
            do not meet; SLURM_NODEID tells which of several nodes this is.
        host: the first node's name.
    """
    arguments = [
        *(sys.executable, "-m", "accelerate.commands.launch", "--quiet"),
        *("--num_machines", str(shape.nodes)),
        *("--num_processes", str(shape.world_size)),
        *("--num_cpu_threads_per_process", str(max(1, shape.threads // shape.processes))),
        *("--mixed_precision", "no"),
        *("--dynamo_backend", "no"),
    ]
    # accelerate's --cpu runs one process whatever --num_processes says; --multi_gpu runs them all,
    # and without a GPU they talk through gloo.
    if shape.world_size > 1:
        arguments += ["--multi_gpu", "--main_process_port", str(port(environment))]
    elif not shape.gpu:
        arguments += ["--cpu"]
    if shape.nodes > 1:
        arguments += ["--machine_rank", environment["SLURM_NODEID"], "--main_process_ip", host]
    arguments += ["-m", "tap2key", "train", "--world-size", str(shape.world_size)]
    return [*arguments, *(["--gpu"] if shape.gpu else []), *training]


def srun_command(
    shape: Shape, training: Sequence[str], environment: Mapping[str, str]
) -> list[str]:
    """The argument list that runs this stage once on each of a job's nodes.

    Raises:
        Tap2keyError: this is no SLURM job.
    """
    if not environment.get("SLURM_JOB_ID"):
        raise Tap2keyError(
            f"launch.nodes {shape.nodes}: several nodes need a SLURM job; "
            "use profiles/slurm, or set launch.nodes to 1"
        )
    return [
        *("srun", "--nodes", str(shape.nodes), "--ntasks", str(shape.nodes)),
        *("--ntasks-per-node", "1", "--cpus-per-task", str(shape.threads)),
        # When one node fails the others would wait for it until the time limit.
        "--kill-on-bad-exit=1",
        *(sys.executable, "-m", "tap2key", "launch", "--joined", *shape.options(), "--"),
        *training,
    ]


def port(environment: Mapping[str, str]) -> int:
    """The port of the first process: the same on all nodes of a job, another for another job."""
    return FIRST_PORT + int(environment.get("SLURM_JOB_ID") or os.getpid()) % PORTS


def first_host(environment: Mapping[str, str]) -> str:
    """The name of a job step's first node."""
    nodes = environment.get("SLURM_STEP_NODELIST") or environment.get("SLURM_JOB_NODELIST")
    if not nodes:
        raise Tap2keyError("--joined: only for srun, which sets SLURM_JOB_NODELIST")
    expanded = subprocess.run(
        ["scontrol", "show", "hostnames", nodes], capture_output=True, text=True, check=False
    )
    if expanded.returncode != 0:
        raise Tap2keyError(
            f"scontrol cannot expand the node list {nodes}: {expanded.stderr.strip()}"
        )
    return expanded.stdout.split()[0]
