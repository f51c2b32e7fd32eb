"""Listening, as a user starts it: the same taps as `predict` names, and what goes wrong."""

import os
import pty
import resource
import signal
import sys
import threading
from contextlib import contextmanager

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile
import sounds
from made import LABELS, error_line
from untrained import network

from tap2key.__main__ import main
from tap2key.audio.array import DEFAULT, Array
from tap2key.core.errors import Tap2keyError
from tap2key.core.files import read_tsv
from tap2key.datasets.encoding import Encoding
from tap2key.datasets.needed_samples import samples_needed
from tap2key.datasets.representations import encode_windows
from tap2key.decoding.beam import Costs
from tap2key.decoding.characters import Characters
from tap2key.decoding.decoder_folder import save_decoder
from tap2key.listening import kept as listening_kept
from tap2key.listening import listen as listening_stage
from tap2key.listening import session as listening_session
from tap2key.listening.blocks import Block, Lost
from tap2key.listening.kept import Kept
from tap2key.listening.live_taps import LiveTap
from tap2key.listening.live_text import LONGEST, RawKeys
from tap2key.listening.pipe import Pipe
from tap2key.listening.screen import Screen
from tap2key.listening.session import Session, stopping
from tap2key.models.ensemble import Ensemble
from tap2key.reading.transcript import NamedTap

TIMES = [0.6, 0.9, 1.35, 1.5]
SECONDS = 1.7


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    # Of whole windows, which are the last to be complete.
    encoding = Encoding()
    length = encoding.frames * encoding.held
    return network(tmp_path_factory.mktemp("model"), LABELS, encoding=encoding, length=length)


@pytest.fixture(scope="module")
def wav(tmp_path_factory):
    sound = sounds.recording(TIMES, SECONDS)
    return sounds.write_wav(tmp_path_factory.mktemp("sound") / "heard.wav", sound)


@pytest.fixture(scope="module")
def predicted(model, wav, tmp_path_factory):
    """What `predict` makes of the recording."""
    output = tmp_path_factory.mktemp("predicted") / "out"
    status = main(
        ["predict", "--models", str(model), "--recordings", str(wav), "--output", str(output)]
    )
    assert status == 0
    return output


def arguments(model, given, *more):
    return ["listen", "--models", str(model), "--input", str(given), *map(str, more)]


def fed(pipe, data, size=1 << 16, at_end=lambda: None):
    """A thread that writes bytes into a named pipe, in pieces of a size."""
    os.mkfifo(pipe)

    def write():
        with pipe.open("wb", buffering=0) as file:
            for at in range(0, len(data), size):
                file.write(data[at : at + size])
            at_end()

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    return thread


def assert_same_taps(output, predicted):
    found, expected = (
        pq.read_table(folder / "tapped_keys.parquet").to_pandas() for folder in (output, predicted)
    )
    assert len(found) == len(TIMES)
    assert found.time_s.tolist() == expected.time_s.tolist()
    assert found.tap.tolist() == expected.tap.tolist()
    assert found.prediction.tolist() == expected.prediction.tolist()
    np.testing.assert_allclose(
        np.stack(found.probabilities), np.stack(expected.probabilities), atol=1e-5
    )
    for name in ("heard.labels.txt", "transcript.txt"):
        assert (output / name).read_text() == (predicted / name).read_text()


@pytest.mark.parametrize("size", [3001, 1 << 16, 1 << 20])
@pytest.mark.parametrize("kind", ["wav", "raw"])
def test_the_same_taps_as_predict_whatever_the_pieces(
    model, wav, predicted, tmp_path, kind, size, capsys
):
    data = wav.read_bytes()
    raw = data[-round(SECONDS * sounds.RATE) * 16 :]
    thread = fed(tmp_path / "pipe", data if kind == "wav" else raw, size)
    given = ("--format", "s16", "--output", tmp_path / "out")
    assert main(arguments(model, tmp_path / "pipe", *given)) == 0
    thread.join()
    assert_same_taps(tmp_path / "out", predicted)
    printed = capsys.readouterr()
    head, *lines = printed.out.splitlines()
    assert head == "time_s\tkey\tconfidence"
    table = pq.read_table(predicted / "tapped_keys.parquet").to_pandas()
    expected = zip(table.time_s, table.prediction, table.confidence, strict=True)
    assert lines == [f"{time:.6f}\t{key}\t{sure:.4f}" for time, key, sure in expected]
    assert "8 channels; whoever types within hearing has to know, and to agree" in printed.err


def test_what_is_kept_can_be_predicted_again(model, wav, predicted, tmp_path):
    assert main(arguments(model, wav, "--output", tmp_path / "out", "--keep")) == 0
    assert_same_taps(tmp_path / "out", predicted)
    kept, rate = soundfile.read(tmp_path / "out" / "heard.wav", dtype="float32")
    assert rate == sounds.RATE
    np.testing.assert_array_equal(kept, soundfile.read(wav, dtype="float32")[0])
    assert read_tsv(tmp_path / "out" / "lost.tsv") == []


def test_nothing_is_kept_unless_asked(model, wav, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(arguments(model, wav)) == 0
    assert "Nothing is kept" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_decoder_makes_the_same_text_as_predict(model, wav, tmp_path, capsys):
    decoder = tmp_path / "decoder"
    decoder.mkdir()
    characters = Characters(tuple(LABELS), tuple(LABELS))
    settings = {"language": None, "checkpoint": None, "beam": 8}
    save_decoder(decoder, "none", characters, Costs(), settings, None, {})
    with_it = ("--decoders", str(decoder), "--output")
    assert main(arguments(model, wav, *with_it, tmp_path / "heard")) == 0
    to_predict = ["predict", "--models", str(model), "--recordings", str(wav)]
    assert main([*to_predict, *with_it, str(tmp_path / "predicted")]) == 0
    heard, predicted = (
        (tmp_path / name / "decoded.txt").read_text() for name in ("heard", "predicted")
    )
    assert len(heard.strip()) == len(TIMES)
    assert heard.strip() in predicted


def test_ctrl_c_ends_it_with_all_in_place(model, wav, predicted, tmp_path):
    data = wav.read_bytes()
    before = signal.getsignal(signal.SIGINT)
    # Much silence: the pipe holds less, so all taps have been read when the signal comes.
    silence = bytes(sounds.RATE * 16)
    held = threading.Event()

    def interrupt():
        os.kill(os.getpid(), signal.SIGINT)
        held.wait()

    thread = fed(tmp_path / "pipe", data[44:] + silence, at_end=interrupt)
    given = ("--format", "s16", "--output", tmp_path / "out")
    assert main(arguments(model, tmp_path / "pipe", *given)) == 0
    held.set()
    thread.join()
    assert signal.getsignal(signal.SIGINT) is before
    table = pq.read_table(tmp_path / "out" / "tapped_keys.parquet").to_pandas()
    expected = pq.read_table(predicted / "tapped_keys.parquet").to_pandas()
    assert table.time_s.tolist() == expected.time_s.tolist()
    assert (tmp_path / "out" / "provenance.json").is_file()
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".tmp")]


def test_sound_at_another_rate_is_resampled(model, predicted, wav, tmp_path):
    sound = np.repeat(soundfile.read(wav, dtype="float32")[0], 2, axis=0)
    again = sounds.write_wav(tmp_path / "heard.wav", sound, 192_000)
    both = [tmp_path / "listened", tmp_path / "predicted"]
    assert main(arguments(model, again, "--output", both[0])) == 0
    given = ["--models", str(model), "--recordings", str(again), "--output", str(both[1])]
    assert main(["predict", *given]) == 0
    assert_same_taps(*both)


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"", "ended before there was any sound"),
        (b"RIFF\x10\0\0\0WAVEfm", "ended within the header of a wav"),
        (b"RIFF\x10\0\0\0AVI LIST", "not readable as wav (it does not begin like a wav)"),
        (b"fLaC" + bytes(100), "neither a wav nor raw samples"),
        (np.full(80, np.nan, "<f4").tobytes(), "holds values that are no sound near 0.00 s"),
    ],
)
def test_what_is_no_sound_is_one_line(model, tmp_path, capsys, data, line):
    (tmp_path / "given").write_bytes(data)
    given = ("--format", "f32", "--output", tmp_path / "out")
    assert line in error_line(capsys, *arguments(model, tmp_path / "given", *given))
    assert [path.name for path in tmp_path.iterdir()] == ["given"]


def test_other_arrays_are_one_line(model, tmp_path, capsys):
    two = sounds.write_wav(tmp_path / "two.wav", np.zeros((9000, 2)))
    line = error_line(capsys, *arguments(model, two))
    assert "2 channel(s), but the model's array has 8; listen to all microphones" in line
    slow = sounds.write_wav(tmp_path / "slow.wav", np.zeros((9000, 8)), 8_000)
    assert "comes at 8000 Hz, but the model needs 16000 Hz" in error_line(
        capsys, *arguments(model, slow)
    )
    assert "cannot be read (No such file" in error_line(
        capsys, *arguments(model, tmp_path / "nothing")
    )
    assert "--keep: say where by --output" in error_line(capsys, *arguments(model, two, "--keep"))
    assert "--models: give the folder" in error_line(capsys, "listen", "--input", two)


def test_half_a_frame_silence_and_noise(model, tmp_path, capsys):
    noise = np.random.default_rng(0).integers(-(2**15), 2**15, (40_000, 8)).astype("<i2")
    for name, data in {"silence": bytes(16 * 40_000), "noise": noise.tobytes()}.items():
        (tmp_path / name).write_bytes(data + b"half")
        given = ("--format", "s16", "--output", tmp_path / f"out-{name}")
        assert main(arguments(model, tmp_path / name, *given)) == 0
        assert "ended within a frame: 4 of 16 bytes" in capsys.readouterr().err
        assert pq.read_table(tmp_path / f"out-{name}" / "tapped_keys.parquet").num_rows == 0
    (tmp_path / "less").write_bytes(b"less than one")
    assert main(arguments(model, tmp_path / "less", "--format", "s16")) == 0
    assert "is it the right number of channels?" in capsys.readouterr().err


def test_a_wav_that_ends_early_and_one_with_titles(model, wav, predicted, tmp_path, capsys):
    data = wav.read_bytes()
    (tmp_path / "titles.wav").write_bytes(data + b"LIST\x04\0\0\0INFO" * 1000)
    given = ("--output", tmp_path / "out")
    assert main(arguments(model, tmp_path / "titles.wav", *given)) == 0
    assert_same_taps(tmp_path / "out", predicted)
    (tmp_path / "early.wav").write_bytes(data[: -16 * sounds.RATE // 10])
    assert main(arguments(model, tmp_path / "early.wav")) == 0
    assert "ended 0.100 s before what its header says" in capsys.readouterr().err


class Breaking:
    """A source that loses sound between two halves, and fails after the second if asked to."""

    name, rate = "a card", sounds.RATE

    def __init__(self, halves, seconds, failure=None) -> None:
        self.halves, self.seconds, self.failure = halves, seconds, failure

    def blocks(self):
        yield Block(self.halves[0])
        yield None
        yield Block(self.halves[1], Lost("overflowed", self.seconds))
        if self.failure is not None:
            raise self.failure


@pytest.mark.parametrize("seconds", [None, 2.0])
def test_what_is_lost_is_said_and_never_bridged(model, wav, predicted, tmp_path, seconds, capsys):
    sound, _ = soundfile.read(wav, dtype="float32")
    ensemble, text = Ensemble([model]), RawKeys(lambda key: key)
    kept = Kept(tmp_path, ensemble.labels, lambda key: key, 0.5, sound=True)
    session = Session(Breaking([sound, sound], seconds), ensemble, None, text, kept, None)
    session.run()
    kept.close()
    assert session.taps == 2 * len(TIMES)
    printed = capsys.readouterr()
    known = "an unknown time" if seconds is None else "2.000 s"
    assert f"a card: {known} lost at {SECONDS:.3f} s (overflowed)" in printed.err
    # Each piece is as `predict` reads it by itself.
    expected = pq.read_table(predicted / "tapped_keys.parquet").to_pandas()
    table = pq.read_table(tmp_path / "tapped_keys.parquet").to_pandas()
    for name in ("heard", "heard-2"):
        own = table[table.recording == name]
        assert own.time_s.tolist() == expected.time_s.tolist()
        assert own.tap.tolist() == expected.tap.tolist()
        track = (tmp_path / f"{name}.labels.txt").read_text()
        assert track == (predicted / "heard.labels.txt").read_text()
        np.testing.assert_array_equal(
            soundfile.read(tmp_path / f"{name}.wav", dtype="float32")[0], sound
        )
    (row,) = read_tsv(tmp_path / "lost.tsv")
    assert (row["recording"], float(row["at_s"]), row["reason"]) == ("heard", SECONDS, "overflowed")
    assert row["lost_s"] == ("" if seconds is None else "2.0")
    # On the screen time goes on.
    shown = [float(line.split("\t")[0]) for line in printed.out.splitlines()[1:]]
    later = expected.time_s.to_numpy() + SECONDS + (seconds or 0)
    np.testing.assert_allclose(shown, [*expected.time_s, *later], atol=1e-6)


def test_only_what_an_encoding_depends_on_is_waited_for():
    rng = np.random.default_rng(2)
    whole = rng.standard_normal((1, *DEFAULT.shape)).astype(np.float32)
    for encoding in (
        Encoding("interleave", 16_000, (1, 6)),
        Encoding("stack", 44_100, (2, 6), 100.0, True),
        Encoding("pairs", 48_000, (2, 5)),
        Encoding("pairs_waves", 48_000, (2, 5)),
        # The waves reach beyond what is kept.
        Encoding("pairs_waves", 44_100, (1, 1.5)),
        Encoding("average", 96_000, (1, 3.3)),
    ):
        needed = samples_needed(encoding)
        assert DEFAULT.samples(encoding.crop_ms[1]) <= needed < DEFAULT.after / 4
        part = whole.copy()
        part[:, :, DEFAULT.before + needed :] = 0
        np.testing.assert_array_equal(
            encode_windows(part, encoding), encode_windows(whole, encoding)
        )
    assert samples_needed(Encoding()) == DEFAULT.after


def test_the_text_does_not_grow_without_end():
    text = RawKeys(lambda key: key)
    for number in range(LONGEST + 10):
        text.add(tap_of("abc"[number % 3]))
    assert len(text.shown) == LONGEST


def tap_of(key):
    return LiveTap(NamedTap(0.0, key, 1.0), np.ones(1))


def test_what_came_before_a_failure_counts(model, wav, capsys):
    sound, _ = soundfile.read(wav, dtype="float32")
    failure = Tap2keyError("unplugged")
    source = Breaking([sound, sound[:1000]], None, failure)
    session = Session(source, Ensemble([model]), None, RawKeys(lambda key: key), None, None)
    session.run()
    assert session.failure is failure
    assert session.taps == len(TIMES)
    assert len(capsys.readouterr().out.splitlines()) == 1 + len(TIMES)


def test_a_stream_that_stops_is_said_once(model, monkeypatch, capsys):
    class Waiting(Breaking):
        def blocks(self):
            yield from [None] * 5

    monkeypatch.setattr(listening_session, "STALLED_S", -1.0)
    session = Session(
        Waiting([], None), Ensemble([model]), None, RawKeys(lambda key: key), None, None
    )
    session.run()
    said = "a card: no sound comes (after 0.0 s); still waiting, Ctrl-C ends"
    assert capsys.readouterr().err.count(said) == 1


@contextmanager
def no_file_longer_than(size):
    """As on a full disk, which only the sound is long enough to find."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_ends_it_with_what_came_before_in_place(
    model, wav, predicted, tmp_path, capsys
):
    frame = 4 * DEFAULT.channels
    with no_file_longer_than(round(1.45 * sounds.RATE) * frame):
        status = main(arguments(model, wav, "--output", tmp_path / "out", "--keep"))
    assert status == 1
    place = tmp_path / "out"
    assert f"error: {place}: cannot keep what is heard any longer: " in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    found, expected = (
        pq.read_table(folder / "tapped_keys.parquet").to_pandas()
        for folder in (tmp_path / "out", predicted)
    )
    assert found.time_s.tolist() == expected.time_s.tolist()[:3]
    kept, _ = soundfile.read(tmp_path / "out" / "heard.wav", dtype="float32")
    assert 1.4 < len(kept) / sounds.RATE < 1.46
    np.testing.assert_array_equal(kept, soundfile.read(wav, dtype="float32")[0][: len(kept)])
    assert (tmp_path / "out" / "provenance.json").is_file()
    assert not (tmp_path / "out" / listening_kept.RESERVE_NAME).exists()


def raising(error):
    def fail(*_, **__):
        raise error

    return fail


@pytest.mark.parametrize(
    ("where", "error", "line"),
    [
        ((Pipe, "_say_how_it_ended"), KeyboardInterrupt(), "stopped at once, by a second Ctrl-C"),
        ((listening_stage, "write_provenance"), Tap2keyError("unreadable"), "error: unreadable"),
    ],
)
def test_what_cannot_be_finished_is_set_aside(
    model, wav, predicted, tmp_path, monkeypatch, capsys, where, error, line
):
    monkeypatch.setattr(*where, raising(error))
    for name in ("out-unfinished", "out-unfinished-2"):
        assert main(arguments(model, wav, "--output", tmp_path / "out")) == 1
        said = capsys.readouterr().err
        assert line in said
        assert f"{tmp_path / name}: holds what there was until it failed" in said
        expected = pq.read_table(predicted / "tapped_keys.parquet").to_pandas().time_s.tolist()
        found = pq.read_table(tmp_path / name / "tapped_keys.parquet").to_pandas().time_s.tolist()
        # The last tap's window was not yet whole.
        assert found in (expected, expected[:-1])
        track = (tmp_path / name / "heard.labels.txt").read_text().splitlines()
        assert len(track) == len(found)
    assert len(list(tmp_path.iterdir())) == 2


def test_an_earlier_listening_is_never_replaced(model, wav, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    assert main(arguments(model, wav, "--output", tmp_path / "out")) == 0
    before = {path: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert main(arguments(model, wav, "--output", tmp_path / "out")) == 1
    line = f"{tmp_path / 'out'}: holds an earlier listening; choose a new folder"
    assert capsys.readouterr().err.endswith(f"error: {line}\n")
    assert {path: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


def test_what_was_heard_is_on_disk_while_it_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(listening_kept, "TAPS_AT_ONCE", 2)
    kept = Kept(tmp_path, ["a", "b"], lambda key: key, 0.0, sound=False)
    for number, key in enumerate("abb"):
        kept.tap(LiveTap(NamedTap(float(number), key, 0.9), np.array([0.1, 0.9])))
    kept.lost(2.5, None, "overflowed")
    parts = tmp_path / listening_kept.PARTS_NAME
    assert pq.read_table(parts).column("time_s").to_pylist() == [0, 1]
    assert (tmp_path / "transcript.txt").read_text() == "abb"
    assert len((tmp_path / "heard.labels.txt").read_text().splitlines()) == 2
    assert [row["reason"] for row in read_tsv(tmp_path / "lost.tsv")] == ["overflowed"]
    kept.end_piece(3.0)
    kept.begin_piece()
    for number in range(3):
        kept.tap(LiveTap(NamedTap(number + 0.5, "a", 0.9), np.array([0.9, 0.1])))
    # Those before are on disk alone.
    assert len(kept._waiting) == 1
    assert pq.read_table(parts).num_rows == 5
    kept.close()
    assert not parts.exists()
    table = pq.read_table(tmp_path / "tapped_keys.parquet")
    assert table.schema.metadata[b"labels"] == b"a\tb"
    rows = table.to_pandas()
    assert rows.recording.tolist() == ["heard"] * 3 + ["heard-2"] * 3
    assert rows.tap.tolist() == [0, 1, 2, 0, 1, 2]
    assert rows.time_s.tolist() == [0, 1, 2, 0.5, 1.5, 2.5]


def test_a_closed_terminal_asks_to_stop_unless_that_is_ignored(monkeypatch):
    before, missed = signal.getsignal(signal.SIGHUP), []
    try:
        signal.signal(signal.SIGHUP, lambda *_: missed.append(True))
        with stopping() as stop:
            signal.raise_signal(signal.SIGHUP)
            assert stop.is_set() and not missed
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        with stopping() as stop:
            signal.raise_signal(signal.SIGHUP)
            assert not stop.is_set()
    finally:
        signal.signal(signal.SIGHUP, before)
    terminal, given = pty.openpty()
    os.close(terminal)
    with os.fdopen(given, "w") as closed:
        monkeypatch.setattr(sys, "stdout", closed)
        assert Screen().closed


def test_ctrl_c_while_models_load_keeps_nothing(model, wav, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(listening_stage, "Ensemble", raising(KeyboardInterrupt()))
    assert main(arguments(model, wav, "--output", tmp_path / "out")) == 0
    assert capsys.readouterr().err.endswith("info: stopped\n")
    assert list(tmp_path.iterdir()) == []


def test_a_closed_standard_input_is_one_line(model, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", None)
    assert "standard input: is closed" in error_line(capsys, *arguments(model, "-"))


class Unmoved:
    """Of an ensemble for one microphone at 16 kHz what listening needs; names every tap alike."""

    array = Array(channels=1, sample_rate=16_000, groups=())
    labels, encodings, highest_rate = ("a", "b"), (Encoding("average", 16_000),), 16_000

    def probabilities(self, windows):
        return np.tile(np.float32([0.9, 0.1]), (len(windows), 1))


def test_a_block_that_is_longer_than_what_the_detector_holds(tmp_path, capsys):
    # One read of a file holds 8 s of it.
    times = np.arange(0.7, 9.5, 0.4)
    sound = sounds.recording(list(times), 10.0)[:: sounds.RATE // 16_000, :1]
    path = sounds.write_wav(tmp_path / "mono.wav", sound, 16_000)
    source = Pipe(path, Unmoved.array, "PCM_16", 16_000)
    assert max(len(block.samples) for block in source.blocks() if block) > 8 * 16_000
    source.close()
    source = Pipe(path, Unmoved.array, "PCM_16", 16_000)
    session = Session(source, Unmoved(), None, RawKeys(lambda key: key), None, None)
    session.run()
    source.close()
    found = [float(line.split("\t")[0]) for line in capsys.readouterr().out.splitlines()[1:]]
    np.testing.assert_allclose(found, times, atol=0.005)
