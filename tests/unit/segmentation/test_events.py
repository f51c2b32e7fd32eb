"""Recordings beside event tables: labels, clocks, releases, and tables that cannot be right."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import sounds

from tap2key.core.shipped import KEYBOARD
from tap2key.segmentation import events
from tap2key.segmentation.events import events_of
from tap2key.segmentation.session import Settings, segment_recording, segment_session
from tap2key.segmentation.taps import keyboard_labels, load_taps
from tap2key.study.keyboard import load_keyboard
from tap2key.study.manifest import Recording
from tap2key.study.truth import Truth

KEYS = load_keyboard(KEYBOARD)
LATE_S, HELD_S = 0.35, 0.1


def made(folder: Path, count=24, released=False, scale=1.0, name="a.keys"):
    """A recording of irregular strokes of two keys in turn, and a logger that notices late."""
    rng = np.random.default_rng(7)
    pressed = 0.5 + np.cumsum(rng.uniform(0.3, 0.6, count))
    seconds = float(pressed[-1]) + 1
    sound = sounds.recording(sorted(pressed), seconds)
    if released:
        held = pressed + HELD_S + rng.normal(0, 0.004, count)
        sound = sound + sounds.recording(sorted(held), seconds, seed=1, loudness=0.05)
    path = sounds.write_wav(folder / "a.wav", np.clip(sound, -1, 0.99))
    label = ["q", "p"] * (count // 2)
    lines = [f"{(t + LATE_S) * scale:.6f} {k}" for t, k in zip(pressed, label, strict=True)]
    table = folder / name
    table.write_text("\n".join(lines))
    recording = Recording("Ana", "one", "a", path, sounds.START, None, (table,), truth="events")
    return recording, pressed, label


def segmented(recording, **truth):
    settings = Settings(truth=Truth(**truth))
    events = events_of([recording], KEYS, settings.truth)
    return segment_recording(recording, events[recording.path], KEYS, settings)


def test_taps_have_the_keys_of_a_table_and_no_place(tmp_path):
    recording, pressed, label = made(tmp_path)
    found = segmented(recording)
    assert found.audit["status"] == "ok"
    assert [row["label"] for row in found.rows] == label
    assert {row.get("x") for row in found.rows} == {None}
    np.testing.assert_allclose([row["time_s"] for row in found.rows], pressed, atol=0.002)
    assert found.audit["latency_s"] == pytest.approx(-LATE_S, abs=0.003)
    assert found.audit["matched"] == len(pressed)


def test_a_table_of_several_recordings_is_read_once(tmp_path, monkeypatch):
    table = tmp_path / "all.csv"
    table.write_text("time,key,recording\n0.5,q,a\n0.7,p,b\n0.9,q,a\n")
    recordings = [
        Recording(
            "Ana",
            "one",
            name,
            tmp_path / f"{name}.wav",
            sounds.START,
            None,
            (table,),
            truth="events",
        )
        for name in "ab"
    ]
    read = []
    own = events.read_strokes

    def reading(path, truth):
        read.append(path)
        return own(path, truth)

    monkeypatch.setattr(events, "read_strokes", reading)
    found = events.events_of(recordings, KEYS, Truth())
    assert read == [table]
    assert [found[r.path].label for r in recordings] == [("q", "q"), ("p",)]


def test_a_keyboard_without_places_needs_none(tmp_path):
    recording, pressed, label = made(tmp_path)
    csv = tmp_path / "keys.csv"
    csv.write_text("label\nq\np\n")
    table = recording.touch_files[0].with_suffix(".csv")
    rows = [line.replace(" ", ",") for line in recording.touch_files[0].read_text().split("\n")]
    # The first stroke's place is known, and kept.
    table.write_text("\n".join(["time,key,x,y", rows[0] + ",300,400", *rows[1:]]))
    recording = replace(recording, touch_files=(table,))
    keyboard = load_keyboard(csv)
    events = events_of([recording], keyboard, Truth())
    found = segment_recording(recording, events[recording.path], keyboard, Settings())
    assert [row["label"] for row in found.rows] == label
    assert [row.get("x") for row in found.rows] == [300, *[None] * (len(pressed) - 1)]


def test_a_known_clock_is_not_fitted(tmp_path):
    recording, pressed, label = made(tmp_path)
    exact = [f"{t:.6f} {k}" for t, k in zip(pressed, label, strict=True)]
    recording.touch_files[0].write_text("\n".join(exact))
    found = segmented(recording, clock="known")
    assert [row["label"] for row in found.rows] == label
    assert found.audit["latency_s"] == 0


def test_releases_are_dropped_or_a_class_of_their_own_and_never_a_press(tmp_path):
    recording, pressed, label = made(tmp_path, count=40, released=True)
    dropped = segmented(recording, releases="drop")
    assert [row["label"] for row in dropped.rows] == label
    assert dropped.audit["releases"] >= 38
    kept = segmented(recording, releases="keep")
    assert [row["label"] for row in kept.rows if row["label"] != "release"] == label
    released = [row["time_s"] for row in kept.rows if row["label"] == "release"]
    assert len(released) >= 38
    nearest = np.abs(np.subtract.outer(released, pressed + HELD_S)).min(axis=1)
    assert nearest.max() < 0.03
    assert kept.audit["matched"] == len(label)


def test_releases_are_a_class_of_the_taps_on_disk(tmp_path):
    recording, *_ = made(tmp_path, count=40, released=True)
    settings = Settings(truth=Truth(releases="keep"))
    segment_session([recording], KEYS, settings, tmp_path / "taps")
    table, windows = load_taps(tmp_path / "taps", verify=True)
    assert keyboard_labels(table) == (*KEYS.labels, "release")
    assert len(windows) == len(table) >= 78


@pytest.mark.parametrize(
    ("change", "truth", "words"),
    [
        ({"scale": 1000}, {}, "they look like milliseconds, not seconds: set truth.unit to ms"),
        ({"name": "a.TextGrid"}, {}, "not a TextGrid"),
    ],
)
def test_a_table_that_cannot_be_right_leaves_its_recording_out(tmp_path, change, truth, words):
    recording, _, _ = made(tmp_path, **change)
    audit = segmented(recording, **truth).audit
    assert audit["status"] == "left out"
    assert words in audit["reason"]
    assert "\n" not in audit["reason"]


def test_milliseconds_are_read_where_the_truth_says_so(tmp_path):
    recording, _, label = made(tmp_path, scale=1000)
    assert [row["label"] for row in segmented(recording, unit="ms").rows] == label


def test_entries_of_no_key_are_told_and_have_no_label(tmp_path):
    recording, *_ = made(tmp_path)
    table = recording.touch_files[0]
    table.write_text(table.read_text().replace(" q", " Key.f9", 2))
    found = segmented(recording)
    assert "2 × Key.f9" in found.audit["warnings"]
    assert [row["label"] for row in found.rows].count(None) == 2
    table.write_text(table.read_text().replace(" q", " Key.f9").replace(" p", " Key.f9"))
    assert "no entry is a key" in segmented(recording).audit["reason"]
