"""What goes wrong on a cluster while a model is trained, and that it changes nothing."""

import pytest
from cluster import said
from conftest import CHECKPOINTS, MODEL, ready_to_train
from running import snakemake

pytestmark = [pytest.mark.slow, pytest.mark.slurm]
INTERRUPTED = ("--configfile", "small.yaml", "interrupted.yaml", "--", MODEL)


@pytest.fixture(scope="module")
def undisturbed(cluster, finished, tmp_path_factory):
    """The model trained in one go, on this machine."""
    root = ready_to_train(finished, tmp_path_factory.mktemp("undisturbed"))
    local = ("--profile", "profiles/local", "--set-threads", "train=1")
    run = snakemake(root, [*local, *INTERRUPTED], root)
    assert run.status == 0, run.text[-3000:]
    return root


def in_training(cluster, root, started):
    """The number of the job that trains, once it has written a checkpoint."""
    started.until(lambda: list(root.glob(CHECKPOINTS)), "a checkpoint")
    (job,) = cluster.running("rule_train")
    return job


def resources(**expressions):
    return ["--set-resources", *(f"train:{name}={text}" for name, text in expressions.items())]


def check(run, root, undisturbed):
    """The same model as without the fault, and nothing half-written or left over."""
    assert run.status == 0, run.text[-3000:]
    for name in ("model.safetensors", "config.json", "history.tsv", "tap2key.json"):
        assert (root / MODEL / name).read_bytes() == (undisturbed / MODEL / name).read_bytes(), name
    assert list(root.glob("results/**/.tmp-*")) == []
    assert list(root.glob("results/checkpoints/*/")) == []


def check_resumed(root):
    """The last attempt began where an earlier one had left a checkpoint."""
    said_by_training = (root / "results/logs/train/aligned-48000/Chen/seed-0.log").read_text()
    assert "epoch 4 of 60" not in said_by_training
    assert "epoch 60 of 60" in said_by_training


def test_a_requeued_job_goes_on(cluster, start, prepared, undisturbed):
    started = start(prepared, *INTERRUPTED)
    job = in_training(cluster, prepared, started)
    said(["scontrol", "requeue", job])
    run = started.wait()
    check(run, prepared, undisturbed)
    check_resumed(prepared)
    assert run.slurm_jobs == [job]
    assert cluster.about(job)["Restarts"] == "1"


def test_a_cancelled_job_is_submitted_anew(cluster, start, prepared, undisturbed):
    started = start(prepared, *INTERRUPTED)
    said(["scancel", in_training(cluster, prepared, started)])
    run = started.wait()
    check(run, prepared, undisturbed)
    check_resumed(prepared)
    assert len(run.slurm_jobs) == 2
