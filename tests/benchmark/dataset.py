"""Datasets: this pipeline beside the prototype's way. Prints seconds, bytes and ratios.

    OMP_NUM_THREADS=1 python tests/benchmark/dataset.py --taps 5000

It takes some minutes; with --sample 500 --passes 4 the prototype's side is scaled up from less.
One thread is what Snakemake gives the encoding, too.

The prototype kept one wav per tap, mapped a resampling, an interleaving and the feature extractor
over them row by row, and oversampled with one pass of `filter` over everything per key, whose
parts `interleave_datasets` put together. Everything is timed in CPU seconds, since a busy machine
distorts any other; what is written to disk first (wav files there, windows.npy here) is not timed.
"""

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import librosa
import numpy as np
import soundfile
import torch
from datasets import Dataset, disable_progress_bars, interleave_datasets

from tap2key.__main__ import main as tap2key
from tap2key.config.configuration import complete_config
from tap2key.core.shipped import KEYBOARD
from tap2key.datasets.crops import cut_of
from tap2key.datasets.encode import encode
from tap2key.datasets.encoded_dataset import load_dataset_folder, load_fold
from tap2key.datasets.encoding import Encoding
from tap2key.models.wav2vec2 import build_classifier, build_extractor
from tap2key.segmentation.taps import TAPS_NAME, WINDOWS_NAME, WindowWriter, write_taps
from tap2key.study.keyboard import load_keyboard
from tap2key.training.inputs import Inputs

ENCODING = Encoding("interleave", 16_000)
PEOPLE = ("Ana", "Bo", "Chen", "Dee", "Eve")
BATCH = 32
TINY = {
    "conv_dim": [64] * 5,
    "conv_kernel": [80, 3, 3, 3, 3],
    "conv_stride": [40, 2, 2, 2, 2],
    "feat_extract_norm": "group",
    "num_feat_extract_layers": 5,
    "hidden_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 384,
    "classifier_proj_size": 96,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
    "layerdrop": 0.0,
    "mask_time_prob": 0.0,
}


def main() -> None:
    """Measure both ways and print what they cost."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--taps", type=int, default=5000)
    parser.add_argument(
        "--sample", type=int, help="map only so many taps the old way, and scale to all"
    )
    parser.add_argument(
        "--passes", type=int, help="filter for only so many keys the old way, and scale to all"
    )
    parser.add_argument("--threads", type=int, default=1, help="those of training")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    root = Path(tempfile.mkdtemp(prefix="tap2key-benchmark-"))
    try:
        measure(args, root)
    finally:
        shutil.rmtree(root)


def measure(args: argparse.Namespace, root: Path) -> None:
    """Print the comparison, using `root` for files."""
    labels = keyboard_labels()
    rng = np.random.default_rng(0)
    # As unequal as typing: the commonest key has ten times the taps of the rarest.
    frequency = np.geomspace(10, 1, len(labels))
    each = args.taps // len(PEOPLE)
    said = {p: rng.choice(len(labels), each, p=frequency / frequency.sum()) for p in PEOPLE}
    for person in PEOPLE:
        write_session(root / "taps" / person, person, [labels[i] for i in said[person]], rng)

    begun = time.process_time()
    for person in PEOPLE:
        encode([root / "taps" / person], ENCODING, root / "datasets" / person)
    encoded = time.process_time() - begun
    begun = time.process_time()
    for person in PEOPLE:
        training = [str(root / "datasets" / p) for p in PEOPLE if p != person]
        fold = ["--held-out", person, "--output", str(root / "folds" / person)]
        tap2key(["fold", *fold, "--datasets", *training])
    folded = (time.process_time() - begun) / len(PEOPLE)
    print(f"here: encode {encoded:.1f} s, select and oversample {folded:.2f} s a fold")

    data, one = size(root / "datasets"), size(root / "folds")
    print(f"disk: encoded {data / 1e6:.0f} MB, all {len(PEOPLE)} folds {one / 1e6:.1f} MB more")
    print(f"disk for all folds: {(data + one) / data:.3f} x one copy of the encoded data")

    read(root)
    prototype = prototype_seconds(args, root, said, len(labels), rng)
    print(f"prototype: {prototype:.0f} s; here {encoded + folded:.1f} s")
    print(f"aggregate, encode and oversample: {prototype / (encoded + folded):.0f} x faster")


def write_session(folder: Path, person: str, labels: list[str], rng: np.random.Generator) -> None:
    """Taps and windows of one session, as the segment stage leaves them."""
    folder.mkdir(parents=True)
    with (folder / WINDOWS_NAME).open("wb") as handle:
        writer = WindowWriter(handle)
        for _ in labels:
            writer.write(0.1 * rng.standard_normal((8, 8192), dtype=np.float32))
        windows_hash = writer.finish()
    whose = {"participant": person, "session": "s1", "recording": "r1", "x": 1.0, "y": 1.0}
    rows = [{**whose, "tap": tap, "label": label} for tap, label in enumerate(labels)]
    write_taps(folder / TAPS_NAME, rows, windows_hash, keyboard_labels())


def keyboard_labels() -> tuple[str, ...]:
    """Those of the keyboard that comes with the workflow."""
    return load_keyboard(KEYBOARD).labels


def read(root: Path) -> None:
    """How fast training reads, and what part of the tiny model's step that is."""
    training = [root / "datasets" / p for p in PEOPLE[1:]]
    data = load_fold(root / "folds" / PEOPLE[0], training)["train"]
    first = load_dataset_folder(training[0])
    length = data.features["input_values"].length
    cut = cut_of(ENCODING, length, None, None)
    inputs = Inputs(data, ENCODING, cut, build_extractor(ENCODING.sample_rate))
    batches = [np.random.default_rng(i).integers(0, len(data), BATCH).tolist() for i in range(60)]
    rows, whole = (
        min(_seconds(lambda f=f: [f(b) for b in batches]) for _ in range(3)) / len(batches)
        for f in (inputs.rows.__getitem__, inputs.__getitems__)
    )
    tiny = {"model": {"checkpoint": None, "config_overrides": TINY}}
    settings = complete_config({"experiments": {"tiny": tiny}})["experiments"]["tiny"]
    model = build_classifier(settings, list(first.labels), ENCODING, cut)
    batch = inputs.__getitems__(batches[0])
    step = min(_seconds(lambda: model(**batch).loss.backward()) for _ in range(5))
    print(f"training reads {BATCH / rows:.0f} windows/s of {length} values")
    print(f"read, cut and normalised: {BATCH / whole:.0f} windows/s")
    print(f"data loading: {100 * whole / (whole + step):.1f} % of the tiny model's step")


def _seconds(work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


def prototype_seconds(
    args: argparse.Namespace,
    root: Path,
    said: dict[str, np.ndarray],
    keys: int,
    rng: np.random.Generator,
) -> float:
    """What the same takes the prototype's way, scaled up where only a part was done."""
    every = np.concatenate(list(said.values()))
    sample = min(args.sample or len(every), len(every))
    wavs = root / "wavs"
    wavs.mkdir()
    for tap in range(sample):
        window = 0.1 * rng.standard_normal((8192, 8), dtype=np.float32)
        soundfile.write(wavs / f"{tap}.wav", window, 96_000, subtype="PCM_32")
    extractor = build_extractor(ENCODING.sample_rate)

    def load(row: dict) -> dict:
        audio, rate = soundfile.read(row["path"], dtype="float32")
        resampled = librosa.resample(audio.T, orig_sr=rate, target_sr=ENCODING.sample_rate)
        flat = resampled.reshape(-1, order="F")
        values = extractor(flat, sampling_rate=ENCODING.sample_rate, max_length=16_000)
        return {"input_values": values["input_values"][0]}

    load({"path": str(wavs / "0.wav")})  # what is imported at the first call is not counted
    begun = time.process_time()
    paths = [str(wavs / f"{tap}.wav") for tap in range(sample)]
    rows = Dataset.from_dict({"path": paths, "label": every[:sample].tolist()})
    mapped = rows.map(load, remove_columns="path")
    aggregated = (time.process_time() - begun) * len(every) / sample

    present = np.unique(every[:sample]).tolist()
    passes = min(args.passes or len(present), len(present))
    begun = time.process_time()
    parts = [mapped.filter(lambda row, key=key: row["label"] == key) for key in present[:passes]]
    filtered = (time.process_time() - begun) * len(every) / sample * keys / passes
    begun = time.process_time()
    both = interleave_datasets(parts, probabilities=None, stopping_strategy="all_exhausted")
    both.save_to_disk(root / "oversampled")
    written = (time.process_time() - begun) * len(every) / sample * keys / passes
    done = f"{sample} of {len(every)} taps, {passes} of {keys} passes, scaled to all"
    print(
        f"prototype ({done}): map {aggregated:.0f} s, filter {filtered:.0f} s, "
        f"interleave and save {written:.0f} s"
    )
    return aggregated + filtered + written


def size(folder: Path) -> int:
    """Bytes of everything in a folder."""
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())


if __name__ == "__main__":
    disable_progress_bars()
    main()
