from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tap2key.__main__ import main
from tap2key.audio.array import DEFAULT
from tap2key.core.files import read_tsv
from tap2key.core.shipped import KEYBOARD
from tap2key.signal.delays import pairs
from tap2key.simulation.anchors import Features, anchors
from tap2key.simulation.difficulty import load_difficulty, of_session
from tap2key.simulation.plan import plan_study
from tap2key.simulation.plate import MATERIALS, front_speed
from tap2key.simulation.random_streams import Purpose, stream
from tap2key.simulation.recording_job import Job
from tap2key.simulation.typist import draw_taps, draw_typist
from tap2key.study.keyboard import MM_PER_UNIT, load_keyboard

KEYS = np.array(["a", "b", "c", "|"])


def people(count=3, taps=40):
    """Delays tell the key everywhere; levels only within one person."""
    rng = np.random.default_rng(1)
    frames, delays, ratios = [], [], []
    for person in range(count):
        keys = rng.integers(len(KEYS), size=taps)
        place = rng.standard_normal((len(KEYS), 8)) * 10
        delays.append(1e-4 * keys[:, None] + 1e-6 * rng.standard_normal((taps, 28)))
        ratios.append(place[keys] + 0.1 * rng.standard_normal((taps, 8)))
        frames.append(
            pd.DataFrame(
                {
                    "participant": f"P{person}",
                    "session": "01_27_23",
                    "recording": "r",
                    "tap": np.arange(taps),
                    "time_s": 1.0 + np.arange(taps),
                    "label": KEYS[keys],
                }
            )
        )
    features = Features(np.concatenate(delays), np.concatenate(ratios))
    return pd.concat(frames, ignore_index=True), features


def by_name(rows):
    return {(row["anchor"], row["split"]): row for row in rows}


def test_anchors_tell_what_holds_across_people_from_what_does_not():
    taps, features = people()
    rows = by_name(anchors(taps, features, taps, seed=0, trees=30))
    assert rows["GCC-PHAT forest", "held out"]["mean"] > 0.95
    assert rows["level-ratio forest", "random 70/30"]["mean"] > 0.9
    assert rows["level-ratio forest", "held out"]["mean"] < 0.6
    assert rows["level-ratio forest", "held out"]["worst_participant"] in {"P0", "P1", "P2"}


def test_the_ceiling_compares_the_same_taps_whatever_their_order():
    taps, features = people()
    truth = taps.sample(frac=1, random_state=0).assign(time_s=lambda t: t["time_s"] + 0.001)
    wrong = taps.index[:6]
    truth.loc[wrong, "label"] = "z"
    truth.loc[taps.index[-2:], "time_s"] += 0.4
    row = by_name(anchors(taps, features, truth, 0, 5))["nearest key, true position", "all"]
    assert row["taps"] == len(taps) - 2
    assert row["mean"] == pytest.approx(1 - 6 / (len(taps) - 2))


def test_one_person_has_no_held_out_anchor():
    taps, features = people(count=1)
    rows = by_name(anchors(taps, features, taps, seed=0, trees=5))
    assert {split for _, split in rows} == {"all", "random 70/30"}


@pytest.fixture
def segmented(tmp_path):
    """Two sessions as segment writes them; the key is in the delay of the second channel."""
    rng = np.random.default_rng(2)
    taps, _ = people(count=2, taps=30)
    taps["label"] = taps["label"].astype(object)
    truth = taps.copy()
    taps.loc[::10, "label"] = None
    for person, table in taps.groupby("participant"):
        windows = 1e-4 * rng.standard_normal((len(table), 8, 8192)).astype(np.float32)
        for window, key in zip(windows, truth.loc[table.index, "label"], strict=True):
            window[:, 2192] += 1
            window[1] = np.roll(window[1], 5 * list(KEYS).index(key))
        folder = tmp_path / "taps" / person / "01_27_23"
        folder.mkdir(parents=True)
        table.to_parquet(folder / "taps.parquet")
        np.save(folder / "windows.npy", windows)
        known = tmp_path / "truth" / person
        known.mkdir(parents=True)
        truth.loc[table.index].to_parquet(known / "true_taps.parquet")
    return tmp_path


def run(root, *more):
    where = ["--taps", str(root / "taps"), "--truth", str(root / "truth")]
    return main(["anchors", *where, "--trees", "20", *more])


def test_the_command_prints_and_writes_the_same(segmented, capsys):
    assert run(segmented, "--output", str(segmented / "anchors.tsv")) == 0
    printed = capsys.readouterr().out
    rows = by_name(read_tsv(segmented / "anchors.tsv"))
    assert len(rows) == 5
    assert float(rows["GCC-PHAT forest", "held out"]["mean"]) > 0.95
    assert rows["nearest key, true position", "all"]["taps"] == "54"
    assert "GCC-PHAT forest" in printed
    easy = float(rows["level-ratio forest", "held out"]["mean"]) > 0.30
    assert ("too easy" in printed) == easy


def test_other_truth_and_missing_folders_are_one_line_each(segmented, capsys):
    truth = segmented / "truth" / "P0" / "true_taps.parquet"
    pd.read_parquet(truth).assign(recording="other").to_parquet(truth)
    pd.read_parquet(truth).to_parquet(segmented / "truth" / "P1" / "true_taps.parquet")
    assert run(segmented) == 1
    assert "same study" in capsys.readouterr().err
    alone = segmented / "alone" / "P0"
    alone.mkdir(parents=True)
    (segmented / "taps" / "P0" / "01_27_23" / "taps.parquet").rename(alone / "taps.parquet")
    for taps, truth, says in [
        ("taps", "no", "no true_taps.parquet"),
        ("no", "truth", "no labelled taps"),
        ("truth", "truth", "no labelled taps"),
        ("alone", "truth", "segment it again"),
    ]:
        where = ["--taps", str(segmented / taps), "--truth", str(segmented / truth)]
        assert main(["anchors", *where]) == 1
        error = capsys.readouterr().err
        assert says in error
        assert error.count("\n") == 1 or "sessions measured" in error


def test_windows_that_do_not_fit_their_rows_are_refused(segmented, capsys):
    folder = segmented / "taps" / "P0" / "01_27_23"
    np.save(folder / "windows.npy", np.load(folder / "windows.npy")[:-1])
    assert run(segmented) == 1
    assert "29 windows but 30 taps" in capsys.readouterr().err


def ideal_features(settings, per_recording):
    """Taps of a study with delays of a single direct wave, without noise; levels say nothing."""
    difficulty, keyboard = load_difficulty(settings.get("difficulty")), load_keyboard(KEYBOARD)
    first, second = np.array(pairs(DEFAULT.channels)).T
    frames, delays = [], []
    for planned in plan_study(settings):
        own = of_session(difficulty, planned.material, planned.room)
        job = Job(planned, 0, 1, per_recording, "PCM_16", keyboard, own, DEFAULT, Path("unused"))
        setup = job.setup()
        typist = draw_typist(
            stream(1, Purpose.PERSON, planned.participant_index), keyboard, difficulty
        )
        taps = draw_taps(job.stream(Purpose.TAPS, 0), typist, keyboard, difficulty, per_recording)
        usual = MATERIALS[planned.material]
        top = replace(usual, thickness_m=usual.thickness_m * own["table"]["thickness"])
        away = taps.position_mm[:, None] - setup.microphones_mm
        speed = front_speed(top) * setup.speed_factor
        arrival_s = np.linalg.norm(away, axis=2) / 1000 / speed
        delays.append(arrival_s[:, second] - arrival_s[:, first])
        keys = keyboard.nearest(taps.position_mm / MM_PER_UNIT)
        frames.append(
            pd.DataFrame(
                {
                    "participant": planned.participant,
                    "recording": planned.session,
                    "time_s": taps.contact_s,
                    "label": np.array(keyboard.labels)[keys],
                }
            )
        )
    delays = np.concatenate(delays)
    features = Features(delays, np.zeros((len(delays), 8)))
    return pd.concat(frames, ignore_index=True), features


def test_microphones_and_tables_alone_bound_what_delays_tell_in_the_hard_setting():
    size = {"participants": 6, "sessions": 2}
    scores = {}
    for named in (None, "hard"):
        taps, features = ideal_features({**size, "difficulty": named}, per_recording=68)
        rows = by_name(anchors(taps, features, taps, seed=0, trees=15))
        scores[named] = rows["GCC-PHAT forest", "held out"]["mean"]
    assert scores[None] > 0.8
    assert 0.25 < scores["hard"] < 0.6
