"""Where a run's recordings come from: a study on disk, or one that will be simulated."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tap2key.errors import Tap2keyError
from tap2key.simulate.plan import PlannedSession, plan_study
from tap2key.study import (
    ACOUSTIC,
    NEONODE,
    Recording,
    check_names,
    in_order,
    names_in_folder,
    scan_study,
)


def find_recordings(config: Mapping[str, Any]) -> list[Recording]:
    """The recordings of the study on disk, or of the one that will be simulated."""
    if config["simulate"] is not None:
        study = Path(simulated_study(config["results"].rstrip("/")))
        return planned_recordings(study, plan_study(config["simulate"]), config["layout"])
    roots, table = study_roots(config), config["study_table"]
    if not roots:
        raise Tap2keyError("config: neither study nor simulate is set; set study to a folder")
    for root in roots:
        if any(root.is_relative_to(other) for other in roots if other != root):
            raise Tap2keyError(f"config: study: {root} lies inside another root; leave it out")
    if len(roots) > 1 and table:
        raise Tap2keyError("config: study_table is for one root; put a study.tsv into each instead")
    found = [
        recording
        for root in roots
        for recording in scan_study(root, config["layout"], Path(table) if table else None)
    ]
    check_names(found)
    return sorted(found, key=in_order)


def study_roots(config: Mapping[str, Any]) -> list[Path]:
    """The study's root folders: one, several or, where nothing is read, none."""
    named = config["study"]
    return [Path(root) for root in ([named] if isinstance(named, str) else named or [])]


def planned_recordings(
    study: Path, sessions: Iterable[PlannedSession], layout: str
) -> list[Recording]:
    """The recordings that simulating these sessions under `study` will make."""
    found = [
        Recording(
            **names_in_folder(layout, session.folder),
            recording=Path(recording.name).stem,
            path=study / session.folder / ACOUSTIC / recording.name,
            start=recording.start,
            latency_s=None,
            touch_files=(study / session.folder / NEONODE / session.touch_file,),
        )
        for session in sessions
        for recording in session.recordings
    ]
    check_names(found)
    return found


def simulated_study(results: str) -> str:
    """The folder of the simulated recordings."""
    return f"{results}/simulated/study"
