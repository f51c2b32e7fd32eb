import json
from pathlib import Path

import numpy as np
import pytest

from tap2key.core.errors import Tap2keyError
from tap2key.core.files import (
    atomic_file,
    read_json,
    read_tsv,
    write_json,
    write_tsv,
)
from tap2key.core.html_tables import formatted, write_table


def test_a_file_appears_under_its_name_only_when_the_block_ends(tmp_path):
    target = tmp_path / "new" / "table.txt"
    with atomic_file(target) as temporary:
        temporary.write_text("half")
        assert temporary.parent == target.parent
        assert temporary.suffix == ".txt"
        assert not target.exists()
        temporary.write_text("whole")
    assert target.read_text() == "whole"
    assert list(target.parent.iterdir()) == [target]


def test_a_block_that_raises_leaves_no_file_and_keeps_the_old_one(tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_text("before")
    for path in (old, new):
        with pytest.raises(RuntimeError, match="killed"), atomic_file(path) as temporary:
            temporary.write_text("after")
            raise RuntimeError("killed")
    assert old.read_text() == "before"
    assert list(tmp_path.iterdir()) == [old]


def test_two_writers_of_one_name_do_not_meet(tmp_path):
    target = tmp_path / "file"
    with atomic_file(target) as first, atomic_file(target) as second:
        first.write_text("first")
        second.write_text("second")
        assert first != second
    assert target.read_text() == "first"  # its block ended last
    assert list(tmp_path.iterdir()) == [target]


def test_json_round_trip_keeps_unicode_readable(tmp_path):
    value = {"participant": "Łukasz Ωmega", "taps": [1, 2.5, None]}
    write_json(tmp_path / "a.json", value)
    assert read_json(tmp_path / "a.json") == value
    assert "Łukasz" in (tmp_path / "a.json").read_text(encoding="utf-8")


def test_a_value_json_cannot_hold_leaves_nothing(tmp_path):
    with pytest.raises(TypeError):
        write_json(tmp_path / "a.json", {"path": Path("x")})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", ["{", b"\xff\xfe\x00"])
def test_broken_json_is_named(tmp_path, content):
    path = tmp_path / "broken.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(Tap2keyError, match=r"broken\.json: not readable as JSON"):
        read_json(path)
    with pytest.raises(Tap2keyError, match=r"absent\.json: no such file"):
        read_json(tmp_path / "absent.json")


def test_table_round_trip_with_unicode_empty_cells_and_awkward_text(tmp_path):
    path = tmp_path / "table.tsv"
    rows = [
        {"name": 'Zoë "the" Tapper', "note": None, "count": 3},
        {"name": "日本", "note": "tab\there, line\nthere", "count": 0.5},
        {"name": "|", "note": "", "count": False},
    ]
    write_tsv(path, rows, ["name", "note", "count"])
    assert read_tsv(path, required=["note"]) == [
        {"name": 'Zoë "the" Tapper', "note": "", "count": "3"},
        {"name": "日本", "note": "tab\there, line\nthere", "count": "0.5"},
        {"name": "|", "note": "", "count": "False"},
    ]


def test_a_table_from_a_spreadsheet_reads_alike(tmp_path):
    path = tmp_path / "table.tsv"
    # A byte order mark, carriage returns and cells left away at the end of a line.
    path.write_bytes("﻿path\tuse\r\nTony\tno\r\nMaria\r\n".encode())
    assert read_tsv(path) == [{"path": "Tony", "use": "no"}, {"path": "Maria", "use": ""}]


def test_errors_name_the_table_and_the_line(tmp_path):
    path = tmp_path / "table.tsv"
    path.write_text("a\tb\n1\t2\n1\t2\t3\n")
    with pytest.raises(Tap2keyError, match=r"table\.tsv, line 3: more cells"):
        read_tsv(path)
    with pytest.raises(Tap2keyError, match=r"table\.tsv: no column c"):
        read_tsv(path, required=["a", "c"])
    with pytest.raises(Tap2keyError, match=r"none\.tsv: no such file"):
        read_tsv(tmp_path / "none.tsv")
    path.write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(Tap2keyError, match=r"table\.tsv: not readable"):
        read_tsv(path)


def test_written_json_is_plain_json(tmp_path):
    write_json(tmp_path / "a.json", {"b": 1})
    text = (tmp_path / "a.json").read_text()
    assert json.loads(text) == {"b": 1}
    assert text.endswith("}\n")


NUMBERS = [float("nan"), float("inf"), -float("inf"), np.float64("nan")]


@pytest.mark.parametrize("number", NUMBERS)
def test_json_with_a_number_that_is_not_finite_is_refused_and_the_old_file_stays(number, tmp_path):
    path = tmp_path / "metrics.json"
    write_json(path, {"accuracy": 0.5, "undefined": None})
    with pytest.raises(Tap2keyError, match=r"metrics\.json: keys\.1\.f1 is not a finite number"):
        write_json(path, {"accuracy": 0.5, "keys": [{"f1": 1.0}, {"f1": number}]})
    assert read_json(path) == {"accuracy": 0.5, "undefined": None}
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_bare_nan_or_infinity_in_json_is_refused_in_one_line(text, tmp_path):
    path = tmp_path / "metrics.json"
    path.write_text(f'{{"accuracy": {text}}}')
    with pytest.raises(Tap2keyError, match=f"{text} is not a finite number") as error:
        read_json(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("number", [*NUMBERS, np.float32("nan"), None])
def test_a_number_that_is_not_finite_is_an_empty_cell(number, tmp_path):
    rows = [{"name": "nan", "score": number, "taps": 3}, {"name": "b", "score": 0.25, "taps": True}]
    write_tsv(tmp_path / "t.tsv", rows, ("name", "score", "taps"))
    assert (tmp_path / "t.tsv").read_text() == "name\tscore\ttaps\nnan\t\t3\nb\t0.25\tTrue\n"
    write_table(tmp_path / "page", [formatted(row) for row in rows], ("name", "score"), "Title")
    assert (tmp_path / "page.tsv").read_text() == "name\tscore\nnan\t\nb\t0.2500\n"
    assert (tmp_path / "page.html").read_text().count("<td>nan</td>") == 1
