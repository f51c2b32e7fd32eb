import re
import shutil

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from made import ENCODING, LABELS, dataset, error_line, fold, people, stage
from sklearn.metrics import accuracy_score, classification_report, f1_score

from tap2key.__main__ import main
from tap2key.core.files import read_json, write_json
from tap2key.core.processor import processor_name
from tap2key.core.shipped import KEYBOARD
from tap2key.datasets.encoded_dataset import Rows, load_dataset_folder
from tap2key.datasets.encoding import Encoding
from tap2key.evaluation.confusion import write_confusion
from tap2key.evaluation.metrics import calibration_error, scores
from tap2key.models.key_places import LOCATION, expected_places, location_scores, places_of
from tap2key.models.predictor import load_predictor
from tap2key.study.keyboard import load_keyboard


@pytest.fixture(scope="module")
def forest(study, tmp_path_factory):
    folder = tmp_path_factory.mktemp("forest") / "model"
    stage(
        *("baseline", "--fold", study.fold, "--datasets", *study.training),
        *("--kind", "level_forest", "--trees", 3, "--output", folder),
    )
    return folder


@pytest.fixture(scope="module", params=["network", "forest"])
def evaluated(request, study, tmp_path_factory):
    """The results of scoring a model on the participant it never heard."""
    output = tmp_path_factory.mktemp("evaluated") / request.param
    assert evaluate(request.getfixturevalue(request.param), study.datasets["Ana"], output) == 0
    return output


def asked(model, data, output, *options):
    return ["evaluate", "--model", model, "--datasets", data, "--output", output, *options]


def evaluate(*of):
    return main([str(a) for a in asked(*of)])


def refused(capsys, model, data, tmp_path):
    return error_line(capsys, *asked(model, data, tmp_path / "out"))


def test_the_processor_that_trained_is_told_where_it_is_known(evaluated):
    # The network was not made by a stage.
    made = {"forest": processor_name(), "network": None}
    assert read_json(evaluated / "metrics.json")["trained_on_processor"] == made[evaluated.name]


def test_metrics_are_scikit_learns_on_the_predictions(evaluated, study, request):
    rows = pq.read_table(evaluated / "predictions.parquet").to_pylist()
    metrics = read_json(evaluated / "metrics.json")
    assert metrics["held_out"] is True
    truth, guessed = ([row[name] for row in rows] for name in ("truth", "prediction"))
    assert metrics["accuracy"] == pytest.approx(accuracy_score(truth, guessed))
    for average in ("macro", "weighted"):
        expected = f1_score(truth, guessed, average=average, labels=LABELS, zero_division=0)
        assert metrics[f"{average}_f1"] == pytest.approx(expected)
    report = classification_report(truth, guessed, output_dict=True, zero_division=0)
    for key in LABELS:
        assert metrics["keys"][key] == {
            "precision": pytest.approx(report[key]["precision"]),
            "recall": pytest.approx(report[key]["recall"]),
            "f1": pytest.approx(report[key]["f1-score"]),
            "taps": report[key]["support"],
        }
    assert metrics["taps"] == len(rows)
    counts = pd.read_csv(evaluated / "confusion.tsv", sep="\t", index_col=0)
    assert list(counts.index) == list(counts.columns) == list(LABELS)
    tabulated = pd.crosstab(np.array(truth), np.array(guessed))
    np.testing.assert_array_equal(
        counts, tabulated.reindex(index=LABELS, columns=LABELS, fill_value=0)
    )
    probabilities = np.array([row["probabilities"] for row in rows])
    indices = [LABELS.index(label) for label in truth]
    assert metrics["calibration_error"] == calibration_error(indices, probabilities)
    touched = np.array([[row["x"], row["y"]] for row in rows])
    places = places_of(load_keyboard(KEYBOARD), LABELS)
    seen = np.array([[row["expected_right_mm"], row["expected_away_mm"]] for row in rows])
    if evaluated.name == "network":
        told = expected_places(probabilities, places)
    else:
        # Trees tell it by themselves.
        model, _ = load_predictor(request.getfixturevalue("forest"))
        data = load_dataset_folder(study.datasets["Ana"]).data
        told = model.located(Rows(data).all(), places)[1]
        assert not np.allclose(told, expected_places(probabilities, places), atol=1)
    np.testing.assert_allclose(seen, told, rtol=1e-6)
    expected = location_scores(np.array(indices), seen, touched, places)
    assert {name: metrics[name] for name in LOCATION} == expected
    assert expected["located"] == 1
    # Labels that were ingested have no touch: what is known of the other taps stays.
    touched[0] = np.nan
    without = location_scores(np.array(indices), seen, touched, places)
    kept = location_scores(np.array(indices[1:]), seen[1:], touched[1:], places)
    assert without["location_error_median_mm"] == kept["location_error_median_mm"]
    assert without["centre_error_median_mm"] == expected["centre_error_median_mm"]
    nowhere = location_scores(np.array(indices), seen, touched * np.nan, places)
    assert nowhere["location_error_median_mm"] is nowhere["location_error_p90_mm"] is None


def test_predictions_are_the_datasets_taps_with_probabilities(study, evaluated):
    table = pq.read_table(evaluated / "predictions.parquet")
    data = load_dataset_folder(study.datasets["Ana"]).data
    for name in ("participant", "session", "recording", "tap"):
        assert table[name].to_pylist() == data[name][:]
    names = data.features["label"].names
    assert table["truth"].to_pylist() == [names[label] for label in data["label"]]
    probabilities = np.array(table["probabilities"].to_pylist())
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    assert table["prediction"].to_pylist() == [LABELS[i] for i in probabilities.argmax(axis=1)]
    assert table.schema.metadata[b"labels"].decode().split("\t") == list(LABELS)


def test_a_network_sees_in_evaluation_what_it_saw_in_training(study, network):
    """Cut by the training's crop, normalised after it: as a loop over single taps does it."""
    predictor, _ = load_predictor(network)
    values = Rows(load_dataset_folder(study.datasets["Ana"]).data).all()
    found = predictor.probabilities(values)
    first = ENCODING.onset_frame - 8  # 0.5 ms at 16 kHz
    for row in (0, 7, len(values) - 1):
        flat = values[row, 8 * first : 8 * (first + 40)].astype(float)
        flat = (flat - flat.mean()) / np.sqrt(flat.var() + 1e-7)
        with torch.inference_mode():
            logits = predictor.model(torch.tensor(flat[None], dtype=torch.float32)).logits
        np.testing.assert_allclose(found[row], logits.softmax(-1)[0], atol=1e-4)


def test_a_model_of_another_version_is_refused_unless_allowed(study, tmp_path, capsys, request):
    for kind, package in (("network", "transformers"), ("forest", "scikit-learn")):
        model = tmp_path / kind
        shutil.copytree(request.getfixturevalue(kind), model)
        about = read_json(model / "tap2key.json")
        here = about["packages"][package]
        major, minor, patch = here.split(".")
        write_json(
            model / "tap2key.json",
            {**about, "packages": {**about["packages"], package: f"{major}.{int(minor) + 1}.0"}},
        )
        message = refused(capsys, model, study.datasets["Ana"], tmp_path)
        assert f"made with {package} {major}.{int(minor) + 1}.0, and {here} is installed" in message
        assert load_predictor(model, allow_other_version=True)[1]["kind"] == about["kind"]
        write_json(
            model / "tap2key.json",
            {
                **about,
                "packages": {**about["packages"], package: f"{major}.{minor}.{int(patch) + 1}"},
            },
        )
        assert load_predictor(model)[1]["kind"] == about["kind"]


def test_a_flag_allows_another_version(study, forest, tmp_path):
    model = shutil.copytree(forest, tmp_path / "model")
    about = read_json(model / "tap2key.json")
    about["packages"]["scikit-learn"] = "0.1.0"
    write_json(model / "tap2key.json", about)
    assert evaluate(model, study.datasets["Ana"], tmp_path / "out", "--allow-other-version") == 0
    assert (tmp_path / "out" / "metrics.json").is_file()


def test_other_keys_and_other_encodings_are_refused(network, tmp_path, capsys):
    keys = dataset(tmp_path / "keys", "Ana", [0, 1, 2], labels=("a", "b", "c"))
    message = refused(capsys, network, keys, tmp_path)
    assert re.search("was trained on different keys", message)
    for at, encoding in enumerate(
        [
            Encoding("interleave", 8_000, (1, 3)),
            Encoding("interleave", 16_000, (1, 2)),
            Encoding("interleave", 16_000, (1, 3), 150),
            Encoding("stack", 16_000, (1, 3)),
        ]
    ):
        other = dataset(tmp_path / str(at), "Ana", [0, 1, 2], encoding=encoding)
        assert "encode the taps that way" in refused(capsys, network, other, tmp_path)


def test_a_key_never_trained_is_warned_about_listed_and_missed(tmp_path, capsys):
    datasets = {
        name: dataset(tmp_path / name, name, np.arange(42) % (3 if name == "Ana" else 2))
        for name in ("Ana", "Bo", "Chen")
    }
    folder, training = fold(tmp_path / "fold", datasets, "Ana")
    stage(
        *("baseline", "--fold", folder, "--datasets", *training, "--output", tmp_path / "model"),
        *("--kind", "gcc_phat_forest", "--trees", 10),
    )
    capsys.readouterr()
    assert evaluate(tmp_path / "model", datasets["Ana"], tmp_path / "out") == 0
    warning = "training never saw the key '|'; its 14 taps count as missed"
    assert warning in capsys.readouterr().err
    metrics = read_json(tmp_path / "out" / "metrics.json")
    assert metrics["never_trained"] == ["|"]
    assert metrics["keys"]["|"] == {"precision": 0, "recall": 0, "f1": 0, "taps": 14}
    known = [metrics["keys"][key]["f1"] for key in ("a", "b")]
    assert metrics["macro_f1"] == pytest.approx(sum(known) / 3)
    assert metrics["accuracy"] <= 28 / 42


def test_a_participant_with_three_taps_trains_and_is_tested_like_any_other(tmp_path):
    datasets = people(tmp_path / "data", ["Ana", "Bo", "Chen"], taps=30)
    datasets["Dee"] = dataset(tmp_path / "data" / "Dee", "Dee", [0, 1, 1], sessions=["s1"])
    evaluations = []
    for held_out in ("Ana", "Dee"):
        root = tmp_path / held_out
        folder, training = fold(root / "fold", datasets, held_out)
        stage(
            *("baseline", "--fold", folder, "--datasets", *training, "--output", root / "model"),
            *("--kind", "level_forest", "--trees", 3),
        )
        assert evaluate(root / "model", datasets[held_out], root / "evaluation") == 0
        evaluations.append(root / "evaluation")
    metrics = read_json(evaluations[1] / "metrics.json")
    assert (metrics["taps"], metrics["held_out"]) == (3, True)
    stage(
        *("summarize", "--experiment", "few", "--output", tmp_path / "summary"),
        *("--evaluations", *evaluations),
    )
    rows = pd.read_csv(tmp_path / "summary" / "participants.tsv", sep="\t")
    assert rows["participant"].to_list() == ["Ana", "Dee", "mean"]
    assert rows["taps"].to_list() == [30, 3, 33]


def test_a_dataset_that_is_not_the_one_of_the_fold_it_is_tested_by_is_refused(tmp_path, capsys):
    datasets = people(tmp_path / "data", ["Ana", "Bo"], taps=60)
    fold_folder, folders = tmp_path / "fold", list(datasets.values())
    stage(*("fold", "--random", "--datasets", *folders, "--output", fold_folder))
    stage(
        *("baseline", "--fold", fold_folder, "--datasets", *folders),
        *("--output", tmp_path / "model"),
        *("--kind", "level_forest", "--trees", 3),
    )
    asking = ("--model", tmp_path / "model", "--fold", fold_folder)
    arguments = [*asking, "--datasets", datasets["Ana"]]
    assert main(["evaluate", *map(str, arguments), "--output", str(tmp_path / "out")]) == 1
    assert "is not among the labelled taps given" in capsys.readouterr().err
    labels = np.array(load_dataset_folder(datasets["Bo"]).data["label"])
    shutil.rmtree(datasets["Bo"])
    dataset(datasets["Bo"], "Bo", labels, seed=1)
    arguments = [*asking, "--datasets", *folders]
    capsys.readouterr()
    assert main(["evaluate", *map(str, arguments), "--output", str(tmp_path / "out")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "Bo: changed since" in line
    assert not (tmp_path / "out").exists()


def test_it_says_when_the_model_had_heard_the_participant(study, forest, tmp_path):
    assert evaluate(forest, study.datasets["Bo"], tmp_path / "Bo") == 0
    metrics = read_json(tmp_path / "Bo" / "metrics.json")
    assert (metrics["held_out"], metrics["seen_in_training"]) == (False, ["Bo"])
    both = [study.datasets[name] for name in ("Ana", "Bo")]
    arguments = ["--model", forest, "--output", tmp_path / "both", "--datasets", *both]
    assert main(["evaluate", *map(str, arguments)]) == 0
    metrics = read_json(tmp_path / "both" / "metrics.json")
    assert (metrics["held_out"], metrics["seen_in_training"]) == (False, ["Bo"])
    drawn = ("--predictions", tmp_path / "both" / "predictions.parquet")
    drawn += ("--metrics", tmp_path / "both" / "metrics.json")
    stage("draw", *drawn, "--output", tmp_path / "drawn" / "confusion.png")
    assert "Ana, Bo, 1 of 2 held out" in (tmp_path / "drawn" / "keys.html").read_text()


def test_what_is_not_a_model_is_refused(study, tmp_path, capsys):
    message = refused(capsys, tmp_path / "absent", study.datasets["Ana"], tmp_path)
    assert message.endswith("absent/tap2key.json: no such file")


@pytest.mark.parametrize("seed", range(5))
def test_scores_are_scikit_learns(seed):
    rng = np.random.default_rng(seed)
    labels = [*"abcdef"]
    truth = rng.integers(0, 4, 80)  # e and f never occur
    probabilities = (rng.dirichlet(np.ones(6), 80) + 0.6 * np.eye(6)[truth]) / 1.6
    guessed = probabilities.argmax(axis=1)
    found = scores(truth, probabilities, labels, dict.fromkeys("acef", 5) | {"b": 0})
    occurring = {"labels": range(4), "zero_division": 0}
    assert found["accuracy"] == pytest.approx(accuracy_score(truth, guessed))
    for average in ("macro", "weighted"):
        expected = f1_score(truth, guessed, average=average, **occurring)
        assert found[f"{average}_f1"] == pytest.approx(expected)
    assert found["never_trained"] == ["b", "d"]
    assert sum(key["taps"] for key in found["keys"].values()) == 80


def test_a_confusion_matrix_has_true_keys_in_rows(tmp_path):
    counts = np.array([[5, 1, 0], [0, 7, 2], [0, 0, 3]])
    write_confusion(tmp_path / "c.tsv", counts, LABELS)
    assert (tmp_path / "c.tsv").read_text() == (
        "true key\ta\tb\t|\na\t5\t1\t0\nb\t0\t7\t2\n|\t0\t0\t3\n"
    )
