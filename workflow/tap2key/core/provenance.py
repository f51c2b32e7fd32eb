"""Where an output came from: settings, code, versions, processor and input fingerprints."""

from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from tap2key.core.code_hash import code_hash
from tap2key.core.digests import fingerprint
from tap2key.core.files import write_json
from tap2key.core.processor import processor_name

FILE_NAME = "provenance.json"


def package_versions(names: Iterable[str]) -> dict[str, str]:
    """Installed versions of the named packages."""
    return {name: metadata.version(name) for name in names}


def write_provenance(
    folder: str | Path,
    stage: str,
    module: str,
    settings: Mapping[str, Any],
    inputs: Iterable[str | Path],
    packages: Iterable[str],
    whole: bool = False,
) -> None:
    """Write `provenance.json` into an output folder: what made it, from what, with what.

    Args:
        folder: the output.
        stage: as on the command line; only the same stage may replace the folder.
        module: the stage's, whose code is hashed.
        settings: what was chosen.
        inputs: files and folders that the output depends on.
        packages: those whose versions matter.
        whole: their fingerprints are of whole files, not of samples of large ones.
    """
    write_json(
        Path(folder) / FILE_NAME,
        {
            "stage": stage,
            "settings": dict(settings),
            "code": code_hash(module),
            "packages": package_versions(packages),
            "processor": processor_name(),
            "inputs": {str(path): fingerprint(path, whole) for path in inputs},
        },
    )
