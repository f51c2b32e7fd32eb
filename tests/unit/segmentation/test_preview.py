import shutil
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import sounds
from PIL import Image
from scipy.signal import butter, sosfilt

from tap2key.__main__ import main
from tap2key.audio.audio_file import AudioFile
from tap2key.core.errors import Tap2keyError
from tap2key.core.files import read_tsv
from tap2key.core.shipped import KEYBOARD
from tap2key.segmentation.linear_clock import Clock
from tap2key.segmentation.preview import heading, rows_each
from tap2key.segmentation.preview_picture import COLOURS, COLUMNS, decibels, level_range, placed
from tap2key.segmentation.preview_view import Level, levels, stretches, view_of
from tap2key.segmentation.session import Settings, segment_recording
from tap2key.segmentation.taps import read_taps
from tap2key.signal.onset import CUTOFF_HZ
from tap2key.study.keyboard import load_keyboard
from tap2key.study.manifest import Recording, write_manifest
from tap2key.study.scan import recordings_in
from tap2key.study.touches import Touches, read_touches

LATENCY, DRIFT = -0.16, 80e-6
COUNT = 60


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """One recording of known taps; every tenth touch missing, one phantom, one outside."""
    folder = tmp_path_factory.mktemp("study") / "Tony" / "one"
    rng = np.random.default_rng(5)
    times = sounds.tap_times(rng, COUNT)
    keyboard = load_keyboard(KEYBOARD)
    xy = np.round(keyboard.centres[rng.integers(len(keyboard.centres), size=COUNT)])
    sound = sounds.recording(times, times[-1] + 0.5, seed=5)
    sounds.write_wav(folder / "01.acoustic" / sounds.NAME, sound)
    touched = np.arange(COUNT) % 10 != 3
    jitter_s = np.where(np.arange(COUNT) % 2, 0.004, -0.004)
    touch_s = times * (1 + DRIFT) - LATENCY + jitter_s
    extra = np.array([times[20] + 0.3, times[-1] + 3])
    lines = sounds.touch_lines(touch_s[touched], xy[touched])
    lines += sounds.touch_lines(extra * (1 + DRIFT) - LATENCY, xy[:2])
    (folder / "02.neonode").mkdir()
    (folder / "02.neonode" / "1_nnode.csv").write_text("\n".join(lines) + "\n")
    keys = keyboard.nearest(xy)
    labels = [keyboard.labels[k] if t else None for k, t in zip(keys, touched, strict=True)]
    return folder, times, labels, jitter_s, extra[0]


@pytest.fixture(scope="module")
def view(session):
    (recording,) = recordings_in(session[0])
    touches = read_touches(recording.touch_files)
    found = segment_recording(recording, touches, load_keyboard(KEYBOARD), Settings())
    return view_of(recording, found.audit, found.rows, touches)


def test_taps_are_shown_where_they_were_with_their_keys(session, view):
    _, times, labels, _, _ = session
    np.testing.assert_allclose(view.tap_s, times, atol=3e-4)
    assert view.labels == tuple(labels)
    assert view.reason is None


def test_touches_are_shown_by_the_recordings_clock(session, view):
    _, times, labels, jitter_s, phantom = session
    known = np.array([label is not None for label in labels])
    expected = np.sort(np.r_[(times + jitter_s)[known], phantom])
    np.testing.assert_allclose(view.touch_s, expected, atol=2e-3)
    assert view.touch_s[~view.matched] == pytest.approx([phantom], abs=2e-3)
    # Exactly the inverse of what the taps were matched by.
    clock = Clock(LATENCY, DRIFT)
    np.testing.assert_allclose(clock.expected_tap_s(clock.expected_touch_s(times)), times)


def test_residuals_and_drift_line_are_what_latency_and_drift_make(session, view):
    _, times, labels, jitter_s, _ = session
    known = np.array([label is not None for label in labels])
    assert np.isnan(view.delay_ms[~known]).all()
    # How far a touch lies behind its tap, by the true clock; the estimate is within 2 ms of it.
    true_ms = 1000 * (DRIFT * times + jitter_s)
    np.testing.assert_allclose(view.delay_ms[known], true_ms[known], atol=2)
    line = np.interp(times, *view.drift_lines()[0])
    scatter = view.delay_ms[known] - line[known]
    assert np.median(np.abs(scatter)) == pytest.approx(4, abs=1)
    assert abs(np.polyfit(times[known], scatter, 1)[0]) < 0.1
    own = Clock(view.clock.latency_s, view.clock.drift)
    by_hand = 1000 * (times * (1 + own.drift) - times)
    np.testing.assert_allclose(line, by_hand, atol=1e-9)


def test_half_an_hour_by_a_given_clock_is_exact():
    """All from the definition: touch = start + tap · (1 + drift) − latency + residual."""
    taps = np.array([0.5, 900.0, 1799.5])
    residual = np.array([0.010, -0.020, 0.004])
    touch = taps * (1 + 100e-6) + 0.14 + residual
    micros = np.round(touch * 1e6).astype("timedelta64[us]")
    others = np.array([-1.0, 400.0, 1900.0]) + 0.14
    every = np.sort(np.r_[micros, np.round(others * 1e6).astype("timedelta64[us]")])
    touches = Touches(np.datetime64(sounds.START, "us") + every, np.zeros((6, 2)), np.zeros(6, int))
    row = {"overlaps": False, "threshold": 0.1}
    rows = [
        {**row, "time_s": tap, "label": "a", "match_ms": 1000 * late, "touch_time": time}
        for tap, late, time in zip(
            taps, residual, (np.datetime64(sounds.START, "us") + micros).tolist(), strict=True
        )
    ]
    rows.insert(2, {**row, "time_s": 1200.0, "label": None})
    audit = {"status": "ok", "latency_s": "-0.14", "drift_ppm": "100.0", "duration_s": "1800"}
    recording = Recording("p", "s", "r", Path("r.wav"), sounds.START, None, ())
    view = view_of(recording, audit, rows, touches)
    delay_ms = 1000 * (touch - 0.14 - taps)
    np.testing.assert_allclose(view.delay_ms[[0, 1, 3]], delay_ms, atol=1e-3)
    assert np.isnan(view.delay_ms[2])
    np.testing.assert_allclose(view.drift_lines(), [([0, 1800], [0, 180])])
    shown = np.r_[taps[0], 400.0, taps[1:]] / np.r_[1, 1 + 100e-6, 1, 1]
    shown += np.r_[residual[0], 0, residual[1:]] / (1 + 100e-6)
    np.testing.assert_allclose(view.touch_s, shown, atol=1e-5)
    assert view.matched.tolist() == [True, False, True, True]


def test_the_level_keeps_every_peak(session, view):
    """Against a filter of scipy's over the whole recording at once."""
    audio = AudioFile(view.recording.path)
    whole = np.concatenate(list(audio.blocks()))
    sos = butter(2, CUTOFF_HZ, "high", fs=sounds.RATE, output="sos")
    loud = np.abs(sosfilt(sos, whole - whole[0], axis=0)).max(axis=1)
    parts = stretches(audio.duration_s, 7.0, 100)
    for part, (start, end) in zip(levels(audio, parts, COLUMNS), parts, strict=True):
        assert (part.edges_s[0], part.edges_s[-1]) == pytest.approx((start, end), abs=1e-9)
        edges = np.ceil(part.edges_s * sounds.RATE - 1e-6).astype(int)
        for column in range(1, COLUMNS - 1):
            most = loud[edges[column] : edges[column + 1]].max()
            assert part.loudest[column] == pytest.approx(most, rel=0.01, abs=1e-5)
        for tap in view.tap_s[(view.tap_s > start) & (view.tap_s < end - 0.01)]:
            column = np.searchsorted(part.edges_s, tap, side="right") - 1
            assert part.loudest[column : column + 3].max() > 0.15


def test_noise_is_that_of_the_quiet_and_taps_do_not_raise_it(view):
    sound = np.random.default_rng(0).standard_normal((6 * sounds.RATE, 8))
    sound[:, 7] *= 9
    sound = 1e-3 * sound
    sound[3 * sounds.RATE :] *= 4
    path = view.recording.path.parents[3] / "noise.wav"
    sound[: len(sound) // 2 : 9600] += 0.5
    sounds.write_wav(path, sound, subtype="FLOAT")
    (part,) = levels(AudioFile(path), [(0.0, 6.0)], 600)
    np.testing.assert_allclose(part.noise[:300], 1e-3, rtol=0.1)
    np.testing.assert_allclose(part.noise[300:], 4e-3, rtol=0.1)


def test_thresholds_lie_between_noise_and_peak(view):
    (part,) = levels(AudioFile(view.recording.path), [(0.0, view.duration_s)], COLUMNS)
    column = np.searchsorted(part.edges_s, view.tap_s, side="right") - 1
    noise = part.noise[column]
    assert (view.threshold > 3 * noise).all()
    assert (view.threshold < 0.15).all()
    low, high = level_range([part])
    assert low < decibels(part.noise).min() + 6
    assert (decibels(part.loudest) < high).all()


@pytest.mark.parametrize("rate", [48_000, 96_000])
def test_the_level_is_the_same_wherever_a_stretch_begins(tmp_path, rate):
    sound = sounds.recording([1.0, 2.5], 4.0, seed=1)
    path = sounds.write_wav(tmp_path / "r.wav", sound[:: sounds.RATE // rate], rate)
    audio = AudioFile(path)
    (whole,) = levels(audio, [(0.0, 4.0)], 400)
    some = list(levels(audio, [(0.5, 1.5), (2.0, 3.0)], 100))
    np.testing.assert_allclose(some[0].loudest, whole.loudest[50:150], rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(some[1].loudest, whole.loudest[200:300], rtol=1e-3, atol=1e-6)


def test_stretches_cover_all_or_are_spread_over_all():
    assert stretches(60.0, 16, 8) == [(0, 15), (15, 30), (30, 45), (45, 60)]
    assert stretches(5.0, 16, 8) == [(0, 5)]
    assert stretches(128.0, 16, 8)[-1] == (112, 128)
    half_an_hour = stretches(1800.0, 16, 8)
    assert len(half_an_hour) == 8
    assert half_an_hour[0] == (0, 16)
    assert half_an_hour[-1] == (1784, 1800)
    assert stretches(100.0, 16, 1) == [(0, 16)]


def test_a_sessions_pictures_share_the_room():
    assert [rows_each(n) for n in (1, 5, 10, 20, 100)] == [8, 8, 4, 2, 1]


def test_labels_never_touch():
    rng = np.random.default_rng(2)
    centres = np.cumsum(rng.exponential(12, 200))
    widths = rng.choice([8.0, 16.0, 30.0], 200)
    lanes, moved = placed(centres, widths, 3, gap=2)
    assert set(lanes) == {0, 1, 2}
    for lane in range(3):
        own = lanes == lane
        left, right = (moved - widths / 2)[own], (moved + widths / 2)[own]
        assert (left[1:] - right[:-1] >= 2 - 1e-9).all()
    assert (moved >= centres - 1e-9).all()
    lanes, moved = placed([0, 50, 100], [8, 8, 8], 3)
    assert lanes.tolist() == [0, 0, 0]
    assert moved.tolist() == [0, 50, 100]


def test_level_range_holds_for_silence():
    silent = Level(np.arange(3.0), np.zeros(2), np.zeros(2))
    low, high = level_range([silent])
    assert np.isfinite([low, high]).all()
    assert low < high


def pictures(folder):
    return sorted(path.name for path in folder.iterdir() if path.suffix == ".png")


def test_pictures_of_what_was_segmented_are_those_of_segmenting_now(session, tmp_path):
    folder, *_ = session
    recordings = recordings_in(folder)
    write_manifest(tmp_path / "manifest.tsv", recordings)
    where = ["--manifest", str(tmp_path / "manifest.tsv"), "--participant", "Tony"]
    where += ["--session", "one"]
    assert main(["segment", *where, "--output", str(tmp_path / "taps")]) == 0
    taps = ["--taps", str(tmp_path / "taps")]
    assert main(["preview", *where, *taps, "--output", str(tmp_path / "a")]) == 0
    assert main(["preview", "--dir", str(folder), "--output", str(tmp_path / "b")]) == 0
    (name,) = pictures(tmp_path / "a")
    assert name == f"{recordings[0].recording}.png"
    assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    with Image.open(tmp_path / "a" / name) as image:
        used = {tuple(image.getpalette()[3 * i : 3 * i + 3]) for _, i in image.getcolors()}
    assert len(used) <= len(COLOURS)
    # By hand it plots without writing taps.
    assert {path.name for path in (tmp_path / "b").iterdir()} == {name, "provenance.json"}


@pytest.fixture(scope="module")
def taps(session, tmp_path_factory):
    """What segmenting the session by the default settings writes."""
    output = tmp_path_factory.mktemp("segmented") / "taps"
    assert main(["segment", "--dir", str(session[0]), "--output", str(output)]) == 0
    return output


@pytest.mark.parametrize("option", ["--peak-height", "--latency", "--selectivity"])
def test_a_setting_is_that_of_segmenting_with_it(option, session, taps, tmp_path):
    """The picture shows taps that were segmented with it, not those of the default settings."""
    # Half of the taps are softer; a pin; touches are 4 ms early or late.
    peak = np.median(read_taps(taps)["peak"])
    value = {"--peak-height": peak, "--latency": -0.157, "--selectivity": 0.003}[option]
    given = ["--dir", str(session[0]), option, str(value), "--output"]
    assert main(["segment", *given, str(tmp_path / "taps")]) == 0
    sources = {"now": [], "of taps": ["--taps", tmp_path / "taps"], "default": ["--taps", taps]}
    picture = {}
    for name, source in sources.items():
        assert main(["preview", *given, str(tmp_path / name), *map(str, source)]) == 0
        (drawn,) = pictures(tmp_path / name)
        picture[name] = (tmp_path / name / drawn).read_bytes()
    assert picture["now"] == picture["of taps"]
    assert picture["now"] != picture["default"]


def test_one_recording_is_drawn_by_its_index(session, tmp_path):
    folder = tmp_path / "Tony" / "two"
    shutil.copytree(session[0], folder)
    wav = next((folder / "01.acoustic").iterdir())
    later = sounds.START + timedelta(minutes=3)
    second = wav.with_name(f"{later:%H.%M.%S}.123_{later:%m_%d_%Y}.wav")
    shutil.copy(wav, second)
    run = ["preview", "--dir", str(folder), "--output"]
    assert main([*run, str(tmp_path / "a"), "--idx", "1"]) == 0
    assert pictures(tmp_path / "a") == [f"{second.stem}.png"]
    assert main([*run, str(tmp_path / "d"), "--idx", "2"]) == 1
    assert main([*run, str(tmp_path / "d"), "--rows", "0"]) == 1


def test_left_out_recordings_are_named_with_their_reason(session, tmp_path):
    folder = tmp_path / "Tony" / "three"
    shutil.copytree(session[0], folder)
    wav = next((folder / "01.acoustic").iterdir())
    short = wav.with_name("13.09.22.123_01_27_2023.wav")
    short.write_bytes(wav.read_bytes()[:-4000])
    none = wav.with_name("13.11.22.123_01_27_2023.wav")
    none.write_bytes(b"")
    apart = wav.with_name("14.05.22.123_01_27_2023.wav")
    apart.write_bytes(wav.read_bytes()[:-2] + b"\1\0")
    assert main(["segment", "--dir", str(folder), "--output", str(tmp_path / "taps")]) == 0
    run = ["preview", "--dir", str(folder), "--output", str(tmp_path / "out")]
    assert main([*run, "--taps", str(tmp_path / "taps")]) == 0
    assert len(pictures(tmp_path / "out")) == 4
    rows = read_taps(tmp_path / "taps").to_pylist()
    audits = read_tsv(tmp_path / "taps" / "recordings.tsv")
    touches = read_touches(sorted((folder / "02.neonode").iterdir()))
    said = {}
    for recording, audit in zip(recordings_in(folder), audits, strict=True):
        own = [row for row in rows if row["recording"] == recording.recording]
        said[recording.path] = heading(view_of(recording, audit, own, touches), 0)
    assert "60 taps: 54 labelled, 6 without a touch" in said[wav][1]
    assert "55 touches, 1 without a tap" in said[wav][1]
    assert said[short] == [
        "Tony  ·  three  ·  13.09.22.123_01_27_2023",
        "LEFT OUT: truncated, 4000 bytes are missing at its end; copy it again, or keep what is "
        "there: open it in a sound editor and save it again",
    ]
    assert "LEFT OUT: empty file" in said[none][1]
    assert "LEFT OUT: no touch between" in said[apart][1]
    with (
        Image.open(tmp_path / "out" / f"{apart.stem}.png") as with_level,
        Image.open(tmp_path / "out" / f"{short.stem}.png") as without,
    ):
        assert with_level.height > 3 * without.height


def test_an_unreadable_recording_that_was_used_is_an_error(view, tmp_path, capsys):
    folder = tmp_path / "Tony" / "four"
    shutil.copytree(view.recording.path.parents[1], folder)
    run = ["--dir", str(folder), "--output"]
    assert main(["segment", *run, str(tmp_path / "taps")]) == 0
    next((folder / "01.acoustic").iterdir()).write_bytes(b"")
    run = ["preview", *run, str(tmp_path / "out"), "--taps", str(tmp_path / "taps")]
    assert main(run) == 1
    assert "empty file" in capsys.readouterr().err


def test_touches_that_could_not_be_read_are_not_shown(view):
    audit = {**view.audit, "status": "left out", "reason": "x.csv, row 1: broken"}
    shown = view_of(view.recording, audit, [], Tap2keyError("x.csv, row 1: broken"))
    assert len(shown.touch_s) == len(shown.tap_s) == 0
    assert shown.reason == "x.csv, row 1: broken"
