"""Datasets copied to a node's own disk before training reads them at random."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock

from tap2key.dataset import ENCODING_FILE
from tap2key.errors import Tap2keyError
from tap2key.expand import expanded
from tap2key.files import read_json, temporary_beside


def staged(datasets: Sequence[Path], root: str | None) -> list[Path]:
    """Copies of dataset folders under `root`, made once per node; without `root`, the originals.

    `root` may hold the node's environment variables, such as $TMPDIR. Copies are named by their
    content, so that processes and jobs on one node share them; whoever empties `root` removes them.

    Raises:
        Tap2keyError: a variable is not set, or there is no room.
    """
    if not root:
        return list(datasets)
    folder = Path(expanded(root, "launch.stage_to"))
    return [_copied(dataset, folder) for dataset in datasets]


def _copied(dataset: Path, root: Path) -> Path:
    target = root / f"tap2key-{read_json(dataset / ENCODING_FILE)['fingerprint']}"
    try:
        root.mkdir(parents=True, exist_ok=True)
        # All processes and jobs of the node come here at once; one copies, the others wait for it.
        with FileLock(target.with_name(target.name + ".lock")):
            if not target.exists():
                _copy(dataset, target)
    except OSError as error:
        raise Tap2keyError(
            f"launch.stage_to {root}: cannot copy {dataset} there "
            f"({' '.join(str(error).split())}); free some room or set it to null"
        ) from error
    return target


def _copy(dataset: Path, target: Path) -> None:
    temporary = temporary_beside(target)
    try:
        shutil.copytree(dataset, temporary)
        os.rename(temporary, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
