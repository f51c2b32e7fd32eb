"""What goes wrong on a cluster while a model is trained, and that it changes nothing."""

import shutil
import time

import pytest
from cluster import NODES, said, until
from running import snakemake
from submitting import LOCALLY, MODEL, ready_to_train

pytestmark = [pytest.mark.slow, pytest.mark.slurm]
INTERRUPTED = ("--configfile", "small.yaml", "interrupted.yaml", "--", MODEL)


@pytest.fixture(scope="module")
def undisturbed(cluster, finished, tmp_path_factory):
    """The model trained in one go, on this machine."""
    root = ready_to_train(finished, tmp_path_factory.mktemp("undisturbed"))
    run = snakemake(root, [*LOCALLY, *INTERRUPTED], root)
    assert run.status == 0, run.text[-3000:]
    return root


def check(run, root, undisturbed):
    """The same model as without the fault, and nothing half-written or left over."""
    assert run.status == 0, run.text[-3000:]
    for name in ("model.safetensors", "config.json", "tap2key.json"):
        assert (root / MODEL / name).read_bytes() == (undisturbed / MODEL / name).read_bytes(), name
    assert list(root.glob("results/**/.tmp-*")) == []
    assert list(root.glob("results/checkpoints/*/")) == []


def slurm_log(root, job):
    (path,) = (root / ".snakemake" / "slurm_logs").rglob(f"{job}.log")
    return path.read_text()


def check_resumed(root):
    """The last attempt began where an earlier one had left a checkpoint."""
    said_by_training = (root / "results/logs/train/aligned-48000/Chen/seed-0.log").read_text()
    assert "epoch 4 of 60" not in said_by_training
    assert "epoch 60 of 60" in said_by_training


def test_a_requeued_job_goes_on(cluster, start, prepared, undisturbed):
    started = start(prepared, *INTERRUPTED)
    job = started.in_training()
    said(["scontrol", "requeue", job])
    run = started.wait()
    check(run, prepared, undisturbed)
    check_resumed(prepared)
    assert run.slurm_jobs == [job]
    assert cluster.about(job)["Restarts"] == "1"


def test_a_cancelled_job_is_submitted_anew(cluster, start, prepared, undisturbed):
    started = start(prepared, *INTERRUPTED)
    said(["scancel", started.in_training()])
    run = started.wait()
    check(run, prepared, undisturbed)
    check_resumed(prepared)
    assert len(run.slurm_jobs) == 2


def test_a_job_killed_by_its_time_limit_gets_more_time(cluster, start, prepared, undisturbed):
    started = start(prepared, *INTERRUPTED)
    job = started.in_training()
    asked = cluster.about(job)["TimeLimit"]
    cluster.stall(job)
    said(["scontrol", "update", f"jobid={job}", "TimeLimit=1"])
    run = started.wait()
    check(run, prepared, undisturbed)
    check_resumed(prepared)
    first, second = map(cluster.about, run.slurm_jobs)
    assert first["JobState"] == "TIMEOUT"
    assert (asked, second["TimeLimit"]) == ("04:00:00", "08:00:00")


def test_a_job_killed_for_its_memory_gets_more_memory(cluster, start, prepared, undisturbed):
    """Python alone takes more than the first attempt may have."""
    growing = ["--set-resources", "train:mem_mb=300*8**(attempt-1)"]
    run = start(prepared, *growing, *INTERRUPTED).wait()
    check(run, prepared, undisturbed)
    first, second = map(cluster.about, run.slurm_jobs)
    assert (first["MinMemoryNode"], second["MinMemoryNode"]) == ("300M", "2400M")
    assert "memory" in slurm_log(prepared, run.slurm_jobs[0])


def test_a_node_that_dies_takes_nothing_with_it(cluster, start, prepared, undisturbed):
    started = start(prepared, *INTERRUPTED)
    job = started.in_training()
    node = cluster.about(job)["NodeList"]
    cluster.kill_node(node, job)
    try:
        run = started.wait()
        check(run, prepared, undisturbed)
        check_resumed(prepared)
        assert node not in cluster.about(run.slurm_jobs[-1])["NodeList"]
    finally:
        cluster.start_node(node)
        until(lambda: set(cluster.up()) == set(NODES), 60, "both nodes")


def test_snakemake_killed_and_started_again_never_has_a_job_twice(
    cluster, start, prepared, undisturbed
):
    killed = start(prepared, *INTERRUPTED)
    job = killed.in_training()
    cluster.stall(job)
    killed.kill()
    assert cluster.about(job)["JobState"] == "RUNNING"
    assert start(prepared, "--unlock", *INTERRUPTED).wait().status == 0
    again = start(prepared, *INTERRUPTED)
    again.until(lambda: "submitted with SLURM jobid" in again.text, "the job to be submitted anew")
    assert f"cancelling {job} " in again.text
    run = again.wait()
    check(run, prepared, undisturbed)
    check_resumed(prepared)
    (anew,) = run.slurm_jobs
    assert cluster.about(job)["JobState"] == "CANCELLED"
    assert cluster.about(job)["EndTime"] <= cluster.about(anew)["SubmitTime"]


def test_a_second_snakemake_leaves_the_first_ones_jobs_alone(cluster, start, prepared):
    first = start(prepared, *INTERRUPTED)
    (job,) = first.until(lambda: first.jobs, "a job")
    second = start(prepared, "--nolock", *INTERRUPTED).wait()
    assert second.status != 0
    assert f"another Snakemake (process {first.process.pid}) is making these results" in second.text
    assert cluster.about(job)["JobState"] in ("PENDING", "RUNNING")


def test_slurm_not_answering_for_half_a_minute(cluster, start, prepared, undisturbed, tmp_path):
    """A squeue that fails, as the real one does while its controller restarts."""
    away = tmp_path / "away"
    stand_in = tmp_path / "bin" / "squeue"
    stand_in.parent.mkdir()
    stand_in.write_text(
        f"#!/bin/sh\n"
        f'if [ -e "{away}" ]; then echo x >> "{away}"; echo "no answer" >&2; exit 1; fi\n'
        f'exec {shutil.which("squeue")} "$@"\n'
    )
    stand_in.chmod(0o755)
    started = start(prepared, *INTERRUPTED, path=stand_in.parent)
    job = started.in_training()
    began = time.monotonic()
    away.touch()
    until(lambda: time.monotonic() - began > 30, 40, "half a minute")
    asked_in_vain = away.read_text().count("x")
    away.unlink()
    run = started.wait()
    check(run, prepared, undisturbed)
    assert asked_in_vain > 1
    assert run.slurm_jobs == [job]
