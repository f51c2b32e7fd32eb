"""Where recordings come from: a study on disk, a simulated one, or new ones to be named."""

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tap2key.audio.named_arrays import arrays_of
from tap2key.config.configuration import choose
from tap2key.core.digests import digest
from tap2key.core.errors import Tap2keyError
from tap2key.reading.unlabelled import can_be_input, state_of, unlabelled_recordings
from tap2key.simulation.plan import PlannedSession, plan_study
from tap2key.study.clip_folders import survey_clips
from tap2key.study.found_by_name import survey_by_name
from tap2key.study.manifest import Recording
from tap2key.study.naming import check_names, names_in_folder
from tap2key.study.scan import Found, check_recordings, in_order, survey_study
from tap2key.study.session_files import ACOUSTIC, NEONODE, TABLE_NAME, PassedOver
from tap2key.study.stated_truth import survey_stated
from tap2key.study.truth import EVENTS
from tap2key.study.truth import NEONODE as NEONODE_SOURCE

# Of a prediction without models, of a small model, and of one of the base model's 95 M parameters.
PREDICTION_MB, MODEL_MB, PRETRAINED_MB = 3000, 50, 500
BRACE = re.compile("[{}]")


def survey(config: Mapping[str, Any]) -> Found:
    """The recordings of a run, and what looks like one in the study but is not used.

    Raises:
        Tap2keyError: a study that cannot be read, or that lies where results would be written; or
            nothing in it was recorded with a selected array.
    """
    found, arrays = _everything(config), list(arrays_of(config))
    selected = choose(arrays, config["select_arrays"], "select_arrays")
    if selected == arrays:
        return found
    chosen = [r for r in found.recordings if r.array in selected]
    if not chosen:
        raise Tap2keyError(
            f"config: select_arrays: no session was recorded with {' or '.join(selected)}; the "
            f"column array of {TABLE_NAME} says which ones were"
        )
    others = [
        PassedOver(r.path, f"not in select_arrays ({r.array})", alarming=False).of(
            r.participant, r.session
        )
        for r in found.recordings
        if r.array not in selected
    ]
    return Found(chosen, [*found.passed_over, *others])


def _everything(config: Mapping[str, Any]) -> Found:
    if config["simulate"] is not None:
        check_results_apart(config, [])
        study = Path(simulated_study(config["results"].rstrip("/")))
        planned = planned_recordings(
            study, plan_study(config["simulate"]), config["session_pattern"]
        )
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
    truth, pattern = config["truth"], config["session_pattern"]
    said = (Path(table) if table else None, tuple(arrays_of(config)))
    if truth["source"] != NEONODE_SOURCE:
        by_events = truth["source"] == EVENTS
        if by_events and not truth["recordings"]:
            raise Tap2keyError(
                "config: truth.source is events; say in truth.recordings where recordings are, "
                "such as ['*/*.wav']"
            )
        where = (truth["recordings"], truth["files"])
        surveys = [
            survey_by_name(root, *where, pattern, *said)
            if by_events
            else survey_clips(root, *where, truth["labels"], pattern, *said)
            for root in roots
        ]
    else:
        surveys = [survey_study(root, pattern, *said) for root in roots]
    stated = [survey_stated(root, truth, pattern, *said) for root in roots]
    surveys += [part for part in stated if part.recordings or part.passed_over]
    recordings = [recording for part in surveys for recording in part.recordings]
    if len(surveys) > 1:
        check_recordings(recordings)
    passed_over = [passed for part in surveys for passed in part.passed_over]
    if not recordings:
        reasons = (
            f"; the first: {passed_over[0].path} {passed_over[0].reason}" if passed_over else ""
        )
        raise Tap2keyError(
            f"{', '.join(map(str, roots))}: no recording is left to be used{reasons}"
        )
    return Found(sorted(recordings, key=in_order), passed_over)


def check_results_apart(config: Mapping[str, Any], roots: Iterable[Path]) -> None:
    """Refuse results that are, hold or lie inside the study or the new recordings.

    Raises:
        Tap2keyError: so it is, or a file stands where results should be.
    """
    results = Path(config["results"])
    if results.exists() and not results.is_dir():
        raise Tap2keyError(f"config: results: {results} is a file; choose a folder")
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
    study: Path, sessions: Iterable[PlannedSession], session_pattern: str
) -> list[Recording]:
    """The recordings that simulating these sessions under `study` will make."""
    found = [
        Recording(
            **names_in_folder(session_pattern, session.folder),
            recording=Path(recording.name).stem,
            path=study / session.folder / ACOUSTIC / recording.name,
            start=recording.start,
            latency_s=None,
            touch_files=(study / session.folder / NEONODE / session.touch_file,),
            groups=session.groups,
        )
        for session in sessions
        for recording in session.recordings
    ]
    check_names(found)
    return found


def simulated_study(results: str) -> str:
    """The folder of the simulated recordings."""
    return f"{results}/simulated/study"


def recordings_below(given: str) -> list[Path]:
    """The recordings in a folder, or the one file, that `predict.recordings` names.

    Raises:
        Tap2keyError: there are none.
    """
    if not given.isprintable():
        raise Tap2keyError(f"predict.recordings: {given!r} is not valid text; rename it")
    return [recording.path for recording in unlabelled_recordings([Path(given)])]


def as_inputs(recordings: Iterable[Path]) -> list[str]:
    """The recordings that Snakemake can have as inputs.

    Raises:
        Tap2keyError: Snakemake would read a wildcard in a path.
    """
    paths = [str(path) for path in recordings if can_be_input(path)]
    for path in paths:
        if BRACE.search(path):
            raise Tap2keyError(f"{path}: has a brace in its path; rename it")
    return paths


def state_of_others(recordings: Iterable[Path]) -> str:
    """A hash of the other files that the stage reads, or lists as left out.

    Snakemake cannot have names that are no text, or links to nowhere, among its inputs.
    """
    return digest([state_of(path) for path in recordings if not can_be_input(path)])


def prediction_mb(checkpoints: Iterable[str | None]) -> int:
    """Memory, in MB, that holds models at once, by what each of them was trained from."""
    models = [MODEL_MB if checkpoint is None else PRETRAINED_MB for checkpoint in checkpoints]
    return PREDICTION_MB + sum(models)
