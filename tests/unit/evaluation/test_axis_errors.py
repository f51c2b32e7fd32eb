import numpy as np
import pytest

from tap2key.core.shipped import KEYBOARD
from tap2key.evaluation.axis_errors import AXIS_ERRORS, axis_errors
from tap2key.models.key_places import places_of
from tap2key.study.keyboard import load_keyboard

PLACES = places_of(load_keyboard(KEYBOARD), ("a", "s", "none"))


def test_bias_and_rmse_are_those_of_known_shifts_to_the_right_and_away():
    """The sensor's x grows to the left and its y towards the user, in 0.1 mm."""
    touched = np.array([[2650, 1090], [2440, 1080], [2660, 1100], [500, 700], [2650, 1090]])
    seen = -0.1 * touched
    shifts = np.array([[3.0, -1.0], [1.0, 1.0], [2.0, -3.0], [99.0, 99.0], [np.nan, np.nan]])
    # Taps outside every key, and those that are expected nowhere, have no error.
    found = axis_errors(np.array([0, 1, 0, 2, 0]), seen + shifts, touched, PLACES)
    assert [*found] == [*AXIS_ERRORS]
    assert [*found.values()] == pytest.approx([2, -1, (14 / 3) ** 0.5, (11 / 3) ** 0.5])


def test_without_a_place_there_is_no_error():
    nowhere = np.full((2, 2), np.nan)
    for expected, touched in ((nowhere, np.zeros((2, 2))), (np.zeros((2, 2)), nowhere)):
        found = axis_errors(np.array([0, 1]), expected, touched, PLACES)
        assert found == dict.fromkeys(AXIS_ERRORS)
