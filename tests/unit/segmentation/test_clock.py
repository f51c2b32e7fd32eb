import numpy as np
import pytest
from timings import Timings, timings

from tap2key.segmentation.clock import (
    find_clock,
    gaps,
    pieces_cell,
    pieces_of_cell,
    steps,
)
from tap2key.segmentation.labels import paired
from tap2key.segmentation.linear_clock import Clock
from tap2key.segmentation.piecewise_clock import Piece
from tap2key.segmentation.recordings_table import clock_warnings

SEEDS = range(6)


def labelled(made: Timings, run=None, pinned=None):
    """The recording's pieces, and of its taps which are labelled, wrongly so, and could be."""
    pieces, reason = find_clock(made.tap_s, made.touch_s, made.duration_s, pinned)
    assert pieces or reason
    run = made.run if run is None else run
    matched, _, _ = paired(pieces, made.tap_s, made.touch_s, run, made.duration_s, 0.1)
    has = matched >= 0
    wrong = has & (made.touch[matched] != made.tap)
    could = (made.tap >= 0) & np.isin(made.tap, made.touch)
    return pieces, has, wrong, could


def totals(counts=(150, 400), **change):
    """The share of wrong labels, and of taps with a touch but without a label."""
    counted = []
    for count in counts:
        for seed in SEEDS:
            _, has, wrong, could = labelled(timings(seed, count, **change))
            counted.append((has.sum(), wrong.sum(), could.sum(), (could & ~has).sum()))
    labels, wrongs, possible, missing = np.sum(counted, axis=0)
    return wrongs / labels, missing / possible


@pytest.mark.parametrize(
    "by", [0.06, -0.06, 0.1, -0.1, 0.25, -0.25, 1, -1, 1.9, -1.9, 10, -10, 60, -60, 3600, -3600]
)
@pytest.mark.parametrize("at", [0.2, 0.6])
def test_a_sensor_clock_that_is_set_shifts_no_label(at, by):
    wrong, unlabelled = totals(set_by=[(at, by)])
    assert wrong <= 0.001
    assert unlabelled <= 0.02


@pytest.mark.parametrize("gap", [0.06, 0.25, 1, 10])
@pytest.mark.parametrize("at", [0.3, 0.8])
def test_lost_samples_shift_no_label(at, gap):
    wrong, unlabelled = totals(lost=[(at, gap)])
    assert wrong <= 0.001
    assert unlabelled <= 0.02


def test_two_steps_of_either_sign():
    wrong, unlabelled = totals(set_by=[(0.3, 0.15), (0.7, -0.4)])
    assert wrong <= 0.001
    assert unlabelled <= 0.02


@pytest.mark.parametrize("gap", [0.005, 0.01, 0.021, 0.1])
def test_buffers_lost_again_and_again_shift_no_label(gap):
    shares = np.sort(np.random.default_rng(1).uniform(0, 1, 16))
    wrong, unlabelled = totals((400,), lost=[(share, gap) for share in shares])
    assert wrong <= 0.001
    # Half a percent of the recording for each loss.
    assert unlabelled <= 0.005 * len(shares)


@pytest.mark.parametrize("count", [20, 90, 400])
def test_a_sound_recording_has_one_piece(count):
    for seed in range(40):
        pieces, has, wrong, could = labelled(timings(seed, count))
        assert len(pieces) == 1, seed
        assert wrong.sum() <= 2
        assert (could & ~has).sum() <= 2


def test_a_step_is_told_with_its_place_and_size():
    made = timings(3, 400, set_by=[(0.4, 0.25)])
    pieces, _, _, _ = labelled(made)
    ((at, by),) = steps(pieces)
    assert at == pytest.approx(0.4 * made.duration_s, abs=1.0)
    assert by == pytest.approx(0.25, abs=0.004)
    assert pieces[0].clock.latency_s == pytest.approx(made.latency_s, abs=0.02)
    warnings = clock_warnings(pieces, made.tap_s, np.zeros(len(made.tap_s), int), made.duration_s)
    assert f"the clock steps near {at:.2f} s: touches come {by:+.3f} s later" in warnings


def test_where_touches_stop_taps_are_left_out_with_a_reason():
    made = timings(5, 300, stops=0.4)
    pieces, has, wrong, could = labelled(made)
    assert wrong.sum() == 0
    assert (could & ~has).sum() <= 2
    matched = np.where(has, 0, -1)
    gap, few = clock_warnings(pieces, made.tap_s, matched, made.duration_s)
    ((start, end, count),) = gaps(pieces, made.tap_s, made.duration_s)
    assert start == pytest.approx(0.4 * made.duration_s, abs=2)
    assert f"{count} taps between {start:.2f} and {end:.2f} s" in gap
    assert f"only {has.sum()} of {len(has)} taps have a touch" in few


def test_a_clock_set_back_is_told_by_the_order_of_the_log():
    wrong, out = 0, {True: 0, False: 0}
    for seed in range(10):
        made = timings(seed, 400, set_by=[(0.6, -10)])
        for known in (True, False):
            run = made.run if known else np.zeros_like(made.run)
            _, has, shifted, could = labelled(made, run=run)
            wrong += shifted.sum()
            out[known] += (could & ~has).sum()
    # Without that order some taps may have either of two touches, and get none.
    assert wrong <= 10
    assert out[True] < out[False] / 4


def test_touches_of_something_else_have_no_clock():
    for count in (10, 40, 200):
        for seed in range(20):
            made, other = timings(seed, count), timings(1000 + seed, count)
            assert not find_clock(made.tap_s, other.touch_s, made.duration_s, None)[0]


def test_a_start_that_is_wrong_by_an_hour_is_named():
    made = timings(2, 100)
    pieces, reason = find_clock(made.tap_s, made.touch_s + 3600, made.duration_s, None)
    assert not pieces
    assert "+3600." in reason
    assert "correct the start in the name or in study.tsv" in reason


def test_too_few_touches_are_told_where_a_latency_is_pinned():
    _, reason = find_clock(np.arange(5.0), np.arange(5.0), 10.0, None)
    assert reason.endswith("pin segment.latency_s, or latency_s in study.tsv")


def test_a_given_latency_is_kept_where_taps_and_touches_agree():
    made = timings(4, 100)
    given = made.latency_s + 0.01
    (piece,), has, wrong, could = labelled(made, pinned=given)
    assert piece.clock.latency_s == given
    assert wrong.sum() <= 1
    assert (could & ~has).sum() <= 1


def test_a_given_latency_that_taps_and_touches_contradict_is_refused():
    made = timings(4, 100)
    pieces, reason = find_clock(made.tap_s, made.touch_s, made.duration_s, made.latency_s - 0.3)
    assert not pieces
    assert f"{made.latency_s - 0.3:.3f} s" in reason
    assert "latency" in reason


def test_a_given_latency_holds_up_to_a_step():
    made = timings(4, 200, set_by=[(0.5, 0.4)])
    pieces, has, wrong, _ = labelled(made, pinned=made.latency_s)
    assert pieces[0].clock.latency_s == made.latency_s
    assert len(pieces) == 2
    assert wrong.sum() <= 1
    assert has.mean() > 0.9


def test_a_few_taps_by_a_given_latency():
    tap_s = np.array([1.0, 2.0, 2.7])
    pieces, _ = find_clock(tap_s, tap_s + 0.14, 4.0, -0.14)
    assert pieces == [Piece(0.0, 4.0, Clock(-0.14))]


def test_pieces_survive_their_cell():
    pieces = [Piece(0.0, 12.5, Clock(-0.14, 2e-5)), Piece(12.75, 60.0, Clock(59.86, -3e-6))]
    back = pieces_of_cell(pieces_cell(pieces))
    assert [(p.start_s, p.end_s) for p in back] == [(0.0, 12.5), (12.75, 60.0)]
    assert [p.clock.latency_s for p in back] == [-0.14, 59.86]
    assert [p.clock.drift for p in back] == pytest.approx([2e-5, -3e-6])
    assert pieces_of_cell("") == []
