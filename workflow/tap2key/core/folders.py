"""Folders that appear whole or not at all, and replace nothing but what their stage once wrote."""

import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tap2key.core.errors import Tap2keyError
from tap2key.core.files import read_json, room_at, temporary_beside, write_json
from tap2key.core.log import log
from tap2key.core.provenance import FILE_NAME

# Set by the workflow for its jobs. Snakemake deletes what a rule declares, provenance included,
# before the rule's job starts: below this folder the names of the declared files are the stage's.
RESULTS_VARIABLE = "TAP2KEY_RESULTS"
FILES = "files"
# Left in a folder by other programs, and nobody's loss.
DROPPINGS = (".snakemake_timestamp", ".DS_Store", "Thumbs.db", "desktop.ini")
UNFINISHED = "-unfinished"
# Earlier versions named the module, and did not list their files.
MODULE_PREFIX = "tap2key."
STAGES_OF_MODULES = {
    "calibrate": "adaptation-scores",
    "calibration_curve": "adaptation-curve",
    "evaluation": "evaluate",
    "export_dataset": "export",
    "export_prototype": "export",
    "simulate.stage": "simulate",
}
# In earlier versions these wrote into folders that might hold other things too.
WROTE_BESIDE_OTHERS = ("segment", "preview", "adaptation-curve")


@dataclass(frozen=True)
class Standing:
    """What stands where a stage shall write its folder.

    `leaves` are files, and folders without any, whose names end in a slash; `written` those of them
    that an earlier output of the stage consists of. `usable` says that the stage may write here at
    all; if not, one leaf may stand for all. `by_name` says that files named like new ones are
    earlier ones, of which there is no list.
    """

    leaves: frozenset[str] = frozenset()
    written: frozenset[str] = frozenset()
    usable: bool = True
    by_name: bool = False

    @property
    def others(self) -> list[str]:
        """What the stage did not write, as far as is known."""
        return sorted(self.leaves - self.written)


def standing(folder: Path, stage: str, earlier: frozenset[str] | None = None) -> Standing:
    """Look at what stands at `folder`, which may not exist.

    Args:
        folder: an output's place.
        stage: whose output.
        earlier: what an earlier output consists of, where the folder itself does not say.
    """
    if earlier is not None:
        found = leaves(folder)
        others = found - earlier
        return Standing(found, found & earlier, usable=all(name.endswith("/") for name in others))
    metadata = _provenance(folder)
    ours = _stage(metadata) == stage
    if not ours and not _in_the_workflow(folder):
        # Not all of them: somebody's home may hold millions.
        file = next((name for name in _leaves(folder) if not name.endswith("/")), None)
        found = frozenset(_leaves(folder)) if file is None else frozenset([file])
        return Standing(found, usable=file is None)
    found = leaves(folder)
    if ours:
        if isinstance(metadata.get(FILES), list):
            return Standing(found, found & {FILE_NAME, *map(str, metadata[FILES])})
        if stage in WROTE_BESIDE_OTHERS:
            return Standing(found, found & {FILE_NAME}, by_name=True)
        return Standing(found, found)
    return Standing(found, by_name=True)


def leaves(folder: Path) -> frozenset[str]:
    """Files and links below a folder, and folders that hold neither, by relative path."""
    return frozenset(_leaves(folder))


def _leaves(folder: Path) -> Iterator[str]:
    for root, folders, files in os.walk(folder):
        here = Path(root).relative_to(folder)
        links = [name for name in folders if (Path(root) / name).is_symlink()]
        own = [name for name in files if name not in DROPPINGS]
        yield from ((here / name).as_posix() for name in [*links, *own])
        if not folders and not own and here.parts:
            yield f"{here.as_posix()}/"


def _provenance(folder: Path) -> dict[str, Any]:
    try:
        metadata = read_json(folder / FILE_NAME)
    except Tap2keyError:
        return {}
    return metadata if isinstance(metadata, dict) else {}


def _stage(metadata: dict[str, Any]) -> str | None:
    name = metadata.get("stage")
    if isinstance(name, str) and name.startswith(MODULE_PREFIX):
        name = name.removeprefix(MODULE_PREFIX)
        return STAGES_OF_MODULES.get(name, name)
    return name


def _in_the_workflow(folder: Path) -> bool:
    results = os.environ.get(RESULTS_VARIABLE, "")
    return results != "" and Path(os.path.realpath(results)) in folder.parents


@contextmanager
def atomic_folder(
    path: str | Path,
    stage: str,
    earlier: frozenset[str] | None = None,
    irreplaceable: Callable[[Path], bool] = lambda _: False,
) -> Iterator[Path]:
    """Yield an empty temporary folder; it becomes `path` only when the block ends well.

    An earlier output of the stage is replaced as a whole. Whatever else has come to lie in the
    folder stays where it is, and then the new files are moved to it one by one, the provenance
    last. If `path` is a link, the folder that it leads to is written.

    Args:
        path: the folder; see `output_guard` for what has to be refused before any work.
        stage: its name, as in the folder's provenance, which the block has to write.
        earlier: for a folder without provenance, the files of an earlier output.
        irreplaceable: whether the temporary folder holds what no second run could make again. If
            so it is not removed when the block fails, but stays beside `path`, and the log says
            where.

    Raises:
        Tap2keyError: the disk is full, or a new file would take the place of one that is not of an
            earlier output.
    """
    real = Path(os.path.realpath(path))
    real.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_beside(real)
    temporary.mkdir()
    remove = True
    try:
        with room_at(Path(path)):
            yield temporary
            made = leaves(temporary)
            if earlier is None:
                metadata = read_json(temporary / FILE_NAME)
                write_json(temporary / FILE_NAME, {**metadata, FILES: sorted(made - {FILE_NAME})})
        _put(temporary, real, made, lambda folder: standing(folder, stage, earlier), Path(path))
    except BaseException:
        remove = not irreplaceable(temporary)
        if not remove:
            _set_aside(temporary, real)
        raise
    finally:
        if remove:
            shutil.rmtree(temporary, ignore_errors=True)


def _set_aside(temporary: Path, real: Path) -> None:
    for number in itertools.count(1):
        aside = real.with_name(real.name + UNFINISHED + (f"-{number}" if number > 1 else ""))
        if not os.path.lexists(aside):
            break
    os.rename(temporary, aside)
    log.warning(f"{aside}: holds what there was until it failed; nothing of it was removed")


def _put(
    temporary: Path,
    real: Path,
    made: frozenset[str],
    look: Callable[[Path], Standing],
    given: Path,
) -> None:
    try:
        # Where nothing is, or an empty folder.
        os.rename(temporary, real)
        return
    except OSError:
        if not os.path.lexists(real):
            raise
    if not real.is_dir():
        raise Tap2keyError(f"{given}: has become a file in the meantime; choose another folder")
    if not look(real).others:
        replaced = temporary_beside(real)
        os.rename(real, replaced)
        # Only now nobody can put anything into it any more by its name.
        if not look(replaced).others:
            os.rename(temporary, real)
            # The new folder stands: what another program still holds open of the old may stay.
            shutil.rmtree(replaced, ignore_errors=True)
            return
        os.rename(replaced, real)
    _move_into(temporary, real, made, look(real), given)


def _move_into(
    temporary: Path, real: Path, made: frozenset[str], there: Standing, given: Path
) -> None:
    """Replace an earlier output's files one by one, and touch nothing else."""
    if not there.usable:
        there = Standing(leaves(real), there.written)
    clashes = sorted(name for name in made if _clashes(name, there))
    if clashes:
        raise Tap2keyError(
            f"{given}: {clashes[0]} in it is not from an earlier output; move it away and start "
            "again, or choose another folder"
        )
    for name in there.written - made:
        _remove(real, name)
    for name in sorted(made, key=lambda name: (name == FILE_NAME, name)):
        if name.endswith("/"):
            (real / name).mkdir(parents=True, exist_ok=True)
        else:
            (real / name).parent.mkdir(parents=True, exist_ok=True)
            os.replace(temporary / name, real / name)


def _clashes(name: str, there: Standing) -> bool:
    others = there.leaves - there.written
    taken = name in others and not name.endswith("/") and not there.by_name
    below_a_file = any(str(parent) in others for parent in Path(name).parents)
    return taken or below_a_file or any(other.startswith(f"{name}/") for other in others)


def _remove(folder: Path, name: str) -> None:
    """Remove a file, and the folders that are then empty."""
    path = folder / name
    if not name.endswith("/"):
        path.unlink(missing_ok=True)
        path = path.parent
    while path != folder:
        try:
            path.rmdir()
        except OSError:
            return
        path = path.parent
