"""What goes wrong on a cluster while a model is trained, and that it changes nothing."""

import json
import shutil
import socket
import time

import pytest
from cluster import NODES, said, until
from running import snakemake
from submitting import LOCALLY, MODEL, ready_to_train

from tap2key.orchestration.leftover_jobs import RECORD

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
    said_by_training = (root / "results/logs/train/network/Chen/seed-0.log").read_text()
    assert "epoch 4 of 60" not in said_by_training
    assert "epoch 60 of 60" in said_by_training


def stand_in(parent, name, first):
    """A folder with a program of that name, which does something before it is SLURM's own."""
    program = parent / "bin" / name
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\n{first}\nexec {shutil.which(name)} "$@"\n')
    program.chmod(0o755)
    return program.parent


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
    """Neither on the same login node nor on another."""
    first = start(prepared, *INTERRUPTED)
    (job,) = first.until(lambda: first.jobs, "a job")
    for login_node, where in ((None, ""), ("login-2", f" on {socket.gethostname()}")):
        second = start(prepared, "--nolock", *INTERRUPTED, login_node=login_node).wait()
        assert second.status != 0
        refused = f"another Snakemake (process {first.process.pid}{where}) is making these results"
        assert refused in second.text
    assert cluster.about(job)["JobState"] in ("PENDING", "RUNNING")


def test_ctrl_c_ends_the_jobs_and_the_next_run_goes_on(cluster, start, prepared, undisturbed):
    stopped = start(prepared, *INTERRUPTED)
    job = stopped.in_training()
    stopped.interrupt()
    assert stopped.wait().status != 0
    # From another login node, at once and without --unlock.
    run = start(prepared, *INTERRUPTED, login_node="login-2").wait()
    check(run, prepared, undisturbed)
    check_resumed(prepared)
    assert cluster.about(job)["JobState"] == "CANCELLED"
    (anew,) = run.slurm_jobs
    assert cluster.about(job)["EndTime"] <= cluster.about(anew)["SubmitTime"]


def test_ctrl_c_while_jobs_are_submitted_leaves_none_behind(cluster, start, prepared, tmp_path):
    """An sbatch that is slow to answer, as the real one is where many submit."""
    asked, answering = tmp_path / "asked", tmp_path / "answering"
    path = stand_in(
        tmp_path,
        "sbatch",
        f'trap "" INT; touch "{asked}"; until [ -e "{answering}" ]; do sleep 0.1; done',
    )
    models = [f"results/models/level-forest/{name}/seed-0" for name in ("Chen", "Maria", "Tony")]
    started = start(prepared, "--configfile", "small.yaml", "--", *models, path=path)
    started.until(asked.exists, "sbatch to be called")
    started.interrupt()
    started.until(lambda: "Terminating processes" in started.text, "Ctrl-C to be noticed")
    answering.touch()
    assert started.wait().status != 0
    name = json.loads((prepared / "results" / RECORD).read_text())["name"]
    question = ("squeue", "--noheader", "--states=all", f"--name={name}", "--format=%T")
    submitted = said(question).split()
    assert set(submitted) == {"CANCELLED"}
    # It submits two at a time.
    assert len(submitted) < len(models)


@pytest.mark.parametrize(("how", "ended"), [("requeued", "PENDING"), ("cancelled", "PREEMPTED")])
def test_a_preempted_job_goes_on(cluster, start, prepared, undisturbed, how, ended):
    """Its partition, of that name, says what becomes of it."""
    started = start(prepared, "--set-resources", f"train:slurm_partition={how}", *INTERRUPTED)
    job = started.in_training()
    urgent = cluster.preempt()
    try:
        until(lambda: cluster.about(job)["JobState"] == ended, 60, f"the job to be {ended}")
    finally:
        cluster.cancel([urgent])
    run = started.wait()
    check(run, prepared, undisturbed)
    check_resumed(prepared)
    assert len(run.slurm_jobs) == (1 if how == "requeued" else 2)
    assert (f"SLURM job {job} was preempted" in run.text) == (how == "cancelled")


def test_after_the_third_failure_what_does_not_depend_on_it_is_made(start, prepared):
    """The efficiency report, which needs SLURM's accounting, is asked for in vain."""
    damaged = prepared / "results/folds/level-forest/Chen/seed-0/fold.json"
    whole = damaged.read_bytes()
    damaged.write_text("{")
    models = [f"results/models/level-forest/{name}/seed-0" for name in ("Chen", "Maria")]
    wanted = ("--slurm-efficiency-report", "--configfile", "small.yaml", "--", *models)
    run = start(prepared, *wanted).wait()
    assert run.status != 0
    assert len(run.slurm_jobs) == 4
    assert [(prepared / model).exists() for model in models] == [False, True]
    log = prepared / "results/logs/baseline/level-forest/Chen/seed-0.log"
    assert str(log.relative_to(prepared)) in run.text
    assert "fold.json" in log.read_text()
    damaged.write_bytes(whole)
    again = start(prepared, *wanted[1:]).wait()
    assert again.status == 0, again.text[-3000:]
    assert again.jobs == {"baseline": 1}


def test_slurm_not_answering_for_half_a_minute(cluster, start, prepared, undisturbed, tmp_path):
    """A squeue that fails, as the real one does while its controller restarts."""
    away = tmp_path / "away"
    path = stand_in(
        tmp_path,
        "squeue",
        f'if [ -e "{away}" ]; then echo x >> "{away}"; echo "no answer" >&2; exit 1; fi',
    )
    started = start(prepared, *INTERRUPTED, path=path)
    job = started.in_training()
    began = time.monotonic()
    away.touch()

    def missed_twice() -> bool:
        return time.monotonic() - began > 30 and away.read_text().count("x") > 1

    # Snakemake asks ever more rarely: when depends on how long training took to begin.
    until(missed_twice, 300, "half a minute in which it asked twice in vain")
    away.unlink()
    run = started.wait()
    check(run, prepared, undisturbed)
    assert run.slurm_jobs == [job]
