from dataclasses import replace

import numpy as np
import pytest
from scipy import fft, signal

from tap2key.core.shipped import KEYBOARD
from tap2key.signal.delays import gcc_phat_delays, pairs
from tap2key.simulation import room
from tap2key.simulation.difficulty import load_difficulty
from tap2key.simulation.plate import MATERIALS, front_speed
from tap2key.simulation.random_streams import Purpose, stream
from tap2key.simulation.recording import render_recording
from tap2key.simulation.tap_sound import (
    SAMPLE_RATE,
    TapSound,
    draw_setup,
    half_sine_spectrum,
    on_table_m,
)
from tap2key.simulation.typist import draw_taps, draw_typist, key_order, tap_times
from tap2key.study.keyboard import load_keyboard


@pytest.fixture(scope="module")
def keyboard():
    return load_keyboard(KEYBOARD)


@pytest.fixture
def difficulty():
    return load_difficulty()


def setup_and_typist(keyboard, difficulty, seed=1):
    setup = draw_setup(stream(seed, Purpose.SETUP), "mdf", difficulty)
    return setup, draw_typist(stream(seed, Purpose.PERSON), keyboard, difficulty)


def test_a_quarter_of_the_taps_is_close_to_another(difficulty):
    times = tap_times(stream(1, Purpose.TAPS), 1000, 3.5, difficulty["rhythm"])
    gaps = np.diff(times, prepend=-np.inf, append=np.inf)
    nearest = np.minimum(gaps[:-1], gaps[1:])
    assert np.mean(nearest < 0.25) == pytest.approx(0.25, abs=0.002)
    assert 0.06 <= nearest.min() < 0.07
    typing = gaps[1:-1][gaps[1:-1] < 0.8]
    assert 1 / typing.mean() == pytest.approx(3.5, rel=0.1)


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_few_taps_are_possible(difficulty, count):
    times = tap_times(stream(1, Purpose.TAPS), count, 3.5, difficulty["rhythm"])
    assert len(times) == count
    assert (np.diff(times) > 0).all()


def test_keys_come_in_balanced_blocks_and_both_enters_occur(keyboard):
    centres = key_order(stream(1, Purpose.TAPS), keyboard, 34 * 20)
    blocks = keyboard.centre_labels[centres].reshape(20, 34)
    assert (np.sort(blocks, axis=1) == np.arange(34)).all()
    enter = np.flatnonzero(keyboard.centre_labels == keyboard.labels.index("|"))
    assert set(enter) <= set(centres)


def test_people_aim_with_four_millimetres_and_their_own_bias(keyboard, difficulty):
    typist = draw_typist(stream(1, Purpose.PERSON), keyboard, difficulty)
    taps = draw_taps(stream(1, Purpose.TAPS), typist, keyboard, difficulty, 34 * 100)
    # On the home row the bias is one offset, so what remains there is the aim.
    row = 108.8
    order = stream(1, Purpose.TAPS)
    tap_times(order, 34 * 100, typist.taps_per_s, difficulty["rhythm"])
    centres = keyboard.centres[key_order(order, keyboard, 34 * 100)] / 10
    off = (taps.position_mm - centres)[centres[:, 1] == row]
    np.testing.assert_allclose(off.std(axis=0), 4.0, rtol=0.1)
    np.testing.assert_allclose(off.mean(axis=0), typist.row_bias_mm[1088.0], atol=0.4)


def test_the_half_sine_is_the_transform_of_a_half_sine():
    duration, rate = 0.002, 1_000_000
    pulse = np.sin(np.pi * np.arange(0, duration, 1 / rate) / duration)
    frequency = fft.rfftfreq(65_536, 1 / rate)[1:300]
    sampled = fft.rfft(pulse, 65_536)[1:300] / rate
    np.testing.assert_allclose(half_sine_spectrum(frequency, duration), sampled, atol=2e-6)
    assert abs(half_sine_spectrum(np.array([250.0]), duration)[0]) == pytest.approx(
        duration / 2, rel=1e-4
    )


def test_the_air_carries_sound_at_343_metres_per_second(keyboard, difficulty):
    difficulty["plate"]["airborne_db"] = 80
    setup, typist = setup_and_typist(keyboard, difficulty)
    place = np.array([120.0, 110.0])
    tap = TapSound(setup, typist, difficulty).render(place, 0.003, 0.0003, 0.3, 0.0)
    apart = on_table_m(setup.microphones_mm, difficulty) - on_table_m(place, difficulty)
    distances = np.linalg.norm(apart, axis=1)
    expected = [(distances[b] - distances[a]) / 343.0 for a, b in pairs(8)]
    found = gcc_phat_delays(tap[None, :, :1024], SAMPLE_RATE, 0.0015)[0]
    np.testing.assert_allclose(found, expected, atol=3e-6)


def test_a_tap_starts_at_its_contact_to_a_fraction_of_a_sample(keyboard, difficulty):
    setup, typist = setup_and_typist(keyboard, difficulty)
    maker = TapSound(setup, typist, difficulty)
    taps = [maker.render(np.array([150.0, 120.0]), 0.003, 0.0003, 0.3, s) for s in (0.0, 0.4)]
    early, late = (fft.rfft(tap, axis=1)[:, 40:400] for tap in taps)
    turn = -2 * np.pi * np.arange(40, 400) / taps[0].shape[1]
    delays = np.angle(late / early) / turn
    assert np.median(delays) == pytest.approx(0.4, abs=0.005)


def test_the_noise_power_behind_the_high_pass_is_what_is_claimed(difficulty):
    sound, power = room.background(
        stream(1, Purpose.NOISE), 20 * SAMPLE_RATE, 2, SAMPLE_RATE, difficulty
    )
    heard = signal.sosfilt(room.high_pass(SAMPLE_RATE), list(sound), axis=1)
    assert 10 * np.log10(np.mean(heard**2) / power) == pytest.approx(0, abs=0.1)


@pytest.mark.parametrize("snr_db", [15, 30, 45])
def test_the_signal_to_noise_ratio_is_the_one_that_was_set(keyboard, difficulty, snr_db):
    difficulty["noise"].update(snr_db=[snr_db, snr_db], bursts_per_minute=0, wander_db=0.0)
    difficulty["rhythm"]["close_share"] = 0.0
    setup, typist = setup_and_typist(keyboard, difficulty)
    taps = draw_taps(stream(1, Purpose.TAPS), typist, keyboard, difficulty, 40)
    made = render_recording(stream(1, Purpose.NOISE), setup, typist, taps, difficulty)
    heard = signal.sosfilt(room.high_pass(SAMPLE_RATE), made.sound, axis=1)
    quiet = heard[:, int(0.1 * SAMPLE_RATE) : int((made.onset_s[0] - 0.01) * SAMPLE_RATE)]
    noise = np.mean(quiet**2)
    starts = (made.onset_s * SAMPLE_RATE).astype(int)
    powers = [np.mean(heard[:, s : s + SAMPLE_RATE // 50] ** 2) for s in starts]
    measured = 10 * np.log10((np.median(powers) - noise) / noise)
    assert measured == pytest.approx(snr_db, abs=0.7)


def test_bursts_are_added_as_often_and_as_loud_as_told(difficulty):
    difficulty["noise"].update(bursts_per_minute=600, burst_db=[3, 3])
    sound = np.zeros((8, SAMPLE_RATE * 2), dtype=np.float32)
    microphones = np.random.default_rng(0).uniform(0, 0.3, (8, 2))
    count = room.add_bursts(
        stream(2, Purpose.NOISE), sound, microphones, SAMPLE_RATE, 1.0, difficulty
    )
    assert 8 < count < 35
    assert np.abs(sound).max() > 1


def test_a_room_returns_as_much_as_its_size_says_and_for_as_long(difficulty):
    """At √(V/(100πT)) direct and returned sound are alike: Kuttruff, Room Acoustics, ch. 5."""
    difficulty["reverberation"].update(rt60_s=0.6, volume_m3=150.0, starts_ms=5.0)
    dry = np.zeros(64)
    dry[10] = 1.0
    sound = room.reverberation(stream(1, Purpose.NOISE), dry, 4, SAMPLE_RATE, difficulty)
    assert sound.shape == (4, round(0.6 * 0.75 * SAMPLE_RATE) + 63)
    first = round(0.005 * SAMPLE_RATE) + 10
    assert (np.abs(sound[:, : first - 1]) < 1e-6).all()
    # What would have come before the start is missing, and what is fainter than -45 dB.
    left = 10 ** (-6 * 0.005 / 0.6) - 10**-4.5
    distance2 = 150 / (100 * np.pi * 0.6)
    assert np.mean((sound**2).sum(axis=1)) == pytest.approx(left / distance2, rel=0.05)
    window = SAMPLE_RATE // 20
    early, late = (np.mean(sound[:, s : s + window] ** 2) for s in (first, first + 2 * window))
    assert 10 * np.log10(early / late) == pytest.approx(60 * 0.1 / 0.6, abs=1)
    assert np.abs(np.corrcoef(sound) - np.eye(4)).max() < 0.1


def test_a_room_adds_only_its_reverberation(keyboard, difficulty):
    difficulty["noise"]["snr_db"] = [150, 150]
    difficulty["noise"]["bursts_per_minute"] = 0
    setup, typist = setup_and_typist(keyboard, difficulty)
    taps = draw_taps(stream(1, Purpose.TAPS), typist, keyboard, difficulty, 1)

    def made():
        noise = stream(1, Purpose.NOISE)
        return render_recording(noise, setup, typist, taps, difficulty).sound

    without = made()
    difficulty["reverberation"]["rt60_s"] = 0.5
    sound = made()
    start = int((taps.contact_s[0] + 0.004) * SAMPLE_RATE)
    np.testing.assert_allclose(sound[:, :start], without[:, :start], atol=1e-5)
    late = slice(start + 2 * SAMPLE_RATE // 20, start + 4 * SAMPLE_RATE // 20)
    assert np.std(sound[:, late]) > 5 * np.std(without[:, late])


def test_a_thicker_table_is_faster(keyboard, difficulty):
    difficulty["table"]["thickness"] = 2.0
    setup, typist = setup_and_typist(keyboard, difficulty)
    at = np.array([160.0, 120.0])
    speed = front_speed(replace(MATERIALS["mdf"], thickness_m=0.036)) * setup.speed_factor
    assert speed > 1.005 * front_speed(MATERIALS["mdf"]) * setup.speed_factor
    nearest_mm = np.linalg.norm(setup.microphones_mm - at, axis=1).min()
    arrival_s = TapSound(setup, typist, difficulty).arrival_s(at)
    assert arrival_s == pytest.approx(nearest_mm / 1000 / speed)
