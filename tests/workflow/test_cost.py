"""What is estimated before a run against what a dry run shows and a finished run took."""

import csv
import os
import re
import shutil
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from running import ROOT, snakemake

from tap2key.__main__ import main
from tap2key.orchestration.dry_run import jobs_to_do

# Every way to split, several seeds, every kind of model; two of them start from one checkpoint.
EVERY_SPLIT = """
experiments:
  sessions: {inherit: gcc-phat-forest, split: leave_one_session_out, trees: 10}
  chance: {inherit: aligned-48000, split: random, seeds: [0, 1, 2]}
  chosen: {inherit: level-forest, split: predefined, predefined: {train: [Tony], test: [Maria]}}
  plain: {inherit: aligned-48000, kind: convolutional}
  wide: {inherit: wav2vec2-base, model: {inflate_stem: true}}
"""
TWO_PEOPLE = """
simulate: {participants: 2, sessions: 2, recordings: 1}
select_experiments: [level-forest]
experiment_defaults: {validation: {by: session}}
"""


def cost(capsys, *arguments):
    """Jobs and hours by rule, and bytes by folder, as printed."""
    capsys.readouterr()
    assert main(["cost", *map(str, arguments)]) == 0
    printed = capsys.readouterr().out
    rows = re.findall(r"^(\w+) +(\d+) +(\d+\.\d+)\b", printed, flags=re.M)
    jobs = {name: int(count) for name, count, _ in rows}
    hours = {name: float(number) for name, _, number in rows}
    unit = {"MB": 1e6, "GB": 1e9}
    found = re.findall(r"^(\w+) +([\d.]+) (MB|GB)$", printed, flags=re.M)
    return jobs, hours, {name: float(size) * unit[u] for name, size, u in found}, printed


def dry_run_jobs(folder, *arguments):
    run = snakemake(folder, ["--cores", "1", "-n", "--quiet", "host", *arguments])
    assert run.status == 0, run.text
    return run.jobs


@pytest.mark.parametrize(
    "config",
    [
        [],
        ["select_folds=Tony,Chen"],
        ["select_participants=Tony,Maria", "select_experiments=chosen,sessions"],
    ],
)
def test_jobs_of_a_study_are_those_of_a_dry_run(
    tmp_path, make_session, monkeypatch, capsys, config
):
    for name in ("Tony_01_27_23_data", "Tony_01_28_23_data", "Maria_01_27_23_data"):
        make_session(name, recordings=2)
    make_session("Chen_01_27_23_data")
    (tmp_path / "more.yaml").write_text(EVERY_SPLIT, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    given = ("--configfile", "more.yaml", "--config", "study=study", *config)
    found, _, _, printed = cost(capsys, *given)
    assert printed.startswith("To do, estimated: ")
    # A dry run writes these too.
    written = {path.name for path in (tmp_path / "results").rglob("*")}
    assert written == {"manifest.tsv", "passed_over.tsv"}
    total = found.pop("total")
    expected = dry_run_jobs(tmp_path, *given)
    assert found == expected
    assert total == sum(expected.values())


def test_jobs_of_the_demo_are_those_of_a_dry_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    demo = ("--configfile", ROOT / "config" / "demo.yaml")
    found, _, sizes, printed = cost(capsys, *demo)
    found.pop("total")
    assert found == dry_run_jobs(tmp_path, *map(str, demo))
    # 4 × 3 × 2 recordings of 85 taps, each 8 channels of 8192 float32.
    assert sizes["taps"] == pytest.approx(4 * 3 * 2 * 85 * 8 * 8192 * 4, rel=0.01)
    assert "measured" not in re.sub("table .*", "", printed)


@pytest.fixture
def done(tmp_path, monkeypatch):
    """The command line of a small run of whose outputs all are there, though empty."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "done.yaml").write_text(TWO_PEOPLE, encoding="utf-8")
    files = [tmp_path / path for job in jobs_to_do([Path("done.yaml")], {}) for path in job.outputs]
    assert len(files) > 50
    now = time.time()
    for file in files:
        if file.suffix or file.parent.name == "made":
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
        else:
            file.mkdir(parents=True, exist_ok=True)
        if file.name == "taps.parquet":
            pq.write_table(pa.table({"tap": range(7)}), file)
    (tmp_path / "results" / "run" / "config.yaml").write_text(TWO_PEOPLE, encoding="utf-8")
    # None is newer than another.
    for file in files:
        os.utime(file, (now, now))
    return ("--configfile", "done.yaml")


def test_what_is_done_is_counted_only_if_asked_for(done, tmp_path, capsys):
    assert main(["cost", *done]) == 0
    assert capsys.readouterr().out.startswith("Nothing to do")
    next((tmp_path / "results" / "models" / "level-forest").glob("*/seed-0")).rmdir()
    found, _, sizes, _ = cost(capsys, *done)
    del found["total"]
    assert found == dry_run_jobs(tmp_path, *done)
    assert found["baseline"] == 1 and "segment" not in found
    assert set(sizes) == {"others", "models", "total"}
    everything, _, sizes, _ = cost(capsys, *done, "--forceall")
    del everything["total"]
    assert everything == dry_run_jobs(tmp_path, *done, "--forceall")
    assert everything["baseline"] == 2
    # Taps of what is segmented are counted.
    assert sizes["taps"] == pytest.approx(4 * 7 * 8 * 8192 * 4, rel=0.02)


def test_hours_of_a_finished_run_are_within_30_per_cent(finished, tmp_path, monkeypatch, capsys):
    """As if it were to be made again: planned taps, models of planned epochs."""
    monkeypatch.chdir(tmp_path)
    benchmarks = finished / "results" / "benchmarks"
    small = ("--configfile", finished / "small.yaml", "--benchmarks", benchmarks)
    _, hours, _, printed = cost(capsys, *small)
    true = 0.0
    for table in benchmarks.rglob("*.tsv"):
        with table.open(encoding="utf-8", newline="") as handle:
            true += sum(float(row["s"]) for row in csv.DictReader(handle, delimiter="\t"))
    assert hours["total"] == pytest.approx(true / 3600, rel=0.3)
    assert "shipped" not in printed


def test_disk_of_a_finished_run_is_within_15_per_cent(finished, tmp_path, monkeypatch, capsys):
    """Estimated as before that run, of which nothing but its configuration is read."""
    monkeypatch.chdir(tmp_path)
    _, _, sizes, _ = cost(capsys, "--configfile", finished / "small.yaml")
    results = finished / "results"
    true = {
        folder: sum(p.stat().st_size for p in (results / folder).rglob("*") if p.is_file())
        for folder in ("simulated", "taps", "datasets", "models")
    }
    everything = sum(p.stat().st_size for p in results.rglob("*") if p.is_file())
    assert {name: sizes[name] for name in true} == pytest.approx(true, rel=0.15)
    assert sizes["total"] == pytest.approx(everything, rel=0.15)


def test_hours_are_what_a_finished_runs_jobs_took(finished, tmp_path, monkeypatch, capsys):
    for part in ("benchmarks", "run"):
        shutil.copytree(finished / "results" / part, tmp_path / "results" / part)
    shutil.copy(finished / "results" / "manifest.tsv", tmp_path / "results")
    models = sorted((tmp_path / "results" / "benchmarks" / "train").rglob("*.tsv"))
    assert len(models) == 3
    # An hour each, and one of a fold that is no part of the run any more.
    for table in [*models, models[0].parents[1] / "Gone" / "seed-0.tsv"]:
        names, cells = models[0].read_text().splitlines()
        table.parent.mkdir(exist_ok=True)
        table.write_text(f"{names}\n3600.0\t{cells.split(chr(9), 1)[1]}\n")
    monkeypatch.chdir(tmp_path)
    small = str(finished / "small.yaml")
    given = ("--configfile", small, "--forceall")
    _, hours, _, printed = cost(capsys, *given, "--benchmarks", "results/benchmarks")
    assert hours["train"] == pytest.approx(3.0, abs=0.05)
    assert "measured: by the jobs in results/benchmarks." in printed
    # Without being told: they are of these results.
    assert cost(capsys, *given)[3] == printed


def test_jobs_come_in_the_same_order_every_time(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = []
    for seed in "12":
        # What a set's order hangs on.
        monkeypatch.setenv("PYTHONHASHSEED", seed)
        found.append(jobs_to_do([ROOT / "config" / "demo.yaml"], {}))
    assert found[0] == found[1]
    for index, job in enumerate(found[0]):
        later = {path for other in found[0][index:] for path in other.outputs}
        assert later.isdisjoint(job.inputs), job


def test_without_what_the_finished_run_was_its_times_are_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    demo = str(ROOT / "config" / "demo.yaml")
    assert main(["cost", "--configfile", demo, "--benchmarks", "nowhere/benchmarks"]) == 1
    assert "nowhere/run/config.yaml" in capsys.readouterr().err


def test_what_a_dry_run_refuses_is_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["cost", "--config", "study=nowhere"]) == 1
    error = capsys.readouterr().err
    assert (
        error.startswith("tap2key: error: study folder nowhere not found")
        and error.count("\n") == 1
    )
