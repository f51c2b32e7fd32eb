"""Rows of study.tsv for sessions that were not recorded, or not labelled, as most were."""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tap2key.audio.array import MOST_CHANNELS, SLOWEST_RATE
from tap2key.audio.named_arrays import STUDYS_OWN
from tap2key.inspection.census import Odd, Sound
from tap2key.inspection.findings import Inspection
from tap2key.study.session_files import ACOUSTIC
from tap2key.study.truth import CLIPS, NEONODE

COLUMNS = ("path", "array", "truth")
Rows = dict[str, dict[str, str]]


def further_arrays(found: Inspection, config: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """Arrays of other numbers of channels than most recordings have, by name.

    Args:
        found: what is in the folder.
        config: a complete configuration, whose `arrays` keep their names.
    """
    rates: dict[int, Counter[int]] = {}
    for sound in [*found.recordings, *found.others]:
        rates.setdefault(sound.channels, Counter())[sound.sample_rate] += 1
    named = {own["channels"]: name for name, own in reversed(config["arrays"].items())}
    return {
        named.get(channels, f"channels-{channels}"): {
            "channels": channels,
            "sample_rate": max(own.most_common(1)[0][0], SLOWEST_RATE),
        }
        for channels, own in sorted(rates.items())
        if channels != found.usual_channels and channels <= MOST_CHANNELS
    }


def table_rows(found: Inspection, arrays: Mapping[str, Mapping[str, int]]) -> Rows:
    """The cells of study.tsv by session folder, relative to the root; none where it is as most are.

    A session of several arrays has no row for them, and is listed as odd.

    Args:
        found: what is in the folder.
        arrays: as `further_arrays` gives them.
    """
    names = {own["channels"]: name for name, own in arrays.items()}
    used: dict[str, set[str]] = {}
    truths: dict[str, str] = {}
    for sound, truth in _with_truth(found):
        folder = _session(sound, truth, found).relative_to(found.census.root).as_posix()
        used.setdefault(folder, set()).add(names.get(sound.channels, STUDYS_OWN))
        truths[folder] = truth
    rows: Rows = {}
    for folder, own in sorted(used.items()):
        if len(own) > 1:
            said = f"recordings of several arrays ({', '.join(sorted(own))}) in one session"
            found.census.odd.append(Odd(folder, said))
        cells = {
            "array": "".join(own - {STUDYS_OWN}) if len(own) == 1 else "",
            "truth": truths[folder] if truths[folder] != found.source else "",
        }
        if any(cells.values()):
            rows[folder] = cells
    return rows


def lines_of(rows: Rows, prefix: str) -> Iterator[str]:
    """The lines of the table, a header first; paths begin with a prefix."""
    yield "\t".join(COLUMNS)
    for folder, cells in rows.items():
        path = f"{prefix}{folder}".removesuffix("/.")
        yield "\t".join((path, *(cells[name] for name in COLUMNS[1:])))


def _with_truth(found: Inspection) -> Iterator[tuple[Sound, str]]:
    assert found.source is not None or not found.recordings
    yield from ((sound, found.source or "") for sound in found.recordings)
    yield from found.others.items()


def _session(sound: Sound, truth: str, found: Inspection) -> Path:
    """The folder by which study.tsv names the session of a recording."""
    if truth == NEONODE:
        return found.sessions.of[sound.path]
    if truth == CLIPS:
        return next(part.folder for part in found.clips if sound.path in part.labels)
    folder = sound.path.parent
    return folder.parent if folder.name == ACOUSTIC else folder
