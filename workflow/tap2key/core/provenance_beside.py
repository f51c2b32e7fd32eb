"""The provenance of a stage that writes single files, into a folder that may hold others'."""

import argparse
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tap2key.core.errors import Tap2keyError
from tap2key.core.files import read_json, write_json
from tap2key.core.folders import FILES
from tap2key.core.output_guard import check_output_files, stem_of
from tap2key.core.provenance import FILE_NAME, write_provenance


def provenance_beside(file: Path) -> Path:
    """Where the provenance of a file goes: the folder's, unless that is of other files.

    Then it is named after the file.
    """
    usual = file.with_name(FILE_NAME)
    if not usual.exists() or file.name in _files_of(usual):
        return usual
    return file.with_name(f"{file.stem}.{FILE_NAME}")


def check_files_with_provenance(
    args: argparse.Namespace, endings: Sequence[str], others: Sequence[str] = ()
) -> list[Path]:
    """Check that a stage may write `args.output`, what comes with it and their provenance.

    Args:
        args: the stage's.
        endings: see `check_output_files`, also for what is raised.
        others: names of further files beside it.

    Returns:
        All files but the provenance.
    """
    check_output_files(args, endings, others)
    stem = stem_of(args.output)
    files = [stem.with_name(f"{stem.name}{ending}") for ending in endings]
    check_output_files(args, endings, (*others, provenance_beside(files[0]).name))
    return [*files, *map(stem.with_name, others)]


def write_provenance_beside(
    files: Sequence[Path],
    stage: str,
    module: str,
    settings: Mapping[str, Any],
    inputs: Iterable[str | Path],
    packages: Iterable[str],
) -> None:
    """Write what made some files, as `write_provenance` does for a folder.

    Args:
        files: all in one folder; the first one's name decides where it goes.
        stage: see `write_provenance`, also for what follows.
        module: its code is hashed.
        settings: what was chosen.
        inputs: files and folders that the files depend on.
        packages: those whose versions matter.
    """
    with TemporaryDirectory() as folder:
        write_provenance(folder, stage, module, settings, inputs, packages)
        facts = read_json(Path(folder) / FILE_NAME)
    write_json(provenance_beside(files[0]), {**facts, FILES: sorted(file.name for file in files)})


def _files_of(provenance: Path) -> list[str]:
    try:
        return list(read_json(provenance)[FILES])
    except (Tap2keyError, KeyError, TypeError):
        return []
