import numpy as np
import pytest
import sounds

from tap2key.audio.audio_file import AudioFile
from tap2key.signal.detection import find_taps, first_of_each
from tap2key.signal.stream_detection import find_taps_as_heard


@pytest.fixture(params=[find_taps, find_taps_as_heard], ids=["recorded", "as heard"])
def found(request, tmp_path):
    """Either detector, on a recording of a sound."""

    def find(sound, peak_height=None, **kind):
        audio = AudioFile(sounds.write_wav(tmp_path / "a.wav", sound, **kind))
        return request.param(audio, peak_height)

    return find


def test_every_tap_is_found_at_its_first_arrival(found):
    rng = np.random.default_rng(2)
    truth = sounds.tap_times(rng, 40)
    taps = found(sounds.recording(truth, truth[-1] + 0.5))
    error = taps.onset / sounds.RATE - truth
    assert len(error) == len(truth)
    assert np.abs(error - np.median(error)).max() < 0.3e-3
    assert np.abs(np.median(error)) < 0.3e-3
    assert (taps.peak > 0.05).all()


def test_soft_taps_are_found_in_the_noise(found):
    truth = 0.5 + 0.4 * np.arange(20)
    taps = found(sounds.recording(truth, 9.0, loudness=0.015))
    np.testing.assert_allclose(taps.onset / sounds.RATE, truth, atol=1e-3)


def test_the_threshold_follows_the_noise_within_a_recording(found):
    truth = np.r_[1 + 0.5 * np.arange(20), 31 + 0.5 * np.arange(20)]
    sound = sounds.recording([], 42.0, seed=3)
    sound[: 15 * sounds.RATE] /= 30
    rng = np.random.default_rng(4)
    for onset in truth:
        tap = sounds.tap_sound(rng, 0.005 if onset < 15 else 0.1)
        first = round(onset * sounds.RATE)
        sound[first : first + len(tap)] += tap
    taps = found(sound, subtype="PCM_32")
    np.testing.assert_allclose(taps.onset / sounds.RATE, truth, atol=1e-3)


@pytest.mark.parametrize(("gap_ms", "count"), [(60, 2), (80, 2), (35, 1), (15, 1)])
def test_two_taps_are_two_and_a_bounce_is_one(found, gap_ms, count):
    sound = sounds.recording([1.0, 3.0], 5.0)
    bounce = sounds.tap_sound(np.random.default_rng(9), 0.2 if count == 2 else 0.07)
    first = round((1 + gap_ms / 1000) * sounds.RATE)
    sound[first : first + len(bounce)] += bounce
    taps = found(np.clip(sound, -1, 0.999))
    expected = [1.0, 1 + gap_ms / 1000, 3.0] if count == 2 else [1.0, 3.0]
    np.testing.assert_allclose(taps.onset / sounds.RATE, expected, atol=1e-3)


def test_channels_that_cancel_in_their_mean_are_heard(found):
    sound = sounds.room(np.random.default_rng(1), 3.0)
    n = 2000
    wave = 0.2 * np.sin(2 * np.pi * 2000 * np.arange(n) / sounds.RATE) * np.exp(-np.arange(n) / 300)
    signs = np.array([1, -1, 1, -1, 1, -1, 1, -1])
    sound[150_000 : 150_000 + n] += wave[:, None] * signs
    assert found(sound).onset == pytest.approx([150_000], abs=20)


def test_only_negative_swings_are_a_tap_too(found):
    sound = sounds.room(np.random.default_rng(1), 3.0)
    n = 2000
    sound[150_000 : 150_000 + n] -= 0.2 * np.exp(-np.arange(n) / 100)[:, None]
    assert found(sound).onset == pytest.approx([150_000], abs=20)


def test_coughs_and_a_crackling_channel_are_no_taps(found):
    rng = np.random.default_rng(6)
    sound = sounds.recording([1.0, 6.0], 7.0)
    for start in (2.0, 4.0):
        n = sounds.RATE // 2
        swell = np.minimum(np.arange(n) / (0.04 * sounds.RATE), 1) ** 2
        cough = rng.standard_normal(n) * swell * np.exp(-np.arange(n) / (0.1 * sounds.RATE))
        first = round(start * sounds.RATE)
        sound[first : first + n] += 0.05 * cough[:, None]
    sound[round(3.3 * sounds.RATE), 5] += 0.5
    np.testing.assert_allclose(found(sound).onset / sounds.RATE, [1, 6], atol=1e-3)


def test_digital_silence_and_a_dead_channel(found):
    assert len(found(np.zeros((sounds.RATE, 8))).onset) == 0
    sound = np.zeros((3 * sounds.RATE, 8))
    tap = sounds.tap_sound(np.random.default_rng(0))
    sound[sounds.RATE : sounds.RATE + len(tap)] += tap
    sound[:, 2] = 0
    assert found(sound).onset == pytest.approx([sounds.RATE], abs=40)


def test_a_recording_shorter_than_anything(found):
    assert len(found(np.zeros((10, 8))).onset) == 0
    assert len(found(sounds.room(np.random.default_rng(0), 0.05)).onset) == 0


def test_what_is_found_does_not_depend_on_where_stretches_end(found):
    truth = 0.7 + 0.31 * np.arange(150)
    taps = found(sounds.recording(truth, 48.0, seed=8))
    np.testing.assert_allclose(taps.onset / sounds.RATE, truth, atol=1e-3)


def test_peak_height_leaves_soft_taps_out(found):
    sound = sounds.recording([1.0], 3.0, loudness=0.3)
    sound += sounds.recording([2.0], 3.0, loudness=0.03)
    assert len(found(sound).onset) == 2
    taps = found(sound, peak_height=0.1)
    np.testing.assert_allclose(taps.onset / sounds.RATE, [1.0], atol=1e-3)


def test_a_doubtful_onset_gives_way_to_a_far_better_one():
    onsets = np.array([0, 1000, 20_000, 21_000, 40_000])
    assert first_of_each(onsets, np.array([4.5, 9, 12, 11, 5]), sounds.RATE).tolist() == [1, 2, 4]
    assert first_of_each(onsets, np.array([7, 9, 12, 19, 5]), sounds.RATE).tolist() == [0, 2, 4]
