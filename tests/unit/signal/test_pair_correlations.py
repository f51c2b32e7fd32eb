import numpy as np
import pytest

from tap2key.signal.delays import gcc_phat_delays, pairs
from tap2key.signal.lags import lags_of
from tap2key.signal.pair_correlations import pair_correlations

BAND = (100.0, 14_000.0)


def clicks(delays_s, rate, samples=576):
    """One band-limited click per channel, late by any fraction of a sample → [1, channels, n]."""
    frequency = np.fft.rfftfreq(samples, 1 / rate)
    spectrum = np.exp(-((frequency / 15_000) ** 2)) * np.exp(-2j * np.pi * frequency * 0.003)
    late = np.exp(-2j * np.pi * np.outer(delays_s, frequency))
    return np.fft.irfft(spectrum * late, samples)[None]


@pytest.mark.parametrize(
    ("rate", "lag_rate"), [(96_000, 48_000), (44_100, 48_000), (44_100, 88_200), (16_000, 40_000)]
)
def test_each_curve_peaks_at_its_pairs_delay(rate, lag_rate):
    rng = np.random.default_rng(rate)
    true = rng.uniform(-5e-4, 5e-4, 5)
    found = pair_correlations(clicks(true, rate), rate, lag_rate, 0.0015)[0]
    assert found.shape == (10, lags_of(lag_rate, 0.0015))
    reach = found.shape[1] // 2
    delays = [true[b] - true[a] for a, b in pairs(5)]
    np.testing.assert_allclose(
        (found.argmax(axis=1) - reach) / lag_rate, delays, atol=0.6 / lag_rate
    )


def test_curves_equal_the_sum_over_frequencies_at_each_lag():
    rng = np.random.default_rng(1)
    rate, lag_rate, samples = 44_100, 48_000, 300
    windows = rng.standard_normal((2, 3, samples)).astype(np.float32)
    found = pair_correlations(windows, rate, lag_rate, 0.001)
    slope = 22
    fade = np.ones(samples)
    fade[:slope] = np.sin(np.pi * (np.arange(slope) + 0.5) / (2 * slope)) ** 2
    fade[samples - slope :] = fade[:slope][::-1]
    # Twice the window, rounded up to whole steps of both rates' common length.
    length = 147 * 5
    frequency = np.arange(length // 2 + 1) * rate / length
    inside = (frequency >= BAND[0]) & (frequency <= BAND[1])
    lags = np.arange(-48, 49) / lag_rate
    for tap in range(2):
        faded = (windows[tap] - windows[tap].mean(axis=1, keepdims=True)) * fade
        spectra = faded @ np.exp(
            -2j * np.pi * np.outer(np.arange(samples), np.arange(length // 2 + 1)) / length
        )
        for pair, (a, b) in enumerate(pairs(3)):
            phases = np.angle(spectra[b] * spectra[a].conj())[inside]
            turned = phases[:, None] + 2 * np.pi * np.outer(frequency[inside], lags)
            curve = np.cos(turned).sum(axis=0)
            expected = (curve - curve.mean()) / curve.std()
            np.testing.assert_allclose(found[tap, pair], expected, atol=2e-3)


def test_peaks_agree_with_the_delays_of_the_forest():
    rng = np.random.default_rng(2)
    sound = clicks(rng.uniform(-3e-4, 3e-4, 8), 96_000)
    sound = sound + 1e-3 * rng.standard_normal(sound.shape)
    fine = pair_correlations(sound, 96_000, 384_000, 0.001)[0]
    peaks = (fine.argmax(axis=1) - fine.shape[1] // 2) / 384_000
    np.testing.assert_allclose(peaks, gcc_phat_delays(sound, 96_000, 0.001)[0], atol=1 / 384_000)


@pytest.mark.parametrize("reach", [180, 250, 450])
@pytest.mark.parametrize("lag_rate", [48_000, 96_000])
def test_lags_longer_than_the_window_do_not_wrap_around(reach, lag_rate):
    rate, samples, late = 48_000, 200, 160
    windows = np.zeros((1, 2, samples))
    windows[0, 0, 20] = windows[0, 1, 20 + late] = 1
    found = pair_correlations(windows, rate, lag_rate, reach / rate)[0, 0]
    assert len(found) == lags_of(lag_rate, reach / rate)
    lags = (np.arange(len(found)) - len(found) // 2) / lag_rate * rate
    assert lags[found.argmax()] == late
    assert found[np.abs(lags - late) > 12].max() < 0.2 * found.max()


def test_a_silent_channel_leaves_its_pairs_at_nought():
    rng = np.random.default_rng(3)
    windows = rng.standard_normal((4, 4, 400)).astype(np.float32)
    windows[:, 2] = 0
    found = pair_correlations(windows, 48_000, 48_000, 0.001)
    silent = np.array([2 in pair for pair in pairs(4)])
    assert not found[:, silent].any()
    np.testing.assert_allclose(found[:, ~silent].std(axis=-1), 1, atol=1e-5)
    np.testing.assert_allclose(found[:, ~silent].mean(axis=-1), 0, atol=1e-5)


def test_loudness_polarity_offset_and_chunks_do_not_show():
    rng = np.random.default_rng(4)
    windows = rng.standard_normal((140, 3, 200)).astype(np.float32)
    whole = pair_correlations(windows, 48_000, 96_000, 0.0005)
    gains = np.array([-2, -0.1, -7], np.float32)[None, :, None]
    changed = pair_correlations(windows[130:] * gains + 0.5, 48_000, 96_000, 0.0005)
    np.testing.assert_allclose(changed, whole[130:], atol=1e-3)


def test_no_taps_give_no_curves():
    assert pair_correlations(np.zeros((0, 8, 300)), 96_000, 48_000, 0.001).shape == (
        0,
        28,
        97,
    )
