import numpy as np
import pytest

from tap2key.signal.delays import pairs
from tap2key.training.augmentation import Augmentation
from tap2key.training.pair_augmentation import augment_pairs, channels_of

RATE = 48_000
SEEDS = [(0, 3, row) for row in range(200)]


def bumps(delays_s, lags=241, width=6.0):
    """A smooth bump at each pair's delay: [n, channels] → [n, pairs, lags]."""
    steps = np.arange(lags) - lags // 2
    at = np.stack([delays_s[:, b] - delays_s[:, a] for a, b in pairs(delays_s.shape[1])], axis=1)
    return np.exp(-((steps - at[:, :, None] * RATE) ** 2) / (2 * width**2)).astype(np.float32)


def centres(curves):
    """Where each bump is, in lags from the middle."""
    steps = np.arange(curves.shape[-1]) - curves.shape[-1] // 2
    return (curves * steps).sum(axis=-1) / curves.sum(axis=-1)


def with_waves(delays_s):
    """Bumps of all pairs, and then of the channels' waves, at the channels' own delays."""
    onset = np.zeros((len(delays_s), 1))
    # With the onset as the first microphone its pairs come first.
    both = bumps(np.hstack([onset, delays_s]))
    channels = delays_s.shape[1]
    return np.concatenate([both[:, channels:], both[:, :channels]], axis=1)


@pytest.mark.parametrize("channels", [2, 3, 6, 8, 16])
def test_the_number_of_channels_follows_from_the_number_of_pairs(channels):
    assert channels_of(len(pairs(channels))) == channels
    assert channels_of(len(pairs(channels)) + channels, waves=True) == channels


def test_nothing_is_changed_unless_asked():
    curves = bumps(np.zeros((3, 4)))
    np.testing.assert_array_equal(augment_pairs(curves, RATE, Augmentation(), SEEDS[:3]), curves)


def test_a_moved_microphone_moves_all_its_pairs_consistently():
    curves = bumps(np.zeros((200, 4)))
    moved = centres(augment_pairs(curves, RATE, Augmentation(delay_us=100), SEEDS)) / RATE
    at = {pair: moved[:, index] for index, pair in enumerate(pairs(4))}
    for a, b, c in [(0, 1, 2), (0, 2, 3), (1, 2, 3)]:
        np.testing.assert_allclose(at[a, b] + at[b, c], at[a, c], atol=1e-6)
    # A pair's delay is the difference of two.
    assert np.std(at[0, 1]) == pytest.approx(100e-6 * np.sqrt(2), rel=0.15)


def test_another_wave_speed_scales_delays_about_nought():
    delays = np.tile([0.0, 5e-4, -7e-4], (200, 1))
    stretched = centres(augment_pairs(bumps(delays), RATE, Augmentation(stretch=0.1), SEEDS))
    before = centres(bumps(delays))
    scale = stretched / before
    np.testing.assert_allclose(scale, scale[:, :1] * np.ones((1, 3)), rtol=2e-3)
    assert 0.9 < scale.min() < 0.93
    assert 1.07 < scale.max() < 1.12


def test_beyond_the_ends_there_is_nothing():
    curves = np.ones((1, 1, 21), np.float32)
    moved = augment_pairs(curves, RATE, Augmentation(delay_us=5000), [(1, 0, 0)])
    assert not moved.any()


def test_a_dropped_microphone_takes_its_pairs_with_it_and_two_always_stay():
    curves = np.full((200, 28, 5), 7, np.float32)
    changed = augment_pairs(curves, RATE, Augmentation(channel_dropout=0.5), SEEDS)
    kept = (changed == 7).all(axis=2)
    silent = (changed == 0).all(axis=2)
    for row in range(200):
        working = {
            c for pair, stays in zip(pairs(8), kept[row], strict=True) if stays for c in pair
        }
        assert len(working) >= 2
        expected = [set(pair) <= working for pair in pairs(8)]
        np.testing.assert_array_equal(kept[row], expected)
        # Either all silent, or all noise.
        assert silent[row][~kept[row]].all() or not silent[row].any()
    shares = [1 - kept[:, i].mean() for i in range(28)]
    assert np.mean(shares) == pytest.approx(0.75, abs=0.05)


def test_noise_has_its_strength_and_a_row_its_own_randomness():
    curves = np.zeros((8, 3, 4000), np.float32)
    noisy = augment_pairs(curves, RATE, Augmentation(correlation_noise=0.3), SEEDS[:8])
    assert noisy.std() == pytest.approx(0.3, rel=0.02)
    alone = augment_pairs(curves[5:6], RATE, Augmentation(correlation_noise=0.3), SEEDS[5:6])
    np.testing.assert_array_equal(noisy[5], alone[0])
    assert abs(np.corrcoef(noisy[0, 0], noisy[1, 0])[0, 1]) < 0.06


def test_waves_move_with_their_microphones_and_all_alike_with_the_onset():
    curves = with_waves(np.zeros((200, 4)))
    augmentation = Augmentation(delay_us=100)
    moved = centres(augment_pairs(curves, RATE, augmentation, SEEDS, waves=True)) / RATE
    between, waves = moved[:, :6], moved[:, 6:]
    for index, (a, b) in enumerate(pairs(4)):
        np.testing.assert_allclose(between[:, index], waves[:, b] - waves[:, a], atol=1e-6)
    assert np.std(waves) == pytest.approx(100e-6, rel=0.1)
    # An onset found early or late moves what is about it, and no pair.
    augmentation = Augmentation(delay_us=100, shift_ms=0.5)
    shifted = centres(augment_pairs(curves, RATE, augmentation, SEEDS, waves=True)) / RATE
    np.testing.assert_allclose(shifted[:, :6], between, atol=1e-6)
    by = shifted[:, 6:] - waves
    np.testing.assert_allclose(by, by[:, :1] * np.ones((1, 4)), atol=1e-5)
    assert 4.5e-4 < np.abs(by).max() <= 5.01e-4
    assert np.abs(by.mean()) < 1e-4
    alone = augment_pairs(curves, RATE, Augmentation(shift_ms=0.5), SEEDS, waves=True)
    np.testing.assert_allclose(centres(alone)[:, 6:] / RATE, by, atol=1e-5)


def test_another_wave_speed_scales_waves_and_pairs_alike():
    delays = np.tile([3e-4, 8e-4, -4e-4], (200, 1))
    before = centres(with_waves(delays))
    after = centres(augment_pairs(with_waves(delays), RATE, Augmentation(stretch=0.1), SEEDS, True))
    scale = after / before
    np.testing.assert_allclose(scale, scale[:, :1] * np.ones((1, 6)), rtol=3e-3)


def test_a_dropped_microphone_takes_its_wave_with_it():
    curves = np.full((200, 36, 5), 7, np.float32)
    changed = augment_pairs(curves, RATE, Augmentation(channel_dropout=0.5), SEEDS, waves=True)
    kept = (changed == 7).all(axis=2)
    for row in kept:
        working = set(np.flatnonzero(row[28:]))
        assert len(working) >= 2
        np.testing.assert_array_equal(row[:28], [set(pair) <= working for pair in pairs(8)])
    # Waves change nothing of how pairs alone are drawn.
    alone = augment_pairs(curves[:, :28], RATE, Augmentation(channel_dropout=0.5), SEEDS)
    np.testing.assert_array_equal(alone == 7, changed[:, :28] == 7)
