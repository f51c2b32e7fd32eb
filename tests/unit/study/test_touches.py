from datetime import datetime, timedelta

import numpy as np
import pytest
import sounds
from hypothesis import given, settings
from hypothesis import strategies as st

from tap2key.core.errors import Tap2keyError
from tap2key.study.touches import read_touches

LINES = sounds.touch_lines(np.array([0.5, 1.25, 2.0]), np.array([[2700, 894], [1, 2], [3, 4]]))


def written(tmp_path, data: str | bytes, name="a_nnode.csv"):
    path = tmp_path / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def check(touches):
    np.testing.assert_allclose(touches.seconds_since(sounds.START), [0.5, 1.25, 2.0], atol=1e-9)
    np.testing.assert_array_equal(touches.xy, [[2700, 894], [1, 2], [3, 4]])


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(LINES) + "\n",
        "\n".join(LINES),
        "\r\n".join(LINES) + "\r\n",
        "\ufeff" + "\n".join(LINES),
        "\n\n" + "\n \n".join(LINES) + "\n\n",
        "\n".join(reversed(LINES)) + "\n",
        "\n".join(LINES + LINES),
        "\n".join(LINES) + "\n" + LINES[0][:37],
        "\n".join(line.replace("   Down", "Down") for line in LINES),
    ],
    ids=["plain", "no-end", "crlf", "bom", "blanks", "unsorted", "repeated", "torn", "unpadded"],
)
def test_touches_are_read_as_they_come(tmp_path, text):
    check(read_touches([written(tmp_path, text)]))


def test_several_files_are_one_session_and_each_may_end_torn(tmp_path):
    first = written(tmp_path, "\n".join(LINES[:3]) + "\n2023-01-27 13:0", "a_nnode.csv")
    second = written(tmp_path, "\n".join(LINES[3:]), "b_nnode.csv")
    check(read_touches([second, first]))


def test_a_session_may_run_past_midnight(tmp_path):
    start = datetime(2023, 12, 31, 23, 59, 59)
    path = written(
        tmp_path, "\n".join(sounds.touch_lines(np.array([0, 2]), np.ones((2, 2)), start))
    )
    np.testing.assert_allclose(read_touches([path]).seconds_since(start), [0, 2])


@pytest.mark.parametrize(
    ("row", "number"),
    [("2023-01-27 13:05:22.5,0,   Down,1,2", 2), ("time,id,event,x,y,size", 2)]
    + [(LINES[0].replace(a, b), 2) for a, b in (("-01-27", "-02-30"), ("2700", "nan"), ("ow", "o"))]
    + [(LINES[0] + ",7", 2), (LINES[0].replace("2023", "２０２３"), 2)],
)
def test_a_wrong_row_is_named(tmp_path, row, number):
    path = written(tmp_path, "\n".join([LINES[0], row, LINES[3]]))
    with pytest.raises(Tap2keyError, match=rf"a_nnode\.csv, row {number}"):
        read_touches([path])


def test_no_down_and_no_file_are_errors(tmp_path):
    with pytest.raises(Tap2keyError, match="no Down row"):
        read_touches([written(tmp_path, LINES[1])])
    with pytest.raises(Tap2keyError, match="no such file"):
        read_touches([tmp_path / "none.csv"])
    with pytest.raises(Tap2keyError, match="no touch file"):
        read_touches([])


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_mutated_files_give_their_true_touches_or_one_line(tmp_path_factory, data):
    text = bytearray("\n".join(LINES).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("t") / "a_nnode.csv"
    path.write_bytes(text)
    try:
        touches = read_touches([path])
    except Tap2keyError as error:
        assert "\n" not in str(error)
    else:
        assert len(touches.times) == len(touches.xy) >= 1
        assert np.isfinite(touches.xy).all()
        assert (np.diff(touches.times) >= np.timedelta64(0)).all()


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.datetimes(datetime(2000, 1, 1), datetime(2099, 1, 1)),
            st.integers(0, 9),
            st.integers(-9999, 9999),
        ),
        min_size=1,
        max_size=20,
        unique=True,
    )
)
def test_what_is_written_is_read(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("t") / "a_nnode.csv"
    path.write_text(
        "\n".join(f"{t:%Y-%m-%d %H:%M:%S}.{t:%f},{i},   Down,{x},{x + 1},3" for t, i, x in rows)
    )
    touches = read_touches([path])
    got = sorted(zip(touches.times.astype(datetime).tolist(), touches.xy[:, 0], strict=True))
    assert got == sorted((t, float(x)) for t, _, x in rows)
    assert touches.seconds_since(rows[0][0] - timedelta(seconds=1)).dtype == np.float64


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_read_where_its_mark_says_so(tmp_path, encoding):
    mark = "" if encoding == "utf-16" else "\ufeff"
    check(read_touches([written(tmp_path, (mark + "\n".join(LINES) + "\n").encode(encoding))]))


def test_carriage_returns_alone_end_lines(tmp_path):
    check(read_touches([written(tmp_path, "\r".join(LINES) + "\r")]))


def test_a_clock_that_is_set_back_starts_another_run(tmp_path):
    early = sounds.touch_lines(np.arange(40) * 0.5, np.full((40, 2), 900))
    late = sounds.touch_lines(10.1 + np.arange(40) * 0.5, np.full((40, 2), 1000))
    touches = read_touches([written(tmp_path, "\n".join(early + late) + "\n")])
    np.testing.assert_array_equal(touches.run, touches.xy[:, 0] == 1000)
    assert (np.diff(touches.times) >= np.timedelta64(0)).all()


def test_another_log_is_another_run(tmp_path):
    paths = [
        written(tmp_path, "\n".join(LINES[:3]) + "\n"),
        written(tmp_path, "\n".join(LINES[3:]) + "\n", "b_nnode.csv"),
    ]
    assert read_touches(paths).run.tolist() == [0, 1, 1]


def test_rows_in_no_order_are_one_run(tmp_path):
    lines = sounds.touch_lines(np.arange(60) * 0.5, np.full((60, 2), 900))
    np.random.default_rng(0).shuffle(lines)
    assert set(read_touches([written(tmp_path, "\n".join(lines) + "\n")]).run) == {0}
