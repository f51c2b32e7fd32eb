import numpy as np
import pytest

from tap2key.segmentation.linear_clock import Clock, clock_near, estimate_clock


def heard_and_touched(rng, count, rhythm="human", drift=None):
    """Tap and touch times of one recording with its faults, and what is true of it."""
    gaps = {
        "human": np.where(
            rng.random(count) < 0.25,
            rng.uniform(0.06, 0.25, count),
            0.26 + rng.gamma(1.5, 0.05, count),
        ),
        "metronome": np.full(count, 0.5) + rng.normal(0, 0.005, count),
    }[rhythm]
    taps = 1 + np.cumsum(gaps)
    duration = taps[-1] + 1
    latency = rng.uniform(-0.3, 0.05)
    drift = rng.uniform(-5e-5, 5e-5) if drift is None else drift
    slow = np.diff(taps, prepend=0) > 0.6
    delay = 0.004 + rng.uniform(0, np.where(slow, 0.03, 0.01))
    seen = rng.random(count) > 0.03
    touches = (taps * (1 + drift) - latency + delay)[seen]
    phantoms = rng.uniform(-2, duration + 2, rng.poisson(0.02 * count + 1))
    coughs = rng.uniform(0, duration, rng.poisson(0.02 * count))
    taps = np.sort(np.r_[taps[rng.random(count) > 0.01], coughs])
    return taps, np.sort(np.r_[touches, phantoms]), duration, latency - delay[seen].mean(), drift


@pytest.mark.parametrize("count", [20, 150])
def test_latency_is_found_to_a_millisecond(count):
    errors = []
    for seed in range(25):
        taps, touches, duration, latency, _ = heard_and_touched(np.random.default_rng(seed), count)
        clock, reason = estimate_clock(taps, touches, duration)
        assert clock is not None, reason
        errors.append(1000 * (clock.latency_s - latency))
    assert np.sqrt(np.mean(np.square(errors))) < 1.0
    assert np.abs(errors).max() < 4


def test_drift_of_half_an_hour_is_found():
    taps, touches, duration, latency, drift = heard_and_touched(
        np.random.default_rng(1), 5000, drift=80e-6
    )
    clock, reason = estimate_clock(taps, touches, duration)
    assert clock is not None, reason
    assert clock.drift == pytest.approx(drift, abs=1e-6)
    assert clock.latency_s == pytest.approx(latency, abs=1e-3)


@pytest.mark.parametrize("wrong_by", [0, 0.02])
def test_the_clock_near_a_given_latency_is_found(wrong_by):
    taps, touches, duration, latency, drift = heard_and_touched(
        np.random.default_rng(1), 5000, drift=80e-6
    )
    clock, _ = clock_near(latency + wrong_by, taps, touches, duration)
    assert clock.latency_s == pytest.approx(latency, abs=1e-3)
    assert clock.drift == pytest.approx(drift, abs=1e-6)


def test_a_few_taps_and_touches_that_meet_keep_a_given_latency():
    taps = np.array([1.0, 2.0, 2.7, 3.5])
    assert clock_near(-0.1, taps, taps[[0, 1, 3]] + 0.11, 5) == (Clock(-0.1), "")


@pytest.mark.parametrize("touches", [np.array([1.7, 3.2]), np.array([1.11])])
def test_a_few_that_do_not_meet_refuse_it(touches):
    clock, reason = clock_near(-0.1, np.array([1.0, 2.0, 2.7, 3.5]), touches, 5)
    assert clock is None
    assert f"of {len(touches)} touches fit 4 taps" in reason


@pytest.mark.parametrize("shift", [None, 0.4])
def test_a_given_latency_that_nothing_fits_is_refused(shift):
    rng = np.random.default_rng(2)
    taps = np.sort(rng.uniform(0, 60, 200))
    touches = np.sort(rng.uniform(0, 60, 200)) if shift is None else taps + shift
    clock, reason = clock_near(-0.1, taps, touches, 60)
    assert clock is None
    assert "of 200 touches fit 200 taps at the given latency (-0.100 s)" in reason


def test_the_stated_uncertainty_is_true():
    errors = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        taps = np.sort(rng.uniform(0, 40, 80))
        drift = rng.normal(0, 30e-6)
        touches = np.sort(taps * (1 + drift) + 0.14 + rng.normal(0, 0.005, 80))
        clock, _ = estimate_clock(taps, touches, 41.0)
        errors.append((clock.latency_s + 0.14) / clock.latency_sd_s)
    assert 0.7 < np.std(errors) < 1.4


def test_a_regular_rhythm_is_left_out_rather_than_shifted():
    left_out = 0
    for seed in range(40):
        taps, touches, duration, latency, _ = heard_and_touched(
            np.random.default_rng(seed), 12, "metronome"
        )
        clock, reason = estimate_clock(taps, touches, duration)
        if clock is None:
            left_out += 1
            assert "latency_s" in reason
        else:
            assert abs(clock.latency_s - latency) < 0.03
    assert left_out > 5


@pytest.mark.parametrize("count", [10, 30, 150])
def test_touches_of_something_else_are_left_out(count):
    for seed in range(25):
        taps, _, duration, _, _ = heard_and_touched(np.random.default_rng(seed), count)
        _, touches, _, _, _ = heard_and_touched(np.random.default_rng(1000 + seed), count)
        clock, reason = estimate_clock(taps, touches, duration)
        assert clock is None, (seed, clock)
        assert reason


@pytest.mark.parametrize("taps, touches", [(0, 0), (0, 20), (20, 0), (3, 3)])
def test_too_little_to_go_by(taps, touches):
    clock, reason = estimate_clock(np.arange(taps) * 0.5, np.arange(touches) * 0.5, 20.0)
    assert clock is None
    assert "too few" in reason


def test_sign_convention():
    assert Clock(-0.14).expected_touch_s(np.array([1.0])) == pytest.approx(1.14)
    assert Clock(-0.14, jitter_s=0.004).reach_s(0.1) == pytest.approx(0.03)
    assert Clock(-0.14).reach_s(0.1) == 0.1
