from itertools import pairwise

import numpy as np
import pytest
import sounds

from tap2key.audio.array import DEFAULT, Array
from tap2key.audio.audio_file import AudioFile
from tap2key.signal.detection import find_taps
from tap2key.signal.recent_sound import RecentSound
from tap2key.signal.stream_detection import StreamDetector, find_taps_as_heard

TIMES = [0.4, 0.9, 1.02, 1.3, 2.0]
WITHIN_S = 0.045


@pytest.fixture(scope="module")
def sound():
    return sounds.recording(TIMES, 2.5).astype(np.float32)


def heard(sound, size, **settings):
    """What a detector gives, in blocks of a size: each tap, and how much it had heard by then."""
    detector = StreamDetector(settings.pop("array", DEFAULT), **settings)
    found = []
    for at in range(0, len(sound), size):
        found += [(tap, detector.sound.frames) for tap in detector.push(sound[at : at + size])]
    return found + [(tap, len(sound)) for tap in detector.end()]


@pytest.mark.parametrize("size", [193, 1000, 65_536, 300_000])
def test_the_same_taps_whatever_the_blocks_and_in_a_recording(sound, size, tmp_path):
    path = sounds.write_wav(tmp_path / "a.wav", sound, subtype="FLOAT")
    taps = find_taps_as_heard(AudioFile(path))
    live = [tap for tap, _ in heard(sound, size)]
    assert [tap.onset for tap in live] == taps.onset.tolist()
    assert [tap.peak for tap in live] == taps.peak.tolist()
    assert taps.onset.tolist() == find_taps(AudioFile(path)).onset.tolist()
    np.testing.assert_allclose(taps.time_s, TIMES, atol=1e-3)


def test_a_tap_is_certain_soon_and_those_of_the_first_second_when_it_is_over(sound):
    for tap, frames in heard(sound, 192):
        certain = max(tap.onset, sounds.RATE) + WITHIN_S * sounds.RATE
        assert tap.onset < frames <= certain


def test_the_floor_follows_a_room_that_grows_louder():
    """By as much as a tenth a second, while somebody types without a pause."""
    truth = 1.5 + 0.17 * np.arange(70)
    sound = sounds.room(np.random.default_rng(3), 14.0)[:, :2]
    growth = np.exp(0.1 * np.arange(len(sound)) / sounds.RATE)
    tap = sounds.tap_sound(np.random.default_rng(4), 0.02)[:, :2]
    for onset in truth:
        first = round(onset * sounds.RATE)
        sound[first : first + len(tap)] += tap
    louder = (sound * growth[:, None] / 4).astype(np.float32)
    found = [tap.onset for tap, _ in heard(louder, sounds.RATE, array=Array(2, groups=()))]
    np.testing.assert_allclose(np.array(found) / sounds.RATE, truth, atol=1e-3)


def test_fewer_channels_at_another_rate(sound):
    array = Array(channels=2, sample_rate=48_000, groups=())
    found = [tap.onset for tap, _ in heard(sound[::2, :2], 480, array=array)]
    np.testing.assert_allclose(np.array(found) / 48_000, TIMES, atol=1e-3)


def test_nothing_and_next_to_nothing():
    for frames in (0, 1, 23, 24, 100, 500):
        assert heard(np.zeros((frames, 8), np.float32), 50) == []


def test_full_scale_noise_is_heard_in_flat_memory():
    rng = np.random.default_rng(0)
    detector = StreamDetector(DEFAULT)
    sizes = []
    for _ in range(12):
        detector.push(rng.choice([-1, 1], (sounds.RATE // 2, 8)).astype(np.float32))
        sizes.append(detector._levels.size if detector._levels is not None else 0)
        assert len(detector._waiting) + len(detector._rising) < 50
    assert sizes[-1] <= 2 * max(sizes[3:6])


def test_recent_sound_is_what_was_written():
    rng = np.random.default_rng(1)
    everything = rng.standard_normal((1000, 2)).astype(np.float32)
    recent = RecentSound(2, 100)
    cuts = [0, *np.sort(rng.choice(np.arange(1, 1000), 30, replace=False)).tolist(), 1000]
    for first, last in pairwise(cuts):
        for at in range(first, last, 100):
            recent.write(everything[at : min(at + 100, last)])
        start = max(0, last - 100)
        np.testing.assert_array_equal(recent.read(start, last - start), everything[start:last])
    padded = recent.read(990, 20)
    np.testing.assert_array_equal(padded[:10], everything[990:])
    assert not padded[10:].any()
    with pytest.raises(ValueError, match="no longer held"):
        recent.read(899, 5)
