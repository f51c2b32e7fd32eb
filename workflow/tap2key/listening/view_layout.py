"""Where the keys of a view's keyboard are, and what is written on them."""

from pathlib import Path
from typing import Any

import numpy as np

from tap2key.core.shipped import KEYBOARD
from tap2key.models.ensemble import Ensemble
from tap2key.reading.transcript import ENTER_MARK, Types
from tap2key.study.keyboard import Keyboard, load_keyboard
from tap2key.study.truth import RELEASE_LABEL

# Of keys whose size no file gives, in 0.1 mm: those of a usual keyboard.
USUAL_SIZE = 170.0
SPACE_MARK = "␣"


def view_layout(
    ensemble: Ensemble, keyboard: Path | None, types: Types, source: str
) -> dict[str, Any]:
    """What a view is told at its beginning.

    `keys` are places in 0.1 mm, from the upper left; a label may have several, or none.

    Args:
        ensemble: the models.
        keyboard: of their keys; None for the shipped one, if it has these keys.
        types: what a key types.
        source: the name of what is listened to.
    """
    found = load_keyboard(KEYBOARD if keyboard is None else keyboard)
    known = set(found.labels) | {RELEASE_LABEL}
    return {
        "source": source,
        "labels": list(ensemble.labels),
        "caps": [_cap(label, types) for label in ensemble.labels],
        "channels": ensemble.array.channels,
        "ignored": list(ensemble.array.ignore),
        "keys": _places(found, ensemble) if known.issuperset(ensemble.labels) else [],
    }


def _cap(label: str, types: Types) -> str:
    text = types(label)
    return {"\n": ENTER_MARK, " ": SPACE_MARK}.get(text, text) or label


def _places(keyboard: Keyboard, ensemble: Ensemble) -> list[dict[str, Any]]:
    labels = [keyboard.labels[index] for index in keyboard.centre_labels]
    shown = [
        row
        for row, label in enumerate(labels)
        if label != keyboard.outside
        and label in ensemble.labels
        and np.isfinite(keyboard.centres[row]).all()
    ]
    if not shown:
        return []
    sizes = np.nan_to_num(keyboard.sizes[shown], nan=USUAL_SIZE)
    centres = keyboard.centres[shown] * (1 if keyboard.rightwards else -1, 1)
    corners = centres - sizes / 2
    corners = corners - corners.min(axis=0)
    return [
        {
            "label": ensemble.labels.index(labels[row]),
            "place": [round(float(value), 1) for value in (*corner, *size)],
        }
        for row, corner, size in zip(shown, corners, sizes, strict=True)
    ]
