"""Which folders are people's and which are sessions."""

import pytest

from tap2key.config.schema import schema, with_defaults
from tap2key.inspection.layout import layout_of, pattern_at
from tap2key.study.naming import names_in_folder

USUAL = with_defaults({"experiments": {}}, schema())["session_pattern"]


def read(folders, keys=(), root="Root"):
    """(participant, session) of each folder, as the chosen pattern reads them."""
    layout = layout_of(root, folders, USUAL, keys)
    above = f"{root}/" if layout.from_parent else ""
    seen = [f"{above}{f}".removesuffix("/.") for f in folders]
    return [tuple(names_in_folder(layout.pattern, f).values()) for f in seen]


@pytest.mark.parametrize(
    ("folders", "expected"),
    [
        (["Tony_01_27_23_data"], [("Tony", "01_27_23_data")]),
        (["Tony/mon", "Tony/tue"], [("Tony", "mon"), ("Tony", "tue")]),
        (["Tony"], [("Tony", "Tony")]),
        (["."], [("Root", "Root")]),
        (["audio"], [("Root", "audio")]),
        (["user_364", "user_365"], [("user_364", "user_364"), ("user_365", "user_365")]),
        (["Ana/mon/wav", "Bo/mon/wav"], [("Ana", "mon"), ("Bo", "mon")]),
        (["raw/Ana/mon", "raw/Bo/tue"], [("Ana", "mon"), ("Bo", "tue")]),
        (["lab/Ana/mon", "lab/Bo/tue"], [("Ana", "mon"), ("Bo", "tue")]),
        (["Ana/01-27/x", "Ana/01-28/y"], [("Ana", "01-27"), ("Ana", "01-28")]),
        (["José Ñ/день 1", "Bo/день 1"], [("José Ñ", "день 1"), ("Bo", "день 1")]),
        ([".", "Ana/mon"], [("Root", "Root"), ("Root", "Root")]),
    ],
)
def test_people_and_sessions_are_read_from_folders(folders, expected):
    assert read(folders) == expected


def test_folders_named_by_key_are_neither():
    assert read(["a", "b"], keys=("a", "b")) == [("Root", "a"), ("Root", "b")]
    assert read(["Ana/a", "Ana/b"], keys=("a", "b")) == [("Ana", "a"), ("Ana", "b")]


def test_a_pattern_takes_the_levels_that_it_is_told():
    assert names_in_folder(pattern_at(1, 3), "w/x/y/z") == {"participant": "x", "session": "z"}
    assert names_in_folder(pattern_at(2, 2), "w/x/y/z") == {"participant": "y", "session": "y"}
