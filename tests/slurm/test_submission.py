"""What the profile asks SLURM for."""

import re

import pytest
import yaml
from conftest import MODEL

pytestmark = [pytest.mark.slow, pytest.mark.slurm]
SMALL = ("--configfile", "small.yaml", "interrupted.yaml")
# As a site's person would fill in the profile's first block.
SITES = {
    "gpu": {"slurm_partition": "gpu", "gpu": 2},
    "gres": {"slurm_partition": "gpu", "gpu": 0, "gres": "gpu:2"},
}


@pytest.mark.parametrize("site", SITES)
def test_a_gpu_job_gets_its_gpus(cluster, start, prepared, site):
    profile = prepared / "profiles" / "slurm" / "config.yaml"
    chosen = yaml.safe_load(profile.read_text())
    chosen["set-resources"] = {"train": SITES[site]}
    profile.write_text(yaml.safe_dump(chosen))
    started = start(prepared, *SMALL, "--verbose", "--", MODEL)
    (job,) = started.until(lambda: cluster.running("rule_train"), "the job")
    asked = re.search(r"sbatch call: (.*?) --wrap", started.text)[1]
    assert ("--gpus=2" in asked, "--gres=gpu:2" in asked) == (site == "gpu", site == "gres")
    assert "-p gpu" in asked
    about = cluster.about(job)
    assert about["Partition"] == "gpu"
    assert "gres/gpu=2" in about["TRES"]
    started.until(
        lambda: [p for p in cluster.processes(job) if "launch" in p.cmdline()], "training"
    )
    training = next(p for p in cluster.processes(job) if "launch" in p.cmdline())
    assert training.environ()["CUDA_VISIBLE_DEVICES"] == "0,1"
