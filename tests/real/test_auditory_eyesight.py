"""Auditory Eyesight: six microphones in the air, clips of one key press each, a table of keys."""

import numpy as np
import pytest
import yaml
from running import ROOT, snakemake
from sklearn.ensemble import ExtraTreesClassifier

from tap2key.audio.array import array_of
from tap2key.config.configuration import complete_config, read_config
from tap2key.segmentation.session import Settings, segment_session
from tap2key.segmentation.taps import load_taps
from tap2key.signal.delays import around_onset, gcc_phat_delays, level_ratios, with_slopes
from tap2key.signal.filters import high_pass
from tap2key.study.clip_folders import survey_clips
from tap2key.study.keyboard import load_keyboard

STUDY = ROOT / "config" / "studies" / "auditory-eyesight.yaml"
CONFIG = yaml.safe_load(STUDY.read_text(encoding="utf-8"))
ARRAY = array_of(CONFIG["array"])
CLIPS = {"user364": 1500, "recording2": 598}


@pytest.fixture(scope="module")
def segmented(real, tmp_path_factory):
    """Of each folder: its row of recordings.tsv, its taps and their windows."""
    keyboard = load_keyboard(ROOT / "config" / "keyboards" / "ansi.csv")
    found = {}
    for name in CLIPS:
        study = real / "auditory-eyesight" / name
        recordings = survey_clips(study, [], None, "table", CONFIG["session_pattern"]).recordings
        taps = tmp_path_factory.mktemp(name)
        (audit,) = segment_session(recordings, keyboard, Settings(array=ARRAY), taps)
        found[name] = (audit, *load_taps(taps))
    return found


@pytest.mark.parametrize("name", CLIPS)
def test_the_onset_of_nearly_every_clip_is_found_inside_it_and_every_key_is_known(segmented, name):
    audit, table, windows = segmented[name]
    assert audit["status"] == "ok"
    assert audit["touches"] == CLIPS[name]
    assert audit["matched"] == len(table) >= 0.99 * CLIPS[name]
    # Just before the onset it is 6 dB quieter, unless another key is still heard.
    sharp = high_pass(np.asarray(windows), 500.0, ARRAY.sample_rate)
    before, after = (
        np.mean(np.square(sharp[:, :, ARRAY.before + ARRAY.samples(a) : ARRAY.before + b]), (1, 2))
        for a, b in ((-4, -ARRAY.samples(0.5)), (0, ARRAY.samples(10)))
    )
    assert np.mean(after > 4 * before) >= 0.97


def test_a_forest_names_19_of_20_keys_by_delays_and_levels(segmented):
    _, table, windows = segmented["user364"]
    labels = np.array(table["label"].to_pylist())
    near = with_slopes(around_onset(windows, ARRAY.sample_rate, ARRAY.before, 0.005, 0.040))
    delays = gcc_phat_delays(near, ARRAY.sample_rate, ARRAY.max_delay_ms / 1000)
    features = np.hstack([delays, level_ratios(near)])
    rows = np.random.default_rng(0).permutation(len(labels))
    train, test = rows[: 7 * len(rows) // 10], rows[7 * len(rows) // 10 :]
    forest = ExtraTreesClassifier(500, min_samples_leaf=2, random_state=0)
    forest.fit(features[train], labels[train])
    assert np.mean(forest.predict(features[test]) == labels[test]) >= 0.95


def test_the_shipped_study_file_plans_the_whole_run(real, tmp_path):
    study = real / "auditory-eyesight" / "user364"
    given = ["--configfile", STUDY, "--config", f"study={study}", f"results={tmp_path / 'out'}"]
    ran = snakemake(tmp_path, [*given, "--cores", "1", "-n", "--quiet", "host"], ROOT)
    assert ran.status == 0, ran.text
    assert ran.jobs["segment"] == 1
    config = complete_config(read_config([STUDY]))
    chosen = config["select_experiments"]
    models = sum(len(config["experiments"][name]["seeds"]) for name in chosen)
    assert ran.jobs["train"] + ran.jobs["baseline"] == ran.jobs["draw"] == models
