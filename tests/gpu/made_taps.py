"""Taps whose keys are told by the delays between microphones, as a fold that training reads."""

from pathlib import Path
from typing import Any

import numpy as np

from tap2key.__main__ import main as tap2key
from tap2key.core.shipped import KEYBOARD
from tap2key.datasets.encode import encode
from tap2key.datasets.encoding import Encoding
from tap2key.segmentation.taps import TAPS_NAME, WINDOWS_NAME, WindowWriter, write_taps
from tap2key.study.keyboard import Keyboard, load_keyboard

HELD_OUT = "Ana"
TRAINING = ("Bo", "Chen", "Dee")
CHANNELS, FRAMES, ONSET = 8, 8192, 2192
FARTHEST = 60  # samples between two microphones


def write_people(root: Path, taps_per_key: int) -> None:
    """Each training participant's taps, as the segment stage leaves them."""
    keyboard = load_keyboard(KEYBOARD)
    delays = np.random.default_rng(0).integers(0, FARTHEST, (len(keyboard.labels), CHANNELS))
    for number, person in enumerate(TRAINING):
        rng = np.random.default_rng([1, number])
        keys = rng.permutation(np.repeat(np.arange(len(keyboard.labels)), taps_per_key))
        folder = root / "taps" / person
        folder.mkdir(parents=True)
        with (folder / WINDOWS_NAME).open("wb") as handle:
            writer = WindowWriter(handle)
            for key in keys:
                writer.write(window(delays[key], rng))
            hashed = writer.finish()
        rows = [row(person, tap, keyboard, int(key)) for tap, key in enumerate(keys)]
        write_taps(folder / TAPS_NAME, rows, hashed, keyboard.labels)


def window(delays: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A click that reaches each channel after its delay: [channels, frames] float32."""
    noise = 0.01 * rng.standard_normal((CHANNELS, FRAMES), dtype=np.float32)
    click = rng.standard_normal(400) * np.exp(-np.arange(400) / 80)
    for channel, delay in enumerate(delays):
        noise[channel, ONSET + delay : ONSET + delay + 400] += click.astype(np.float32)
    return noise


def row(person: str, tap: int, keyboard: Keyboard, key: int) -> dict[str, Any]:
    """What a tap's row says; it was at a centre of its key, if that has one."""
    of_key = keyboard.centres[keyboard.centre_labels == key]
    place = dict(zip(("x", "y"), of_key[0].tolist(), strict=True)) if len(of_key) else {}
    whose = {"participant": person, "session": "s1", "recording": "r1"}
    return {**whose, **place, "tap": tap, "label": keyboard.labels[key]}


def write_fold(root: Path, name: str, encoding: dict[str, Any]) -> list[str]:
    """Encode everybody's taps, and hold out somebody who has none.

    Returns:
        The training stage's arguments that name them.
    """
    datasets = [root / name / "datasets" / person for person in TRAINING]
    for person, folder in zip(TRAINING, datasets, strict=True):
        folder.parent.mkdir(parents=True, exist_ok=True)
        encode([root / "taps" / person], Encoding.from_metadata(encoding), folder)
    given = ["--datasets", *map(str, datasets)]
    fold = ["--held-out", HELD_OUT, "--output", str(root / name / "fold")]
    assert tap2key(["fold", *fold, *given]) == 0
    return ["--fold", str(root / name / "fold"), *given]
