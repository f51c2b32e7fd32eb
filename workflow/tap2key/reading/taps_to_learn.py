"""The taps that a model is to be adapted to, and what it makes of them as it is."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tap2key.core.errors import Tap2keyError
from tap2key.datasets.encoded_dataset import IDENTITY
from tap2key.datasets.encoding import Encoding
from tap2key.datasets.representations import encode_windows
from tap2key.models.ensemble import Ensemble
from tap2key.models.model_folder import encoding_of
from tap2key.models.predictor import Predictor
from tap2key.reading.recorded_taps import WINDOWS_AT_ONCE, name_taps, opened
from tap2key.reading.unlabelled import Unlabelled
from tap2key.segmentation.taps import array_of_taps, keyboard_labels, load_taps


class TapsToLearn(NamedTuple):
    """The taps to learn from.

    Attributes:
        identities: participant, session, recording and tap of each; none where only a recording
            is known.
        keys: [n], indices of the model's labels; -1 where there is none.
        probabilities: [n, labels], by the model as it is.
    """

    identities: list[tuple]
    keys: np.ndarray
    probabilities: np.ndarray

    @property
    def sessions(self) -> list[tuple[str, str]]:
        """Participant and session of each session that is known."""
        return sorted({identity[:2] for identity in self.identities})

    def as_dict(self) -> dict[str, Any]:
        """As an adapted model's metadata hold them."""
        return {"number": len(self.keys), "sessions": self.sessions, "taps": self.identities}


def taps_in_folders(
    folders: Sequence[Path],
    model: Path,
    predictor: Predictor,
    metadata: dict[str, Any],
    labelled: bool,
) -> TapsToLearn:
    """What a model makes of the taps in some folders, of the labelled ones alone or of all.

    Raises:
        Tap2keyError: they have other keys than the model, an array that it cannot read, or there
            are none.
    """
    labels, identities, keys, parts = metadata["labels"], [], [], []
    for folder in folders:
        table, windows = load_taps(folder, verify=True)
        if list(keyboard_labels(table)) != labels:
            raise Tap2keyError(
                f"{folder}: labelled with other keys than {model} was trained on "
                f"({len(keyboard_labels(table))} and {len(labels)}); segment the session again "
                "with that keyboard"
            )
        encoding = encoding_of(metadata)
        own = replace(encoding, array=array_of_taps(table))
        if not _fits(own, encoding):
            raise Tap2keyError(
                f"{folder}: recorded with a different array than {model} needs "
                f"({encoding.differences(own)})"
            )
        known = table["label"].to_pylist()
        rows = [row for row, label in enumerate(known) if label is not None or not labelled]
        taps = [tuple(tap.values()) for tap in table.select(IDENTITY).to_pylist()]
        identities += [taps[row] for row in rows]
        keys += [-1 if known[row] is None else labels.index(known[row]) for row in rows]
        parts += _asked(predictor, own, windows, rows)
    if not keys:
        kind = "labelled tap" if labelled else "tap"
        hint = "; --unlabelled learns without labels" if labelled else ""
        raise Tap2keyError(f"{', '.join(map(str, folders))}: no {kind} in any of them{hint}")
    return TapsToLearn(identities, np.array(keys), np.concatenate(parts))


def taps_in_recordings(
    recordings: Sequence[Unlabelled], ensemble: Ensemble, peak_height: float | None, releases: str
) -> TapsToLearn:
    """What a model makes of the taps in some recordings.

    Raises:
        Tap2keyError: one of them cannot be read, or they hold no tap.
    """
    parts = [
        name_taps(opened(recording, ensemble), ensemble, peak_height, releases)[1]
        for recording in recordings
    ]
    probabilities = np.concatenate(parts)
    if not len(probabilities):
        raise Tap2keyError(f"{', '.join(str(r.path) for r in recordings)}: no tap in any of them")
    return TapsToLearn([], np.full(len(probabilities), -1), probabilities)


def _fits(own: Encoding, encoding: Encoding) -> bool:
    """Whether windows of an array can be encoded, and as a model needs them."""
    try:
        own.check()
        return encoding.alike(own)
    except Tap2keyError:
        return False


def _asked(
    predictor: Predictor, encoding: Encoding, windows: np.ndarray, rows: Sequence[int]
) -> list[np.ndarray]:
    chunks = [rows[at : at + WINDOWS_AT_ONCE] for at in range(0, len(rows), WINDOWS_AT_ONCE)]
    return [predictor.probabilities(encode_windows(windows[chunk], encoding)) for chunk in chunks]
