import numpy as np
import pytest
import soundfile

from tap2key.listening.sample_formats import Format, wav_head

SUBTYPES = ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE")


def written(path, subtype, **kind):
    sound = np.random.default_rng(0).uniform(-1, 0.99, (300, 3))
    sound[0] = -1
    soundfile.write(path, sound, 44_100, subtype=subtype, format="WAV", **kind)
    return path.read_bytes(), soundfile.read(path, dtype="float32", always_2d=True)[0]


@pytest.mark.parametrize("endian", ["LITTLE", "BIG"])
@pytest.mark.parametrize("subtype", SUBTYPES)
def test_samples_are_what_libsndfile_reads(tmp_path, subtype, endian):
    data, expected = written(tmp_path / "a.wav", subtype, endian=endian)
    head = wav_head(data)
    form = head.format
    assert (form.channels, form.rate, form.subtype) == (3, 44_100, subtype)
    assert head.length == len(expected) * form.frame_bytes
    samples = form.samples(data[head.start : head.start + head.length])
    np.testing.assert_array_equal(samples, expected)
    assert samples.dtype == np.float32


def test_a_head_is_known_once_it_has_come_whole(tmp_path):
    data, _ = written(tmp_path / "a.wav", "PCM_16")
    start = wav_head(data).start
    assert {wav_head(data[:count]) for count in range(start)} == {None}
    assert wav_head(data[:start]).start == start


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFF000])
def test_a_length_that_nobody_could_know_is_none(tmp_path, size):
    data, _ = written(tmp_path / "a.wav", "PCM_16")
    start = wav_head(data).start
    changed = data[: start - 4] + size.to_bytes(4, "little") + data[start:]
    assert wav_head(changed).length is None


def test_what_is_no_wav_of_samples_is_refused(tmp_path):
    data, _ = written(tmp_path / "a.wav", "PCM_16")
    with pytest.raises(ValueError, match="does not begin like a wav"):
        wav_head(b"RIFF0000AVI ....")
    with pytest.raises(ValueError, match="says nothing of its samples"):
        wav_head(b"RIFF\0\0\0\0WAVEdata\0\0\0\0")
    with pytest.raises(ValueError, match="neither PCM"):
        wav_head(data.replace(b"\x01\x00\x03\x00", b"\x02\x00\x03\x00", 1))
    with pytest.raises(ValueError, match="does not come to an end"):
        wav_head(b"RIFF\0\0\0\0WAVEjunk\xff\xff\xff\x7f")


def test_whole_frames_of_raw_samples():
    form = Format("PCM_24", 2, 8000)
    assert form.frame_bytes == 6
    samples = form.samples(bytes([0, 0, 0x40, 0, 0, 0x80]))
    np.testing.assert_array_equal(samples, [[0.5, -1]])
