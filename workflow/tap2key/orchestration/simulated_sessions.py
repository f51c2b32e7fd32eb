"""How Snakemake knows that a session was simulated: by a marker that is made after its files.

A rule's outputs follow from its wildcards, and the names of a session's files do not: they carry
the times at which recordings start. So one rule makes a marker for each session, and what reads a
session's files waits for that.
"""

import os
from collections.abc import Collection, Iterable
from pathlib import Path

from tap2key.audio.array import DEFAULT, Array
from tap2key.orchestration.recording_sources import simulated_study
from tap2key.study.manifest import Recording

SIMULATION_MB = 2000


def simulation_mb(array: Array) -> int:
    """Memory, in MB, of a job that makes recordings of an array, which it holds as a whole."""
    # Rendered at one rate, then resampled to the array's.
    rate = max(array.sample_rate / DEFAULT.sample_rate, 1.0)
    return round(SIMULATION_MB * max(array.channels / DEFAULT.channels * rate, 1.0))


def marker_of(results: str, folder: str) -> str:
    """The marker of a session folder, beside the simulated study and never inside it."""
    return f"{results}/simulated/made/{folder}"


def files_to_declare(
    files: Iterable[str | Path], results: str, folders: Collection[str]
) -> list[str]:
    """What a job has to declare as inputs in order to read these files.

    Files of a simulated session are declared by its marker, and by themselves only if they were
    changed since it was made.

    Args:
        files: what the job reads, simulated or not.
        results: the folder of all results.
        folders: the session folders to be simulated, relative to the simulated study.
    """
    if not folders:
        return list(map(str, files))
    study = os.path.realpath(simulated_study(results))
    declared: dict[str, None] = {}
    for file in map(str, files):
        folder = _session_of(file, study)
        if folder is None or folder not in folders:
            declared[file] = None
            continue
        marker = marker_of(results, folder)
        declared[marker] = None
        if _is_newer(file, marker):
            declared[file] = None
    return list(declared)


def forget_incomplete(results: str, recordings: Iterable[Recording]) -> None:
    """Remove the markers of simulated sessions that lack a file, so that they are made anew."""
    study = os.path.realpath(simulated_study(results))
    for recording in recordings:
        for file in (recording.path, *recording.touch_files):
            folder = _session_of(str(file), study)
            if folder is not None and not file.exists():
                Path(marker_of(results, folder)).unlink(missing_ok=True)


def _session_of(file: str, study: str) -> str | None:
    """The session folder, relative to the study, of one of its recordings or touch logs."""
    path = Path(os.path.realpath(file))
    if not path.is_relative_to(study):
        return None
    # Below the session's folder there is one for recordings, and one for touches.
    return path.relative_to(study).parent.parent.as_posix()


def _is_newer(file: str, marker: str) -> bool:
    try:
        return Path(file).stat().st_mtime_ns > Path(marker).stat().st_mtime_ns
    except FileNotFoundError:
        # Still to be simulated.
        return False
