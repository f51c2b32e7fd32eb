import time

import numpy as np
import pytest

from tap2key.signal.delays import around_onset, gcc_phat_delays, level_ratios, pairs

RATE = 96_000


def clicks(delays_s, samples=576):
    """One band-limited click per channel, late by any fraction of a sample → [1, channels, n]."""
    frequency = np.fft.rfftfreq(samples, 1 / RATE)
    spectrum = np.exp(-((frequency / 15_000) ** 2)) * np.exp(-2j * np.pi * frequency * 0.002)
    late = np.exp(-2j * np.pi * np.outer(delays_s, frequency))
    return np.fft.irfft(spectrum * late, samples)[None]


def test_fractional_delays_are_found_within_two_microseconds():
    rng = np.random.default_rng(1)
    for _ in range(20):
        true = rng.uniform(-4e-4, 4e-4, 8)
        found = gcc_phat_delays(clicks(true), RATE, 0.001)[0]
        expected = [true[b] - true[a] for a, b in pairs(8)]
        np.testing.assert_allclose(found, expected, atol=2e-6)


def test_polarity_of_all_channels_and_loudness_do_not_matter():
    sound = clicks(np.linspace(0, 3e-4, 8))
    reference = gcc_phat_delays(sound, RATE, 0.001)
    louder = sound * np.linspace(-0.1, -3, 8)[None, :, None]
    np.testing.assert_allclose(gcc_phat_delays(louder, RATE, 0.001), reference, atol=1e-8)


def test_delays_are_never_longer_than_allowed():
    rng = np.random.default_rng(2)
    found = gcc_phat_delays(rng.standard_normal((20, 8, 576)), RATE, 2e-4)
    assert found.shape == (20, 28)
    assert np.abs(found).max() <= 2e-4 + 1 / RATE


def test_chunks_do_not_show():
    rng = np.random.default_rng(3)
    windows = rng.standard_normal((300, 8, 200))
    whole = gcc_phat_delays(windows, RATE, 5e-4)
    np.testing.assert_allclose(whole[290:], gcc_phat_delays(windows[290:], RATE, 5e-4), atol=1e-9)
    np.testing.assert_array_equal(level_ratios(windows)[290:], level_ratios(windows[290:]))


def test_silent_channels_give_finite_features():
    windows = np.zeros((2, 8, 576))
    assert np.isfinite(gcc_phat_delays(windows, RATE, 0.001)).all()
    assert np.isfinite(level_ratios(windows)).all()
    assert gcc_phat_delays(np.zeros((0, 8, 576)), RATE, 0.001).shape == (0, 28)


def test_level_ratios_are_decibels_against_the_mean_power():
    rng = np.random.default_rng(4)
    gains = np.array([1, 2, 1, 1, 0.5, 1, 1, 1])
    sound = rng.choice([-1.0, 1.0], 1000) * gains[:, None]
    expected = 10 * np.log10(gains**2 / np.mean(gains**2))
    np.testing.assert_allclose(level_ratios(sound[None])[0], expected, atol=1e-6)
    np.testing.assert_allclose(level_ratios(sound[None] * 0.01)[0], expected, atol=1e-3)


def test_around_the_onset_hum_is_gone_and_the_click_stays():
    at = np.arange(8192) / RATE
    hum = np.tile(np.sin(2 * np.pi * 20 * at), (3, 8, 1)).astype(np.float32)
    kept = around_onset(hum, RATE, 2192)
    assert kept.shape == (3, 8, 576)
    assert np.abs(kept).max() < 0.05
    hum[:, :, 2192] += 1
    assert np.abs(around_onset(hum, RATE, 2192)).argmax(axis=2) == pytest.approx(192)


def test_hundreds_of_windows_a_second():
    windows = np.random.default_rng(5).standard_normal((256, 8, 576)).astype(np.float32)
    started = time.process_time()
    gcc_phat_delays(windows, RATE, 0.0015)
    level_ratios(windows)
    assert 256 / (time.process_time() - started) > 300
