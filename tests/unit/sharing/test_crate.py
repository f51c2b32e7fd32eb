"""A crate has what a reviewer needs, says so in its metadata, and holds no sound unless asked."""

import errno
import shutil
import tempfile
import zipfile
from pathlib import Path

import pytest
from made import error_line
from rocrate.rocrate import ROCrate

from tap2key.__main__ import main
from tap2key.core.files import write_json, write_tsv
from tap2key.sharing.run_crate import PROFILES
from tap2key.study.manifest import NO_START, Recording, write_manifest

TEXT = ("decoded/e", "decoders/e/corpus")
RUN_FILES = {"config.yaml": "results: results\n", "provenance.json": "{}"}


@pytest.fixture
def results(tmp_path):
    """A finished run, its files empty but for what the crate reads."""
    root = tmp_path / "Bob's results"
    for name in ("answer", "summary", "evaluations", "models/e/f/seed-0", "taps/Tony/1", *TEXT):
        (root / name).mkdir(parents=True)
        write_json(root / name / "provenance.json", {"stage": name})
    (root / "run").mkdir()
    for name, text in RUN_FILES.items():
        (root / "run" / name).write_text(text)
    versions = [{"what": "snakemake", "version": "9.27.1"}]
    write_tsv(root / "run" / "versions.tsv", versions, ("what", "version"))
    (root / "models/e/f/seed-0" / "README.md").write_text("a card")
    (root / "decoders/e/corpus/model.json").write_text("{}")
    for name in ("models/e/f/seed-0/model.safetensors", "taps/Tony/1/windows.npy", "report.html"):
        (root / name).write_text("bytes")
    return root


def pack(results, output, *more):
    arguments = ["crate", "--results", results, "--output", output, *more]
    assert main([str(argument) for argument in arguments]) == 0
    return ROCrate(output)


def ids(crate):
    return {entity.id for entity in crate.get_entities()}


def test_its_metadata_is_that_of_a_workflow_run(results, tmp_path):
    crate = pack(results, tmp_path / "crate", "--authors", "A. Name", "B. Name")
    assert {each.id for each in crate.root_dataset["conformsTo"]} == set(PROFILES)
    workflow = crate.mainEntity
    assert workflow.id == "Snakefile"
    assert "ComputationalWorkflow" in workflow.type
    assert workflow["programmingLanguage"]["version"] == "9.27.1"
    action = crate.get("#run")
    assert action["instrument"] is workflow
    assert action["object"].id == "results/run/config.yaml"
    made = {each.id for each in action["result"]}
    assert {"results/report.html", "results/summary/", "results/evaluations/"} <= made
    assert [person["name"] for person in action["agent"]] == ["A. Name", "B. Name"]
    assert "ask whoever made it" in crate.license["description"]


def test_every_file_that_it_names_is_there_and_the_code_with_it(results, tmp_path):
    output = tmp_path / "crate"
    for name in ids(pack(results, output)):
        if not name.startswith(("#", "http", "./")) and name != "ro-crate-metadata.json":
            assert (output / name).exists(), name
    assert (output / "workflow" / "tap2key" / "__main__.py").is_file()
    assert (output / "envs" / "requirements.lock").is_file()
    assert not list(output.rglob("__pycache__"))


def test_models_and_sound_are_left_out_but_for_cards_and_provenance(results, tmp_path):
    output = tmp_path / "crate"
    pack(results, output)
    inside = {p.relative_to(output).as_posix() for p in output.rglob("*") if p.is_file()}
    assert {"results/models/e/f/seed-0/README.md", "results/taps/Tony/1/provenance.json"} <= inside
    assert {"results/decoded/e/provenance.json"} <= inside
    assert {"results/decoders/e/corpus/provenance.json"} <= inside
    assert "results/decoders/e/corpus/model.json" not in inside
    assert not [name for name in inside if name.endswith((".safetensors", ".npy", ".wav"))]


def test_what_is_asked_for_is_in_it(results, tmp_path):
    output = tmp_path / "crate"
    pack(results, output, "--include", "models", "taps")
    assert (output / "results/models/e/f/seed-0/model.safetensors").is_file()
    assert (output / "results/taps/Tony/1/windows.npy").is_file()
    assert "models, taps" in (output / "README.md").read_text(encoding="utf-8")


def test_a_zip_holds_the_same(results, tmp_path):
    folder, zipped = tmp_path / "crate", tmp_path / "crate.zip"
    assert ids(pack(results, folder)) == ids(pack(results, zipped))
    with zipfile.ZipFile(zipped) as archive:
        names = archive.namelist()
    assert len(names) == len(set(names))
    assert "results/summary/" in names


def recording(root, session, path, *touch_files, truth="neonode"):
    """A recording of Tony's, its files made under `root` if they are not there."""
    for file in [root / name for name in (path, *touch_files)]:
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.is_dir():
            file.write_text(file.as_posix())
    touches = tuple(root / name for name in touch_files)
    return Recording(
        "Tony", session, Path(path).stem, root / path, NO_START, None, touches, truth=truth
    )


def test_recordings_lie_as_in_their_session_with_clips_and_namesakes(results, tmp_path):
    study = tmp_path / "a study"
    for clip in ("q/1.wav", "q/2.wav", "w/1.wav"):
        recording(study, "clips", f"clips/{clip}")
    write_manifest(
        results / "manifest.tsv",
        [
            recording(study, "1", "1/01.acoustic/a.wav", "1/02.neonode/b.csv"),
            recording(study, "two", "2/left/a.wav", "all.csv"),
            recording(study, "two", "2/right/a.wav", "all.csv"),
            recording(study, "clips", "clips", truth="clips"),
        ],
    )
    pack(results, output := tmp_path / "crate", "--include", "recordings")
    packed = output / "recordings" / "Tony"
    found = {
        p.relative_to(packed).as_posix(): Path(p.read_text()).relative_to(study).as_posix()
        for p in packed.rglob("*.*")
        if p.is_file()
    }
    assert found == {
        "1/01.acoustic/a.wav": "1/01.acoustic/a.wav",
        "1/02.neonode/b.csv": "1/02.neonode/b.csv",
        "two/2/left/a.wav": "2/left/a.wav",
        "two/2/right/a.wav": "2/right/a.wav",
        "two/all.csv": "all.csv",
        **{f"clips/{clip}": f"clips/{clip}" for clip in ("q/1.wav", "q/2.wav", "w/1.wav")},
    }


def test_a_recording_that_is_gone_is_one_line(results, tmp_path, capsys):
    gone = recording(tmp_path, "1", "1/a.wav")
    write_manifest(results / "manifest.tsv", [gone])
    gone.path.unlink()
    arguments = ("crate", "--results", results, "--include", "recordings")
    assert "a.wav: is not there" in error_line(capsys, *arguments, "--output", tmp_path / "crate")


def test_a_zip_is_made_beside_its_place_and_what_goes_wrong_is_one_line(
    results, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "no such folder"))
    place = tmp_path / "new" / "crate.zip"
    arguments = ("crate", "--results", results, "--output", place)
    assert main([str(argument) for argument in arguments]) == 0
    assert [path.name for path in place.parent.iterdir()] == ["crate.zip"]

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copy", full)
    arguments = (*arguments[:-1], place.with_name("other.zip"))
    assert "the disk is full" in error_line(capsys, *arguments)
    assert [path.name for path in place.parent.iterdir()] == ["crate.zip"]


@pytest.mark.parametrize("missing", ["report.html", "summary"])
def test_an_unfinished_run_is_one_line(results, tmp_path, missing, capsys):
    (results / missing).rename(tmp_path / "elsewhere")
    arguments = ("crate", "--results", results, "--output", tmp_path / "crate")
    assert missing in error_line(capsys, *arguments)
