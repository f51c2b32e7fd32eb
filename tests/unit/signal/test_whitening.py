import numpy as np
import pytest
from scipy.signal import lfilter

from tap2key.datasets.encoding import Encoding
from tap2key.datasets.representations import encode_windows
from tap2key.signal.delays import gcc_phat_delays
from tap2key.signal.whitening import FLOOR, whitened

RATE = 48_000


@pytest.fixture
def windows():
    """Eight delayed copies of a click in a little noise: [5, 8, 576]."""
    rng = np.random.default_rng(3)
    sound = 1e-3 * rng.standard_normal((5, 8, 576))
    for row in range(5):
        for channel, delay in enumerate(rng.permutation(8) * 6):
            sound[row, channel, 192 + delay :][:20] += np.exp(-np.arange(20) / 4)
    return sound.astype(np.float32)


def test_it_is_its_formula_term_by_term(windows):
    found = whitened(windows)
    length = 1152
    for row, window in enumerate(windows.astype(float)):
        spectra = np.array([np.fft.rfft(channel, length) for channel in window])
        mean = np.sqrt(np.mean(np.abs(spectra) ** 2, axis=0))
        expected = [np.fft.irfft(s / (mean + FLOOR * mean.max()), length)[:576] for s in spectra]
        np.testing.assert_allclose(found[row], expected, atol=1e-6)


def test_the_sound_of_the_finger_goes(windows):
    """A filter common to all channels, as another finger would be, leaves their mean spectrum."""
    filtered = lfilter([1, 0.2], [1, -0.3], windows, axis=-1)

    def spread(sound):
        power = np.mean(np.abs(np.fft.rfft(sound, axis=-1)) ** 2, axis=1)[:, 5:250]
        return np.std(10 * np.log10(power), axis=1)

    assert (spread(filtered) > 3).all()
    assert (spread(whitened(filtered)) < 0.3 * spread(filtered)).all()


def test_delays_and_levels_stay(windows):
    windows = windows * (1 + np.arange(8))[:, None]
    near = slice(150, 330)
    expected = gcc_phat_delays(windows[..., near], RATE, 0.001)
    np.testing.assert_allclose(
        gcc_phat_delays(whitened(windows)[..., near], RATE, 0.001), expected, atol=0.1 / RATE
    )
    energy = np.sum(whitened(windows) ** 2, axis=-1)
    assert (np.diff(energy, axis=1) > 0).all()


def test_loudness_does_not_matter_and_silence_stays_silent(windows):
    np.testing.assert_allclose(whitened(1000 * windows), whitened(windows), atol=1e-6)
    assert not whitened(np.zeros((2, 8, 576))).any()
    assert whitened(np.zeros((0, 8, 576))).shape == (0, 8, 576)


def test_an_encoding_whitens_what_it_keeps(windows):
    raw = np.random.default_rng(0).standard_normal((3, 8, 8192)).astype(np.float32)
    plain = Encoding("top", RATE, (4, 8), 150)
    white = Encoding("top", RATE, (4, 8), 150, whiten=True)
    both = encode_windows(raw, Encoding("interleave", RATE, (4, 8), 150))
    kept = whitened(Encoding("interleave", RATE).separated(both))
    np.testing.assert_array_equal(white.separated(encode_windows(raw, white)), kept[:, 4:])
    assert encode_windows(raw, white).shape == encode_windows(raw, plain).shape
