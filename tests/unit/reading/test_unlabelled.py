"""Which files of a folder are read without a touch sensor, and what they are called."""

import os
import subprocess
import sys

import pytest
from made import WORKFLOW, without_roots_privilege

from tap2key.core.errors import Tap2keyError
from tap2key.reading.unlabelled import unlabelled_recordings


def put(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode(errors="surrogateescape"))


def read(*given):
    return [(r.name, r.path) for r in unlabelled_recordings(given) if r.reason is None]


def passed_over(*given):
    return {r.path: r.reason for r in unlabelled_recordings(given) if r.reason is not None}


def test_linked_folders_and_files_are_read_under_the_link_s_name(tmp_path):
    new, far = tmp_path / "new", tmp_path / "far"
    put(new, "a.wav", "own/b.wav")
    put(far, "c.wav", "deep/d.FLAC")
    (new / "linked").symlink_to(far, target_is_directory=True)
    put(tmp_path, "single.w64")
    (new / "e.w64").symlink_to(tmp_path / "single.w64")
    assert [name for name, _ in read(new)] == ["a", "e", "linked/c", "linked/deep/d", "own/b"]
    assert passed_over(new) == {}


def test_links_in_circles_end_and_no_file_is_read_twice(tmp_path):
    new = tmp_path / "new"
    put(new, "a.wav", "sub/b.wav")
    for link, target in (("0", new), ("sub/up", new), ("1", new / "sub"), ("2", new / "2")):
        (new / link).symlink_to(target, target_is_directory=True)
    (new / "0.wav").symlink_to(new / "a.wav")
    (new / "z.wav").hardlink_to(new / "sub" / "b.wav")
    assert read(new) == [("a", new / "a.wav"), ("sub/b", new / "sub" / "b.wav")]
    twice = {
        new / "0.wav": f"the same file as {new / 'a.wav'}",
        new / "z.wav": f"the same file as {new / 'sub' / 'b.wav'}",
    }
    assert passed_over(new) == twice
    assert passed_over(new, new / "a.wav") == twice | {
        new / "a.wav": f"the same file as {new / 'a.wav'}"
    }


def test_hidden_files_are_ignored_and_what_looks_like_sound_is_listed(tmp_path):
    put(tmp_path, "a.wav", "._a.wav", ".DS_Store", ".hidden/b.wav", "sub/._b.flac", "notes.txt")
    put(tmp_path, "b.aiff", "c.MP3", "Thumbs.db")
    (tmp_path / "d.wav.part").write_bytes(b"RIFF\x00\x00\x00\x00WAVEfmt ")
    (tmp_path / "e").write_bytes(b"fLaC" + bytes(40))
    os.mkfifo(tmp_path / "pipe.txt")
    assert [name for name, _ in read(tmp_path)] == ["a"]
    listed = passed_over(tmp_path)
    assert [path.name for path in listed] == ["b.aiff", "c.MP3", "d.wav.part", "e"]
    assert set(listed.values()) == {
        "its ending is none of .wav, .w64, .flac; save it as one of these, or rename it if it is "
        "one"
    }


def test_equal_names_with_other_endings_keep_their_endings(tmp_path):
    put(tmp_path, "a.wav", "a.flac", "a.WAV", "b.wav", "sub/a.wav")
    assert [name for name, _ in read(tmp_path)] == ["a.WAV", "a.flac", "a.wav", "b", "sub/a"]


LATIN = os.fsdecode("Müller".encode("latin-1"))
OTHER = os.fsdecode("Möller".encode("latin-1"))


@pytest.mark.parametrize(
    "odd",
    [
        "x" * 251 + ".wav",
        "ü" * 125 + ".flac",
        f"{LATIN}.wav",
        f"{LATIN}/a.wav",
        "ends\nhere\t.wav",
        "tapped_keys.parquet/a.wav",
        "read_recordings.tsv/a.wav",
        "b.labels.txt/a.wav",
        "b.TextGrid/a.wav",
        "/".join(["d" * 200] * 8) + "/a.wav",
    ],
)
def test_names_that_no_output_can_have_are_made_so(tmp_path, odd):
    put(tmp_path / "new", odd, "b.wav")
    found = dict(read(tmp_path / "new"))
    assert sorted(found.values()) == sorted([tmp_path / "new" / odd, tmp_path / "new" / "b.wav"])
    out = tmp_path / "out"
    for taken in ("b.labels.txt", "b.TextGrid", "tapped_keys.parquet", "read_recordings.tsv"):
        put(out, taken)
    for name in found:
        assert name.encode().decode() == name
        assert name.isprintable() or "\n" not in name
        for ending in (".labels.txt", ".TextGrid"):
            put(out, name + ending)


def test_odd_names_stay_apart(tmp_path):
    odd = [f"{LATIN}.wav", f"{OTHER}.wav", "M\ufffdller.wav", "x" * 250 + "1.wav"]
    odd += ["x" * 250 + "2.wav", "x" * 244 + ".wav", "x" * 245 + ".wav"]
    put(tmp_path, *odd)
    names = [name for name, _ in read(tmp_path)]
    assert len(set(names)) == len(odd)
    assert "M\ufffdller" in names
    assert "x" * 244 in names
    assert max(len(name.encode()) for name in names) == 244


LISTED = """
import sys
from pathlib import Path
from tap2key.reading.unlabelled import unlabelled_recordings
for found in unlabelled_recordings([Path(sys.argv[1])]):
    print(found.path, found.reason, sep="\t")
"""


def test_a_folder_that_may_not_be_read_is_listed(tmp_path):
    put(tmp_path, "a.wav", "shut/b.wav")
    (tmp_path / "shut").chmod(0)
    asked = without_roots_privilege(sys.executable, "-c", LISTED, str(tmp_path))
    try:
        listed = subprocess.run(asked, cwd=WORKFLOW, capture_output=True, text=True, check=True)
    finally:
        (tmp_path / "shut").chmod(0o700)
    found = dict(line.split("\t") for line in listed.stdout.splitlines())
    assert found.keys() == {str(tmp_path / "a.wav"), str(tmp_path / "shut")}
    assert found[str(tmp_path / "a.wav")] == "None"
    assert "not readable" in found[str(tmp_path / "shut")]


def test_a_folder_with_nothing_to_read_is_refused_with_what_is_there(tmp_path):
    put(tmp_path, "b.aiff")
    words = r"no \.wav file in it, nor .* \(only .*b\.aiff: its ending"
    with pytest.raises(Tap2keyError, match=words):
        unlabelled_recordings([tmp_path])
    with pytest.raises(Tap2keyError, match="no such file or folder"):
        unlabelled_recordings([tmp_path / "nowhere"])
