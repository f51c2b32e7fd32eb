import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import sounds
from made import RECORDING, stage, taps

from tap2key.__main__ import main
from tap2key.audio.audio_file import AudioFile
from tap2key.core.files import read_tsv
from tap2key.core.shipped import KEYBOARD
from tap2key.datasets.encoded_dataset import load_dataset_folder
from tap2key.exchange.label_check import taps_at
from tap2key.exchange.prototype_layout import sample_name
from tap2key.exchange.window_search import locate
from tap2key.reports.overview import overview_rows
from tap2key.segmentation.taps import keyboard_labels, load_taps
from tap2key.study.keyboard import load_keyboard

NAME = Path(RECORDING).stem
LATENCY = -0.16
# Older scripts cut around the loudest swing, here 3 ms after the first arrival.
SWING = round(0.003 * sounds.RATE)


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """A session of one recording: its folder, the taps' first samples, keys (None: missed)."""
    folder = tmp_path_factory.mktemp("study") / "Zoë" / "01_27"
    rng, keyboard = np.random.default_rng(3), load_keyboard(KEYBOARD)
    times = sounds.tap_times(rng, 24)
    _, one_of_each = np.unique(keyboard.centre_labels, return_index=True)
    xy = np.round(keyboard.centres[rng.choice(one_of_each, size=24)])
    sounds.write_wav(folder / "01.acoustic" / RECORDING, sounds.recording(times, times[-1] + 1))
    touched = np.ones(24, dtype=bool)
    touched[[4, 15]] = False
    late = times - LATENCY + rng.uniform(0, 0.01, 24)
    (folder / "02.neonode").mkdir()
    lines = sounds.touch_lines(late[touched], xy[touched])
    (folder / "02.neonode" / "a_nnode.csv").write_text("\n".join(lines) + "\n")
    names = [keyboard.labels[key] for key in keyboard.nearest(xy)]
    keys = [name if seen else None for name, seen in zip(names, touched, strict=True)]
    return folder, np.round(times * sounds.RATE).astype(int), keys


@pytest.fixture
def older(session, tmp_path):
    """What an older script made of it: it missed tap 9, so all later labels are shifted by one."""
    folder, firsts, keys = session
    raw, _ = soundfile.read(folder / "01.acoustic" / RECORDING, dtype="int16")
    found = [n for n in range(24) if n != 9]
    labels = [key for key in keys if key is not None]
    found = found[: len(labels)]
    write_older(tmp_path, [raw[start(firsts[n]) :][:8192] for n in found], labels)
    return tmp_path, found, labels


def start(first):
    return first + SWING - 2192


def write_older(folder, windows, labels, name=NAME, header="time,label"):
    (folder / "04.labels").mkdir(exist_ok=True)
    (folder / "05.wav_samples").mkdir(exist_ok=True)
    for number, window in enumerate(windows):
        path = folder / "05.wav_samples" / sample_name(name, number, len(windows), 8)
        soundfile.write(path, window, sounds.RATE, subtype="PCM_16")
    lines = [header] if header else []
    lines += [f"{number / 3:.3f},{label}" for number, label in enumerate(labels)]
    (folder / "04.labels" / f"{name}_label.csv").write_text("\n".join(lines) + "\n")


def ingest(folder, output, *more):
    where = ("--labels", folder / "04.labels", "--samples", folder / "05.wav_samples")
    return main(["ingest", *map(str, (*where, "--output", output, *more))])


def test_without_the_recording_labels_are_taken_by_order_and_marked_so(older, tmp_path, capsys):
    folder, found, labels = older
    out = tmp_path / "out"
    assert ingest(folder, out, "--participant", "Zoë", "--session-name", "01_27") == 0
    table, windows = load_taps(out, verify=True)
    assert keyboard_labels(table) == load_keyboard(KEYBOARD).labels
    assert table["label"].to_pylist() == labels
    assert table["tap"].to_pylist() == list(range(len(found)))
    assert set(table["pairing"].to_pylist()) == {"order"}
    assert set(table["participant"].to_pylist()) == {"Zoë"}
    assert table["time_s"].null_count == table["x"].null_count == len(table)
    for number in (0, 7, 20):
        raw, _ = soundfile.read(
            folder / "05.wav_samples" / sample_name(NAME, number, 22, 8), dtype="int16"
        )
        np.testing.assert_array_equal(windows[number], (raw / 2**15).T.astype(np.float32))
    (audit,) = read_tsv(out / "recordings.tsv")
    assert (audit["status"], audit["taps"], audit["unverified"]) == ("ok", "22", "22")
    assert overview_rows([audit])[0]["unverified"] == 22

    capsys.readouterr()
    stage("encode", "--taps", out, "--output", tmp_path / "encoded", "--crop-ms", 1, 1)
    assert "labels of 22 of them were paired by order" in capsys.readouterr().err
    encoded = load_dataset_folder(tmp_path / "encoded")
    names = encoded.data.features["label"].names
    assert [names[key] for key in encoded.data["label"]] == labels
    (counted,) = read_tsv(tmp_path / "encoded" / "pairing.tsv")
    assert counted == {"participant": "Zoë", "session": "01_27", "pairing": "order", "taps": "22"}
    only = ["encode", "--verified-only", "--taps", str(out), "--output", str(tmp_path / "none")]
    assert main(only) == 1
    assert "no verified tap" in capsys.readouterr().err


def test_with_the_recording_every_label_is_that_of_its_touch(session, older, tmp_path, capsys):
    folder, firsts, keys = session
    out = tmp_path / "out"
    assert ingest(older[0], out, "--session", folder) == 0
    table, windows = load_taps(out, verify=True)
    rows, (_, found, labels) = table.to_pylist(), older
    kept = [number for number, n in enumerate(found) if keys[n] is not None]
    assert [row["tap"] for row in rows] == kept
    assert [row["label"] for row in rows] == [keys[found[number]] for number in kept]
    assert {row["pairing"] for row in rows} == {"verified"}
    assert {row["participant"] for row in rows} == {"Zoë"}
    times = firsts[[found[number] for number in kept]] / sounds.RATE
    np.testing.assert_allclose([row["time_s"] for row in rows], times, atol=3e-4)
    whole = np.concatenate(list(AudioFile(folder / "01.acoustic" / RECORDING).blocks()))
    for row, window in zip(rows, windows, strict=True):
        first = round(row["time_s"] * sounds.RATE) - 2192
        np.testing.assert_array_equal(window, whole[first : first + 8192].T)
    listed = read_tsv(out / "ingested.tsv")
    assert len(listed) == len(found)
    wrong = 0
    for row, n, given in zip(listed, found, labels, strict=True):
        assert row["given_label"] == given
        if keys[n] is None:
            assert (row["result"], row["reason"]) == ("dropped", "no touch near its tap")
        elif keys[n] == given:
            assert (row["result"], row["reason"]) == ("kept", "")
        else:
            wrong += 1
            assert row["result"] == "corrected"
            assert row["label"] == keys[n]
            assert row["reason"] == f"the touch of its time is on {keys[n]}"
    assert wrong > 5
    assert f"{wrong} labels corrected, 2 taps dropped" in capsys.readouterr().err
    (audit,) = read_tsv(out / "recordings.tsv")
    assert float(audit["latency_s"]) == pytest.approx(LATENCY - 0.005, abs=3e-3)
    assert (audit["taps"], audit["unverified"]) == (str(len(kept)), "0")
    stage("encode", "--taps", out, "--output", tmp_path / "encoded", "--crop-ms", 1, 1)
    (counted,) = read_tsv(tmp_path / "encoded" / "pairing.tsv")
    assert (counted["pairing"], counted["taps"]) == ("verified", str(len(kept)))


def test_windows_that_are_no_tap_of_the_recording_are_dropped(session, tmp_path):
    folder, firsts, keys = session
    raw, _ = soundfile.read(folder / "01.acoustic" / RECORDING, dtype="int16")
    wrapped = np.concatenate([raw[-2000:], raw[:6192]])
    quiet = raw[1000:9192]
    windows = [wrapped, quiet, raw[start(firsts[2]) :][:8192], raw[start(firsts[2]) - 5 :][:8192]]
    write_older(tmp_path, windows, [keys[2]] * 4)
    out = tmp_path / "out"
    assert ingest(tmp_path, out, "--session", folder) == 0
    assert [row["reason"] for row in read_tsv(out / "ingested.tsv")] == [
        "its window is not in the recording",
        "no tap begins where its window was cut",
        "",
        f"the same tap as {sample_name(NAME, 2, 4, 8)}",
    ]
    assert load_taps(out)[0]["label"].to_pylist() == [keys[2]]


def test_a_recording_that_cannot_be_verified_stays_unverified(session, older, tmp_path, capsys):
    folder = tmp_path / "Zoë" / "other"
    shutil.copytree(session[0], folder)
    touches = folder / "02.neonode" / "a_nnode.csv"
    touches.write_text("\n".join(touches.read_text().splitlines()[:6]) + "\n")
    assert ingest(older[0], tmp_path / "out", "--session", folder) == 0
    assert f"not verified: {NAME}" in capsys.readouterr().err
    assert set(load_taps(tmp_path / "out")[0]["pairing"].to_pylist()) == {"order"}
    (audit,) = read_tsv(tmp_path / "out" / "recordings.tsv")
    assert audit["reason"].startswith("not verified: ")
    (folder / "01.acoustic" / RECORDING).rename(
        folder / "01.acoustic" / "09.00.00.1_01_27_2023.wav"
    )
    assert ingest(older[0], tmp_path / "out", "--session", folder) == 0
    (audit,) = read_tsv(tmp_path / "out" / "recordings.tsv")
    assert audit["reason"].startswith("not verified: no recording")


def test_what_export_wrote_comes_back_as_it_was(tmp_path):
    keys = ["a", None, "|", "b", "a"]
    labels = load_keyboard(KEYBOARD).labels
    made = taps(tmp_path / "p" / "s", "p", "s", {NAME: keys}, labels=labels)
    stage("export", "--layout", "prototype", "--taps", made, "--output", tmp_path / "older")
    table = tmp_path / "older" / "04.labels" / f"{NAME}_label.csv"
    lines = table.read_text().splitlines()
    # The names pair them, whatever the order of the rows.
    table.write_text("\n".join([lines[0], *reversed(lines[1:])]) + "\n")
    where = ("--participant", "p", "--session-name", "s")
    assert ingest(tmp_path / "older", tmp_path / "back", *where) == 0
    (before, sound), (after, same) = load_taps(made), load_taps(tmp_path / "back", verify=True)
    labelled = [n for n, key in enumerate(keys) if key is not None]
    expected = before.take(labelled).select(["recording", "tap", "time_s", "label", "pairing"])
    assert after.select(expected.column_names).to_pylist() == expected.to_pylist()
    np.testing.assert_array_equal(same, sound[labelled])


def spoil(folder, kind):
    wavs = sorted((folder / "05.wav_samples").iterdir())
    table = folder / "04.labels" / f"{NAME}_label.csv"
    if kind == "one wav less":
        wavs[3].unlink()
    elif kind == "one label less":
        table.write_text("\n".join(table.read_text().splitlines()[:-1]) + "\n")
    elif kind == "two channels":
        soundfile.write(wavs[3], np.zeros((8192, 2)), sounds.RATE)
    elif kind == "too short":
        soundfile.write(wavs[3], np.zeros((8000, 8)), sounds.RATE)
    elif kind == "another rate":
        soundfile.write(wavs[3], np.zeros((8192, 8)), 48_000)
    elif kind == "no wav":
        wavs[3].write_text("nothing")
    elif kind == "another keyboard":
        table.write_text(table.read_text().replace(",", ",Shift").replace("Shiftlabel", "label"))
    elif kind == "no label column":
        table.write_text(table.read_text().replace("label", "key"))
    elif kind == "no table":
        table.unlink()


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("one wav less", "22 labels for 21 wavs"),
        ("one label less", "21 labels for 22 wavs"),
        ("two channels", "2 channel(s), but array.channels is 8"),
        ("too short", "8000 samples at 96000 Hz; a window has 8192"),
        ("another rate", "at 48000 Hz; a window has"),
        ("no wav", "not readable as wav"),
        ("another keyboard", "the keyboard has no key"),
        ("no label column", "no column label"),
        ("no table", "no such file, so its wavs have no labels"),
    ],
)
def test_a_recording_that_does_not_fit_is_left_out_with_one_line(
    older, tmp_path, capsys, kind, words
):
    folder = older[0]
    other = "14.00.00.1_01_27_2023"
    write_older(folder, [np.zeros((8192, 8), np.int16)] * 2, ["a", "|"], name=other)
    spoil(folder, kind)
    assert ingest(folder, tmp_path / "out") == 0
    lines = [line for line in capsys.readouterr().err.splitlines() if "left out" in line]
    assert len(lines) == 1
    assert words in lines[0]
    audits = {row["recording"]: row for row in read_tsv(tmp_path / "out" / "recordings.tsv")}
    assert audits[NAME]["status"] == "left out"
    assert words in audits[NAME]["reason"]
    assert audits[other]["status"] == "ok"
    assert load_taps(tmp_path / "out", verify=True)[0]["label"].to_pylist() == ["a", "|"]


def test_nothing_usable_is_an_error_and_leaves_nothing(older, tmp_path, capsys):
    spoil(older[0], "one wav less")
    assert ingest(older[0], tmp_path / "out") == 1
    assert "22 labels for 21 wavs" in capsys.readouterr().err.splitlines()[-1]
    assert ingest(tmp_path / "nowhere", tmp_path / "out") == 1
    assert "no such folder" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_labels_without_a_header_are_in_the_last_column(older, tmp_path):
    folder, _, labels = older
    table = folder / "04.labels" / f"{NAME}_label.csv"
    table.write_text("\n".join(table.read_text().splitlines()[1:]) + "\n")
    assert ingest(folder, tmp_path / "out") == 0
    assert load_taps(tmp_path / "out")[0]["label"].to_pylist() == labels


def test_a_table_that_names_a_wav_twice_is_refused(tmp_path, capsys):
    write_older(tmp_path, [np.zeros((8192, 8), np.int16)] * 2, [])
    name = sample_name(NAME, 0, 2, 8)
    table = tmp_path / "04.labels" / f"{NAME}_label.csv"
    with table.open("w", newline="") as handle:
        csv.writer(handle).writerows([["file", "label"], [name, "a"], [name, "b"]])
    assert ingest(tmp_path, tmp_path / "out") == 1
    assert "must be once among its files" in capsys.readouterr().err


def test_windows_are_found_to_the_sample_even_if_they_were_changed(tmp_path):
    rng = np.random.default_rng(0)
    path = sounds.write_wav(
        tmp_path / RECORDING, sounds.recording([0.5, 1.1, 2.0, 2.7], 3.5), subtype="PCM_24"
    )
    audio = AudioFile(path)
    whole = np.concatenate(list(audio.blocks()))
    # Across the borders of the blocks in which the recording is read, and at both its ends.
    firsts = np.array([0, 45_000, 65_536 - 4000, 100_000, 131_072 - 8191, len(whole) - 8192])
    windows = np.stack([whole[first : first + 8192].T for first in firsts])
    np.testing.assert_array_equal(locate(audio, windows), firsts)
    taps = np.array([45_000, 100_000, 185_000])
    loud = np.stack([whole[first : first + 8192].T for first in taps])
    rounded = np.round(loud / np.abs(loud).max(axis=(1, 2), keepdims=True) * 2**15) / 2**15
    np.testing.assert_array_equal(locate(audio, rounded.astype(np.float32)), taps)
    foreign = 0.1 * rng.standard_normal((1, 8, 8192)).astype(np.float32)
    assert locate(audio, foreign).tolist() == [-1]


def test_a_swing_belongs_to_the_last_tap_that_began_before_it():
    onsets = np.array([1000, 9000, 20_000])
    swings = np.array([950, 1000, 4000, 9000 + 3840, 9000 + 3841, 20_001, 500])
    assert taps_at(swings, onsets, sounds.RATE).tolist() == [0, 0, 0, 1, -1, 2, -1]
    assert taps_at(swings, onsets[:0], sounds.RATE).tolist() == [-1] * 7
