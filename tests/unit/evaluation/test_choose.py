import json

import pytest
from made import run, stage

from tap2key.core.files import read_tsv

SCORES = {"wide": [0.90, 0.94], "deep": [0.95, 0.91], "plain": [0.80, 0.82]}


def models(root, scores, by="participant", seed=0):
    folders = []
    for experiment, values in scores.items():
        for fold, value in zip(("Ana", "Bo"), values, strict=True):
            folder = root / experiment / fold / f"seed-{seed}"
            folder.mkdir(parents=True)
            about = {"validation": value, "validated_by": by}
            (folder / "tap2key.json").write_text(json.dumps(about))
            folders.append(folder)
    return folders


def f1(scores):
    return {name: [{"weighted_f1": v} for v in values] for name, values in scores.items()}


def test_the_best_mean_over_folds_is_chosen(tmp_path):
    output = tmp_path / "model_selection" / "validation.tsv"
    stage("choose", "--models", *models(tmp_path, f1(SCORES)), "--output", output)
    rows = read_tsv(output)
    assert [row["experiment"] for row in rows] == ["deep", "wide", "plain"]
    assert [row["chosen"] for row in rows] == ["yes", "no", "no"]
    assert [float(row["validation_weighted_f1"]) for row in rows] == pytest.approx(
        [0.93, 0.92, 0.81]
    )


def test_seeds_that_only_some_have_do_not_count(tmp_path):
    first = models(tmp_path, f1(SCORES))
    lucky = models(tmp_path, f1({"plain": [1.0, 1.0]}), seed=1)
    output = tmp_path / "validation.tsv"
    stage("choose", "--models", *first, *lucky, "--output", output)
    rows = {row["experiment"]: row for row in read_tsv(output)}
    assert rows["plain"]["validation_weighted_f1"] == "0.8100"
    assert rows["deep"]["chosen"] == "yes"


def test_who_is_validated_on_people_it_knows_is_not_ranked_with_the_others(tmp_path):
    strangers = models(tmp_path, f1(SCORES))
    acquainted = models(tmp_path, f1({"easy": [0.99, 0.99]}), by="session")
    output = tmp_path / "validation.tsv"
    stage("choose", "--models", *acquainted, *strangers, "--output", output)
    rows = read_tsv(output)
    assert [row["experiment"] for row in rows] == ["deep", "wide", "plain", "easy"]
    assert [row["chosen"] for row in rows] == ["yes", "no", "no", "not ranked"]


def test_without_a_common_seed_each_is_ranked_by_its_own(tmp_path):
    folders = models(tmp_path, f1({"one": [0.8, 0.9]}))
    folders += models(tmp_path, f1({"other": [0.9, 1.0]}), seed=1)
    output = tmp_path / "validation.tsv"
    stage("choose", "--models", *folders, "--output", output)
    assert [row["validation_weighted_f1"] for row in read_tsv(output)] == ["0.9500", "0.8500"]


def test_a_forest_cannot_be_chosen(tmp_path):
    (folder, _) = models(tmp_path, {"forest": [{"accuracy": 0.9}, {"accuracy": 0.9}]})
    result = run("choose", "--models", folder, "--output", tmp_path / "validation.tsv")
    assert result.returncode == 1
    assert str(folder) in result.stderr and "no validation F1" in result.stderr


def test_a_model_of_an_earlier_version_is_refused(tmp_path):
    folder, other = models(tmp_path, f1({"old": [0.9, 0.9]}))
    (folder / "tap2key.json").write_text(json.dumps({"validation": {"weighted_f1": 0.9}}))
    result = run("choose", "--models", folder, other, "--output", tmp_path / "validation.tsv")
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert str(folder) in line and "train the model anew" in line
