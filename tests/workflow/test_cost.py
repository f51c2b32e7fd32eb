"""What is estimated before a run against what a dry run shows and a finished run took."""

import re
import shutil

import pytest
from running import ROOT, snakemake

from tap2key.__main__ import main

# Every way to split, several seeds, every kind of model; two of them start from one checkpoint.
EVERY_SPLIT = """
experiments:
  sessions: {inherit: gcc-phat-forest, split: leave_one_session_out, trees: 10}
  chance: {inherit: aligned-48000, split: random, seeds: [0, 1, 2]}
  chosen: {inherit: level-forest, split: given, given: {train: [Tony], test: [Maria]}}
  plain: {inherit: aligned-48000, kind: convolutional}
  wide: {inherit: interleave-16000, model: {inflate_stem: true}}
"""


def cost(capsys, *arguments):
    """Jobs by rule, and bytes by folder, as printed."""
    capsys.readouterr()
    assert main(["cost", *map(str, arguments)]) == 0
    printed = capsys.readouterr().out
    jobs = {n: int(c) for n, c in re.findall(r"^(\w+) +(\d+) +\d+\.\d+\b", printed, flags=re.M)}
    unit = {"MB": 1e6, "GB": 1e9}
    found = re.findall(r"^(\w+) +([\d.]+) (MB|GB)$", printed, flags=re.M)
    return jobs, {name: float(size) * unit[u] for name, size, u in found}, printed


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
    found, _, printed = cost(capsys, *given)
    assert printed.startswith("An estimate: ")
    assert not (tmp_path / "results").exists()
    total = found.pop("total")
    expected = dry_run_jobs(tmp_path, *given)
    assert found == expected
    assert total == sum(expected.values())


def test_jobs_of_the_demo_are_those_of_a_dry_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    demo = ("--configfile", ROOT / "config" / "demo.yaml")
    found, sizes, _ = cost(capsys, *demo)
    found.pop("total")
    assert found == dry_run_jobs(tmp_path, *map(str, demo))
    # 4 × 3 × 2 recordings of 85 taps, each 8 channels of 8192 float32.
    assert sizes["taps"] == pytest.approx(4 * 3 * 2 * 85 * 8 * 8192 * 4, rel=0.01)


def test_disk_of_a_finished_run_is_within_15_per_cent(finished, tmp_path, monkeypatch, capsys):
    """Estimated as before that run, of which nothing but its configuration is read."""
    monkeypatch.chdir(tmp_path)
    _, sizes, _ = cost(capsys, "--configfile", finished / "small.yaml")
    results = finished / "results"
    true = {
        folder: sum(p.stat().st_size for p in (results / folder).rglob("*") if p.is_file())
        for folder in ("simulated", "taps", "datasets", "models", "evaluations")
    }
    everything = sum(p.stat().st_size for p in results.rglob("*") if p.is_file())
    assert {name: sizes[name] for name in true} == pytest.approx(true, rel=0.15)
    assert sizes["total"] == pytest.approx(everything, rel=0.15)


def test_hours_are_corrected_by_what_a_finished_run_took(finished, tmp_path, monkeypatch, capsys):
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
    _, _, printed = cost(capsys, "--configfile", small, "--benchmarks", "results/benchmarks")
    hours = float(re.search(r"^train +\d+ +([\d.]+)", printed, flags=re.M)[1])
    assert hours == pytest.approx(3.0, abs=0.01)


def test_without_what_the_finished_run_was_its_times_are_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    demo = str(ROOT / "config" / "demo.yaml")
    assert main(["cost", "--configfile", demo, "--benchmarks", "nowhere/benchmarks"]) == 1
    assert "nowhere/run/config.yaml" in capsys.readouterr().err
