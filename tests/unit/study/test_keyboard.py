import numpy as np
import pytest

from tap2key.core.errors import Tap2keyError
from tap2key.core.shipped import KEYBOARD, KEYBOARDS
from tap2key.study.keyboard import load_keyboard, usual_text

KEYS = [*"abcdefghijklmnopqrstuvwxyz", "|", "_1", "_2", "_3", "_4", "_5", "_6", "none"]


@pytest.fixture(scope="module")
def shipped():
    return load_keyboard(KEYBOARD)


def test_the_shipped_keyboard_has_the_34_keys(shipped):
    assert sorted(shipped.labels) == sorted(KEYS)
    assert shipped.labels[:10] == tuple("qwertyuiop")
    counts = np.bincount(shipped.centre_labels)
    several = {label: n for label, n in zip(shipped.labels, counts, strict=True) if n > 1}
    assert several == {"|": 2, "none": 38}


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
        ("label,x,y,z\na,1,2,3\n", "unknown column 'z'; available: label, x, "),
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
        ("label,x,x_right,y\na,1,1,2\n", "columns x and x_right; keep the one"),
        ("label,x\na,1\nb,2\n", "no column y; add it"),
        ("label,y\na,1\nb,2\n", "no column x; add it"),
        ("label,x,y,width\na,1,2,0\nb,3,4,\n", "line 2: width must be a number above 0"),
        ("label,x,y,height\na,1,2,\nb,3,4,tall\n", "line 3: height must be a number above 0"),
        ("label,types\na,a\na,b\nb,b\n", "line 3: types 'b', but an earlier row of 'a' has 'a'"),
        ("label,outside\na,yes\nb,yes\n", "a, b are all marked outside; mark only one"),
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


def written(tmp_path, text):
    path = tmp_path / "keys.csv"
    path.write_text(text, encoding="utf-8")
    return load_keyboard(path)


def test_what_the_shipped_keyboard_types_is_what_its_labels_always_meant(shipped):
    assert shipped.types == {label: usual_text(label) for label in KEYS}
    assert [shipped.types[label] for label in ("q", "|", "_1", "_6", "none")] == [
        *("q", "\n", " ", " ", "")
    ]
    assert (shipped.outside, shipped.without_place, shipped.rightwards) == ("none", (), False)


def test_a_file_of_label_and_place_means_what_it_always_did(tmp_path, shipped):
    lines = KEYBOARD.read_text(encoding="utf-8").splitlines()
    plain = written(tmp_path, "".join(",".join(line.split(",")[:3]) + "\n" for line in lines))
    assert (plain.labels, plain.types, plain.outside) == (shipped.labels, shipped.types, "none")
    np.testing.assert_array_equal(plain.centres, shipped.centres)


def test_what_keys_type_may_be_a_word_a_blank_or_escaped(tmp_path):
    text = "label;types;shifted\nyo;ё;Ё\nspace; ;\nenter;\\n;\ntab;\\t;\nback;\\;|\nfn;;\nfn;;\n"
    keys = written(tmp_path, text)
    assert keys.types == {
        **{"yo": "ё", "space": " ", "enter": "\n", "tab": "\t", "back": "\\", "fn": ""}
    }
    assert keys.shifted == {"yo": "Ё", "back": "|"}


def test_keys_may_have_no_place(tmp_path):
    keys = written(tmp_path, "label,x,y\nshift,,\na,100,0\nfn,,\nb,300,0\n")
    assert keys.labels == ("shift", "a", "fn", "b")
    assert keys.without_place == ("shift", "fn")
    assert keys.centres.tolist() == [[100, 0], [300, 0]]
    assert [keys.labels[at] for at in keys.nearest([[0, 0], [400, 0]])] == ["a", "b"]
    with pytest.raises(
        Tap2keyError, match=r"no place \(x, y\) for 'shift' and 1 more; maps need one of"
    ):
        keys.check_places("maps")
    nowhere = written(tmp_path, "label\na\nb\n")
    assert nowhere.without_place == ("a", "b")
    assert nowhere.centres.shape == nowhere.sizes.shape == (0, 2)


def test_what_is_outside_every_key_is_what_the_file_says(tmp_path):
    assert written(tmp_path, "label,x,y\na,1,2\nb,3,4\n").outside is None
    marked = written(tmp_path, "label,x,y,outside\na,1,2,\noff,3,4,yes\nnone,,,\n")
    assert (marked.outside, marked.types["off"]) == ("off", "")
    # Nothing on the keyboard is outside it where a file without a ring has such a label.
    assert marked.without_place == ("none",)
    assert written(tmp_path, "label,x,y,outside\nnone,1,2,\noff,3,4,\n").outside is None


def test_a_touch_on_the_end_of_a_long_key_is_on_that_key(tmp_path):
    rows = "a,100,0,160,160\nspace,600,190,1160,160\nenter,0,95,160,350\n"
    keys = written(tmp_path, f"label,x,y,width,height\n{rows}")
    touches = [[150, 130], [150, 80], [1100, 190], [5, -60]]
    assert [keys.labels[at] for at in keys.nearest(touches)] == ["space", "a", "space", "enter"]
    assert keys.distance_mm([[1130, 210], [600, 190], [0, 250]]).tolist() == pytest.approx(
        [np.hypot(3, 2), 0, 6]
    )


UNIT = 190.5  # 19.05 mm
# Widths in units, from ANSI's and ISO's usual drawings; every other key is one unit wide.
WIDTHS = {
    "ansi": {"backspace": 2, "tab": 1.5, "\\": 1.5, "caps_lock": 1.75, "enter": 2.25},
    "iso": {"backspace": 2, "tab": 1.5, "caps_lock": 1.75},
}
ROWS = {
    "ansi": ["`1234567890-=", "qwertyuiop[]\\", "asdfghjkl;'", "zxcvbnm,./"],
    "iso": ["`1234567890-=", "qwertyuiop[]", "asdfghjkl;'#", "\\zxcvbnm,./"],
}


@pytest.mark.parametrize("name", ["ansi", "iso"])
def test_laptop_keyboards_have_rows_of_keys_19_mm_apart_each_set_off_from_the_one_above(name):
    keys = load_keyboard(KEYBOARDS / f"{name}.csv")
    assert (keys.without_place, keys.outside) == ((), None)
    at = {label: keys.centres[keys.centre_labels == i] for i, label in enumerate(keys.labels)}
    assert {label: len(where) for label, where in at.items() if len(where) > 1} == {
        **{"shift": 2, "ctrl": 2, "alt": 2}
    }
    for row, above in zip(ROWS[name][1:], ROWS[name], strict=False):
        assert at[row[0]][0, 1] - at[above[0]][0, 1] == pytest.approx(UNIT)
    for row in ROWS[name]:
        places = np.concatenate([at[label] for label in row if label != "\\" or name == "iso"])
        np.testing.assert_allclose(np.diff(places, axis=0), [[-UNIT, 0]] * (len(places) - 1))
    # x grows to the left: of the letters' rows each begins further right than the one above.
    for upper, lower, units in (("1", "q", 0.5), ("q", "a", 0.25), ("a", "z", 0.5)):
        assert at[upper][0, 0] - at[lower][0, 0] == pytest.approx(units * UNIT)
    # All rows span 15 units, with 3.05 mm between caps.
    edges = keys.centres[:, :1] + [-1, 1] * (keys.sizes[:, :1] + 30.5) / 2
    for y in np.unique(keys.centres[:, 1]):
        own = edges[keys.centres[:, 1] == y]
        np.testing.assert_allclose(np.sort(own[:, 0])[1:], np.sort(own[:, 1])[:-1], atol=0.02)
        # But for the arrows beside the space bar, and ISO's Enter, which stands in two rows.
        if y < 900 and y != 2.5 * UNIT:
            right = {2 * UNIT: 1.5, 3 * UNIT: 1.25}.get(y, 0) if name == "iso" else 0
            assert own.max() == pytest.approx(15 * UNIT, abs=0.02)
            assert own.min() == pytest.approx(right * UNIT, abs=0.02)
    for label, units in WIDTHS[name].items():
        assert keys.sizes[keys.labels.index(label) == keys.centre_labels][0, 0] == pytest.approx(
            units * UNIT - 30.5, abs=0.01
        )


@pytest.mark.parametrize("name", ["ansi", "iso"])
def test_laptop_keyboards_type_all_of_ascii(name):
    keys = load_keyboard(KEYBOARDS / f"{name}.csv")
    typed = [text for text in (*keys.types.values(), *keys.shifted.values()) if text]
    assert len(set(typed)) == len(typed)
    printable = {chr(code) for code in range(32, 127)} - set("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    assert printable | {"\n", "\t"} <= set(typed)
