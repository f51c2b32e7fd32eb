"""A network that learned nothing says so, by its validation taps alone."""

from math import comb

import numpy as np
import pytest
from made import SETTINGS, held_out_study, stage, training_arguments

from tap2key.core.files import read_json, read_tsv
from tap2key.training.chance import Chance


def binomial_tail(right, taps, share):
    return sum(comb(taps, k) * share**k * (1 - share) ** (taps - k) for k in range(right, taps + 1))


@pytest.mark.parametrize(
    ("right", "at_chance"), [(20, True), (33, True), (36, False), (100, False)]
)
def test_chance_is_what_always_naming_the_commonest_key_gives(right, at_chance):
    chance = Chance(taps=100, right=right, commonest=20)
    assert chance.p == pytest.approx(binomial_tail(right, 100, 0.2))
    assert chance.at_chance is at_chance


def test_a_network_that_always_names_one_key_is_at_chance_however_common_that_is():
    truth = np.repeat([0, 1, 2], [180, 10, 10])
    logits = np.tile([1.0, 0.0, 0.0], (200, 1))
    chance = Chance.of(logits, truth)
    assert (chance.accuracy, chance.commonest_share, chance.at_chance) == (0.9, 0.9, True)
    assert Chance.of(np.eye(3)[truth], truth).at_chance is False


def test_too_few_taps_tell_nothing():
    assert Chance(taps=6, right=6, commonest=2).at_chance is None
    assert Chance(taps=7, right=7, commonest=2).at_chance is False
    assert Chance(taps=50, right=50, commonest=50).at_chance is None


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """By learning rate, a model's folder: one hardly moves from where it starts."""
    root = tmp_path_factory.mktemp("study")
    folder, training, datasets = held_out_study(root, taps=96)
    for name, rate, epochs in (("asleep", 1e-9, 2), ("awake", 0.005, 6)):
        chosen = {**SETTINGS["training"], "learning_rate": rate, "epochs": epochs}
        stage("train", *training_arguments(folder, training, root, name, training=chosen))
        stage(
            *("evaluate", "--model", root / name, "--datasets", datasets["Ana"]),
            *("--output", root / "evaluations" / name / "Ana" / "seed-1"),
        )
    return root


def test_its_history_and_metadata_say_so(trained):
    for name, at_chance in (("asleep", True), ("awake", False)):
        rows = read_tsv(trained / name / "history.tsv")
        about = read_json(trained / name / "tap2key.json")["validation"]
        assert about["at_chance"] is at_chance
        best = next(row for row in rows if int(row["step"]) == about["step"])
        assert best["eval_at_chance"] == ("yes" if at_chance else "no")
        assert float(best["eval_accuracy"]) == pytest.approx(about["accuracy"])
        right = round(about["accuracy"] * about["taps"])
        expected = binomial_tail(right, about["taps"], about["commonest_share"])
        assert float(best["eval_chance_p"]) == pytest.approx(expected)
    assert {row["eval_at_chance"] for row in read_tsv(trained / "asleep" / "history.tsv")} == {
        "yes"
    }


def test_its_log_ends_with_a_warning(tmp_path, trained, caplog):
    study = trained / "datasets"
    training = [study / name for name in ("Bo", "Chen", "Dee")]
    chosen = {**SETTINGS["training"], "learning_rate": 1e-9, "epochs": 1}
    arguments = training_arguments(trained / "fold", training, tmp_path, training=chosen)
    stage("train", *arguments)
    warned = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert warned[-1].startswith(f"{tmp_path / 'model'}: stayed at chance, ")


def test_the_report_counts_such_models_and_names_them(tmp_path, trained, capsys):
    folders = []
    for name in ("asleep", "awake"):
        folders.append(tmp_path / "summary" / name)
        evaluations = [trained / "evaluations" / name / "Ana" / "seed-1"]
        stage(
            *("summarize", "--experiment", name, "--evaluations", *evaluations),
            *("--output", folders[-1]),
        )
    about = [read_json(folder / "summary.json") for folder in folders]
    assert [(each["models"], each["models_at_chance"]) for each in about] == [(1, 1), (1, 0)]
    assert [each["at_chance"] for each in about] == [["Ana/seed-1"], []]
    for folder, count in zip(folders, "10", strict=True):
        assert {row["models_at_chance"] for row in read_tsv(folder / "folds.tsv")} == {count}
    pages = [(folder / "participants.html").read_text() for folder in folders]
    assert [page.count("1 of 1 models at chance") for page in pages] == [2, 0]
    assert ["(Ana/seed-1)" in page for page in pages] == [True, False]
    capsys.readouterr()
    stage("compare", "--summaries", *folders, "--output", tmp_path / "compared.tsv")
    rows = read_tsv(tmp_path / "compared.tsv")
    assert [(row["models"], row["models_at_chance"]) for row in rows] == [("1", "1"), ("1", "0")]
    assert "1 of 1 models" in capsys.readouterr().out


def test_the_choice_counts_such_models(tmp_path, trained):
    folders = []
    for name in ("asleep", "awake"):
        folders.append(tmp_path / name / "Ana" / "seed-1")
        folders[-1].mkdir(parents=True)
        (folders[-1] / "tap2key.json").write_bytes((trained / name / "tap2key.json").read_bytes())
    stage("choose", "--models", *folders, "--output", tmp_path / "validation.tsv")
    rows = {row["experiment"]: row for row in read_tsv(tmp_path / "validation.tsv")}
    assert rows["awake"]["chosen"] == "yes"
    assert [rows[name]["models_at_chance"] for name in ("asleep", "awake")] == ["1", "0"]
