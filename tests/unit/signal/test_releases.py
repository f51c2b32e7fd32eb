"""Trains of key sounds with known roles: which are presses, releases and contacts."""

import numpy as np
import pytest
import sounds

from tap2key.audio.audio_file import AudioFile
from tap2key.signal.releases import CONTACT, PRESS, RELEASE, loudness, tell_roles


def train(seed, gaps_s, held_s=0.1, held_sd_s=0.012, touched=0.0, released=1.0, contrast=1.5):
    """Onsets, log energies and roles of keys struck `gaps_s` apart."""
    rng = np.random.default_rng(seed)
    down = 0.5 + np.cumsum(gaps_s)
    made = [(time, PRESS) for time in down]
    made += [(time - rng.uniform(0.015, 0.06), CONTACT) for time in down if rng.random() < touched]
    held = np.clip(rng.normal(held_s, held_sd_s, len(down)), 0.065, 0.165)
    made += [(time, RELEASE) for time in down + held if rng.random() < released]
    made.sort()
    roles = np.array([role for _, role in made])
    middle = np.where((roles == RELEASE)[:, None], [-contrast, contrast], [0.0, 0.0])
    return np.array([t for t, _ in made]), middle + rng.normal(0, 0.6, middle.shape), roles


def share_right(told, roles):
    return np.mean((told == RELEASE) == (roles == RELEASE))


@pytest.mark.parametrize("seed", range(4))
def test_steady_keys_are_told_from_their_releases(seed):
    rng = np.random.default_rng(seed)
    onset_s, energies, roles = train(seed, rng.normal(0.3, 0.02, 100))
    assert share_right(tell_roles(onset_s, energies), roles) == 1.0


@pytest.mark.parametrize("seed", range(4))
def test_typing_with_releases_after_the_next_press_is_told_by_tones_and_times(seed):
    rng = np.random.default_rng(seed)
    onset_s, energies, roles = train(seed, rng.uniform(0.08, 0.4, 150), released=0.95)
    assert share_right(tell_roles(onset_s, energies), roles) >= 0.97


@pytest.mark.parametrize("seed", range(4))
def test_the_finger_before_a_press_is_no_press(seed):
    rng = np.random.default_rng(seed)
    onset_s, energies, roles = train(seed, rng.normal(0.3, 0.02, 100), touched=0.5)
    told = tell_roles(onset_s, energies)
    assert np.mean(told == roles) >= 0.97
    assert abs(int((told == PRESS).sum()) - 100) <= 3


def test_without_another_tone_the_gaps_alone_tell():
    rng = np.random.default_rng(5)
    onset_s, energies, roles = train(5, rng.normal(0.4, 0.05, 80), contrast=0.0)
    assert share_right(tell_roles(onset_s, energies), roles) >= 0.97


def test_where_nothing_is_let_go_nearly_all_are_presses():
    rng = np.random.default_rng(6)
    onset_s, energies, _ = train(6, rng.uniform(0.2, 0.6, 100), released=0.0)
    np.testing.assert_array_equal(tell_roles(onset_s, energies), PRESS)


def test_of_few_sounds_all_are_presses():
    few = np.array([1.0, 1.1, 2.0, 2.1])
    np.testing.assert_array_equal(tell_roles(few, np.zeros((4, 2))), PRESS)
    assert tell_roles(np.zeros(0), np.zeros((0, 2))).shape == (0,)


def test_loudness_tells_high_from_low_tones(tmp_path):
    rate, rng = sounds.RATE, np.random.default_rng(0)
    times = np.arange(rate // 100) / rate
    sound = 1e-4 * rng.standard_normal((rate, 8))
    for onset, hz in ((0, 6000.0), (rate // 4, 500.0), (rate // 2, 6000.0), (rate - 300, 500.0)):
        tone = 0.1 * np.sin(2 * np.pi * hz * times)[: rate - onset, None]
        sound[onset : onset + len(tone)] += tone
    path = sounds.write_wav(tmp_path / "a.wav", sound)
    found = loudness(AudioFile(path), np.array([0, rate // 4, rate // 2, rate - 300]))
    assert found.shape == (4, 2)
    np.testing.assert_array_equal(found[:, 0] > found[:, 1], [True, False, True, False])
