import numpy as np
import pytest
from sklearn.metrics import f1_score, top_k_accuracy_score

from tap2key.evaluation.metrics import (
    MEASURES,
    SPACE_MERGED,
    calibration_error,
    calibration_error_floor,
    label_scores,
    measures,
    merged_space,
    scores,
    top_accuracy,
)

LABELS = ["a", "b", "_1", "_2"]


@pytest.fixture
def guesses():
    rng = np.random.default_rng(3)
    truth = rng.integers(0, 4, 300)
    probabilities = rng.dirichlet(np.ones(4), 300)
    probabilities[np.arange(300), truth] += 0.4
    return truth, probabilities / probabilities.sum(axis=1, keepdims=True)


def test_scores_agree_with_scikit_learn(guesses):
    truth, probabilities = guesses
    prediction = probabilities.argmax(axis=1)
    result = scores(truth, probabilities, LABELS, dict.fromkeys(LABELS, 5))
    assert result["accuracy"] == pytest.approx((truth == prediction).mean())
    for average in ("macro", "weighted"):
        expected = f1_score(truth, prediction, average=average)
        assert result[f"{average}_f1"] == pytest.approx(expected)
    merged = [f1_score(np.minimum(truth, 2), np.minimum(prediction, 2), average="macro")]
    assert result["macro_f1_space_merged"] == pytest.approx(merged[0])
    right = np.minimum(truth, 2) == np.minimum(prediction, 2)
    assert result["accuracy_space_merged"] == pytest.approx(right.mean())
    assert result["top_3_accuracy"] == pytest.approx(
        top_k_accuracy_score(truth, probabilities, k=3)
    )
    assert result["never_trained"] == []


def test_averages_run_over_the_keys_that_were_tapped():
    truth, prediction = ["a", "a", "b", "b"], ["a", "b", "b", "c"]
    result = label_scores(truth, prediction)
    assert result["macro_f1"] == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert result["accuracy"] == 0.5


def test_a_key_that_training_never_saw_is_listed_and_missed():
    probabilities = np.array([[1.0, 0, 0, 0], [1.0, 0, 0, 0]])
    trained = {"a": 3, "b": 0, "_1": 3, "_2": 0}
    result = scores(np.array([0, 1]), probabilities, LABELS, trained)
    assert result["never_trained"] == ["b"]
    assert result["keys"]["b"]["recall"] == 0
    assert result["accuracy"] == 0.5


def test_only_parts_of_the_space_bar_are_merged():
    assert [merged_space(label) for label in ("_1", "_6", "a", "|", "none", "_")] == [
        *("_", "_", "a", "|", "none", "_")
    ]


def test_the_likeliest_keys_include_the_first():
    probabilities = np.array([[0.1, 0.2, 0.3, 0.4]])
    assert top_accuracy(np.array([1]), probabilities, 3) == 1
    assert top_accuracy(np.array([0]), probabilities, 3) == 0


def test_confidence_that_comes_true_has_no_calibration_error():
    sure = np.tile([0.8, 0.2], (1000, 1))
    assert calibration_error(np.repeat([0, 1], [800, 200]), sure) == pytest.approx(0)
    assert calibration_error(np.repeat([0, 1], [500, 500]), sure) == pytest.approx(0.3)


def test_what_comes_first_takes_the_space_bar_as_one_key(guesses):
    truth, _ = guesses
    swapped = np.array([0, 1, 3, 2])[truth]
    found = measures(truth, np.eye(4)[swapped], LABELS)
    assert (found[SPACE_MERGED], found["accuracy_space_merged"]) == (1, 1)
    assert found["macro_f1"] == pytest.approx(0.5)
    assert [*found] == [*MEASURES]
    assert MEASURES[0] == SPACE_MERGED


def test_proper_scores_agree_with_their_definitions(guesses):
    truth, probabilities = guesses
    found = measures(truth, probabilities, LABELS)
    of_truth = probabilities[np.arange(len(truth)), truth]
    assert found["log_loss"] == pytest.approx(-np.log(of_truth).mean(), rel=1e-5)
    brier = ((probabilities - np.eye(4)[truth]) ** 2).sum(axis=1).mean()
    assert found["brier_score_loss"] == pytest.approx(brier, rel=1e-5)
    # A key that is ruled out costs as much as single precision can tell.
    ruled_out = measures(np.array([0, 1]), np.eye(4)[[1, 1]], LABELS)
    assert ruled_out["log_loss"] == pytest.approx(-np.log(np.finfo(np.float32).eps) / 2, rel=1e-4)
    assert ruled_out["brier_score_loss"] == 1


@pytest.mark.parametrize("taps", [60, 600])
def test_the_floor_is_the_mean_calibration_error_where_every_probability_comes_true(taps):
    rng = np.random.default_rng(4)
    probabilities = rng.dirichlet(np.full(5, 0.5), taps)
    ends = probabilities.cumsum(axis=1)
    errors = [
        calibration_error((rng.random((taps, 1)) > ends).sum(axis=1).clip(max=4), probabilities)
        for _ in range(400)
    ]
    floor = calibration_error_floor(probabilities)
    assert floor == pytest.approx(np.mean(errors), rel=0.05)
    assert floor > 0.02
    assert calibration_error_floor(np.eye(5)) == 0
