"""Sessions whose source of truth study.tsv states: found as that, whatever the study's is."""

from pathlib import Path

import numpy as np
import pytest
import sounds

from tap2key.config.configuration import complete_config
from tap2key.core.errors import Tap2keyError
from tap2key.core.shipped import KEYBOARD
from tap2key.orchestration.recording_sources import survey
from tap2key.segmentation.session import Settings, segment_session
from tap2key.segmentation.taps import load_taps
from tap2key.study.found_by_name import survey_by_name
from tap2key.study.keyboard import load_keyboard
from tap2key.study.truth import Truth

EVERY = ["**/*.wav"]
OUTSIDE = "elsewhere"
PATTERN = "^(?P<participant>[^/]+)/(?P<session>[^/]+)"


def sound(path: Path, seed: int) -> Path:
    return sounds.write_wav(path, np.random.default_rng(seed).normal(0, 0.01, (4800, 8)))


@pytest.fixture
def study(tmp_path):
    """Ana has touch logs, Bo event tables in a session's folder, Cy both, Dee only tables."""
    for seed, name in enumerate(("Ana/one", "Bo/one", "Cy/one")):
        path = sound(tmp_path / name / "01.acoustic" / sounds.NAME, seed)
        if name != "Bo/one":
            log = tmp_path / name / "02.neonode" / "a_nnode.csv"
            log.parent.mkdir()
            log.write_text(f"2023-01-27 13:05:23.5,{seed},   Down,2651,1088,55\n")
        if name != "Ana/one":
            path.with_suffix(".keys").write_text(f"0.1{seed} a\n")
    sound(tmp_path / "Dee" / "one" / "rec.wav", 3).with_suffix(".keys").write_text("0.1 a\n")
    return tmp_path


def found(root, rows, source="neonode", columns="path\ttruth", **truth):
    """Source of truth and files by participant, and what is passed over."""
    (root / "study.tsv").write_text("\n".join([columns, *rows, ""]), encoding="utf-8")
    config = complete_config(
        {
            "study": str(root),
            "session_pattern": PATTERN,
            "truth": {"source": source, **truth},
            "experiments": {"e": {}},
        }
    )
    result = survey(config)
    files = {
        r.participant: (r.truth, r.path.name, [p.name for p in r.touch_files])
        for r in result.recordings
    }
    return files, [(p.path.name, p.reason) for p in result.passed_over]


BOTH = {
    "Ana": ("neonode", sounds.NAME, ["a_nnode.csv"]),
    "Bo": ("events", sounds.NAME, ["13.05.22.123_01_27_2023.keys"]),
    "Cy": ("events", sounds.NAME, ["13.05.22.123_01_27_2023.keys"]),
    "Dee": ("events", "rec.wav", ["rec.keys"]),
}
LOGGED = ("neonode", sounds.NAME, ["a_nnode.csv"])


def test_of_a_study_with_touch_logs_some_sessions_have_event_tables(study):
    rows = ["Bo/one\tevents", "Dee/one\tEvents", "Cy/one\tevents"]
    assert found(study, rows)[0] == BOTH
    rows[2] = "Cy/one\tneonode"
    files, passed_over = found(study, rows)
    assert files == {**BOTH, "Cy": LOGGED}
    assert [name for name, _ in passed_over] == []


def test_of_a_study_with_event_tables_some_sessions_have_touch_logs(study):
    rows = ["Ana/one\tneonode", "Cy/one\tevents"]
    assert found(study, rows, "events", recordings=EVERY)[0] == BOTH
    rows[1] = "Cy/one\tneonode"
    assert found(study, rows, "events", recordings=EVERY)[0] == {**BOTH, "Cy": LOGGED}


def test_two_sources_of_truth_are_refused_until_one_is_stated(study, tmp_path_factory):
    with pytest.raises(Tap2keyError) as refused:
        found(study, ["Ana/one\tneonode"], "events", recordings=EVERY)
    assert str(refused.value) == (
        f"{study}/Cy/one: two sources of truth, {study}/Cy/one/02.neonode/a_nnode.csv and event "
        f"tables; say which counts in {study}/study.tsv, in a row with path Cy/one and truth "
        "neonode or events"
    )
    rows = tmp_path_factory.mktemp("tables") / "rows.tsv"
    rows.write_text("path\ttruth\nAna/one\tneonode\n")
    with pytest.raises(Tap2keyError, match=f"say which counts in {rows}, in a row with"):
        survey_by_name(study, EVERY, None, PATTERN, rows)
    # As the line says.
    found(study, ["Ana/one\tneonode", "Cy/one\tneonode"], "events", recordings=EVERY)


def test_a_session_of_clips(study):
    for number in range(3):
        sound(study / "Eve" / "one" / "01.acoustic" / f"{number}.wav", 10 + number)
    table = study / "Eve" / "one" / "01.acoustic" / "keys.csv"
    table.write_text("clip,key\n0,a\n1,b\n2,a\n")
    rows = ["Bo/one\tevents", "Dee/one\tevents", "Cy/one\tevents", "Eve/one\tclips"]
    assert found(study, rows)[0] == {**BOTH, "Eve": ("clips", "01.acoustic", ["keys.csv"])}
    # The other way round.
    rows = ["Ana/one\tneonode", "Bo/one\tevents", "Cy/one\tevents", "Dee/one\tevents"]
    assert found(study, rows, "clips")[0] == found(study, [*rows, "Eve/one\tclips"])[0]


def test_tables_lie_where_truth_files_says(study):
    keys = study / "Dee" / "logs" / "rec.csv"
    keys.parent.mkdir()
    keys.write_text("time,key\n0.1,a\n")
    (study / "Dee" / "one" / "rec.keys").unlink()
    rows = ["Bo/one\tneonode", "Cy/one\tneonode", "Dee/one\tevents"]
    with pytest.raises(Tap2keyError, match=r"Bo/one: no folder 02\.neonode"):
        found(study, rows)
    rows[0] = "Bo/one\tevents"
    with pytest.raises(Tap2keyError, match=r"line 2: truth events, but .*Bo/one has no recording"):
        found(study, rows, files="../logs/{recording}.csv")
    files, _ = found(
        study, [f"{r}\t{u}" for r, u in zip(rows, ("no", "", ""), strict=True)],
        columns="path\ttruth\tuse", files="../logs/{recording}.csv",
    )  # fmt: skip
    assert files["Dee"] == ("events", "rec.wav", ["rec.csv"]) and "Bo" not in files


def test_what_else_the_table_says_of_such_sessions_holds(study):
    sound(study / "Dee" / "one" / "left.wav", 20).with_suffix(".keys").write_text("0.1 a\n")
    rows = [
        "Bo/one\tevents\t\t\t\toak",
        "Cy/one\t\tMia\tlast\t\tglass",
        "Dee/one\tevents\tDora\t\t\t",
        "Dee/one/left.wav\t\t\t\tno\t",
    ]
    columns = "path\ttruth\tparticipant\tsession\tuse\ttable"
    files, passed_over = found(study, rows, columns=columns)
    assert files == {"Ana": LOGGED, "Bo": BOTH["Bo"], "Mia": LOGGED, "Dora": BOTH["Dee"]}
    assert passed_over == [("left.wav", f"use = no ({study}/study.tsv, line 5)")]
    rows = ["Ana/one\tneonode\t\t\t", "Cy/one\tevents\tMia\tlast\tno", "Dee\t\tDora\t\tno"]
    with pytest.raises(Tap2keyError, match=r"line 4: .*Dee is neither what truth\.rec"):
        found(study, rows, "events", "path\ttruth\tparticipant\tsession\tuse", recordings=EVERY)
    rows[2] = "Dee/one/left.wav\t\tDora\t\tno"
    files, passed_over = found(
        study, rows, "events", "path\ttruth\tparticipant\tsession\tuse", recordings=EVERY
    )
    assert set(files) == {"Ana", "Bo", "Dee"}
    assert [name for name, _ in passed_over] == [sounds.NAME, "left.wav"]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (
            ["Ana/one\ttouch"],
            r"study\.tsv, line 2: truth 'touch' is none of neonode, events, clips",
        ),
        (
            [f"Cy/one/01.acoustic/{sounds.NAME}\tevents"],
            "line 2: a truth belongs to a session folder, not to a recording",
        ),
        (
            ["Dee/one\tneonode"],
            "line 2: .*Dee/one is neither a session folder",
        ),
        (
            ["Ana/one\tclips", "Bo/one\tevents"],
            r"line 2: truth clips, but .*Ana/one has no recording with that \(has no table",
        ),
        (
            [f"Bo/one\tevents\n../{OUTSIDE}/one\tevents"],
            rf"line 3: .*/{OUTSIDE}/one lies outside the study .*; move it there",
        ),
        (
            ["Bo/one\tevents", f"Cy/one\tclips\nCy/one/01.acoustic/{sounds.NAME}\t"],
            "line 4: .*is a single clip, and only the folder of clips can be named",
        ),
        (
            ["Bo/one\tevents", f"Bo/one/{sounds.NAME}\t"],
            "line 3: .*is neither a session folder .* nor a recording in one",
        ),
        (
            ["Bo/one\tevents", "Dee\tevents"],
            "Dee' does not match session_pattern",
        ),
    ],
)
def test_a_truth_that_is_none_or_is_not_there_is_refused(study, rows, said):
    sound(study.parent / OUTSIDE / "one" / "rec.wav", 7).with_suffix(".keys").write_text("0.1 a\n")
    # Beside the folder in which the recordings of these sessions are looked for.
    for seed, name in enumerate(("Bo", "Cy"), start=8):
        sound(study / name / "one" / sounds.NAME, seed)
    with pytest.raises(Tap2keyError, match=said):
        found(study, rows)


def test_recordings_that_the_table_leaves_out_are_no_error_unless_none_remains(study):
    rows = ["Bo/one\tevents\t", "Dee/one\tevents\t", "Dee/one/rec.wav\t\tno"]
    files, passed_over = found(study, rows, columns="path\ttruth\tuse")
    assert set(files) == {"Ana", "Bo", "Cy"}
    assert passed_over == [("rec.wav", f"use = no ({study}/study.tsv, line 4)")]
    rows = [f"{name}/one\tevents\tno" for name in ("Ana", "Bo", "Cy", "Dee")]
    with pytest.raises(
        Tap2keyError, match=r"no recording is left to be used; the first: .* use = no"
    ):
        found(study, rows, columns="path\ttruth\tuse")


def test_two_folders_with_unlike_truth_are_not_one_session(study):
    rows = ["Dee/one\tevents\tAna", "Bo/one\tevents\t"]
    with pytest.raises(Tap2keyError, match="are both participant 'Ana', session 'one'"):
        found(study, rows, columns="path\ttruth\tparticipant")


def test_sessions_of_either_truth_are_labelled_by_their_own(tmp_path):
    """The same strokes, once as touches and once as a table: the same taps and keys."""
    keyboard = load_keyboard(KEYBOARD)
    ((times, xy, touched),) = sounds.make_session(tmp_path / "Ana" / "one", seed=3)
    keys = [keyboard.labels[at] for at in keyboard.nearest(xy)]
    path = tmp_path / "Bo" / "one" / "01.acoustic" / sounds.NAME
    # Another room, lest it be a copy.
    sounds.write_wav(path, sounds.recording(list(times), times[-1] + 0.5, seed=4))
    late = np.round(times + 0.05, 4)
    path.with_suffix(".csv").write_text(
        "time,key\n" + "".join(f"{t},{key}\n" for t, key in zip(late, keys, strict=True))
    )
    (tmp_path / "study.tsv").write_text("path\ttruth\nBo/one\tevents\n")
    config = complete_config({"study": str(tmp_path), "experiments": {"e": {}}})
    logged, tabled = survey(config).recordings
    assert (logged.truth, tabled.truth) == ("neonode", "events")
    characters = {label: label for label in keyboard.labels}
    settings = Settings(truth=Truth(characters=characters))
    labels = {}
    for recording in (logged, tabled):
        (audit,) = segment_session([recording], keyboard, settings, tmp_path / recording.truth)
        assert audit["status"] == "ok", audit
        table, _ = load_taps(tmp_path / recording.truth)
        at = np.abs(table["time_s"].to_numpy()[:, None] - times).argmin(axis=1)
        labels[recording.truth] = dict(zip(at.tolist(), table["label"].to_pylist(), strict=True))
    assert labels["events"] == dict(enumerate(keys))
    assert labels["neonode"] == {
        i: key if touched[i] else None for i, key in enumerate(keys) if i in labels["neonode"]
    }
