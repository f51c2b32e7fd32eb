"""What the profile asks SLURM for."""

import re

import pytest
import yaml
from submitting import MODEL

pytestmark = [pytest.mark.slow, pytest.mark.slurm, pytest.mark.xdist_group("slurm")]
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
    (job,) = started.until(lambda: started.jobs, "the job")
    asked = re.search(r"sbatch call: (.*?) --wrap", started.text)[1]
    assert ("--gpus=2" in asked, "--gres=gpu:2" in asked) == (site == "gpu", site == "gres")
    assert "-p gpu" in asked
    about = cluster.about(job)
    assert about["Partition"] == "gpu"
    assert about["TresPerJob" if site == "gpu" else "TresPerNode"].endswith("gpu:2")
    process = started.until(lambda: cluster.training(job), "training")[0]
    assert process.environ()["CUDA_VISIBLE_DEVICES"] == "0,1"
