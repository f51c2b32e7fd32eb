import numpy as np
import pytest
from matplotlib.patches import FancyBboxPatch

from tap2key.core.shipped import KEYBOARDS
from tap2key.models.key_places import places_of
from tap2key.reports import plot_keyboard
from tap2key.study.keyboard import load_keyboard


@pytest.fixture
def drawn(tmp_path, monkeypatch):
    """Draws a map of so many taps of each key, a tenth of them misnamed; returns its parts."""
    figures = []
    monkeypatch.setattr(plot_keyboard, "save_picture", lambda figure, stem: figures.append(figure))

    def draw(keys, taps=10):
        count = len(keys.labels)
        counts = np.eye(count, dtype=int) * (taps - 1) + np.roll(np.eye(count, dtype=int), 1, 1)
        places = places_of(keys, keys.labels)
        plot_keyboard.draw_keyboard(tmp_path / "map", counts, {}, places, "A title", 1.0)
        return figures[-1].axes

    return draw


def boxes(axes):
    found = [patch.get_bbox() for patch in axes.patches if isinstance(patch, FancyBboxPatch)]
    return {tuple(np.round([b.x0, b.y0, b.width, b.height], 1)) for b in found}


def test_every_key_of_a_laptop_has_a_cap_of_its_size_and_none_overlap(drawn):
    keys = load_keyboard(KEYBOARDS / "ansi.csv")
    accuracy, *_ = drawn(keys)
    found = np.array(sorted(boxes(accuracy)))
    assert len(found) == len(keys.centres)
    np.testing.assert_allclose(
        np.sort(found[:, 2:], axis=0), np.sort(keys.sizes / 10, axis=0), atol=0.06
    )
    low, high = found[:, :2], found[:, :2] + found[:, 2:]
    meet = (np.maximum(low[:, None], low) < np.minimum(high[:, None], high) - 0.2).all(axis=2)
    assert meet.sum() == len(found)
    # x grows to the left in the file, and to the right on the picture.
    words = {text.get_text(): text.get_position() for text in accuracy.texts}
    assert words["a"][0] < words["s"][0] and words["q"][1] > words["a"][1]
    assert [text.get_text() for text in accuracy.texts].count("shift") == 2


def test_keys_without_a_place_are_listed(drawn, tmp_path):
    path = tmp_path / "keys.csv"
    path.write_text("label,x,y\na,100,0\nfn,,\nb,300,0\n")
    accuracy, confusions, errors = drawn(load_keyboard(path))
    said = [text.get_text() for text in accuracy.texts]
    assert "Not drawn, since the keyboard gives no place: fn 90 %" in said
    assert [len(boxes(axes)) for axes in (accuracy, confusions, errors)] == [2, 2, 2]
    path.write_text("label\na\nb\n")
    (axes,) = drawn(load_keyboard(path))
    assert [text.get_text() for text in axes.texts] == [
        "Not drawn, since the keyboard gives no place: a 90 %, b 90 %"
    ]
