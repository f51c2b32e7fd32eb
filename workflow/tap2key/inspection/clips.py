"""Clips already cut, one tap each: which files are such, and what says their keys."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from tap2key.core.errors import Tap2keyError
from tap2key.inspection.census import Census, Sound
from tap2key.study.clips import clips_of
from tap2key.study.manifest import NO_START, Recording
from tap2key.study.truth import CLIPS, Truth

# As long as one tap with what was cut around it.
LONGEST_CLIP_S = 3.0
FEWEST_CLIPS = 8
NAMED_IN_TABLE = 0.5
# A table of the labels of 100,000 clips.
LARGEST_TABLE = 8 << 20


@dataclass
class Clips:
    """Clips of one folder, or of folders named by key.

    `table` says the keys; None: the folders' names do. `labels` is each labelled clip's.
    """

    folder: Path
    clips: list[Path]
    table: Path | None
    labels: dict[Path, str] = field(default_factory=dict)

    @property
    def entries(self) -> Counter[str]:
        """How often each key came, as the table or the folders name it."""
        return Counter(self.labels.values())


def find_clips(
    sounds: Sequence[Sound], census: Census, is_key: Callable[[str], bool]
) -> list[Clips]:
    """Folders of short recordings that a table, or their own names, label.

    Args:
        sounds: recordings without an event table and outside sessions.
        census: the files around them.
        is_key: whether a folder's name means a key.
    """
    folders: dict[Path, list[Sound]] = {}
    for sound in sounds:
        folders.setdefault(sound.path.parent, []).append(sound)
    short = {
        folder: [s.path for s in own]
        for folder, own in folders.items()
        if median(s.seconds for s in own) <= LONGEST_CLIP_S
    }
    found: list[Clips] = []
    tables: dict[Path, list[Path]] = {}
    for table in census.tables:
        tables.setdefault(table.parent, []).append(table)
    by_name: dict[Path, list[Path]] = {}
    for folder, paths in short.items():
        names = {path.stem for path in paths}
        near = [*tables.get(folder, []), *tables.get(folder.parent, [])]
        labelled = [(t, labels_in(t, folder)) for t in near if t.stem not in names]
        best = max(labelled, key=lambda own: len(own[1]), default=None)
        if best and len(paths) >= FEWEST_CLIPS and len(best[1]) >= NAMED_IN_TABLE * len(paths):
            found.append(Clips(folder, paths, *best))
        elif is_key(folder.name):
            by_name.setdefault(folder.parent, []).append(folder)
    for parent, keys in by_name.items():
        clips = [path for folder in keys for path in short[folder]]
        if len(keys) > 1 and len(clips) >= FEWEST_CLIPS:
            found.append(Clips(parent, clips, None, {p: p.parent.name for p in clips}))
    return found


def labels_in(table: Path, folder: Path) -> dict[Path, str]:
    """The keys that a run would give the clips of a folder by a table; none if it could not."""
    try:
        if table.stat().st_size > LARGEST_TABLE:
            return {}
        read = Recording("", "", "", folder, NO_START, None, (table,), truth=CLIPS)
        clips, _ = clips_of(read, Truth())
    except (OSError, Tap2keyError):
        return {}
    return {clip.path: clip.key for clip in clips if clip.key is not None}
