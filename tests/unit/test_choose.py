import json

import pytest
from made import run, stage

from tap2key.files import read_tsv

SCORES = {"wide": [0.90, 0.94], "deep": [0.95, 0.91], "plain": [0.80, 0.82]}


def models(root, scores):
    folders = []
    for experiment, values in scores.items():
        for fold, value in zip(("Ana", "Bo"), values, strict=True):
            folder = root / experiment / fold / "seed-0"
            folder.mkdir(parents=True)
            (folder / "tap2key.json").write_text(json.dumps({"validation": value}))
            folders.append(folder)
    return folders


def test_the_best_mean_over_folds_is_chosen(tmp_path):
    given = {name: [{"weighted_f1": v} for v in values] for name, values in SCORES.items()}
    output = tmp_path / "choice" / "validation.tsv"
    stage("choose", "--models", *models(tmp_path, given), "--output", output)
    rows = read_tsv(output)
    assert [row["experiment"] for row in rows] == ["deep", "wide", "plain"]
    assert [row["chosen"] for row in rows] == ["yes", "no", "no"]
    assert [float(row["validation_weighted_f1"]) for row in rows] == pytest.approx(
        [0.93, 0.92, 0.81]
    )


def test_a_forest_cannot_be_chosen(tmp_path):
    (folder, _) = models(tmp_path, {"forest": [{"accuracy": 0.9}, {"accuracy": 0.9}]})
    result = run("choose", "--models", folder, "--output", tmp_path / "validation.tsv")
    assert result.returncode == 1
    assert str(folder) in result.stderr and "no validation F1" in result.stderr
