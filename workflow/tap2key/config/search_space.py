"""What an experiment's search tries: as many candidates for every kind of model."""

import random
from collections.abc import Mapping, Sequence
from functools import reduce
from itertools import product
from typing import Any

from tap2key.config.schema import broken_rule, section
from tap2key.config.stage_settings import FOREST_KINDS, MULTILATERATION, SVM_KIND
from tap2key.core.errors import Tap2keyError

Space = Mapping[str, Sequence[float | None]]

EPOCHS = (25, 50, 100)
FROM_SCRATCH: Space = {
    "training.learning_rate": (0.0005, 0.001, 0.002, 0.004, 0.008),
    "training.epochs": EPOCHS,
}
FROM_CHECKPOINT: Space = {
    "training.learning_rate": (0.00001, 0.00003, 0.0001, 0.0003),
    "training.epochs": EPOCHS,
}
OF_FOREST: Space = {
    "max_features": (None, 0.1, 0.3, 0.6),
    "min_samples_leaf": (1, 2, 5),
    "trees": (250, 500, 1000),
}
OF_SVM: Space = {"svm.C": (0.3, 1, 3, 10, 30), "svm.gamma": (0.1, 0.3, 1, 3)}
# Splits that are dealt anew for each seed: what one seed tests, another has trained on.
DEALT_ANEW = ("random", "k_fold")
# Of what is drawn, so that all folds, seeds and machines try the same.
DRAW_SEED = 0


def own_space(settings: Mapping[str, Any]) -> Space:
    """The settings that a kind of model has to search, each with the values to try by default.

    Args:
        settings: all of an experiment's.

    Returns:
        Nothing for multilateration, which has no setting but what it fits.
    """
    kind = settings["kind"]
    if kind in FOREST_KINDS:
        return OF_FOREST
    if kind == SVM_KIND:
        return OF_SVM
    if kind == MULTILATERATION:
        return {}
    # The pretrained model is of wav2vec2 alone; others are always trained from scratch.
    pretrained = kind == "wav2vec2" and settings["model"]["checkpoint"] is not None
    return FROM_CHECKPOINT if pretrained else FROM_SCRATCH


def applicable(settings: Mapping[str, Any]) -> dict[str, Any] | None:
    """An experiment's `search` without what other kinds than its own have to search.

    So `over` in `experiment_defaults` may say something for every kind.
    """
    search, space = settings["search"], own_space(settings)
    if search is None or not space:
        return None
    over = {key: values for key, values in (search["over"] or {}).items() if key in space}
    return {**search, "over": over or None}


def foreign(own: Mapping[str, Any], settings: Mapping[str, Any]) -> list[str]:
    """The settings that an experiment says to search itself, though its kind has none of them.

    Args:
        own: what the experiment states.
        settings: all of its settings.
    """
    stated = (own.get("search") or {}).get("over") or {}
    return [key for key in stated if key not in own_space(settings)]


def candidates(settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What an experiment's search tries, in order: by setting, such as `training.epochs`, a value.

    The experiment's own settings come first; the others are drawn from the grid of all values, the
    same for all folds and seeds (Bergstra and Bengio, 2012, J. Mach. Learn. Res. 13, 281-305). A
    larger budget tries the same and more.

    Args:
        settings: as far as they determine a model, with their `search`.

    Returns:
        As many as `search.budget`; none without a search.

    Raises:
        Tap2keyError: the search says what it cannot mean, or there are too few candidates.
    """
    search = settings.get("search")
    if search is None:
        return []
    _check(search, settings)
    # Sorted, as a command line hands them over: the order decides what is drawn.
    space = dict(sorted((search["over"] or own_space(settings)).items()))
    own = {key: reduce(lambda part, name: part[name], key.split("."), settings) for key in space}
    grid = [dict(zip(space, values, strict=True)) for values in product(*space.values())]
    others = [candidate for candidate in grid if candidate != own]
    budget = search["budget"]
    if budget > 1 + len(others):
        raise Tap2keyError(
            f"search.budget is {budget}, but with {', '.join(space)} there are only "
            f"{1 + len(others)} candidates; lower it, or name more values in search.over"
        )
    random.Random(DRAW_SEED).shuffle(others)
    return [own, *others[: budget - 1]]


def searching_seed(settings: Mapping[str, Any], seed: int) -> int:
    """The seed of an experiment whose search finds the settings of a seed's model.

    Each searches for itself where `search.each_seed` says so, and where a seed tests other taps.
    """
    search = settings["search"]
    shared = search is not None and not (search["each_seed"] or settings["split"] in DEALT_ANEW)
    return settings["seeds"][0] if shared else seed


def models_trained(settings: Mapping[str, Any], seed: int) -> int:
    """How many models a fold and seed of an experiment train: its candidates, and the last one."""
    search = settings["search"]
    if search is None or searching_seed(settings, seed) != seed:
        return 1
    return search["budget"] + 1


def with_candidate(settings: Mapping[str, Any], candidate: Mapping[str, Any]) -> dict[str, Any]:
    """An experiment's settings with those of a candidate in their place.

    `training.min_steps` grows with the epochs, or where few taps train candidates would be alike.
    """
    changed = dict(settings)
    for key, value in candidate.items():
        outer, _, inner = key.rpartition(".")
        if outer:
            changed[outer] = {**changed[outer], inner: value}
        else:
            changed[inner] = value
    if "training.epochs" in candidate:
        own, new = settings["training"], changed["training"]
        new["min_steps"] = -(-own["min_steps"] * new["epochs"] // own["epochs"])
    return changed


def _check(search: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
    """Refuse what the schema refuses: a search may come from a command line."""
    parts = section("experiment")["properties"]["search"]["properties"]
    _refuse(search, parts, parts, "search")
    if search["over"] is not None:
        values = parts["over"]["properties"]
        _refuse(search["over"], values, own_space(settings), "search.over")


def _refuse(
    given: Mapping[str, Any], parts: Mapping[str, Any], known: Mapping[str, Any], where: str
) -> None:
    for key, value in given.items():
        if key not in known:
            raise Tap2keyError(f"{where}: unknown key {key!r}; available: {', '.join(known)}")
        rule = broken_rule(value, parts[key])
        if rule is not None:
            raise Tap2keyError(f"{where}.{key} is {value}; it must be {rule}")
