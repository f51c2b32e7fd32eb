"""What the configuration says, as arguments of the stages and resources of their jobs."""

from collections.abc import Mapping
from typing import Any


def encoding_options(settings: Mapping[str, Any]) -> list[str]:
    """The encode stage's arguments for an encoding."""
    options = ["--representation", settings["representation"]]
    options += ["--sample-rate", str(settings["sample_rate"])]
    if settings["crop_ms"] is not None:
        options += ["--crop-ms", *(f"{value:g}" for value in settings["crop_ms"])]
    if settings["highpass_hz"] is not None:
        options += ["--highpass-hz", f"{settings['highpass_hz']:g}"]
    return [*options, *(["--whiten"] if settings["whiten"] else [])]


def segment_options(settings: Mapping[str, Any]) -> list[str]:
    """The segment stage's arguments."""
    options = ["--selectivity", f"{settings['selectivity_s']:g}", "--none", settings["none"]]
    if settings["latency_s"] is not None:
        options += ["--latency", f"{settings['latency_s']:g}"]
    if settings["peak_height"] is not None:
        options += ["--peak-height", f"{settings['peak_height']:g}"]
    return [*options, *(["--strict"] if settings["strict"] else [])]


def launch_options(settings: Mapping[str, Any]) -> list[str]:
    """The launch stage's arguments."""
    numbers = [f"--{name} {settings[name]}" for name in ("nodes", "processes")]
    return [*" ".join(numbers).split(), *(["--gpu"] if settings["gpu"] else [])]


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
