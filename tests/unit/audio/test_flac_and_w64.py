"""Recordings in w64 and FLAC, against the wav of the same samples."""

import shutil

import numpy as np
import pytest
import sounds

from tap2key.audio.audio_file import AudioFile
from tap2key.core.errors import Tap2keyError
from tap2key.signal.detection import find_taps

TIMES = [0.6, 0.9, 1.35, 2.0, 2.2]
COUNT_AT = 21


def read_all(audio: AudioFile, length: int = 10_000) -> np.ndarray:
    return np.concatenate(list(audio.blocks(length)))


@pytest.fixture(scope="module")
def flac(tmp_path_factory):
    """A FLAC file of 3 s, and its samples."""
    sound = sounds.recording(TIMES, 3.0)
    path = sounds.write_wav(tmp_path_factory.mktemp("flac") / "a.flac", sound, format="FLAC")
    return path, read_all(AudioFile(path))


def counted(content: bytes, samples: int) -> bytes:
    """A FLAC file whose header says so many samples: 36 bits of its stream information."""
    first = content[COUNT_AT] & 0xF0 | samples >> 32
    return (
        content[:COUNT_AT]
        + bytes([first])
        + (samples & 0xFFFFFFFF).to_bytes(4, "big")
        + content[COUNT_AT + 5 :]
    )


@pytest.mark.parametrize("rate", [sounds.RATE, 48_000])
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24"])
@pytest.mark.parametrize("container", ["W64", "FLAC"])
def test_they_read_bit_for_bit_as_the_wav_does(tmp_path, container, subtype, rate):
    # Integers, as sound cards give them: libsndfile rounds floats differently for each container.
    bits = int(subtype[-2:])
    sound = np.round(sounds.recording(TIMES, 3.0) * 2 ** (bits - 1)).astype(np.int32) << 32 - bits
    wav = AudioFile(sounds.write_wav(tmp_path / "a.wav", sound, rate, subtype=subtype))
    kind = {"subtype": subtype, "format": container}
    other = AudioFile(sounds.write_wav(tmp_path / "b.wav", sound, rate, **kind))
    assert (other.frames, other.sample_rate, other.warnings) == (wav.frames, rate, ())
    np.testing.assert_array_equal(read_all(other), read_all(wav))
    starts = np.array([-100, 5, 70_001, 100_000, 200_000, wav.frames - 300])
    for ours, theirs in zip(other.sections(starts, 8192), wav.sections(starts, 8192), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(find_taps(other).onset, find_taps(wav).onset)


def test_a_flac_that_does_not_know_its_length_is_read_to_its_end(flac, tmp_path):
    path = tmp_path / "a.flac"
    path.write_bytes(counted(flac[0].read_bytes(), 0))
    audio = AudioFile(path)
    assert (audio.frames, audio.warnings) == (3 * sounds.RATE, ())
    np.testing.assert_array_equal(read_all(audio), flac[1])
    starts = (100_000, 287_000)
    for start, section in zip(starts, audio.sections(starts, 900), strict=True):
        np.testing.assert_array_equal(section, flac[1][start : start + 900])


def test_a_flac_with_more_than_its_header_says_is_read_to_its_end(flac, tmp_path):
    path = tmp_path / "a.flac"
    path.write_bytes(counted(flac[0].read_bytes(), 100_000))
    audio = AudioFile(path)
    np.testing.assert_array_equal(read_all(audio), flac[1])
    assert "says 100000 samples where 288000 are, read to the end" in audio.warnings[0]


def test_a_flac_that_ended_within_a_frame_is_read_up_to_there(flac, tmp_path):
    """What an encoder leaves that was killed: it had not counted yet."""
    content = counted(flac[0].read_bytes(), 0)
    path = tmp_path / "a.flac"
    for share in (0.2, 0.5, 0.9):
        path.write_bytes(content[: int(share * len(content))])
        audio = AudioFile(path)
        assert (share - 0.1) * 288_000 < audio.frames < 288_000
        np.testing.assert_array_equal(read_all(audio), flac[1][: audio.frames])
        assert "ends within a frame of samples" in audio.warnings[0]


@pytest.mark.parametrize(
    ("lost", "words"),
    [(1, "not readable"), (5000, "not readable"), (400_000, r"truncated, \d+ of 288000 samples")],
)
def test_a_flac_that_lost_its_end_is_refused(flac, tmp_path, lost, words):
    content = flac[0].read_bytes()
    path = tmp_path / "a.flac"
    path.write_bytes(content[: len(content) - lost])
    with pytest.raises(Tap2keyError, match=words) as caught:
        read_all(AudioFile(path))
    assert str(caught.value).startswith(f"{path}: ")


def test_a_flac_that_lost_its_middle_is_refused(flac, tmp_path):
    content = flac[0].read_bytes()
    half = len(content) // 2
    for broken in (content[:half] + content[half + 9999 :], content[:half] + bytes(9999)):
        path = tmp_path / "a.flac"
        path.write_bytes(broken)
        with pytest.raises(Tap2keyError) as caught:
            read_all(AudioFile(path))
        assert str(caught.value).startswith(f"{path}: ")
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kept", [4, 30, 42, 100])
def test_a_flac_that_is_hardly_there_is_refused_in_one_line(flac, tmp_path, kept):
    path = tmp_path / "a.flac"
    path.write_bytes(flac[0].read_bytes()[:kept])
    with pytest.raises(Tap2keyError, match=r"a\.flac: .*(not readable|truncated)"):
        AudioFile(path)


def test_tags_behind_a_flac_are_no_sound(flac, tmp_path):
    path = tmp_path / "a.flac"
    path.write_bytes(flac[0].read_bytes() + b"TAG" + bytes(125))
    audio = AudioFile(path)
    assert (audio.frames, audio.warnings) == (3 * sounds.RATE, ())
    np.testing.assert_array_equal(read_all(audio), flac[1])


def test_the_content_counts_whatever_the_ending(flac, tmp_path):
    for name in ("a.wav", "a.w64", "a", "a.mp3", "a.raw"):
        shutil.copy(flac[0], tmp_path / name)
        np.testing.assert_array_equal(read_all(AudioFile(tmp_path / name)), flac[1])
