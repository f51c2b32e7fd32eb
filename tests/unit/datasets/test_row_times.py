"""When the taps of rows came."""

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from tap2key.datasets.row_times import in_time
from tap2key.study.manifest import Recording

START = datetime(1970, 1, 1)


def recording(session, name, start=START):
    return Recording("Ana", session, name, Path(name), start, None, ())


def rows(*names, taps=2):
    named = [(session, name, tap) for session, name in names for tap in range(taps)]
    session, name, tap = zip(*named, strict=True)
    columns = {"participant": ["Ana"] * len(tap), "session": session, "recording": name}
    return pa.table({**columns, "tap": tap})


def test_recordings_without_a_start_are_in_the_order_of_their_numbers():
    names = [("s10", "1"), ("s2", "10"), ("s2", "9"), ("s2", "2")]
    places = in_time(rows(*names), [recording(*name) for name in names])
    np.testing.assert_array_equal(places, [6, 7, 4, 5, 2, 3, 0, 1])


def test_starts_come_before_numbers():
    names = [("s", "1"), ("s", "2")]
    manifest = [recording("s", "1", START + timedelta(seconds=1)), recording("s", "2")]
    np.testing.assert_array_equal(in_time(rows(*names), manifest), [2, 3, 0, 1])
