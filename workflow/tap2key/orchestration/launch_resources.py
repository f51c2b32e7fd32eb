"""What SLURM is asked for, and which environment trains, by the configuration's `launch`."""

from collections.abc import Mapping
from typing import Any


def training_environment(settings: Mapping[str, Any]) -> str:
    """The file in envs/ of the environment that trains: with GPUs, one whose torch uses them."""
    return "learning-cuda.yaml" if settings["gpu"] else "learning.yaml"


def launch_resources(settings: Mapping[str, Any]) -> dict[str, int | str]:
    """The nodes and GPUs that one training job asks for."""
    nodes = settings["nodes"]
    asked: dict[str, int | str] = {"nodes": nodes}
    if settings["gpu"]:
        asked["gpu"] = nodes * settings["processes"]
    if nodes > 1:
        asked |= {"mpi": "srun", "tasks": nodes}
        # Otherwise the executor would ask for one task per GPU and node.
        asked |= {"tasks_per_gpu": 0} if settings["gpu"] else {}
    return asked
