"""Feed `tap2key listen` in real time by a pipe: delay of its lines, load of a core, memory.

    python tests/benchmark/listen.py --models FOLDER... --recordings RECORDING... --seconds 600

Recordings are read one after the other, again and again. Printed, as key and value: taps; the delay
from the last sample that a tap's name depends on to its line, as the 50th and 99th percentile; that
from the window's last sample, where all of it counts; seconds of processor per second of sound;
memory once models are loaded, after a third of the time and at the end. Then `predict` reads the
same samples: its taps, how many have another onset or key, and the greatest difference of a
probability. It asserts nothing. The samples are written into a temporary folder (4 bytes each).
"""

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import soundfile

from tap2key.audio.array import Array
from tap2key.audio.audio_file import AudioFile
from tap2key.datasets.needed_samples import samples_needed
from tap2key.models.ensemble import Ensemble
from tap2key.reading.unlabelled import TAPPED_KEYS_NAME

BLOCK_S = 0.002
MEGABYTE = 1 << 20
WORKFLOW = Path(__file__).parents[2] / "workflow"


def blocks_of(paths: list[Path], array: Array, seconds: float) -> Iterator[np.ndarray]:
    """Blocks of `BLOCK_S` of recordings one after the other, as often as it takes."""
    whole = np.concatenate(
        [np.concatenate(list(AudioFile(path, array).blocks())) for path in paths], dtype=np.float32
    )
    step = round(BLOCK_S * array.sample_rate)
    for first in range(0, round(seconds * array.sample_rate) // step * step, step):
        yield whole.take(range(first, first + step), axis=0, mode="wrap")


def compare(heard: Path, predicted: Path) -> None:
    """Print how far the taps of two folders differ."""
    found, expected = (pq.read_table(each / TAPPED_KEYS_NAME) for each in (heard, predicted))
    print(f"taps heard, predicted\t{found.num_rows}\t{expected.num_rows}")
    here, there = (dict(zip(rows(each), values(each), strict=True)) for each in (found, expected))
    both = here.keys() & there.keys()
    print(f"of these alike in onset and key\t{len(both)}")
    if both:
        apart = max(np.abs(here[each] - there[each]).max() for each in both)
        print(f"greatest difference of a probability\t{apart:.1e}")


def rows(table: pa.Table) -> Iterator[tuple[float, str]]:
    """Onset and key of every tap."""
    return zip(table["time_s"].to_pylist(), table["prediction"].to_pylist(), strict=True)


def values(table: pa.Table) -> Iterator[np.ndarray]:
    """The probabilities of every tap."""
    return map(np.array, table["probabilities"].to_pylist())


def tap2key(*arguments: str) -> list[str]:
    """A command line."""
    return [sys.executable, "-m", "tap2key", *arguments]


def main() -> None:
    """Print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=Path, nargs="+", required=True)
    parser.add_argument("--recordings", type=Path, nargs="+", required=True)
    parser.add_argument("--seconds", type=float, default=60)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure(args, Path(folder))


def measure(args: argparse.Namespace, folder: Path) -> None:
    """Listen in real time, then predict, with their outputs in a folder."""
    ensemble = Ensemble(args.models)
    array, rate = ensemble.array, ensemble.array.sample_rate
    needed = max(samples_needed(encoding) for encoding in ensemble.encodings) / rate
    played, heard, predicted = (folder / name for name in ("played.wav", "heard", "predicted"))
    step = round(BLOCK_S * rate)
    with soundfile.SoundFile(
        played, "w", rate, array.channels, subtype="FLOAT", format="RF64"
    ) as wav:
        for block in blocks_of(args.recordings, array, args.seconds):
            wav.write(block)
        length = wav.frames
    models = ["--models", *map(str, args.models)]
    environment = {**os.environ, "PYTHONPATH": str(WORKFLOW)}
    process = subprocess.Popen(
        tap2key("listen", *models, *("--input", "-", "--format", "f32", "--output", str(heard))),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
    )
    lines: list[tuple[float, float]] = []
    process.stdout.readline()  # It is ready: columns are printed once models are loaded.

    def read() -> None:
        for line in process.stdout:
            lines.append((time.perf_counter(), float(line.split(b"\t")[0])))

    reader = threading.Thread(target=read)
    reader.start()
    watched = psutil.Process(process.pid)
    cpu_before = sum(watched.cpu_times()[:2])
    memory = [watched.memory_info().rss / MEGABYTE]
    began, late = time.perf_counter(), 0.0
    with soundfile.SoundFile(played) as wav:
        for at in range(0, length, step):
            data = wav.read(step, dtype="float32").tobytes()
            wait = began + (at + step) / rate - time.perf_counter()
            late = max(late, -wait)
            if wait > 0:
                time.sleep(wait)
            process.stdin.write(data)
            process.stdin.flush()
            if at // step % 500 == 499:
                memory.append(watched.memory_info().rss / MEGABYTE)
    cpu = sum(watched.cpu_times()[:2]) - cpu_before
    process.stdin.close()
    reader.join()
    process.wait()
    # Taps of the first second wait for its end.
    delays = np.array([(shown - began) - at for shown, at in lines if at > 1.1])
    print(f"taps\t{len(lines)}")
    for name, since in (("needed", needed), ("window", array.after / rate)):
        p50, p99 = np.quantile(delays - since, [0.5, 0.99]) * 1000
        print(f"ms from the last sample {name}, p50 p99\t{p50:.1f}\t{p99:.1f}")
    print(f"share of a core\t{cpu * rate / length:.2f}")
    used = (memory[0], memory[len(memory) // 3], memory[-1])
    print("MB at the start, a third, the end", *(f"{each:.0f}" for each in used), sep="\t")
    print(f"ms that this program itself was late, at most\t{1000 * late:.1f}")
    given = ("--recordings", str(played), "--output", str(predicted))
    subprocess.run(
        tap2key("predict", *models, *given), env=environment, stdout=subprocess.DEVNULL, check=True
    )
    compare(heard, predicted)


if __name__ == "__main__":
    main()
