from dataclasses import replace

import numpy as np
import pytest
import skops.io
from made import CENTRES, ENCODING, LABELS, dataset, fold, held_out_study, people, stage
from scipy.signal.windows import tukey
from scipy.special import softmax
from sklearn.decomposition import PCA
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor
from sklearn.metrics import f1_score
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC

from tap2key.__main__ import main
from tap2key.audio.array import Array
from tap2key.core.errors import DivergedError, Tap2keyError
from tap2key.core.files import read_json, write_json
from tap2key.datasets.encoded_dataset import Rows, load_dataset_folder, load_fold
from tap2key.datasets.encoding import Encoding
from tap2key.models.baseline_predictors import decisions_of
from tap2key.models.key_places import Places
from tap2key.models.predictor import load_predictor
from tap2key.signal.delays import gcc_phat_delays, level_ratios
from tap2key.training.fitting import temperature_of
from tap2key.training.temperature import fit_temperature

KINDS = ("gcc_phat_forest", "level_forest")
KINDS_OF_PAIRS = ("pairs_forest", "pairs_svm")
# Three pairs of microphones, 49 lags each.
THREE = Array(channels=3, sample_rate=48_000, groups=(), max_delay_ms=0.5)
PAIRS = Encoding("pairs", 48_000, None, array=THREE)
PAIRS_WAVES = replace(PAIRS, representation="pairs_waves")
# By label: the first pair's delay, in lags; those of the others mean nothing.
DELAYS = np.array([-12, 0, 12])
# Where `dataset` puts its touches, as the user sees them.
CENTRES_MM = -np.array([[0.0, 0], [20, 10], [40, 20]])
PLACES = Places(
    LABELS,
    CENTRES_MM,
    {label: centre[None] for label, centre in zip(LABELS, CENTRES_MM, strict=True)},
    **{name: {label: np.zeros((1, 2)) for label in LABELS} for name in ("reach", "sizes")},
    outside=None,
    rightwards=False,
)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A fold that holds out Ana, its training datasets and everybody's."""
    return held_out_study(tmp_path_factory.mktemp("study"), taps=60, rare=2)


def fit(data, output, kind="gcc_phat_forest", trees=30, seed=0, threads=1, more=()):
    folder, training, _ = data
    stage(
        *("baseline", "--fold", folder, "--datasets", *training, "--output", output),
        *("--kind", kind, "--trees", trees),
        *("--seed", seed, "--threads", threads, *more),
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


@pytest.mark.parametrize(
    ("kind", "options", "chosen"),
    [
        ("gcc_phat_forest", (), {"min_samples_leaf": 2}),
        ("level_forest", (), {"min_samples_leaf": 2}),
        (
            "gcc_phat_forest",
            ("--max-features", 0.6, "--min-samples-leaf", 5),
            {"max_features": 0.6, "min_samples_leaf": 5},
        ),
    ],
)
def test_a_forest_is_what_scikit_learn_fits_on_the_folds_rows(
    data, tmp_path, kind, options, chosen
):
    folder, training, datasets = data
    parts = load_fold(folder, training)
    labels = {side: np.array(part.with_format("numpy")["label"]) for side, part in parts.items()}
    first = 0 if kind == "gcc_phat_forest" else 1

    def features(values):
        return np.hstack(seen_of(values)[first:])

    def logits(values):
        """One vote in 31 is spread evenly over the three keys."""
        return np.log(30 / 31 * expected.predict_proba(features(values)) + 1 / 31 / 3)

    trained = features(Rows(parts["train"]).all())
    expected = ExtraTreesClassifier(30, random_state=0, **chosen).fit(trained, labels["train"])
    temperature = fit_temperature(logits(Rows(parts["validation"]).all()), labels["validation"])
    predictor, about = load_predictor(fit(data, tmp_path / "model", kind, more=options))
    assert about["softness"] == {"temperature": pytest.approx(temperature), "sd_mm": 0}
    values, _ = inputs_of(datasets["Ana"])
    found, located = predictor.located(values, PLACES)
    np.testing.assert_allclose(found, softmax(logits(values) / temperature, axis=1))
    # What the trees vote for is named, with and without a temperature.
    named = expected.predict(features(values))
    np.testing.assert_array_equal(found.argmax(axis=1), named)
    np.testing.assert_array_equal(predictor.probabilities(values), found)
    touched = np.stack([np.array(parts["train"][axis]) for axis in "xy"], axis=1)
    regressor = ExtraTreesRegressor(30, random_state=0, **{"max_features": "sqrt", **chosen}).fit(
        trained, touched
    )
    # The sensor's x grows to the left and its y towards the user, in 0.1 mm.
    np.testing.assert_allclose(located, regressor.predict(features(values)) / -10)


def test_a_forest_is_as_sure_as_it_is_right(pairs_data, tmp_path):
    """A forest's votes are far from sure: one label of 13 is wrong, and no more taps misnamed."""
    predictor, about = load_predictor(fit(pairs_data, tmp_path / "model", "pairs_forest"))
    values, truth = inputs_of(pairs_data[2]["Ana"])
    rows = np.arange(len(truth))
    found = predictor.probabilities(values)
    before = replace_temperature(tmp_path / "model", 1).probabilities(values)
    np.testing.assert_array_equal(found.argmax(axis=1), before.argmax(axis=1))
    losses = [-np.log(each[rows, truth]).mean() for each in (found, before)]
    assert losses[0] < losses[1] < np.inf
    assert about["softness"]["temperature"] < 1


def replace_temperature(folder, temperature):
    """The model of an earlier version had none, and no places."""
    about = read_json(folder / "tap2key.json")
    del about["softness"]
    write_json(folder / "tap2key.json", about)
    (folder / "touches.skops").unlink()
    predictor, _ = load_predictor(folder)
    assert predictor.temperature == temperature
    return predictor


def test_where_taps_were_is_told_of_those_held_to_be_on_a_key(data, tmp_path):
    predictor, _ = load_predictor(fit(data, tmp_path / "model"))
    values, truth = inputs_of(data[2]["Ana"])
    probabilities, located = predictor.located(values, PLACES)
    right = probabilities.argmax(axis=1) == truth
    errors = np.linalg.norm(located - PLACES.centres[truth], axis=1)[right & (truth < 2)]
    # Keys are 22 mm apart.
    assert np.median(errors) < 3
    without = replace(PLACES, centres=np.where([[True], [True], [False]], PLACES.centres, np.nan))
    _, some = predictor.located(values, without)
    outside = probabilities[:, 2] > 0.5
    assert np.isnan(some[outside]).all() and outside.any()
    np.testing.assert_array_equal(some[~outside], located[~outside])


def test_without_touches_a_forest_tells_no_places(tmp_path):
    datasets = people(tmp_path / "datasets", ("Ana", "Bo", "Chen"), placed=False)
    folder, training = fold(tmp_path / "fold", datasets, "Ana")
    model = fit((folder, training, datasets), tmp_path / "model", "level_forest", trees=5)
    assert not (model / "touches.skops").exists()
    predictor, _ = load_predictor(model)
    assert predictor.located(inputs_of(datasets["Ana"])[0], PLACES)[1] is None


def test_a_forest_of_one_key_is_sure_of_it(tmp_path):
    datasets = {name: dataset(tmp_path / name, name, [1] * 20) for name in ("Ana", "Bo", "Chen")}
    folder, training = fold(tmp_path / "fold", datasets, "Ana")
    predictor, _ = load_predictor(fit((folder, training, datasets), tmp_path / "model"))
    found = predictor.probabilities(inputs_of(datasets["Ana"])[0])
    np.testing.assert_array_equal(found, np.tile([0.0, 1, 0], (20, 1)))


def test_the_model_folder_holds_no_pickle_and_says_what_it_is(data, tmp_path):
    model = fit(data, tmp_path / "model")
    assert {p.name for p in model.iterdir()} == {
        *("forest.skops", "touches.skops", "tap2key.json", "provenance.json")
    }
    for name in ("forest.skops", "touches.skops"):
        assert skops.io.get_untrusted_types(file=model / name) == ["sklearn.tree._tree.Tree"]
    about = read_json(model / "tap2key.json")
    assert about["labels"] == list(LABELS)
    assert about["training_taps"] == read_json(data[0] / "fold.json")["class_counts"]["train"]
    assert about["validation"]["accuracy"] > 0.9
    validation = load_fold(data[0], data[1])["validation"]
    named = load_predictor(model)[0].probabilities(Rows(validation).all()).argmax(axis=1)
    truth = np.array(validation.with_format("numpy")["label"])
    expected = f1_score(truth, named, average="macro")
    assert about["validation"]["selection_macro_f1"] == pytest.approx(expected)


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
            *("--kind", "level_forest", "--output", str(tmp_path / "model")),
        ]
    )
    assert status == 1
    assert "level_forest needs channels side by side: set encoding" in capsys.readouterr().err
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


def correlations(label_ids, seed, encoding=PAIRS):
    """Correlations with one peak each, as encoded: [n, 147]; the first pair's tells the key."""
    rng = np.random.default_rng(seed)
    delays = rng.integers(-20, 21, (len(label_ids), encoding.held))
    delays[:, 0] = DELAYS[label_ids] + rng.integers(-2, 3, len(label_ids))
    lags = np.arange(PAIRS.frames) - PAIRS.onset_frame
    curves = np.exp(-(((lags - delays[:, :, None]) / 3) ** 2))
    curves += 0.1 * rng.standard_normal(curves.shape)
    curves -= curves.mean(axis=2, keepdims=True)
    curves /= curves.std(axis=2, keepdims=True)
    return curves.reshape(len(label_ids), -1).astype(np.float32)


@pytest.fixture(scope="module")
def pairs_data(tmp_path_factory):
    """A fold of correlations that holds out Ana; label 1 is rare, and one of 13 labels is wrong."""
    root = tmp_path_factory.mktemp("pairs")
    true = np.array([0, 1, 2, 0, 2] * 16)
    said = np.where(np.arange(80) % 13 == 0, (true + 1) % 3, true)
    datasets = {
        name: dataset(root / name, name, said, encoding=PAIRS, inputs=correlations(true, seed))
        for seed, name in enumerate(("Ana", "Bo", "Chen", "Dee"))
    }
    return (*fold(root / "fold", datasets, "Ana"), datasets)


@pytest.fixture(scope="module", params=KINDS_OF_PAIRS)
def of_pairs(request, pairs_data, tmp_path_factory):
    """A model of each kind: its kind and folder."""
    return request.param, fit(pairs_data, tmp_path_factory.mktemp("model") / "m", request.param)


def test_whole_correlations_name_the_key_by_the_delay_that_tells_it(of_pairs):
    label_ids = np.arange(90) % 3
    values = correlations(label_ids, 9)
    predictor, _ = load_predictor(of_pairs[1])
    probabilities = predictor.probabilities(values)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert (probabilities.argmax(axis=1) == label_ids).mean() > 0.95
    # Of other taps, only the pair that tells.
    values[:, : PAIRS.frames] = values[::-1, : PAIRS.frames]
    renamed = predictor.probabilities(values).argmax(axis=1)
    assert (renamed == label_ids[::-1]).mean() > 0.95


def test_the_same_seed_gives_the_same_probabilities_on_any_number_of_threads(
    of_pairs, pairs_data, tmp_path
):
    kind, model = of_pairs
    values = correlations(np.arange(30) % 3, 9)
    again = fit(pairs_data, tmp_path / "again", kind, threads=2)
    expected = load_predictor(model)[0].probabilities(values)
    np.testing.assert_array_equal(load_predictor(again)[0].probabilities(values), expected)


@pytest.mark.parametrize(("c", "gamma"), [(1, 1), (10, 0.3)])
def test_a_machine_is_scikit_learns_of_repeated_rows_calibrated_on_validation_taps(
    pairs_data, tmp_path, c, gamma
):
    folder, training, datasets = pairs_data
    data = load_fold(folder, training)
    rows = {name: Rows(data[name]).all() for name in ("train", "validation")}
    labels = {name: np.array(data[name].with_format("numpy")["label"]) for name in rows}
    # Repeats have no say in the components, nor has the held-out participant.
    pca = PCA(128, svd_solver="full").fit(np.unique(rows["train"], axis=0))
    variance = pca.transform(np.unique(rows["train"], axis=0)).var()
    svc = SVC(C=c, gamma=gamma / (128 * variance))
    svc.fit(pca.transform(rows["train"]), labels["train"])
    logits = svc.decision_function(pca.transform(rows["validation"]))
    temperature = fit_temperature(logits, labels["validation"])
    values, _ = inputs_of(datasets["Ana"])
    expected = softmax(svc.decision_function(pca.transform(values)) / temperature, axis=1)
    options = ("--svm-C", c, "--svm-gamma", gamma)
    model = fit(pairs_data, tmp_path / "model", "pairs_svm", more=options)
    predictor, about = load_predictor(model)
    np.testing.assert_allclose(predictor.probabilities(values), expected, atol=0.02)
    assert about["validation"]["accuracy"] == (logits.argmax(axis=1) == labels["validation"]).mean()


def test_validation_taps_of_keys_that_were_not_trained_on_have_no_say_in_the_temperature():
    label_ids = np.array([0, 2] * 30)
    svm = make_pipeline(PCA(20, random_state=0), SVC()).fit(correlations(label_ids, 0), label_ids)
    validation, truth = correlations(np.arange(60) % 3, 1), np.arange(60) % 3
    known = truth != 1
    decisions = svm.decision_function(validation[known])
    logits = np.stack([-decisions, decisions], axis=1)
    expected = fit_temperature(logits, truth[known] // 2)
    decisions = decisions_of(svm, validation)
    # Taps beside it change how a tap's decision is rounded.
    assert temperature_of(svm.classes_, decisions, truth) == pytest.approx(expected, rel=1e-6)
    assert temperature_of(svm.classes_, decisions[~known], truth[~known]) == 1


@pytest.mark.parametrize("kind", KINDS_OF_PAIRS)
def test_waves_may_stand_beside_whole_correlations(kind, tmp_path):
    label_ids = np.arange(90) % 3
    datasets = {
        name: dataset(
            *(tmp_path / name, name, label_ids),
            **{"encoding": PAIRS_WAVES, "inputs": correlations(label_ids, seed, PAIRS_WAVES)},
        )
        for seed, name in enumerate(("Ana", "Bo", "Chen"))
    }
    data = (*fold(tmp_path / "fold", datasets, "Ana"), datasets)
    model = fit(data, tmp_path / "model", kind)
    probabilities = load_predictor(model)[0].probabilities(inputs_of(datasets["Ana"])[0])
    assert (probabilities.argmax(axis=1) == label_ids).mean() > 0.95


@pytest.mark.parametrize("labels", [2, 1])
def test_machines_of_few_keys(labels, tmp_path, capsys):
    datasets = {}
    for seed, name in enumerate(("Ana", "Bo", "Chen")):
        label_ids = np.arange(40) % (3 if name == "Ana" else labels)
        values = correlations(label_ids, seed)
        datasets[name] = dataset(tmp_path / name, name, label_ids, encoding=PAIRS, inputs=values)
    folder, training = fold(tmp_path / "fold", datasets, "Ana")
    given = ("baseline", "--fold", folder, "--datasets", *training, "--kind", "pairs_svm")
    status = main([str(value) for value in (*given, "--output", tmp_path / "model")])
    if labels == 1:
        assert status == 1
        assert f"{folder}: all training taps are of one key" in capsys.readouterr().err
        return
    probabilities = load_predictor(tmp_path / "model")[0].probabilities(
        inputs_of(datasets["Ana"])[0]
    )
    assert (probabilities[:, 2] == 0).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert (probabilities.argmax(axis=1) == np.arange(40) % 3)[np.arange(40) % 3 < 2].all()


def test_a_machine_is_saved_without_a_pickle_and_without_settings_of_forests(pairs_data, tmp_path):
    model = fit(pairs_data, tmp_path / "model", "pairs_svm")
    assert {p.name for p in model.iterdir()} == {"svm.skops", "tap2key.json", "provenance.json"}
    assert skops.io.get_untrusted_types(file=model / "svm.skops") == []
    assert read_json(model / "provenance.json")["settings"] == {
        **{"kind": "pairs_svm", "seed": 0, "search": None},
        "svm": {"C": 1.0, "gamma": 1.0},
    }


def test_other_stages_take_whole_correlations_models(of_pairs, pairs_data, tmp_path, capsys):
    kind, model = of_pairs
    tested = ("--datasets", pairs_data[2]["Ana"], "--output", tmp_path / "scores")
    stage("evaluate", "--model", model, *tested)
    # One of 13 labels is wrong.
    assert read_json(tmp_path / "scores" / "metrics.json")["accuracy"] == pytest.approx(
        12 / 13, abs=0.05
    )
    assert main(["export", "--onnx", str(model), "--output", str(tmp_path / "m.onnx")]) == 1
    assert f"is a {kind}; only" in capsys.readouterr().err


def test_a_machine_with_a_number_that_is_not_finite_is_refused(pairs_data, tmp_path):
    model = fit(pairs_data, tmp_path / "model", "pairs_svm")
    saved = skops.io.load(model / "svm.skops")
    saved["svm"][-1].support_vectors_[0, 0] = np.nan
    skops.io.dump(saved, model / "svm.skops")
    with pytest.raises(DivergedError, match=r"a number in svm\.skops is not finite"):
        load_predictor(model)


@pytest.mark.parametrize("kind", KINDS_OF_PAIRS)
def test_whole_correlations_are_needed(data, tmp_path, capsys, kind):
    given = ("baseline", "--fold", data[0], "--datasets", *data[1], "--kind", kind)
    status = main([str(value) for value in (*given, "--output", tmp_path / "model")])
    assert status == 1
    line = capsys.readouterr().err
    assert f"{kind} needs correlations: set encoding.representation to pairs" in line


SPEED_M_S = 500.0
# mm: around the keys of `CENTRES`.
CORNERS = ((-60.0, -40.0), (110.0, -50.0), (-50.0, 240.0), (100.0, 250.0))
LOCATED = Encoding(
    "interleave",
    48_000,
    (1, 3),
    array=Array(channels=4, sample_rate=48_000, groups=(), positions_mm=CORNERS),
)


def clicks(places, seed):
    """Clicks at places in mm, as the corners hear them: [n, 4 · frames] interleaved."""
    rng = np.random.default_rng(seed)
    frames = LOCATED.frames
    frequencies = np.fft.rfftfreq(2 * frames, 1 / 48_000)
    distances = np.linalg.norm(places[:, None] - np.array(CORNERS), axis=2) / 1000
    times = np.arange(frames) - LOCATED.onset_frame
    sound = rng.standard_normal((len(places), frames)) * np.exp(-times / 20) * (times >= 0)
    turned = np.exp(-2j * np.pi * distances[:, :, None] / SPEED_M_S * frequencies)
    heard = np.fft.irfft(np.fft.rfft(sound, 2 * frames)[:, None] * turned)[:, :, :frames]
    heard += 0.01 * rng.standard_normal(heard.shape)
    return heard.transpose(0, 2, 1).reshape(len(places), -1).astype(np.float32)


@pytest.fixture(scope="module")
def located_data(tmp_path_factory):
    root = tmp_path_factory.mktemp("located")
    (root / "keyboard.csv").write_text(CENTRES)
    # The last key has two centres.
    at = np.arange(40) % 4
    places = np.array([[0, 0], [20, 10], [40, 20], [40, 200]])[at]
    datasets = {
        name: dataset(
            root / name, name, np.minimum(at, 2), encoding=LOCATED, inputs=clicks(places, seed)
        )
        for seed, name in enumerate(("Ana", "Bo", "Chen"))
    }
    return (*fold(root / "fold", datasets, "Ana"), datasets)


def multilateration(data, output, *more):
    keyboard = next(iter(data[2].values())).parent / "keyboard.csv"
    given = ("baseline", "--fold", data[0], "--datasets", *data[1], "--kind", "multilateration")
    return [str(value) for value in (*given, "--keyboard", keyboard, "--output", output, *more)]


def test_multilateration_finds_the_speed_and_names_the_keys_of_an_unheard_person(
    located_data, tmp_path
):
    stage(*multilateration(located_data, tmp_path / "model"))
    saved = read_json(tmp_path / "model" / "multilateration.json")
    assert saved["wave_speed_m_s"] == pytest.approx(SPEED_M_S, rel=0.03)
    predictor, about = load_predictor(tmp_path / "model")
    values, truth = inputs_of(located_data[2]["Ana"])
    probabilities = predictor.probabilities(values)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert (probabilities.argmax(axis=1) == truth).all()
    assert about["validation"]["accuracy"] == 1
    stage(*multilateration(located_data, tmp_path / "again"))
    assert read_json(tmp_path / "again" / "multilateration.json") == saved
    tested = ("--datasets", located_data[2]["Ana"], "--output", tmp_path / "scores")
    stage("evaluate", "--model", tmp_path / "model", *tested)
    assert read_json(tmp_path / "scores" / "metrics.json")["accuracy"] == 1


def test_multilateration_needs_places_of_microphones_and_keys(located_data, data, tmp_path, capsys):
    given = ("baseline", "--fold", data[0], "--datasets", *data[1], "--kind", "multilateration")
    assert main([str(value) for value in (*given, "--output", tmp_path / "model")]) == 1
    assert "multilateration needs to know where microphones are" in capsys.readouterr().err
    (tmp_path / "keys.csv").write_text("label,x,y\ny,0,0\nz,9,9\n")
    other = ("--keyboard", str(tmp_path / "keys.csv"))
    assert main(multilateration(located_data, tmp_path / "model", *other)) == 1
    assert "is of a key that has a place here" in capsys.readouterr().err


def test_a_damaged_multilateration_is_refused(located_data, tmp_path):
    stage(*multilateration(located_data, tmp_path / "model"))
    (tmp_path / "model" / "multilateration.json").write_text('{"wave_speed_m_s": 3}')
    with pytest.raises(Tap2keyError, match=r"is damaged.*fit the model again"):
        load_predictor(tmp_path / "model")


def test_multilateration_of_two_arrays_is_refused(located_data, tmp_path, capsys):
    moved = Array(channels=4, sample_rate=48_000, groups=(), positions_mm=CORNERS[::-1])
    label_ids = np.arange(40) % 3
    encoding = replace(LOCATED, array=moved)
    inputs = clicks(np.zeros((40, 2)), 0)
    datasets = {
        "Ana": located_data[2]["Ana"],
        "Bo": located_data[2]["Bo"],
        "Dee": dataset(tmp_path / "Dee", "Dee", label_ids, encoding=encoding, inputs=inputs),
    }
    folder, training = fold(tmp_path / "fold", datasets, "Ana")
    given = (folder, training, located_data[2])
    assert main(multilateration(given, tmp_path / "model")) == 1
    assert "was recorded with another array" in capsys.readouterr().err
