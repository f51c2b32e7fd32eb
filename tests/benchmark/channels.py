"""How far sound and faulty channels lie apart, on simulated sessions with known faults.

    python tests/benchmark/channels.py

Each seed is a study of four people with one session of three recordings; every fault is put into
one recording of each session, and swapped plugs also into whole sessions. It prints how many
faults are named with channel and kind, how many sound channels raise a warning, and the ranges of
what the thresholds of tap2key/channels.py and tap2key/delay_pattern.py stand between.
"""

import argparse
import contextlib
import io
import shutil
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from tap2key.core.errors import Tap2keyError
from tap2key.core.files import read_tsv
from tap2key.core.shipped import KEYBOARD
from tap2key.segmentation.channel_table import CHANNELS_NAME, read_pattern, study_rows
from tap2key.segmentation.delay_pattern import distances, middle_pattern
from tap2key.segmentation.session import Settings, segment_session
from tap2key.simulation.difficulty import load_difficulty
from tap2key.simulation.plan import MATERIALS, checked_settings, plan_study
from tap2key.simulation.session import make_session
from tap2key.study.keyboard import load_keyboard
from tap2key.study.manifest import Recording
from tap2key.study.scan import recordings_in

SEEDS = tuple(range(8200, 8206))
SIZE = {"participants": 4, "sessions": 1, "recordings": 3, "taps": 40}
STATISTICS = ("level_db", "noise_db", "snr_db", "heard", "clipped", "dropped_s", "misfit_ms")

Change = Callable[[np.ndarray, np.random.Generator, Sequence[int]], None]


@dataclass(frozen=True)
class Fault:
    """A change to [samples, 8] in place at some channels, and the verdicts that name it."""

    change: Change
    verdicts: tuple[str, ...]
    channels: int = 1


def floor(sound: np.ndarray, channel: int) -> float:
    """Root mean square of a channel's quieter moments, without what is below the changes."""
    steps = np.diff(sound[:, channel])
    pieces = steps[: len(steps) // 960 * 960].reshape(-1, 960)
    return float(np.quantile(pieces.std(axis=1), 0.3))


def hiss(sound: np.ndarray, rng: np.random.Generator, channel: int, db: float) -> np.ndarray:
    """White noise so much above a channel's own: [samples]."""
    return 10 ** (db / 20) * floor(sound, channel) * rng.standard_normal(len(sound))


def hum(sound: np.ndarray, level: float) -> np.ndarray:
    """Mains hum: [samples]."""
    turns = 2 * np.pi * 50 * np.arange(len(sound)) / 96_000
    return level * (np.sin(turns) + 0.3 * np.sin(3 * turns) + 0.1 * np.sin(5 * turns))


def _held(value: float) -> Change:
    def change(sound, rng, channels):
        sound[:, channels[0]] = value

    return change


def _alone(hum_level: float) -> Change:
    def change(sound, rng, channels):
        sound[:, channels[0]] = hiss(sound, rng, channels[0], 0) + hum(sound, hum_level)

    return change


def _crosstalk(sound, rng, channels):
    own, neighbour = channels
    sound[:, own] = hiss(sound, rng, own, 0) + 10 ** (-50 / 20) * sound[:, neighbour]


def _copied(gain: float) -> Change:
    def change(sound, rng, channels):
        sound[:, channels[0]] = gain * sound[:, channels[1]]

    return change


def _clipped(rail: float, noise_db: float | None = None) -> Change:
    """So loud that one tap in five or so is cut off, then brought to the rail."""

    def change(sound, rng, channels):
        own = sound[:, channels[0]]
        pieces = np.abs(own[: len(own) // 24_000 * 24_000]).reshape(-1, 24_000).max(axis=1)
        top = np.quantile(pieces, 0.85)
        own[:] = np.clip(own / top, -1, 1) * rail
        if noise_db is not None:
            own += 10 ** (noise_db / 20) * rail * rng.standard_normal(len(own))

    return change


def _offset(sound, rng, channels):
    own = sound[:, channels[0]]
    own[:] = np.clip(own + 0.97, -1, 1)


def _noisy(db: float) -> Change:
    def change(sound, rng, channels):
        sound[:, channels[0]] += hiss(sound, rng, channels[0], db)

    return change


def _gaps(stretches: int, seconds: float, noise: bool) -> Change:
    def change(sound, rng, channels):
        own, length = channels[0], round(seconds * 96_000)
        fill = hiss(sound, rng, own, 0) if noise else np.zeros(len(sound))
        places = np.linspace(0, len(sound) - length, stretches).astype(int)
        for start in places:
            sound[start : start + length, own] = fill[start : start + length]

    return change


def _swapped(sound, rng, channels):
    sound[:, list(channels)] = sound[:, [*channels[1:], channels[0]]]


FAULTS = {
    "silent": Fault(_held(0.0), ("dead",)),
    "constant": Fault(_held(0.1), ("dead",)),
    "its own noise": Fault(_alone(0.0), ("dead",)),
    "hum": Fault(_alone(0.05), ("dead", "noisy")),
    "crosstalk": Fault(_crosstalk, ("dead", "faint", "copy"), 2),
    "copy": Fault(_copied(1.0), ("copy",), 2),
    "copy, inverted, softer": Fault(_copied(-0.3), ("copy",), 2),
    "clipped at full scale": Fault(_clipped(1.0), ("railed",)),
    "clipped at half of it": Fault(_clipped(0.5), ("railed",)),
    "clipped before a noisy converter": Fault(_clipped(0.5, -66.0), ("railed",)),
    "stuck at the rail": Fault(_held(-1.0), ("railed",)),
    "offset to the rail": Fault(_offset, ("railed",)),
    "noise +20 dB": Fault(_noisy(20), ("noisy",)),
    "noise +40 dB": Fault(_noisy(40), ("noisy",)),
    "gaps of zeros": Fault(_gaps(6, 0.1, False), ("dropouts",)),
    "loose contact": Fault(_gaps(5, 1.2, True), ("patchy", "dead")),
    "neighbours swapped": Fault(_swapped, ("swapped",), 2),
    "three swapped": Fault(_swapped, ("swapped",), 3),
}
PLUGS = {
    "neighbours swapped": [(0, 1), (1, 2), (2, 3), (4, 5), (5, 6), (6, 7)],
    "facing ones swapped": [(0, 4), (1, 5), (2, 6), (3, 7)],
    "far ones swapped": [(0, 7), (3, 4), (0, 3), (1, 7)],
    "three swapped": [(0, 1, 2), (4, 6, 7), (1, 5, 6)],
}


def chosen_channels(fault: Fault, rng: np.random.Generator) -> tuple[int, ...]:
    """Which channels a fault hits: a run of neighbours in one row of microphones."""
    row = 4 * int(rng.integers(2))
    first = row + int(rng.integers(5 - fault.channels))
    return tuple(range(first, first + fault.channels))


def spoil(path: Path, change: Change, rng: np.random.Generator, channels: Sequence[int]) -> None:
    """Put a fault into a wav, which stays 16 bits."""
    sound, rate = soundfile.read(path)
    change(sound, rng, channels)
    soundfile.write(path, np.clip(sound, -1, 1 - 2**-15), rate, subtype="PCM_16")


def simulated(root: Path, seed: int, material: str, size: dict[str, int]) -> list[Path]:
    """The session folders of a simulated study."""
    settings = checked_settings({"seed": seed, "material": material, **size})
    keyboard, difficulty = load_keyboard(KEYBOARD), load_difficulty()
    folders = []
    for planned in plan_study(settings):
        make_session(planned, root / "study", root / "truth", settings, keyboard, difficulty, [])
        folders.append(root / "study" / planned.folder)
    return folders


def channel_rows(recordings: Sequence[Recording], output: Path) -> list[dict[str, str]]:
    """A session's rows of `channels.tsv`."""
    with contextlib.redirect_stderr(io.StringIO()):
        segment_session(recordings, load_keyboard(KEYBOARD), Settings(), output)
    return read_tsv(output / CHANNELS_NAME)


def session_recordings(folder: Path) -> list[Recording]:
    """Of a session whose participant is what its folder's name begins with."""
    return recordings_in(folder, folder.name.split("_", 1)[0], folder.name)


def changed(
    recordings: Sequence[Recording],
    which: Sequence[int],
    change: Change,
    channels: Sequence[int],
    rng: np.random.Generator,
    root: Path,
) -> list[Recording]:
    """The same session with a fault in some of its recordings, copied below `root`."""
    root.mkdir(parents=True, exist_ok=True)
    result = list(recordings)
    for index in which:
        target = root / recordings[index].path.name
        shutil.copy(recordings[index].path, target)
        spoil(target, change, rng, channels)
        result[index] = type(result[index])(**{**vars(result[index]), "path": target})
    return result


class Tally:
    """What was found, and the ranges of the statistics."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.named: dict[str, list[bool]] = defaultdict(list)
        self.elsewhere: dict[str, int] = defaultdict(int)
        self.beside: dict[tuple[str, str], list[float]] = defaultdict(list)
        self.swaps: dict[str, list[float]] = defaultdict(list)
        self.sound_recordings = 0
        self.missed: list[str] = []

    def add(
        self,
        name: str,
        rows: Sequence[dict[str, str]],
        recordings: set[str],
        channels: Sequence[int],
        verdicts: Sequence[str],
    ) -> None:
        """Count a fault of some recordings' channels, and warnings anywhere else."""
        for row in rows:
            hit = row["recording"] in recordings and int(row["channel"]) in channels
            if hit:
                self.named[name].append(any(v in verdicts for v in row["verdict"].split("; ")))
                if not self.named[name][-1]:
                    self.missed.append(f"{name}: {row}")
            elif row["verdict"] != "ok":
                self.elsewhere[name] += 1
                self.missed.append(f"beside {name} in {channels}: {row}")
            self.note(name if hit else "sound", row, rows)

    def note(self, name: str, row: dict[str, str], rows: Sequence[dict[str, str]]) -> None:
        """Take down a channel's numbers beside the median of its recording's."""
        own = [r for r in rows if r["recording"] == row["recording"]]
        for column in STATISTICS:
            values = [float(r[column]) for r in own if r[column]]
            if row[column]:
                middle = np.median(values) if column.endswith("_db") else 0
                self.beside[name, column].append(float(row[column]) - middle)

    def show(self) -> None:
        """Print everything."""
        print(f"{'':<34}{'named':>12}{'warned elsewhere':>18}")
        for name, hits in self.named.items():
            print(f"{name:<34}{f'{sum(hits)}/{len(hits)}':>12}{self.elsewhere[name]:>18}")
        print(f"{'sound':<34}{'':>12}{self.elsewhere['sound']:>18}")
        print(f"\nsound recordings checked: {self.sound_recordings}")
        print(
            "\nhow many times better (squared) a swapped pair fits when put right; sound: inverse"
        )
        for name, ratios in self.swaps.items():
            least, low, middle = np.quantile(ratios, [0, 0.05, 0.5])
            print(f"{f'beside {name}':<34}least {least:.2f}, 5 % {low:.2f}, median {middle:.1f}")
        print("\nleast and greatest of each channel; dB are beside the recording's median channel")
        print(f"{'':<34}" + "".join(f"{column:>16}" for column in STATISTICS))
        for name in dict.fromkeys(name for name, _ in self.beside):
            cells = [self.beside[name, column] for column in STATISTICS]
            shown = [f"{min(c):.3g} … {max(c):.3g}" if c else "" for c in cells]
            print(f"{name:<34}" + "".join(f"{cell:>16}" for cell in shown))


def swap_ratios(pattern: np.ndarray, reference: np.ndarray) -> list[float]:
    """How much worse each pair of channels fits a reference when it is swapped, squared.

    It is also how much better a swapped pair fits when it is put right.
    """
    _, apart, _ = distances(pattern, reference)
    return [
        (apart[i, j] + apart[j, i]) / (apart[i, i] + apart[j, j])
        for i in range(len(apart))
        for j in range(i)
    ]


def note_swaps(tally: Tally, sessions: Sequence[Sequence[dict[str, str]]]) -> None:
    """Take down the least ratio of each recording, beside one other session and beside all."""
    patterns = [
        [read_pattern(own) for own in np.array(rows, dtype=object).reshape(-1, 8)]
        for rows in sessions
    ]
    for at, own in enumerate(patterns):
        others = [p for i, p in enumerate(patterns) if i != at]
        usual = middle_pattern([middle_pattern(other) for other in others])
        for pattern in own:
            tally.swaps["all others"].append(min(swap_ratios(pattern, usual)))
            for other in (p for group in others for p in group):
                tally.swaps["one other recording"].append(min(swap_ratios(pattern, other)))


def measure_study(seed: int, material: str, tally: Tally, work: Path) -> None:
    """Simulate a study and put every fault into it."""
    rng = np.random.default_rng(seed)
    folders = simulated(work, seed, material, SIZE)
    sessions = [session_recordings(folder) for folder in folders]
    sound = [channel_rows(s, work / "out" / str(i)) for i, s in enumerate(sessions)]
    study = study_rows([row for rows in sound for row in rows])
    tally.sound_recordings += sum(map(len, sessions))
    tally.add("sound", study, set(), (), ())
    note_swaps(tally, sound)
    for recordings in sessions:
        for name, fault in FAULTS.items():
            index, channels = int(rng.integers(len(recordings))), chosen_channels(fault, rng)
            bad = changed(recordings, [index], fault.change, channels, rng, work / "bad")
            rows = channel_rows(bad, work / "out" / "bad")
            both = fault.verdicts[0] in ("copy", "swapped")
            hit = channels if both else channels[:1]
            tally.add(name, rows, {recordings[index].recording}, hit, fault.verdicts)
    for name, groups in PLUGS.items():
        at = int(rng.integers(len(sessions)))
        channels = groups[int(rng.integers(len(groups)))]
        everywhere = range(len(sessions[at]))
        bad = changed(sessions[at], everywhere, _swapped, channels, rng, work / "bad")
        rows = channel_rows(bad, work / "out" / "bad")
        others = [row for i, own in enumerate(sound) if i != at for row in own]
        names = {recording.recording for recording in bad}
        tally.add(f"session: {name}", study_rows([*others, *rows]), names, channels, ("swapped",))


def main() -> None:
    """Measure and print; missing a fault or warning of a sound channel is an error."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--materials", nargs="+", choices=MATERIALS, default=list(MATERIALS))
    args = parser.parse_args()
    tally = Tally()
    for number, seed in enumerate(args.seeds):
        with tempfile.TemporaryDirectory() as work:
            measure_study(seed, args.materials[number % len(args.materials)], tally, Path(work))
        print(f"seed {seed}", file=sys.stderr)
    tally.show()
    if tally.missed:
        raise Tap2keyError(f"{len(tally.missed)} channels misjudged, such as {tally.missed[0]}")


if __name__ == "__main__":
    try:
        main()
    except Tap2keyError as error:
        sys.exit(f"channels: {error}")
