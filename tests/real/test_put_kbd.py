"""put-kbd: one laptop keyboard, one microphone, a logger's times: presses and clocks."""

from dataclasses import dataclass

import numpy as np
import pytest
import soundfile

from tap2key.audio.array import Array
from tap2key.core.shipped import KEYBOARD
from tap2key.segmentation.events import events_of
from tap2key.segmentation.session import Settings, segment_recording
from tap2key.study.found_by_name import survey_by_name
from tap2key.study.keyboard import load_keyboard
from tap2key.study.truth import Truth

RATE = 44_100
SETTINGS = Settings(
    array=Array(channels=1, sample_rate=RATE, window_ms=(20.0, 60.0), groups=()),
    truth=Truth(releases="drop"),
)
# A logger starts after the recorder: what is heard before its first press says nothing.
AROUND_S = 0.3
# Shifts that would be wrong: by a release, some 90 ms, or by a press, some 280 ms.
ALIGNED_S = 0.035


@dataclass
class Segmented:
    """One recording: what the logger says, what was found, and the sound itself."""

    logged_s: np.ndarray
    audit: dict
    rows: list
    sound: np.ndarray


@pytest.fixture(scope="module")
def found(real):
    study = real / "put-kbd"
    pattern = "^(?P<participant>[^/]+)/(?P<session>[^/]+)"
    keyboard = load_keyboard(KEYBOARD.parent / "keyboards" / "ansi.csv")
    recordings = survey_by_name(study, ["**/train_*.wav"], None, pattern).recordings
    events = events_of(recordings, keyboard, SETTINGS.truth)
    found = {}
    for r in recordings:
        segmented = segment_recording(r, events[r.path], keyboard, SETTINGS)
        logged_s = events[r.path].seconds_since(r.start)
        sound = soundfile.read(r.path)[0]
        found[r.path.parent.name] = Segmented(logged_s, segmented.audit, segmented.rows, sound)
    return found


def test_no_recording_is_left_out(found):
    assert len(found) == 18
    assert {
        key: f.audit.get("reason") for key, f in found.items() if f.audit["status"] != "ok"
    } == {}


def test_presses_are_found_and_nothing_else_is(found):
    pressed = logged = heard = during = 0
    for key, one in found.items():
        times = np.array([row["time_s"] for row in one.rows])
        labelled = np.array([row["label"] is not None for row in one.rows])
        assert {row["label"] for row in one.rows} <= {key, None}
        logged_s = one.logged_s + one.audit["latency_s"]
        inside = (times > logged_s[0] - AROUND_S) & (times < logged_s[-1] + AROUND_S)
        logged += len(logged_s)
        pressed += int(labelled.sum())
        heard += len(times)
        during += int(inside.sum())
    assert 2 * pressed / (logged + heard) >= 0.98
    assert 2 * pressed / (logged + during) >= 0.985
    assert pressed >= 0.99 * logged


def rises(sound):
    """How much louder each ms is than the 4 before it, in log energy: [ms]."""
    change = np.diff(sound, prepend=sound[0])
    edges = np.arange(len(change) * 1000 // RATE + 1) * RATE // 1000
    total = np.concatenate([[0], np.cumsum(change**2)])
    energy = np.diff(total[edges])
    level = np.log(energy + np.quantile(energy, 0.3))
    before = np.max([np.roll(level, lag) for lag in range(1, 5)], axis=0)
    return np.maximum(level - before, 0)


def test_clocks_are_where_the_sound_rises_at_the_loggers_times(found):
    """Without taps or roles: the shift at which the sound rises most, on average, at presses."""
    for key, one in found.items():
        rise = np.convolve(rises(one.sound), np.ones(9) / 9, mode="same")
        shifts = np.arange(-1500, 1501)
        at = np.round(1000 * one.logged_s).astype(int) + shifts[:, None]
        value = np.where((at >= 0) & (at < len(rise)), rise[np.clip(at, 0, len(rise) - 1)], 0)
        best_s = shifts[value.mean(axis=1).argmax()] / 1000
        assert one.audit["latency_s"] == pytest.approx(best_s, abs=ALIGNED_S), key
        assert not one.audit["clock_pieces"], key
