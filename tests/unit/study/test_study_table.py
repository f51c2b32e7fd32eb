"""study.tsv as people write it and spreadsheets save it: read where certain, else one line."""

import unicodedata
from datetime import datetime

import pytest
from made import RECORDING, scan_study, session

from tap2key.config.configuration import complete_config
from tap2key.core.errors import Tap2keyError

SESSION_PATTERN = complete_config({"experiments": {"any": {}}})["session_pattern"]
WAV = f"Tony/one/01.acoustic/{RECORDING}"


@pytest.fixture
def study(tmp_path):
    session(tmp_path, "Tony/one")
    session(tmp_path, "Ana/one")
    return tmp_path


def said(study, content):
    """What is found of Tony; None: his session is left out."""
    data = content if isinstance(content, bytes) else content.encode()
    (study / "study.tsv").write_bytes(data)
    found = scan_study(study, SESSION_PATTERN)
    assert found[0].participant == "Ana"
    return next((r for r in found if r.participant == "Tony"), None)


def refused(study, content, *words):
    with pytest.raises(Tap2keyError) as error:
        said(study, content)
    assert "\n" not in str(error.value)
    for word in ("study.tsv", *words):
        assert word in str(error.value)


@pytest.mark.parametrize(
    "word", ["no", "No ", "n", "N", "FALSE", "false", "0", "FALSCH", "FAUX", "\u00a0no"]
)
def test_a_session_whose_owner_says_no_is_left_out(study, word):
    assert said(study, f"path\tuse\nTony/one\t{word}\n") is None


@pytest.mark.parametrize("word", ["", " ", "yes", "Y", "TRUE", "1", "WAHR", "vrai"])
def test_a_session_whose_owner_says_yes_or_nothing_is_used(study, word):
    assert said(study, f"path\tuse\nTony/one\t{word}\n") is not None


@pytest.mark.parametrize(
    "word", ["nein", "non", "exclude", "0.0", "1.0", "x", "bad", "-", "withdrawn", "nope", '"no']
)
def test_any_other_word_is_refused_with_its_line_and_the_words_there_are(study, word):
    refused(
        study, f"path\tuse\nAna/one\tyes\nTony/one\t{word}\n", "line 3", word, "no, n, false, 0"
    )


@pytest.mark.parametrize(
    "other", ["Tony/one", "Tony/one/", "./Tony/one", "Tony//one ", "Ana/../Tony/one"]
)
def test_a_path_given_twice_is_refused_with_both_lines(study, other):
    refused(
        study, f"path\tuse\tlatency_s\nTony/one\tno\t\n\n{other}\t\t-0.14\n", "line 4", "line 2"
    )


def test_paths_and_names_are_read_in_either_unicode_form(tmp_path):
    composed, decomposed = (unicodedata.normalize(form, "Zoë") for form in ("NFC", "NFD"))
    session(tmp_path, f"{decomposed}/one")
    session(tmp_path, "Ana/two")
    table = tmp_path / "study.tsv"
    table.write_text(f"path\tuse\n{composed}/one\tno\n", encoding="utf-8")
    assert [r.participant for r in scan_study(tmp_path, SESSION_PATTERN)] == ["Ana"]
    table.write_text(f"path\tparticipant\nAna/two\t{decomposed}\n", encoding="utf-8")
    assert {r.participant for r in scan_study(tmp_path, SESSION_PATTERN)} == {composed}
    table.write_text(f"path\tuse\n{composed}/one\t\n{decomposed}/one\tno\n", encoding="utf-8")
    with pytest.raises(Tap2keyError, match="already in line 2"):
        scan_study(tmp_path, SESSION_PATTERN)


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("nan", "not a number of seconds"),
        ("inf", "not a number of seconds"),
        ("-Infinity", "not a number of seconds"),
        ("1_0", "not a number of seconds"),
        ("-140", "give seconds, not milliseconds"),
        ("5.01", "give seconds, not milliseconds"),
        ("-0,14", "write -0.14, with a decimal point"),
        ("140 ms", "not a number of seconds"),
    ],
)
def test_a_latency_that_is_no_number_of_seconds_is_refused(study, cell, words):
    refused(study, f"path\tlatency_s\nTony/one\t{cell}\n", "line 2", cell, words)


@pytest.mark.parametrize(
    ("cell", "value"), [("-0.14", -0.14), ("-1.4e-1", -0.14), (" 5 ", 5), ("0", 0)]
)
def test_a_latency_in_seconds_is_read(study, cell, value):
    assert said(study, f"path\tlatency_s\nTony/one\t{cell}\n").latency_s == value


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("2023-01-27T11:03:01.577Z", "time zone (Z)"),
        ("2023-01-27 11:03:01 UTC", "time zone (UTC)"),
        ("2023-01-27T11:03:01.577+01:00", "time zone (+01:00)"),
        ("2023-01-27T11:03:01-0800", "time zone (-0800)"),
        ("2023-01-27", "a date without a time"),
        ("27.01.2023 11:03:01", "not a time like"),
        ("2023-02-30T11:03:01", "not a time like"),
        ("2023-W04-5", "not a time like"),
        ("20230127T110301", "not a time like"),
        ("11:03:01", "not a time like"),
    ],
)
def test_a_start_in_another_clock_or_without_a_time_is_refused(study, cell, words):
    refused(study, f"path\tstart\n{WAV}\t{cell}\n", "line 2", cell, words)


@pytest.mark.parametrize("cell", ["2023-01-27T11:03:01.25", "2023-01-27 11:03:01,250"])
def test_a_start_is_read_as_the_clock_had_it(study, cell):
    found = said(study, f"path\tstart\n{WAV}\t{cell}\n")
    assert found.start == datetime(2023, 1, 27, 11, 3, 1, 250_000)


@pytest.mark.parametrize(
    "encode",
    [
        lambda text: text.encode("utf-8-sig"),
        lambda text: text.encode("utf-16"),
        lambda text: b"\xfe\xff" + text.encode("utf-16-be"),
        lambda text: text.encode("utf-32"),
        lambda text: text.replace("\n", "\r\n").encode(),
        lambda text: text.replace("\n", "\r").encode(),
        lambda text: text.replace("\n", "\r").encode("utf-16"),
        lambda text: text.replace("\t", ";").encode(),
        lambda text: text.replace("\t", ",").encode(),
        lambda text: text.replace("path\tuse", " Path \tUSE").encode(),
        lambda text: text.replace("\n", "\t\t\n").encode(),
        lambda text: text.replace("Tony/one", '"Tony/one"').encode(),
        lambda text: text.replace("Tony/one", "Tony\\one").encode(),
        lambda text: text.rstrip("\n").encode(),
    ],
)
def test_what_spreadsheets_save_reads_alike(study, encode):
    text = "path\tuse\tparticipant\nAna/one\tyes\t\nTony/one\tno\tZoë\n"
    assert said(study, encode(text)) is None


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("path\tuse\nTony/one\tno\n".encode("utf-16-le"), ["UTF-16", "save it as UTF-8"]),
        ("path\tuse\tparticipant\nTony/one\tno\tZoë\n".encode("latin-1"), ["line 2", "Latin-1"]),
        ("path\tuse\tparticipant\rTony/one\tno\tZoë\r".encode("latin-1"), ["line 2", "Latin-1"]),
        (b"\xff\xfep\0a\0t", ["UTF-16"]),
        (b"path,use\nTony/one,no,\nAna/one,a,b\n", ["line 3", "more cells"]),
        (b"path\tuse\tuse\nTony/one\tno\tyes\n", ["duplicate column use"]),
        (b"", ["no column path"]),
        (b"path|use\nTony/one|no\n", ["no column path"]),
    ],
)
def test_what_cannot_be_read_for_certain_is_one_line(study, data, words):
    refused(study, data, *words)


def test_a_quotation_mark_swallows_no_line(tmp_path):
    for folder in ('The "Boss"/one', '"Q"/one', "Ana/one", "Tony/one"):
        session(tmp_path, folder)
    (tmp_path / "study.tsv").write_text(
        'path\tparticipant\tuse\n"The ""Boss""/one"\t"Jo\t\nTony/one\t\tno\n"Q"/one\tQ"\tno\n'
    )
    found = scan_study(tmp_path, SESSION_PATTERN)
    assert [r.participant for r in found] == ['"Jo', "Ana"]
