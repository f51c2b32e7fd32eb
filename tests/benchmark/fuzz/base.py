"""The study that is mutated: small, simulated once, with the truth about each of its taps."""

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow.parquet

from tap2key.core.files import read_tsv
from tap2key.core.shipped import DIFFICULTY, KEYBOARD
from tap2key.simulation.difficulty import load_difficulty
from tap2key.simulation.plan import checked_settings, plan_study
from tap2key.simulation.session import make_session
from tap2key.study.keyboard import load_keyboard
from tap2key.study.scan import parse_start

# Of this seed segmentation gets every label right, so a wrong label is always the mutation's.
SEED = 1
# Participant, then taps and recordings of each session; José's name has two spellings in Unicode.
PEOPLE = {"José": ((24, 2), (60, 1)), "Maria": ((24, 2),), "Chen": ((24, 1),), "Amara": ((24, 1),)}
# Places are whole units of 0.1 mm, in the log and in the truth.
SAME_PLACE = 0.6
_DIGESTS: dict[tuple[int, ...], str] = {}


@dataclass(frozen=True)
class Truth:
    """What is true of one recording, times in seconds from its first sample.

    `tap_s` is [taps]; `xy` is [taps, 2] in 0.1 mm, NaN where the sensor missed the tap; `labels`
    are the keys of the touches; `latency_s` includes the sensor's mean delay.
    """

    folder: str
    tap_s: np.ndarray
    xy: np.ndarray
    labels: tuple[str | None, ...]
    duration_s: float
    latency_s: float


@dataclass(frozen=True)
class Base:
    """The study on disk, and what is true of it.

    `truths` goes by the recording's stem; `sounds` and `logs` by the digest of a file: whose sound
    a wav is, and in which session folder a touch log belongs.
    """

    study: Path
    truths: dict[str, Truth]
    sounds: dict[str, str]
    logs: dict[str, str]


def digest(data: bytes) -> str:
    """What tells one file's content from another's."""
    return hashlib.sha256(data).hexdigest()


def digest_of(path: Path) -> str:
    """The digest of a file, read once for as long as it is not written to."""
    stat = path.stat()
    key = (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns)
    if key not in _DIGESTS:
        _DIGESTS[key] = digest(path.read_bytes())
    return _DIGESTS[key]


def make_base(folder: Path) -> Base:
    """Simulate the study below `folder`, and its truth beside it."""
    keyboard, difficulty = load_keyboard(KEYBOARD), load_difficulty(DIFFICULTY)
    for number, (person, sessions) in enumerate(PEOPLE.items()):
        for turn, (taps, recordings) in enumerate(sessions):
            settings = checked_settings(
                {
                    "participants": len(PEOPLE),
                    "sessions": len(sessions),
                    "recordings": recordings,
                    "taps": taps,
                    "seed": SEED,
                }
            )
            planned = plan_study(settings)[number * len(sessions) + turn]
            planned = replace(
                planned, participant=person, folder=f"{person}_{planned.session}_data"
            )
            make_session(
                planned, folder / "study", folder / "truth", settings, keyboard, difficulty, []
            )
    return read_base(folder)


def read_base(folder: Path) -> Base:
    """What `make_base` left in `folder`.

    Raises:
        AssertionError: two touches have one place, so the place does not tell them apart.
    """
    study = folder / "study"
    truths = {}
    for session in sorted(study.iterdir()):
        known = folder / "truth" / session.name
        table = pyarrow.parquet.read_table(known / "true_taps.parquet").to_pandas()
        for facts in read_tsv(known / "true_recordings.tsv"):
            own = table[table["recording"] == facts["recording"]]
            truths[facts["recording"]] = Truth(
                folder=session.name,
                tap_s=own["time_s"].to_numpy(),
                xy=own[["touch_x", "touch_y"]].to_numpy(float),
                labels=tuple(own["touch_label"]),
                duration_s=float(facts["duration_s"]),
                latency_s=float(facts["latency_s"]) - float(facts["sensor_delay_s"]),
            )
    places = np.concatenate([truth.xy for truth in truths.values()])
    places = places[np.isfinite(places[:, 0])]
    apart = np.abs(places[:, None] - places[None]).max(axis=2)
    np.fill_diagonal(apart, np.inf)
    assert apart.min() > SAME_PLACE, "two touches of one place"
    return Base(
        study,
        truths,
        {digest_of(path): path.stem for path in study.rglob("*.wav")},
        {digest_of(path): path.parts[-3] for path in study.rglob("*.csv")},
    )


def started(recording: str) -> datetime:
    """The start in a recording's name."""
    return parse_start(f"{recording}.wav")
