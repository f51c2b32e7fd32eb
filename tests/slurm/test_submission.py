"""What the profile asks SLURM for."""

import re
import shutil

import pytest
import yaml
from running import copy_workflow
from submitting import FOLDER, MODEL

pytestmark = [pytest.mark.slow, pytest.mark.slurm]
SMALL = ("--configfile", "small.yaml", "interrupted.yaml")
# As a site's person would fill in the profile's first block.
SITES = {
    "gpu": {"set-resources": {"train": {"slurm_partition": "gpu"}}},
    "gres": {"set-resources": {"train": {"slurm_partition": "gpu", "gpu": 0, "gres": "gpu:2"}}},
    # Partitions chosen by what a job needs, and a node to keep away from.
    "need": {
        "slurm-partition-config": "profiles/slurm/partitions.yaml",
        "slurm-exclude-failed-nodes": "n1",
    },
}


@pytest.mark.parametrize("site", SITES)
def test_a_gpu_job_gets_its_gpus(cluster, start, prepared, site):
    profile = prepared / "profiles" / "slurm" / "config.yaml"
    chosen = yaml.safe_load(profile.read_text())
    profile.write_text(yaml.safe_dump(chosen | SITES[site]))
    (prepared / "gpus.yaml").write_text("launch: {gpu: true, processes: 2}\n")
    started = start(prepared, *SMALL, "gpus.yaml", "--verbose", "--", MODEL)
    (job,) = started.until(lambda: started.jobs, "the job")
    asked = re.search(r"sbatch call: (.*?) --wrap", started.text)[1]
    assert ("--gpus=2" in asked, "--gres=gpu:2" in asked) == (site != "gres", site == "gres")
    assert ("--exclude=n1" in asked) == (site == "need")
    assert "-p gpu" in asked
    about = cluster.about(job)
    assert about["Partition"] == "gpu"
    assert about["TresPerNode" if site == "gres" else "TresPerJob"].endswith("gpu:2")
    process = started.until(lambda: cluster.training(job), "training")[0]
    assert process.environ()["CUDA_VISIBLE_DEVICES"] == "0,1"
    assert site != "need" or cluster.about(job)["NodeList"] == "n2"


def test_sessions_that_share_a_job_ask_for_the_time_of_all_and_else_for_one(
    start, finished, tmp_path
):
    root = copy_workflow(tmp_path, FOLDER)
    shutil.copy(finished / "small.yaml", root)
    shutil.copytree(finished / "results/simulated", root / "results/simulated")
    profile = root / "profiles" / "slurm" / "config.yaml"
    chosen = yaml.safe_load(profile.read_text())
    chosen |= {"groups": {"segment": "segment"}, "group-components": {"segment": 4}}
    profile.write_text(yaml.safe_dump(chosen))
    run = start(root, "--configfile", "small.yaml", "--verbose", "--until", "segment").wait()
    assert run.status == 0, run.text[-5000:]
    asked = re.findall(r"sbatch call: (.*?) --wrap", run.text)
    assert sorted(re.search(r"-t (\d+)", call)[1] for call in asked) == ["120", "60"]
    for call in asked:
        assert "--mem 2000 " in call
        assert "--cpus-per-task=2 " in call
    made = sorted(p.relative_to(root) for p in root.glob("results/taps/*/*/windows.npy"))
    assert len(made) == 6
    for path in made:
        assert (root / path).read_bytes() == (finished / path).read_bytes()
