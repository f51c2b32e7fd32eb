"""Where a run's recordings come from: a study on disk, or one that will be simulated."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tap2key.core.errors import Tap2keyError
from tap2key.simulation.plan import PlannedSession, plan_study
from tap2key.study.manifest import Recording
from tap2key.study.naming import check_names, names_in_folder
from tap2key.study.scan import Found, check_recordings, in_order, survey_study
from tap2key.study.session_files import ACOUSTIC, NEONODE


def find_recordings(config: Mapping[str, Any]) -> list[Recording]:
    """The recordings of the study on disk, or of the one that will be simulated."""
    return survey(config).recordings


def survey(config: Mapping[str, Any]) -> Found:
    """The recordings of a run, and what looks like one in the study but is not used.

    Raises:
        Tap2keyError: a study that cannot be read, or that lies where results would be written.
    """
    if config["simulate"] is not None:
        check_results_apart(config, [])
        study = Path(simulated_study(config["results"].rstrip("/")))
        planned = planned_recordings(study, plan_study(config["simulate"]), config["layout"])
        return Found(planned, [])
    roots, table = study_roots(config), config["study_table"]
    if not roots:
        raise Tap2keyError("config: neither study nor simulate is set; set study to a folder")
    for i, root in enumerate(roots):
        if any(_is_within(root, other) for other in roots[:i] + roots[i + 1 :]):
            raise Tap2keyError(f"config: study: {root} lies inside another root; leave it out")
    if len(roots) > 1 and table:
        raise Tap2keyError("config: study_table is for one root; put a study.tsv into each instead")
    check_results_apart(config, roots)
    found = [survey_study(root, config["layout"], Path(table) if table else None) for root in roots]
    recordings = [recording for part in found for recording in part.recordings]
    if len(roots) > 1:
        check_recordings(recordings)
    passed_over = [passed for part in found for passed in part.passed_over]
    return Found(sorted(recordings, key=in_order), passed_over)


def check_results_apart(config: Mapping[str, Any], roots: Iterable[Path]) -> None:
    """Refuse results that are, hold or lie inside the study or the new recordings.

    Raises:
        Tap2keyError: so it is, or a file stands where results should be.
    """
    results = Path(config["results"])
    if results.exists() and not results.is_dir():
        raise Tap2keyError(f"config: results: {results} is a file; name a folder")
    inputs = [("study", root) for root in roots]
    new = config["predict"]["recordings"]
    simulated = results / "simulated"
    # What was simulated is ours, and lies among the results.
    if new is not None and not (config["simulate"] and _is_within(Path(new), simulated)):
        inputs.append(("predict.recordings", Path(new)))
    for key, path in inputs:
        if _is_within(path, results) or _is_within(results, path):
            raise Tap2keyError(
                f"config: results ({results}) and {key} ({path}) are the same folder, or one lies "
                "inside the other; set results to a folder apart, such as --config "
                "results=../results"
            )


def _is_within(inner: Path, outer: Path) -> bool:
    """Whether a path is another or lies inside it, whatever links lead there."""
    return Path(os.path.realpath(inner)).is_relative_to(os.path.realpath(outer))


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
