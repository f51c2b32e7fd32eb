import pytest

from tap2key.core.errors import Tap2keyError
from tap2key.core.shipped import KEYBOARD, KEYBOARDS
from tap2key.study.key_names import check_characters, key_of, keys_of, unmapped_text
from tap2key.study.keyboard import load_keyboard

ANSI, ISO = (load_keyboard(KEYBOARDS / f"{name}.csv") for name in ("ansi", "iso"))
TABLE_TOP = load_keyboard(KEYBOARD)


@pytest.mark.parametrize(
    ("logged", "ansi", "iso"),
    [
        ("m", "m", "m"),
        ("M", "m", "m"),
        ("1", "1", "1"),
        ("!", "1", "1"),
        ("@", "2", "'"),
        ('"', "'", "2"),
        ("|", "\\", "\\"),
        ("~", "`", "#"),
        ("£", None, "3"),
        (" ", "space", "space"),
        ("\n", "enter", "enter"),
        ("\r", "enter", "enter"),
        ("\t", "tab", "tab"),
        ("\x08", "backspace", "backspace"),
        ("Key.space", "space", "space"),
        ("Key.enter", "enter", "enter"),
        ("Return", "enter", "enter"),
        ("[ENTER]", "enter", "enter"),
        ("Key.shift", "shift", "shift"),
        ("Key.shift_l", "shift", "shift"),
        ("Key.shift_r", "shift", "shift"),
        ("KEY_LEFTSHIFT", "shift", "shift"),
        ("ShiftRight", "shift", "shift"),
        ("Key.caps_lock", "caps_lock", "caps_lock"),
        ("Key.alt_gr", "alt", "alt"),
        ("Key.cmd_r", "meta", "meta"),
        ("<BackSpace>", "backspace", "backspace"),
        ("Key.left", "left", "left"),
        ("Key.f10", "f10", "f10"),
        ("KEY_A", "a", "a"),
        # pynput's str() of a character is Python's, in quotes.
        ("'a'", "a", "a"),
        ("'\\\\'", "\\", "\\"),
        ('"\'"', "'", "'"),
        ("'", "'", "'"),
        ("<", ",", ","),
        ("<65027>", None, None),
        ("é", None, None),
        ("", None, None),
        ("  ", None, None),
    ],
)
def test_a_logged_entry_is_the_key_that_was_pressed(logged, ansi, iso):
    assert key_of(logged, ANSI) == ansi
    assert key_of(logged, ISO) == iso


def test_every_key_is_found_by_its_label_and_by_what_it_types():
    for keyboard in (ANSI, ISO):
        for label in keyboard.labels:
            typed = [keyboard.types[label], keyboard.shifted.get(label, "")]
            assert {key_of(text, keyboard) for text in [label, *typed] if text} == {label}


def test_the_first_studys_keyboard_has_six_keys_that_type_a_space_until_one_is_named():
    assert key_of("M", TABLE_TOP) == "m"
    assert key_of("Key.enter", TABLE_TOP) == "|"
    assert key_of("_3", TABLE_TOP) == "_3"
    assert key_of("Key.space", TABLE_TOP) is None
    assert key_of("Key.space", TABLE_TOP, {"Key.space": "_3"}) == "_3"


@pytest.mark.parametrize("logged", ["1", "Key.1", "'1'", "-1", "None", "NONE", "Key.none"])
def test_digits_and_nothing_are_no_key_of_the_first_studys_keyboard(logged):
    assert key_of(logged, TABLE_TOP) is None


def test_the_configured_table_comes_first():
    assert key_of("q", ANSI, {"q": "a"}) == "a"
    assert key_of("'q'", ANSI, {"q": "a"}) == "a"
    assert key_of("Q", ANSI, {"q": "a"}) == "q"


def test_a_keyboard_that_tells_left_from_right_keeps_them_apart(tmp_path):
    path = tmp_path / "keys.csv"
    path.write_text('label,types\nshift,\nshift_r,\na,a\nspace," "\n')
    both = load_keyboard(path)
    assert key_of("Key.shift", both) == "shift"
    assert key_of("Key.shift_l", both) == "shift"
    assert key_of("Key.shift_r", both) == "shift_r"
    path.write_text("label,types\nshift_l,\nshift_r,\na,a\n")
    neither = load_keyboard(path)
    assert key_of("Key.shift", neither) is None
    assert key_of("Key.shift_r", neither) == "shift_r"
    assert key_of("Key.space", neither) is None


def test_what_means_no_key_is_counted_the_commonest_first():
    labels, unknown = keys_of(["a", "é", "B", "Key.menu", "é", "\x03", ""], ANSI)
    assert labels == ["a", None, "b", None, None, None, None]
    assert unknown == {"é": 2, "Key.menu": 1, "\x03": 1, "": 1}
    assert unmapped_text(unknown) == r"2 × é, 1 × Key.menu, 1 × '\x03', 1 × ''"
    assert unmapped_text({}) == ""


def test_the_configured_table_is_compared_composed(tmp_path):
    (tmp_path / "keys.csv").write_text("label\na\n\u00e9\n", encoding="utf-8")
    keyboard, given = load_keyboard(tmp_path / "keys.csv"), {"E\u0301t": "e\u0301"}
    check_characters(given, keyboard)
    assert keys_of(["\u00c9t", "E\u0301t"], keyboard, given) == (["\u00e9"] * 2, {})


def test_a_table_with_an_unknown_key_is_refused():
    check_characters({"Key.space": "space"}, ANSI)
    with pytest.raises(
        Tap2keyError, match=r"config: characters: 'é' is mapped to 'ee', which .*ansi"
    ):
        check_characters({"é": "ee"}, ANSI)
