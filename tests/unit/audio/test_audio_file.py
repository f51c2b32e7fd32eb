import struct

import numpy as np
import pytest
import sounds
from scipy.signal import butter, sosfilt

from tap2key.audio.audio_file import AudioFile
from tap2key.core.errors import Tap2keyError
from tap2key.signal.filters import high_pass


def ramp(frames: int = 3000) -> np.ndarray:
    rng = np.random.default_rng(1)
    return rng.uniform(-0.9, 0.9, (frames, 8))


def read_all(path, length=1000) -> np.ndarray:
    return np.concatenate(list(AudioFile(path).blocks(length)))


@pytest.mark.parametrize(
    ("kind", "step"),
    [
        ({"subtype": "PCM_16"}, 2**-15),
        ({"subtype": "PCM_24"}, 2**-23),
        ({"subtype": "PCM_32"}, 2**-23),
        ({"subtype": "FLOAT"}, 2**-23),
        ({"subtype": "PCM_32", "format": "WAVEX"}, 2**-23),
        ({"subtype": "PCM_24", "format": "RF64"}, 2**-23),
    ],
)
def test_every_kind_of_wav_has_full_scale_one(tmp_path, kind, step):
    sound = ramp()
    path = sounds.write_wav(tmp_path / "a.wav", sound, **kind)
    audio = AudioFile(path)
    assert audio.frames == len(sound)
    assert audio.sample_rate == sounds.RATE
    got = read_all(path)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, sound, atol=1.01 * step)


def test_another_sample_rate_is_resampled_and_keeps_its_times(tmp_path):
    rate = 44_100
    time = np.arange(rate) / rate
    sound = np.stack([0.5 * np.sin(2 * np.pi * (300 + 50 * c) * time) for c in range(8)], axis=1)
    path = sounds.write_wav(tmp_path / "a.wav", sound, rate=rate, subtype="FLOAT")
    audio = AudioFile(path)
    assert (audio.frames, audio.sample_rate) == (sounds.RATE, rate)
    got = read_all(path)
    assert len(got) == sounds.RATE
    at = np.arange(sounds.RATE) / sounds.RATE
    wanted = np.stack([0.5 * np.sin(2 * np.pi * (300 + 50 * c) * at) for c in range(8)], axis=1)
    inner = slice(2000, -2000)
    np.testing.assert_allclose(got[inner], wanted[inner], atol=1e-3)


@pytest.mark.parametrize("rate", [sounds.RATE, 48_000])
def test_sections_are_cuts_of_the_whole(tmp_path, rate):
    path = sounds.write_wav(tmp_path / "a.wav", ramp(90_000), rate=rate)
    whole = read_all(path)
    starts = [-100, 5, 70, 4000, 65_000, 66_000, len(whole) - 300]
    got = list(AudioFile(path).sections(starts, 700))
    padded = np.pad(whole, [(1000, 1000), (0, 0)])
    for start, section in zip(starts, got, strict=True):
        np.testing.assert_array_equal(section, padded[1000 + start : 1700 + start])


def test_high_pass_has_the_response_of_a_second_order_butterworth():
    sound = np.cumsum(ramp(4000).T, axis=1).astype(np.float32)
    sos = butter(2, 500, "highpass", fs=sounds.RATE, output="sos")
    wanted = sosfilt(sos, sound - sound[:, :1], axis=1)
    np.testing.assert_allclose(
        high_pass(sound, 500, sounds.RATE), wanted, atol=2e-3 * np.abs(wanted).max()
    )


def test_high_pass_is_causal():
    sound = np.zeros((1, 4096), np.float32)
    sound[0, 2000:] = 1
    filtered = high_pass(sound, 500, sounds.RATE)[0]
    assert np.abs(filtered[:2000]).max() < 1e-5
    assert filtered[2000] > 0.9


def broken(tmp_path, what):
    path = tmp_path / "a.wav"
    if what == "missing":
        return path
    if what == "two channels":
        return sounds.write_wav(path, ramp()[:, :2])
    if what == "no samples":
        return sounds.write_wav(path, ramp(0))
    if what == "adpcm":
        return sounds.write_wav(path, ramp()[:, :1], subtype="IMA_ADPCM")
    if what in ("not a number", "too great"):
        sound = ramp()
        sound[1234, 3] = np.nan if what == "not a number" else -1e30
        return sounds.write_wav(path, sound, subtype="FLOAT")
    data = sounds.write_wav(path, ramp()).read_bytes()
    if what == "slow":
        data = data[:24] + struct.pack("<I", 1) + data[28:]
    path.write_bytes(
        {"empty": b"", "text": b"hello" * 100, "cut": data[:-1000], "cut head": data[:30]}.get(
            what, data
        )
    )
    return path


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("missing", "no such file"),
        ("empty", "empty"),
        ("text", "not readable"),
        ("cut", "truncated, 1000 bytes"),
        ("cut head", "a.wav"),
        ("two channels", "2 channel"),
        ("no samples", "no samples"),
        ("not a number", "no sound"),
        ("too great", "no sound"),
        ("slow", "sample rate 1 Hz"),
        ("adpcm", "1 channel"),
    ],
)
def test_what_cannot_be_used_is_one_line_with_the_file(tmp_path, what, words):
    path = broken(tmp_path, what)
    with pytest.raises(Tap2keyError, match=words) as caught:
        read_all(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_sample_that_is_none_at_the_arrays_rate_is_refused(tmp_path):
    path = sounds.write_wav(tmp_path / "a.wav", np.full((1, 8), 0.5), 192_000)
    with pytest.raises(Tap2keyError, match=r"a\.wav: no samples in it"):
        AudioFile(path)


def test_a_cut_rf64_is_noticed(tmp_path):
    path = sounds.write_wav(tmp_path / "a.wav", ramp(), format="RF64")
    data = bytearray(path.read_bytes())
    long_size = struct.unpack("<Q", data[28:36])[0]
    at = data.index(b"data") + 4
    data[at : at + 4] = b"\xff\xff\xff\xff"
    assert long_size == 3000 * 16
    path.write_bytes(data[:-160])
    with pytest.raises(Tap2keyError, match="truncated, 160 bytes"):
        AudioFile(path)


def test_mutated_headers_give_a_result_or_one_line(tmp_path):
    data = sounds.write_wav(tmp_path / "a.wav", ramp(400)).read_bytes()
    rng = np.random.default_rng(5)
    path = tmp_path / "b.wav"
    for _ in range(1500):
        mutated = bytearray(data)
        for at in rng.integers(0, 60, rng.integers(1, 4)):
            mutated[at] = rng.integers(256)
        path.write_bytes(mutated[: rng.integers(1, len(data))] if rng.random() < 0.2 else mutated)
        try:
            assert np.isfinite(read_all(path)).all()
        except Tap2keyError as error:
            assert "\n" not in str(error)
