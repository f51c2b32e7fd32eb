"""No output of any stage harms anything of the user's: refused in one line, before any work."""

import hashlib
import json
import os
import socket
import stat
import subprocess
from functools import cache
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from every_stage import CASES, WRITE_NOTHING, make_inputs
from made import WORKFLOW, command

from tap2key.__main__ import STAGES, main, parse
from tap2key.core.files import read_json
from tap2key.core.folders import RESULTS_VARIABLE
from tap2key.simulation.plan import plan_study

FOLDERS = [name for name, case in CASES.items() if case.writes_a_folder]
FILES = [name for name in CASES if name not in FOLDERS]
SMALL = {"participants": 1, "sessions": 1, "recordings": 1, "taps": 5}
WRITE_TABLES = (
    *("segment", "preview", "ingest", "encode", "fold", "evaluate", "adaptation-scores"),
    *("summarize", "adaptation-curve", "predict", "listen", "overview", "record"),
)
NAMESPACE = ["unshare", "--mount", *(["--map-root-user"] if os.getuid() else [])]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return make_inputs(tmp_path_factory.mktemp("Bob's inputs"))


@cache
def digest(path, *unless_changed):
    return hashlib.blake2b(path.read_bytes()).hexdigest()


def tree(*folders):
    """Everything below, links not followed: what it is, and a file's bytes."""
    found = {}
    for folder in folders:
        for above, names, files in os.walk(folder):
            for path in (Path(above) / name for name in [*names, *files]):
                about = path.lstat()
                held = path.readlink() if path.is_symlink() else None
                if stat.S_ISREG(about.st_mode):
                    held = digest(path, about.st_ino, about.st_size, about.st_ctime_ns)
                found[path] = (about.st_mode, held)
    return found


def run(name, root, output):
    return main([*map(str, CASES[name].arguments(root)), "--output", str(output)])


def refused(name, root, output, capsys, *watched):
    """The line by which a stage refuses an output; nothing below what is watched changes."""
    before = tree(root, *watched)
    capsys.readouterr()
    status = run(name, root, output)
    printed = capsys.readouterr()
    assert status == 1, f"{name} wrote to {output}"
    assert tree(root, *watched) == before
    assert printed.out == ""
    (line,) = printed.err.splitlines()
    assert line.startswith(f"tap2key: error: {output}")
    return line


def holding(folder, name="consent.txt"):
    folder.mkdir(parents=True)
    (folder / name).write_text("signed")
    return folder


def test_every_stage_has_its_case():
    covered = {case.arguments(Path())[0] for case in CASES.values()}
    assert covered | WRITE_NOTHING | {"simulate"} == set(STAGES)


@pytest.mark.parametrize("stage", sorted(WRITE_NOTHING))
def test_stages_without_a_case_have_no_output(stage, capsys):
    with pytest.raises(SystemExit):
        parse([stage, "--help"])
    assert "--output" not in capsys.readouterr().out


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_that_the_stage_did_not_write_is_refused(name, root, tmp_path, capsys):
    mine = holding(tmp_path / "mine")
    line = refused(name, root, mine, capsys, tmp_path)
    assert "holds consent.txt, and is not an earlier output of" in line
    other = holding(tmp_path / "other", "model.bin")
    (other / "provenance.json").write_text('{"stage": "another", "files": ["model.bin"]}')
    refused(name, root, other, capsys, tmp_path)
    (other / "provenance.json").write_text('["no provenance"]')
    refused(name, root, other, capsys, tmp_path)
    (tmp_path / "link").symlink_to(mine)
    refused(name, root, tmp_path / "link", capsys, tmp_path)
    deep = holding(tmp_path / "deep" / "below").parent
    refused(name, root, deep, capsys, tmp_path)


@pytest.mark.parametrize("name", FOLDERS)
def test_an_output_that_is_holds_or_lies_inside_an_input_is_refused(name, root, capsys, tmp_path):
    for source in CASES[name].inputs(root):
        (tmp_path / source.name).symlink_to(source)
        for output in (source, source.parent, root, source / "new", tmp_path / source.name):
            refused(name, root, output, capsys, tmp_path)
        (tmp_path / source.name).unlink()


@pytest.mark.parametrize("name", FOLDERS)
def test_an_input_is_refused_even_if_the_stage_wrote_it(name, root, tmp_path, capsys):
    """As when a model is trained on from itself, or taps are segmented into their session."""
    stage = CASES[name].arguments(root)[0]
    for source in filter(Path.is_dir, CASES[name].inputs(root)):
        before = source / "provenance.json"
        kept = before.read_bytes() if before.exists() else None
        before.write_text(json.dumps({"stage": f"tap2key.{stage}"}))
        try:
            assert "input" in refused(name, root, source, capsys)
        finally:
            before.unlink() if kept is None else before.write_bytes(kept)


@pytest.mark.parametrize("name", CASES)
def test_what_is_no_folder_and_no_file_is_refused(name, root, tmp_path, capsys, monkeypatch):
    folder = CASES[name].writes_a_folder
    (tmp_path / "file").write_text("mine")
    (tmp_path / "nowhere").symlink_to(tmp_path / "unmounted" / "disk")
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    os.mkfifo(tmp_path / f"pipe{CASES[name].ending}")
    outputs = [
        tmp_path / f"pipe{CASES[name].ending}",
        tmp_path / "file" / "inside",
        tmp_path / "nowhere",
        tmp_path / "nowhere" / "inside",
        tmp_path / "circle",
        tmp_path / ("x" * 300),
        *([tmp_path / "file"] if folder else [holding(tmp_path / "folder"), tmp_path]),
    ]
    with socket.socket(socket.AF_UNIX) as listening:
        monkeypatch.chdir(tmp_path)  # a socket's path may have 108 bytes
        listening.bind(f"socket{CASES[name].ending}")
        outputs.append(tmp_path / f"socket{CASES[name].ending}")
        for output in outputs:
            refused(name, root, output, capsys, tmp_path)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("output", [".", "..", "../here", "", "/"])
def test_the_current_folder_and_those_above_it_are_refused(
    name, output, root, tmp_path, capsys, monkeypatch
):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    refused(name, root, Path(output), capsys, tmp_path)


@pytest.mark.parametrize("name", [name for name in FOLDERS if CASES[name].replaces])
def test_an_earlier_output_is_replaced_through_a_link_and_what_else_lies_there_stays(
    name, root, tmp_path
):
    disk = tmp_path / "disk" / "results"
    disk.mkdir(parents=True)
    (tmp_path / "link").symlink_to(disk)
    inputs = tree(root)
    assert run(name, root, tmp_path / "link") == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["disk", "link"]
    assert (tmp_path / "link").is_symlink()
    first = {p.relative_to(disk) for p in disk.rglob("*") if p.is_file()}
    about = read_json(disk / "provenance.json")
    assert about["stage"] == CASES[name].arguments(root)[0]
    assert {Path(file) for file in about["files"]} == first - {Path("provenance.json")}
    (disk / "notes.txt").write_text("mine")
    (disk / "stale").write_text("of the stage")
    about["files"].append("stale")
    (disk / "provenance.json").write_text(json.dumps(about))
    assert run(name, root, disk) == 0
    assert (disk / "notes.txt").read_text() == "mine"
    assert {p.relative_to(disk) for p in disk.rglob("*") if p.is_file()} == {
        *first,
        Path("notes.txt"),
    }
    assert [p.name for p in disk.parent.iterdir()] == ["results"]
    checkpoints = {path for path in tree(root) if path.name == "checkpoints"}
    changed = {path for path, held in tree(root).items() if inputs.get(path) != held}
    assert {p for p in changed if not any(c in (p, *p.parents) for c in checkpoints)} == set()


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_written_where_a_link_points_and_over_an_earlier_one(name, root, tmp_path):
    ending, also = CASES[name].ending, CASES[name].also
    disk = tmp_path / "disk"
    disk.mkdir()
    (disk / f"made{ending}").touch()
    (tmp_path / f"link{ending}").symlink_to(disk / f"made{ending}")
    before = tree(root)
    for output in (tmp_path / f"link{ending}", disk / f"made{ending}"):
        assert run(name, root, output) == 0
    assert (tmp_path / f"link{ending}").is_symlink()
    assert (disk / f"made{ending}").stat().st_size > 0
    assert tree(root) == before
    made = {f"made{each}" for each in (ending, *also)}
    assert {p.name for p in disk.iterdir()} == made | set(CASES[name].beside)


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_an_input_is_never_written_over(name, root, tmp_path, capsys):
    for source in CASES[name].inputs(root):
        if source.is_file():
            again = tmp_path / f"again{CASES[name].ending}"
            os.link(source, again)
            refused(name, root, again, capsys, tmp_path)
            again.unlink()
            # What a picture is to be called gets that ending, if it has none of a picture.
            if source.suffix == CASES[name].ending:
                refused(name, root, source, capsys)
            continue
        refused(name, root, source, capsys)
        inside = source / f"in-it{CASES[name].ending}"
        inside.write_text("part of the input")
        refused(name, root, inside, capsys)
        inside.unlink()


@pytest.mark.parametrize(
    ("name", "ending"), [(name, ending) for name in FILES for ending in CASES[name].also]
)
def test_a_file_that_nobody_named_is_not_written_over(name, ending, root, tmp_path, capsys):
    (tmp_path / f"thesis{ending}").write_text("mine")
    before = tree(root, tmp_path)
    assert run(name, root, tmp_path / f"thesis{CASES[name].ending}") == 1
    assert f"thesis{ending}: would be overwritten" in capsys.readouterr().err
    assert tree(root, tmp_path) == before


@pytest.mark.parametrize("name", ["choose", "compare", "learning-curves"])
def test_a_name_with_a_point_keeps_what_follows_it(name, root, tmp_path):
    (tmp_path / f"day{CASES[name].ending}").write_text("mine")
    assert run(name, root, tmp_path / "day.2023") == 0
    assert (tmp_path / f"day{CASES[name].ending}").read_text() == "mine"
    assert (tmp_path / f"day.2023{CASES[name].ending}").is_file()


def mounted(folder, *arguments, options=("-t", "tmpfs", "tmpfs")):
    """Run a stage with something mounted on a folder; None where that may not be done."""
    script = 'mount "${@:2:$1}" || exit 99; shift $(($1 + 1)); exec "$@"'
    mount = [*options, str(folder)]
    done = subprocess.run(
        [*NAMESPACE, "bash", "-c", script, "bash", str(len(mount)), *mount, *command(*arguments)],
        cwd=WORKFLOW,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return None if done.returncode == 99 or "unshare" in done.stderr else done


@pytest.mark.parametrize("kind", ["another disk", "the same disk"])
def test_a_mount_point_is_refused_before_any_work(kind, root, tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "source").mkdir()
    options = (
        ["-t", "tmpfs", "tmpfs"] if kind == "another disk" else ["--bind", tmp_path / "source"]
    )
    arguments = [*CASES["segment"].arguments(root), "--output"]
    done = mounted(tmp_path / "disk", *arguments, tmp_path / "disk", options=map(str, options))
    if done is None:
        pytest.skip("nothing can be mounted here")
    assert done.returncode == 1
    assert (
        done.stderr == f"tap2key: error: {tmp_path}/disk: is a mount point; choose a folder in it\n"
    )
    done = mounted(tmp_path / "disk", *arguments, tmp_path / "disk" / "taps")
    assert done.returncode == 0, done.stderr


def test_the_workflow_writes_beside_what_it_did_not_declare(root, tmp_path, monkeypatch):
    """Snakemake deletes declared files before a job, provenance too, and leaves all others."""
    monkeypatch.setenv(RESULTS_VARIABLE, str(tmp_path))
    output = holding(tmp_path / "evaluations" / "Ana", "of an earlier version.pdf")
    assert run("evaluate", root, output) == 0
    assert (output / "of an earlier version.pdf").read_text() == "signed"
    assert (output / "metrics.json").is_file()
    elsewhere = holding(tmp_path.parent / f"{tmp_path.name} elsewhere")
    assert run("evaluate", root, elsewhere) == 1
    assert run("evaluate", root, root / "exp") == 1


def test_a_curve_is_drawn_into_the_folder_of_its_scores(root, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv(RESULTS_VARIABLE, str(tmp_path))
    folder = tmp_path / "adaptation" / "exp"
    scores = [*map(str, CASES["adaptation-scores"].arguments(root)), "--output"]
    assert main([*scores, str(folder / "Ana" / "seed-1")]) == 0
    inside = tree(folder)
    curve = ["adaptation-curve", "--experiment", "exp", "--adaptations"]
    curve += [str(folder / "Ana" / "seed-1"), "--output", str(folder)]
    assert main(curve) == 0
    monkeypatch.delenv(RESULTS_VARIABLE)
    assert main(curve) == 0  # by hand, once more
    assert {path: held for path, held in tree(folder).items() if path in inside} == inside
    assert (folder / "curve.tsv").is_file()


def test_a_file_where_checkpoints_would_go_is_one_line(root, tmp_path, capsys):
    (tmp_path / "file").write_text("mine")
    arguments = [*map(str, CASES["train"].arguments(root)), "--output", str(tmp_path / "model")]
    arguments[arguments.index("--checkpoints") + 1] = str(tmp_path / "file")
    assert main(arguments) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("/file: is a file; name a folder for checkpoints")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def simulate(study, truth, **settings):
    given = [f"--{key}={value}" for key, value in (SMALL | settings).items()]
    return main(["simulate", "--study", str(study), "--truth", str(truth), *given])


def test_a_recorded_session_is_never_replaced_by_a_simulated_one(tmp_path, capsys):
    (planned,) = plan_study(SMALL)
    study, truth = tmp_path / "study", tmp_path / "truth"
    assert simulate(tmp_path / "scratch", truth) == 0
    capsys.readouterr()
    for recorded in ("01.acoustic/13.05.22.123_01_27_2023.wav", "consent.txt"):
        path = study / planned.folder / recorded
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("of a person")
        before = tree(tmp_path)
        assert simulate(study, truth) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert (
            f"{planned.folder}: holds {recorded}, and is not an earlier output of simulate" in line
        )
        assert tree(tmp_path) == before
        path.unlink()


def test_a_simulated_session_is_replaced_whatever_its_settings_were(tmp_path):
    study, truth = tmp_path / "study", tmp_path / "truth"
    assert simulate(study, truth, seed=1) == 0
    first = set(tree(study))
    # As earlier versions named the stage.
    (about,) = truth.rglob("provenance.json")
    about.write_text(about.read_text().replace('"simulate"', '"tap2key.simulate.stage"'))
    assert simulate(study, truth, seed=2) == 0
    assert len(tree(study)) == len(first)
    assert len(set(tree(study)) - first) == 2  # recording and touches have other names
    assert simulate(study, truth, seed=2) == 0


@pytest.mark.parametrize("where", ["study", "truth"])
def test_a_place_for_a_simulation_that_cannot_be_used_is_one_line(where, tmp_path, capsys):
    (planned,) = plan_study(SMALL)
    (tmp_path / where).mkdir()
    (tmp_path / where / planned.folder).write_text("a file")
    before = tree(tmp_path)
    assert simulate(tmp_path / "study", tmp_path / "truth") == 1
    assert "is a file, but a folder is to be written" in capsys.readouterr().err
    assert tree(tmp_path) == before


def test_the_study_may_not_be_a_session_of_the_truth(tmp_path, capsys):
    (planned,) = plan_study(SMALL)
    truth = tmp_path / "truth"
    for study in (truth / planned.folder, truth / planned.folder / "study"):
        assert simulate(study, truth) == 1
        assert "an input" in capsys.readouterr().err
        assert tree(tmp_path) == {}


def columns(path):
    if path.suffix == ".parquet":
        return tuple(pq.read_schema(path).names)
    return tuple(path.read_text(encoding="utf-8").split("\n", 1)[0].split("\t"))


def test_tables_of_one_name_have_the_same_columns(root, tmp_path):
    for name in WRITE_TABLES:
        assert run(name, root, tmp_path / name) == 0
    sizes = [f"--{name}={size}" for name, size in SMALL.items()]
    made = ("--study", tmp_path / "study", "--truth", tmp_path / "truth")
    assert main(["simulate", *map(str, made), *sizes]) == 0
    found = {}
    for path in (*tmp_path.rglob("*.tsv"), *tmp_path.rglob("*.parquet")):
        found.setdefault(path.name, set()).add(columns(path))
    assert {"recordings.tsv", "predictions.parquet", "taps.parquet", "channels.tsv"} <= set(found)
    assert {name: several for name, several in found.items() if len(several) > 1} == {}
