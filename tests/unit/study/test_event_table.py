"""Strokes as loggers, annotators and people write them down, in every form that is read."""

import math
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from tap2key.core.errors import Tap2keyError
from tap2key.study.event_table import read_event_table
from tap2key.study.truth import Truth, check_within

START = datetime(2023, 10, 20, 18, 10, 43)
TIMES, KEYS = [1.25, 2.0, 3.5], ("q", "Key.space", "a")
LONG_GRID = """File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 5
tiers? <exists>
size = 2
item []:
    item [1]:
        class = "IntervalTier"
        name = "words"
        xmin = 0
        xmax = 5
        intervals: size = 2
        intervals [1]:
            xmin = 0
            xmax = 2.5
            text = ""
        intervals [2]:
            xmin = 2.5
            xmax = 5
            text = "a ""quoted"" [4] word"
    item [2]:
        class = "TextTier"
        name = "keys"
        xmin = 0
        xmax = 5
        points: size = 3
        points [1]:
            number = 1.25
            mark = "q"
        points [2]:
            number = 2
            mark = "Key.space"
        points [3]:
            number = 3.5
            mark = "a"
"""
SHORT_GRID = (
    'File type = "ooTextFile"\nObject class = "TextGrid"\n\n0\n5\n<exists>\n1\n"IntervalTier"\n'
    '"keys"\n0\n5\n4\n0\n1.25\n""\n1.25\n2\n"q"\n2\n3.5\n"Key.space"\n3.5\n5\n"a"\n'
)
FORMS = {
    "strokes.keys": "1.250000 q\n2.000000 Key.space\n3.5   a\n",
    "with header.csv": "time,key\n1.25,q\n2,Key.space\n3.5,a\n",
    "with places.tsv": "key\ttime\tx\ty\nq\t1.25\t2700\t894\nKey.space\t2\t\t\na\t3.5\t1\t2\n",
    "semicolons.csv": "time;key\n1,25;q\n2,0;Key.space\n3,5;a\n",
    "no header.csv": "1.25,q\n2,Key.space\n3.5,a\n",
    "unsorted.csv": "\ufefftime,key\r\n3.5,a\r\n1.25,q\r\n2,Key.space\r\n1.25,q\r\n",
    "label track.txt": "1.25\t1.25\tq\n\\\t100.0\t8000.0\n2.0\t2.2\tKey.space\n3.5\t3.5\ta\n",
    "clock.csv": "time,key\n2023-10-20 18:10:44.25,q\n2023-10-20T18:10:45,Key.space\n"
    "2023-10-20 18:10:46.500,a\n",
    "short.TextGrid": SHORT_GRID,
    "both.csv": "recording,time,key\none.wav,1.25,q\ntwo.wav,1,z\none,2,Key.space\n"
    "01.acoustic/one.wav,3.5,a\n",
}


def written(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def read(path: Path, **truth):
    own = path.parent / "01.acoustic" / "one.wav"
    return read_event_table([path], START, own, Truth(**truth))


@pytest.mark.parametrize("name", FORMS)
def test_strokes_are_read_whatever_wrote_them(tmp_path, name):
    events = read(written(tmp_path, name, FORMS[name]))
    np.testing.assert_allclose(events.seconds_since(START), TIMES, atol=1e-9)
    assert events.label == KEYS
    assert events.run.tolist() == [0, 0, 0]


def test_places_are_known_where_they_are_written(tmp_path):
    events = read(written(tmp_path, "a.tsv", FORMS["with places.tsv"]))
    np.testing.assert_array_equal(events.xy, [[2700, 894], [math.nan, math.nan], [1, 2]])


def test_a_tier_of_several_is_named(tmp_path):
    path = written(tmp_path, "a.TextGrid", ("\ufeff" + LONG_GRID).encode("utf-16-le"))
    assert read(path, columns={"key": "keys"}).label == KEYS
    words = read(path, columns={"key": "words"})
    assert words.label == ('a "quoted" [4] word',)
    np.testing.assert_allclose(words.seconds_since(START), [2.5])
    with pytest.raises(
        Tap2keyError, match=r"tiers 'words', 'keys'; set truth\.columns to \{key: TIER\}"
    ):
        read(path)


def test_a_table_has_the_units_and_columns_that_it_is_said_to_have(tmp_path):
    path = written(
        tmp_path, "a.csv", "Onset (ms),Letter,rt\n1250,q,3\n2000,Key.space,4\n3500,a,5\n"
    )
    named = {"time": "Onset (ms)", "key": "letter"}
    events = read(path, unit="ms", columns=named)
    np.testing.assert_allclose(events.seconds_since(START), TIMES)
    assert events.label == KEYS


def test_microseconds_of_long_recordings_are_no_times_since_1970(tmp_path):
    path = written(tmp_path, "a.csv", "time,key\n1500000000,q\n3600000000,a\n")
    np.testing.assert_allclose(read(path, unit="us").seconds_since(START), [1500, 3600])
    path = written(tmp_path, "b.csv", "time,key\n1697825443200,q\n")
    with pytest.raises(Tap2keyError, match="looks like seconds since 1970"):
        read(path, unit="ms")


@pytest.mark.parametrize("rows", ["1.5\t2\t300\t400\n2\tq\t300\t500\n", "1.5\t2\n3\t4\n"])
def test_keys_that_are_digits_make_no_label_track(tmp_path, rows):
    assert read(written(tmp_path, "a.tsv", rows)).label[0] == "2"


def test_clock_times_and_times_in_the_recording_are_not_mixed(tmp_path):
    files = [
        written(tmp_path, "clock.csv", FORMS["clock.csv"]),
        written(tmp_path, "a.keys", FORMS["strokes.keys"]),
    ]
    with pytest.raises(Tap2keyError, match=r"clock\.csv, .*a\.keys: clock times in one, times in"):
        read_event_table(files, START, tmp_path / "one.wav", Truth())


def test_clock_times_are_told_from_times_in_a_recording(tmp_path):
    clock = written(tmp_path, "clock.csv", FORMS["clock.csv"])
    seconds = written(tmp_path, "a.keys", FORMS["strokes.keys"])
    assert not read(clock).in_recording
    assert read(seconds).in_recording


REFUSED = {
    "a.csv": [
        ("time,key,rt\n1,a,2\n", "unknown column rt; available: time, key, x, y, recording"),
        ("when,key\n1,a\n", "no column time"),
        ("time,key\n1,a\nsoon,b\n", "line 3: time 'soon' is neither a number nor a clock time"),
        ("time,key\n1, \n\n2,\n", "line 4: no key"),
        ("time,key,x,y\n1,a,5,\n", "line 2: x and y must be numbers"),
        (
            "time,key\n1,a\n2023-10-20 18:10:44,b\n",
            "line 3: clock times mixed with times in the record",
        ),
        ("time,key\n2023-13-20 18:10:44,b\n", "line 2: time '2023-13-20 18:10:44' is neither"),
        ("time,key\n1697825443.2,b\n", "line 2: time 1697825443.2 looks like seconds since 1970"),
        ("1,a\n-1e12,b\n", "line 2: time -1000000000000.0 looks like seconds since 1970"),
        ("1,a,2,3,4\n", "line 1: not 'time, key' nor"),
        ("time,key\n", "one.wav; check the table"),
        ("recording,time,key\ntwo,1,a\n", "one.wav; check the table"),
    ],
    "a.keys": [("1.0 a\n2.0\n", "line 2: not 'seconds key'")],
    "a.TextGrid": [
        ("time,key\n", "line 2: not a TextGrid"),
        (LONG_GRID[:-30], "not a TextGrid as Praat saves it"),
        (LONG_GRID.replace("number = 2\n", 'number = "2"\n'), "line 33: not a TextGrid"),
    ],
}


@pytest.mark.parametrize(
    ("name", "text", "words"), [(name, *case) for name, cases in REFUSED.items() for case in cases]
)
def test_what_is_not_certain_is_refused_in_one_line(tmp_path, name, text, words):
    with pytest.raises(Tap2keyError) as refused:
        read(written(tmp_path, name, text), columns={"key": "keys"} if "Grid" in name else {})
    assert words in str(refused.value)
    assert str(tmp_path / name) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_shared_table_keeps_recordings_of_one_name_apart(tmp_path):
    rows = "recording,time,key\nanna/s1/rec.wav,1,a\nbob\\s1\\rec,1,b\n./bob/s1/rec.wav,2,c\n"
    path = written(tmp_path, "labels.csv", rows)
    for person, keys in (("anna", ("a",)), ("bob", ("b", "c"))):
        own = tmp_path / person / "s1" / "rec.wav"
        assert read_event_table([path], START, own, Truth()).label == keys
    with pytest.raises(Tap2keyError, match=r"labels\.csv: no event of .*cy/s1/rec\.wav; check"):
        read_event_table([path], START, tmp_path / "cy" / "s1" / "rec.wav", Truth())


def test_unknown_meanings_of_columns_are_refused(tmp_path):
    path = written(tmp_path, "a.csv", "time,key\n1,a\n")
    with pytest.raises(Tap2keyError, match=r"truth\.columns: unknown label; available: time, key"):
        read(path, columns={"label": "key"})


def test_milliseconds_are_noticed_and_strays_counted():
    seconds = np.linspace(1, 30, 59)
    assert check_within(seconds, 33.8, "a.keys") == ""
    stray = np.append(seconds, [60.0, 61.0])
    said = check_within(stray, 33.8, "a.keys")
    assert said.startswith(
        "2 of 61 events lie outside the recording (0 to 33.8 s), the first at 60"
    )
    with pytest.raises(Tap2keyError, match=r"look like milliseconds, not seconds: set truth"):
        check_within(1000 * seconds, 33.8, "a.keys")
    with pytest.raises(Tap2keyError, match="look like microseconds, not milliseconds"):
        check_within(1000 * seconds, 33.8, "a.keys", "ms")
    with pytest.raises(Tap2keyError, match="check that the table belongs to the recording"):
        check_within(seconds + 500, 33.8, "a.keys")


def test_a_table_of_a_session_is_read_once_per_recording_start(tmp_path):
    path = written(tmp_path, "clock.csv", FORMS["clock.csv"])
    later = START + timedelta(minutes=1)
    events = read_event_table([path], later, tmp_path / "two.wav", Truth())
    np.testing.assert_allclose(events.seconds_since(later), np.array(TIMES) - 60)
