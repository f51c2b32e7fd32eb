"""What a stage refuses to write to, before any work: whatever would harm something of the user's.

Every stage that writes begins with one of the checks; `folders` and `files` then do the writing.
"""

import argparse
import os
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

import psutil

from tap2key.core.errors import Tap2keyError
from tap2key.core.folders import standing

# Flag, or what it is, and path.
Source = tuple[str, str | Path]
ENDINGS = (".tsv", ".html", ".png", ".pdf")


def check_output_folder(
    args: argparse.Namespace, stage: str, inputs: Iterable[Source] = (), shared: bool = False
) -> None:
    """Check that a stage may write the folder `args.output`.

    Every path among the arguments is an input, for what else could it be.

    Args:
        args: the stage's.
        stage: its name, as in the provenance of its outputs.
        inputs: further inputs, which no argument names as a path.
        shared: folders of other stages, inputs among them, may lie in an earlier output.

    Raises:
        Tap2keyError: it is, holds or lies inside an input, is a file or a mount point, is or holds
            the current folder, cannot be written, or holds what the stage did not write.
    """
    check_folder(args.output, stage, [*path_arguments(args), *inputs], shared)


def check_folder(
    given: Path,
    stage: str,
    inputs: Iterable[Source],
    shared: bool = False,
    earlier: frozenset[str] | None = None,
) -> None:
    """Check one folder that a stage writes; see `check_output_folder` and `standing`."""
    real = _resolved(given)
    if real.exists() and not real.is_dir():
        raise Tap2keyError(f"{given}: is a file, but a folder is to be written; choose a folder")
    here = Path.cwd()
    if real in (here, *here.parents):
        raise Tap2keyError(f"{given}: is or contains the current folder; choose a new folder in it")
    if real.is_dir() and _is_mounted(real):
        raise Tap2keyError(f"{given}: is a mount point; choose a folder in it")
    there = standing(real, stage, earlier)
    ours = there.usable and (there.by_name or bool(there.written))
    _check_apart(given, real, inputs, may_hold=shared and ours)
    if not there.usable:
        found = next(name for name in there.others if not name.endswith("/"))
        raise Tap2keyError(
            f"{given}: holds {found}, and is not an earlier output of {stage}; "
            "choose a new or empty folder"
        )
    _check_writable(given, real.parent)


def check_output_files(
    args: argparse.Namespace, endings: Sequence[str] = (), others: Iterable[str] = ()
) -> None:
    """Check that a stage may write the file `args.output`, and what comes with it.

    A file that was asked for by name replaces one of that name, as long as it is no part of an
    input. Those that come with it replace only those that came with an earlier one.

    Args:
        args: the stage's.
        endings: of the files that are written, where it is not the named one alone.
        others: names of further files beside it.

    Raises:
        Tap2keyError: one of them is an input or in one already, is a folder, cannot be written, or
            stands there though the first does not.
    """
    given = args.output
    if _resolved(given).is_dir():
        raise Tap2keyError(f"{given}: is a folder, but a file is to be written; choose a file")
    stem = stem_of(given)
    files = [stem.with_name(f"{stem.name}{ending}") for ending in endings] or [given]
    files += [given.with_name(name) for name in others]
    sources = path_arguments(args)
    _check_apart(given, _resolved(given), sources, may_hold=True, may_lie_inside=True)
    for file in files:
        real = _resolved(file)
        if real.exists() and not real.is_file():
            raise Tap2keyError(f"{file}: is not a regular file; choose another file")
        _check_apart(file, real, sources, may_hold=True, may_lie_inside=not real.exists())
        if real.exists() and not _resolved(files[0]).exists():
            raise Tap2keyError(
                f"{file}: would be overwritten, and is there without {files[0].name}; move it "
                "away or choose another file"
            )
        _check_writable(file, real.parent)


def stem_of(output: Path) -> Path:
    """A path without its ending, if that is one of a table, a page or a picture."""
    return output.with_suffix("") if output.suffix in ENDINGS else output


def path_arguments(args: argparse.Namespace) -> list[Source]:
    """Every path among the arguments except the output, with the flag that it was given to."""
    found: list[Source] = []
    for name, value in vars(args).items():
        paths = value if isinstance(value, list) else [value]
        if name != "output":
            flag = f"--{name.replace('_', '-')}"
            found += [(flag, path) for path in paths if isinstance(path, Path)]
    return found


def _resolved(given: Path) -> Path:
    """Where a path leads to; a link on the way has to lead to something."""
    try:
        dangling = [
            path
            for path in (given, *given.absolute().parents)
            if path.is_symlink() and not path.exists()
        ]
    except OSError as error:
        raise Tap2keyError(f"{given}: cannot be used ({error.strerror}); choose another") from None
    if dangling:
        raise Tap2keyError(
            f"{given}: {dangling[0]} is a link to {dangling[0].readlink()}, which is not there; "
            "create that folder, or choose another"
        )
    return Path(os.path.realpath(given))


def _is_mounted(real: Path) -> bool:
    # `ismount` does not see a folder that is mounted from the same disk.
    mounted = (part.mountpoint for part in psutil.disk_partitions(all=True))
    return os.path.ismount(real) or str(real) in mounted


def _check_apart(
    given: Path,
    real: Path,
    inputs: Iterable[Source],
    may_hold: bool,
    may_lie_inside: bool = False,
) -> None:
    identity = cache(_identity)
    output, above = identity(real), {identity(folder) for folder in real.parents}
    for flag, path in inputs:
        source = Path(os.path.realpath(path))
        if identity(source) == output:
            how = "is also an input"
        elif not may_lie_inside and identity(source) in above:
            how = "lies inside an input"
        elif not may_hold and output in map(identity, source.parents):
            how = "holds an input"
        else:
            continue
        raise Tap2keyError(f"{given}: {how} ({flag} {path}); choose another")


def _identity(path: Path) -> object:
    """Equal for two paths to one thing, also on a disk that ignores case, or links it twice."""
    try:
        status = path.stat()
    except OSError:
        return str(path)
    return status.st_dev, status.st_ino


def _check_writable(given: Path, folder: Path) -> None:
    while not os.path.lexists(folder):
        folder = folder.parent
    if not folder.is_dir():
        raise Tap2keyError(f"{given}: {folder} is a file, not a folder; choose another")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise Tap2keyError(f"{given}: cannot write into {folder}; choose another folder")
