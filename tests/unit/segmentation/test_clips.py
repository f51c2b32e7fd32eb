"""Clips of one tap each: onsets and keys known by construction, and clips that have none."""

import numpy as np
import pytest
import sounds

from tap2key.audio.array import Array
from tap2key.core.shipped import KEYBOARD
from tap2key.segmentation.session import Settings, segment_recording, segment_session
from tap2key.segmentation.taps import load_taps
from tap2key.study.keyboard import load_keyboard
from tap2key.study.manifest import Recording
from tap2key.study.truth import NO_EVENTS, Truth

KEYS = load_keyboard(KEYBOARD)
CLIP_S = 0.1
ARRAY = Array(window_ms=(30.0, 60.0))


def cut(folder, onsets_ms, table="keys.txt", text=None):
    """A folder of clips with taps at these times, None for noise alone; keys q, p in turn."""
    for number, onset in enumerate(onsets_ms, start=1):
        taps = [] if onset is None else [onset / 1000]
        sounds.write_wav(
            folder / f"key{number:04}.wav", sounds.recording(taps, CLIP_S, number, loudness=0.4)
        )
    rows = [f"{number:04} {'pq'[number % 2]}" for number in range(1, len(onsets_ms) + 1)]
    (folder / table).write_text("\n".join(rows) if text is None else text)
    return Recording(
        *("Ana", "one", "clips", folder, sounds.START, None), (folder / table,), truth="clips"
    )


def segmented(recording, truth=None, **settings):
    chosen = Settings(array=ARRAY, truth=truth or Truth(), **settings)
    return segment_recording(recording, NO_EVENTS, KEYS, chosen)


def within_ms(result, number):
    """The onset of a tap, in ms from its clip's first sample."""
    slot = CLIP_S + sum(ARRAY.window_ms) / 1000
    return 1000 * (result.rows[number]["time_s"] % slot)


def test_onsets_are_found_wherever_they_lie_and_keys_are_the_tables(tmp_path):
    onsets = [1.0, 8.0, 25.0, 40.0, 60.0, 85.0]
    result = segmented(cut(tmp_path, onsets))
    assert result.audit["status"] == "ok", result.audit
    assert [row["label"] for row in result.rows] == ["q", "p"] * 3
    found = [within_ms(result, number) for number in range(6)]
    np.testing.assert_allclose(found, onsets, atol=0.6)
    assert (result.audit["taps"], result.audit["matched"], result.audit["warnings"]) == (6, 6, "")
    assert sorted(row["time_s"] for row in result.rows) == [row["time_s"] for row in result.rows]


def test_windows_are_padded_with_silence_and_none_is_cut_off(tmp_path):
    recording = cut(tmp_path / "clips", [1.0, 40.0, 95.0])
    settings = Settings(array=ARRAY)
    (audit,) = segment_session([recording], KEYS, settings, tmp_path / "taps")
    table, windows = load_taps(tmp_path / "taps", verify=True)
    assert (len(table), audit["taps_cut_off"]) == (3, 0)
    assert windows.shape == (3, 8, ARRAY.window)
    early, late = ARRAY.samples(25.0), ARRAY.before + ARRAY.samples(10.0)
    assert not windows[0][:, :early].any()
    assert windows[1][:, :early].any()
    assert not windows[2][:, late:].any()
    loudest = np.abs(windows).max(axis=1).argmax(axis=1)
    assert np.all(np.abs(loudest - ARRAY.before) < ARRAY.samples(4.0))


def test_times_of_the_table_are_taken_and_places_kept(tmp_path):
    text = "clip,key,time,x,y\n1,q,12,300,400\n2,p,,,\n3,q,500,,\n"
    recording = cut(tmp_path, [40.0, 40.0, 40.0], "keys.csv", text)
    result = segmented(recording, Truth(unit="ms"))
    assert within_ms(result, 0) == pytest.approx(12, abs=0.01)
    assert within_ms(result, 1) == pytest.approx(40, abs=0.6)
    assert (result.rows[0]["x"], result.rows[0]["y"], result.rows[1].get("x")) == (300, 400, None)
    assert result.audit["warnings"] == "1 time outside the clip: key0003.wav"


def test_times_that_fit_no_clip_are_an_error(tmp_path):
    recording = cut(tmp_path, [40.0] * 2, "keys.csv", "clip,key,time\n1,q,40\n2,p,40\n")
    result = segmented(recording)
    assert result.audit["status"] == "left out"
    assert "every time lies outside its clip" in result.audit["reason"]


def test_clips_without_an_onset_a_row_or_the_arrays_channels_are_listed(tmp_path):
    recording = cut(tmp_path, [30.0, None, 30.0, 30.0], text="1 q\n2 p\n3 é\n5 p\n9 p\n")
    sounds.write_wav(tmp_path / "key0005.wav", np.random.default_rng(0).normal(0, 0.1, (9600, 2)))
    result = segmented(recording)
    assert [row["label"] for row in result.rows] == ["q", None, None]
    warnings = result.audit["warnings"]
    for told in (
        "no key of the keyboard: 1 × é",
        "1 no onset found: key0002.wav",
        "1 no row in the table: key0004.wav",
        "2 channel(s), but array.channels is 8",
        "key0005.wav",
        "1 rows without a clip: 9",
    ):
        assert told in warnings
    audit = result.audit
    assert (audit["taps"], audit["touches"], audit["unmatched_touches"]) == (3, 5, 4)


def test_keys_of_another_keyboard_are_an_error(tmp_path):
    result = segmented(cut(tmp_path, [30.0], text="1 é\n"))
    assert result.audit["status"] == "left out"
    assert "no entry is a key of" in result.audit["reason"]


def test_a_tap_below_the_least_height_is_listed(tmp_path):
    result = segmented(cut(tmp_path, [30.0]), peak_height=0.99)
    assert result.audit["warnings"].startswith("1 no onset found: key0001.wav")


def test_folders_name_keys(tmp_path):
    for number, key in enumerate("qp"):
        sounds.write_wav(tmp_path / key / "1.wav", sounds.recording([0.03], CLIP_S, number))
    recording = Recording("Ana", "one", "clips", tmp_path, sounds.START, None, (), truth="clips")
    result = segmented(recording)
    assert [row["label"] for row in result.rows] == ["p", "q"]
