import numpy as np
import pytest
from scipy import signal

from tap2key.core.errors import Tap2keyError
from tap2key.datasets.crops import Cut, cut_of
from tap2key.datasets.encoding import Encoding
from tap2key.datasets.representations import stack
from tap2key.training.augmentation import Augmentation, augment

RATE = 48_000
ONSET = 200
FRAMES = 600
ALL = Augmentation(1.5, 5, 0.05, 1.0, 2.0, 0.5, True, 6.0, 0.1)
# Frames by which each channel is later than the first.
DELAYS = np.array([0, 3, 7, 12, 5, 9, 2, 14])


def taps(count, seed=0, noise=0.0):
    """A band-limited burst that reaches channel c after DELAYS[c] frames: [count, 8, frames]."""
    rng = np.random.default_rng(seed)
    length = FRAMES - ONSET - 20
    burst = rng.standard_normal((count, length)) * np.exp(-np.arange(length) / 40)
    burst = signal.sosfilt(signal.butter(2, [800, 8000], "band", fs=RATE, output="sos"), burst)
    windows = noise * rng.standard_normal((count, 8, FRAMES))
    for channel, delay in enumerate(DELAYS):
        windows[:, channel, ONSET + delay : ONSET + delay + length] += burst
    return windows.astype(np.float32)


def lag(one, other, upsample=16):
    """By how many frames `other` is later than `one`, at the peak of their cross-correlation."""
    length = 2 * len(one)
    cross = np.conj(np.fft.rfft(one, length)) * np.fft.rfft(other, length)
    correlation = np.fft.irfft(cross, length * upsample)
    peak = int(correlation.argmax())
    return (peak if peak < len(correlation) / 2 else peak - len(correlation)) / upsample


def seeds(count):
    return [(7, 0, row) for row in range(count)]


def changed(windows, augmentation, given=None):
    return augment(windows, RATE, ONSET, augmentation, given or seeds(len(windows)))


def test_everything_switched_off_is_the_identity():
    windows = taps(4)
    result, shifts = changed(windows, Augmentation())
    np.testing.assert_array_equal(result, windows)
    assert result.dtype == np.float32
    assert not shifts.any()


def test_a_windows_change_depends_on_its_seed_and_not_on_the_batch():
    windows = taps(6, noise=0.01)
    together, shifts = changed(windows, ALL)
    for row in (0, 3, 5):
        alone, shift = changed(windows[row : row + 1], ALL, [seeds(6)[row]])
        np.testing.assert_allclose(alone[0], together[row], atol=1e-6)
        assert shift[0] == shifts[row]
    backwards, _ = changed(windows[::-1], ALL, seeds(6)[::-1])
    np.testing.assert_allclose(backwards[::-1], together, atol=1e-6)
    other, _ = changed(windows, ALL, [(7, 1, row) for row in range(6)])
    assert (np.abs(other - together).max(axis=(1, 2)) > 1e-3).all()


def test_the_input_is_left_alone():
    windows = taps(2, noise=0.01)
    before = windows.copy()
    changed(windows, ALL)
    np.testing.assert_array_equal(windows, before)


def test_switching_one_change_off_leaves_the_others_randomness_alone():
    windows = taps(5)
    with_tilt, shifts = changed(windows, Augmentation(gain_db=2, tilt_db=1, shift_ms=1))
    without, same = changed(windows, Augmentation(gain_db=2, shift_ms=1))
    np.testing.assert_array_equal(shifts, same)
    levels = with_tilt.std(axis=2) / with_tilt.std(axis=2)[:, :1]
    np.testing.assert_allclose(levels, without.std(axis=2) / without.std(axis=2)[:, :1], rtol=0.02)


@pytest.mark.parametrize(
    "augmentation",
    [
        Augmentation(tilt_db=4),
        Augmentation(fir=1),
        Augmentation(polarity=True),
        Augmentation(gain_db=3),
        Augmentation(shift_ms=2),
        Augmentation(3, 0, 0, 2, 3, 0.5, True),
    ],
    ids=["tilt", "fir", "polarity", "gain", "shift", "together"],
)
def test_delays_between_channels_survive(augmentation):
    windows = taps(8)
    result, _ = changed(windows, augmentation)
    if augmentation != Augmentation(shift_ms=2):  # shifts are for the crop to apply
        assert np.abs(result - windows).max() > 0.01
    for window in result:
        for channel in range(1, 8):
            assert lag(window[0], window[channel]) == pytest.approx(DELAYS[channel], abs=0.1)


def test_channel_delays_have_the_spread_they_say():
    windows = taps(150)
    delayed, _ = changed(windows, Augmentation(delay_us=100))
    moved = [
        lag(before[c], after[c]) * 1e6 / RATE
        for before, after in zip(windows, delayed, strict=True)
        for c in range(8)
    ]
    assert np.mean(moved) == pytest.approx(0, abs=12)
    assert np.std(moved) == pytest.approx(100, rel=0.08)
    # Each channel has its own.
    assert abs(np.corrcoef(np.reshape(moved, (-1, 8)).T)[0, 1:]).max() < 0.3


def test_a_delay_is_a_delay_of_the_whole_waveform():
    windows = taps(1)
    delayed, _ = changed(windows, Augmentation(delay_us=100))
    before, after = (np.fft.rfft(w[0, 2]) for w in (windows, delayed))
    frequencies = np.fft.rfftfreq(FRAMES, 1 / RATE)
    band = (frequencies > 1500) & (frequencies < 6000)
    turned = np.unwrap(np.angle(after[band] / before[band]))
    slope, _ = np.polyfit(frequencies[band], turned, 1)
    assert -slope / (2 * np.pi) == pytest.approx(lag(windows[0, 2], delayed[0, 2]) / RATE, abs=2e-6)
    np.testing.assert_allclose(np.abs(after[band]), np.abs(before[band]), rtol=0.05)


def test_stretch_scales_distances_from_the_onset():
    at = np.array([-120, -40, 0, 60, 150, 250])
    windows = np.zeros((40, 8, FRAMES), np.float32)
    rows = np.arange(FRAMES)
    for offset in at:  # smooth bumps, wide enough for the interpolation
        windows += np.exp(-0.5 * ((rows - ONSET - offset) / 4) ** 2).astype(np.float32)
    stretched, shifts = changed(windows, Augmentation(stretch=0.1))
    assert not shifts.any()
    factors = []
    for window in stretched:
        centres = []
        for offset in at:
            near = (rows > ONSET + 0.85 * offset - 16) & (rows < ONSET + 1.15 * offset + 16)
            if offset < 0:
                near = (rows > ONSET + 1.15 * offset - 16) & (rows < ONSET + 0.85 * offset + 16)
            centres.append((rows[near] * window[3][near]).sum() / window[3][near].sum() - ONSET)
        assert centres[2] == pytest.approx(0, abs=0.05)
        factor = centres[-1] / at[-1]
        np.testing.assert_allclose(centres, factor * at, atol=0.3)
        factors.append(factor)
    assert 0.90 < min(factors) < 0.93
    assert 1.07 < max(factors) < 1.12
    np.testing.assert_array_equal(stretched[:, 0], stretched[:, 7])


def test_gains_are_decibels_and_differ_between_channels():
    windows = np.ones((2000, 8, 4), np.float32)
    result, _ = augment(windows, RATE, 2, Augmentation(gain_db=3), seeds(2000))
    decibels = 20 * np.log10(result[:, :, 0])
    assert decibels.std() == pytest.approx(3, rel=0.03)
    assert decibels.mean() == pytest.approx(0, abs=0.1)
    assert abs(np.corrcoef(decibels.T)[0, 1:]).max() < 0.1
    np.testing.assert_array_equal(result[:, :, 0], result[:, :, 3])


def test_polarity_flips_about_half_of_the_windows_as_a_whole():
    windows = np.ones((1000, 8, 4), np.float32)
    result, _ = augment(windows, RATE, 2, Augmentation(polarity=True), seeds(1000))
    assert set(np.unique(result)) == {-1.0, 1.0}
    signs = result[:, 0, 0]
    np.testing.assert_array_equal(result, np.broadcast_to(signs[:, None, None], result.shape))
    assert (signs < 0).mean() == pytest.approx(0.5, abs=0.06)


def test_channels_drop_out_as_often_as_asked():
    windows = np.ones((1000, 8, 4), np.float32)
    result, _ = augment(windows, RATE, 2, Augmentation(channel_dropout=0.2), seeds(1000))
    assert set(np.unique(result)) == {0.0, 1.0}
    assert (result[:, :, 0] == 0).mean() == pytest.approx(0.2, abs=0.02)


@pytest.mark.parametrize(("channels", "left"), [(1, 1), (2, 2), (5, 2)])
def test_two_channels_are_heard_however_many_drop_out(channels, left):
    windows = np.ones((1000, channels, 4), np.float32)
    result, _ = augment(windows, RATE, 2, Augmentation(channel_dropout=0.9), seeds(1000))
    assert (result[:, :, 0] != 0).sum(axis=1).min() == left


def test_noise_raises_the_windows_own_floor_by_at_most_what_is_asked():
    windows = taps(200, noise=0.01)
    louder, _ = changed(windows, Augmentation(noise_db=6))
    before = windows[:, :, : ONSET // 2].std(axis=(1, 2))
    rises = 20 * np.log10(louder[:, :, : ONSET // 2].std(axis=(1, 2)) / before)
    assert rises.min() > -0.3
    assert 5.5 < rises.max() < 6.5
    assert rises.mean() == pytest.approx(3, abs=0.5)


def test_tilt_is_decibels_per_octave():
    impulse = np.zeros((300, 8, 4096), np.float32)
    impulse[:, :, 2048] = 1
    tilted, _ = augment(impulse, RATE, 2048, Augmentation(tilt_db=2), seeds(300))
    spectra = 20 * np.log10(np.abs(np.fft.rfft(tilted[:, 0])))
    bins = np.array([1000, 2000, 4000, 8000]) * 4096 // RATE
    slopes = np.polyfit([-1, 0, 1, 2], spectra[:, bins].T, 1)[0]
    np.testing.assert_allclose(np.diff(spectra[:, bins]), slopes[:, None].repeat(3, 1), atol=0.1)
    np.testing.assert_allclose(spectra[:, bins[1]], 0, atol=0.15)
    assert slopes.std() == pytest.approx(2, rel=0.15)


def test_the_random_filter_lasts_one_millisecond_after_the_impulse():
    impulse = np.zeros((50, 8, FRAMES), np.float32)
    impulse[:, :, ONSET] = 1
    filtered, _ = changed(impulse, Augmentation(fir=1))
    energy = (filtered**2).mean(axis=(0, 1))
    assert energy[:ONSET].max() < 1e-6
    assert energy[ONSET + 1 : ONSET + 48].min() > 1e-6
    assert energy[ONSET + 48 :].max() < 1e-6


def test_shifts_are_whole_frames_up_to_the_limit():
    _, shifts = augment(
        np.zeros((3000, 1, 4), np.float32), RATE, 2, Augmentation(shift_ms=0.1), seeds(3000)
    )
    assert set(shifts) == set(range(-5, 6))


def test_a_cut_takes_whole_frames_where_it_says():
    windows = np.arange(2 * 8 * 30, dtype=np.float32).reshape(2, 8, 30)
    flat = Cut(first=10, frames=5, channels=8)(windows)
    for window, cut in zip(windows, flat, strict=True):
        np.testing.assert_array_equal(cut, window[:, 10:15].reshape(-1, order="F"))


def test_a_shifted_cut_moves_all_channels_by_whole_frames_and_is_silent_outside():
    windows = 1 + np.arange(4 * 8 * 30, dtype=np.float32).reshape(4, 8, 30)
    shifts = np.array([0, 3, -12, 20])
    flat = Cut(first=10, frames=5, channels=8)(windows, shifts)
    for window, cut, shift in zip(windows, flat, shifts, strict=True):
        expected = np.zeros((8, 5))
        for frame in range(5):
            if 0 <= 10 + frame + shift < 30:
                expected[:, frame] = window[:, 10 + frame + shift]
        np.testing.assert_array_equal(cut, expected.reshape(-1, order="F"))


@pytest.mark.parametrize("rate", [16_000, 48_000])
@pytest.mark.parametrize("encoded", [(4, 8), (2, 4)])
def test_the_models_crop_is_around_the_onset(rate, encoded):
    encoding = Encoding("interleave", rate, encoded)
    frames = round(sum(encoded) * rate / 1000)
    cut = cut_of(encoding, 8 * frames, (2, 4), None)
    assert cut.length == 8 * 6 * rate // 1000
    windows = np.zeros((1, 8, frames), np.float32)
    windows[0, 5, encoding.onset_frame] = 1
    assert cut(windows)[0].argmax() == 8 * 2 * rate // 1000 + 5


def test_a_stack_is_cut_and_shifted_like_the_channels_it_holds():
    encoding = Encoding("stack", 16_000, (4, 8))
    windows = np.random.default_rng(0).standard_normal((3, 8, 192)).astype(np.float32)
    separated = encoding.separated(stack(windows))
    np.testing.assert_array_equal(separated, windows)
    shifts = np.array([0, 5, -7])
    cut = cut_of(encoding, 8 * 192, (2, 4), None)
    assert (cut.length, cut.period) == (8 * 96, 1)
    interleaved = cut_of(Encoding("interleave", 16_000, (4, 8)), 8 * 192, (2, 4), None)
    assert interleaved.period == 8
    expected = interleaved(windows, shifts).reshape(3, 96, 8).transpose(0, 2, 1)
    np.testing.assert_array_equal(cut(separated, shifts), expected.reshape(3, -1))


def test_max_duration_cuts_values_over_sample_rate_and_no_frame_in_two():
    encoding = Encoding("interleave", 16_000)
    whole = cut_of(encoding, 8 * 1366, None, None)
    assert (whole.first, whole.length) == (0, 8 * 1366)
    # Half a second of values, as the prototype counted it, is 1000 frames of eight.
    assert cut_of(encoding, 8 * 1366, None, 0.5).length == 8000
    assert cut_of(encoding, 8 * 1366, None, 1.0).length == 8 * 1366
    assert cut_of(encoding, 8 * 1366, None, 0.02005).length == 320
    assert cut_of(encoding, 8 * 1366, (2, 4), 0.02).length == 320
    assert cut_of(encoding, 8 * 1366, (2, 4), 0.02).first == encoding.onset_frame - 32
    assert cut_of(Encoding("average"), 1366, None, 0.02).length == 320
    # Of correlations both ends belong to it.
    assert cut_of(Encoding("pairs"), 28 * 65, None, 0.02).length == 28 * 65


@pytest.mark.parametrize(
    ("encoding", "length", "crop"),
    [
        (Encoding("interleave", 16_000, (2, 4)), 8 * 96, (3, 4)),
        (Encoding("interleave", 16_000, (2, 4)), 8 * 96, (2, 5)),
        (Encoding("stack", 16_000, (2, 4)), 8 * 96, (2, 5)),
    ],
)
def test_a_crop_that_the_encoding_does_not_hold_is_refused(encoding, length, crop):
    with pytest.raises(Tap2keyError, match=r"model\.crop_ms .* wider encoding\.crop_ms"):
        cut_of(encoding, length, crop, None)
