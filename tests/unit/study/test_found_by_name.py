"""Studies of any layout: which recordings patterns find, and which tables go with them."""

import pytest
import sounds

from tap2key.core.errors import Tap2keyError
from tap2key.study.found_by_name import survey_by_name
from tap2key.study.manifest import NO_START

PATTERN = "^(?P<participant>[^/]+)/(?P<session>[^/]+)"


def study(tmp_path, *recordings, tables=True):
    """A study of one short recording at each path, each of other sound, with a .keys beside it."""
    for seed, name in enumerate(recordings):
        path = tmp_path / name
        sounds.write_wav(path, sounds.recording([0.1], 0.3, seed))
        if tables:
            path.with_suffix(".keys").write_text("0.1 a\n")
    return tmp_path


def survey(folder, *patterns, tables=None):
    return survey_by_name(folder, patterns, tables, PATTERN)


def test_recordings_of_deep_folders_have_the_tables_beside_them(tmp_path):
    study(tmp_path, "Ana/letters/q/train_1.wav", "Ana/letters/w/[train] 2.wav", "Bo/digits/0.wav")
    found = survey(tmp_path, "*/*/*/*.wav", "Bo/**/*.wav")
    assert [(r.participant, r.session, r.recording) for r in found.recordings] == [
        ("Ana", "letters", "[train] 2"),
        ("Ana", "letters", "train_1"),
        ("Bo", "digits", "0"),
    ]
    assert all(r.touch_files == (r.path.with_suffix(".keys"),) for r in found.recordings)
    assert {(r.start, r.truth) for r in found.recordings} == {(NO_START, "events")}
    assert not found.passed_over


def test_tables_are_found_by_a_pattern_with_the_recordings_name(tmp_path):
    study(tmp_path, "Ana/one/wav/[a] 1.wav", "Ana/one/wav/b.wav", tables=False)
    logs = tmp_path / "Ana" / "one" / "logs"
    logs.mkdir()
    (logs / "[a] 1 log.csv").write_text("time,key\n0.1,a\n")
    (logs / "all.csv").write_text("time,key\n0.1,a\n")
    own = survey(tmp_path, "*/*/*/*.wav", tables="../logs/{recording} log.csv")
    assert [r.touch_files for r in own.recordings] == [(logs / "[a] 1 log.csv",)]
    assert [passed.path.name for passed in own.passed_over] == ["b.wav"]
    shared = survey(tmp_path, "*/*/*/*.wav", tables="../logs/all.csv")
    assert [r.touch_files for r in shared.recordings] == [(logs / "all.csv",)] * 2


def test_recordings_without_a_start_are_in_the_order_of_their_numbers(tmp_path):
    study(tmp_path, *(f"Ana/one/{number}.wav" for number in (11, 2, 10, 1)))
    found = survey(tmp_path, "**/*.wav").recordings
    assert [r.recording for r in found] == ["1", "2", "10", "11"]


def test_starts_are_read_where_names_have_them(tmp_path):
    study(tmp_path, f"Ana/one/{sounds.NAME}")
    assert survey(tmp_path, "**/*.wav").recordings[0].start == sounds.START


def test_two_sources_of_truth_are_refused_in_one_line(tmp_path):
    study(tmp_path, "Ana/one/01.acoustic/a.wav")
    log = tmp_path / "Ana" / "one" / "02.neonode" / "a_nnode.csv"
    log.parent.mkdir()
    log.write_text("")
    with pytest.raises(Tap2keyError, match=r"two sources of truth, .*a_nnode\.csv and event"):
        survey(tmp_path, "**/*.wav")


def test_patterns_that_find_nothing_are_named(tmp_path):
    study(tmp_path, "Ana/one/a.wav", tables=False)
    for patterns, words in (
        (["*.flac"], r"'\*\.flac' finds no recording"),
        (["../*.wav"], "leaves the study"),
        (["."], "'.' names no file"),
        (["**.wav"], r"'\*\*\.wav' is no pattern"),
        (["*/*/*.wav"], "no recording with an event table"),
    ):
        with pytest.raises(Tap2keyError, match=words):
            survey(tmp_path, *patterns)
    with pytest.raises(Tap2keyError, match=r"truth\.files: '/labels\.csv' is absolute"):
        survey(tmp_path, "*/*/*.wav", tables="/labels.csv")
    with pytest.raises(Tap2keyError, match="does not match"):
        survey_by_name(tmp_path, ["*/*/*.wav"], None, "^(?P<participant>x)(?P<session>y)")


def test_hidden_recordings_and_tables_are_not_taken(tmp_path):
    study(tmp_path, "Ana/one/rec.wav", "Ana/one/._rec.wav")
    labels = tmp_path / "Ana" / "one" / "labels.csv"
    for path in (labels, labels.with_name("._labels.csv")):
        path.write_text("time,key\n0.1,a\n")
    log = tmp_path / "Ana" / "02.neonode" / "._a_nnode.csv"
    log.parent.mkdir()
    log.write_text("")
    (one,) = survey(tmp_path, "**/*.wav").recordings
    assert one.touch_files == (one.path.with_suffix(".keys"),)
    (one,) = survey(tmp_path, "*/*/*.wav", tables="*.csv").recordings
    assert one.touch_files == (labels,)


def test_links_to_folders_are_followed_or_listed(tmp_path):
    study(tmp_path / "study", "Ana/one/1.wav", "Ana/two/2.wav")
    study(tmp_path / "other", "0.wav", "0.wav", "0.wav", "0.wav")
    link = tmp_path / "study" / "Ana" / "three"
    link.symlink_to(tmp_path / "other")
    found = survey(tmp_path / "study", "**/*.wav")
    assert [r.recording for r in found.recordings] == ["1", "2"]
    assert [p.path for p in found.passed_over] == [link]
    assert "is a link to a folder, which ** does not follow" in found.passed_over[0].reason
    both = survey(tmp_path / "study", "**/*.wav", "Ana/three/*.wav")
    assert [r.session for r in both.recordings] == ["one", "three", "two"]
    assert not both.passed_over


def test_one_sound_twice_is_refused_and_two_files_of_one_name(tmp_path):
    study(tmp_path, "Ana/one/a/1.wav", "Ana/one/b/1.wav")
    with pytest.raises(Tap2keyError, match=r"are both recording '1' .* use = no in study\.tsv$"):
        survey(tmp_path, "**/*.wav")
    (tmp_path / "Ana/one/b/1.wav").rename(tmp_path / "Ana/one/b/2.wav")
    (tmp_path / "Ana/one/b/1.keys").rename(tmp_path / "Ana/one/b/2.keys")
    (tmp_path / "Ana/one/b/2.wav").write_bytes((tmp_path / "Ana/one/a/1.wav").read_bytes())
    with pytest.raises(Tap2keyError, match=r"same sound; leave one out with use = no in study"):
        survey(tmp_path, "**/*.wav")


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("-Ana/one/1.wav",), "cannot be used .*; rename it, or name it in study.tsv$"),
        (("Ana/one/1.wav", "ana/one/2.wav"), "clearly different ones, in study.tsv$"),
        (("1.wav",), "change session_pattern in the config, or name the session in study.tsv"),
    ],
)
def test_names_that_cannot_be_used_are_mended_in_the_table(tmp_path, names, words):
    study(tmp_path, *names)
    with pytest.raises(Tap2keyError, match=words):
        survey(tmp_path, "**/*.wav")
