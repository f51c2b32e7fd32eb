from datetime import datetime

import pytest
from made import RECORDING, scan_study, session
from running import ROOT

from tap2key.config.configuration import complete_config
from tap2key.core.errors import Tap2keyError
from tap2key.study.manifest import read_manifest, write_manifest
from tap2key.study.naming import check_names, names_in_folder
from tap2key.study.scan import parse_start, recordings_in, select_participants

SESSION_PATTERN = complete_config({"experiments": {"any": {}}})["session_pattern"]
CONFIG = ROOT / "config" / "config.yaml"


def names(recordings):
    return [(r.participant, r.session, r.recording) for r in recordings]


@pytest.mark.parametrize(
    ("name", "start"),
    [
        (RECORDING, datetime(2023, 1, 27, 13, 5, 22, 123_000)),
        ("00-00-00-5 12-31-1999.WAV", datetime(1999, 12, 31, 0, 0, 0, 500_000)),
        ("rec_23.59.59.000001_02_29_2024.wav", datetime(2024, 2, 29, 23, 59, 59, 1)),
        ("10.11.12.05_06_07_2023.wav", datetime(2023, 6, 7, 10, 11, 12, 50_000)),
    ],
)
def test_start_is_read_hour_first_year_last(name, start):
    assert parse_start(name) == start


@pytest.mark.parametrize(
    "name",
    [
        "13.05.22.123_13_27_2023.wav",  # month 13
        "13.05.22.123_02_30_2023.wav",
        "25.05.22.123_01_27_2023.wav",
        "13.05.22.1234567_01_27_2023.wav",
        "13.05.22_01_27_2023.wav",
        "13.05.22.123_01_27_2023.mp3",
        "tony.wav",
    ],
)
def test_a_name_without_a_possible_start_is_refused_with_an_example(name):
    with pytest.raises(Tap2keyError, match=r"no start time.*13\.05\.22\.123_01_27_2023\.wav"):
        parse_start(name)


def test_a_flat_study(tmp_path):
    session(tmp_path, "Tony_01_27_23_data")
    session(tmp_path, "Maria_01_28_23_data")
    session(tmp_path, "Tony_01_26_23_data")
    found = scan_study(tmp_path, SESSION_PATTERN)
    stem = RECORDING.removesuffix(".wav")
    assert names(found) == [
        ("Maria", "01_28_23_data", stem),
        ("Tony", "01_26_23_data", stem),
        ("Tony", "01_27_23_data", stem),
    ]
    assert found[0].path == tmp_path / "Maria_01_28_23_data" / "01.acoustic" / RECORDING
    assert found[0].touch_files == (
        tmp_path / "Maria_01_28_23_data" / "02.neonode" / "a_nnode.csv",
    )
    assert found[0].start == datetime(2023, 1, 27, 13, 5, 22, 123_000)
    assert found[0].latency_s is None


def test_a_nested_study(tmp_path):
    session(tmp_path, "Tony/first", recordings=["13.06.00.0_01_27_2023.wav", RECORDING])
    session(tmp_path, "Ana/first", touches=["2_nnode.csv", "1_nnode.csv", "notes.txt"])
    found = scan_study(tmp_path, SESSION_PATTERN)
    assert names(found) == [
        ("Ana", "first", "13.05.22.123_01_27_2023"),
        ("Tony", "first", "13.05.22.123_01_27_2023"),
        ("Tony", "first", "13.06.00.0_01_27_2023"),
    ]
    assert [p.name for p in found[0].touch_files] == ["1_nnode.csv", "2_nnode.csv"]


def commented_layouts():
    lines = CONFIG.read_text(encoding="utf-8").splitlines()
    return [line.strip("# ',") for line in lines if line.startswith("#   '^")]


def test_the_other_layouts_that_the_config_offers(tmp_path):
    nested, flat = commented_layouts()
    session(tmp_path / "nested", "Anna_Lena/01_27_23")
    session(tmp_path / "nested", "Tony/01_27_23")
    assert [n[:2] for n in names(scan_study(tmp_path / "nested", nested))] == [
        ("Anna_Lena", "01_27_23"),
        ("Tony", "01_27_23"),
    ]
    session(tmp_path / "flat", "Anna_Lena_01_27_23_data")
    assert [n[:2] for n in names(scan_study(tmp_path / "flat", flat))] == [
        ("Anna_Lena", "01_27_23_data")
    ]


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("(?P<participant>", "session_pattern is not a regular expression"),
        ("(?P<participant>.+)", "session_pattern needs the groups"),
        (r"^(?P<participant>\d+)/(?P<session>.+)$", r"'Tony/one' does not match session_pattern"),
    ],
)
def test_a_session_pattern_that_does_not_fit_is_named(pattern, message):
    with pytest.raises(Tap2keyError, match=message):
        names_in_folder(pattern, "Tony/one")


@pytest.mark.parametrize(
    "name", ["Mary Ann's", 'the "quick"', "Zoë", "李雷", "a&b;c$d*?[0]", "x=y"]
)
def test_odd_names_are_accepted_as_they_are(tmp_path, name):
    session(tmp_path, f"{name}/day one")
    found = scan_study(tmp_path, SESSION_PATTERN)
    assert names(found) == [(name, "day one", RECORDING.removesuffix(".wav"))]
    manifest = tmp_path / "manifest.tsv"
    write_manifest(manifest, found)
    assert read_manifest(manifest) == found


@pytest.mark.parametrize("folder", ["Tony{1}/one", "Tony/{day}", "Tony/one}", "-Tony/one"])
def test_braces_and_what_looks_like_an_option_are_refused(tmp_path, folder):
    session(tmp_path, folder)
    with pytest.raises(Tap2keyError, match=r"cannot be used .* brace"):
        scan_study(tmp_path, SESSION_PATTERN)


def test_a_recording_with_braces_is_refused(tmp_path):
    session(tmp_path, "Tony/one", recordings=["{x}" + RECORDING])
    with pytest.raises(Tap2keyError, match="cannot be used"):
        scan_study(tmp_path, SESSION_PATTERN)


def test_two_sessions_under_one_name_are_refused(tmp_path):
    session(tmp_path, "Tony_one")
    session(tmp_path, "Tony/one")
    with pytest.raises(Tap2keyError, match="are both participant 'Tony', session 'one'"):
        scan_study(tmp_path, SESSION_PATTERN)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda s: (s / "02.neonode").rename(s / "sensor"), "no folder 02.neonode"),
        (lambda s: (s / "01.acoustic").rename(s / "sound"), "no folder 01.acoustic"),
        (lambda s: (s / "01.acoustic" / RECORDING).unlink(), "01.acoustic: no .wav file"),
        (lambda s: (s / "02.neonode" / "a_nnode.csv").unlink(), r"02.neonode: no \*nnode.csv file"),
        (
            lambda s: (s / "01.acoustic" / RECORDING).rename(s / "01.acoustic" / "take1.wav"),
            "take1.wav: no start time in the file name",
        ),
    ],
)
def test_an_incomplete_session_is_named_unless_it_is_left_out(tmp_path, spoil, message):
    good = session(tmp_path, "Ana/one")
    spoil(session(tmp_path, "Tony/one"))
    with pytest.raises(Tap2keyError, match=message):
        scan_study(tmp_path, SESSION_PATTERN)
    (tmp_path / "study.tsv").write_text("path\tuse\nTony/one\tno\n")
    assert [r.path.parent.parent for r in scan_study(tmp_path, SESSION_PATTERN)] == [good]


def test_a_missing_and_an_empty_study_are_refused(tmp_path):
    with pytest.raises(Tap2keyError, match="absent not found; set study in the config"):
        scan_study(tmp_path / "absent", SESSION_PATTERN)
    with pytest.raises(Tap2keyError, match="no session in it"):
        scan_study(tmp_path, SESSION_PATTERN)


def test_a_table_renames_and_leaves_out(tmp_path):
    session(tmp_path, "Tony_1")
    session(tmp_path, "tony_2")
    session(tmp_path, "nonsense")  # no pattern fits it
    session(tmp_path, "Test_0")
    (tmp_path / "study.tsv").write_text(
        "path\tparticipant\tsession\tuse\n"
        "tony_2\tTony\t\t\n"
        "nonsense\tMaria\tevening\tyes\n"
        "Test_0\t\t\tNo\n"
    )
    assert [n[:2] for n in names(scan_study(tmp_path, SESSION_PATTERN))] == [
        ("Maria", "evening"),
        ("Tony", "1"),
        ("Tony", "2"),
    ]


def test_a_table_overrides_single_recordings(tmp_path):
    session(tmp_path, "Tony/one", recordings=["take1.wav", "take2.wav", RECORDING])
    session(tmp_path, "Ana/one")
    table = tmp_path / "elsewhere.tsv"
    table.write_text(
        "path\tstart\tlatency_s\tuse\tsession\n"
        "Tony/one/01.acoustic/take1.wav\t2023-01-27T14:00:00.25\t-0.125\t\tlate\n"
        "Tony/one/01.acoustic/take2.wav\t\t\tno\t\n"
    )
    ana, late, one = scan_study(tmp_path, SESSION_PATTERN, table)
    assert (ana.participant, ana.latency_s) == ("Ana", None)
    assert (late.recording, late.session, late.participant) == ("take1", "late", "Tony")
    assert late.start == datetime(2023, 1, 27, 14, 0, 0, 250_000)
    assert late.latency_s == -0.125
    assert (one.session, one.latency_s) == ("one", None)


def test_a_sessions_latency_holds_for_its_recordings_unless_they_have_their_own(tmp_path):
    session(tmp_path, "Tony/one", recordings=[RECORDING, "14.00.00.0_01_27_2023.wav"])
    session(tmp_path, "Tony/two")
    (tmp_path / "study.tsv").write_text(
        f"path\tlatency_s\nTony/one\t-0.2\nTony/one/01.acoustic/{RECORDING}\t0\n"
    )
    assert [r.latency_s for r in scan_study(tmp_path, SESSION_PATTERN)] == [0.0, -0.2, None]


def test_other_columns_of_the_table_group_recordings(tmp_path):
    session(tmp_path, "Tony/one", recordings=[RECORDING, "14.00.00.0_01_27_2023.wav"])
    session(tmp_path, "Tony/two")
    (tmp_path / "study.tsv").write_text(
        "path\tTable\tmicrophones\n"
        "Tony/one\t glass \tnew\n"
        f"Tony/one/01.acoustic/{RECORDING}\toak\t\n",
        encoding="utf-8",
    )
    found = scan_study(tmp_path, SESSION_PATTERN)
    assert [r.value_of("table") for r in found] == ["oak", "glass", None]
    assert [r.value_of("microphones") for r in found] == ["new", "new", None]
    assert [r.value_of("session") for r in found] == ["one", "one", "two"]
    assert found[0].value_of("participant") == "Tony" and found[0].value_of("use") is None
    write_manifest(tmp_path / "manifest.tsv", found)
    assert read_manifest(tmp_path / "manifest.tsv") == found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path\tlatency_ms\nTony/one\t-140\n", "unknown column latency_ms; did you mean latency_s"),
        ("path\tuses\nTony/one\tno\n", "unknown column uses; did you mean use"),
        ("path\tparticpant\nTony/one\tx\n", "unknown column particpant; did you mean participant"),
        ("participant\nTony\n", "no column path"),
        ("path\tuse\nTony/one\tno\nTony/two\tno\n", "line 3: .*two does not exist"),
        ("path\tuse\n\tno\n", "line 2: .* does not exist"),
        ("path\tuse\nTony\tno\n", "line 2: .*Tony is neither a session folder .* nor a recording"),
        ("path\tuse\nTony/one/02.neonode/a_nnode.csv\tno\n", "line 2: .* is neither"),
        ("path\tstart\nTony/one\t2023-01-27T14:00\n", "line 2: a start belongs to a recording"),
        (
            "path\tlatency_s\nTony/one\t140 ms\n",
            "study.tsv, line 2: latency_s '140 ms' is not a number",
        ),
        (
            f"path\tstart\nTony/one/01.acoustic/{RECORDING}\t1 pm\n",
            "study.tsv, line 2: start '1 pm' is not a time like 2023-",
        ),
    ],
)
def test_a_table_that_would_do_something_else_than_meant_is_refused(tmp_path, text, message):
    session(tmp_path, "Tony/one")
    session(tmp_path, "Ana/one")
    (tmp_path / "study.tsv").write_text(text)
    with pytest.raises(Tap2keyError, match=message):
        scan_study(tmp_path, SESSION_PATTERN)


def test_a_session_by_hand_is_named_after_its_folders(tmp_path):
    folder = session(tmp_path, "Tony/one")
    assert names(recordings_in(folder))[0][:2] == ("Tony", "one")
    assert names(recordings_in(folder, "P1", "S1"))[0][:2] == ("P1", "S1")


def test_participants_are_selected_and_unknown_ones_refused(tmp_path):
    for name in ("Ana", "Tony", "Zoë"):
        session(tmp_path, f"{name}/one")
    found = scan_study(tmp_path, SESSION_PATTERN)
    chosen = select_participants(found, ["Zoë", "Ana"])
    assert [r.participant for r in chosen] == ["Ana", "Zoë"]
    assert select_participants(found, None) == found
    with pytest.raises(Tap2keyError, match="'Bob' is not in the study; it has Ana, Tony, Zoë"):
        select_participants(found, ["Ana", "Bob"])


def test_a_manifest_is_rewritten_only_when_it_would_change(tmp_path):
    """Its time stamp would otherwise rerun every session."""
    session(tmp_path, "Tony/one", touches=["1_nnode.csv", "2_nnode.csv"])
    (tmp_path / "study.tsv").write_text("path\tlatency_s\nTony/one\t-0.1\n")
    found = scan_study(tmp_path, SESSION_PATTERN)
    manifest = tmp_path / "results" / "manifest.tsv"
    write_manifest(manifest, found)
    assert read_manifest(manifest) == found
    before = manifest.stat()
    write_manifest(manifest, found)
    assert (manifest.stat().st_mtime_ns, manifest.stat().st_ino) == (
        before.st_mtime_ns,
        before.st_ino,
    )
    session(tmp_path, "Ana/one")
    write_manifest(manifest, scan_study(tmp_path, SESSION_PATTERN))
    assert [r.participant for r in read_manifest(manifest)] == ["Ana", "Tony"]


def test_a_manifest_of_an_earlier_version_is_replaced(tmp_path):
    session(tmp_path, "Tony/one")
    found = scan_study(tmp_path, SESSION_PATTERN)
    manifest = tmp_path / "manifest.tsv"
    manifest.write_text("participant\trecording\tpath\ttouch_files\nTony\tx\ty\t[]\n")
    write_manifest(manifest, found)
    assert read_manifest(manifest) == found


def test_check_names_accepts_what_scanning_found(tmp_path):
    session(tmp_path, "Tony/one")
    check_names(scan_study(tmp_path, SESSION_PATTERN))
