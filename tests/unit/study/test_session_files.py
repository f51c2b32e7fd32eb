"""Whatever in a study looks like a recording or a touch log is used, or listed with its reason."""

import shutil

import pytest
from made import RECORDING, scan_study, session

from tap2key.__main__ import main
from tap2key.config.configuration import complete_config
from tap2key.core.errors import Tap2keyError
from tap2key.core.files import read_tsv
from tap2key.study.manifest import write_passed_over
from tap2key.study.scan import survey_study
from tap2key.study.session_files import SOUND

SESSION_PATTERN = complete_config({"experiments": {"any": {}}})["session_pattern"]
ROWS = (
    "2023-01-27 13:05:{:02}.5,1,   Down,1000,1000,55\n"
    "2023-01-27 13:05:{:02}.9,1,     Up,1000,1000,55\n"
)


def log(first, last):
    return ROWS.format(first, last) + ROWS.format(last, last)


@pytest.fixture
def study(tmp_path):
    folder = session(tmp_path / "study", "Tony/one")
    (folder / "02.neonode" / "a_nnode.csv").write_text(log(10, 20))
    return tmp_path / "study"


def put(study, name, content=b""):
    path = study / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def listed(study):
    """Paths relative to the study, and reasons, of what is not used."""
    found = survey_study(study, SESSION_PATTERN)
    return {p.path.relative_to(study).as_posix(): p.reason for p in found.passed_over}


def test_what_systems_leave_behind_is_nothing(study):
    for folder in ("", "Tony/", "Tony/one/", "Tony/one/01.acoustic/", "Tony/one/02.neonode/"):
        for name in (f"._{RECORDING}", "._a_nnode.csv", ".DS_Store", "Thumbs.db", "desktop.ini"):
            put(study, folder + name, b"RIFF")
    put(study, f"__MACOSX/Tony/01.acoustic/._{RECORDING}")
    put(study, f"Tony/one/@eaDir/{RECORDING}")
    assert listed(study) == {}
    (only,) = scan_study(study, SESSION_PATTERN)
    assert only.path.name == RECORDING
    assert [p.name for p in only.touch_files] == ["a_nnode.csv"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (f"Tony/one/01.acoustic/part2/{RECORDING}", "put it into 01.acoustic itself"),
        (f"Tony/one/01.Acoustic/{RECORDING}", "put it into 01.acoustic itself"),
        (f"Tony/one/01.acoustic copy/{RECORDING}", "put it into 01.acoustic itself"),
        (f"Tony/one/{RECORDING}", "put it into 01.acoustic itself"),
        (f"Tony/one/02.neonode/{RECORDING}", "put it into 01.acoustic itself"),
        (f"Tony/one/again/01.acoustic/{RECORDING}", "put it into 01.acoustic itself"),
        (f"Tony/one/.hidden/{RECORDING}", "put it into 01.acoustic itself"),
        (f"Tony/one/01.acoustic/.{RECORDING}", "is hidden"),
        ("Tony/one/01.acoustic/x.mp3", "save it as one of them"),
        ("Tony/one/01.acoustic/x.wave", "rename it to .wav"),
        ("Tony/one/01.acoustic/x.wav.bak", "does not end in .wav"),
        ("Tony/one/01.acoustic/x.wav.part", "does not end in .wav"),
        (f"Tony/{RECORDING}", "lies in no session"),
        (RECORDING, "lies in no session"),
        (f"Tony/two/sound/{RECORDING}", "lies in no session"),
    ],
)
def test_a_recording_out_of_its_place_is_listed(study, name, reason):
    put(study, name)
    assert list(listed(study)) == [name]
    assert reason in listed(study)[name]
    assert len(scan_study(study, SESSION_PATTERN)) == 1


def test_a_file_without_an_ending_that_begins_as_sound_is_listed(study):
    put(study, "Tony/one/01.acoustic/recording", b"RIFF____WAVEfmt ")
    put(study, "Tony/one/01.acoustic/notes", b"good session")
    assert list(listed(study)) == ["Tony/one/01.acoustic/recording"]


def test_recordings_of_every_format_that_is_read_are_used(study):
    for name in ("13.06.00.0_01_27_2023.w64", "13.07.00.0_01_27_2023.FLAC"):
        put(study, f"Tony/one/01.acoustic/{name}")
    assert [r.path.suffix for r in scan_study(study, SESSION_PATTERN)] == [".wav", ".w64", ".FLAC"]
    assert listed(study) == {}


@pytest.mark.parametrize("name", ["a_nnode_1.csv", "a_nnode (2).csv", "log.TXT", "touches.csv"])
def test_a_log_of_another_name_is_used_if_it_goes_on_where_the_other_ends(study, name):
    put(study, f"Tony/one/02.neonode/{name}", log(30, 40))
    (only,) = scan_study(study, SESSION_PATTERN)
    assert {p.name for p in only.touch_files} == {"a_nnode.csv", name}
    assert listed(study) == {}


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("02.neonode/a_nnode_1.csv", log(15, 25), "its times overlap those of a_nnode.csv"),
        ("02.neonode/a_nnode_old.csv", log(10, 20), "its times overlap those of a_nnode.csv"),
        ("02.neonode/a_nnode_1.csv", "", "does not read as a touch log"),
        ("02.neonode/neonode.xlsx", "PK", "does not read as a touch log"),
        ("02.neonode/.b_nnode.csv", log(30, 40), "is hidden"),
        ("02.neonode/part2/b_nnode.csv", log(30, 40), "put it into 02.neonode itself"),
        ("01.acoustic/b_nnode.csv", log(30, 40), "put it into 02.neonode itself"),
        ("b_nnode.csv", "", "put it into 02.neonode itself"),
        ("notes/touches.txt", log(30, 40), "put it into 02.neonode itself"),
    ],
)
def test_any_other_touch_log_is_listed(study, name, content, reason):
    put(study, f"Tony/one/{name}", content)
    assert list(listed(study)) == [f"Tony/one/{name}"]
    assert reason in listed(study)[f"Tony/one/{name}"]
    (only,) = scan_study(study, SESSION_PATTERN)
    assert [p.name for p in only.touch_files] == ["a_nnode.csv"]


def test_what_is_neither_is_not_listed(study):
    for name in ("01.acoustic/notes.txt", "02.neonode/readme.txt", "03.plots/x.png", "a.pdf"):
        put(study, f"Tony/one/{name}", "text\n")
    put(study, "Tony/one/04.labels/13.05.22_label.csv", "label\na\n")
    put(study, "Tony/one/01.acoustic/x.wav.png")
    assert listed(study) == {}


def test_windows_that_older_scripts_cut_are_listed_together(study):
    for number in range(3):
        put(study, f"Tony/one/05.wav_samples/13.05.22_{number:03}_8chan.wav")
    reasons = listed(study)
    assert list(reasons) == ["Tony/one/05.wav_samples"]
    assert reasons["Tony/one/05.wav_samples"].startswith("3 windows")
    assert not any(p.alarming for p in survey_study(study, SESSION_PATTERN).passed_over)


@pytest.mark.parametrize("name", ["01.Acoustic", "01_acoustic", "1.acoustic", "01.acoustics"])
def test_a_misspelt_folder_is_an_incomplete_session(study, name):
    shutil.copytree(study / "Tony/one", study / "Ana/one")
    (study / "Ana/one/01.acoustic").rename(study / "Ana/one" / name)
    with pytest.raises(Tap2keyError, match=f"Ana/one: no folder 01.acoustic; rename {name}"):
        scan_study(study, SESSION_PATTERN)
    # So it is when the other folder is misspelt too.
    (study / "Ana/one/02.neonode").rename(study / "Ana/one/02.Neonode")
    with pytest.raises(Tap2keyError, match=r"no folder 01\.acoustic; rename"):
        scan_study(study, SESSION_PATTERN)
    (study / "study.tsv").write_text("path\tuse\nAna/one\tno\n")
    assert listed(study) == {"Ana/one": f"use = no ({study}/study.tsv, line 2)"}


def test_an_empty_session_says_what_lies_beside(study):
    (study / "Tony/one/01.acoustic" / RECORDING).rename(study / "Tony/one/01.acoustic/x.mp3")
    with pytest.raises(Tap2keyError, match=r"no \.wav file .* \(x\.mp3 does not end in"):
        scan_study(study, SESSION_PATTERN)


def test_what_is_left_out_on_purpose_is_listed_too(study):
    put(study, "Tony/one/01.acoustic/13.09.22.123_01_27_2023.wav")
    put(study, f"Ana/one/01.acoustic/{RECORDING}")
    put(study, "Ana/one/02.neonode/a_nnode.csv")
    (study / "study.tsv").write_text(
        f"path\tuse\nAna/one\tno\nTony/one/01.acoustic/{RECORDING}\tn\n"
    )
    found = survey_study(study, SESSION_PATTERN)
    assert [r.path.name for r in found.recordings] == ["13.09.22.123_01_27_2023.wav"]
    rows = [(p.participant, p.session, p.reason) for p in found.passed_over]
    assert rows == [
        ("", "", f"use = no ({study}/study.tsv, line 2)"),
        ("Tony", "one", f"use = no ({study}/study.tsv, line 3)"),
    ]
    assert not any(p.alarming for p in found.passed_over)


def test_the_table_of_them_is_written_only_when_it_would_change(study, tmp_path):
    put(study, b"Tony/one/01.acoustic/caf\xe9.mp3".decode("utf-8", "surrogateescape"))
    table = tmp_path / "results" / "passed_over.tsv"
    for _ in range(2):
        write_passed_over(table, survey_study(study, SESSION_PATTERN).passed_over)
        (row,) = read_tsv(table)
        assert row["path"].endswith("caf\\udce9.mp3")
        assert (row["participant"], row["session"]) == ("Tony", "one")
        times = table.stat().st_mtime_ns
    write_passed_over(table, survey_study(study, SESSION_PATTERN).passed_over)
    assert table.stat().st_mtime_ns == times
    table.write_text("my own notes\n")
    with pytest.raises(Tap2keyError, match="not a table that tap2key made"):
        write_passed_over(table, [])
    assert table.read_text() == "my own notes\n"


def test_a_name_that_is_no_text_is_refused(study):
    put(
        study,
        b"Tony/one/01.acoustic/caf\xe9 13.05.22.1_01_27_2023.wav".decode(errors="surrogateescape"),
    )
    with pytest.raises(Tap2keyError, match=r"cannot be used .*not UTF-8") as error:
        scan_study(study, SESSION_PATTERN)
    str(error.value).encode()


def test_a_session_by_hand_says_what_it_does_not_use(study, tmp_path, capsys):
    put(study, f"Tony/one/01.acoustic/part2/{RECORDING}")
    main(["segment", "--dir", str(study / "Tony/one"), "--output", str(tmp_path / "out")])
    assert f"not used: {study}/Tony/one/01.acoustic/part2/{RECORDING}" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["x.wav", "x.WAVE", "x.rf64", "x.aiff", "x.wav~", "x.wav.2.gz"])
def test_endings_of_recordings(name):
    assert SOUND.search(name)
