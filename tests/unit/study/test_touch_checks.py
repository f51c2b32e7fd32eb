from datetime import datetime

import numpy as np
import pytest

from tap2key.core.errors import Tap2keyError
from tap2key.core.shipped import KEYBOARD
from tap2key.study.keyboard import load_keyboard
from tap2key.study.touch_checks import check_touches
from tap2key.study.touches import Touches


def touched(seed=0, count=60, step_us=1):
    """Touches about keys, a fifth of them anywhere on the keyboard; times rounded to a step."""
    rng = np.random.default_rng(seed)
    centres = load_keyboard(KEYBOARD).centres
    xy = centres[rng.integers(len(centres), size=count)] + rng.normal(0, 40, (count, 2))
    anywhere = rng.random(count) < 0.2
    xy[anywhere] = rng.uniform(centres.min(axis=0), centres.max(axis=0), (anywhere.sum(), 2))
    seconds = np.cumsum(rng.uniform(0.1, 0.6, count))
    micros = (seconds * 1e6).astype("int64") // step_us * step_us
    start = np.datetime64(datetime(2023, 1, 27, 13, 5), "us")
    return Touches(start + micros.astype("timedelta64[us]"), xy, np.zeros(count, int))


def refused(touches, keyboard=KEYBOARD):
    with pytest.raises(Tap2keyError) as raised:
        check_touches(touches, load_keyboard(keyboard), ["log_nnode.csv"])
    assert "log_nnode.csv" in str(raised.value)
    assert "\n" not in str(raised.value)
    return str(raised.value)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("step_us", [1, 1000, 10_000])
def test_sound_touches_pass(seed, step_us):
    check_touches(touched(seed, step_us=step_us), load_keyboard(KEYBOARD), [])


@pytest.mark.parametrize(("step_us", "words"), [(1_000_000, "1 s"), (100_000, "0.1 s")])
def test_times_without_their_fractions_are_refused(step_us, words):
    assert f"in steps of {words}" in refused(touched(step_us=step_us))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda xy: xy / 10, "look like millimetres"),
        (lambda xy: xy * 10, "0.01 mm"),
        (lambda xy: xy[:, ::-1], "x and y look swapped"),
        (lambda xy: xy + np.array([4000, 0]), "mend the coordinates"),
    ],
)
@pytest.mark.parametrize("seed", range(5))
def test_places_beside_the_keyboard_are_refused_with_what_they_look_like(damage, words, seed):
    made = touched(seed)
    assert words in refused(Touches(made.times, damage(made.xy), made.run))


def test_a_few_touches_say_nothing():
    made = touched()
    few = Touches(made.times[:7], made.xy[:7] / 10, made.run[:7])
    check_touches(few, load_keyboard(KEYBOARD), [])
