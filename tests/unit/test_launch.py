import os
import sys

import pytest
from made import run

from tap2key.launch import launch_command

LAUNCHER = [sys.executable, "-m", "accelerate.commands.launch", "--num_machines", "1"]
PLAIN = ["--mixed_precision", "no", "--dynamo_backend", "no"]
TRAIN = ["-m", "tap2key", "train", "--world-size"]


@pytest.mark.parametrize(
    ("processes", "threads", "gpu", "environment", "expected"),
    [
        (1, 8, False, {}, ["1", "8", "--cpu", *TRAIN, "1"]),
        (1, 8, True, {"SLURM_JOB_ID": "7"}, ["1", "8", *TRAIN, "1", "--gpu"]),
        (
            *(2, 8, False, {"SLURM_JOB_ID": "123456"}),
            ["2", "4", "--multi_gpu", "--main_process_port", "23456", *TRAIN, "2"],
        ),
        (
            *(4, 30, True, {"SLURM_JOB_ID": "19999"}),
            ["4", "7", "--multi_gpu", "--main_process_port", "39999", *TRAIN, "4", "--gpu"],
        ),
        (
            *(4, 2, False, {"SLURM_JOB_ID": ""}),
            [
                *("4", "1", "--multi_gpu", "--main_process_port"),
                *(str(20_000 + os.getpid() % 20_000), *TRAIN, "4"),
            ],
        ),
    ],
    ids=["1 CPU", "1 GPU", "2 CPU", "4 GPU", "4 CPU without SLURM"],
)
def test_the_command_that_starts_training(processes, threads, gpu, environment, expected):
    count, share, *rest = expected
    assert launch_command(processes, threads, gpu, ["--fold", "a b"], environment) == [
        *LAUNCHER,
        *("--num_processes", count, "--num_cpu_threads_per_process", share),
        *PLAIN,
        *rest,
        *("--fold", "a b"),
    ]


def test_jobs_on_one_node_get_ports_of_their_own():
    def port(job):
        command = launch_command(2, 2, False, [], {"SLURM_JOB_ID": str(job)})
        return int(command[command.index("--main_process_port") + 1])

    ports = [port(job) for job in range(1000, 1100)]
    assert len(set(ports)) == 100
    assert all(1024 < p < 65_536 for p in (*ports, port(2**31)))


def test_no_process_is_refused():
    result = run("launch", "--processes", 0, "--", "--fold", "x")
    assert result.returncode == 1
    assert result.stderr == "tap2key: error: --processes 0: must be at least 1\n"
