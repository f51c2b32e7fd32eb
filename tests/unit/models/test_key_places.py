import numpy as np
import pytest

from tap2key.core.errors import Tap2keyError
from tap2key.core.shipped import KEYBOARD, KEYBOARDS
from tap2key.models.key_places import error_ellipses, expected_places, location_scores, places_of
from tap2key.models.softness import Softness
from tap2key.study.keyboard import load_keyboard
from tap2key.training.soft_labels import soft_labels

SOFTNESS = [Softness(), Softness(1.0, 9.0)]


@pytest.fixture
def keyboard(tmp_path):
    def made(text):
        path = tmp_path / "keys.csv"
        path.write_text(text)
        return load_keyboard(path)

    return made


@pytest.mark.parametrize("softness", SOFTNESS)
def test_a_key_being_released_is_a_key_without_a_place(keyboard, softness):
    text = "label,x,y\na,400,0\ns,200,0\nx,100,190\n"
    plain, listed = keyboard(text), keyboard(f"{text}release,,\n")
    labels = (*plain.labels, "release")
    one, other = places_of(plain, labels), places_of(listed, labels)
    np.testing.assert_array_equal(one.centres, other.centres)
    assert one.placed.tolist() == [True, True, True, False]
    truth = np.array([0, 1, 2, 3] * 5)
    probabilities = likely(np.random.default_rng(2), truth, 4)
    expected = expected_places(probabilities, one, softness)
    np.testing.assert_array_equal(expected, expected_places(probabilities, other, softness))
    assert not np.isnan(expected[truth != 3]).any()
    touched = plain.centres[truth % 3].astype(float)
    touched[truth == 3] = np.nan
    shares, elsewhere = soft_labels(truth, touched, one, 9)
    np.testing.assert_array_equal(shares[truth == 3], np.eye(4)[[3] * 5])
    assert not shares[truth != 3, 3].any() and not elsewhere.any()
    with pytest.raises(Tap2keyError, match="the keyboard has no key 'y'"):
        places_of(plain, ("a", "y", "release"))


def likely(rng, truth, labels):
    probabilities = rng.dirichlet(np.ones(labels), len(truth))
    probabilities[np.arange(len(truth)), truth] += 2
    return probabilities / probabilities.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("softness", SOFTNESS)
def test_a_mirrored_file_that_says_so_is_the_same_keyboard(keyboard, softness):
    lines = [line.split(",", 3) for line in KEYBOARD.read_text().splitlines()[1:]]
    rows = [f"{label},{-float(x)},{y},{rest}\n" for label, x, y, rest in lines]
    mirrored = keyboard("label,x_right,y,types,outside\n" + "".join(rows))
    usual = load_keyboard(KEYBOARD)
    one, other = (places_of(keys, keys.labels) for keys in (usual, mirrored))
    np.testing.assert_array_equal(one.centres, other.centres)
    rng = np.random.default_rng(0)
    touched = rng.uniform([500, 800], [2800, 1500], (200, 2))
    truth = usual.nearest(touched)
    np.testing.assert_array_equal(mirrored.nearest(touched * [-1, 1]), truth)
    probabilities = likely(rng, truth, len(one.labels))
    expected = expected_places(probabilities, one, softness)
    np.testing.assert_array_equal(expected_places(probabilities, other, softness), expected)
    scores = location_scores(truth, expected, touched, one)
    assert location_scores(truth, expected, touched * [-1, 1], other) == scores
    np.testing.assert_array_equal(
        soft_labels(truth, touched * [-1, 1], other, 9)[0], soft_labels(truth, touched, one, 9)[0]
    )


@pytest.mark.parametrize("softness", SOFTNESS)
def test_a_key_without_a_place_changes_nothing_for_the_others(keyboard, softness):
    text = "label,x,y\na,400,0\ns,200,0\nd,0,0\nx,100,190\n"
    whole = keyboard(text)
    more = keyboard(f"{text}shift,,\n")
    assert more.labels == (*whole.labels, "shift")
    rng = np.random.default_rng(1)
    truth = rng.integers(4, size=50)
    probabilities = likely(rng, truth, 4)
    with_shift = np.column_stack([probabilities * 0.9, np.full(50, 0.1)])
    places = places_of(more, more.labels)
    expected = expected_places(with_shift, places, softness)
    np.testing.assert_allclose(
        expected, expected_places(probabilities, places_of(whole, whole.labels), softness)
    )
    mostly_shift = np.column_stack([probabilities * 0.4, np.full(50, 0.6)])
    assert np.isnan(expected_places(mostly_shift, places, softness)).all()
    # Taps of that key have no error in mm, and no place on the map.
    truth[:10] = 4
    known = location_scores(truth[10:], expected[10:], np.full((40, 2), np.nan), places)
    assert location_scores(truth, expected, np.full((50, 2), np.nan), places) == known
    assert set(error_ellipses(truth, expected, places)) == {0, 1, 2, 3}


@pytest.mark.parametrize("softness", SOFTNESS)
def test_without_any_place_nothing_is_said_in_millimetres(keyboard, softness):
    keys = keyboard("label\na\nb\n")
    places = places_of(keys, keys.labels)
    expected = expected_places(np.array([[0.9, 0.1], [0.2, 0.8]]), places, softness)
    assert np.isnan(expected).all()
    scores = location_scores(np.array([0, 1]), expected, np.zeros((2, 2)), places)
    assert set(scores.values()) == {None}


def test_the_nearest_point_of_a_long_key_is_on_its_middle_line():
    keys = load_keyboard(KEYBOARDS / "ansi.csv")
    places = places_of(keys, ["a", "space", "shift"])
    a, space = places.centres[:2]
    # x is to the right and y away from the user: the space bar is right of `a` and nearer.
    assert space[0] > a[0] and space[1] < a[1]
    left_end = space - [(116.0125 - 16) / 2, 0]
    found = places.nearest_parts(np.array([left_end - (5, 0), np.add(space, (10, -3))]))
    np.testing.assert_allclose(found[:, 1], [left_end, np.add(space, (10, 0))], atol=1e-3)
    np.testing.assert_allclose(found[:, 0], [a, a])
    shifts = places.parts["shift"]
    np.testing.assert_allclose(
        places.nearest_parts(np.add(shifts, (0, 1)))[:, 2], shifts, atol=1e-9
    )


def test_soft_labels_leave_out_what_has_no_place(keyboard):
    keys = keyboard("label,x,y,outside\na,400,0,\ns,200,0,\noff,,,yes\n")
    places = places_of(keys, keys.labels)
    touched = np.array([[390, 0], [210, 0], [np.nan, np.nan]])
    shares, elsewhere = soft_labels(np.array([0, 1, 2]), touched, places, 9)
    assert (shares[:2, 2] == 0).all() and (shares[:2, :2] > 0.05).all()
    assert shares[2].tolist() == [0, 0, 1] and not elsewhere.any()
