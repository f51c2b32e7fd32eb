import shutil
from dataclasses import replace

import numpy as np
import pytest
import soundfile
import sounds
from benchmark import channels as benchmark
from benchmark.channels import FAULTS, changed, channel_rows

from tap2key.core.files import read_tsv
from tap2key.core.shipped import KEYBOARD
from tap2key.segmentation.channel_table import study_rows
from tap2key.segmentation.delay_pattern import compare, fit_pattern
from tap2key.study.keyboard import load_keyboard

SIZE = {"participants": 3, "sessions": 1, "recordings": 3, "taps": 30}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """The sessions of a simulated study, each a list of recordings."""
    root = tmp_path_factory.mktemp("study")
    folders = benchmark.simulated(root, seed=8300, material="mdf", size=SIZE)
    return [benchmark.session_recordings(folder) for folder in folders]


@pytest.fixture(scope="module")
def sound_rows(study, tmp_path_factory):
    """Rows of channels.tsv, by session."""
    root = tmp_path_factory.mktemp("out")
    return [channel_rows(session, root / str(i)) for i, session in enumerate(study)]


def verdicts(rows):
    return {
        (row["recording"], int(row["channel"])): row["verdict"]
        for row in rows
        if row["verdict"] != "ok"
    }


def session_with(study, fault, which, channels, tmp_path, session=0):
    rng = np.random.default_rng(0)
    return changed(study[session], which, FAULTS[fault].change, channels, rng, tmp_path / "bad")


def test_sound_channels_raise_nothing(sound_rows):
    rows = [row for own in sound_rows for row in own]
    assert len(rows) == 3 * 3 * 8
    assert verdicts(rows) == verdicts(study_rows(rows)) == {}
    assert all(row["misfit_ms"] and float(row["heard"]) > 0.9 for row in rows)


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named_with_its_channel_and_kind_and_nothing_else_is(study, tmp_path, name):
    fault, channels = FAULTS[name], (5, 6, 7)[: FAULTS[name].channels]
    bad = session_with(study, name, [1], channels, tmp_path)
    found = verdicts(channel_rows(bad, tmp_path / "out"))
    hit = channels if fault.verdicts[0] in ("copy", "swapped") else channels[:1]
    assert set(found) == {(bad[1].recording, channel) for channel in hit}
    for verdict in found.values():
        assert set(verdict.split("; ")) & set(fault.verdicts)
    warned = {
        row["recording"]: row["warnings"] for row in read_tsv(tmp_path / "out" / "recordings.tsv")
    }
    assert [name for name, text in warned.items() if text] == [bad[1].recording]
    assert all(str(channel) in warned[bad[1].recording] for channel in hit)


def test_of_two_recordings_both_say_that_plugs_were_swapped_between_them(study, tmp_path):
    bad = session_with(study, "neighbours swapped", [1], (1, 2), tmp_path)[:2]
    rows = channel_rows(bad, tmp_path / "out")
    assert set(verdicts(rows)) == {(r.recording, channel) for r in bad for channel in (1, 2)}
    assert bad[1].recording in next(
        row["warning"] for row in rows if row["recording"] == bad[0].recording and row["warning"]
    )


def test_the_study_tells_which_of_two_recordings_was_swapped(study, sound_rows, tmp_path):
    bad = session_with(study, "neighbours swapped", [1], (1, 2), tmp_path)[:2]
    rows = channel_rows(bad, tmp_path / "out")
    told = study_rows([*rows, *sound_rows[1], *sound_rows[2]])
    assert verdicts(told) == {(bad[1].recording, c): "swapped" for c in (1, 2)}


@pytest.mark.parametrize("channels", [(2, 3), (0, 7), (4, 6, 7)])
def test_plugs_swapped_throughout_a_session_show_beside_the_other_sessions(
    study, sound_rows, tmp_path, channels
):
    bad = session_with(study, "neighbours swapped", range(3), channels, tmp_path, session=2)
    rows = channel_rows(bad, tmp_path / "out")
    assert verdicts(rows) == {}
    told = study_rows([*sound_rows[0], *sound_rows[1], *rows])
    assert verdicts(told) == {(r.recording, c): "swapped" for r in bad for c in channels}
    # Of another rig, such an order is its own.
    rig = {(r.participant, r.session): "other" for r in bad}
    assert verdicts(study_rows([*sound_rows[0], *sound_rows[1], *rows], rig)) == {}


def test_a_fault_keeps_its_warning_when_the_study_is_compared(study, sound_rows, tmp_path):
    bad = session_with(study, "silent", [0], (3,), tmp_path)
    rows = channel_rows(bad, tmp_path / "out")
    told = study_rows([*rows, *sound_rows[1], *sound_rows[2]])
    assert verdicts(told) == {(bad[0].recording, 3): "dead"}


def test_two_faults_in_one_recording_are_both_named(study, tmp_path):
    once = session_with(study, "silent", [1], (0,), tmp_path)
    rng = np.random.default_rng(0)
    twice = changed(once, [1], FAULTS["neighbours swapped"].change, (5, 6), rng, tmp_path / "two")
    found = verdicts(channel_rows(twice, tmp_path / "out"))
    name = twice[1].recording
    assert found == {(name, 0): "dead", (name, 5): "swapped", (name, 6): "swapped"}


def test_hum_that_hides_nothing_is_no_fault(study, tmp_path):
    def humming(sound, rng, channels):
        sound[:, channels[0]] += benchmark.hum(sound, 0.01)

    rng = np.random.default_rng(0)
    bad = changed(study[0], [1], humming, (4,), rng, tmp_path / "bad")
    assert verdicts(channel_rows(bad, tmp_path / "out")) == {}


def test_other_gains_and_polarity_are_no_fault(study, tmp_path):
    def preamplified(sound, rng, channels):
        sound *= 10 ** (np.linspace(-10, 0, 8) / 20) * np.array([1, -1] * 4)

    rng = np.random.default_rng(0)
    bad = changed(study[0], [0], preamplified, (), rng, tmp_path / "bad")
    assert verdicts(channel_rows(bad, tmp_path / "out")) == {}


@pytest.mark.parametrize("rate", [48_000, 44_100])
def test_sound_recordings_at_other_rates_raise_nothing(study, tmp_path, rate):
    import soxr

    recordings = []
    for recording in study[0]:
        sound, own = soundfile.read(recording.path)
        path = tmp_path / recording.path.name
        soundfile.write(path, soxr.resample(sound, own, rate), rate, subtype="PCM_24")
        recordings.append(replace(recording, path=path))
    assert verdicts(channel_rows(recordings, tmp_path / "out")) == {}


def without_taps(count):
    sound = np.zeros((count, 8))
    sound[:, 1:] = 1e-4 * np.random.default_rng(0).standard_normal((count, 7))
    return sound


def test_taps_of_one_height_are_not_clipped(study, tmp_path):
    sound = sounds.recording([0.5 + i / 4 for i in range(20)], 6.0)
    session = study[0][0]
    path = sounds.write_wav(tmp_path / session.path.name, sound, subtype="PCM_24")
    assert verdicts(channel_rows([replace(session, path=path)], tmp_path / "out")) == {}


ODD = {
    "digital silence": (np.zeros((96_000, 8)), dict.fromkeys(range(8), "dead")),
    "all at the rail": (np.ones((96_000, 8)), dict.fromkeys(range(8), "railed")),
    "no tap": (without_taps(96_000), {0: "dead"}),
    "one tap": (sounds.recording([1.0], 2.0), {}),
    "a few samples": (without_taps(5), {}),
}


@pytest.mark.parametrize("name", ODD)
def test_recordings_with_hardly_anything_in_them_get_their_rows(study, tmp_path, name):
    sound, expected = ODD[name]
    session = study[0][0]
    path = sounds.write_wav(tmp_path / session.path.name, sound, subtype="FLOAT")
    rows = channel_rows([replace(session, path=path)], tmp_path / "out")
    assert len(rows) == 8
    assert {channel: kind for (_, channel), kind in verdicts(rows).items()} == expected


def test_channels_are_judged_where_no_touch_was_seen(study, tmp_path):
    bad = session_with(study, "silent", [1], (3,), tmp_path)
    (tmp_path / "a_nnode.csv").write_text("2001-01-01 10:00:00.5,0,   Down,1700,1000,55\n")
    late = [replace(recording, touch_files=(tmp_path / "a_nnode.csv",)) for recording in bad]
    assert verdicts(channel_rows(late, tmp_path / "out")) == {(bad[1].recording, 3): "dead"}
    audits = read_tsv(tmp_path / "out" / "recordings.tsv")
    assert {audit["status"] for audit in audits} == {"left out"}
    assert "channel 3" in audits[1]["warnings"]


def test_a_recording_that_cannot_be_read_has_no_rows_and_spares_the_others(study, tmp_path):
    broken = tmp_path / study[0][0].path.name
    broken.write_bytes(b"nothing")
    recordings = [replace(study[0][0], path=broken), *study[0][1:]]
    rows = channel_rows(recordings, tmp_path / "out")
    assert {row["recording"] for row in rows} == {r.recording for r in study[0][1:]}
    shutil.rmtree(tmp_path / "out")


def plates(rng, speed=1.0):
    """Planes of eight microphones in two rows along a keyboard, re-placed by millimetres: ms."""
    x, y = np.tile(np.linspace(-1, 1, 4), 2), np.repeat([-1.0, 1.0], 4)
    planes = np.column_stack([0.2 * np.abs(x), -0.4 * x, -0.15 * y])
    return (planes + rng.normal(0, 0.01, planes.shape)) / speed


def test_reordered_planes_are_found_at_any_wave_speed():
    rng = np.random.default_rng(1)
    for order, moved in (
        ([0, 2, 1, 3, 4, 5, 6, 7], ((1, 2),)),
        ([4, 1, 2, 3, 0, 5, 7, 6], ((0, 4), (6, 7))),
        ([1, 2, 3, 4, 5, 6, 7, 0], (tuple(range(8)),)),
        ([0, 1, 2, 3, 4, 5, 6, 7], ()),
    ):
        found = compare(plates(rng, speed=0.6)[order], plates(rng))
        assert found.moved == moved
        assert found.astray == ()


def test_planes_of_another_rig_are_no_swap():
    rng = np.random.default_rng(2)
    for _ in range(50):
        assert compare(rng.normal(0, 0.3, (8, 3)), plates(rng)).moved == ()


def test_a_channel_that_fits_nowhere_is_astray():
    rng = np.random.default_rng(3)
    late = plates(rng)
    late[2] += [1.5, 0, 0]
    found = compare(late, plates(rng))
    assert (found.moved, found.astray) == ((), (2,))
    assert found.misfit_ms[2] == pytest.approx(1.5, abs=0.1)


def test_a_pattern_follows_places_and_wrong_places_give_none():
    rng = np.random.default_rng(4)
    keyboard = load_keyboard(KEYBOARD)
    truth = plates(rng)
    truth -= np.median(truth, axis=0)
    units = rng.normal(0, 1, (60, 2))
    xy = keyboard.centres.mean(axis=0) + units * keyboard.centres.std(axis=0)
    arrivals = 30 + np.column_stack([np.ones(60), units]) @ truth.T
    arrivals += rng.normal(0, 0.02, arrivals.shape)
    arrivals[::9] += rng.normal(0, 5, (7, 8))
    pattern = fit_pattern(arrivals, xy, keyboard)
    assert np.ptp(pattern - truth, axis=0).max() < 0.05
    assert np.isnan(fit_pattern(arrivals, rng.permutation(xy), keyboard)).all()
