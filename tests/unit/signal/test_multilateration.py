import numpy as np
import pytest

from tap2key.signal.multilateration import fit_speed, misfits, path_differences

MICROPHONES = np.array([[0.0, 0.0], [300.0, 0.0], [0.0, 200.0], [300.0, 200.0]])
PLACES = np.array([[x, y] for x in (50.0, 120.0, 260.0) for y in (20.0, 90.0, 170.0)])


def test_path_differences_by_hand():
    microphones = np.array([[0.0, 0.0, 0.0], [30.0, 40.0, 0.0], [0.0, 0.0, 120.0]])
    found = path_differences(np.array([[0.0, 0.0], [30.0, 40.0]]), microphones)
    np.testing.assert_allclose(found, [[0.05, 0.12, 0.07], [-0.05, 0.08, 0.13]])


def test_misfits_by_hand():
    found = misfits(np.array([[1e-4, 0.0]]), np.array([[0.03, 0.0], [0.0, 0.06]]), 300.0)
    np.testing.assert_allclose(found, [[0.0, (100 + 200) / 2]], atol=1e-9)


@pytest.mark.parametrize("speed", [80.0, 343.0, 1200.0, 5200.0])
def test_speed_and_places_are_found_though_a_pair_hears_an_echo(speed):
    rng = np.random.default_rng(0)
    at = np.arange(90) % len(PLACES)
    differences = path_differences(PLACES, MICROPHONES)
    delays = differences[at] / speed
    delays[np.arange(90), rng.integers(0, 6, 90)] += 0.3 / speed
    # Of the first label two places are known, of the others one.
    possible = at[:, None] == np.arange(len(PLACES))
    possible[at < 2, :2] = True
    found = fit_speed(delays, differences, possible)
    assert found == pytest.approx(speed, rel=0.01)
    assert (misfits(delays, differences, found).argmin(axis=1) == at).all()
