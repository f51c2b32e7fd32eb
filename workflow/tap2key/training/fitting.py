"""Fitting a baseline to a fold's training taps, and its temperature to the validation taps."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
)
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits

from tap2key.config.stage_settings import MULTILATERATION, SVM_KIND
from tap2key.core.errors import Tap2keyError
from tap2key.datasets.dataset_internals import selected_rows
from tap2key.datasets.encoded_dataset import Rows, touched_at
from tap2key.models.baseline_features import baseline_features, microphones_of
from tap2key.models.baseline_predictors import decisions_of, of_keys, votes_as_logits
from tap2key.models.softness import ONLY_LABELS, Softness
from tap2key.signal.multilateration import fit_speed, misfits, path_differences
from tap2key.study.keyboard import MM_PER_UNIT, Keyboard
from tap2key.training.fold_data import Fold
from tap2key.training.temperature import fit_temperature

# Principal components to which a tap's thousands of lags are reduced.
COMPONENTS = 128


class Fitted(NamedTuple):
    """A fitted baseline.

    Attributes:
        saved: what its file holds.
        predicted: [n], indices of the labels that validation taps get.
        softness: what its probabilities are to be divided by, where `saved` does not hold that.
    """

    saved: Any
    predicted: np.ndarray
    softness: Softness = ONLY_LABELS


class TrainingTaps(NamedTuple):
    """What a baseline is fitted to.

    Attributes:
        features: [taps, features] of a fold's training taps, each once.
        labels: [taps], indices of their labels.
        rows: [rows], the tap of each training row; rarer keys' taps are repeated.
        touches: [taps, 2], the touch sensor's x, y in 0.1 mm, NaN where there is none.
    """

    features: np.ndarray
    labels: np.ndarray
    rows: np.ndarray
    touches: np.ndarray


def training_taps(fold: Fold, kind: str) -> TrainingTaps:
    """A fold's training taps, as a kind of baseline sees them.

    Raises:
        Tap2keyError: see `baseline_features`; or a support vector machine is to learn a single key.
    """
    data = fold.data["train"]
    _, once, rows = np.unique(selected_rows(data), return_index=True, return_inverse=True)
    labels = np.array(data.with_format("numpy")["label"])[once]
    if kind == SVM_KIND and len(set(labels)) < 2:
        raise Tap2keyError(
            f"{fold.folder}: all training taps are of one key; {SVM_KIND} tells keys apart"
        )
    features = baseline_features(kind, Rows(data)[once], fold.first.encoding)
    return TrainingTaps(features, labels, rows, touched_at(data)[once])


def fit_forest(
    taps: TrainingTaps,
    settings: Mapping[str, Any],
    seed: int,
    threads: int,
    inputs: np.ndarray,
    truth: np.ndarray,
) -> Fitted:
    """A forest trained on the fold's rows, repeats included, and a temperature of its votes.

    Args:
        taps: what it is fitted to.
        settings: `kind` and a forest's.
        seed: of the trees' randomness.
        threads: of the CPU.
        inputs: [n, features] of validation taps.
        truth: [n], indices of their labels.
    """
    family = RandomForestClassifier if settings["kind"] == "mfcc_forest" else ExtraTreesClassifier
    forest = family(**of_trees(settings, seed, threads))
    forest.fit(taps.features[taps.rows], taps.labels[taps.rows])
    # Threads add trees up as they finish, each time in another order, and round otherwise.
    forest.n_jobs = 1
    logits = votes_as_logits(forest, inputs)
    forest.n_jobs = threads
    temperature = temperature_of(forest.classes_, logits, truth)
    return Fitted(forest, forest.classes_[logits.argmax(axis=1)], Softness(temperature))


def fit_touches(
    taps: TrainingTaps, settings: Mapping[str, Any], seed: int, threads: int
) -> ExtraTreesRegressor | None:
    """Trees that tell where a tap was touched, as networks learn it from soft labels.

    Fitted with the forest's settings on the fold's rows, repeats included, to the touch sensor's
    x, y in 0.1 mm. None where no training tap has a touch.

    Args:
        taps: what it is fitted to.
        settings: a forest's.
        seed: of the trees' randomness.
        threads: of the CPU.
    """
    rows = taps.rows[~np.isnan(taps.touches[taps.rows]).any(axis=1)]
    if not len(rows):
        return None
    regressor = ExtraTreesRegressor(**of_trees(settings, seed, threads))
    return regressor.fit(taps.features[rows], taps.touches[rows])


def of_trees(settings: Mapping[str, Any], seed: int, threads: int) -> dict[str, Any]:
    """scikit-learn's arguments of an ensemble of trees, from a forest's settings."""
    return {
        "n_estimators": settings["trees"],
        "max_features": settings["max_features"] or "sqrt",
        "min_samples_leaf": settings["min_samples_leaf"],
        "n_jobs": threads,
        "random_state": seed,
    }


def fit_svm(
    taps: TrainingTaps,
    chosen: Mapping[str, float],
    seed: int,
    inputs: np.ndarray,
    truth: np.ndarray,
) -> Fitted:
    """A support vector machine on the fold's taps, each weighted by how often it is repeated.

    Its kernel is a radial basis function on principal components. Lags are not standardised one by
    one: that would raise the noise at lags which no tap has.

    Args:
        taps: what it is fitted to.
        chosen: `C` and `gamma`, relative to scikit-learn's default width.
        seed: of the random projections that find the components.
        inputs: [n, features] of validation taps.
        truth: [n], indices of their labels.
    """
    components = min(COMPONENTS, *taps.features.shape)
    pca = PCA(components, svd_solver="randomized", random_state=seed)
    repeats = np.bincount(taps.rows)
    # More threads round otherwise.
    with threadpool_limits(1):
        reduced = pca.fit_transform(taps.features)
        svc = SVC(C=chosen["C"], gamma=kernel_gamma(reduced, chosen["gamma"]))
        svm = make_pipeline(pca, svc.fit(reduced, taps.labels, sample_weight=repeats))
        decisions = decisions_of(svm, inputs)
    temperature = temperature_of(svm.classes_, decisions, truth)
    saved = {"svm": svm, "temperature": temperature}
    return Fitted(saved, svm.classes_[decisions.argmax(axis=1)])


def kernel_gamma(reduced: np.ndarray, relative: float) -> float | str:
    """scikit-learn's gamma that is `relative` times its default, one over columns and variance."""
    variance = float(reduced.var())
    return "scale" if relative == 1 or not variance else relative / reduced.shape[1] / variance


def fit_multilateration(
    fold: Fold, keyboard: Keyboard, inputs: np.ndarray, truth: np.ndarray
) -> Fitted:
    """The wave speed that fits training taps, and the temperature that fits validation taps.

    Args:
        fold: whose training taps, each taken once, were at a centre of their key.
        keyboard: with the centres.
        inputs: [n, pairs], delays of validation taps.
        truth: [n], indices of their labels.

    Raises:
        Tap2keyError: no training tap is of a key that has a place.
    """
    dataset, data = fold.first, fold.data["train"]
    names = [keyboard.labels[index] for index in keyboard.centre_labels]
    used = np.flatnonzero(np.isin(names, dataset.labels))
    owners = np.array([dataset.labels.index(names[row]) for row in used], dtype=int)
    places = MM_PER_UNIT * keyboard.centres[used]
    differences = path_differences(places, microphones_of(dataset.encoding))
    _, once = np.unique(selected_rows(data), return_index=True)
    labels = np.array(data.with_format("numpy")["label"])[once]
    possible = owners == labels[:, None]
    placed = possible.any(axis=1)
    if not placed.any():
        raise Tap2keyError(
            f"{keyboard.file}: no training tap of {fold.folder} is of a key that has a place here"
        )
    delays = baseline_features(MULTILATERATION, Rows(data)[once], dataset.encoding)
    speed = fit_speed(delays[placed], differences, possible[placed])
    values = of_keys(-misfits(inputs, differences, speed), owners, len(dataset.labels))
    saved = {
        "wave_speed_m_s": speed,
        "temperature": temperature_of(np.unique(owners), values[:, np.unique(owners)], truth),
        "keys": [names[row] for row in used],
        "places_mm": places.tolist(),
    }
    return Fitted(saved, values.argmax(axis=1))


def temperature_of(keys: np.ndarray, decisions: np.ndarray, truth: np.ndarray) -> float:
    """The temperature that turns decisions into probabilities, as a network's logits.

    Fitted on validation taps: scikit-learn's `CalibratedClassifierCV` would need several training
    taps of every key, and their people are known. Where no validation tap is of a key that can be
    named, or only one can be, the temperature is 1.

    Args:
        keys: [keys], indices of the labels that can be named, in order.
        decisions: [n, keys] of validation taps.
        truth: [n], indices of their labels.
    """
    known = np.isin(truth, keys)
    if not known.any() or len(keys) == 1:
        return 1.0
    return fit_temperature(decisions[known], np.searchsorted(keys, truth[known]))
