import json

import pytest

from tap2key.__main__ import STAGES
from tap2key.core.errors import Tap2keyError
from tap2key.core.files import write_json
from tap2key.core.folders import atomic_folder, standing

STAGE = "fold"


def write(path, stage=STAGE, **files):
    """An output as a stage writes it: of each file its name, without the ending, and its text."""
    with atomic_folder(path, stage) as temporary:
        for name, text in files.items():
            file = temporary / f"{name.replace('__', '/')}.txt"
            file.parent.mkdir(exist_ok=True)
            file.write_text(text)
        write_json(temporary / "provenance.json", {"stage": stage})
    return path


def held(folder):
    return {
        str(p.relative_to(folder)): p.read_text()
        for p in folder.rglob("*")
        if p.is_file() and p.name != "provenance.json"
    }


def test_a_folder_appears_only_when_the_block_ends(tmp_path):
    with atomic_folder(tmp_path / "new" / "model", STAGE) as temporary:
        (temporary / "weights").write_text("half")
        assert temporary.parent == tmp_path / "new"
        assert not (tmp_path / "new" / "model").exists()
        write_json(temporary / "provenance.json", {"stage": STAGE})
    assert held(tmp_path / "new" / "model") == {"weights": "half"}
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["model"]


def test_an_earlier_output_is_replaced_as_a_whole(tmp_path):
    target = write(tmp_path / "model", stale="1", deep__stale="2", both="3")
    with atomic_folder(target, STAGE) as temporary:
        (temporary / "fresh").touch()
        write_json(temporary / "provenance.json", {"stage": STAGE})
        assert held(target) == {"stale.txt": "1", "deep/stale.txt": "2", "both.txt": "3"}
    assert held(target) == {"fresh": ""}
    assert sorted(p.name for p in target.iterdir()) == ["fresh", "provenance.json"]
    assert list(tmp_path.iterdir()) == [target]


def test_a_failed_replacement_leaves_the_existing_folder_and_nothing_else(tmp_path):
    target = write(tmp_path / "model", weights="good")
    with pytest.raises(KeyboardInterrupt), atomic_folder(target, STAGE) as temporary:
        (temporary / "weights.txt").write_text("half")
        raise KeyboardInterrupt
    assert held(target) == {"weights.txt": "good"}
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_without_provenance_is_no_output(tmp_path):
    with (
        pytest.raises(Tap2keyError, match=r"provenance\.json: no such file"),
        atomic_folder(tmp_path / "model", STAGE),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("before", [None, {}, {"old": "of the stage"}])
def test_what_somebody_puts_there_while_a_stage_works_stays(tmp_path, before):
    target = tmp_path / "model"
    if before == {}:
        target.mkdir()
    elif before:
        write(target, **before)
    with atomic_folder(target, STAGE) as temporary:
        (temporary / "weights.txt").write_text("new")
        (temporary / "log").mkdir()
        (temporary / "log" / "mine.txt").write_text("of the stage")
        write_json(temporary / "provenance.json", {"stage": STAGE})
        (target / "log").mkdir(parents=True)
        (target / "log" / "notes.txt").write_text("theirs")
        (target / "empty").mkdir()
    assert held(target) == {
        "weights.txt": "new",
        "log/notes.txt": "theirs",
        "log/mine.txt": "of the stage",
    }
    assert (target / "empty").is_dir()
    assert list(tmp_path.iterdir()) == [target]
    # And it is not taken for the stage's the next time.
    write(target, weights="newer")
    assert held(target) == {"weights.txt": "newer", "log/notes.txt": "theirs"}
    assert not standing(target, "encode").usable


@pytest.mark.parametrize(
    ("theirs", "ours"), [("a.txt", "a"), ("a.txt/below", "a"), ("deep", "deep__a")]
)
def test_a_file_in_the_way_is_named_and_stays(tmp_path, theirs, ours):
    target = write(tmp_path / "model", old="good")
    (target / theirs).parent.mkdir(exist_ok=True)
    (target / theirs).write_text("theirs")
    before = {**held(target)}
    with pytest.raises(Tap2keyError, match=r"model: .* in it is not from an earlier output; move"):
        write(target, **{ours: "new"})
    assert held(target) == before
    assert list(tmp_path.iterdir()) == [target]


def test_a_file_that_has_taken_the_place_stays(tmp_path):
    with (
        pytest.raises(Tap2keyError, match="has become a file"),
        atomic_folder(tmp_path / "model", STAGE) as temporary,
    ):
        write_json(temporary / "provenance.json", {"stage": STAGE})
        (tmp_path / "model").write_text("theirs")
    assert (tmp_path / "model").read_text() == "theirs"
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


def test_a_link_in_a_folder_is_not_followed(tmp_path):
    target = write(tmp_path / "model", old="good")
    (tmp_path / "recordings").mkdir()
    (tmp_path / "recordings" / "tap.wav").write_text("precious")
    (target / "link").symlink_to(tmp_path / "recordings")
    about = json.loads((target / "provenance.json").read_text())
    write_json(target / "provenance.json", {**about, "files": [*about["files"], "link"]})
    write(target, new="better")
    assert held(target) == {"new.txt": "better"}
    assert (tmp_path / "recordings" / "tap.wav").read_text() == "precious"


@pytest.mark.parametrize(
    "files", [["../recordings/tap.wav", "/etc/passwd", "old.txt"], [3, None, "old.txt"]]
)
def test_a_list_of_files_reaches_nothing_outside_its_folder(tmp_path, files):
    target = write(tmp_path / "model", old="good")
    (tmp_path / "recordings").mkdir()
    (tmp_path / "recordings" / "tap.wav").write_text("precious")
    write_json(target / "provenance.json", {"stage": STAGE, "files": files})
    write(target, new="better")
    assert held(tmp_path / "recordings") == {"tap.wav": "precious"}
    assert held(target) == {"new.txt": "better"}


def test_what_programs_drop_counts_as_nothing(tmp_path):
    target = tmp_path / "model"
    (target / "01.acoustic").mkdir(parents=True)
    (target / ".snakemake_timestamp").touch()
    (target / ".DS_Store").touch()
    assert standing(target, STAGE).usable
    write(target, new="better")
    assert held(target)["new.txt"] == "better"
    # Of a folder that an earlier version removed whole.
    write_json(target / "provenance.json", {"stage": "tap2key.fold"})
    (target / "stale").touch()
    assert standing(target, STAGE).others == []


# As they were called until the name of the stage was stored.
MODULES = {
    "adaptation-scores": "tap2key.calibrate",
    "evaluate": "tap2key.evaluation",
    "train": "tap2key.train",
    "baseline": "tap2key.baseline",
    "encode": "tap2key.encode",
    "fold": "tap2key.fold",
    "ingest": "tap2key.ingest",
    "overview": "tap2key.overview",
    "predict": "tap2key.predict",
    "summarize": "tap2key.summarize",
    "simulate": "tap2key.simulate.stage",
}


@pytest.mark.parametrize("module", [*MODULES.values(), "tap2key.export_prototype"])
def test_an_output_of_an_earlier_version_is_replaced_by_its_stage_alone(tmp_path, module):
    stage = {module: name for name, module in MODULES.items()}.get(module, "export")
    target = tmp_path / "out"
    target.mkdir()
    (target / "stale").touch()
    write_json(target / "provenance.json", {"stage": module})
    for other in STAGES:
        assert standing(target, other).usable == (other == stage)
    write(target, stage, new="better")
    assert held(target) == {"new.txt": "better"}


@pytest.mark.parametrize(
    ("stage", "module"),
    [
        ("segment", "tap2key.segment"),
        ("preview", "tap2key.preview"),
        ("adaptation-curve", "tap2key.calibration_curve"),
    ],
)
def test_what_an_earlier_version_wrote_among_other_things_replaces_only_its_names(
    tmp_path, stage, module
):
    target = tmp_path / "out"
    target.mkdir()
    (target / "tap.wav").write_text("precious")
    (target / "new.txt").write_text("earlier")
    write_json(target / "provenance.json", {"stage": module})
    write(target, stage, new="better")
    assert held(target) == {"tap.wav": "precious", "new.txt": "better"}


def test_a_long_name_has_room_for_the_temporary_one(tmp_path):
    target = write(tmp_path / ("ü" * 120), new="better")
    assert held(target) == {"new.txt": "better"}
