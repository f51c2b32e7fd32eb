"""Feed the readers of recordings and touch logs with damaged files, and see what comes of it.

    python tests/benchmark/fuzz_readers.py

Each input is a valid wav or csv with a few of its bytes changed, removed, repeated or taken from
another. It has to give a result that holds water, or the one-line error of the tool; a traceback,
a wrong label or an input that takes too long ends the run, with the input kept for a look at it.
"""

import argparse
import faulthandler
import io
import math
import re
import shutil
import struct
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from datetime import datetime, timedelta
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import psutil
import soundfile

from tap2key.audio.array import DEFAULT
from tap2key.audio.audio_file import AudioFile
from tap2key.core.errors import Tap2keyError
from tap2key.core.shipped import KEYBOARD
from tap2key.segmentation.clock import find_clock
from tap2key.segmentation.labels import labelled_rows, paired
from tap2key.signal.detection import Taps, find_taps
from tap2key.study.keyboard import load_keyboard
from tap2key.study.manifest import Recording
from tap2key.study.touches import read_touches

START = datetime(2023, 1, 27, 23, 59, 50)
LATENCY_S = -0.14
DURATION_S = 20.0
FRAMES = 500
# What breaks programs: extremes and signs of 8, 16 and 32 bits, and what has meaning in a csv.
BYTES = [0, 1, 0x7F, 0x80, 0xFF, *b'\n\r,.:-+ "0159eDUMnN\xef']
WORDS = [0, 1, 8, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF]
# A header ends here; half of all changes to a wav are made before.
HEADER = 140
PER_TASK = 250


def valid_wavs() -> list[bytes]:
    """Recordings of every kind that the tool reads."""
    rng = np.random.default_rng(0)
    sound = 0.01 * rng.standard_normal((FRAMES, 8))
    sound[FRAMES // 2 :] += 0.5 * np.exp(-np.arange(FRAMES - FRAMES // 2) / 40)[:, None]
    found = []
    for subtype in ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"):
        for container, rate in (("WAV", DEFAULT.sample_rate), ("WAVEX", 44_100), ("RF64", 48_000)):
            with io.BytesIO() as handle:
                soundfile.write(handle, sound, rate, subtype=subtype, format=container)
                found.append(handle.getvalue())
    for container, subtype in (("W64", "PCM_16"), ("FLAC", "PCM_16"), ("FLAC", "PCM_24")):
        with io.BytesIO() as handle:
            soundfile.write(handle, sound, DEFAULT.sample_rate, subtype=subtype, format=container)
            found.append(handle.getvalue())
    return found


keyboard = cache(partial(load_keyboard, KEYBOARD))


@cache
def tap_times_s() -> np.ndarray:
    """When the taps were heard that the logs belong to."""
    return np.cumsum(np.random.default_rng(0).uniform(0.3, 0.8, 30))


def valid_logs() -> list[bytes]:
    """Touch logs of one recording that runs past midnight, in the dialects that occur."""
    rng = np.random.default_rng(1)
    centres = keyboard().centres
    lines = []
    for number, time_s in enumerate(tap_times_s()):
        x, y = np.round(centres[rng.integers(len(centres))] + rng.normal(0, 40, 2)).astype(int)
        for late_s, event in ((rng.uniform(0, 0.01), "   Down"), (0.02, "   Move"), (0.04, "  Up")):
            at = START + timedelta(seconds=time_s - LATENCY_S + late_s)
            lines.append(f"{at:%Y-%m-%d %H:%M:%S.%f},{number % 3},{event},{x},{y},55")
    plain = "\n".join(lines) + "\n"
    return [
        plain.encode(),
        plain.replace("\n", "\r\n").encode(),
        ("\ufeff" + plain + "\n").encode(),
        "\n".join(reversed(lines)).encode(),
        (plain + lines[0][:30]).encode(),
    ]


def damaged_wav(rng: np.random.Generator, data: bytes, other: bytes) -> bytes:
    """A recording with half of its changes in the header."""
    return mutated(rng, data, other, HEADER)


def damaged_log(rng: np.random.Generator, data: bytes, other: bytes) -> bytes:
    """A log whose bytes are changed anywhere; half the time, so that it is still a log."""
    if rng.random() < 0.5:
        return mutated(rng, data, other, len(data))
    lines = data.split(b"\n")
    for _ in range(rng.integers(1, 7)):
        at, to = rng.integers(len(lines), size=2)
        match rng.integers(4):
            case 0:
                lines[at], lines[to] = lines[to], lines[at]
            case 1:
                lines.insert(to, lines[at])
            case 2 if len(lines) > 1:
                del lines[at]
            case _:
                digits = [place for place, byte in enumerate(lines[at]) if byte in b"0123456789"]
                if digits:
                    # From the seconds on: an hour off, and no clock fits any more.
                    place = rng.choice(digits[min(12, len(digits) - 1) :])
                    line = bytearray(lines[at])
                    line[place] = int(rng.choice(list(b"0123456789")))
                    lines[at] = bytes(line)
    return b"\n".join(lines)


def mutated(rng: np.random.Generator, data: bytes, other: bytes, head: int) -> bytes:
    """One to six changes of a file; half of them before `head`."""
    result = bytearray(data)
    for _ in range(rng.integers(1, 7)):
        reach = min(head, len(result)) if rng.random() < 0.5 else len(result)
        at = int(rng.integers(reach + 1))
        length = int(rng.integers(1, 40))
        match rng.integers(8):
            case 0:
                result[at : at + 1] = bytes([rng.integers(256)])
            case 1:
                result[at : at + 1] = bytes([rng.choice(BYTES)])
            case 2:
                result[at : at + 4] = struct.pack("<I", rng.choice(WORDS))
            case 3:
                result[at:at] = rng.bytes(length)
            case 4:
                del result[at : at + length]
            case 5:
                result[at:at] = result[at : at + length]
            case 6:
                result[at : at + length] = other[at : at + length]
            case 7 if rng.random() < 0.3:
                del result[at:]
    return bytes(result)


def check_wav(path: Path) -> None:
    """Read a wav whole and in part, and look for taps in it."""
    audio = AudioFile(path)
    blocks = list(audio.blocks(300))
    assert all(block.dtype == np.float32 and block.shape[1] == 8 for block in blocks)
    assert sum(map(len, blocks)) == audio.frames
    assert all(np.isfinite(block).all() for block in blocks), "not finite"
    starts = [-100, 0, audio.frames // 2, audio.frames - 1]
    for section in audio.sections(starts, 200):
        assert section.shape == (200, 8)
        assert np.isfinite(section).all(), "not finite"
    taps = find_taps(audio)
    assert (np.diff(taps.onset) > 0).all()
    assert ((taps.onset >= 0) & (taps.onset < audio.frames)).all()
    assert np.isfinite(taps.peak).all(), "peak not finite"


def check_log(path: Path) -> None:
    """Read a log and label taps by it; compare with a reading of each line by itself."""
    touches = read_touches([path])
    wanted = set(downs_by_line(path.read_bytes()))
    got = set(zip(touches.times.astype(datetime).tolist(), *touches.xy.T.tolist(), strict=True))
    assert got == wanted, f"touches differ from the file's lines: {got ^ wanted}"
    assert (np.diff(touches.times) >= np.timedelta64(0)).all()
    tap_s, touch_s = tap_times_s(), touches.seconds_since(START)
    pieces, reason = find_clock(tap_s, touch_s, DURATION_S, None)
    if not pieces:
        assert reason, "refused without a reason"
        pieces, reason = find_clock(tap_s, touch_s, DURATION_S, LATENCY_S)
    if not pieces:
        raise Tap2keyError(f"{path}: {reason}")
    for piece in pieces:
        assert abs(piece.clock.latency_s - LATENCY_S) < 0.03, "shifted"
    matched, expected_s, _ = paired(pieces, tap_s, touch_s, touches.run, DURATION_S, 0.1)
    loud = np.full(len(tap_s), 0.1)
    taps = Taps((tap_s * DEFAULT.sample_rate).astype(np.int64), loud, loud / 10)
    recording = Recording("p", "s", "r", path, START, None, (path,))
    for row in labelled_rows(recording, taps, touches, matched, touch_s, expected_s, keyboard()):
        if row["label"] is not None:
            assert (row["touch_time"], row["x"], row["y"]) in wanted
            assert row["label"] == nearest_key(row["x"], row["y"]), "wrong label"


def downs_by_line(data: bytes) -> list[tuple[datetime, float, float]]:
    """Every line that is a `Down` by itself, read without the tool."""
    found = []
    for line in data.decode("utf-8-sig", errors="replace").split("\n"):
        fields = [field.strip() for field in line.split(",")]
        if len(fields) != 6 or fields[2] != "Down":
            continue
        second, _, fraction = fields[0].partition(".")
        try:
            time = datetime.strptime(second, "%Y-%m-%d %H:%M:%S")
            x, y, _ = map(float, fields[3:])
        except ValueError:
            continue
        microseconds = int(fraction.ljust(6, "0")[:6])
        found.append((time + timedelta(microseconds=microseconds), x, y))
    return found


@cache
def key_centres() -> list[tuple[str, float, float]]:
    """Label, x and y of every centre, read from the keyboard's file line by line."""
    lines = KEYBOARD.read_text(encoding="utf-8").splitlines()[1:]
    keys = [re.fullmatch(r"(.+?),([\d.]+),([\d.]+),.*", line).groups() for line in lines]
    return [(label, float(x), float(y)) for label, x, y in keys]


@cache
def nearest_key(x: float, y: float) -> str:
    """The label of the nearest centre."""
    return min(key_centres(), key=lambda key: math.hypot(key[1] - x, key[2] - y))[0]


CHECKS: dict[str, tuple[Callable, Callable, Callable[[Path], None]]] = {
    "wav": (valid_wavs, damaged_wav, check_wav),
    "csv": (valid_logs, damaged_log, check_log),
}


def fuzz(kind: str, seed: int, count: int, folder: Path, limit_s: float | None) -> Counter:
    """Check `count` damaged files; → how many gave a result, and how many an error of the tool.

    The file that is being checked lies in `folder`, and stays there if the check fails.

    Args:
        kind: wav or csv.
        seed: the same seed makes the same files.
        count: how many.
        folder: to write them to.
        limit_s: end the process when one takes longer.

    Raises:
        AssertionError: a result is wrong, or an error has more than one line.
    """
    valid, damaged, check = CHECKS[kind]
    rng = np.random.default_rng([seed, *kind.encode()])
    files = valid()
    outcomes: Counter = Counter()
    path = folder / f"{seed}.{kind}"
    for _ in range(count):
        data, other = (files[i] for i in rng.integers(len(files), size=2))
        path.write_bytes(damaged(rng, data, other))
        if limit_s is not None:
            faulthandler.dump_traceback_later(limit_s, exit=True)
        try:
            check(path)
            outcomes[f"{kind}: a result"] += 1
        except Tap2keyError as error:
            assert str(path) in str(error), f"does not name the file: {error}"
            assert "\n" not in str(error), f"more than one line: {error}"
            outcomes[f"{kind}: an error in one line"] += 1
        faulthandler.cancel_dump_traceback_later()
    path.unlink()
    return outcomes


def main() -> None:
    """Print how many inputs ended in which way; exit status 1 at the first that should not."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=20_000, help="half of them wav, half csv")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=float, default=20, help="seconds that an input may take")
    parser.add_argument("--workers", type=int, default=psutil.cpu_count(logical=False) or 1)
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    tasks = -(-args.inputs // (len(CHECKS) * PER_TASK))
    outcomes: Counter = Counter()
    with ProcessPoolExecutor(args.workers, get_context("spawn")) as pool:
        waiting = [
            pool.submit(partial(fuzz, kind, args.seed + n, PER_TASK, folder, args.limit))
            for n in range(tasks)
            for kind in CHECKS
        ]
        try:
            for task in waiting:
                outcomes += task.result()
        except (Exception, BrokenProcessPool) as error:
            pool.shutdown(cancel_futures=True)
            left = ", ".join(map(str, sorted(folder.iterdir())))
            sys.exit(f"{type(error).__name__}: {error}\none of these did it: {left}")
    shutil.rmtree(folder)
    for outcome, count in sorted(outcomes.items()):
        print(f"{outcome}\t{count}")
    print(f"all inputs\t{outcomes.total()}\nhangs, tracebacks, wrong labels\t0")


if __name__ == "__main__":
    main()
