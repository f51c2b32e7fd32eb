"""Things that tests need on disk: empty studies, and datasets and folds with classes to tell."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pytest
from running import ROOT

from tap2key.__main__ import main
from tap2key.config.arguments import options_of
from tap2key.config.configuration import complete_config
from tap2key.config.stage_settings import NETWORK
from tap2key.core.digests import digest
from tap2key.datasets.encoded_dataset import save_dataset
from tap2key.datasets.encoding import Encoding
from tap2key.segmentation.taps import BY_TIME, WindowWriter, write_taps
from tap2key.study.manifest import Recording
from tap2key.study.scan import survey_study

WORKFLOW = ROOT / "workflow"
RECORDING = "13.05.22.123_01_27_2023.wav"
LABELS = ("a", "b", "|")
EVERYBODY = ("Ana", "Bo", "Chen", "Dee")
# 4 ms around the onset at 16 kHz, all eight channels: 64 frames, 512 values.
ENCODING = Encoding("interleave", 16_000, (1, 3), None)
FRAMES = 64
# The smallest shape whose first convolution spans whole frames; learns `windows` in seconds.
SHAPE = {
    "conv_dim": [16, 16],
    "conv_kernel": [64, 3],
    "conv_stride": [16, 2],
    "conv_bias": False,
    "feat_extract_norm": "group",
    "num_feat_extract_layers": 2,
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "classifier_proj_size": 16,
    "num_conv_pos_embeddings": 4,
    "num_conv_pos_embedding_groups": 2,
    "layerdrop": 0.0,
    "mask_time_prob": 0.0,
    "apply_spec_augment": False,
}
SETTINGS = {
    "model": {"checkpoint": None, "config_overrides": SHAPE},
    "training": {
        "epochs": 6,
        "batch_size": 16,
        "gradient_accumulation_steps": 1,
        "learning_rate": 0.005,
        "adam_beta2": 0.98,
    },
}
# Where `dataset` puts its touches, in the touch sensor's 0.1 mm; `|` has a second centre far off.
CENTRES = "label,x,y\na,0,0\nb,200,100\n|,400,200\n|,400,2000\n"


class Study(NamedTuple):
    """A fold that holds out one person, the datasets it trains on, and everybody's."""

    fold: Path
    training: list[Path]
    datasets: dict[str, Path]


def session(
    study: Path,
    folder: str,
    recordings: Sequence[str] = (RECORDING,),
    touches: Sequence[str] = ("a_nnode.csv",),
) -> Path:
    """An empty session: files of the right names with nothing in them."""
    path = study / folder
    for part, names in (("01.acoustic", recordings), ("02.neonode", touches)):
        (path / part).mkdir(parents=True)
        for name in names:
            (path / part / name).touch()
    return path


def scan_study(study: Path, session_pattern: str, table: Path | None = None) -> list[Recording]:
    """Every recording of a study whose sessions have touch logs."""
    return survey_study(study, session_pattern, table).recordings


def completed_experiment(**own: object) -> dict[str, Any]:
    """All settings of an experiment, by those that are its own."""
    return complete_config({"experiments": {"own": own}})["experiments"]["own"]


def windows(label_ids: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Taps whose key is told by delays and levels of the channels: [n, 8, 64] float32.

    A click reaches channel c after c, 7 − c or |c − 3| times 1.5 frames, 1 dB softer per frame.
    """
    delays = 1.5 * np.array([[c, 7 - c, abs(c - 3)] for c in range(8)]).T
    times = np.arange(FRAMES) - ENCODING.onset_frame
    frequencies = np.fft.rfftfreq(2 * FRAMES)
    result = np.empty((len(label_ids), 8, FRAMES))
    for row, label in enumerate(label_ids):
        click = np.exp(-np.maximum(times, 0)) * (times >= 0) * rng.uniform(0.5, 2)
        click += 0.2 * rng.standard_normal(FRAMES) * np.exp(-np.abs(times - 3) / 4)
        turned = np.exp(-2j * np.pi * delays[label][:, None] * frequencies)
        result[row] = np.fft.irfft(np.fft.rfft(click, 2 * FRAMES) * turned)[:, :FRAMES]
        result[row] *= 10 ** (-delays[label][:, None] / 20)
    result += 0.02 * rng.standard_normal(result.shape)
    return (0.1 * result).astype(np.float32)


def dataset(
    folder: Path,
    participant: str,
    label_ids: Sequence[int],
    sessions: Sequence[str] = ("s1", "s2"),
    encoding: Encoding = ENCODING,
    labels: Sequence[str] = LABELS,
    seed: int = 0,
    inputs: np.ndarray | None = None,
    placed: bool = True,
) -> Path:
    """An encoded dataset of one participant, its taps dealt to the sessions in turn.

    Unless `placed`, nobody knows where the touches were, as of ingested labels.
    """
    label_ids = np.array(label_ids)
    if inputs is None:
        made = windows(
            label_ids, np.random.default_rng([seed, len(label_ids), *participant.encode()])
        )
        inputs = made.transpose(0, 2, 1).reshape(len(made), -1)
    count = len(label_ids)
    taps = pa.table(
        {
            "participant": [participant] * count,
            "session": [sessions[row % len(sessions)] for row in range(count)],
            "recording": ["r1"] * count,
            "tap": pa.array(range(count), pa.int32()),
            **{
                name: pa.array(step * label_ids if placed else [None] * count, pa.float32())
                for name, step in (("x", 200.0), ("y", 100.0))
            },
        }
    )
    folder.mkdir(parents=True)
    fingerprint = digest([participant, seed, label_ids.tolist(), inputs.sum().item()])
    save_dataset(folder, inputs, label_ids, taps, encoding, labels, fingerprint)
    return folder


def people(
    root: Path,
    names: Sequence[str],
    taps: int = 48,
    rare: int | None = None,
    placed: bool = True,
) -> dict[str, Path]:
    """A dataset for each name; with `rare`, that class has a quarter of the others' taps."""
    found = {}
    for name in names:
        rng = np.random.default_rng([taps, *name.encode()])
        label_ids = rng.permutation(np.arange(taps) % len(LABELS))
        if rare is not None:
            label_ids = label_ids[(label_ids != rare) | (np.arange(taps) % 4 == 0)]
        found[name] = dataset(root / name, name, label_ids, placed=placed)
    return found


def taps(
    folder: Path,
    participant: str,
    session: str,
    keys: dict[str, Sequence[str | None]],
    seed: int = 0,
    labels: Sequence[str] = LABELS,
) -> Path:
    """A session's taps of given keys by recording, with random windows; 0.5 s apart from 1 s on."""
    rng = np.random.default_rng([seed, *participant.encode(), *session.encode()])
    rows = [
        {
            "participant": participant,
            "session": session,
            "recording": recording,
            "tap": number,
            "time_s": 1 + number / 2,
            "label": key,
            "pairing": BY_TIME,
        }
        for recording, own in keys.items()
        for number, key in enumerate(own)
    ]
    folder.mkdir(parents=True)
    with (folder / "windows.npy").open("wb") as handle:
        writer = WindowWriter(handle)
        for _ in rows:
            writer.write(rng.uniform(-1, 1, (8, 8192)).astype(np.float32))
        hashed = writer.finish()
    write_taps(folder / "taps.parquet", rows, hashed, tuple(labels))
    return folder


def stage(*arguments: object) -> None:
    """Run a stage in this process; its error messages fail the test."""
    status = main([str(a) for a in arguments])
    assert status == 0, f"tap2key {' '.join(map(str, arguments))} failed"


def fold(
    output: Path, datasets: dict[str, Path], held_out: str, options: Sequence[str] = ()
) -> tuple[Path, list[Path]]:
    """A fold made by its stage, and the training datasets."""
    training = [folder for name, folder in datasets.items() if name != held_out]
    stage(*("fold", "--held-out", held_out, "--output", output, "--datasets", *training, *options))
    return output, training


def command(*arguments: object) -> list[str]:
    """The command line of a stage; run it with `cwd=WORKFLOW`, where the package is found."""
    return [sys.executable, "-m", "tap2key", *map(str, arguments)]


def run(*arguments: object, timeout: float = 120) -> subprocess.CompletedProcess:
    """Run a stage as its users do, in a process of its own."""
    return subprocess.run(
        command(*arguments), cwd=WORKFLOW, capture_output=True, text=True, timeout=timeout
    )


def held_out_study(root: Path, names: Sequence[str] = EVERYBODY, **kind: int) -> Study:
    """Everybody's datasets under `root`, and a fold that holds the first of them out."""
    datasets = people(root / "datasets", names, **kind)
    return Study(*fold(root / "fold", datasets, names[0]), datasets)


def error_line(capsys: pytest.CaptureFixture, *arguments: object) -> str:
    """The one line by which a stage refuses its arguments; it has made no output."""
    capsys.readouterr()
    assert main([str(a) for a in arguments]) == 1
    (line,) = [x for x in capsys.readouterr().err.splitlines() if x.startswith("tap2key: error: ")]
    if "--output" in arguments:
        assert not Path(arguments[arguments.index("--output") + 1]).exists()
    return line


def without_roots_privilege(*command: str) -> list[str]:
    """A command line that meets folders' permissions as an ordinary user does, root or not."""
    if os.geteuid():
        return [*command]
    return ["setpriv", "--bounding-set=-dac_override,-dac_read_search", *command]


def training_arguments(
    fold_folder: Path, datasets: Sequence[Path], root: Path, output: str = "model", **settings: dict
) -> list[object]:
    """Arguments of the train stage, with checkpoints and model below `root`."""
    chosen = {**SETTINGS, **settings}
    return [
        *("--fold", fold_folder, "--datasets", *datasets),
        *options_of("experiment", chosen, NETWORK),
        *("--seed", 1, "--checkpoints", root / "checkpoints", "--output", root / output),
    ]
