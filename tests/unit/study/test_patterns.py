"""What patterns in a configuration find, and what they pass over."""

import subprocess
import sys
from pathlib import Path

import pytest
from made import WORKFLOW, without_roots_privilege

from tap2key.core.errors import Tap2keyError
from tap2key.study.patterns import links_passed_by, matching, walk


def put(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def found(root: Path, pattern: str) -> list[str]:
    return [path.relative_to(root).as_posix() for path in matching(root, pattern, "truth.files")]


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("**.wav", r"'\*\*\.wav' is no pattern \(Invalid pattern: '\*\*' can only be"),
        ("a/**x/b.wav", r"'a/\*\*x/b\.wav' is no pattern|'a/\*\*x' is no pattern"),
        ("/logs/*.csv", "'/logs/*.csv' is absolute; give a relative pattern".replace("*", r"\*")),
        (".", r"'\.' names no file"),
        ("", "'' names no file"),
    ],
)
def test_what_is_no_pattern_is_refused_in_one_line(tmp_path, pattern, words):
    put(tmp_path, "a/b.wav")
    with pytest.raises(Tap2keyError, match=f"config: truth.files: {words}") as refused:
        matching(tmp_path, pattern, "truth.files")
    assert "\n" not in str(refused.value)


def test_hidden_files_and_folders_are_found_only_by_their_names(tmp_path):
    put(tmp_path, "a/b.wav", "a/._b.wav", ".bin/b.wav", "__MACOSX/b.wav", "a/.c/b.wav")
    assert found(tmp_path, "**/*.wav") == ["a/b.wav"]
    assert found(tmp_path, "*/*.wav") == ["a/b.wav"]
    assert found(tmp_path, ".bin/*.wav") == [".bin/b.wav"]
    assert found(tmp_path / "a", "../a/*.wav") == ["../a/b.wav"]
    assert list(walk(tmp_path, follow=True)) == [tmp_path, tmp_path / "a"]


def test_links_that_a_pattern_does_not_follow_are_told(tmp_path):
    root = put(tmp_path / "study", "a/b.wav", "c/d.wav")
    put(tmp_path / "elsewhere", "e.wav")
    for folder in ("a", "c"):
        (root / folder / "link").symlink_to(tmp_path / "elsewhere")
    assert found(root, "**/*.wav") == ["a/b.wav", "c/d.wav"]
    assert sorted(links_passed_by(root, "**/*.wav")) == [root / "a/link", root / "c/link"]
    assert list(links_passed_by(root, "a/**/*.wav")) == [root / "a/link"]
    assert list(links_passed_by(root, "*/*/*.wav")) == []
    assert found(root, "*/*/*.wav") == ["a/link/e.wav", "c/link/e.wav"]


REFUSED = """
import sys
from pathlib import Path
from tap2key.core.errors import Tap2keyError
from tap2key.study.patterns import matching, walk
root = Path(sys.argv[1])
for seek in (
    lambda: matching(root, "**/*.wav", "truth.recordings"),
    lambda: matching(root, "*/*/*.wav", "truth.recordings"),
    lambda: list(walk(root, follow=True)),
):
    try:
        print(seek())
    except Tap2keyError as error:
        print(error)
"""


def test_a_folder_that_may_not_be_read_is_an_error(tmp_path):
    put(tmp_path, "a/b.wav", "a/shut/c.wav")
    (tmp_path / "a" / "shut").chmod(0)
    asked = without_roots_privilege(sys.executable, "-c", REFUSED, str(tmp_path))
    try:
        said = subprocess.run(asked, cwd=WORKFLOW, capture_output=True, text=True, check=True)
    finally:
        (tmp_path / "a" / "shut").chmod(0o700)
    line = f"{tmp_path / 'a' / 'shut'}: not readable (Permission denied)"
    assert said.stdout.splitlines() == [line] * 3
