"""Recordings with known texts, as a model hears them and as the touch sensor saw them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tap2key.decoding.characters import Characters, log_of, symbol_of
from tap2key.decoding.text_entry import Entered
from tap2key.models.ensemble import Ensemble
from tap2key.segmentation.taps import array_of_taps, load_taps
from tap2key.study.texts import ENTER, SPACE, Asked, Key

WINDOWS_AT_ONCE = 64


@dataclass(frozen=True)
class Heard:
    """One recording.

    Attributes:
        key: participant, session and recording.
        phrases: what was asked for.
        time_s: [taps], onsets.
        log_probabilities: [taps, labels], natural logarithms, of all taps that were found, whether
            the sensor saw them or not.
        seen: [taps], the key by the sensor, None where it saw none.
    """

    key: Key
    phrases: tuple[str, ...]
    time_s: np.ndarray
    log_probabilities: np.ndarray
    seen: tuple[str | None, ...]

    def named(self, labels: Sequence[str], types: Callable[[str], str]) -> list[Entered]:
        """What the likeliest key of each tap types."""
        best = self.log_probabilities.argmax(axis=1)
        return self._entered([labels[at] for at in best], types)

    def typed(self, types: Callable[[str], str]) -> list[Entered]:
        """What the keys type that the sensor saw."""
        return self._entered(self.seen, types)

    def _entered(self, keys: Sequence[str | None], types: Callable[[str], str]) -> list[Entered]:
        texts = ["" if key is None else symbol_of(key, types) for key in keys]
        pairs = zip(texts, self.time_s.tolist(), strict=True)
        return [Entered(text, time_s) for text, time_s in pairs if text]


def end_of_phrase(characters: Characters) -> str:
    """What ends a phrase: Enter, or a space where there is no Enter."""
    return ENTER if ENTER in characters.symbols else SPACE


def heard_in(
    folders: Sequence[Path], model: Path, texts: Mapping[Key, Asked], allow_other_version: bool
) -> tuple[list[Heard], list[Key]]:
    """The recordings whose texts are known, with what a model makes of their taps.

    Args:
        folders: taps of sessions, as `segment` writes them.
        model: a model's folder.
        texts: what was asked for, by recording.
        allow_other_version: accept a model made with another version of its library.

    Returns:
        The recordings in order of the folders, and those of no known text.

    Raises:
        Tap2keyError: see `load_taps` and `Ensemble`.
    """
    ensembles: dict[object, Ensemble] = {}
    found, unknown = [], []
    for folder in folders:
        table, windows = load_taps(folder)
        keys = list(
            zip(
                *(table[name].to_pylist() for name in ("participant", "session", "recording")),
                strict=True,
            )
        )
        times, labels = table["time_s"].to_numpy(), table["label"].to_pylist()
        for key in dict.fromkeys(keys):
            if key not in texts:
                unknown.append(key)
                continue
            rows = np.array([row for row, other in enumerate(keys) if other == key])
            rows = rows[np.argsort(times[rows], kind="stable")]
            array = array_of_taps(table)
            if array not in ensembles:
                ensembles[array] = Ensemble([model], allow_other_version, array)
            parts = [
                ensembles[array].probabilities(np.asarray(windows[rows[at : at + WINDOWS_AT_ONCE]]))
                for at in range(0, len(rows), WINDOWS_AT_ONCE)
            ]
            logarithms = log_of(np.concatenate(parts))
            seen = tuple(labels[row] for row in rows)
            found.append(Heard(key, texts[key].phrases, times[rows], logarithms, seen))
    return found, unknown
