"""What training jobs start from, checkpoints of the hub or on this disk, and ask SLURM for."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tap2key.models.hub import folder_name, revision_of

HUB_NAME = re.compile(r"[\w-][\w.-]*(/[\w.-]+)?")


def is_on_hub(checkpoint: str | None) -> bool:
    """Whether a checkpoint has to be fetched, rather than being a folder or none."""
    return bool(checkpoint and HUB_NAME.fullmatch(checkpoint) and not Path(checkpoint).is_dir())


def fetched_into(results: str, model: Mapping[str, Any]) -> str:
    """The folder into which the checkpoint of an experiment's `model` is fetched."""
    return f"{results}/pretrained/{folder_name(model['checkpoint'], model['revision'])}"


def to_fetch(results: str, models: Iterable[Mapping[str, Any]]) -> dict[str, tuple[str, str]]:
    """The checkpoints to fetch from the model hub and their revisions, by their folders."""
    return {
        fetched_into(results, m): (m["checkpoint"], revision_of(m["checkpoint"], m["revision"]))
        for m in models
        if is_on_hub(m["checkpoint"])
    }


def files_on_disk(checkpoint: str | None) -> list[str]:
    """The files of a checkpoint that is a folder on this disk; none of another."""
    if checkpoint is None or is_on_hub(checkpoint):
        return []
    return sorted(str(path) for path in Path(checkpoint).glob("*") if path.is_file())


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
