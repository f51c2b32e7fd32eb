"""Saved baselines: forests, a support vector machine, multilateration."""

from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import softmax

from tap2key.core.errors import DivergedError, Tap2keyError
from tap2key.core.files import read_json
from tap2key.models.divergence import ADVICE, check_answers
from tap2key.models.key_places import Places, on_a_key
from tap2key.models.model_folder import (
    FOREST_FILE,
    MULTILATERATION_FILE,
    SVM_FILE,
    TOUCHES_FILE,
    encoding_of,
)
from tap2key.models.softness import Softness
from tap2key.signal.multilateration import misfits, path_differences

# Beside those that skops trusts by itself; of a support vector machine none.
TRUSTED_TYPES = ["sklearn.tree._tree.Tree"]


class BaselinePredictor:
    """What baselines have in common: the encoding they were fitted on, and what they see of it."""

    def __init__(self, folder: Path, metadata: dict[str, Any]) -> None:
        """Take over what the model's folder says of it."""
        from tap2key.models.baseline_features import baseline_features

        self.folder, self.kind = folder, metadata["kind"]
        self.encoding, self.labels = encoding_of(metadata), metadata["labels"]
        self._baseline_features = baseline_features

    def features(self, inputs: np.ndarray) -> np.ndarray:
        """See `baseline_features`."""
        return self._baseline_features(self.kind, inputs, self.encoding)

    def named(self, features: np.ndarray) -> np.ndarray:
        """[n, features] → the probabilities, [n, labels]."""
        raise NotImplementedError

    def probabilities(self, inputs: np.ndarray) -> np.ndarray:
        """See `predictor.Predictor`; a key that cannot be named has probability 0."""
        result = self.named(self.features(inputs))
        check_answers(self.folder, inputs, result)
        return result

    def located(self, inputs: np.ndarray, places: Places) -> tuple[np.ndarray, np.ndarray | None]:
        """See `predictor.Predictor`."""
        return self.probabilities(inputs), None


class ForestPredictor(BaselinePredictor):
    """A forest on what its kind sees of a tap."""

    def __init__(self, folder: Path, metadata: dict[str, Any]) -> None:
        """Load with skops, which runs nothing from the file.

        A forged tree could still crash the process, so a forest is as trusted as its folder.
        """
        import skops.io

        super().__init__(folder, metadata)
        self.temperature = Softness(**metadata["softness"]).temperature
        self.forest = skops.io.load(folder / FOREST_FILE, trusted=TRUSTED_TYPES)
        self.touches = None
        # Neither of an earlier version's forests nor of those whose training taps had no touch.
        if (folder / TOUCHES_FILE).exists():
            self.touches = skops.io.load(folder / TOUCHES_FILE, trusted=TRUSTED_TYPES)
        for trees in filter(None, (self.forest, self.touches)):
            if not all(np.isfinite(tree.tree_.value).all() for tree in trees.estimators_):
                raise DivergedError(f"{folder}: a tree's values are not finite; {ADVICE}")
            # Threads add trees up as they finish, each time in another order, and round otherwise.
            trees.n_jobs = 1

    def named(self, features: np.ndarray) -> np.ndarray:
        """See `BaselinePredictor`; a key that training never saw has probability 0."""
        result = np.zeros((len(features), len(self.labels)))
        logits = votes_as_logits(self.forest, features)
        result[:, self.forest.classes_] = softmax(logits / self.temperature, axis=1)
        return result

    def located(self, inputs: np.ndarray, places: Places) -> tuple[np.ndarray, np.ndarray | None]:
        """See `predictor.Predictor`; as of a network, none of a tap held to be outside all keys."""
        if self.touches is None:
            return super().located(inputs, places)
        features = self.features(inputs)
        probabilities, touched = self.named(features), self.touches.predict(features)
        check_answers(self.folder, inputs, probabilities, touched)
        on_key = on_a_key(probabilities, places)
        return probabilities, np.where(on_key[:, None], places.seen(touched), np.nan)


def votes_as_logits(forest: Any, features: np.ndarray) -> np.ndarray:
    """Logarithms of a forest's shares of votes: [n, features] → [n, keys that it was trained on].

    One vote more is spread evenly over these keys (Laplace's rule of succession, with one vote in
    all), so that a key without a vote is not ruled out.
    """
    shares, trees = forest.predict_proba(features), len(forest.estimators_)
    return np.log((trees * shares + 1 / shares.shape[1]) / (trees + 1))


class SvmPredictor(BaselinePredictor):
    """A support vector machine on whole correlations, its decisions scaled to probabilities."""

    def __init__(self, folder: Path, metadata: dict[str, Any]) -> None:
        """Load with skops; see `ForestPredictor`."""
        import skops.io

        super().__init__(folder, metadata)
        saved = skops.io.load(folder / SVM_FILE, trusted=[])
        self.svm, self.temperature = saved["svm"], saved["temperature"]
        pca, svc = self.svm[0], self.svm[-1]
        for numbers in (pca.mean_, pca.components_, svc.support_vectors_, svc.dual_coef_):
            if not np.isfinite(numbers).all():
                raise DivergedError(f"{folder}: a number in {SVM_FILE} is not finite; {ADVICE}")

    def named(self, features: np.ndarray) -> np.ndarray:
        """See `BaselinePredictor`; a key that training never saw has probability 0."""
        result = np.zeros((len(features), len(self.labels)))
        result[:, self.svm.classes_] = softmax(
            decisions_of(self.svm, features) / self.temperature, axis=1
        )
        return result


def decisions_of(svm: Any, features: np.ndarray) -> np.ndarray:
    """A support vector machine's decisions between its keys: [n, features] → [n, keys].

    scikit-learn's decision function, which for two keys has a single column; the largest wins.
    """
    decisions = svm.decision_function(features)
    return decisions if decisions.ndim == 2 else np.stack([-decisions, decisions], axis=1)


class MultilaterationPredictor(BaselinePredictor):
    """The place among the keys' centres that fits a tap's delays best, by one wave speed."""

    def __init__(self, folder: Path, metadata: dict[str, Any]) -> None:
        """Read what was fitted.

        Raises:
            Tap2keyError: the file is missing or damaged.
        """
        from tap2key.models.baseline_features import microphones_of

        super().__init__(folder, metadata)
        saved = read_json(folder / MULTILATERATION_FILE)
        try:
            self.speed, self.temperature = saved["wave_speed_m_s"], saved["temperature"]
            self.places = np.array(saved["places_mm"], dtype=float)
            self.owners = np.array([metadata["labels"].index(key) for key in saved["keys"]])
        except (KeyError, TypeError, ValueError) as error:
            raise Tap2keyError(
                f"{folder / MULTILATERATION_FILE}: is damaged ({error}); fit the model again"
            ) from error
        self.differences = path_differences(self.places, microphones_of(self.encoding))

    def named(self, features: np.ndarray) -> np.ndarray:
        """See `BaselinePredictor`; a key without a place has probability 0."""
        found = -misfits(features, self.differences, self.speed) / self.temperature
        return softmax(of_keys(found, self.owners, len(self.labels)), axis=1)


def of_keys(values: np.ndarray, owners: np.ndarray, keys: int) -> np.ndarray:
    """The largest value of each key's places: [n, places] → [n, keys]; -∞ of a key without any.

    Args:
        values: [n, places].
        owners: [places], the key of each.
        keys: how many there are.
    """
    of_each = [values[:, owners == key].max(axis=1, initial=-np.inf) for key in range(keys)]
    return np.stack(of_each, axis=1)
