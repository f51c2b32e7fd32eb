"""Snakemake submitting to the cluster, beside the test that watches it."""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from cluster import until
from running import Run, command, copy_workflow, environment

HERE = Path(__file__).parent
# Training gets one thread, as in the run that results are compared with. Copies of finished runs
# know nothing of how their files were made.
AS_MADE = ("--set-threads", "train=1", "--rerun-triggers", "mtime")
LOCALLY = ("--profile", "profiles/local", *AS_MADE)
ASKING_OFTEN = HERE / "asking_often.py"
# The profile's waits suit jobs of hours; these are for jobs of seconds.
ON_CLUSTER = (
    *("--profile", "profiles/slurm"),
    *("--max-status-checks-per-second", "10", "--latency-wait", "10", *AS_MADE),
)
# Snakemake cannot submit from a folder with double quotes in its name.
FOLDER = "Bob's work für später"
MODEL = "results/models/network/Chen/seed-0"
KEPT = ("results/manifest.tsv", "results/datasets", "results/folds")
CHECKPOINTS = "results/checkpoints/*/checkpoint-*/complete"
# Far longer than any of it takes, on a machine that does other things too.
SECONDS = 1800


class Started:
    """A Snakemake that runs beside the test."""

    def __init__(
        self,
        root: Path,
        arguments: Sequence[str],
        path: Path | None = None,
        login_node: str | None = None,
    ) -> None:
        """Start it; programs in the folder `path` hide those of the same name.

        With `login_node`, on a machine of that name, as far as programs can tell.
        """
        self.log = root / f"said{login_node or ''}.txt"
        before = "" if path is None else f"{path}{os.pathsep}"
        variables = environment()
        variables["PATH"] = before + variables["PATH"]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [
                    # In a shell's background Ctrl-C is ignored, and what it starts inherits that.
                    *("env", "--default-signal=INT"),
                    *(on_machine(login_node) if login_node else ()),
                    *command(root, [*ON_CLUSTER, *arguments], [str(ASKING_OFTEN)]),
                ],
                cwd=root,
                env=variables,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def text(self) -> str:
        """What it has said so far."""
        return self.log.read_text()

    @property
    def jobs(self) -> list[str]:
        """Numbers of the jobs it has submitted so far."""
        return Run(0, self.text).slurm_jobs

    def wait(self) -> Run:
        """Await its end."""
        return Run(self.process.wait(SECONDS), self.text)

    def until(self, condition: Callable[[], object], what: str) -> object:
        """Wait until `condition` is true, but not longer than Snakemake runs."""

        def asked() -> object:
            answer = condition()
            assert answer or self.process.poll() is None, self.text[-3000:]
            return answer

        return until(asked, SECONDS, what)

    def in_training(self) -> str:
        """The number of the job that trains, once it has written a checkpoint."""
        self.until(lambda: list(self.log.parent.glob(CHECKPOINTS)), "a checkpoint")
        (job,) = self.jobs
        return job

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        os.killpg(self.process.pid, signal.SIGINT)

    def kill(self) -> None:
        """End it as the kernel would; its jobs are not told."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def on_machine(name: str) -> list[str]:
    """What starts a command on this machine under another name."""
    return ["unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"', name]


def ready_to_train(finished: Path, parent: Path) -> Path:
    """A copy of a finished run without its models and without what came before its datasets."""
    root = copy_workflow(parent, FOLDER)
    for overlay in HERE.glob("*.yaml"):
        shutil.copy(overlay, root)
    for name in ("small.yaml", *KEPT):
        (root / name).parent.mkdir(exist_ok=True)
        copy = shutil.copytree if (finished / name).is_dir() else shutil.copy2
        copy(finished / name, root / name)
    return root
