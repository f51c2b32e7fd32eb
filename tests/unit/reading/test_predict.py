import json
import os
import shutil
import subprocess
from itertools import pairwise

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile
import sounds
from made import (
    ENCODING,
    EVERYBODY,
    LABELS,
    WORKFLOW,
    command,
    error_line,
    held_out_study,
    stage,
)
from scipy.signal import resample_poly
from sounds import make_session
from untrained import network

from tap2key.__main__ import main
from tap2key.audio.array import DEFAULT, Array
from tap2key.core.files import read_json, read_tsv
from tap2key.core.shipped import KEYBOARD
from tap2key.datasets.encoding import Encoding
from tap2key.datasets.representations import encode_windows
from tap2key.models.predictor import load_predictor
from tap2key.reading.tapped_keys import what_keys_type
from tap2key.study.keyboard import load_keyboard

TIMES = [0.6, 0.9, 1.35, 2.0, 2.2]


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    return [network(root / str(seed), LABELS, seed) for seed in (0, 1)]


@pytest.fixture(scope="module")
def forest(tmp_path_factory):
    root = tmp_path_factory.mktemp("forest")
    folder, training, _ = held_out_study(root, EVERYBODY[:3])
    chosen = ("--kind", "level_forest", "--trees", 5)
    where = ("--datasets", *training, "--output", root / "model")
    stage("baseline", "--fold", folder, *chosen, *where)
    return root / "model"


def asked(models, recordings, output, *options):
    given = ("--models", *models, "--recordings", *recordings)
    return ["predict", *given, "--output", output, *options]


def predict(*of):
    return main([str(a) for a in asked(*of)])


def refused(capsys, models, recordings, tmp_path, *options):
    return error_line(capsys, *asked(models, recordings, tmp_path / "out", *options))


def named(folder):
    table = pq.read_table(folder / "tapped_keys.parquet").to_pandas()
    return table, np.stack(table.probabilities)


def label_track(path):
    """The labels of an Audacity label track: start, end, text."""
    lines = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
    return [(float(start), float(end), text) for start, end, text in lines]


def text_grid(path):
    """The intervals of a TextGrid's only tier: start, end, text."""
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    assert lines[:2] == ['File type = "ooTextFile"', 'Object class = "TextGrid"']
    assert "size = 1" in lines
    values = [line.split(" = ", 1) for line in lines if " = " in line]
    first = next(at for at, (key, _) in enumerate(values) if key == "intervals: size")
    flat = values[first + 1 :]
    assert [key for key, _ in flat] == ["xmin", "xmax", "text"] * int(values[first][1])
    read = [json.loads(value) if key == "text" else float(value) for key, value in flat]
    return [tuple(read[at : at + 3]) for at in range(0, len(read), 3)]


def test_recordings_of_one_of_two_arrays_that_models_know(tmp_path, capsys):
    """They were trained on four microphones of two rigs; either may be meant."""
    small = Array(channels=4, sample_rate=48_000, groups=(("top", (0, 1, 2, 3)),))
    encodings = [Encoding("top", 16_000, (1, 3), array=array) for array in (DEFAULT, small)]
    both = [
        network(tmp_path / str(seed), LABELS, seed, encoding, length=256)
        for seed, encoding in enumerate(encodings)
    ]
    sound = sounds.recording(TIMES, 3.0)
    whole = sounds.write_wav(tmp_path / "whole.wav", sound)
    part = sounds.write_wav(tmp_path / "part.wav", resample_poly(sound[:, 4:], 1, 2), 48_000)
    line = refused(capsys, both, [whole], tmp_path)
    assert "trained on a different array" in line and "say with --array" in line
    arrays = [json.dumps(each.array.as_dict()) for each in encodings]
    answers = []
    for name, path, array in (("large", whole, arrays[0]), ("small", part, arrays[1])):
        assert predict(both, [path], tmp_path / name, "--array", array) == 0
        answers.append(named(tmp_path / name)[1])
    # The same microphones at half the rate.
    assert answers[0].shape == answers[1].shape == (len(TIMES), len(LABELS))
    np.testing.assert_allclose(answers[0], answers[1], atol=0.02)
    other = '{"channels": 4, "groups": {"top": [0, 1]}}'
    assert "does not go together with --array" in refused(
        capsys, both, [part], tmp_path, "--array", other
    )


@pytest.mark.parametrize("count", [1, 2])
def test_taps_are_named_as_their_windows_are(models, forest, tmp_path, count):
    """One model, and a network and a forest together, against windows cut out by hand."""
    sound = sounds.recording(TIMES, 3.0)
    path = sounds.write_wav(tmp_path / 'Bob\'s "new" tap.wav', sound)
    used = [models[0], forest][:count]
    assert predict(used, [path], tmp_path / "out") == 0
    table, probabilities = named(tmp_path / "out")
    np.testing.assert_allclose(table.time_s, TIMES, atol=3e-4)
    assert table.tap.tolist() == list(range(len(TIMES)))
    assert set(table.recording) == {'Bob\'s "new" tap'}
    whole, _ = soundfile.read(path, dtype="float32")
    starts = [round(time * 96_000) - 2192 for time in table.time_s]
    windows = np.stack([whole[start : start + 8192].T for start in starts])
    inputs = encode_windows(windows, ENCODING)
    expected = np.mean([load_predictor(m)[0].probabilities(inputs) for m in used], axis=0)
    np.testing.assert_allclose(probabilities, expected, atol=1e-5)
    assert table.prediction.tolist() == [LABELS[at] for at in expected.argmax(axis=1)]
    np.testing.assert_allclose(table.confidence, expected.max(axis=1), atol=1e-5)


def test_tracks_parse_back(models, tmp_path):
    path = sounds.write_wav(tmp_path / "r.wav", sounds.recording(TIMES, 3.0))
    assert predict(models, [path], tmp_path / "out") == 0
    table, _ = named(tmp_path / "out")
    labels = label_track(tmp_path / "out" / "r.labels.txt")
    np.testing.assert_allclose([start for start, _, _ in labels], table.time_s, atol=1e-6)
    spoken = [
        f"{key} {sure:.2f}" for key, sure in zip(table.prediction, table.confidence, strict=True)
    ]
    assert [text for _, _, text in labels] == spoken
    grid = text_grid(tmp_path / "out" / "r.TextGrid")
    assert (grid[0][0], grid[-1][1]) == (0, 3)
    assert all(before[1] == after[0] for before, after in pairwise(grid))
    filled = [part for part in grid if part[2]]
    assert [text for _, _, text in filled] == table.prediction.tolist()
    np.testing.assert_allclose(
        [part[:2] for part in filled], [part[:2] for part in labels], atol=1e-6
    )


def test_a_dead_microphone_is_said_beside_what_was_named(models, tmp_path, capsys):
    folder = tmp_path / "new"
    sound = sounds.recording(TIMES, 3.0)
    sounds.write_wav(folder / "sound.wav", sound)
    sound[:, 3] = 0
    sounds.write_wav(folder / "dead.wav", sound)
    assert predict(models, [folder], tmp_path / "out") == 0
    rows = {
        row["recording"]: row["warnings"] for row in read_tsv(tmp_path / "out/read_recordings.tsv")
    }
    said = "channel 3 dead (silent: all samples equal)"
    assert rows == {"dead": said, "sound": ""}
    assert f"warning: {folder / 'dead.wav'}: {said}" in capsys.readouterr().err


def test_a_broken_recording_in_a_folder_does_not_lose_the_others(models, tmp_path, capsys):
    folder = tmp_path / "new ones"
    for name in ("a", "deep/a"):
        sounds.write_wav(folder / f"{name}.wav", sounds.recording(TIMES[:2], 1.5))
    sounds.write_wav(folder / "two channels.WAV", np.zeros((9000, 2)))
    (folder / "empty.wav").touch()
    (folder / ".hidden.wav").touch()
    (folder / "gone.wav").symlink_to(tmp_path / "nowhere.wav")
    sounds.write_wav(folder / "silent.wav", sounds.recording([], 1.5))
    assert predict(models, [folder], tmp_path / "out") == 0
    rows = {row["recording"]: row for row in read_tsv(tmp_path / "out" / "read_recordings.tsv")}
    assert {name: (row["status"], row["taps"]) for name, row in rows.items()} == {
        "a": ("ok", "2"),
        "deep/a": ("ok", "2"),
        "silent": ("ok", "0"),
        "empty": ("left out", ""),
        "gone": ("left out", ""),
        "two channels": ("left out", ""),
    }
    assert "empty file" in rows["empty"]["reason"]
    assert "2 channel(s), but array.channels is 8: record" in rows["two channels"]["reason"]
    table, _ = named(tmp_path / "out")
    assert table.recording.tolist() == ["a", "a", "deep/a", "deep/a"]
    assert label_track(tmp_path / "out" / "silent.labels.txt") == []
    assert text_grid(tmp_path / "out" / "silent.TextGrid") == [(0, 1.5, "")]
    assert label_track(tmp_path / "out" / "deep" / "a.labels.txt")
    text = (tmp_path / "out" / "transcript.txt").read_text(encoding="utf-8")
    heads = [line for line in text.splitlines() if line.startswith("== ")]
    assert heads == ["== a", "== deep/a", "== silent"]
    (folder / "a.wav").unlink()
    shutil.rmtree(folder / "deep")
    (folder / "silent.wav").unlink()
    shutil.rmtree(tmp_path / "out")
    message = refused(capsys, models, [folder], tmp_path)
    assert "no recording can be used; the first: " in message


def test_no_name_and_no_link_loses_another_recording(models, tmp_path, capsys):
    sound, other = sounds.recording(TIMES[:2], 1.5), sounds.recording(TIMES[:3], 1.6)
    folder, latin = tmp_path / "new", os.fsdecode("Müller".encode("latin-1"))
    sounds.write_wav(folder / "a.wav", sound)
    sounds.write_wav(folder / f"{'x' * 250}.flac", sound, format="FLAC")
    shutil.copy(folder / "a.wav", folder / f"{latin}.wav")
    sounds.write_wav(tmp_path / "far" / "b.w64", other, format="W64")
    (folder / "far").symlink_to(tmp_path / "far", target_is_directory=True)
    (folder / "far" / "back").symlink_to(folder, target_is_directory=True)
    (folder / "again.wav").symlink_to(folder / "a.wav")
    (folder / "take.aiff").touch()
    os.mkfifo(folder / "pipe.wav")
    assert predict(models, [folder], tmp_path / "out") == 0
    rows = {row["path"]: row for row in read_tsv(tmp_path / "out" / "read_recordings.tsv")}
    rows = {path.removeprefix(f"{folder}/"): row for path, row in rows.items()}
    assert {path: (row["status"], row["taps"]) for path, row in rows.items()} == {
        "a.wav": ("ok", "2"),
        f"{'x' * 250}.flac": ("ok", "2"),
        "M\\udcfcller.wav": ("ok", "2"),
        "far/b.w64": ("ok", "3"),
        "again.wav": ("left out", ""),
        "take.aiff": ("left out", ""),
        "pipe.wav": ("left out", ""),
    }
    assert rows["again.wav"]["reason"] == f"{folder}/again.wav: the same file as {folder}/a.wav"
    assert "its ending is none of" in rows["take.aiff"]["reason"]
    assert rows["pipe.wav"]["reason"].endswith("pipe.wav: not a file")
    assert "left out: " in capsys.readouterr().err
    table, _ = named(tmp_path / "out")
    assert table.groupby("recording").size().to_dict() == {
        row["recording"]: int(row["taps"]) for row in rows.values() if row["status"] == "ok"
    }
    for name, count in table.groupby("recording").size().items():
        assert len(label_track(tmp_path / "out" / f"{name}.labels.txt")) == count
    inputs = read_json(tmp_path / "out" / "provenance.json")["inputs"]
    assert str(folder / f"{latin}.wav") in inputs


def test_sound_that_the_header_does_not_count_is_named_with_a_warning(models, tmp_path, capsys):
    path = sounds.write_wav(tmp_path / "r.wav", sounds.recording(TIMES, 3.0))
    content = bytearray(path.read_bytes())
    at = content.index(b"data") + 4
    content[at : at + 4] = (96_000 * 16).to_bytes(4, "little")
    path.write_bytes(content)
    assert predict(models[:1], [path], tmp_path / "out") == 0
    (row,) = read_tsv(tmp_path / "out" / "read_recordings.tsv")
    said = "its header says 1.000 s where 3.000 s are, read to the end of the file"
    assert (row["status"], row["taps"], row["duration_s"]) == ("ok", "5", "3.0")
    assert row["warnings"] == said
    assert f"warning: {path}: {said}" in capsys.readouterr().err


def test_taps_at_the_ends_are_named_in_windows_filled_with_silence(models, tmp_path):
    sound = sounds.recording([0.4, 1.0, 1.97], 2.0)
    cut = sound[round(0.39 * sounds.RATE) :]
    path = sounds.write_wav(tmp_path / "r.wav", cut)
    assert predict(models[:1], [path], tmp_path / "out") == 0
    table, probabilities = named(tmp_path / "out")
    np.testing.assert_allclose(table.time_s, [0.01, 0.61, 1.58], atol=3e-4)
    whole, _ = soundfile.read(path, dtype="float32")
    padded = np.pad(whole, ((2192, 6000), (0, 0)))
    starts = [round(time * 96_000) for time in table.time_s]
    windows = np.stack([padded[start : start + 8192].T for start in starts])
    expected = load_predictor(models[0])[0].probabilities(encode_windows(windows, ENCODING))
    np.testing.assert_allclose(probabilities, expected, atol=1e-5)


@pytest.mark.parametrize(("up", "down"), [(1, 2), (2, 1), (147, 320)])
def test_other_rates_give_the_same_taps(models, tmp_path, up, down):
    sound = sounds.recording(TIMES, 3.0)
    sounds.write_wav(tmp_path / "a.wav", sound, subtype="FLOAT")
    other = np.clip(resample_poly(sound, up, down), -1, 1)
    sounds.write_wav(tmp_path / "b.wav", other, sounds.RATE * up // down, subtype="FLOAT")
    assert predict(models, [tmp_path / "a.wav", tmp_path / "b.wav"], tmp_path / "out") == 0
    table, probabilities = named(tmp_path / "out")
    first, second = ((table.recording == name).to_numpy() for name in "ab")
    np.testing.assert_allclose(table.time_s[first], table.time_s[second], atol=3e-4)
    np.testing.assert_allclose(probabilities[first], probabilities[second], atol=0.1)


@pytest.mark.parametrize(("representation", "rows"), [("pairs", 28), ("pairs_waves", 36)])
def test_lags_may_be_finer_than_a_recordings_samples(tmp_path, representation, rows):
    encoding = Encoding(representation, 192_000, (1, 3), None)
    path = sounds.write_wav(tmp_path / "r.wav", sounds.recording(TIMES, 3.0))
    model = network(tmp_path / "model", LABELS, encoding=encoding, length=rows * 769)
    assert predict([model], [path], tmp_path / "out") == 0
    assert len(named(tmp_path / "out")[0]) == len(TIMES)


def test_memory_does_not_grow_with_length(models, tmp_path):
    """Beyond the half minute that is looked at together."""
    piece = sounds.recording(np.arange(0.5, 9.5, 0.5).tolist(), 10.0)
    peaks = []
    for pieces in (4, 10):
        path = tmp_path / f"{pieces}.wav"
        with soundfile.SoundFile(path, "w", sounds.RATE, 8, "PCM_16") as file:
            for _ in range(pieces):
                file.write(piece)
        where = ("--recordings", path, "--output", tmp_path / f"out{pieces}")
        process = subprocess.Popen(
            command("predict", "--models", models[0], *where), cwd=WORKFLOW, stderr=subprocess.PIPE
        )
        said = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        process.stderr.close()
        assert process.returncode == 0, said
        assert len(named(tmp_path / f"out{pieces}")[0]) == 18 * pieces
        peaks.append(usage.ru_maxrss / 1024)
    # The minute that the second one is longer is 184 MB.
    assert peaks[1] < peaks[0] + 60, peaks


def test_what_does_not_fit_the_model_is_refused(models, forest, tmp_path, capsys):
    eight = sounds.write_wav(tmp_path / "r.wav", sounds.recording(TIMES[:1], 1.0))
    two = sounds.write_wav(tmp_path / "two.wav", np.zeros((9000, 2)))
    slow = sounds.write_wav(tmp_path / "slow.wav", np.zeros((9000, 8)), rate=8_000)
    message = refused(capsys, models, [two], tmp_path)
    assert "two.wav: 2 channel(s), but array.channels is 8" in message
    message = refused(capsys, models, [eight, slow], tmp_path)
    assert "slow.wav: recorded at 8000 Hz, but the model needs 16000 Hz; record at" in message
    others = network(tmp_path / "others", ("a", "b", "c", "d"))
    message = refused(capsys, [models[0], others], [eight], tmp_path)
    assert "others: was trained on different keys (4) than" in message
    message = refused(capsys, models, [eight], tmp_path, "--keyboard", str(KEYBOARD))
    assert "was trained on different keys than" in message
    assert "use a model" in message
    message = refused(capsys, [tmp_path / "absent"], [eight], tmp_path)
    assert message.endswith("absent/tap2key.json: no such file")
    message = refused(capsys, models, [tmp_path / "nowhere"], tmp_path)
    assert "nowhere: no such file or folder" in message
    (tmp_path / "bare").mkdir()
    assert "bare: no .wav file in it" in refused(capsys, models, [tmp_path / "bare"], tmp_path)
    twice = sounds.write_wav(tmp_path / "deep" / "r.wav", sounds.recording([], 1.0))
    message = refused(capsys, models, [eight, twice], tmp_path)
    assert "would both be called 'r'; rename one" in message


def test_a_key_being_released_types_nothing(tmp_path, capsys):
    keys = tmp_path / "keys.csv"
    keys.write_text("label,x,y,types\na,0,0,A\nb,200,100,B\n", encoding="utf-8")
    model = network(tmp_path / "model", ("a", "b", "release"))
    path = sounds.write_wav(tmp_path / "r.wav", sounds.recording(TIMES, 3.0))
    sure = ("--confidence-threshold", 0)
    for number, (typed, options) in enumerate((("ab", []), ("AB", ["--keyboard", keys]))):
        out = tmp_path / str(number)
        assert predict([model], [path], out, *sure, *options) == 0
        table, _ = named(out)
        types = {**dict(zip("ab", typed, strict=True)), "release": ""}
        text = "".join(types[key] for key in table.prediction)
        assert (out / "transcript.txt").read_text(encoding="utf-8") == f"{text}\n"
        given = keys if options else None
        assert what_keys_type(("a", "b", "release"), given, model)("release") == ""
    other = network(tmp_path / "other", ("a", "c", "release"))
    message = refused(capsys, [other], [path], tmp_path, "--keyboard", keys)
    assert "was trained on different keys than" in message


def test_presses_are_named_and_releases_only_by_models_that_know_them(tmp_path):
    rng = np.random.default_rng(7)
    pressed = 0.5 + np.cumsum(rng.uniform(0.3, 0.6, 40))
    released = pressed + 0.1 + rng.normal(0, 0.004, 40)
    seconds = float(pressed[-1]) + 1
    sound = sounds.recording(sorted(pressed), seconds)
    sound = sound + sounds.recording(sorted(released), seconds, seed=1, loudness=0.05)
    path = sounds.write_wav(tmp_path / "r.wav", np.clip(sound, -1, 0.99))
    plain = network(tmp_path / "plain", ("a", "b"))
    knowing = network(tmp_path / "knowing", ("a", "b", "release"))

    def times(model, releases):
        out = tmp_path / f"{model.name} {releases}"
        assert predict([model], [path], out, "--releases", releases) == 0
        return named(out)[0].time_s.to_numpy()

    assert len(times(plain, "none")) > 60
    for releases in ("drop", "keep"):
        np.testing.assert_allclose(times(plain, releases), pressed, atol=0.002)
    both = np.sort(np.concatenate([pressed, released]))
    np.testing.assert_allclose(times(knowing, "keep"), both, atol=0.005)


def test_keys_are_those_that_evaluate_names_for_the_same_taps(tmp_path):
    """The same session with its touches, through segmentation and the dataset."""
    session = tmp_path / "study" / "Ana_1"
    make_session(session)
    labels = load_keyboard(KEYBOARD).labels
    model = network(tmp_path / "model", labels)
    encoding = ("--representation", "interleave", "--sample-rate", 16_000, "--crop-ms", 1, 3)
    stage("segment", "--dir", session, "--output", tmp_path / "taps")
    stage("encode", "--taps", tmp_path / "taps", "--output", tmp_path / "dataset", *encoding)
    stage(
        *("evaluate", "--model", model, "--datasets", tmp_path / "dataset"),
        *("--output", tmp_path / "scored"),
    )
    assert predict([model], [session / "01.acoustic"], tmp_path / "out") == 0
    scored = pq.read_table(tmp_path / "scored" / "predictions.parquet").to_pandas()
    taps = pq.read_table(tmp_path / "taps" / "taps.parquet").to_pandas().set_index("tap")
    table, _ = named(tmp_path / "out")
    assert len(scored) >= 25
    assert set(scored.recording) <= set(table.recording)
    times = taps.loc[scored.tap, "time_s"].to_numpy()
    matched = np.abs(table.time_s.to_numpy()[:, None] - times).argmin(axis=0)
    np.testing.assert_array_equal(table.time_s.to_numpy()[matched], times)
    np.testing.assert_allclose(
        np.stack(table.probabilities[matched]), np.stack(scored.probabilities), atol=1e-5
    )


def test_provenance_names_models_and_recordings(models, tmp_path):
    path = sounds.write_wav(tmp_path / "r.wav", sounds.recording(TIMES, 3.0))
    assert predict(models, [path], tmp_path / "out", "--confidence-threshold", "0.25") == 0
    about = read_json(tmp_path / "out" / "provenance.json")
    assert about["settings"]["confidence_threshold"] == 0.25
    text = json.dumps(about["inputs"])
    assert all(str(given) in text for given in [path, *models])
