"""A copy of the base study while it is mutated, and what has to come of it afterwards."""

import copy
import os
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from enum import IntEnum
from pathlib import Path

import numpy as np
from benchmark.fuzz.base import Base, digest, digest_of

ACOUSTIC, NEONODE = "01.acoustic", "02.neonode"


class Expect(IntEnum):
    """What has to come of a recording.

    SAME: used, with the labels it has in the base study. WHOLE: the same, or left out with a
    reason. RIGHT: used as far as it is sound, or left out with a reason.
    """

    SAME = 0
    WHOLE = 1
    RIGHT = 2


@dataclass(frozen=True)
class Sound:
    """Whose sound a wav holds: base time = `there` + (time in the wav − `here`) · `speed`.

    `pieces` are (here, there) in ascending order of `here`, each valid to the next one's.
    """

    recording: str
    pieces: tuple[tuple[float, float], ...] = ((0.0, 0.0),)
    speed: float = 1.0

    def base_time_s(self, time_s: float) -> float:
        """When a moment of the wav was in the base study's recording."""
        here, there = max(p for p in self.pieces if p[0] <= time_s or p == self.pieces[0])
        return there + (time_s - here) * self.speed


@dataclass(frozen=True)
class Row:
    """One line of a touch log: seconds after the log's first line, and the other five columns."""

    stamp: np.datetime64
    cells: tuple[str, ...]

    def moved(self, by_s: float) -> "Row":
        """The row `by_s` seconds later."""
        return Row(self.stamp + np.timedelta64(round(1e6 * by_s), "us"), self.cells)

    def text(self) -> str:
        """As the sensor writes it."""
        return ",".join([str(self.stamp).replace("T", " "), *self.cells])


def rows_of(text: str) -> list[Row]:
    """The rows of a log as the sensor writes it."""
    found = []
    for line in text.splitlines():
        stamp, *cells = line.split(",")
        found.append(Row(np.datetime64(stamp.replace(" ", "T"), "us"), tuple(cells)))
    return found


class NotHere(Exception):
    """A mutation finds nothing in the study that it could be applied to."""


@dataclass
class Mutant:
    """The study under mutation.

    `sounds` and `logs` say by the digest of a file what it holds, wherever it is moved. `expect` is
    by the base recording; `refusable` allows the whole study to be refused, which `must_refuse`
    demands; `withdrawn` are paths, relative to the study, whose recordings may not be used;
    `involved` are names of which a refusal has to mention one. `steps` are the moments of a base
    recording at which a clock steps, `blurred` those around which the sound is not the base's.
    """

    base: Base
    root: Path
    rng: np.random.Generator
    sounds: dict[str, Sound] = field(default_factory=dict)
    logs: dict[str, list[Row]] = field(default_factory=dict)
    expect: dict[str, Expect] = field(default_factory=dict)
    refusable: bool = False
    must_refuse: bool = False
    withdrawn: set[str] = field(default_factory=set)
    involved: set[str] = field(default_factory=set)
    steps: dict[str, list[float]] = field(default_factory=dict)
    blurred: dict[str, list[float]] = field(default_factory=dict)
    latency_s: float | None = None
    results: Path = Path()

    def __post_init__(self) -> None:
        """Lay the base study out below `root`, linked: no mutation writes in place."""
        self.study, self.elsewhere = self.root / "study", self.root / "elsewhere"
        self.results = self.root / "results"
        self.elsewhere.mkdir(parents=True)
        for path in sorted(self.base.study.rglob("*")):
            target = self.study / path.relative_to(self.base.study)
            if path.is_dir():
                target.mkdir(parents=True)
            else:
                os.link(path, target)
        self.sounds = {key: Sound(name) for key, name in self.base.sounds.items()}

    def attempt(self, mutation: Callable[["Mutant"], None]) -> bool:
        """Apply a mutation; whether it found where. If not, nothing is said of it either."""
        own = ("base", "root", "rng", "sounds", "logs")
        said = {
            f.name: copy.deepcopy(getattr(self, f.name)) for f in fields(self) if f.name not in own
        }
        try:
            mutation(self)
        except NotHere:
            vars(self).update(said)
            return False
        return True

    def one(self, of: list) -> object:
        """One of several, drawn; NotHere of none."""
        if not of:
            raise NotHere
        return of[self.rng.integers(len(of))]

    def some(self, *choices: str) -> str:
        """One of several words, drawn."""
        return choices[self.rng.integers(len(choices))]

    def paths(self) -> Iterator[Path]:
        """Everything below the study, links not followed, in order."""
        for folder, folders, files in os.walk(self.study):
            folders.sort()
            for name in sorted([*folders, *files]):
                yield Path(folder) / name

    def sessions(self) -> list[Path]:
        """The folders that hold both parts of a session under their right names."""
        return [
            path
            for path in self.paths()
            if (path / ACOUSTIC).is_dir() and (path / NEONODE).is_dir() and not path.is_symlink()
        ]

    def wavs(self, pick: Callable[[Path], bool] = lambda _: True) -> list[Path]:
        """The files in their places whose sound is known."""
        return [
            path
            for path in self.paths()
            if path.parent.name == ACOUSTIC
            and path.is_file()
            and not path.is_symlink()
            and digest_of(path) in self.sounds
            and pick(path)
        ]

    def touch_logs(self) -> list[Path]:
        """The logs in their places that are as the sensor writes them."""
        return [
            path
            for path in self.paths()
            if path.parent.name == NEONODE and path.is_file() and not path.is_symlink()
            if digest_of(path) in {*self.base.logs, *self.logs}
        ]

    def wav(self) -> tuple[Path, Sound]:
        """A recording, drawn, and whose sound it is."""
        path = self.one(self.wavs())
        return path, self.sounds[digest_of(path)]

    def log(self) -> tuple[Path, list[Row]]:
        """A touch log, drawn, and its rows."""
        path = self.one(self.touch_logs())
        return path, rows_of(path.read_text(encoding="utf-8"))

    def held(self, path: Path) -> set[str]:
        """The base recordings that a file or folder holds, or whose touches it holds."""
        found = set()
        for file in [path] if path.is_file() else files_below(path):
            key = digest_of(file)
            if key in self.sounds:
                found.add(self.sounds[key].recording)
            elif file.parent.name.lower() != ACOUSTIC and file.suffix.lower() == ".csv":
                session = next((p for p in file.parents if (p / ACOUSTIC).is_dir()), None)
                found |= self.held(session / ACOUSTIC) if session else set()
        return found

    def mark(self, path: Path, expect: Expect, refusable: bool = False) -> None:
        """Say what has to come of the recordings in `path`, and that it may be named if refused."""
        for recording in self.held(path) if path.exists() else ():
            self.expect[recording] = max(expect, self.expect.get(recording, Expect.SAME))
        self.refusable |= refusable
        self.involve(path)

    def involve(self, path: Path) -> None:
        """A refusal may name this path, what holds it and what it holds."""
        if path.is_relative_to(self.study):
            self.involved |= set(path.relative_to(self.study).parts)
        if path.is_dir():
            for _, folders, files in os.walk(path):
                self.involved |= {*folders, *files}

    def write(self, path: Path, data: bytes) -> Path:
        """Make a file, a new one even where there is one: that is linked to the base study's."""
        path.unlink(missing_ok=True)
        path.write_bytes(data)
        return path

    def write_sound(self, path: Path, data: bytes, sound: Sound) -> Path:
        """Make a wav of known content."""
        self.sounds[digest(data)] = sound
        return self.write(path, data)

    def write_rows(self, path: Path, rows: list[Row]) -> Path:
        """Make a touch log as the sensor writes it."""
        data = ("\n".join(row.text() for row in rows) + "\n").encode()
        self.logs[digest(data)] = rows
        return self.write(path, data)


def files_below(folder: Path) -> Iterator[Path]:
    """All files, also those in linked folders; each folder once."""
    seen: set[Path] = set()
    for inner, folders, files in os.walk(folder, followlinks=True):
        where = Path(inner).resolve()
        if where in seen:
            folders.clear()
            continue
        seen.add(where)
        yield from (file for file in (Path(inner) / name for name in files) if file.is_file())


def folded(name: str) -> str:
    """A name without what people do not tell names apart by: Unicode's form, case, spaces."""
    return "".join(unicodedata.normalize("NFC", name).casefold().split())
