"""The prototype's segmentation, written anew from its description: what ours is timed against.

It reads a whole wav, filters the mean of its channels, takes peaks above a height that is typed in,
and writes one wav per peak and one csv of labels, which belong together by order alone.
"""

import argparse
import re
from datetime import datetime, timedelta
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from scipy import signal
from scipy.io import wavfile
from sklearn.neighbors import KNeighborsClassifier

matplotlib.use("Agg")
from matplotlib import pyplot as plt

RATE = 96_000
BEFORE, LENGTH = 2192, 8192
CUTOFF_HZ = 500
FULL_SCALE = 2**31
KEYBOARD = Path(__file__).parents[2] / "config" / "keyboard.csv"


def start_of(name: str) -> datetime:
    """When the recording was started, as its file name has it."""
    hour, minute, second, fraction, month, day, year = map(int, re.findall(r"\d+", name))
    return datetime(year, month, day, hour, minute, second) + timedelta(milliseconds=fraction)


def high_passed(sound: np.ndarray) -> np.ndarray:
    """The mean of all channels, high-passed: [samples, 8] → [samples]."""
    numerator, denominator = signal.butter(5, CUTOFF_HZ, btype="highpass", fs=RATE)
    return signal.lfilter(numerator, denominator, sound.mean(axis=1))


def touches_in(folder: Path) -> pd.DataFrame:
    """All `Down` rows of a session."""
    columns = ["time", "touch", "event", "x", "y", "size"]
    rows = pd.concat([pd.read_csv(path, names=columns) for path in sorted(folder.glob("*.csv"))])
    rows = rows[rows["event"].str.strip() == "Down"]
    return rows.assign(time=pd.to_datetime(rows["time"]))


def segment(path: Path, touches: pd.DataFrame, keys: KNeighborsClassifier, args) -> None:
    """Cut one recording and label its cuts."""
    rate, samples = wavfile.read(path)
    sound = samples / FULL_SCALE
    filtered = high_passed(sound)
    peaks, _ = signal.find_peaks(filtered, height=args.peak_height, distance=LENGTH)
    start = start_of(path.stem)
    if args.plot:
        plt.plot(np.arange(len(filtered)) / rate, filtered)
        plt.plot(peaks / rate, filtered[peaks], "x")
        plt.savefig(args.output / f"{path.stem}.png")
    seconds = (touches["time"] - start).dt.total_seconds().to_numpy() + args.latency
    inside = (seconds >= 0) & (seconds <= len(sound) / rate)
    seconds, places = seconds[inside], touches[["x", "y"]].to_numpy()[inside]
    near = np.abs(peaks[:, None] / rate - seconds[None, :]).min(axis=1) <= args.selectivity
    for number, peak in enumerate(peaks[near]):
        window = np.take(samples, np.arange(peak - BEFORE, peak - BEFORE + LENGTH), 0, mode="wrap")
        wavfile.write(args.output / f"{path.stem}_{number:03d}_8chan.wav", rate, window)
    table = pd.DataFrame({"time": seconds, "label": keys.predict(places)})
    table.to_csv(args.output / f"{path.stem}_label.csv", index=False)


def main() -> None:
    """Segment one recording of a session, or all."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--dir", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--idx", type=int)
    parser.add_argument("--latency", type=float, default=-0.14)
    parser.add_argument("--peak_height", type=float, default=0.0025)
    parser.add_argument("--selectivity", type=float, default=0.134)
    parser.add_argument("--plot", action="store_true")
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    centres = pd.read_csv(KEYBOARD)
    keys = KNeighborsClassifier(1).fit(centres[["x", "y"]].to_numpy(), centres["label"])
    touches = touches_in(args.dir / "02.neonode")
    wavs = sorted((args.dir / "01.acoustic").glob("*.wav"))
    for path in wavs if args.idx is None else [wavs[args.idx]]:
        segment(path, touches, keys, args)


if __name__ == "__main__":
    main()
