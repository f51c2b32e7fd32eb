"""Folders of clips: which are found, and what tables and folders say of them."""

import numpy as np
import pytest
import sounds

from tap2key.core.errors import Tap2keyError
from tap2key.study.clip_folders import survey_clips
from tap2key.study.clips import clips_of, sounds_of
from tap2key.study.truth import Truth

PATTERN = "^(?P<participant>(?P<session>[^/]+))"


def folder(root, *names, seed=0):
    rng = np.random.default_rng(seed)
    for name in names:
        sounds.write_wav(root / name, rng.uniform(-0.5, 0.5, (2000, 2)), 16_000)
    return root


def survey(root, *patterns, tables=None, labels="table"):
    return survey_clips(root, patterns, tables, labels, PATTERN)


def said(root, text, name="keys.txt", **truth):
    (root / name).write_text(text, encoding="utf-8")
    (recording,) = survey(root).recordings
    clips, missing = clips_of(recording, Truth(**truth))
    return [(clip.path.name, clip.key) for clip in clips], missing


def test_the_study_itself_may_be_a_folder_of_clips(tmp_path):
    root = folder(tmp_path / "Zoë 1", "key0002.wav", "key0001.wav")
    (root / "keys_groundtruth.txt").write_text("0001 a\n0002 Key.space\n")
    for patterns in ((), (".",)):
        (one,) = survey(root, *patterns).recordings
        assert (one.participant, one.session, one.recording) == ("Zoë 1",) * 3
        assert one.touch_files == (root / "keys_groundtruth.txt",)
        assert [path.name for path in sounds_of(one)] == ["key0001.wav", "key0002.wav"]


def test_folders_are_found_or_chosen_and_one_without_a_table_is_listed(tmp_path):
    for seed, name in enumerate(("Ana", "Bo", "Cy", ".hidden")):
        folder(tmp_path / name / "clips", "1.wav", seed=seed)
    (tmp_path / "Ana" / "clips" / "keys.csv").write_text("clip,key\n1,a\n")
    (tmp_path / "Bo" / "keys.csv").write_text("clip,key\n1,a\n")
    found = survey(tmp_path)
    assert [r.participant for r in found.recordings] == ["Ana"]
    assert [p.path.parent.name for p in found.passed_over] == ["Bo", "Cy"]
    beside = survey(tmp_path, "[AB]*/*", tables="../keys.csv")
    assert [r.participant for r in beside.recordings] == ["Bo"]


def test_folders_that_name_keys_are_one_recording_with_all_keys_in_turn(tmp_path):
    folder(tmp_path / "Ana", "a/1.wav", "a/2.wav", "é/1.wav", "é/2.wav", "é/3.wav")
    (one,) = survey(tmp_path, labels="folders").recordings
    assert (one.path, one.touch_files) == (tmp_path / "Ana", ())
    clips, _ = clips_of(one, Truth())
    assert [(c.key, c.path.stem) for c in clips] == [
        ("a", "1"),
        ("é", "1"),
        ("a", "2"),
        ("é", "2"),
        ("é", "3"),
    ]


def test_clips_are_in_the_order_of_their_numbers(tmp_path):
    names = ["tap 1.wav", "tap 2.wav", "tap 10.wav", "tap 11b3.wav", "tap 11b20.wav"]
    folder(tmp_path / "Ana", *(f"a/{name}" for name in reversed(names)))
    (one,) = survey(tmp_path, labels="folders").recordings
    assert [path.name for path in sounds_of(one)] == names


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("0001 ,\n0002 Key.shift\n", "keys.txt"),
        ("key1.wav\t,\nkey2\tKey.shift\n", "keys.tsv"),
        ('clip,key\r\nAna/key2.wav,Key.shift\r\n1,","\r\n', "keys.csv"),
        ("Key;Clip;note\n,;key1;soft\nKey.shift;2;\n", "keys.csv"),
        ("clip key\nkey1 ,\nkey2 Key.shift", "keys.txt"),
    ],
)
def test_tables_with_and_without_a_header_name_clips_by_name_or_number(tmp_path, text, name):
    root = folder(tmp_path / "Ana", "key1.wav", "key2.wav")
    assert said(root, text, name) == ([("key1.wav", ","), ("key2.wav", "Key.shift")], [])


def test_rows_of_another_folders_clips_are_not_taken(tmp_path):
    root = folder(tmp_path / "Ana", "key1.wav", "key2.wav")
    text = "clip,key\nBo/key1.wav,b\nAna/key1.wav,a\nBo/2,c\n"
    assert said(root, text, "keys.csv") == (
        [("key1.wav", "a"), ("key2.wav", None)],
        ["Bo/key1.wav", "Bo/2"],
    )


def test_columns_of_other_names_times_and_places(tmp_path):
    root = folder(tmp_path / "Ana", "é.wav")
    (root / "keys.csv").write_text("file;taste;t;x;y\ne\u0301;Ä;31,5;10;20\n", encoding="utf-8")
    (one,) = survey(root).recordings
    columns = {"clip": "file", "key": "Taste", "time": "t"}
    (clip,), _ = clips_of(one, Truth(unit="ms", columns=columns))
    assert (clip.key, clip.time_s, clip.x, clip.y) == ("Ä", pytest.approx(0.0315), 10, 20)


def test_rows_without_a_clip_and_clips_without_a_row_are_told(tmp_path):
    root = folder(tmp_path / "Ana", "key1.wav", "key2.wav")
    assert said(root, "1 a\n7 b\n") == ([("key1.wav", "a"), ("key2.wav", None)], ["7"])
    headed = "clip key time\n7 b soon\n1 a 0.01\n"
    assert said(root, headed) == ([("key1.wav", "a"), ("key2.wav", None)], ["7"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("7 a\n8 b\n", r"no row names one of the 2 clips in .*Ana; the first of them is key1.wav"),
        ("", "no row names one of the 2 clips"),
        ("1 a\n1 b\n", "line 2: key1.wav is 'b' here and 'a' before; delete one of the rows"),
        ("1\n2 b\n", "line 1: not 'clip key time x y'; mend or delete it"),
        (
            "file,label,rep\n1,a,1\n2,b,2\n",
            "keys.txt: no column clip or key in its first line; see",
        ),
        ("\nclip letter rep\n1 a 1\n", "keys.txt: no column clip or key in its first line; see"),
        ("1 a nan\n", "line 1: time 'nan' is no number"),
        ("1 a soon\n", "line 1: time 'soon' is no number; mend or delete it"),
    ],
)
def test_tables_that_cannot_be_right_are_refused_in_one_line(tmp_path, text, message):
    root = folder(tmp_path / "Ana", "key1.wav", "key2.wav")
    with pytest.raises(Tap2keyError, match=message) as error:
        said(root, text)
    assert "\n" not in str(error.value)


def test_a_number_of_two_clips_is_refused(tmp_path):
    root = folder(tmp_path / "Ana", "a1.wav", "b01.wav")
    with pytest.raises(Tap2keyError, match=r"line 1: '1' may be a1.wav or b01.wav; write its"):
        said(root, "1 a\n")


def test_a_clip_with_braces_is_refused(tmp_path):
    folder(tmp_path / "Ana", "a/1.wav", "a/{ctrl}_3.wav")
    with pytest.raises(Tap2keyError, match=r"\{ctrl\}_3\.wav: cannot be used .*brace"):
        survey(tmp_path, labels="folders")


def test_unknown_columns_are_refused(tmp_path):
    root = folder(tmp_path / "Ana", "1.wav")
    with pytest.raises(Tap2keyError, match=r"truth.columns: unknown recording; for clips it may"):
        said(root, "1 a\n", columns={"recording": "r"})


def test_studies_without_clips_two_tables_and_copies_are_refused(tmp_path):
    with pytest.raises(Tap2keyError, match="no folder of clips in it"):
        survey(tmp_path)
    with pytest.raises(Tap2keyError, match="'x' finds no folder of clips"):
        survey(tmp_path, "x")
    with pytest.raises(Tap2keyError, match="leaves the study"):
        survey(tmp_path, "../x")
    root = folder(tmp_path / "Ana", "1.wav")
    (root / "a.csv").write_text("1,a\n")
    (root / "b.txt").write_text("1,a\n")
    with pytest.raises(Tap2keyError, match=r"a.csv and b.txt may both be the table of its clips"):
        survey(tmp_path)
    (root / "b.txt").unlink()
    (root / "2.wav").write_bytes((root / "1.wav").read_bytes())
    with pytest.raises(Tap2keyError, match=r"hold the same sound; take one out of its folder$"):
        survey(tmp_path)
