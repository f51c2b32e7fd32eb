"""Checkpoints on the model hub: which revision of one is meant, and which commit that is."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tap2key.core.files import read_json
from tap2key.core.provenance import FILE_NAME

MAIN = "main"
# What a null `model.revision` means, so that everybody starts from the same weights.
PINNED = {"facebook/wav2vec2-base": "0b5b8e868dd84f03fd87d01f9c4ff0f080fecfe8"}
FETCHING = "fetch"


def revision_of(checkpoint: str, revision: str | None) -> str:
    """The commit, tag or branch of a checkpoint that is meant; without one, the pinned or main."""
    return revision or PINNED.get(checkpoint, MAIN)


def folder_name(checkpoint: str, revision: str | None) -> str:
    """The name of the folder that a checkpoint is fetched into; that of main has no revision."""
    meant = revision_of(checkpoint, revision)
    name = checkpoint if meant == MAIN else f"{checkpoint}@{meant}"
    return name.replace("/", "--")


def cached_commit(checkpoint: str, revision: str) -> str | None:
    """The commit of a revision in this machine's cache of the hub; None where it is not there."""
    # Imported here: Snakemake's main process asks only for names.
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(checkpoint, "config.json", revision=revision)
    return Path(found).parent.name if isinstance(found, str) else None


def origin(settings: Mapping[str, Any], fetched: Path | None) -> dict[str, Any] | None:
    """Checkpoint, revision and commit on the hub that an experiment starts from; None if nowhere.

    Args:
        settings: the experiment's.
        fetched: the fetched checkpoint's folder; None where it is in this machine's cache.
    """
    checkpoint = settings["model"]["checkpoint"]
    if settings["kind"] != "wav2vec2" or checkpoint is None:
        return None
    if fetched is not None:
        known = fetched / FILE_NAME
        metadata = read_json(known) if known.is_file() else {"stage": None}
        return metadata["settings"] if metadata["stage"] == FETCHING else None
    if Path(checkpoint).is_dir():
        return None
    revision = revision_of(checkpoint, settings["model"]["revision"])
    commit = cached_commit(checkpoint, revision)
    return {"checkpoint": checkpoint, "revision": revision, "commit": commit}
