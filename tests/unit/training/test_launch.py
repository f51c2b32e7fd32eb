import os
import signal
import sys

import pytest
import torch
from made import run

from tap2key.__main__ import main
from tap2key.core.errors import Tap2keyError
from tap2key.training.launch import Shape, first_host, launch_command, port, srun_command
from tap2key.training.processes import check_gpus

LAUNCHER = [sys.executable, "-m", "accelerate.commands.launch", "--quiet"]
PLAIN = ["--mixed_precision", "no", "--dynamo_backend", "no"]
TRAIN = ["-m", "tap2key", "train", "--world-size"]


def launcher(nodes, processes, threads):
    return [
        *LAUNCHER,
        *("--num_machines", str(nodes), "--num_processes", str(processes)),
        *("--num_cpu_threads_per_process", str(threads)),
        *PLAIN,
    ]


@pytest.mark.parametrize(
    ("shape", "environment", "expected"),
    [
        (Shape(1, 1, 8), {}, [*launcher(1, 1, 8), "--cpu", *TRAIN, "1"]),
        (
            *(Shape(1, 1, 8, gpu=True), {"SLURM_JOB_ID": "7"}),
            [*launcher(1, 1, 8), *TRAIN, "1", "--gpu"],
        ),
        (
            *(Shape(1, 2, 8), {"SLURM_JOB_ID": "123456"}),
            [*launcher(1, 2, 4), "--multi_gpu", "--main_process_port", "23456", *TRAIN, "2"],
        ),
        (
            *(Shape(1, 4, 30, gpu=True), {"SLURM_JOB_ID": "19999"}),
            [
                *(*launcher(1, 4, 7), "--multi_gpu", "--main_process_port", "39999"),
                *(*TRAIN, "4", "--gpu"),
            ],
        ),
        (
            *(Shape(1, 4, 2), {"SLURM_JOB_ID": ""}),
            [
                *(*launcher(1, 4, 1), "--multi_gpu", "--main_process_port"),
                *(str(20_000 + os.getpid() % 20_000), *TRAIN, "4"),
            ],
        ),
        (
            *(Shape(2, 1, 8), {"SLURM_JOB_ID": "42", "SLURM_NODEID": "1"}),
            [
                *(*launcher(2, 2, 8), "--multi_gpu", "--main_process_port", "20042"),
                *("--machine_rank", "1", "--main_process_ip", "first", *TRAIN, "2"),
            ],
        ),
        (
            *(Shape(3, 4, 32, gpu=True), {"SLURM_JOB_ID": "42", "SLURM_NODEID": "0"}),
            [
                *(*launcher(3, 12, 8), "--multi_gpu", "--main_process_port", "20042"),
                *("--machine_rank", "0", "--main_process_ip", "first", *TRAIN, "12", "--gpu"),
            ],
        ),
    ],
    ids=[
        *("1 CPU", "1 GPU", "2 CPU", "4 GPU", "4 CPU without SLURM"),
        *("2 nodes × 1 CPU", "3 nodes × 4 GPU"),
    ],
)
def test_the_command_that_starts_training(shape, environment, expected):
    found = launch_command(shape, ["--fold", "a b"], environment, "first")
    assert found == [*expected, "--fold", "a b"]


def test_srun_starts_this_stage_once_on_each_node():
    shape = Shape(2, 4, 16, gpu=True)
    assert srun_command(shape, ["--fold", "a b"], {"SLURM_JOB_ID": "7"}) == [
        *("srun", "--nodes", "2", "--ntasks", "2", "--ntasks-per-node", "1"),
        *("--cpus-per-task", "16", "--kill-on-bad-exit=1"),
        *(sys.executable, "-m", "tap2key", "launch", "--joined"),
        *("--nodes=2", "--processes=4", "--gpu", "--threads", "16"),
        *("--", "--fold", "a b"),
    ]


@pytest.mark.parametrize(("option", "seen"), [("--no-gpu", ""), ("--gpu", "0,1")])
def test_without_gpu_training_sees_none(monkeypatch, option, seen):
    found = {}
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    monkeypatch.setattr(os, "execvp", lambda *_: found.update(os.environ))
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    assert main(["launch", option, "--", "--fold", "x"]) == 0
    assert found["CUDA_VISIBLE_DEVICES"] == seen


@pytest.mark.parametrize(("gpus", "processes"), [(1, 2), (2, 4)])
def test_fewer_gpus_than_processes_are_refused(monkeypatch, gpus, processes):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    check_gpus({})
    check_gpus({"LOCAL_WORLD_SIZE": str(gpus)})
    with pytest.raises(Tap2keyError, match=rf"launch\.processes {processes}: .* are {gpus} here"):
        check_gpus({"LOCAL_WORLD_SIZE": str(processes)})


def test_any_number_of_processes_may_do_without_a_gpu():
    check_gpus({"LOCAL_WORLD_SIZE": "4"})


def test_several_nodes_without_slurm_are_refused():
    with pytest.raises(Tap2keyError, match=r"launch\.nodes 2: .* profiles/slurm"):
        srun_command(Shape(2, 1, 1), [], {})
    with pytest.raises(Tap2keyError, match="SLURM_JOB_NODELIST"):
        first_host({})


def test_jobs_on_one_node_get_ports_of_their_own():
    ports = [port({"SLURM_JOB_ID": str(job)}) for job in range(1000, 1100)]
    assert len(set(ports)) == 100
    assert all(1024 < p < 65_536 for p in (*ports, port({"SLURM_JOB_ID": str(2**31)})))


def test_no_process_is_refused():
    result = run("launch", "--processes", 0, "--", "--fold", "x")
    assert result.returncode == 1
    assert result.stderr == "tap2key: error: --processes is 0; it must be at least 1\n"
