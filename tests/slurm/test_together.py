"""One model trained by several processes, on one node and on two."""

import pandas as pd
import pytest
from cluster import said
from running import snakemake
from submitting import LOCALLY, MODEL, ready_to_train

pytestmark = [pytest.mark.slow, pytest.mark.slurm]
PLAIN = ("--configfile", "small.yaml", "plain.yaml")
LOG = "results/logs/train/network/Chen/seed-0.log"


@pytest.fixture(scope="module")
def alone(finished, cluster, tmp_path_factory):
    """The history of a model trained by one process on this machine."""
    root = ready_to_train(finished, tmp_path_factory.mktemp("alone"))
    run = snakemake(root, [*LOCALLY, *PLAIN, "--", MODEL], root)
    assert run.status == 0, run.text[-3000:]
    return history(root)


def history(root):
    return pd.read_csv(root / MODEL / "history.tsv", sep="\t")


@pytest.mark.parametrize(("nodes", "processes"), [(1, 2), (2, 1)])
def test_two_processes_make_the_model_of_one(cluster, start, prepared, alone, nodes, processes):
    shape = prepared / "shape.yaml"
    disk = prepared.parent / "disk"
    shape.write_text(f"launch: {{nodes: {nodes}, processes: {processes}, stage_to: {disk}}}\n")
    run = start(prepared, *PLAIN, str(shape), "--", MODEL).wait()
    assert run.status == 0, run.text[-3000:]
    told = (prepared / LOG).read_text()
    assert "processes that train together: 2\n" in told
    assert "all 2 processes ended with the same weights" in told
    assert len([path for path in disk.iterdir() if path.is_dir()]) == 2
    (job,) = run.slurm_jobs
    assert cluster.about(job)["NumNodes"] == str(nodes)
    # The mean validation loss is of more rows: the last ones are repeated to share them evenly.
    columns = ["step", "loss", "learning_rate", "eval_weighted_f1"]
    pd.testing.assert_frame_equal(history(prepared)[columns], alone[columns], rtol=1e-5, atol=0)


def test_a_job_requeued_on_two_nodes_goes_on(cluster, start, prepared):
    (prepared / "shape.yaml").write_text("launch: {nodes: 2}\n")
    long = ("--configfile", "small.yaml", "interrupted.yaml", "shape.yaml")
    started = start(prepared, *long, "--", MODEL)
    job = started.in_training()
    said(["scontrol", "requeue", job])
    run = started.wait()
    assert run.status == 0, run.text[-3000:]
    assert run.slurm_jobs == [job]
    assert cluster.about(job)["Restarts"] == "1"
    told = (prepared / LOG).read_text()
    assert "epoch 4 of 60" not in told
    assert "epoch 60 of 60" in told
    assert "all 2 processes ended with the same weights" in told
