import numpy as np
import pytest

from tap2key.core.errors import Tap2keyError
from tap2key.core.shipped import KEYBOARD
from tap2key.study.keyboard import OUTSIDE, load_keyboard

KEYS = [*"abcdefghijklmnopqrstuvwxyz", "|", "_1", "_2", "_3", "_4", "_5", "_6", "none"]


@pytest.fixture(scope="module")
def shipped():
    return load_keyboard(KEYBOARD)


def test_the_shipped_keyboard_has_the_34_keys(shipped):
    assert sorted(shipped.labels) == sorted(KEYS)
    assert shipped.labels[:10] == tuple("qwertyuiop")
    counts = np.bincount(shipped.centre_labels)
    several = {label: n for label, n in zip(shipped.labels, counts, strict=True) if n > 1}
    assert several == {"|": 2, OUTSIDE: 38}


@pytest.mark.parametrize(
    ("x", "y", "key"),
    [
        (2700, 894, "q"),
        (1625, 1264, "n"),
        (700, 1088, "|"),
        (534, 1088, "|"),
        (1360, 1460, "_6"),
        (500, 700, "none"),
        (700, 1300, "none"),
        (1000, 1500, "none"),
    ],
)
def test_centres_are_where_they_were_measured(shipped, x, y, key):
    assert shipped.labels[shipped.nearest([[x, y]])[0]] == key


def test_nearest_and_margin_agree_with_a_plain_loop(shipped):
    rng = np.random.default_rng(0)
    touches = np.column_stack([rng.uniform(200, 3100, 300), rng.uniform(600, 1700, 300)])
    named, margins = shipped.nearest(touches), shipped.boundary_margin_mm(touches)
    for (x, y), found, margin in zip(touches, named, margins, strict=True):
        best = {}
        for label, (cx, cy) in zip(shipped.centre_labels, shipped.centres, strict=True):
            distance = ((x - cx) ** 2 + (y - cy) ** 2) ** 0.5
            best[label] = min(distance, best.get(label, np.inf))
        first, second = sorted(best, key=best.get)[:2]
        assert found == first
        assert margin == pytest.approx(0.1 * (best[second] - best[first]), abs=1e-9)


def test_between_the_two_centres_of_enter_the_margin_is_to_another_key(shipped):
    # 617 lies midway between them, where a margin between centres rather than keys would be 0.
    assert shipped.boundary_margin_mm([[617, 1088]])[0] > 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("key,x,y\na,1,2\n", "no column label; add it"),
        ("label,x,y,z\na,1,2,3\n", "the header must be label,x,y"),
        ("label,x,y\na,1,2\nb,1,two\n", "line 3: x and y must be numbers"),
        ("label,x,y\na,1\n", "line 2: x and y must be numbers"),
        ("label,x,y\na,1,2\np,nan,894\n", "line 3: x and y must be numbers"),
        ("label,x,y\na,1,2\np,inf,894\n", "line 3: x and y must be numbers"),
        ("label,x,y\na,1,2\np,1_000,894\n", "line 3: x and y must be numbers"),
        ("label;x;y\na;1;2\np;1,5;894\n", "line 3: x and y must be numbers .* decimal point"),
        ("label,x,y\na,1,2\n,3,4\n", "line 3: the label '' is blank"),
        ("label,x,y\na,1,2\n  ,3,4\n", "line 3: the label '  ' is blank"),
        ("label,x,y\na,1,2\na\tb,3,4\n", r"line 3: the label 'a\\tb' .* control"),
        ("label,x,y\na,1,2\n\nb,1.0,2\n", "line 4: the same centre as in line 2"),
        ("label,x,y\na,1,2\na,1,2\nb,3,4\n", "line 3: the same centre as in line 2"),
        ("label,x,y\na,1,2\nb,3,4,5\n", "line 3: more cells"),
        ("label,x,y\na,1,2\na,3,4\n", "at least two different labels"),
    ],
)
def test_a_keyboard_that_cannot_be_used_is_refused(tmp_path, text, message):
    path = tmp_path / "keys.csv"
    path.write_text(text)
    with pytest.raises(Tap2keyError, match=message) as error:
        load_keyboard(path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize(
    "data",
    [
        'label,x,y\na,1,2\n",",3.5,4\n',
        "label;x;y\r\na;1;2\r\n,;3.5;4\r\n",
        "\ufefflabel\tx\ty\ra\t1\t2\r,\t3.5\t4\r",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_keyboard_saved_by_a_spreadsheet_reads_alike(tmp_path, data, encoding):
    path = tmp_path / "keys.csv"
    path.write_bytes(data.removeprefix("\ufeff" if encoding == "utf-16" else "").encode(encoding))
    found = load_keyboard(path)
    assert found.labels == ("a", ",")
    assert found.centres.tolist() == [[1, 2], [3.5, 4]]


def test_a_missing_keyboard_is_named(tmp_path):
    with pytest.raises(Tap2keyError, match=r"absent\.csv: no such file"):
        load_keyboard(tmp_path / "absent.csv")
