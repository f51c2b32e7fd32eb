import json
import os
import subprocess
import sys
from datetime import datetime

import numpy as np
import pyarrow.parquet
import pytest
import sounds
import soxr
from made import WORKFLOW, error_line, taps
from sounds import LATENCY, make_session

from tap2key.__main__ import main
from tap2key.audio.array import DEFAULT
from tap2key.audio.audio_file import AudioFile
from tap2key.core.errors import Tap2keyError
from tap2key.core.files import read_tsv
from tap2key.core.shipped import KEYBOARD
from tap2key.segmentation.labels import overlapping
from tap2key.segmentation.taps import keyboard_labels, load_taps, write_taps
from tap2key.study.keyboard import load_keyboard
from tap2key.study.manifest import write_manifest
from tap2key.study.scan import recordings_in


def run(folder, output, *more):
    return main(["segment", "--dir", str(folder), "--output", str(output), *more])


def test_labels_windows_and_audit_are_right(tmp_path):
    session = tmp_path / "Tony Ünal's" / "01_27_23"
    truth = make_session(session, recordings=2)
    assert run(session, tmp_path / "out", "--threads", "2") == 0
    table, windows = load_taps(tmp_path / "out", verify=True)
    keyboard = load_keyboard(KEYBOARD)
    assert keyboard_labels(table) == keyboard.labels
    rows = table.to_pylist()
    audits = read_tsv(tmp_path / "out" / "recordings.tsv")
    at = 0
    for recording, audit, (times, xy, touched) in zip(
        recordings_in(session), audits, truth, strict=True
    ):
        own = [row for row in rows if row["recording"] == recording.recording]
        assert [row["tap"] for row in own] == list(range(len(times)))
        np.testing.assert_allclose([row["time_s"] for row in own], times, atol=3e-4)
        whole = np.concatenate(list(AudioFile(recording.path).blocks()))
        for row, place, was_touched in zip(own, xy, touched, strict=True):
            label = keyboard.labels[keyboard.nearest(place)[0]] if was_touched else None
            assert row["label"] == label
            assert (row["x"], row["y"]) == (tuple(place) if was_touched else (None, None))
            first = round(row["time_s"] * sounds.RATE) - DEFAULT.before
            np.testing.assert_array_equal(windows[at], whole[first : first + 8192].T)
            at += 1
        assert audit["status"] == "ok"
        assert float(audit["latency_s"]) == pytest.approx(LATENCY - 0.005, abs=2e-3)
        assert int(audit["taps"]) == len(times)
        assert int(audit["matched"]) == touched.sum()
        assert int(audit["unmatched_taps"]) == (~touched).sum()
        assert int(audit["unmatched_touches"]) == 1
        assert {row["pairing"] for row in own} == {"time"}
        assert audit["unverified"] == "0"
        assert float(audit["residual_p95_ms"]) < 10
    assert at == len(windows)
    assert {row["participant"] for row in rows} == {"Tony Ünal's"}
    provenance = json.loads((tmp_path / "out" / "provenance.json").read_text())
    assert len(provenance["inputs"]) == 4


def test_a_header_that_was_not_updated_costs_no_tap_and_is_warned_of(tmp_path, capsys):
    session = tmp_path / "p" / "s"
    make_session(session, count=15)
    assert run(session, tmp_path / "right") == 0
    (wav,) = (session / "01.acoustic").iterdir()
    content = bytearray(wav.read_bytes())
    at = content.index(b"data") + 4
    half = int.from_bytes(content[at : at + 4], "little") // 2
    content[at : at + 4] = half.to_bytes(4, "little")
    wav.write_bytes(content)
    capsys.readouterr()
    assert run(session, tmp_path / "stale") == 0
    said = capsys.readouterr().err
    for name in ("taps.parquet", "windows.npy"):
        assert (tmp_path / "stale" / name).read_bytes() == (tmp_path / "right" / name).read_bytes()
    (right,) = read_tsv(tmp_path / "right" / "recordings.tsv")
    (stale,) = read_tsv(tmp_path / "stale" / "recordings.tsv")
    assert right["warnings"] == ""
    assert stale["warnings"].startswith("its header says ")
    assert stale["warnings"].endswith(" s are, read to the end of the file")
    assert right == stale | {"warnings": ""}
    assert f"warning: {wav}: {stale['warnings']}" in said
    assert main(["preview", "--dir", str(session), "--output", str(tmp_path / "pictures")]) == 0


def test_threads_change_nothing(tmp_path):
    make_session(tmp_path / "p" / "s", recordings=3, count=15)
    for threads in ("1", "3"):
        assert run(tmp_path / "p" / "s", tmp_path / threads, "--threads", threads) == 0
    for name in ("taps.parquet", "windows.npy", "recordings.tsv"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "3" / name).read_bytes()


def test_by_manifest_and_by_index_are_the_same(tmp_path):
    session = tmp_path / "p" / "s"
    make_session(session, recordings=2, count=15)
    recordings = recordings_in(session)
    write_manifest(tmp_path / "manifest.tsv", recordings[1:])
    where = ["--manifest", str(tmp_path / "manifest.tsv"), "--participant", "p", "--session", "s"]
    assert main(["segment", *where, "--output", str(tmp_path / "a")]) == 0
    assert run(session, tmp_path / "b", "--idx", "1") == 0
    a, b = (load_taps(tmp_path / name)[0] for name in "ab")
    assert a.equals(b)
    assert run(session, tmp_path / "c", "--idx", "2") == 1


def test_a_bad_recording_is_left_out_with_its_reason(tmp_path, capsys):
    session = tmp_path / "p" / "s"
    make_session(session, recordings=2, count=20)
    bad = sorted((session / "01.acoustic").iterdir())[0]
    bad.write_bytes(bad.read_bytes()[:-4000])
    assert run(session, tmp_path / "out") == 0
    audits = read_tsv(tmp_path / "out" / "recordings.tsv")
    assert [audit["status"] for audit in audits] == ["left out", "ok"]
    assert "truncated, 4000 bytes" in audits[0]["reason"]
    assert len(load_taps(tmp_path / "out", verify=True)[0]) == 20
    capsys.readouterr()
    assert run(session, tmp_path / "strict", "--strict") == 1
    assert "truncated" in capsys.readouterr().err
    assert not list((tmp_path / "strict").glob("*"))


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("", "no Down row"),
        ("a,b,c\nd,e\n", "row 1"),
        ("2023-01-28 13:05:30.0,0,   Down,1,1,1\n", "no touch between"),
        ("2023-01-27 13:05:24.0,0,   Down,1,1,1\n", "too few"),
    ],
)
def test_touches_that_cannot_be_used_leave_the_recording_out(tmp_path, rows, words):
    session = tmp_path / "p" / "s"
    make_session(session, count=12)
    next((session / "02.neonode").iterdir()).write_text(rows)
    assert run(session, tmp_path / "out") == 0
    (audit,) = read_tsv(tmp_path / "out" / "recordings.tsv")
    assert (audit["status"], audit["taps"] or "0") in {("left out", "12"), ("left out", "0")}
    assert words in audit["reason"]
    table, windows = load_taps(tmp_path / "out", verify=True)
    assert len(table) == 0
    assert windows.shape == (0, 8, 8192)
    assert run(session, tmp_path / "strict", "--strict") == 1
    assert not list((tmp_path / "strict").glob("*"))


@pytest.mark.parametrize(
    ("rate", "kind"),
    [
        (sounds.RATE, {"subtype": "PCM_24", "format": "WAVEX"}),
        (sounds.RATE, {"subtype": "FLOAT", "format": "RF64"}),
        (48_000, {"subtype": "PCM_32"}),
        (192_000, {"subtype": "PCM_16"}),
    ],
    ids=["extensible", "rf64", "48 kHz", "192 kHz"],
)
def test_every_kind_of_recording_gets_the_same_labels(tmp_path, rate, kind):
    session = tmp_path / "p" / "s"
    make_session(session, count=20)
    assert run(session, tmp_path / "plain") == 0
    wav = next((session / "01.acoustic").iterdir())
    whole = np.concatenate(list(AudioFile(wav).blocks()))
    sounds.write_wav(wav, soxr.resample(whole, sounds.RATE, rate), rate, **kind)
    assert run(session, tmp_path / "other") == 0
    plain, other = (load_taps(tmp_path / name)[0] for name in ("plain", "other"))
    assert other["label"].to_pylist() == plain["label"].to_pylist()
    assert other["touch_time"].equals(plain["touch_time"])
    np.testing.assert_allclose(other["time_s"], plain["time_s"], atol=3e-4)


def test_a_recording_may_run_past_midnight(tmp_path):
    session = tmp_path / "p" / "s"
    begin = datetime(2023, 12, 31, 23, 59, 55, 123000)
    ((_, xy, touched),) = make_session(session, count=40, begin=begin)
    assert run(session, tmp_path / "out") == 0
    table = load_taps(tmp_path / "out")[0]
    assert {time.year for time in table["touch_time"].to_pylist() if time} == {2023, 2024}
    keyboard = load_keyboard(KEYBOARD)
    wanted = np.where(touched, np.array(keyboard.labels)[keyboard.nearest(xy)], None)
    assert table["label"].to_pylist() == wanted.tolist()


def test_a_cough_and_a_door_get_no_label(tmp_path):
    session = tmp_path / "p" / "s"
    ((times, _, touched),) = make_session(session, count=20)
    wav = next((session / "01.acoustic").iterdir())
    sound = np.concatenate(list(AudioFile(wav).blocks()))
    rng = np.random.default_rng(3)
    between = times[:-1][np.diff(times) > 0.4][:2] + 0.2
    assert len(between) == 2
    for at, swell_s in zip(between, (0.04, 0.001), strict=True):
        age = np.arange(sounds.RATE // 8) / sounds.RATE
        envelope = np.minimum(age / swell_s, 1) ** 2 * np.exp(-age / 0.04)
        first = round(at * sounds.RATE)
        sound[first : first + len(age)] += (0.1 * envelope * rng.standard_normal(len(age)))[:, None]
    sounds.write_wav(wav, np.clip(sound, -1, 0.999))
    assert run(session, tmp_path / "out") == 0
    rows = load_taps(tmp_path / "out")[0].to_pylist()
    labelled = [row["time_s"] for row in rows if row["label"] is not None]
    np.testing.assert_allclose(labelled, times[touched], atol=3e-4)


def test_a_pinned_latency_needs_no_evidence(tmp_path):
    session = tmp_path / "p" / "s"
    ((_, _, touched),) = make_session(session, count=4, seed=3)
    assert run(session, tmp_path / "out", "--latency", str(LATENCY - 0.005)) == 0
    labels = load_taps(tmp_path / "out")[0]["label"].to_pylist()
    assert [label is not None for label in labels] == touched.tolist()


@pytest.mark.parametrize(
    "option", [("--latency", "nan"), ("--latency", "-140"), ("--selectivity", "nan")]
)
def test_numbers_that_are_none_are_refused(tmp_path, capsys, option):
    make_session(tmp_path / "p" / "s", count=12)
    assert run(tmp_path / "p" / "s", tmp_path / "out", *option) == 1
    assert f"{option[0]}-s is " in capsys.readouterr().err


@pytest.mark.parametrize("stage", ["segment", "preview"])
@pytest.mark.parametrize(
    ("characters", "message"),
    [
        ('{"é": "q", "0": "nosuchkey"}', "--characters: '0' is mapped to 'nosuchkey', which"),
        ('["q"]', '--characters is ["q"]; it must give a label for each entry'),
        ('{"é": 1}', '--characters is {"é": 1}; it must give a label for each entry'),
    ],
)
def test_characters_of_keys_that_are_not_there_are_refused(
    tmp_path, capsys, stage, characters, message
):
    make_session(tmp_path / "p" / "s", count=12)
    arguments = ("--dir", tmp_path / "p" / "s", "--output", tmp_path / "out")
    assert message in error_line(capsys, stage, *arguments, "--characters", characters)


def test_windows_that_would_leave_the_recording_are_left_out(tmp_path):
    session = tmp_path / "p" / "s"
    ((times, _, _),) = make_session(session, count=15)
    wav = next((session / "01.acoustic").iterdir())
    whole = np.concatenate(list(AudioFile(wav).blocks()))
    # The first tap is too near the start of this one, and the last too near its end.
    cut = round((times[0] - 0.01) * sounds.RATE)
    sounds.write_wav(wav, whole[: round((times[-1] + 0.05) * sounds.RATE)])
    assert run(session, tmp_path / "out") == 0
    assert len(load_taps(tmp_path / "out")[0]) == 14
    sounds.write_wav(wav, whole[cut:])
    assert run(session, tmp_path / "out", "--latency", str(LATENCY - times[0] + 0.005)) == 0
    table, windows = load_taps(tmp_path / "out", verify=True)
    assert len(table) == len(windows) == 14
    (audit,) = read_tsv(tmp_path / "out" / "recordings.tsv")
    assert audit["taps_cut_off"] == "1"
    np.testing.assert_allclose(table["time_s"], times[1:] - cut / sounds.RATE, atol=3e-4)


def test_taps_outside_every_key_are_kept_or_dropped(tmp_path):
    session = tmp_path / "p" / "s"
    make_session(session, count=40)
    assert run(session, tmp_path / "keep") == 0
    assert run(session, tmp_path / "drop", "--outside-keys", "drop") == 0
    keep, drop = (load_taps(tmp_path / name, verify=True)[0] for name in ("keep", "drop"))
    kept = [label for label in keep["label"].to_pylist() if label != "none"]
    assert len(kept) < len(keep)
    assert drop["label"].to_pylist() == kept


def test_files_of_different_runs_are_refused(tmp_path):
    make_session(tmp_path / "p" / "s", recordings=1, count=12)
    make_session(tmp_path / "p" / "t", recordings=1, count=12, seed=5)
    for name in "st":
        assert run(tmp_path / "p" / name, tmp_path / name) == 0
    os.replace(tmp_path / "s" / "windows.npy", tmp_path / "t" / "windows.npy")
    load_taps(tmp_path / "t")
    with pytest.raises(Tap2keyError, match="not the windows"):
        load_taps(tmp_path / "t", verify=True)
    np.save(tmp_path / "t" / "windows.npy", np.zeros((3, 8, 8192), np.float32))
    with pytest.raises(Tap2keyError, match="does not belong"):
        load_taps(tmp_path / "t")
    (tmp_path / "t" / "windows.npy").write_bytes(b"")
    with pytest.raises(Tap2keyError, match="not readable"):
        load_taps(tmp_path / "t")
    pyarrow.parquet.write_table(load_taps_without_metadata(tmp_path / "s"), tmp_path / "x.parquet")
    with pytest.raises(Tap2keyError, match="keyboard"):
        keyboard_labels(pyarrow.parquet.read_table(tmp_path / "x.parquet"))


@pytest.mark.parametrize(
    "reading",
    [("encode",), ("export", "--layout", "prototype"), ("export", "--dataset", "paths")],
    ids=" ".join,
)
def test_taps_with_labels_of_no_key_are_one_line(tmp_path, capsys, reading):
    folder = taps(tmp_path / "taps", "Ana", "1", {"r": ["a", None, "b"]}, labels=("a", "b"))
    table = load_taps(folder)[0]
    wrong = pyarrow.array(["a", None, "nosuchkey"])
    table = table.set_column(table.column_names.index("label"), "label", wrong)
    pyarrow.parquet.write_table(table, folder / "taps.parquet")
    line = error_line(capsys, *reading, "--taps", folder, "--output", tmp_path / "out")
    assert f"{folder / 'taps.parquet'}: taps have labels that its keyboard lacks ('nos" in line


def load_taps_without_metadata(folder):
    return pyarrow.parquet.read_table(folder / "taps.parquet").replace_schema_metadata(None)


def test_windows_that_hold_a_neighbour_say_so():
    onsets = np.array([0, 5999, 5999 + 8191, 5999 + 8191 + 6000 + 8192])
    assert overlapping(onsets, DEFAULT).tolist() == [True, True, True, False]
    assert overlapping(np.array([0, 8192]), DEFAULT).tolist() == [False, False]
    assert overlapping(np.array([], dtype=int), DEFAULT).tolist() == []


def test_the_stage_imports_nothing_heavy(tmp_path):
    make_session(tmp_path / "p" / "s", count=12)
    stage = ["segment", "--dir", str(tmp_path / "p" / "s"), "--output", str(tmp_path / "out")]
    code = f"import sys, tap2key.__main__ as m; assert m.main({stage}) == 0; print(*sys.modules)"
    listed = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(WORKFLOW)},
    ).stdout.split()
    assert not {"pandas", "scipy", "sklearn", "matplotlib", "torch", "librosa"} & set(listed)


def test_every_kind_of_cell_survives_the_parquet_file(tmp_path):
    full = {
        "participant": "Zoë",
        "session": "",
        "recording": "r",
        "tap": 7,
        "time_s": 1.25,
        "label": "|",
        "x": -3.5,
        "y": 0.0,
        "touch_time": sounds.START,
        "match_ms": 1e-3,
        "overlaps": True,
        "key_margin_mm": 2.0,
        "peak": 0.5,
        "pairing": "time",
        "threshold": 0.04,
    }
    rows = [full, dict.fromkeys(full), {**full, "overlaps": False, "label": "none"}] * 4
    write_taps(tmp_path / "taps.parquet", rows, "0", ("|", "none"))
    table = pyarrow.parquet.read_table(tmp_path / "taps.parquet")
    table.validate(full=True)
    assert table.to_pylist() == rows
    assert keyboard_labels(table) == ("|", "none")
