"""What the executor asks SLURM for when a training job has a certain shape."""

import re
import shlex
from types import SimpleNamespace

import pytest
from snakemake_executor_plugin_slurm.submit_string import get_submit_command
from snakemake_executor_plugin_slurm.utils import set_gres_string

from tap2key.orchestration.training_jobs import launch_resources

ABOUT_RUN = {
    "run_uuid": "run",
    "slurm_logfile": "log",
    "comment_str": "rule_train",
    "account": "",
    "partition": "",
    "workdir": "",
}
ASKED = re.compile(r"--(nodes|ntasks[a-z-]*|gpus|gres|cpus[a-z-]*)[= ](\S+)")


class Resources(dict):
    __getattr__ = dict.__getitem__


def asked_for(launch, site):
    settings = {"nodes": 1, "processes": 1, "gpu": False, "stage_to": None, **launch}
    resources = Resources({**launch_resources(settings), "mem_mb": 16_000, "runtime": 240, **site})
    job = SimpleNamespace(resources=resources, threads=8)
    call = shlex.split(get_submit_command(job, ABOUT_RUN) + set_gres_string(job))
    return dict(ASKED.findall(" ".join(call)))


@pytest.mark.parametrize(
    ("launch", "site", "expected"),
    [
        ({}, {}, {"nodes": "1", "ntasks": "1"}),
        ({"processes": 4}, {}, {"nodes": "1", "ntasks": "1"}),
        ({"nodes": 2}, {}, {"nodes": "2", "ntasks": "2"}),
        ({"gpu": True}, {}, {"nodes": "1", "gpus": "1"}),
        ({"gpu": True, "processes": 2}, {}, {"nodes": "1", "gpus": "2"}),
        (
            *({"gpu": True, "processes": 2}, {"gpu_model": "a100"}),
            {"nodes": "1", "gpus": "a100:2"},
        ),
        (
            *({"gpu": True, "processes": 2}, {"gpu": 0, "gres": "gpu:a100:2"}),
            {"nodes": "1", "gres": "gpu:a100:2"},
        ),
        (
            *({"gpu": True, "processes": 4, "nodes": 2}, {}),
            {"nodes": "2", "ntasks": "2", "gpus": "8"},
        ),
        (
            *({"gpu": True, "processes": 4, "nodes": 2}, {"gpu": 0, "gres": "gpu:4"}),
            {"nodes": "2", "ntasks": "2", "gres": "gpu:4"},
        ),
    ],
)
def test_one_task_per_node_gets_the_cpus_and_gpus_of_its_processes(launch, site, expected):
    assert asked_for(launch, site) == {**expected, "cpus-per-task": "8"}
