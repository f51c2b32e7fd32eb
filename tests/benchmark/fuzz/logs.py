"""Touch logs cut, saved by spreadsheets, in other units, and from a clock that was set."""

import re

import numpy as np
from benchmark.fuzz.base import digest_of, started
from benchmark.fuzz.mutant import Expect, Mutant, NotHere, Row
from benchmark.fuzz.registry import CONTENTS, mutation

X, Y = 2, 3
STEPS_S = (0.06, 0.1, 0.15, 0.25, 0.5, 1.0, 2.0, 5.0, 60.0, 600.0, 3600.0)


def with_line_ends(lines: list[str], end: str = "\n") -> bytes:
    return (end.join(lines) + end).encode()


def with_places(rows: list[Row], change) -> list[Row]:
    """The rows with x and y, as numbers, put through `change`."""
    return [
        Row(row.stamp, (*row.cells[:X], *change(*map(float, row.cells[X : Y + 1])), row.cells[4]))
        for row in rows
    ]


@mutation(CONTENTS)
def log_in_a_sound_dialect(mutant: Mutant) -> None:
    """Differences that change nothing of what a log says."""
    path, rows = mutant.log()
    lines = [row.text() for row in rows]
    choices = {
        "CRLF": with_line_ends(lines, "\r\n"),
        "byte order mark": b"\xef\xbb\xbf" + with_line_ends(lines),
        "blank lines": with_line_ends([*lines[:5], "", *lines[5:], ""]),
        "rows shuffled": with_line_ends([lines[i] for i in mutant.rng.permutation(len(lines))]),
        "rows doubled": with_line_ends([line for line in lines for _ in range(2)]),
        "a last line cut off": with_line_ends(lines) + lines[0][:-20].encode(),
        "no last line end": "\n".join(lines).encode(),
        "milliseconds": with_line_ends([re.sub(r"(\.\d{3})\d+", r"\1", line) for line in lines]),
    }
    mutant.write(path, choices[mutant.some(*choices)])


@mutation(CONTENTS)
def log_in_two_files(mutant: Mutant) -> None:
    path, rows = mutant.log()
    half = int(mutant.rng.integers(1, len(rows)))
    mutant.write_rows(path, rows[:half])
    mutant.write_rows(path.with_name(f"a_{path.name}"), rows[half:])


@mutation(CONTENTS)
def log_saved_by_a_spreadsheet(mutant: Mutant) -> None:
    """All of the log is there: it reads as before or is refused."""
    path, rows = mutant.log()
    lines = [row.text() for row in rows]
    text = "\n".join(lines) + "\n"
    several = [lines[:5], lines[5:]]
    choices = {
        "a header row": with_line_ends(["time,id,event,x,y,size", *lines]),
        "UTF-16": text.encode("utf-16"),
        "UTF-16 without mark": text.encode("utf-16-le"),
        "CR": with_line_ends(lines, "\r"),
        "semicolons": with_line_ends([line.replace(",", ";") for line in lines]),
        "semicolons, decimal commas": with_line_ends(
            [
                re.sub(r"(\d),(\d+);", r"\1,\2;", line.replace(",", ";").replace(".", ","))
                for line in lines
            ]
        ),
        "tabs": with_line_ends([line.replace(",", "\t") for line in lines]),
        "quotes": with_line_ends([",".join(f'"{c}"' for c in line.split(",")) for line in lines]),
        "T": with_line_ends([line.replace(" ", "T", 1) for line in lines]),
        "Z": with_line_ends([line.replace(",", "Z,", 1) for line in lines]),
        "comma in time": with_line_ends([re.sub(r"(:\d\d)\.", r"\1,", line) for line in lines]),
        "upper case": with_line_ends([line.upper() for line in lines]),
        "a comma at the end": with_line_ends([line + "," for line in lines]),
        "nanoseconds": with_line_ends([re.sub(r"(\.\d{6})", r"\g<1>789", line) for line in lines]),
        "NUL at the end": text.encode() + bytes(4096),
        "NUL in the middle": with_line_ends(several[0])
        + bytes(512)
        + b"\n"
        + with_line_ends(several[1]),
        "day first": with_line_ends(
            [re.sub(r"(\d{4})-(\d\d)-(\d\d)", r"\3.\2.\1", line) for line in lines]
        ),
        "month first": with_line_ends(
            [re.sub(r"(\d{4})-(\d\d)-(\d\d)", r"\2/\3/\1", line) for line in lines]
        ),
        "Unix seconds": with_line_ends(
            [
                f"{row.stamp.astype('M8[us]').astype(int) / 1e6:.6f}," + ",".join(row.cells)
                for row in rows
            ]
        ),
    }
    mutant.write(path, choices[mutant.some(*choices)])
    mutant.mark(path, Expect.WHOLE, refusable=True)


@mutation(CONTENTS)
def fractions_of_seconds_lost(mutant: Mutant) -> None:
    path, rows = mutant.log()
    text = "".join(f"{row.text()}\n" for row in rows)
    choices = {
        "seconds": re.sub(r"(:\d\d)\.\d+", r"\1", text),
        "seconds, .000": re.sub(r"(:\d\d)\.\d+", r"\1.000", text),
        "tenths": re.sub(r"(\.\d)\d+", r"\1", text),
        "hundredths": re.sub(r"(\.\d\d)\d+", r"\1", text),
        "minutes": re.sub(r"(:\d\d):\d\d\.\d+", r"\1", text),
        "minutes, :00": re.sub(r"(:\d\d):\d\d\.\d+", r"\1:00", text),
    }
    mutant.mark(path, Expect.RIGHT, refusable=True)
    mutant.write(path, choices[mutant.some(*choices)].encode())


@mutation(CONTENTS)
def places_in_other_units(mutant: Mutant) -> None:
    path, rows = mutant.log()
    changes = {
        "mm": lambda x, y: (f"{x / 10:.1f}", f"{y / 10:.1f}"),
        "cm": lambda x, y: (f"{x / 100:.2f}", f"{y / 100:.2f}"),
        "m": lambda x, y: (f"{x / 1e4:.4f}", f"{y / 1e4:.4f}"),
        "inches": lambda x, y: (f"{x / 254:.3f}", f"{y / 254:.3f}"),
        "swapped": lambda x, y: (f"{y:.0f}", f"{x:.0f}"),
        "micrometres": lambda x, y: (f"{x * 100:.0f}", f"{y * 100:.0f}"),
        "thousands": lambda x, y: (f"{x / 1000:.3f}", f"{y / 1000:.3f}"),
        "all zero": lambda x, y: ("0", "0"),
        "negative": lambda x, y: (f"{-x:.0f}", f"{-y:.0f}"),
    }
    mutant.mark(path, Expect.RIGHT, refusable=True)
    mutant.write_rows(path, with_places(rows, changes[mutant.some(*changes)]))


@mutation(CONTENTS)
def columns_in_another_order(mutant: Mutant) -> None:
    path, rows = mutant.log()
    order = mutant.rng.permutation(5)
    if list(order) == list(range(5)):
        raise NotHere
    mutant.mark(path, Expect.RIGHT, refusable=True)
    changed = [Row(row.stamp, tuple(row.cells[i] for i in order)) for row in rows]
    mutant.write(path, ("\n".join(row.text() for row in changed) + "\n").encode())


@mutation(CONTENTS)
def log_cut_off(mutant: Mutant) -> None:
    path, _ = mutant.log()
    data = path.read_bytes()
    mutant.mark(path, Expect.RIGHT, refusable=True)
    end = 0 if mutant.rng.random() < 0.1 else int(mutant.rng.integers(len(data)))
    mutant.write(path, data[:end])


@mutation(CONTENTS)
def rows_missing(mutant: Mutant) -> None:
    """A stretch of the log, or all rows of one kind."""
    path, rows = mutant.log()
    mutant.mark(path, Expect.RIGHT, refusable=True)
    if mutant.rng.random() < 0.3:
        event = mutant.some("Down", "Move", "Up")
        rows = [row for row in rows if row.cells[1].strip() != event]
    else:
        first, last = np.sort(mutant.rng.integers(len(rows), size=2))
        rows = rows[:first] + rows[last:]
    mutant.write_rows(path, rows)


@mutation(CONTENTS)
def sensor_clock_set(mutant: Mutant) -> None:
    """Once or several times, forward or back, by the network's time or for daylight saving."""
    path, rows = mutant.log()
    mutant.mark(path, Expect.RIGHT, refusable=True)
    if digest_of(path) not in mutant.base.logs:
        raise NotHere
    steps = []
    for _ in range(int(mutant.rng.integers(1, 4))):
        recording = mutant.one(sorted(mutant.held(path)))
        truth, start = mutant.base.truths[recording], np.datetime64(started(recording), "us")
        at_s = float(mutant.rng.uniform(-1, truth.duration_s + 1))
        at = start + np.timedelta64(round(1e6 * (at_s - truth.latency_s)), "us")
        steps.append((at, float(mutant.one(STEPS_S)) * float(mutant.one([-1, 1]))))
        mutant.steps.setdefault(recording, []).append(at_s)
    mutant.write_rows(
        path, [row.moved(sum(by for at, by in steps if row.stamp >= at)) for row in rows]
    )


@mutation(CONTENTS)
def sensor_clock_off(mutant: Mutant) -> None:
    """All along, by another time zone, a day, or a few seconds."""
    path, rows = mutant.log()
    mutant.mark(path, Expect.RIGHT, refusable=True)
    by_s = float(mutant.one([*STEPS_S, 86_400.0])) * float(mutant.one([-1, 1]))
    mutant.write_rows(path, [row.moved(by_s) for row in rows])


@mutation(CONTENTS)
def log_of_unrelated_touches(mutant: Mutant) -> None:
    """As many touches, at the same places, at times that no tap has."""
    path, rows = mutant.log()
    mutant.mark(path, Expect.RIGHT, refusable=True)
    by_s = mutant.rng.uniform(0, 1, len(rows)).cumsum()
    mutant.write_rows(
        path, [Row(rows[0].stamp, row.cells).moved(s) for row, s in zip(rows, by_s, strict=True)]
    )
