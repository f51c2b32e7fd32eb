"""The taps that a model is to be adapted to, and what it makes of them as it is."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from tap2key.core.errors import Tap2keyError
from tap2key.core.progress import progress
from tap2key.datasets.encoded_dataset import IDENTITY, PLACE
from tap2key.datasets.encoding import Encoding
from tap2key.datasets.representations import encode_windows
from tap2key.models.ensemble import Ensemble
from tap2key.models.model_folder import encoding_of
from tap2key.models.predictor import Predictor
from tap2key.reading.recorded_taps import WINDOWS_AT_ONCE, named_or_left_out
from tap2key.reading.unlabelled import Unlabelled
from tap2key.segmentation.taps import array_of_taps, keyboard_labels, load_taps
from tap2key.study.keyboard import Keyboard


class TapsToLearn(NamedTuple):
    """The taps to learn from.

    Attributes:
        identities: participant, session, recording and tap of each; none where only a recording
            is known.
        keys: [n], indices of the model's labels; -1 where there is none.
        probabilities: [n, labels], by the model as it is.
        left_out: of recordings that cannot be read, path and reason.
    """

    identities: list[tuple]
    keys: np.ndarray
    probabilities: np.ndarray
    left_out: Mapping[Path, str] = MappingProxyType({})

    @property
    def sessions(self) -> list[tuple[str, str]]:
        """Participant and session of each session that is known."""
        return sorted({identity[:2] for identity in self.identities})

    def as_dict(self) -> dict[str, Any]:
        """As an adapted model's metadata hold them."""
        left_out = [{"path": str(path), "reason": why} for path, why in self.left_out.items()]
        return {
            "number": len(self.keys),
            "sessions": self.sessions,
            "taps": self.identities,
            **({"left_out": left_out} if left_out else {}),
        }


def taps_in_folders(
    folders: Sequence[Path],
    model: Path,
    predictor: Predictor,
    metadata: dict[str, Any],
    labelled: bool,
    keyboard: Keyboard,
) -> TapsToLearn:
    """What a model makes of the taps in some folders, of the labelled ones alone or of all.

    Raises:
        Tap2keyError: they have other keys than the model, an array that it cannot read, or there
            are none; or most of their touches lie on other keys than labelled.
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
        _check_keyboard(table, keyboard, folder)
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
    """What a model makes of the taps in some recordings, as `predict` reads them.

    Raises:
        Tap2keyError: one that the user named cannot be read, or they hold no tap.
    """
    parts, left_out = [], {}
    for recording in progress(recordings, "recordings"):
        found = named_or_left_out(recording, ensemble, peak_height, releases)
        if isinstance(found, str):
            left_out[recording.path] = found
        else:
            parts.append(found.probabilities)
    if not any(map(len, parts)):
        raise Tap2keyError(f"{', '.join(str(r.path) for r in recordings)}: no tap in any of them")
    probabilities = np.concatenate(parts)
    return TapsToLearn([], np.full(len(probabilities), -1), probabilities, left_out)


def _check_keyboard(table: pa.Table, keyboard: Keyboard, folder: Path) -> None:
    """Refuse a keyboard that other keys are on than taps were labelled with, where touches tell."""
    names = np.array(keyboard.labels)
    labels = np.array(table["label"].to_pylist(), dtype=object)
    touched = np.stack([table[name].to_numpy() for name in PLACE], axis=1).astype(float)
    told = np.isfinite(touched).all(axis=1) & np.isin(labels, names[keyboard.centre_labels])
    if not told.any():
        return
    nearest = names[keyboard.nearest(touched[told])]
    elsewhere = int((nearest != labels[told]).sum())
    if elsewhere > len(nearest) / 2:
        raise Tap2keyError(
            f"{folder}: {elsewhere} of {len(nearest)} touches lie on other keys of --keyboard than "
            "their taps are labelled with; give the keyboard that labelled them"
        )


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
