import pytest
from editing import Edits, edits

from tap2key.reading.transcript import (
    NamedTap,
    intervals,
    label_track,
    text_grid,
    transcript,
)


def taps(keys, confidence=0.9):
    return [NamedTap(0.2 * at, key, confidence) for at, key in enumerate(keys)]


def test_keys_become_characters():
    keys = ["h", "i", "_1", "a", "_6", "none", "b", "_3", "|", "c", "none"]
    assert transcript(taps(keys), confidence_threshold=0.5) == "hi a b \nc"
    assert transcript([], confidence_threshold=0.5) == ""


def test_doubtful_characters_stand_in_brackets():
    said = [
        *(NamedTap(0, "a", 0.5), NamedTap(1, "b", 0.49), NamedTap(2, "_2", 0.3)),
        *(NamedTap(3, "none", 0.1), NamedTap(4, "|", 0.2), NamedTap(5, "c", 0.9)),
    ]
    assert transcript(said, confidence_threshold=0.5) == "a[b][ ][↵]\nc"
    assert transcript(said, confidence_threshold=0) == "ab \nc"


def test_keys_type_what_their_keyboard_says():
    types = {"space": " ", "enter": "\n", "shift": "", "q": "й"}.__getitem__
    said = taps(["shift", "q", "space", "enter"], confidence=0.4)
    assert transcript(said, 0, types) == "й \n"
    assert transcript(said, 0.5, types) == "[й][ ][↵]\n"


def test_intervals_do_not_overlap_and_stay_inside():
    close = [NamedTap(time, "a", 1) for time in (0.0, 0.05, 0.5, 0.98)]
    assert intervals([], 1.0) == []
    parts = intervals(close, 1.0)
    assert parts == [(0.0, 0.05), (0.05, pytest.approx(0.11)), (0.5, 0.56), (0.98, 1.0)]


def test_a_quote_as_a_key_is_doubled_and_a_label_is_one_line():
    odd = [NamedTap(0.5, '"', 0.75)]
    assert 'text = """"' in text_grid(odd, 1.0)
    assert label_track(odd, 1.0) == '0.500000\t0.560000\t" 0.75\n'


@pytest.mark.parametrize(
    ("meant", "found", "expected"),
    [
        ("kitten", "sitting", Edits(2, 1, 0, 6)),
        ("abc", "abc", Edits(0, 0, 0, 3)),
        ("abc", "", Edits(0, 0, 3, 3)),
        ("a b", "xa b\n", Edits(0, 2, 0, 3)),
        ("saturday", "sunday", Edits(1, 0, 2, 8)),
    ],
)
def test_edits_are_counted_by_kind(meant, found, expected):
    assert edits(meant, found) == expected
