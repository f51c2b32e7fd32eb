"""Keys beside a table of their strokes: the clock under a steady rhythm, and settled roles."""

import numpy as np
import pytest

from tap2key.segmentation.linear_clock import Clock
from tap2key.segmentation.piecewise_clock import Piece
from tap2key.segmentation.strokes import beside_truth, find_stroke_clock, pair_presses
from tap2key.signal.releases import CONTACT, PRESS, RELEASE

LATENCY = 0.757


def rhythm(seed, count=100, spread=0.02, jitter=0.004):
    """Presses at a steady rhythm and when a logger noticed them, `LATENCY` before."""
    rng = np.random.default_rng(seed)
    press_s = 2 + np.cumsum(rng.normal(0.29, spread, count))
    return press_s, press_s - LATENCY + rng.normal(0, jitter, count)


@pytest.mark.parametrize("jitter", [0.002, 0.005, 0.016])
@pytest.mark.parametrize("seed", range(5))
def test_a_steady_rhythm_has_one_clock(seed, jitter):
    press_s, stroke_s = rhythm(seed, jitter=jitter)
    pieces, reason = find_stroke_clock(press_s, stroke_s, press_s[-1] + 0.5, None)
    assert not reason
    assert len(pieces) == 1
    assert pieces[0].clock.latency_s == pytest.approx(LATENCY, abs=0.006)


@pytest.mark.parametrize("seed", range(5))
def test_too_steady_a_rhythm_is_left_out_rather_than_shifted_by_a_press(seed):
    press_s, stroke_s = rhythm(seed, count=12, spread=0.001)
    pieces, reason = find_stroke_clock(press_s, stroke_s, press_s[-1] + 0.5, None)
    if pieces:
        assert pieces[0].clock.latency_s == pytest.approx(LATENCY, abs=0.02)
    else:
        assert "ambiguous" in reason


def test_a_known_clock_is_taken_as_it_is():
    press_s, stroke_s = rhythm(0)
    for pinned, latency in ((None, 0.0), (0.25, 0.25)):
        pieces, reason = find_stroke_clock(press_s, stroke_s, 40.0, pinned, known=True)
        assert pieces == [Piece(0.0, 40.0, Clock(latency))]
        assert not reason


def test_a_step_of_the_clock_is_found():
    rng = np.random.default_rng(3)
    press_s = 1 + np.cumsum(rng.uniform(0.2, 0.6, 160))
    stroke_s = press_s + 0.2 + np.where(np.arange(160) < 80, 0, 0.9)
    pieces, _ = find_stroke_clock(press_s, stroke_s, press_s[-1] + 1, None)
    assert [piece.clock.latency_s for piece in pieces] == pytest.approx([-0.2, -1.1], abs=0.02)


def test_strokes_of_something_else_have_no_clock():
    rng = np.random.default_rng(4)
    press_s, other = (1 + np.cumsum(rng.uniform(0.2, 0.6, 100)) for _ in range(2))
    pieces, reason = find_stroke_clock(press_s, other, press_s[-1], None)
    assert not pieces
    assert reason


def test_a_release_is_never_a_second_press():
    tap_s = np.array([0.95, 1.0, 1.1, 2.0, 2.09, 3.1, 5.0])
    roles = np.array([PRESS, PRESS, PRESS, RELEASE, PRESS, RELEASE, PRESS])
    stroke_s = np.array([1.005, 2.0, 3.0])
    pieces = [Piece(0.0, 6.0, Clock(0.0))]
    matched, settled = pair_presses(pieces, tap_s, roles, stroke_s, np.zeros(3, int), 6.0, 0.1)
    # What the sounds alone took for a release has a stroke; of the third press no sound was heard.
    assert matched.tolist() == [-1, 0, -1, 1, -1, -1, -1]
    assert settled.tolist() == [CONTACT, PRESS, RELEASE, PRESS, RELEASE, RELEASE, PRESS]


def test_sounds_far_from_strokes_keep_their_roles():
    tap_s, roles = np.array([1.0, 2.0, 3.0]), np.array([PRESS, RELEASE, CONTACT])
    settled = beside_truth(tap_s, roles, np.full(3, -1), np.array([9.0]))
    np.testing.assert_array_equal(settled, roles)
