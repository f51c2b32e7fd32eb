from dataclasses import replace

import numpy as np
import pytest
from scipy import signal
from scipy.special import hankel2

from tap2key.simulation.plate import (
    MATERIALS,
    Plate,
    drive,
    front_speed,
    group_speed,
    image_sources,
    point_response,
    wavenumber,
)

RATE = 96_000
LENGTH = 8192
FREQUENCY = np.arange(1, LENGTH // 2) * RATE / LENGTH
OMEGA = 2 * np.pi * FREQUENCY
TABLE_M = (1.0, 0.6)


@pytest.mark.parametrize("material", MATERIALS.values(), ids=MATERIALS)
def test_long_waves_bend_as_in_a_thin_plate(material):
    frequency = np.array([1.0, 5.0, 10.0])
    mass = material.density_kg_m3 * material.thickness_m
    thin = ((2 * np.pi * frequency) ** 2 * mass / material.bending_stiffness_nm) ** 0.25
    np.testing.assert_allclose(wavenumber(material, frequency, damped=False), thin, rtol=0.005)
    # A bending wave's group travels twice as fast as its phase.
    phase = 2 * np.pi * frequency / thin
    np.testing.assert_allclose(group_speed(material, frequency), 2 * phase, rtol=0.02)
    np.testing.assert_allclose(drive(material, frequency), 1, rtol=0.01)


@pytest.mark.parametrize("material", MATERIALS.values(), ids=MATERIALS)
def test_short_waves_travel_at_the_rayleigh_speed(material):
    frequency = np.array([1e8])
    speed = 2 * np.pi * frequency / wavenumber(material, frequency, damped=False).real
    shear = np.sqrt(material.shear_modulus_pa / material.density_kg_m3)
    # Roots of Rayleigh's cubic in (c / c_shear)², an independent way to the same speed.
    nu = material.poisson
    cubic = [1, -8, 24 - 8 * (1 - 2 * nu) / (1 - nu), -16 + 8 * (1 - 2 * nu) / (1 - nu)]
    ratio = min(np.sqrt(r.real) for r in np.roots(cubic) if abs(r.imag) < 1e-9 and 0 < r.real < 1)
    assert speed[0] == pytest.approx(ratio * shear, rel=0.01)


def test_damping_is_a_quarter_of_the_loss_factor_per_radian():
    material = replace(MATERIALS["mdf"], loss_factor=0.02)
    k = wavenumber(material, np.array([5.0]))
    assert -k.imag / k.real == pytest.approx(0.02 / 4, rel=0.02)


def test_the_point_response_is_the_infinite_plates():
    k = np.geomspace(5, 400, 60)
    distance = np.array([0.0, 0.01, 0.05, 0.1, 0.3, 1.0])
    kr = np.maximum(np.outer(distance, k), 1e-6)
    exact = hankel2(0, kr) - hankel2(0, -1j * kr)
    found = point_response(k.astype(complex), distance)
    assert np.abs(found - exact).max() < 2e-3
    np.testing.assert_allclose(np.abs(found[0]), 1, atol=1e-3)


def test_images_mirror_in_every_edge():
    positions, amplitudes = image_sources(np.array([0.2, 0.1]), TABLE_M, 0.5)
    assert len(positions) == 13
    known = {tuple(p): a for p, a in zip(np.round(positions, 9).tolist(), amplitudes, strict=True)}
    assert known[(0.2, 0.1)] == 1
    for first_order in [(-0.2, 0.1), (1.8, 0.1), (0.2, -0.1), (0.2, 1.1)]:
        assert known[first_order] == 0.5
    for second_order in [(-0.2, -0.1), (1.8, 1.1), (2.2, 0.1), (-1.8, 0.1), (0.2, 1.3)]:
        assert known[second_order] == 0.25


def impulse_responses(plate, position):
    spectra = np.zeros((8, LENGTH // 2 + 1), dtype=complex)
    lead = np.exp(-2j * np.pi * FREQUENCY * 0.01)
    # Causal, so that nothing but the plate can answer early.
    low = signal.freqs(*signal.butter(2, 2 * np.pi * 300, "highpass", analog=True), OMEGA)[1]
    high = signal.freqs(*signal.butter(6, 2 * np.pi * 20_000, analog=True), OMEGA)[1]
    spectra[:, 1:-1] = plate.spectra(position) * lead * low * high
    return np.fft.irfft(spectra, LENGTH, axis=1)


@pytest.mark.parametrize("name", MATERIALS)
def test_sound_reaches_the_microphones_in_order_of_distance_and_never_before_the_front(name):
    at = np.array([0.45, 0.3])
    reach = np.linspace(0.05, 0.25, 8)
    bearing = np.linspace(0, 2 * np.pi, 8, endpoint=False)
    microphones = at + reach[:, None] * np.stack([np.cos(bearing), np.sin(bearing)], axis=1)
    plate = Plate(MATERIALS[name], 1.0, TABLE_M, microphones, 0.0, FREQUENCY)
    heard = np.abs(impulse_responses(plate, at))
    first = (heard > 0.1 * heard.max(axis=1, keepdims=True)).argmax(axis=1) / RATE - 0.01
    # Neighbours may fall on the same sample.
    assert (np.diff(first) >= 0).all()
    assert (np.diff(first[::2]) > 0).all()
    front = reach / front_speed(MATERIALS[name])
    assert (first > front - 5e-5).all()
    assert (first < front + 5e-4).all()


def test_what_precedes_the_front_is_far_below_the_peak():
    microphones = np.array([[0.3 + 0.05 * i, 0.3] for i in range(8)])
    plate = Plate(MATERIALS["mdf"], 1.0, TABLE_M, microphones, 0.8, FREQUENCY)
    position = np.array([0.2, 0.2])
    heard = np.abs(impulse_responses(plate, position))
    front = plate.distances_m(position) / plate.front_speed_m_s
    for channel, arrival in zip(heard, front, strict=True):
        before = channel[: int((0.01 + arrival - 1e-4) * RATE)].max()
        assert 20 * np.log10(before / channel.max()) < -35


def test_a_faster_plate_is_faster_by_that_factor():
    microphones = np.full((8, 2), 0.3)
    slow = Plate(MATERIALS["glass"], 1.0, TABLE_M, microphones, 0.8, FREQUENCY)
    fast = Plate(MATERIALS["glass"], 1.05, TABLE_M, microphones, 0.8, FREQUENCY)
    assert fast.front_speed_m_s / slow.front_speed_m_s == pytest.approx(1.05)
