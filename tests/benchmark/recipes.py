"""Whether the shipped networks learn from few taps and many, of few keys and many.

    OMP_NUM_THREADS=1 PYTHONPATH=workflow:tests python tests/benchmark/recipes.py
    … --experiments pairs-waves-48000 --taps 30000 --keys 34 --epochs 3

Three made people tap a grid of keys, as far apart as on a keyboard, each tap a click of its own
that reaches eight microphones by its distance from them; two of them train and one validates. Each
experiment is trained as shipped, but with at most --epochs, once with touches and once without
places, where labels alone are learned. It prints the steps, the share of the third person's taps
that are named rightly, whether that is chance, and CPU seconds, and asserts nothing.
"""

import argparse
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from gpu.made_taps import CHANNELS, TRAINING, window, write_fold

from tap2key.__main__ import main as tap2key
from tap2key.config.arguments import options_of
from tap2key.config.configuration import complete_config, read_config
from tap2key.config.experiments import merge
from tap2key.config.stage_settings import NETWORK
from tap2key.core.files import read_json, read_tsv
from tap2key.core.shipped import CONFIG
from tap2key.segmentation.taps import TAPS_NAME, WINDOWS_NAME, WindowWriter, write_taps

PITCH_MM, COLUMNS, AIM_MM = 19, 10, 2.0
SPEED_MM_PER_SAMPLE = 500 / 96
# Four above the keys, four below.
MICROPHONES = np.array([[30 + 70 * (at % 4), -40 + 180 * (at // 4)] for at in range(CHANNELS)])
# Without touches or places only labels can be learned.
LABELS_ALONE = {"training": {"soft_label_sd_mm": 0, "label_smoothing": 0.1}}


def main() -> None:
    """Print a row for each experiment, number of taps, number of keys, and way."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = ["pairs-waves-48000", "pairs-48000", "aligned-48000", "convolutional", "learned-gcc"]
    parser.add_argument("--experiments", nargs="+", default=names)
    parser.add_argument("--taps", type=int, nargs="+", default=[300, 3000])
    parser.add_argument("--keys", type=int, nargs="+", default=[2, 34, 100])
    parser.add_argument("--epochs", type=int, help="at most; default: the experiment's own")
    args = parser.parse_args()
    raw = read_config([CONFIG.with_name("experiments.yaml")])
    shipped = complete_config(raw)["experiments"]
    print(f"{'experiment':<18}{'taps':>7}{'keys':>6}  {'learns':<8}{'steps':>7}", end="")
    print(f"{'accuracy':>10}{'chance':>8}{'CPU s':>8}", flush=True)
    for taps in args.taps:
        for keys in args.keys:
            root = Path(tempfile.mkdtemp(prefix="tap2key-benchmark-"))
            try:
                keyboard = write_study(root, taps, keys)
                for name in args.experiments:
                    for way, change in (("places", {}), ("labels", LABELS_ALONE)):
                        settings = merge(shipped[name], change)
                        if args.epochs is not None:
                            least = min(args.epochs, settings["training"]["epochs"])
                            settings["training"] |= {"epochs": least, "min_steps": 0}
                        found = trained(root, f"{name}-{way}", settings, keyboard)
                        print(f"{name:<18}{taps:>7}{keys:>6}  {way:<8}{found}", flush=True)
            finally:
                shutil.rmtree(root)


def write_study(root: Path, taps: int, keys: int) -> Path:
    """Everybody's taps on so many keys, as the segment stage leaves them; the file of the keys."""
    labels = tuple(f"k{key}" for key in range(keys))
    centres = PITCH_MM * np.array([[key % COLUMNS, key // COLUMNS] for key in range(keys)])
    keyboard = root / "keyboard.csv"
    lines = [f"{label},{10 * x},{10 * y}" for label, (x, y) in zip(labels, centres, strict=True)]
    keyboard.write_text("\n".join(["label,x,y", *lines]) + "\n", encoding="utf-8")
    for number, person in enumerate(TRAINING):
        rng = np.random.default_rng([2, number])
        drawn = rng.permutation(np.arange(taps // len(TRAINING)) % keys)
        touched = centres[drawn] + rng.normal(0, AIM_MM, (len(drawn), 2))
        folder = root / "taps" / person
        folder.mkdir(parents=True)
        with (folder / WINDOWS_NAME).open("wb") as handle:
            writer = WindowWriter(handle)
            for place in touched:
                way = np.linalg.norm(MICROPHONES - place, axis=1)
                delays = np.round((way - way.min()) / SPEED_MM_PER_SAMPLE).astype(int)
                writer.write(window(delays, rng))
            hashed = writer.finish()
        whose = {"participant": person, "session": "s1", "recording": "r1"}
        rows = [
            {**whose, "tap": tap, "label": labels[key], "x": float(10 * x), "y": float(10 * y)}
            for tap, (key, (x, y)) in enumerate(zip(drawn, touched, strict=True))
        ]
        write_taps(folder / TAPS_NAME, rows, hashed, labels)
    return keyboard


def trained(root: Path, name: str, settings: dict[str, Any], keyboard: Path) -> str:
    """Train one network, and say what came of it."""
    fold, model = write_fold(root, name, settings["encoding"]), root / name / "model"
    begun = time.process_time()
    written = ["--checkpoints", str(root / "checkpoints"), "--output", str(model)]
    given = [*options_of("experiment", settings, NETWORK), "--keyboard", str(keyboard), *written]
    assert tap2key(["train", *fold, *given]) == 0
    seconds = time.process_time() - begun
    about = read_json(model / "tap2key.json")["validation"]
    steps = read_tsv(model / "history.tsv", ("step",))[-1]["step"]
    chance = {True: "yes", False: "no", None: "few"}[about["at_chance"]]
    return f"{steps:>7}{about['accuracy']:>10.3f}{chance:>8}{seconds:>8.0f}"


if __name__ == "__main__":
    main()
