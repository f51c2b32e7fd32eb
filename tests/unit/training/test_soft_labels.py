import numpy as np
import pytest
import torch
from made import (
    CENTRES,
    LABELS,
    SETTINGS,
    fold,
    held_out_study,
    people,
    run,
    stage,
    training_arguments,
)
from safetensors.numpy import load_file
from scipy.special import log_softmax, softmax
from scipy.stats import norm

from tap2key.core.files import read_json
from tap2key.core.shipped import KEYBOARD
from tap2key.datasets.encoded_dataset import Rows, load_dataset_folder, load_fold, touched_at
from tap2key.models.key_places import expected_places, places_of
from tap2key.models.predictor import load_predictor
from tap2key.models.softness import Softness
from tap2key.study.keyboard import load_keyboard
from tap2key.training.soft_labels import soft_labels
from tap2key.training.temperature import divide_logits, fit_temperature

SOFT = {"training": {**SETTINGS["training"], "epochs": 2, "soft_label_sd_mm": 12}}


@pytest.fixture
def keyboard(tmp_path):
    path = tmp_path / "centres of keys.csv"
    path.write_text(CENTRES)
    return path


def test_shares_are_densities_of_the_touch_about_the_nearest_centres(keyboard):
    places = places_of(load_keyboard(keyboard), LABELS)
    touched = np.array([[30.0, 40.0], [400.0, 1900.0]])
    shares, elsewhere = soft_labels(np.array([0, 2]), touched, places, sd_mm=9)
    assert not elsewhere.any()
    # Distances in mm: 5 from a, 18.03 from b, 40.3 from |; 10 from the second centre of |.
    for row, tap in ((0, touched[0]), (1, touched[1])):
        centres = [(0, 0), (200, 100), ((400, 200), (400, 2000))[row]]
        density = np.array([norm.pdf(tap / 10, np.array(c) / 10, 9).prod() for c in centres])
        np.testing.assert_allclose(shares[row], density / density.sum(), rtol=1e-5, atol=1e-30)


def test_the_own_key_has_the_largest_share_of_every_touch_on_the_keyboard():
    keyboard = load_keyboard(KEYBOARD)
    # As the sensor reads them, in whole units; the last is as far from h as from j.
    touched = np.random.default_rng(0).integers((300, 600), (3200, 1700), (20_000, 2))
    touched = np.concatenate([touched, [[1610, 1124]]]).astype(float)
    labels = keyboard.nearest(touched)
    places = places_of(keyboard, keyboard.labels)
    shares, elsewhere = soft_labels(labels, touched, places, sd_mm=9)
    assert not elsewhere.any()
    own = shares[np.arange(len(labels)), labels]
    np.testing.assert_allclose(own, shares.max(axis=1), rtol=1e-6)
    halves = dict(zip(keyboard.labels, shares[-1], strict=True))
    assert halves["h"] == pytest.approx(halves["j"]) and halves["h"] > 0.2
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-5)


def test_a_tap_with_another_label_than_its_places_belongs_to_its_label_alone(keyboard):
    places = places_of(load_keyboard(keyboard), LABELS)
    shares, elsewhere = soft_labels(np.array([2, 1]), np.array([[0, 0], [190, 90]]), places, 9)
    np.testing.assert_array_equal(elsewhere, [True, False])
    np.testing.assert_array_equal(shares[0], [0, 0, 1])
    assert 0.5 < shares[1, 1] < 1


def test_a_tap_without_a_place_counts_as_one_at_each_centre_of_its_key(keyboard):
    places = places_of(load_keyboard(keyboard), LABELS)
    centres = np.array([[0, 0], [200, 100], [400, 200], [400, 2000]], float)
    at_centres, _ = soft_labels(np.array([0, 1, 2, 2]), centres, places, sd_mm=9)
    unplaced = np.full((3, 2), np.nan)
    shares, elsewhere = soft_labels(np.array([0, 1, 2]), unplaced, places, sd_mm=9)
    assert not elsewhere.any()
    np.testing.assert_allclose(shares[:2], at_centres[:2], rtol=1e-6)
    np.testing.assert_allclose(shares[2], at_centres[2:].mean(axis=0), rtol=1e-6)


def test_outside_every_key_and_without_a_place_there_is_the_label_alone():
    keyboard = load_keyboard(KEYBOARD)
    places = places_of(keyboard, keyboard.labels)
    outside = keyboard.labels.index("none")
    shares, elsewhere = soft_labels(np.array([outside]), np.full((1, 2), np.nan), places, sd_mm=9)
    assert not elsewhere.any()
    np.testing.assert_array_equal(shares[0], np.eye(len(keyboard.labels))[outside])


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return held_out_study(tmp_path_factory.mktemp("study"), taps=96)


def trained(data, root, keyboard, **settings):
    arguments = training_arguments(data[0], data[1], root, **settings)
    stage("train", *arguments, "--keyboard", keyboard)
    return root / "model"


def weights(model):
    return load_file(model / "model.safetensors")


def test_hardly_spread_they_are_the_labels(data, tmp_path, keyboard):
    alone = {"training": {**SOFT["training"], "soft_label_sd_mm": 0}}
    hard = {"training": {**SOFT["training"], "soft_label_sd_mm": 0.1}}
    one = weights(trained(data, tmp_path / "alone", keyboard, **alone))
    other = weights(trained(data, tmp_path / "hard", keyboard, **hard))
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_allclose(one[name], other[name], rtol=1e-3, atol=1e-5, err_msg=name)


def test_the_loss_is_the_cross_entropy_of_the_shares(data, tmp_path, keyboard):
    once = {"training": {**SOFT["training"], "epochs": 1}}
    model = trained(data, tmp_path, keyboard, **once)
    about = read_json(model / "tap2key.json")
    history = (model / "history.tsv").read_text().splitlines()
    told = dict(zip(history[0].split("\t"), history[1].split("\t"), strict=True))
    validation = load_fold(data[0], data[1])["validation"]
    found = load_predictor(model)[0].probabilities(Rows(validation).all())
    logits = about["softness"]["temperature"] * np.log(found)
    places = places_of(load_keyboard(keyboard), LABELS)
    shares, _ = soft_labels(np.array(validation["label"]), touched_at(validation), places, 12)
    loss = -(shares * log_softmax(logits, axis=1)).sum(axis=1).mean()
    assert float(told["eval_loss"]) == pytest.approx(loss, rel=1e-4)


def test_a_changed_keyboard_is_another_run(data, tmp_path, keyboard):
    """Its checkpoints are not gone on from."""
    arguments = training_arguments(data[0], data[1], tmp_path / "runs", **SOFT)
    names = []
    for moved in (CENTRES, CENTRES.replace("b,200,100", "b,200,120")):
        keyboard.write_text(moved)
        stage("train", *arguments, "--keyboard", keyboard)
        names.append({p.name for p in (tmp_path / "runs" / "checkpoints").glob("*.lock")})
    assert len(names[1] - names[0]) == 1


def test_rows_with_another_label_than_their_place_are_told_of(data, tmp_path, keyboard):
    keyboard.write_text(CENTRES.replace("b,200,100", "b,900,900"))
    arguments = training_arguments(data[0], data[1], tmp_path, **SOFT)
    result = run("train", *arguments, "--keyboard", keyboard)
    assert result.returncode == 0, result.stderr
    about = read_json(data[0] / "fold.json")["class_counts"]
    for side in ("training", "validation"):
        taps = about[side.removesuffix("ing")]["b"]
        assert f"{side}: {taps} taps have another label" in result.stderr


def test_a_missing_keyboard_is_one_line(data, tmp_path):
    arguments = training_arguments(data[0], data[1], tmp_path, **SOFT)
    result = run("train", *arguments, "--keyboard", tmp_path / "none.csv")
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].startswith("tap2key: error: ")
    assert "none.csv: no such file" in result.stderr
    assert "Traceback" not in result.stderr


def test_the_temperature_that_was_put_in_is_found():
    rng = np.random.default_rng(1)
    sure = rng.normal(0, 3, (20_000, 5))
    chances = softmax(sure, axis=1).cumsum(axis=1)
    truth = (rng.random((len(sure), 1)) > chances).sum(axis=1)
    for temperature in (0.25, 1, 4):
        assert fit_temperature(temperature * sure, truth) == pytest.approx(temperature, rel=0.05)


def test_a_divided_head_gives_divided_logits():
    torch.manual_seed(0)
    head, inputs = torch.nn.Linear(7, 3), torch.randn(5, 7)
    before = head(inputs)
    divide_logits(head, 0.3)
    torch.testing.assert_close(head(inputs), before / 0.3)


def test_a_published_model_is_as_sure_as_its_validation_bears_out(data, tmp_path, keyboard):
    """Its own temperature is in its weights: nothing is left to divide by."""
    longer = {"training": {**SOFT["training"], "epochs": 6}}
    model = trained(data, tmp_path, keyboard, **longer)
    validation = load_fold(data[0], data[1])["validation"]
    found = load_predictor(model)[0].probabilities(Rows(validation).all())
    assert fit_temperature(np.log(found), np.array(validation["label"])) == pytest.approx(
        1, rel=0.02
    )


@pytest.mark.parametrize("sd_mm", [0, 9])
def test_places_are_told_as_before_the_logits_were_divided(sd_mm):
    keyboard = load_keyboard(KEYBOARD)
    places = places_of(keyboard, keyboard.labels)
    logits = np.random.default_rng(2).normal(0, 2, (50, len(places.labels)))
    # Whether a tap is outside every key is told by how sure that is, not from before.
    logits[:, places.labels.index("none")] = -9
    np.testing.assert_allclose(
        expected_places(softmax(logits / 0.3, axis=1), places, Softness(0.3, sd_mm)),
        expected_places(softmax(logits, axis=1), places, Softness(1, sd_mm)),
    )


def test_who_knows_the_soft_labels_knows_the_place():
    """At the keyboard's edges too, where the mean of the keys' centres is drawn inwards."""
    keyboard = load_keyboard(KEYBOARD)
    places = places_of(keyboard, keyboard.labels)
    touched = keyboard.centres + np.random.default_rng(3).normal(0, 40, keyboard.centres.shape)
    labels = keyboard.nearest(touched)
    # Outside every key no place is told, and Enter's two centres cannot be told apart.
    told = ~np.isin(labels, [keyboard.labels.index(label) for label in ("none", "|")])
    shares, _ = soft_labels(labels, touched, places, 9)
    found = expected_places(shares.astype(float), places, Softness(1, 9))
    assert told.sum() > 25
    np.testing.assert_allclose(found[told], places.seen(touched)[told], atol=0.01)


def test_of_two_centres_neither_is_preferred():
    """Which of them a tap was on is not told by how likely its key is."""
    keyboard = load_keyboard(KEYBOARD)
    places = places_of(keyboard, keyboard.labels)
    enter = places.labels.index("|")
    touched = -10 * places.parts["|"]
    shares, _ = soft_labels(np.array([enter, enter]), touched, places, 9)
    found = expected_places(shares.astype(float), places, Softness(1, 9))
    np.testing.assert_allclose(found.mean(axis=0), places.centres[enter], atol=2)


def test_outside_every_key_no_place_is_told():
    keyboard = load_keyboard(KEYBOARD)
    places = places_of(keyboard, keyboard.labels)
    sure = np.zeros((2, len(places.labels)))
    sure[0, places.labels.index("none")] = 1
    sure[1, [places.labels.index("none"), places.labels.index("q")]] = 0.51, 0.49
    for softness in (Softness(), Softness(0.2, 9)):
        assert np.isnan(expected_places(sure, places, softness)).all()


@pytest.mark.parametrize("mixup", [0, 0.3])
def test_neither_keys_nor_taps_with_a_place_teach_labels_alone(tmp_path, mixup):
    """A model of them tells places by its labels."""
    keyboard = tmp_path / "keys without places.csv"
    keyboard.write_text("label,x,y\na,,\nb,,\n|,,\n")
    datasets = people(tmp_path / "datasets", ["Ana", "Bo", "Chen"], taps=48, placed=False)
    folder, training = fold(tmp_path / "fold", datasets, "Ana")
    settings = {**SOFT, "augmentation": {"mixup": mixup}}
    model = trained((folder, training), tmp_path, keyboard, **settings)
    assert read_json(model / "tap2key.json")["softness"]["sd_mm"] == 0


def test_evaluation_tells_places_by_the_models_own_temperature(data, tmp_path, keyboard):
    model = trained(data, tmp_path, keyboard, **SOFT)
    stage(
        *("evaluate", "--model", model, "--datasets", data[2]["Ana"]),
        *("--keyboard", keyboard, "--output", tmp_path / "scores"),
    )
    about = read_json(model / "tap2key.json")
    tested = load_dataset_folder(data[2]["Ana"]).data
    found = load_predictor(model)[0].probabilities(Rows(tested).all())
    assert about["softness"]["sd_mm"] == 12
    logits = about["softness"]["temperature"] * np.log(found)
    places = places_of(load_keyboard(keyboard), LABELS)
    expected = expected_places(softmax(logits, axis=1), places, Softness(1, 12))
    # The sensor's x and y grow to the left and towards the user.
    errors = np.linalg.norm(expected + touched_at(tested) / 10, axis=1)
    metrics = read_json(tmp_path / "scores" / "metrics.json")
    assert metrics["location_error_median_mm"] == pytest.approx(np.nanmedian(errors), rel=1e-3)


def test_a_key_without_a_place_cannot_be_learned_softly(data, tmp_path, keyboard):
    keyboard.write_text(CENTRES.replace("b,200,100", "b,,"))
    arguments = training_arguments(data[0], data[1], tmp_path, **SOFT)
    result = run("train", *arguments, "--keyboard", keyboard)
    assert result.returncode == 1
    assert "no place (x, y) for 'b'; soft labels (training.soft_label_sd_mm above" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
