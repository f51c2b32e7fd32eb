"""Whether touches are fit to label taps: on the keyboard, and at times that tell taps apart."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tap2key.core.errors import Tap2keyError
from tap2key.study.keyboard import MM_PER_UNIT, Keyboard
from tap2key.study.touches import Touches

FEWEST_TOUCHES = 8
COARSE_US = 50_000
SECOND_US = 1_000_000
# Of the median distance between neighbouring keys: farther from every key than this is beside them.
BESIDE = 1.5
LEAST_ON_KEYBOARD = 0.75
# What other programs and cables do to coordinates.
MISTAKES = {
    "they look like millimetres, not 0.1 mm": lambda xy: xy * 10,
    "they look like 0.01 mm, not 0.1 mm": lambda xy: xy / 10,
    "x and y look swapped": lambda xy: xy[:, ::-1],
}


def check_touches(touches: Touches, keyboard: Keyboard, files: Sequence[Path]) -> None:
    """Refuse a session's touches that would give wrong labels.

    Args:
        touches: all of the session.
        keyboard: where its keys are.
        files: where the touches were read.

    Raises:
        Tap2keyError: the times have lost their fractions of seconds, or most places are beside the
            keyboard, or it lacks the place of a key.
    """
    keyboard.check_places("the sensor's touches")
    if len(touches.times) < FEWEST_TOUCHES:
        return
    where = ", ".join(map(str, files))
    fractions = touches.times.astype("int64") % SECOND_US
    step = int(np.gcd.reduce(np.append(fractions, SECOND_US)))
    if step >= COARSE_US:
        raise Tap2keyError(
            f"{where}: times are in steps of {step / SECOND_US:g} s, too coarse to tell taps "
            "apart; use the sensor's own log, not one that a spreadsheet saved"
        )
    share = _share_on(keyboard, touches.xy)
    if share < LEAST_ON_KEYBOARD:
        advice = "give the keyboard that was used (keyboard in the config), or mend the coordinates"
        for mistake, mended in MISTAKES.items():
            if _share_on(keyboard, mended(touches.xy)) >= LEAST_ON_KEYBOARD:
                advice = f"{mistake}: mend the log"
        raise Tap2keyError(
            f"{where}: {1 - share:.0%} of {len(touches.xy)} touches lie beside the keyboard; "
            f"{advice}"
        )


def _share_on(keyboard: Keyboard, xy: np.ndarray) -> float:
    """The share of touches near a key's centre."""
    apart = np.linalg.norm(keyboard.centres[:, None] - keyboard.centres[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    reach = BESIDE * float(np.median(apart.min(axis=1))) * MM_PER_UNIT
    return float((keyboard.distance_mm(xy) <= reach).mean())
