"""Datasets copied to a node's own disk before training reads them at random."""

import filecmp
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock

from tap2key.core.errors import Tap2keyError
from tap2key.core.files import read_json, temporary_beside
from tap2key.core.folders import leaves
from tap2key.core.path_variables import expanded
from tap2key.datasets.encoded_dataset import ENCODING_FILE

# Of larger files only the size is compared: reading them from the network is what copies avoid.
WHOLE_FILE_LIMIT = 1 << 20


def staged(datasets: Sequence[Path], root: str | None) -> list[Path]:
    """Copies of dataset folders under `root`, made once per node; without `root`, the originals.

    `root` may hold environment variables, such as $TMPDIR. Copies are named by their content, so
    that processes and jobs on one node share them; whoever empties `root` removes them. A copy that
    has lost or changed a file since, to a program that cleans up a node's disk, is made anew.

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
            if not _is_copy(target, dataset):
                _copy(dataset, target)
    except OSError as error:
        raise Tap2keyError(
            f"launch.stage_to {root}: cannot copy {dataset} there "
            f"({' '.join(str(error).split())}); free some space or set it to null"
        ) from error
    return target


def _is_copy(target: Path, dataset: Path) -> bool:
    files = {name for name in leaves(dataset) if not name.endswith("/")}
    return files <= leaves(target) and all(_alike(dataset / f, target / f) for f in files)


def _alike(original: Path, copy: Path) -> bool:
    if original.stat().st_size > WHOLE_FILE_LIMIT:
        return original.stat().st_size == copy.stat().st_size
    return filecmp.cmp(original, copy, shallow=False)


def _copy(dataset: Path, target: Path) -> None:
    temporary, damaged = temporary_beside(target), temporary_beside(target)
    try:
        shutil.copytree(dataset, temporary)
        if os.path.lexists(target):
            _set_aside(target, damaged, leaves(dataset))
        os.rename(temporary, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(damaged, ignore_errors=True)


def _set_aside(target: Path, damaged: Path, files: frozenset[str]) -> None:
    """Rename a damaged copy, unless it holds what no copy does.

    Whoever has opened it reads on from it.
    """
    others = sorted(name for name in leaves(target) - files if not name.endswith("/"))
    if others or not target.is_dir() or target.is_symlink():
        raise Tap2keyError(
            f"{target}: is not a copy of a dataset{f', it holds {others[0]}' if others else ''}; "
            "move it away, or let launch.stage_to choose another folder"
        )
    os.rename(target, damaged)
