"""When the taps of rows came: from recordings' starts and the order of taps in them."""

from collections.abc import Collection, Sequence

import numpy as np
import pyarrow as pa

from tap2key.core.errors import Tap2keyError
from tap2key.core.names import by_number
from tap2key.study.manifest import Recording


def in_time(identity: pa.Table, manifest: Sequence[Recording]) -> np.ndarray:
    """The place of each row in the time order of all: [rows].

    Recordings are ordered by the manifest's starts, then by names and the numbers in
    them; without a manifest rows are taken to be in order.

    Raises:
        Tap2keyError: a recording is not in the manifest.
    """
    if not manifest:
        return np.arange(len(identity))
    when = {
        key_of_recording(r): (r.start, by_number(r.session), by_number(r.recording))
        for r in manifest
    }
    rank = {key: at for at, key in enumerate(sorted(when, key=lambda key: (when[key], key)))}
    recordings = np.array([rank[key] for key in recordings_of(identity, rank)], dtype=int)
    places = np.empty(len(identity), dtype=int)
    places[np.lexsort((identity["tap"].to_numpy(), recordings))] = np.arange(len(identity))
    return places


def recordings_of(identity: pa.Table, known: Collection[tuple]) -> list[tuple]:
    """Each row's participant, session and recording.

    Raises:
        Tap2keyError: one is not `known` from the manifest.
    """
    keys = list(zip(*names_of(identity), strict=True))
    unknown = next((key for key in keys if key not in known), None)
    if unknown is not None:
        raise Tap2keyError(
            f"--manifest: no recording {'/'.join(unknown)}, which the datasets hold; give the "
            "manifest of the run that made them"
        )
    return keys


def names_of(identity: pa.Table) -> list[np.ndarray]:
    """Participants, sessions and recordings: [rows] each."""
    columns = ("participant", "session", "recording")
    return [identity[column].to_numpy(zero_copy_only=False) for column in columns]


def key_of_recording(recording: Recording) -> tuple[str, str, str]:
    """A recording's participant, session and name."""
    return recording.participant, recording.session, recording.recording
