import numpy as np
import pytest
import torch

from tap2key.audio.array import array_of
from tap2key.core.errors import Tap2keyError
from tap2key.datasets.crops import cut_of
from tap2key.datasets.encoding import Encoding
from tap2key.models.own_networks import build_own
from tap2key.signal.delays import pairs
from tap2key.signal.pair_correlations import pair_correlations

RATE, FRAMES, REACH = 48_000, 288, 96
LABELS = ("a", "b", "|")


def learned(channels=4, rate=RATE, representation="interleave"):
    """A network for 6 ms of an array of so many microphones."""
    array = array_of({"channels": channels})
    encoding = Encoding(representation, rate, (2, 4), array=array)
    torch.manual_seed(0)
    length = encoding.frames * encoding.held
    return build_own("learned_gcc", LABELS, encoding, cut_of(encoding, length, None, None)).eval()


def delayed(lags, seed=0):
    """The same noise in every channel, later by so many frames: [1, channels, FRAMES]."""
    noise = np.random.default_rng(seed).standard_normal(3 * FRAMES)
    heard = [noise[FRAMES - lag : 2 * FRAMES - lag] for lag in lags]
    return torch.from_numpy(np.array(heard, dtype=np.float32)[None])


def correlations(network, windows):
    with torch.inference_mode():
        return network.correlations(windows).numpy()


def test_whatever_the_filters_every_pairs_curve_peaks_at_its_delay():
    lags = (0, 11, -20, 40)
    found = correlations(learned(), delayed(lags))
    assert found.shape == (1, 4, 6, 2 * REACH + 1)
    expected = [REACH + lags[b] - lags[a] for a, b in pairs(4)]
    np.testing.assert_array_equal(found[0].argmax(axis=-1), [expected] * 4)


def test_filters_that_let_everything_through_give_the_phase_transform():
    """Told by another implementation, whose transform is longer and keeps nothing below 100 Hz."""
    network = learned()
    first, _, second = network.filters
    with torch.no_grad():
        for layer in (first, second):
            layer.weight.zero_()
        # A leaky x and a leaky −x: of their difference 1.2 x is left.
        middles = first.kernel_size[1] // 2, second.kernel_size[1] // 2
        first.weight[0, 0, 0, middles[0]], first.weight[1, 0, 0, middles[0]] = 1, -1
        second.weight[:, 0, 0, middles[1]], second.weight[:, 1, 0, middles[1]] = 1, -1
    rng = np.random.default_rng(1)
    windows = delayed((0, 5, -7, 30)) + 0.3 * torch.from_numpy(
        rng.standard_normal((1, 4, FRAMES)).astype(np.float32)
    )
    found = correlations(network, windows)
    expected = pair_correlations(windows.numpy(), RATE, RATE, REACH / RATE)
    for each in found[0]:
        for curve, other in zip(each, expected[0], strict=True):
            assert np.corrcoef(curve, other)[0, 1] > 0.95


def test_equal_sounds_stay_equal_and_channels_may_change_places():
    network = learned(3)
    alike = correlations(network, delayed((0, 0, 0), seed=2))
    np.testing.assert_allclose(alike, alike[:, :, :1] * np.ones((3, 1)), atol=1e-5)
    windows = delayed((0, 9, 25), seed=3)
    found = correlations(network, windows)
    turned = correlations(network, windows[:, [2, 1, 0]])
    # Pairs (0, 1), (0, 2), (1, 2) are now (2, 1), (2, 0), (1, 0).
    np.testing.assert_allclose(turned, found[:, :, [2, 1, 0], ::-1], atol=1e-5)


def test_a_silent_channels_pairs_are_flat_and_teach_nothing_infinite():
    network = learned()
    windows = delayed((0, 11, -20, 40))
    windows[:, 1] = 0
    curves = correlations(network, windows)
    silent = np.array([1 in pair for pair in pairs(4)])
    np.testing.assert_array_equal(curves[:, :, silent], 0)
    assert curves[:, :, ~silent].max() > 1
    inputs = windows.transpose(1, 2).reshape(1, -1)
    network(inputs, labels=torch.tensor([1])).loss.backward()
    assert all(torch.isfinite(p.grad).all() for p in network.parameters())
    assert all(p.grad.abs().max() > 0 for p in network.parameters())


@pytest.mark.parametrize(("channels", "rate"), [(2, 16_000), (6, 44_100), (8, 96_000)])
def test_any_number_of_channels_at_any_rate(channels, rate):
    network = learned(channels, rate)
    with torch.inference_mode():
        logits = network(torch.randn(5, channels * network.config.frames)).logits
    assert logits.shape == (5, 3) and torch.isfinite(logits).all()


@pytest.mark.parametrize(
    ("representation", "channels", "words"),
    [
        ("pairs", 4, "channels side by side"),
        ("stack", 4, "channels side by side"),
        ("average", 4, "channels side by side"),
        ("interleave", 1, "there is only one"),
    ],
)
def test_what_has_no_pairs_of_waves_is_refused(representation, channels, words):
    with pytest.raises(Tap2keyError, match=f"learned_gcc .*{words}"):
        learned(channels, representation=representation)


def test_channels_one_after_the_other_are_the_same_channels_to_the_convolutional_network():
    def built(representation):
        encoding = Encoding(representation, RATE, (2, 4), array=array_of({"channels": 4}))
        torch.manual_seed(0)
        cut = cut_of(encoding, 4 * FRAMES, None, None)
        return build_own("convolutional", LABELS, encoding, cut).eval()

    windows = torch.from_numpy(
        np.random.default_rng(0).standard_normal((2, 4, FRAMES)).astype(np.float32)
    )
    with torch.inference_mode():
        interleaved = built("interleave")(windows.transpose(1, 2).flatten(1)).logits
        stacked = built("stack")(windows.flatten(1)).logits
    np.testing.assert_allclose(stacked, interleaved, rtol=1e-5)
