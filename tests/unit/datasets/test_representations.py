import numpy as np
import pytest
from scipy import signal

from tap2key.audio.array import DEFAULT, WHOLE, Array
from tap2key.core.errors import Tap2keyError
from tap2key.datasets.representations import (
    Encoding,
    decimate,
    encode_windows,
    highpass,
    interleave,
    represent,
    waves_around_onset,
)
from tap2key.signal.pair_correlations import pair_correlations

RATES = [8_000, 16_000, 22_050, 32_000, 44_100, 48_000, 96_000]


@pytest.fixture(scope="module")
def noise():
    rng = np.random.default_rng(0)
    return rng.standard_normal((3, 8, DEFAULT.window)).astype(np.float32)


def impulses(channel_signs=(1,) * 8):
    windows = np.zeros((1, 8, DEFAULT.window), np.float32)
    windows[0, :, DEFAULT.before] = channel_signs
    return windows


def frames(flat, encoding):
    """Back to [n, channels, frames]."""
    return flat.reshape(len(flat), -1, encoding.channels).transpose(0, 2, 1)


def test_interleave_is_column_major_reshape_of_each_window(noise):
    for window, flat in zip(noise, interleave(noise), strict=True):
        np.testing.assert_array_equal(flat, window.reshape(-1, order="F"))


@pytest.mark.parametrize(
    ("name", "by_hand"),
    [
        ("interleave", lambda w: [w[c, t] for t in range(w.shape[1]) for c in range(8)]),
        ("stack", lambda w: [w[c, t] for c in range(8) for t in range(w.shape[1])]),
        ("average", lambda w: [sum(w[:, t]) / 8 for t in range(w.shape[1])]),
        ("max_abs", lambda w: [max(abs(v) for v in w[:, t]) for t in range(w.shape[1])]),
        ("top", lambda w: [w[c, t] for t in range(w.shape[1]) for c in (4, 5, 6, 7)]),
        ("bottom", lambda w: [w[c, t] for t in range(w.shape[1]) for c in (0, 1, 2, 3)]),
    ],
)
def test_each_representation_by_hand(noise, name, by_hand):
    short = noise[:, :, :50]
    for window, flat in zip(short, represent(short, Encoding(name)), strict=True):
        np.testing.assert_allclose(flat, by_hand(window), rtol=1e-5, atol=1e-6)


def test_nothing_is_changed_at_the_recordings_own_rate(noise):
    flat = encode_windows(noise, Encoding(sample_rate=DEFAULT.sample_rate))
    assert flat.dtype == np.float32
    np.testing.assert_array_equal(flat, interleave(noise))


def test_8192_samples_become_1366_at_16_khz(noise):
    assert encode_windows(noise, Encoding()).shape == (3, 8 * 1366)
    assert encode_windows(noise, Encoding("average")).shape == (3, 1366)
    assert encode_windows(noise, Encoding("top")).shape == (3, 4 * 1366)


@pytest.mark.parametrize("rate", [8_000, 16_000, 48_000])
def test_a_tone_below_the_new_nyquist_stays_and_one_above_goes(rate):
    times = np.arange(DEFAULT.window) / DEFAULT.sample_rate
    inner = slice(rate // 100, -rate // 100)  # away from the filter's edges
    for tone, gain in ((0.2 * rate, 1.0), (0.75 * rate, 0.0)):
        window = np.broadcast_to(np.sin(2 * np.pi * tone * times), (1, 8, DEFAULT.window))
        flat = encode_windows(window, Encoding("average", rate))[0]
        expected = gain * np.sin(2 * np.pi * tone * np.arange(len(flat)) / rate)
        np.testing.assert_allclose(flat[inner], expected[inner], atol=0.02)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("crop", [None, (2, 4), (0.5, 30), (0, 1), (1000, 1000)])
@pytest.mark.parametrize("representation", ["interleave", "max_abs", "bottom"])
def test_an_impulse_at_the_onset_lands_on_the_onset_frame(rate, crop, representation):
    encoding = Encoding(representation, rate, crop)
    flat = encode_windows(impulses(), encoding)
    windows = frames(flat, encoding)
    assert (np.abs(windows[0]).argmax(axis=1) == encoding.onset_frame).all()


@pytest.mark.parametrize("rate", RATES)
def test_a_crop_keeps_what_it_says_of_the_same_samples(noise, rate):
    whole = frames(encode_windows(noise, Encoding(sample_rate=rate)), Encoding())
    cropped = Encoding(sample_rate=rate, crop_ms=(2, 4))
    part = frames(encode_windows(noise, cropped), cropped)
    assert part.shape[2] == pytest.approx(0.006 * rate, abs=1)
    first = round(DEFAULT.before * rate / DEFAULT.sample_rate) - cropped.onset_frame
    np.testing.assert_array_equal(part, whole[:, :, first : first + part.shape[2]])


def test_a_crop_wider_than_the_window_keeps_all_of_it(noise):
    wide = encode_windows(noise, Encoding(crop_ms=(1000, 1000)))
    np.testing.assert_array_equal(wide, encode_windows(noise, Encoding()))


def test_top_and_bottom_take_their_microphones():
    windows = np.zeros((1, 8, DEFAULT.window), np.float32)
    windows += np.arange(8)[None, :, None]
    for name, channels in (("bottom", [0, 1, 2, 3]), ("top", [4, 5, 6, 7])):
        encoding = Encoding(name, DEFAULT.sample_rate)
        flat = encode_windows(windows, encoding)
        assert flat[0, :4].tolist() == channels
        assert encoding.channels == 4


def test_the_high_pass_takes_hum_away_and_leaves_the_tap():
    times = np.arange(DEFAULT.window) / DEFAULT.sample_rate
    hum = np.broadcast_to(np.sin(2 * np.pi * 50 * times + 0.3), (1, 8, DEFAULT.window))
    tap = np.broadcast_to(np.sin(2 * np.pi * 2000 * times), (1, 8, DEFAULT.window))
    inner = slice(DEFAULT.window // 2, None)
    hushed = highpass(hum.astype(np.float32), 200, DEFAULT.sample_rate)[..., inner]
    kept = highpass(tap.astype(np.float32), 200, DEFAULT.sample_rate)[..., inner]
    assert 20 * np.log10(hushed.std() / hum[..., inner].std()) < -20
    assert abs(20 * np.log10(kept.std() / tap[..., inner].std())) < 0.5


def test_the_high_pass_is_butterworths_and_puts_nothing_before_the_onset():
    filtered = highpass(impulses(), 150, DEFAULT.sample_rate)
    assert (filtered[..., : DEFAULT.before] == 0).all()
    response = np.fft.rfft(filtered[0, 0, DEFAULT.before :].astype(float), 96_000)
    numerator, denominator = signal.butter(2, 150, "highpass", fs=DEFAULT.sample_rate)
    at = np.array([300, 1000, 5000])
    _, expected = signal.freqz(numerator, denominator, worN=at, fs=DEFAULT.sample_rate)
    np.testing.assert_allclose(np.abs(response[at]), np.abs(expected), rtol=0.01)


def test_the_high_pass_starts_without_a_jump_from_a_constant_offset():
    offset = np.full((1, 8, DEFAULT.window), 0.25, np.float32)
    # −60 dB: single precision. Without its steady state the filter would start at 0.25.
    assert np.abs(highpass(offset, 150, DEFAULT.sample_rate)).max() < 2.5e-4


def test_the_encoding_applies_its_high_pass_before_resampling(noise):
    encoding = Encoding(sample_rate=16_000, highpass_hz=150)
    expected = encode_windows(highpass(noise, 150, DEFAULT.sample_rate), Encoding())
    np.testing.assert_array_equal(encode_windows(noise, encoding), expected)


@pytest.mark.parametrize("factor", [1, 2, 3, 4, 6, 12])
@pytest.mark.parametrize("length", [DEFAULT.window, 1001])
def test_decimation_is_scipys_resampling(factor, length):
    windows = np.random.default_rng(1).standard_normal((3, 8, length)).astype(np.float32)
    expected = signal.resample_poly(windows.astype(float), 1, factor, axis=-1)
    found = decimate(windows, factor)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=3e-6)
    alone = decimate(windows[1:2], factor)
    np.testing.assert_allclose(alone, found[1:2], atol=1e-6)


def test_pairs_are_correlations_of_what_is_kept_at_the_arrays_own_rate(noise):
    encoding = Encoding("pairs", 48_000, crop_ms=(2, 5))
    flat = encode_windows(noise, encoding)
    kept = noise[:, :, DEFAULT.before - 192 : DEFAULT.before + 480]
    expected = pair_correlations(kept, 96_000, 48_000, 0.002)
    assert flat.dtype == np.float32
    np.testing.assert_array_equal(encoding.separated(flat), expected)
    assert (encoding.held, encoding.frames) == (28, 193)


def test_the_onset_of_pairs_is_the_lag_nought():
    encoding = Encoding("pairs", 48_000, crop_ms=(2, 5))
    together = encoding.separated(encode_windows(impulses(), encoding))
    np.testing.assert_array_equal(together.argmax(axis=2), encoding.onset_frame)


def test_waves_stand_beside_the_pairs_that_are_as_they_were(noise):
    encoding = Encoding("pairs_waves", 48_000, crop_ms=(2, 5), highpass_hz=150)
    both = encoding.separated(encode_windows(noise, encoding))
    assert (encoding.held, encoding.frames, both.shape[1:]) == (36, 193, (36, 193))
    alone = Encoding("pairs", 48_000, crop_ms=(2, 5), highpass_hz=150)
    expected = alone.separated(encode_windows(noise, alone))
    np.testing.assert_array_equal(both[:, :28], expected)
    # As interleave whitens the same two milliseconds before and after the onset.
    waves = Encoding("interleave", 48_000, crop_ms=(2, 2), highpass_hz=150, whiten=True)
    expected = waves.separated(encode_windows(noise, waves))
    expected = expected / expected.std(axis=2, keepdims=True)
    assert expected.shape[2] == 192
    for theirs, ours in zip(
        expected.reshape(-1, 192), both[:, 28:, :192].reshape(-1, 192), strict=True
    ):
        assert np.corrcoef(theirs, ours)[0, 1] > 0.98


def test_waves_are_whitened_by_one_filter():
    noise = np.random.default_rng(1).standard_normal((1, *DEFAULT.shape)).astype(np.float32)
    encoding = Encoding("pairs_waves", 48_000, crop_ms=(2, 5))
    dull = signal.lfilter([1], [1, -0.95], noise, axis=-1).astype(np.float32)
    spectrum = np.abs(np.fft.rfft(waves_around_onset(dull, encoding))).mean(axis=(0, 1))
    # Unwhitened, ten kilohertz are 20 dB below one.
    assert 0.5 < spectrum[35:45].mean() / spectrum[3:6].mean() < 2


def test_what_arrives_later_lies_at_later_lags():
    """Whatever crop and rate, at the delay from the onset; beyond the crop nothing is heard."""
    windows = np.zeros((1, *DEFAULT.shape), np.float32)
    delays_ms = np.linspace(-1.0, 1.8, 8)
    for channel, delay in enumerate(delays_ms):
        windows[0, channel, DEFAULT.before + DEFAULT.samples(delay)] = 1
    for rate, crop in ((48_000, (2, 5)), (44_100, (3, 3)), (192_000, None)):
        encoding = Encoding("pairs_waves", rate, crop_ms=crop)
        waves = encoding.separated(encode_windows(windows, encoding))[0, 28:]
        at_ms = (np.abs(waves).argmax(axis=1) - encoding.onset_frame) * 1000 / rate
        np.testing.assert_allclose(at_ms, delays_ms, atol=0.02)
        np.testing.assert_allclose(waves.std(axis=1), 1, rtol=1e-5)
    short = Encoding("pairs_waves", 48_000, crop_ms=(0.3, 0.7))
    alone = waves_around_onset(windows, short)
    np.testing.assert_array_equal(alone[0].any(axis=1), (delays_ms > -0.3) & (delays_ms < 0.7))
    heard = short.separated(encode_windows(windows, short))[0, 28:].std(axis=1) > 0
    np.testing.assert_array_equal(heard, (delays_ms > -0.3) & (delays_ms < 0.7))


@pytest.mark.parametrize("ignored", [(), (1,), (0, 3, 4)])
def test_pairs_are_of_the_channels_that_are_used_at_any_lag_rate(ignored):
    array = Array(channels=6, sample_rate=44_100, groups=(), ignore=ignored, max_delay_ms=5.0)
    encoding = Encoding("pairs", 88_200, array=array)
    encoding.check()
    used = 6 - len(ignored)
    windows = np.random.default_rng(0).standard_normal((2, *array.shape)).astype(np.float32)
    flat = encode_windows(windows, encoding)
    assert encoding.separated(flat).shape == (2, used * (used - 1) // 2, 883)


def test_a_single_channel_has_no_pairs():
    array = Array(channels=2, groups=(), ignore=(1,))
    with pytest.raises(Tap2keyError, match="pairs needs at least two channels"):
        Encoding("pairs", 48_000, array=array).check()


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000])
@pytest.mark.parametrize("representation", WHOLE)
def test_no_window_is_as_long_as_one(noise, representation, rate):
    """As where noise leaves a session no tap."""
    encoding = Encoding(representation, rate, crop_ms=(2, 5), highpass_hz=150, whiten=rate < 40_000)
    one, none = (encode_windows(windows, encoding) for windows in (noise[:1], noise[:0]))
    assert none.shape == (0, one.shape[1]) and none.dtype == one.dtype
