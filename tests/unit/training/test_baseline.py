import json

import numpy as np
import pytest
from made import ENCODING, LABELS, dataset, fold, held_out_study, stage
from scipy.signal.windows import tukey
from sklearn.ensemble import ExtraTreesClassifier

from tap2key.__main__ import main
from tap2key.core.files import read_json
from tap2key.datasets.encoded_dataset import Rows, load_dataset_folder, load_fold
from tap2key.datasets.representations import Encoding
from tap2key.models.predictor import load_predictor
from tap2key.signal.delays import gcc_phat_delays, level_ratios

KINDS = ("gcc_phat_forest", "level_forest")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A fold that holds out Ana, its training datasets and everybody's."""
    return held_out_study(tmp_path_factory.mktemp("study"), taps=60, rare=2)


def fit(data, output, kind="gcc_phat_forest", trees=30, seed=0, threads=1):
    folder, training, _ = data
    stage(
        *("baseline", "--fold", folder, "--datasets", *training, "--output", output),
        *("--settings", json.dumps({"kind": kind, "trees": trees})),
        *("--seed", seed, "--threads", threads),
    )
    return output


def inputs_of(folder):
    opened = load_dataset_folder(folder)
    return Rows(opened.data).all(), np.array(opened.data.with_format("numpy")["label"])


@pytest.mark.parametrize("kind", KINDS)
def test_a_forest_names_the_keys_of_somebody_it_never_heard(data, tmp_path, kind):
    predictor, about = load_predictor(fit(data, tmp_path / "model", kind))
    values, truth = inputs_of(data[2]["Ana"])
    probabilities = predictor.probabilities(values)
    assert (probabilities.argmax(axis=1) == truth).mean() > 0.9
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert about["trained_on"] == ["Bo", "Chen", "Dee"]
    assert about["kind"] == kind


def test_a_forest_read_back_predicts_as_a_forest_fitted_anew(data, tmp_path):
    values, _ = inputs_of(data[2]["Ana"])
    one, _ = load_predictor(fit(data, tmp_path / "one"))
    again, _ = load_predictor(fit(data, tmp_path / "again", threads=2))
    other, _ = load_predictor(fit(data, tmp_path / "other", seed=1))
    np.testing.assert_array_equal(one.probabilities(values), again.probabilities(values))
    rough = values + 0.03 * np.random.default_rng(0).standard_normal(values.shape)
    rough = rough.astype(np.float32)
    assert np.abs(one.probabilities(rough) - other.probabilities(rough)).max() > 0
    reloaded, _ = load_predictor(tmp_path / "one")
    np.testing.assert_array_equal(one.probabilities(values), reloaded.probabilities(values))


def seen_of(values):
    """Delays between channels, and their levels, of windows faded in and out: [n, 28], [n, 8]."""
    windows = values.reshape(len(values), -1, 8).transpose(0, 2, 1)
    windows = windows * tukey(windows.shape[-1], 0.25).astype(np.float32)
    return gcc_phat_delays(windows, ENCODING.sample_rate, 0.002), level_ratios(windows)


@pytest.mark.parametrize("kind", KINDS)
def test_a_forest_is_what_scikit_learn_fits_on_the_folds_rows(data, tmp_path, kind):
    folder, training, datasets = data
    train = load_fold(folder, training)["train"]
    labels = np.array(train.with_format("numpy")["label"])
    first = 0 if kind == "gcc_phat_forest" else 1
    expected = ExtraTreesClassifier(30, min_samples_leaf=2, random_state=0)
    expected.fit(np.hstack(seen_of(Rows(train).all())[first:]), labels)
    predictor, _ = load_predictor(fit(data, tmp_path / "model", kind))
    values, _ = inputs_of(datasets["Ana"])
    np.testing.assert_array_equal(
        predictor.probabilities(values),
        expected.predict_proba(np.hstack(seen_of(values)[first:])),
    )


def test_the_model_folder_holds_no_pickle_and_says_what_it_is(data, tmp_path):
    model = fit(data, tmp_path / "model")
    assert {p.name for p in model.iterdir()} == {"forest.skops", "tap2key.json", "provenance.json"}
    about = read_json(model / "tap2key.json")
    assert about["labels"] == list(LABELS)
    assert about["training_taps"] == read_json(data[0] / "fold.json")["class_counts"]["train"]
    assert about["validation"]["accuracy"] > 0.9


def test_loudness_tells_nothing_about_the_key(data, tmp_path):
    predictor, _ = load_predictor(fit(data, tmp_path / "model"))
    values, _ = inputs_of(data[2]["Bo"])
    loud = predictor.probabilities(4 * values)
    np.testing.assert_allclose(loud, predictor.probabilities(values), atol=0.05)


def test_an_encoding_without_eight_channels_apart_is_refused(tmp_path, capsys):
    datasets = {
        name: dataset(tmp_path / name, name, [0, 1, 2, 0], encoding=Encoding("average", 16_000))
        for name in ("Ana", "Bo", "Chen")
    }
    folder, training = fold(tmp_path / "fold", datasets, "Ana")
    status = main(
        [
            *("baseline", "--fold", str(folder), "--datasets", *map(str, training)),
            *("--settings", '{"kind": "level_forest"}', "--output", str(tmp_path / "model")),
        ]
    )
    assert status == 1
    assert "level_forest needs all eight channels: set encoding" in capsys.readouterr().err
    assert not (tmp_path / "model").exists()


def test_a_key_that_training_never_saw_has_probability_0(tmp_path):
    datasets = {
        name: dataset(tmp_path / name, name, np.arange(40) % (3 if name == "Ana" else 2))
        for name in ("Ana", "Bo", "Chen")
    }
    folder, training = fold(tmp_path / "fold", datasets, "Ana")
    predictor, _ = load_predictor(fit((folder, training, datasets), tmp_path / "model"))
    probabilities = predictor.probabilities(inputs_of(datasets["Ana"])[0])
    assert probabilities.shape == (40, 3)
    assert (probabilities[:, 2] == 0).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
