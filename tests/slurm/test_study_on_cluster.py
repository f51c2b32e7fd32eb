"""A whole study through the cluster's profile, beside the same study on one machine."""

import shutil

import numpy as np
import pandas as pd
import pytest
from running import copy_workflow
from submitting import FOLDER, Started

pytestmark = [pytest.mark.slow, pytest.mark.slurm]
ONLY = "select_experiments=network"
PEOPLE = ["Chen", "Maria", "Tony"]


@pytest.fixture(scope="module")
def on_cluster(cluster, finished, tmp_path_factory):
    """The recordings of the finished study, and everything else made anew by jobs."""
    root = copy_workflow(tmp_path_factory.mktemp("cluster-run"), FOLDER)
    shutil.copy(finished / "small.yaml", root)
    shutil.copytree(finished / "results/simulated", root / "results/simulated")
    started = Started(root, ["--configfile", "small.yaml", "--config", ONLY])
    try:
        yield root, started.wait()
    finally:
        started.kill()
        cluster.cancel(started.jobs)


def test_every_stage_ran_in_a_job_of_its_own(on_cluster):
    _, run = on_cluster
    assert run.status == 0, run.text[-5000:]
    made = {rule: run.jobs[rule] for rule in ("segment", "encode", "fold", "train", "evaluate")}
    assert made == {"segment": 6, "encode": 3, "fold": 3, "train": 3, "evaluate": 3}
    assert "simulate" not in run.jobs
    assert run.text.count("has been submitted with SLURM jobid") >= sum(made.values())


@pytest.mark.parametrize("person", PEOPLE)
def test_predictions_are_those_of_a_run_on_one_machine(on_cluster, finished, person):
    name = f"results/evaluations/network/{person}/seed-0/predictions.parquet"
    here, there = (pd.read_parquet(root / name) for root in (finished, on_cluster[0]))
    identity = ["participant", "session", "recording", "tap", "truth", "prediction"]
    pd.testing.assert_frame_equal(here[identity], there[identity])
    assert np.allclose(np.stack(here.probabilities), np.stack(there.probabilities), atol=1e-5)
    assert here.prediction.nunique() > 3


def test_the_summary_is_that_of_a_run_on_one_machine(on_cluster, finished):
    name = "results/summary/network/participants.tsv"
    assert (on_cluster[0] / name).read_text() == (finished / name).read_text()
