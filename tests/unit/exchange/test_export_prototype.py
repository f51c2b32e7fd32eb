import csv
from pathlib import Path

import librosa
import numpy as np
import pytest
import soundfile
from made import RECORDING, stage, taps
from PIL import Image

from tap2key.__main__ import main
from tap2key.segmentation.taps import load_taps

NAME = Path(RECORDING).stem
OTHER = "13.09.00.5_01_27_2023"
KEYS = {NAME: ["a", None, "|", "b", "a"], OTHER: ["b"]}


def export(*arguments):
    return main(["export", "--layout", "prototype", *map(str, arguments)])


def read_labels(folder, recording):
    path = folder / "04.labels" / f"{recording}_label.csv"
    with path.open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


@pytest.fixture
def exported(tmp_path):
    made = taps(tmp_path / "taps", "Zoë", "01_27", KEYS)
    stage("export", "--layout", "prototype", "--taps", made, "--output", tmp_path / "out")
    return made, tmp_path / "out"


def test_windows_and_labels_belong_together_by_name_and_by_order(exported):
    made, out = exported
    table, windows = load_taps(made)
    index = {(row["recording"], row["tap"]): i for i, row in enumerate(table.to_pylist())}
    seen = []
    for recording, keys in KEYS.items():
        rows = read_labels(out, recording)
        labelled = [number for number, key in enumerate(keys) if key is not None]
        assert [row["label"] for row in rows] == [keys[number] for number in labelled]
        assert [float(row["time_s"]) for row in rows] == [1 + n / 2 for n in labelled]
        for row, number in zip(rows, labelled, strict=True):
            assert row["file"] == f"{recording}_{number:03d}_8chan.wav"
            path = out / "05.wav_samples" / row["file"]
            about = soundfile.info(path)
            assert (about.channels, about.samplerate, about.subtype) == (8, 96_000, "FLOAT")
            expected = windows[index[recording, number]]
            # Bit for bit, with either of the libraries that older scripts read wavs with.
            read, _ = soundfile.read(path, dtype="float32")
            np.testing.assert_array_equal(read.T, expected)
            np.testing.assert_array_equal(librosa.load(path, sr=None, mono=False)[0], expected)
        wavs = sorted(p.name for p in (out / "05.wav_samples").glob(f"{recording}_*.wav"))
        assert wavs == [row["file"] for row in rows]
        seen += wavs
    assert len(list((out / "05.wav_samples").iterdir())) == len(seen) == 5


def test_each_recording_has_a_picture(exported):
    _, out = exported
    pictures = {p.name for p in (out / "03.plots").iterdir()}
    assert pictures == {f"{NAME}.png", f"{OTHER}.png"}
    with Image.open(out / "03.plots" / f"{NAME}.png") as image:
        few, many = (
            len(im.convert("RGB").getcolors(1 << 16)) for im in (image.resize((1, 1)), image)
        )
        assert image.width > 800
        assert many > few


def test_the_same_taps_give_the_same_files(exported, tmp_path):
    made, out = exported
    assert export("--taps", made, "--output", tmp_path / "again") == 0
    files = sorted(p.relative_to(out) for p in out.rglob("*") if p.is_file())
    assert files == sorted(
        p.relative_to(tmp_path / "again") for p in (tmp_path / "again").rglob("*") if p.is_file()
    )
    for file in files:
        assert (out / file).read_bytes() == (tmp_path / "again" / file).read_bytes(), file


def test_more_than_a_thousand_taps_keep_their_order_by_name(tmp_path):
    from tap2key.exchange.prototype_layout import sample_name

    names = [sample_name(NAME, number, 1203, 8) for number in range(1204)]
    assert sorted(names) == names
    assert names[7] == f"{NAME}_0007_8chan.wav"


def test_several_sessions_get_folders_of_their_own(tmp_path):
    made = [
        taps(tmp_path / f"{person}{session}", person, session, {NAME: ["a"]})
        for person in ("Ana", "Bo")
        for session in ("s1", "s2")
    ]
    assert export("--taps", *made, "--output", tmp_path / "out") == 0
    found = {
        p.parent.parent.relative_to(tmp_path / "out").as_posix()
        for p in tmp_path.glob("out/**/*.wav")
    }
    assert found == {"Ana/s1", "Ana/s2", "Bo/s1", "Bo/s2"}
    (row,) = read_labels(tmp_path / "out" / "Bo" / "s1", NAME)
    window = soundfile.read(tmp_path / "out/Bo/s1/05.wav_samples" / row["file"], dtype="float32")[0]
    np.testing.assert_array_equal(window.T, load_taps(tmp_path / "Bos1")[1][0])


def test_the_same_session_twice_and_a_session_without_taps_are_refused(tmp_path, capsys):
    one = taps(tmp_path / "one", "Ana", "s", {NAME: ["a"]})
    none = taps(tmp_path / "none", "Ana", "t", {})
    assert export("--taps", one, one, "--output", tmp_path / "out") == 1
    assert "the same session" in capsys.readouterr().err
    assert export("--taps", none, "--output", tmp_path / "out") == 1
    assert "no tap in it" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--layout", "prototype"], "--layout prototype needs --taps"),
        (["--layout", "prototype", "--taps", "t", "--fold", "f"], "does not take --fold"),
        (["--dataset"], "--dataset arrays needs --datasets, --fold"),
        (["--dataset", "paths"], "--dataset paths needs --taps"),
        (["--onnx", "m", "--no-oversample"], "--onnx does not take --no-oversample"),
    ],
)
def test_options_of_another_export_are_refused(tmp_path, capsys, arguments, words):
    assert main(["export", *arguments, "--output", str(tmp_path / "out")]) == 1
    assert words in capsys.readouterr().err
