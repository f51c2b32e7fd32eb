"""The lines of configuration to start with, for what a folder was found to hold."""

import glob
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from tap2key.audio.array import MOST_CHANNELS, SLOWEST_RATE, Array, array_of
from tap2key.audio.named_arrays import STUDYS_OWN
from tap2key.config.experiments import shipped_experiments
from tap2key.core.errors import Tap2keyError
from tap2key.core.shipped import SHIPPED_KEYBOARDS
from tap2key.datasets.crops import cut_too_early
from tap2key.inspection.findings import Inspection
from tap2key.inspection.layout import Layout, layout_of, pattern_at
from tap2key.inspection.table_rows import further_arrays
from tap2key.study.naming import names_in_folder
from tap2key.study.truth import CLIPS, DROP, EVENTS, NEONODE

CHRONOLOGICAL, RANDOM = "chronological", "random"
# What is worth saying of a line, to whom it is suggested.
REMARKS = {
    "session_pattern": "who is who: participant and session, from the folders",
    "array": "as most recordings are",
    "arrays": "others, for which study.tsv has the rows above",
    "select_arrays": "one after the other; how they go together: docs/your-study.md",
    "truth": "what says when which key was struck",
    "releases": "drop: mechanical keys are heard when let go, too; none: they are not",
    "keyboard": "or a csv of your own, see docs/your-study.md",
    CHRONOLOGICAL: "one person: their last taps are tested",
    RANDOM: "one person, one key a recording: by time, tested keys would be unheard; flatters",
    "select_experiments": "what the array allows and, unless launch.gpu is set, a CPU can train",
    "experiments": "as shipped, at a rate of the array, or with as much sound as delays need",
}
# What to begin with, the first being what `predict` asks by default.
FOREST = "gcc-phat-forest"
BEGIN_WITH = ("pairs-waves-48000", FOREST, "level-forest", "wav2vec2-base")


def suggest(found: Inspection, config: Mapping[str, Any]) -> dict[str, Any]:
    """What to configure for a folder: its study, and what is not configured so already.

    Args:
        found: what is in the folder.
        config: a complete configuration, over which the suggestion will be put.
    """
    root = Path(os.path.abspath(found.census.root))  # noqa: PTH100 - links are the user's
    wanted: dict[str, Any] = {"study": str(root)}
    people: set[str] = set()
    if found.recordings:
        folders = _folders(found)
        alone = found.source == CLIPS and folders == ["."]
        if alone:
            # There the study itself is called by its name.
            folders = [root.name]
        layout = layout_of(root.name, folders, config["session_pattern"], _keys(found))
        if alone and layout.from_parent:
            layout = Layout(pattern_at(0, 0))
        prefix = ""
        if layout.from_parent:
            wanted["study"], prefix = str(root.parent), f"{root.name}/"
        wanted["session_pattern"] = layout.pattern
        people = _people(layout.pattern, [_joined(prefix, folder) for folder in folders])
        if found.source == EVENTS:
            wanted["truth"] = _truth(found, prefix)
        elif found.source == CLIPS:
            wanted["truth"] = _clips(found, prefix)
    if found.keyboard in SHIPPED_KEYBOARDS:
        wanted["keyboard"] = found.keyboard
    array = _array(found)
    if array:
        wanted["array"] = array
        arrays = further_arrays(found, config)
        if arrays:
            wanted["arrays"] = arrays
            if not config["arrays"]:
                wanted["select_arrays"] = [STUDYS_OWN]
        slowest = min(own["sample_rate"] for own in (array, *arrays.values()))
        every = array_of(config["array"] | array | {"sample_rate": slowest})
        wanted |= _experiments(every, config)
    if len(people) == 1 and config["experiment_defaults"]["split"].startswith("leave_one_part"):
        wanted["experiment_defaults"] = {"split": RANDOM if _one_key_each(found) else CHRONOLOGICAL}
    return {"study": wanted["study"], **_differing(wanted, config)}


def as_yaml(suggestion: Mapping[str, Any]) -> str:
    """A suggestion as a file of configuration, with remarks; `{}` is one without any line."""
    return "{}\n" if not suggestion else "".join(f"{line}\n" for line in _lines(suggestion, ""))


def _lines(part: Mapping[str, Any], indent: str) -> Iterator[str]:
    for key, value in part.items():
        known = value if key == "split" else key
        remark = f"  # {REMARKS[known]}" if known in REMARKS else ""
        if isinstance(value, dict) and value and key != "columns":
            yield f"{indent}{key}:{remark}"
            yield from _lines(value, indent + "  ")
            continue
        text = yaml.safe_dump(
            value, default_flow_style=True, allow_unicode=True, sort_keys=False, width=10**6
        )
        yield f"{indent}{key}: {text.removesuffix('...' + chr(10)).strip()}{remark}"


def _differing(wanted: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    """What is not in the configuration yet."""
    changed: dict[str, Any] = {}
    for key, value in wanted.items():
        if key not in config:
            changed[key] = value
        elif isinstance(value, dict) and isinstance(config[key], dict):
            if inner := _differing(value, config[key]):
                changed[key] = inner
        elif config[key] != value:
            changed[key] = value
    return changed


def _folders(found: Inspection) -> list[str]:
    """Of the sessions, or of the recordings where these lie anywhere; relative to the root."""
    root = found.census.root
    paths = (
        [part.folder for part in found.clips]
        if found.source == CLIPS
        else [
            found.sessions.of[s.path] if found.source == NEONODE else s.path.parent
            for s in found.recordings
        ]
    )
    return sorted({path.relative_to(root).as_posix() for path in paths})


def _joined(prefix: str, folder: str) -> str:
    return f"{prefix}{folder}".removesuffix("/.")


def _keys(found: Inspection) -> set[str]:
    """Keys, which folders may be named by but nobody is."""
    if found.source == CLIPS:
        return {label for part in found.clips for label in part.entries}
    return set(found.tables.entries) if found.source == EVENTS else set()


def _people(pattern: str, folders: list[str]) -> set[str]:
    try:
        return {names_in_folder(pattern, folder)["participant"] for folder in folders}
    except Tap2keyError:
        return set()


def _truth(found: Inspection, prefix: str) -> dict[str, Any]:
    tables, root = found.tables, found.census.root
    patterns = set()
    for sound in found.recordings:
        depth = len(sound.path.relative_to(root).parts) - 1
        patterns.add(f"{glob.escape(prefix)}{'*/' * depth}*{sound.path.suffix}")
    truth: dict[str, Any] = {"source": EVENTS, "recordings": sorted(patterns)}
    truth |= {"files": tables.files, "unit": tables.unit}
    if tables.columns:
        truth["columns"] = tables.columns
    if found.keyboard in SHIPPED_KEYBOARDS:
        truth["releases"] = DROP
    return truth


def _clips(found: Inspection, prefix: str) -> dict[str, Any]:
    patterns: set[str] = set()
    for part in found.clips:
        depth = len(part.folder.relative_to(found.census.root).parts)
        patterns.add(f"{glob.escape(prefix)}{'/'.join('*' * depth)}".removesuffix("/") or ".")
    tables = [(part.table, part.folder) for part in found.clips if part.table is not None]
    by = "table" if tables else "folders"
    truth: dict[str, Any] = {"source": CLIPS, "labels": by}
    if prefix or len(found.recordings) < len(found.census.sounds):
        truth["recordings"] = sorted(patterns)
    near = Counter(table.parent for table in found.census.tables)
    if any(table.parent != folder or near[folder] > 1 for table, folder in tables):
        table, folder = tables[0]
        truth["files"] = os.path.relpath(table, folder).replace("\\", "/")
    return truth


def _one_key_each(found: Inspection) -> bool:
    """Whether a recording holds one key only, as of people who strike key after key."""
    strokes = found.tables.strokes.values() if found.source == EVENTS else ()
    alone = [len({stroke.key for stroke in own}) == 1 for own in strokes]
    return sum(alone) * 2 > len(alone)


def _array(found: Inspection) -> dict[str, int]:
    if not found.arrays:
        return {}
    (channels, rate), _ = found.arrays.most_common(1)[0]
    if not 1 <= channels <= MOST_CHANNELS:
        return {}
    return {"channels": channels, "sample_rate": max(rate, SLOWEST_RATE)}


def _experiments(array: Array, config: Mapping[str, Any]) -> dict[str, Any]:
    """Experiments to begin with where not all of those that are selected can run.

    Otherwise whoever tries a study on a laptop trains a network of 95 million weights there.
    """
    experiments, gpu = config["experiments"], config["launch"]["gpu"]
    changes = {
        name: _changes(array, name, settings)
        for name, settings in experiments.items()
        if gpu or not _needs_gpu(settings)
    }
    can_run = [name for name, change in changes.items() if change == {}]
    if config["select_experiments"] != "all" or len(can_run) == len(experiments):
        return {}
    known = (*BEGIN_WITH, *(name for name in experiments if name not in shipped_experiments()))
    selected = [name for name in known if name in can_run]
    own = {
        _own_name(array, name, change): {"inherit": name, **change}
        for name in BEGIN_WITH
        if (change := changes.get(name))
    }
    return {"select_experiments": [*selected, *own]} | ({"experiments": own} if own else {})


def _own_name(array: Array, name: str, change: Mapping[str, Any]) -> str:
    kind = "mfcc-forest" if "kind" in change else name
    rate = [f"{array.sample_rate}"] if "sample_rate" in change["encoding"] else []
    wide = ["wide"] if "crop_ms" in change["encoding"] else []
    return "-".join([kind, *rate, *wide])


def _changes(array: Array, name: str, settings: Mapping[str, Any]) -> dict[str, Any] | None:
    """What to change of an experiment for the array; None where it does not allow it at all."""
    if array.channels == 1 and settings["kind"] in ("gcc_phat_forest", "level_forest"):
        at_its_rate = {"kind": "mfcc_forest", "encoding": {"sample_rate": array.sample_rate}}
        return at_its_rate if name == FOREST else None
    encoding, change = settings["encoding"], dict[str, Any]()
    if name == FOREST and encoding["sample_rate"] > array.sample_rate:
        change["sample_rate"] = array.sample_rate
    if key := cut_too_early(array, settings):
        if key != "encoding.crop_ms":
            return None
        change["crop_ms"] = [encoding["crop_ms"][0], 2 * array.max_delay_ms]
    try:
        fitted = encoding | change
        array.check_encoding(fitted["representation"], fitted["sample_rate"])
    except Tap2keyError:
        return None
    return {"encoding": change} if change else {}


def _needs_gpu(settings: Mapping[str, Any]) -> bool:
    """Whether a CPU would take days: what starts from a checkpoint is as large as that."""
    return settings["kind"] == "wav2vec2" and settings["model"]["checkpoint"] is not None
