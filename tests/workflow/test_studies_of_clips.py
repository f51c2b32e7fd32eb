"""A folder of clips as Auditory Eyesight published them: planned, segmented and split."""

import json

import numpy as np
import pandas as pd
import pytest
import soundfile
from running import ROOT, copy_workflow, snakemake

STUDY = ROOT / "config" / "studies" / "auditory-eyesight.yaml"
RATE, CLIP = 44_100, 4_410
KEYS = ("a", "e", "Key.space", "'", "T")


def imitation(folder, count=60):
    """Clips of six channels with a click each, later at each channel the farther its key."""
    rng = np.random.default_rng(3)
    folder.mkdir(parents=True)
    rows = []
    for number in range(1, count + 1):
        # One key comes once only.
        key = "Q" if number == 20 else KEYS[number % len(KEYS)]
        sound = rng.normal(0, 1e-3, (CLIP, 6))
        onset = int(rng.uniform(0.01, 0.06) * RATE)
        click = rng.normal(0, 0.2, 400) * np.exp(-np.arange(400) / 80)
        for channel in range(6):
            late = onset + (channel * 7 * (1 + number % len(KEYS))) % 83
            sound[late : late + 400, channel] += click
        soundfile.write(folder / f"key{number:04}.wav", sound, RATE, subtype="PCM_24")
        rows.append(f"{number:04} {key}\n")
    (folder / "keys_groundtruth.txt").write_text("".join(rows))
    return folder


def run(root, folder, *arguments, files=()):
    settings = ["--configfile", STUDY, *files, "--config", f"study={folder}", "results=results"]
    return snakemake(root, [*settings, *arguments], root)


def test_the_shipped_study_file_plans_three_seeds_but_of_networks_on_waves_one(tmp_path):
    folder = imitation(tmp_path / "typed1_keys")
    ran = run(copy_workflow(tmp_path), folder, "--cores", "1", "-n", "--quiet", "host")
    assert ran.status == 0, ran.text
    assert {rule: ran.jobs[rule] for rule in ("segment", "fold", "train", "baseline")} == {
        "segment": 1,
        "fold": 28,
        "train": 10,
        "baseline": 18,
    }


@pytest.mark.slow
def test_clips_become_a_matrix_and_a_map_in_the_order_they_were_typed(tmp_path):
    folder = imitation(tmp_path / "typed1_keys")
    root = copy_workflow(tmp_path)
    chosen = "select_experiments=keyboard-gcc-phat-random,keyboard-gcc-phat-chronological"
    (root / "seed.yaml").write_text("experiment_defaults: {seeds: [0]}")
    local = ("--profile", "profiles/local", "--cores", "1")
    ran = run(root, folder, chosen, *local, files=["seed.yaml"])
    assert ran.status == 0, ran.text[-5000:]
    session = root / "results" / "taps" / "typed1_keys" / "typed1_keys"
    taps = pd.read_parquet(session / "taps.parquet")
    assert (len(taps), set(taps.label)) == (60, {"a", "e", "space", "'", "t", "q"})
    for split, tested in (("random", None), ("chronological", range(42, 60))):
        name = f"keyboard-gcc-phat-{split}"
        scored = root / "results" / "evaluations" / name / split / "seed-0"
        predictions = pd.read_parquet(scored / "predictions.parquet")
        if tested is not None:
            assert sorted(predictions.tap) == list(tested)
        assert json.loads((scored / "metrics.json").read_text())["accuracy"] >= 0.8
        for picture in ("confusion.png", "keyboard.png"):
            assert (root / "results" / "summary" / name / picture).stat().st_size > 10_000
