"""A throw-away SLURM cluster of two nodes on this machine: real daemons, stand-in GPUs."""

import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import psutil

PROGRAMS = ("slurmctld", "slurmd", "munged", "sbatch", "squeue", "scontrol")
CLUSTER = "tap2key"
NODES = ("n1", "n2")
CPUS = 8
MEMORY_MB = 64_000
GPUS = 2
FIRST_PORT = 17_100
# The executor's job step drops SLURM_CONF, so the configuration must be where SLURM looks itself.
CONFIGURATION = Path("/etc/slurm")
HOSTS = Path("/etc/hosts")
MARK = "# tap2key tests"

SLURM_CONF = """{mark}
ClusterName={cluster}
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={root}/munge.socket,cred_expire=5
CredType=cred/munge
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
StateSaveLocation={root}/state
SlurmdSpoolDir={root}/spool-%n
SlurmctldPidFile={root}/slurmctld.pid
SlurmdPidFile={root}/slurmd.%n.pid
SlurmctldLogFile={root}/slurmctld.log
SlurmdLogFile={root}/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SwitchType=switch/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SlurmdParameters=config_overrides
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=2,sched_interval=2,batch_sched_delay=1,requeue_delay=0
ReturnToService=2
JobRequeue=1
MinJobAge=600
KillWait=20
CompleteWait=0
SlurmdTimeout=10
SlurmctldTimeout=30
InactiveLimit=0
GresTypes=gpu
PropagateResourceLimits=NONE
{nodes}
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
PartitionName=DEFAULT Nodes=n[1-2] DefaultTime=10 DefMemPerCPU=500
PartitionName=cpu Default=YES PriorityTier=10 PreemptMode=OFF
PartitionName=gpu PriorityTier=10 PreemptMode=OFF
PartitionName=requeued PriorityTier=1 PreemptMode=REQUEUE
PartitionName=cancelled PriorityTier=1 PreemptMode=CANCEL
"""
NODE_LINE = (
    "NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs={cpus} Sockets=1"
    " CoresPerSocket={cpus} ThreadsPerCore=1 RealMemory={memory} Gres=gpu:{gpus} State=UNKNOWN"
)
CGROUP_CONF = "CgroupPlugin=cgroup/v1\nCgroupAutomount=no\n"

Result = TypeVar("Result")


class NoCluster(Exception):
    """Why there can be no cluster on this machine."""


def until(condition: Callable[[], Result], seconds: float, what: str) -> Result:
    """Ask `condition` until it says something true; an AssertionError when time is up."""
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.1)
    return answer


def said(command: Sequence[str], check: bool = True) -> str:
    """What a command prints."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert not check or done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
    return done.stdout


def end(processes: Sequence[psutil.Process]) -> None:
    """Kill processes, of which some may have ended already, and await their end."""
    for process in processes:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(processes, timeout=10)


def left_behind() -> list[psutil.Process]:
    """What outlived its job: SLURM knows processes by their parents here, which may end first."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("SLURM_CLUSTER_NAME") == CLUSTER:
                found.append(process)
        except psutil.Error:  # of another user, or gone
            continue
    return found


class Cluster:
    """The daemons, their files under `root`, and what a test does to them."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def start(self) -> None:
        """Bring everything up from nothing."""
        missing = [name for name in PROGRAMS if shutil.which(name) is None]
        if missing:
            raise NoCluster(
                f"SLURM is not installed (no {', '.join(missing)}); "
                "apt-get install slurmctld slurmd slurm-client munge"
            )
        if os.geteuid() != 0:
            raise NoCluster("only root can start SLURM's daemons")
        configured = CONFIGURATION / "slurm.conf"
        if configured.exists():
            before = re.search(r"^StateSaveLocation=(.*)/state$", configured.read_text(), re.M)
            if before is None or MARK not in configured.read_text():
                raise NoCluster(f"{configured} belongs to another cluster")
            # Tests that were killed could not take it down.
            Cluster(Path(before[1])).stop()
        for folder in ("state", "munge", *(f"spool-{node}" for node in NODES)):
            (self.root / folder).mkdir(parents=True)
        self._configure()
        self._start_munge()
        self._daemon("slurmctld")
        until(lambda: "is UP" in said(["scontrol", "ping"], check=False), 30, "slurmctld")
        for node in NODES:
            self.start_node(node)
        until(lambda: set(self.up()) == set(NODES), 60, "both nodes")

    def _configure(self) -> None:
        host = socket.gethostname().split(".")[0]
        for index in range(GPUS):
            device = self.root / f"gpu{index}"
            os.mknod(device, stat.S_IFCHR | 0o666, os.makedev(1, 3))
        lines = [
            NODE_LINE.format(
                node=node,
                host=host,
                port=FIRST_PORT + 10 + index,
                cpus=CPUS,
                memory=MEMORY_MB,
                gpus=GPUS,
            )
            for index, node in enumerate(NODES)
        ]
        texts = {
            "slurm.conf": SLURM_CONF.format(
                mark=MARK,
                cluster=CLUSTER,
                host=host,
                port=FIRST_PORT,
                root=self.root,
                nodes="\n".join(lines),
            ),
            "gres.conf": f"NodeName=n[1-2] Name=gpu File={self.root}/gpu[0-{GPUS - 1}]\n",
            "cgroup.conf": CGROUP_CONF,
        }
        CONFIGURATION.mkdir(exist_ok=True)
        for name, text in texts.items():
            (CONFIGURATION / name).write_text(text)
        # Ranks find the first node by name, and both nodes are this machine.
        if MARK not in HOSTS.read_text():
            with HOSTS.open("a") as handle:
                handle.write(f"127.0.0.1 {' '.join(NODES)} {MARK}\n")

    def _start_munge(self) -> None:
        key = self.root / "munge" / "key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        self.root.chmod(0o755)
        socket_path = self.root / "munge.socket"
        self._daemon(
            *("munged", "--force", f"--key-file={key}", f"--socket={socket_path}"),
            *(f"--pid-file={self.root}/munged.pid", f"--log-file={self.root}/munged.log"),
            f"--seed-file={self.root}/munge/seed",
        )
        asked = ["munge", "-n", "-S", str(socket_path)]
        until(lambda: said(asked, check=False), 20, "munged")

    def _daemon(self, *command: str) -> None:
        with (self.root / f"{command[0]}.start").open("a") as log:
            subprocess.run(
                command, check=True, stdin=subprocess.DEVNULL, stdout=log, stderr=log, timeout=60
            )

    def start_node(self, node: str) -> None:
        """Start a node's slurmd."""
        self._daemon("slurmd", "-N", node)

    def up(self) -> list[str]:
        """The nodes that take or run jobs."""
        states = ("sinfo", "-h", "-N", "-p", "cpu", "-t", "idle,alloc,mix,comp", "-o", "%N")
        return said(states, check=False).split()

    def processes(self, job: str) -> list[psutil.Process]:
        """All processes of a job's steps."""
        found = []
        for step in psutil.process_iter(["cmdline"]):
            if " ".join(step.info["cmdline"] or ()).startswith(f"slurmstepd: [{job}."):
                found += [step, *step.children(recursive=True)]
        return found

    def training(self, job: str) -> list[psutil.Process]:
        """A job's training processes."""
        found = []
        for process in self.processes(job):
            try:
                if {"tap2key", "train"} <= set(process.cmdline()):
                    found.append(process)
            except psutil.NoSuchProcess:
                continue
        return found

    def stall(self, job: str) -> None:
        """Stop a job's training processes, as a file server that hangs would."""
        training = self.training(job)
        assert training
        for process in training:
            process.suspend()

    def kill_node(self, node: str, job: str) -> None:
        """End a node's slurmd and all processes of a job that runs there, as losing power would."""
        end([psutil.Process(self._pid(f"slurmd.{node}.pid")), *self.processes(job)])

    def preempt(self) -> str:
        """Ask for both nodes with priority; the number of the job that does."""
        urgent = ("--partition", "cpu", "--nodes", "2", "--exclusive", "--output", "/dev/null")
        return said(["sbatch", "--parsable", *urgent, "--wrap", "sleep 600"]).strip()

    def cancel(self, jobs: Sequence[str]) -> None:
        """End jobs without giving them time for anything."""
        if jobs:
            said(["scancel", "--signal=KILL", "--full", *jobs], check=False)
            said(["scancel", *jobs], check=False)
            until(lambda: not set(jobs) & set(self.jobs()), 60, "jobs to end")

    def stop(self) -> None:
        """End all jobs and daemons, and take back what was written outside `root`."""
        self.cancel(self.jobs())
        for name in (*(f"slurmd.{node}.pid" for node in NODES), "slurmctld.pid", "munged.pid"):
            self._stop(name)
        end(left_behind())
        for name in ("slurm.conf", "gres.conf", "cgroup.conf"):
            (CONFIGURATION / name).unlink(missing_ok=True)
        lines = HOSTS.read_text().splitlines(keepends=True)
        HOSTS.write_text("".join(line for line in lines if MARK not in line))

    def _pid(self, name: str) -> int:
        return int((self.root / name).read_text())

    def _stop(self, name: str) -> None:
        try:
            daemon = psutil.Process(self._pid(name))
        except (FileNotFoundError, psutil.NoSuchProcess):
            return
        daemon.send_signal(signal.SIGTERM)
        gone, _ = psutil.wait_procs([daemon], timeout=20)
        if not gone:
            daemon.kill()

    def jobs(self, states: str = "pending,running,suspended,completing,requeued") -> list[str]:
        """Numbers of the jobs in these states."""
        return said(["squeue", "-h", "-t", states, "-o", "%A"], check=False).split()

    def about(self, job: str) -> dict[str, str]:
        """What scontrol tells of a job."""
        text = said(["scontrol", "-o", "show", "job", job])
        return dict(part.split("=", 1) for part in text.split() if "=" in part)
