"""Listening to a real sound server, as a user starts it."""

import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile
import sounds
from made import LABELS, WORKFLOW
from sound_server import CARD, SECONDS, NoSoundServer, SoundServer
from untrained import network

from tap2key.__main__ import main
from tap2key.core.files import read_tsv
from tap2key.datasets.encoding import Encoding

TIMES = [0.4, 0.7, 0.85, 1.3]


@pytest.fixture
def server(tmp_path_factory):
    found = SoundServer(tmp_path_factory.mktemp("sound"))
    try:
        found.start()
    except NoSoundServer as reason:
        pytest.skip(f"no sound server: {reason}")
    yield found
    found.stop()


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    encoding = Encoding("interleave", 16_000, (2, 6))
    length = encoding.frames * encoding.held
    folder = tmp_path_factory.mktemp("model")
    return network(folder, LABELS, encoding=encoding, length=length, initializer_range=1.0)


@pytest.fixture(scope="module")
def sound():
    return sounds.recording(TIMES, 1.5).astype(np.float32)


@pytest.fixture(scope="module")
def quiet():
    # Whole periods of its hum, as it is repeated.
    return sounds.recording([], 1.0).astype(np.float32)


def listened(server, model, output, quiet, sound, at_end):
    """Play to a listener until it has printed as many taps; its exit status, and what it said."""
    command = [sys.executable, "-m", "tap2key", "listen", "--models", str(model), "--device", CARD]
    with (
        server.playing(quiet, sound) as wanted,
        subprocess.Popen(
            [*command, "--output", str(output), "--keep"],
            env={**server.environment, "PYTHONPATH": str(WORKFLOW), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        # Whatever is waited for below then comes to an end.
        limit = threading.Timer(SECONDS, process.kill)
        limit.start()
        lines = [process.stdout.readline()]
        wanted.set()
        lines += [process.stdout.readline() for _ in TIMES]
        at_end(process)
        more, said = process.communicate()
        limit.cancel()
    assert lines[0] == "time_s\tkey\tconfidence\n", said
    assert [len(line.split("\t")) for line in lines[1:]] == [3] * len(TIMES), said
    assert more == ""
    return process.returncode, said, [float(line.split("\t")[0]) for line in lines[1:]]


def ctrl_c(process):
    os.kill(process.pid, signal.SIGINT)


def where_in(heard, sound):
    """The sample at which a sound that was played was heard."""
    loudest = np.abs(sound[:, 0]).argmax()
    (found,) = np.flatnonzero(heard[:, 0] == sound[loudest, 0]) - loudest
    return int(found)


def test_a_sound_card_gives_the_taps_of_predict(server, model, sound, quiet, tmp_path):
    output = tmp_path / "heard by a card"
    status, said, shown = listened(server, model, output, quiet, sound, ctrl_c)
    assert status == 0, said
    assert f"listening to {CARD}: 8 channels; whoever types" in said
    assert read_tsv(output / "lost.tsv") == []
    # Each channel in its place, and no sample changed or left out.
    kept, rate = soundfile.read(output / "heard.wav", dtype="float32")
    began = where_in(kept, sound)
    as_played = kept[began : began + len(sound)]
    assert rate == sounds.RATE
    assert len(as_played) > (TIMES[-1] + 0.03) * rate
    np.testing.assert_array_equal(as_played, sound[: len(as_played)])
    np.testing.assert_allclose(np.array(shown) - began / rate, TIMES, atol=0.001)
    played = sounds.write_wav(tmp_path / "played.wav", sound, subtype="FLOAT")
    given = ["--recordings", str(output / "heard.wav"), str(played)]
    assert main(["predict", "--models", str(model), *given, "--output", str(tmp_path / "out")]) == 0
    found = pq.read_table(output / "tapped_keys.parquet").to_pandas()
    predicted = pq.read_table(tmp_path / "out" / "tapped_keys.parquet").to_pandas()
    again = predicted[predicted.recording == "heard"]
    of_played = predicted[predicted.recording == "played"]
    assert found.time_s.tolist() == again.time_s.tolist()
    np.testing.assert_allclose(found.time_s, of_played.time_s + began / rate, atol=1e-9)
    of_taps = np.stack(found.probabilities)
    # The keys of two taps could not be exchanged unnoticed.
    assert np.ptp(of_taps, axis=0).max() > 0.1
    for other in (again, of_played):
        assert found.prediction.tolist() == other.prediction.tolist()
        np.testing.assert_allclose(of_taps, np.stack(other.probabilities), atol=1e-5)


def test_a_sound_card_that_goes_away_is_one_line(server, model, sound, quiet, tmp_path):
    output = tmp_path / "out"
    status, said, shown = listened(
        server, model, output, quiet, sound, at_end=lambda _: server.stop()
    )
    assert status == 1
    assert said.endswith(f"tap2key: error: {CARD}: gives no more sound; was it unplugged?\n")
    found = pq.read_table(output / "tapped_keys.parquet").to_pandas()
    np.testing.assert_allclose(found.time_s, shown, atol=1e-6)
