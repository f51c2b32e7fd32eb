import pytest

from tap2key.core.errors import Tap2keyError
from tap2key.core.files import read_tsv, write_tsv
from tap2key.simulation import session_table
from tap2key.simulation.plan import plan_study
from tap2key.simulation.session_table import write_session_table
from tap2key.study.session_files import ACOUSTIC, NEONODE
from tap2key.study.study_table import Named, place, read_study_table
from tap2key.study.truth import NEONODE as NEONODE_SOURCE

HARD = plan_study({"difficulty": "hard", "participants": 4, "sessions": 3, "layout": "nested"})


def make(study, sessions):
    for session in sessions:
        for part in (ACOUSTIC, NEONODE):
            (study / session.folder / part).mkdir(parents=True)
    return [study / session.folder for session in sessions]


def listed(study):
    return [row["path"] for row in read_tsv(study / "study.tsv")]


def test_a_study_is_read_with_the_table_room_and_microphones_that_were_planned(tmp_path):
    folders = make(tmp_path, HARD)
    write_session_table(tmp_path, HARD)
    entries = read_study_table(None, tmp_path, Named(NEONODE_SOURCE, folders))
    for session, folder in zip(HARD, folders, strict=True):
        assert entries[place(folder)].groups == {
            "table": session.material,
            "room": session.room,
            "microphones": f"set-{session.microphone_set + 1}",
        }


def test_it_lists_what_is_there_and_is_written_only_if_that_changed(tmp_path):
    make(tmp_path, HARD[:2])
    write_session_table(tmp_path, HARD)
    assert listed(tmp_path) == [session.folder for session in HARD[:2]]
    written = (tmp_path / "study.tsv").stat()
    write_session_table(tmp_path, HARD)
    assert (tmp_path / "study.tsv").stat() == written
    make(tmp_path, HARD[5:6])
    write_session_table(tmp_path, HARD)
    assert listed(tmp_path) == [session.folder for session in [*HARD[:2], HARD[5]]]


def test_rows_of_sessions_that_are_not_of_this_plan_are_kept_while_they_are_there(tmp_path):
    make(tmp_path, HARD[:2])
    (tmp_path / "Zoë" / "own").mkdir(parents=True)
    rows = "Zoë/own\toak\tlab\tset-9\nZoë/gone\toak\tlab\tset-9\n"
    (tmp_path / "study.tsv").write_text(f"path\ttable\troom\tmicrophones\n{rows}")
    write_session_table(tmp_path, HARD)
    assert listed(tmp_path) == [*(session.folder for session in HARD[:2]), "Zoë/own"]
    assert read_tsv(tmp_path / "study.tsv")[-1]["table"] == "oak"
    # A smaller plan for the same folder.
    write_session_table(tmp_path, HARD[:1])
    assert set(listed(tmp_path)) == {HARD[0].folder, HARD[1].folder, "Zoë/own"}


def test_a_session_that_another_process_finishes_meanwhile_is_not_lost(tmp_path, monkeypatch):
    make(tmp_path, HARD[:1])
    late = [HARD[3]]

    def outpaced(path, rows, columns):
        if late:
            make(tmp_path, [late.pop()])
            write_session_table(tmp_path, HARD)
        write_tsv(path, rows, columns)

    monkeypatch.setattr(session_table, "write_tsv", outpaced)
    write_session_table(tmp_path, HARD)
    assert listed(tmp_path) == [HARD[0].folder, HARD[3].folder]


@pytest.mark.parametrize("text", ["path\ttable\nAna\toak\n", "", "path,table,room,microphones\n"])
def test_a_table_that_was_not_simulated_is_kept(tmp_path, text):
    make(tmp_path, HARD)
    (tmp_path / "study.tsv").write_text(text)
    with pytest.raises(Tap2keyError, match=r"study\.tsv: was not simulated"):
        write_session_table(tmp_path, HARD)
    assert (tmp_path / "study.tsv").read_text() == text
