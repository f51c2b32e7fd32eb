"""What stages say on stderr: with time and level, as much as is asked for."""

import json
import os
import re
import subprocess
import sys

import pytest
from made import SETTINGS, WORKFLOW, command, fold, people, training_arguments

from tap2key.core.log import LEVELS

LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d (debug|info|warning): (.*)")


@pytest.fixture(scope="module")
def datasets(tmp_path_factory):
    return people(tmp_path_factory.mktemp("made"), ["Ana", "Bo", "Chen"], taps=12)


def said(datasets, tmp_path, *options, **variables):
    """Exit status and lines of `fold`, which says one thing at the level info."""
    kept = {k: v for k, v in os.environ.items() if k != "TAP2KEY_LOG"}
    training = (datasets["Bo"], datasets["Chen"])
    arguments = ("--held-out", "Ana", "--datasets", *training, "--output", tmp_path / "fold")
    run = command(*options, "fold", *arguments)
    done = subprocess.run(run, env=kept | variables, capture_output=True, text=True, check=False)
    assert done.stdout == ""
    return done.returncode, done.stderr.splitlines()


def levels(lines):
    found = [LINE.fullmatch(line) for line in lines]
    assert all(found), lines
    return [match[1] for match in found]


def test_a_line_has_its_time_and_level(datasets, tmp_path):
    status, (line,) = said(datasets, tmp_path)
    assert status == 0
    assert LINE.fullmatch(line)[1] == "info"
    assert re.fullmatch(r".*/fold: \d+ training rows, \d+ validation rows", line)


@pytest.mark.parametrize(
    ("options", "variables", "expected"),
    [
        (["--quiet"], {}, []),
        (["--verbose"], {}, ["debug", "info", "debug"]),
        ([], {"TAP2KEY_LOG": "warning"}, []),
        ([], {"TAP2KEY_LOG": "debug"}, ["debug", "info", "debug"]),
        ([], {"TAP2KEY_LOG": ""}, ["info"]),
        # What is said on the command line goes before.
        (["--verbose"], {"TAP2KEY_LOG": "error"}, ["debug", "info", "debug"]),
    ],
)
def test_an_option_or_a_variable_asks_for_more_or_less(
    options, variables, expected, datasets, tmp_path
):
    status, lines = said(datasets, tmp_path, *options, **variables)
    assert status == 0
    assert levels(lines) == expected


def test_an_unknown_level_is_one_line(datasets, tmp_path):
    assert said(datasets, tmp_path, TAP2KEY_LOG="loud") == (
        1,
        [f"tap2key: error: TAP2KEY_LOG=loud: unknown level; available: {', '.join(LEVELS)}"],
    )
    assert not (tmp_path / "fold").exists()


def test_an_error_stays_one_line_whatever_is_asked_for(tmp_path):
    absent = tmp_path / "absent"
    arguments = ("--held-out", "Ana", "--datasets", absent, "--output", tmp_path / "fold")
    run = command("--quiet", "fold", *arguments)
    done = subprocess.run(run, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == f"tap2key: error: {absent / 'encoding.json'}: no such file\n"


def test_how_much_is_said_is_no_setting_of_what_is_made(datasets, tmp_path):
    told = []
    for name, options in (("one", ["--quiet"]), ("two", ["--verbose"])):
        (tmp_path / name).mkdir()
        said(datasets, tmp_path / name, *options)
        told.append((tmp_path / name / "fold" / "provenance.json").read_text(encoding="utf-8"))
    assert json.loads(told[0])["settings"] == json.loads(told[1])["settings"]
    assert "log_level" not in told[0]


def test_a_process_that_training_starts_says_as_much(tmp_path):
    """`launch` becomes another program, which starts Python anew."""
    made = people(tmp_path / "datasets", ["Ana", "Bo", "Chen"], taps=48)
    folder, training = fold(tmp_path / "fold", made, "Ana")
    once = SETTINGS["training"] | {"epochs": 1}
    arguments = training_arguments(folder, training, tmp_path, training=once)
    run = command("--quiet", "launch", "--threads", 1, "--", *arguments)
    done = subprocess.run(run, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "model" / "provenance.json").exists()
    # A model that one epoch leaves at chance is warned of all the same.
    levels = {found[1] for line in done.stderr.splitlines() if (found := LINE.fullmatch(line))}
    assert levels <= {"warning"}, done.stderr


def test_what_is_no_text_is_said_all_the_same():
    code = r"from tap2key.core.log import log; log.warning('100 % of a\udcffb, %s')"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=WORKFLOW, capture_output=True, text=True, check=True
    )
    assert LINE.fullmatch(done.stderr.rstrip())[2] == r"100 % of a\udcffb, %s"
