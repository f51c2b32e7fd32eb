"""What an experiment's settings are: its own, those that it inherits, and everyone's defaults."""

import copy
from collections.abc import Mapping
from functools import cache, reduce
from operator import getitem
from typing import Any

import yaml

from tap2key.config.renamed_keys import renamed_experiment
from tap2key.config.schema import section, with_defaults
from tap2key.config.search_space import applicable, foreign
from tap2key.config.stage_settings import (
    CORRELATED,
    FOREST_KINDS,
    LEARNED_GCC,
    MULTILATERATION,
    PAIRS,
    PAIRS_WAVES,
    SVM_KIND,
)
from tap2key.core.errors import Tap2keyError
from tap2key.core.shipped import CONFIG

OF_NETWORKS = ("model", "augmentation", "training")
OF_FORESTS = ("trees", "max_features", "min_samples_leaf")
OF_SVMS = ("svm",)
OF_BASELINES = (*OF_FORESTS, *OF_SVMS)
# Of a network that is built from Transformers' configuration.
OF_WAV2VEC2 = (
    *("model.checkpoint", "model.revision", "model.config_overrides"),
    *("model.inflate_stem", "model.freeze"),
)
MEANINGLESS = {
    "wav2vec2": OF_BASELINES,
    **dict.fromkeys(("convolutional", LEARNED_GCC), (*OF_BASELINES, *OF_WAV2VEC2)),
    **dict.fromkeys(FOREST_KINDS, (*OF_NETWORKS, *OF_SVMS)),
    SVM_KIND: (*OF_NETWORKS, *OF_FORESTS),
    MULTILATERATION: (*OF_NETWORKS, *OF_BASELINES, "search"),
}
# Of sound over time, which correlations are not; where waves stand beside them they may be shifted.
OF_SOUND = (
    *("encoding.whiten", "model.crop_ms"),
    *("augmentation.gain_db", "augmentation.tilt_db", "augmentation.fir"),
    *("augmentation.polarity", "augmentation.noise_db"),
)
OF_PAIRS = ("augmentation.correlation_noise",)
UNUSED = {PAIRS: (*OF_SOUND, "augmentation.shift_ms"), PAIRS_WAVES: OF_SOUND}
# From scratch a channel's or pair's length is both kernel and stride, unless a kernel is given.
ONE_TOKEN_EACH = (*CORRELATED, "stack")
STRIDE = "model.config_overrides.conv_stride"

Experiments = Mapping[str, Mapping[str, Any]]


def complete_experiments(
    experiments: Experiments, defaults: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """All experiments with what they inherit from one another, and else from `defaults`.

    Raises:
        Tap2keyError: an experiment that inherits from nothing or from itself, changes a shipped
            one, or states what means nothing for its kind or representation.
    """
    for name, own in experiments.items():
        if "inherit" not in own and (advice := renamed_experiment(name)):
            raise Tap2keyError(
                f"config: experiments.{name}: the shipped {advice}; if this is one of your own, "
                "state what it inherits (inherit: null for nothing)"
            )
    found = {name: _complete(name, experiments, defaults) for name in experiments}
    for name in filter(experiments.__contains__, shipped_experiments()):
        _check_unchanged(name, found[name], defaults)
    for name, own in experiments.items():
        searched = {
            f"search.over.{key}": f"kind {found[name]['kind']}" for key in foreign(own, found[name])
        }
        for key, what in {**_meaningless(own, found[name]), **searched}.items():
            raise Tap2keyError(
                f"config: experiments.{name}.{key}: means nothing for {what}; remove it"
            )
    return found


def stated(config: Mapping[str, Any]) -> dict[str, Any]:
    """A complete configuration without what means nothing for an experiment.

    It can be given as a configuration again, and is completed to the same.
    """
    kept = copy.deepcopy(dict(config))
    for experiment in kept["experiments"].values():
        for key in _meaningless(experiment, experiment):
            *outer, last = key.split(".")
            del reduce(getitem, outer, experiment)[last]
    return kept


def merge(base: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with the keys of `change` put over it, mapping by mapping."""
    merged = dict(base)
    for key, value in change.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = merge(merged[key], value) if both else copy.deepcopy(value)
    return merged


@cache
def shipped_experiments() -> dict[str, dict[str, Any]]:
    """The experiments of config/config.yaml, as they stand there."""
    return yaml.safe_load(CONFIG.read_text(encoding="utf-8"))["experiments"]


def _complete(name: str, experiments: Experiments, defaults: Mapping[str, Any]) -> dict[str, Any]:
    settings = merge(copy.deepcopy(dict(defaults)), _inherited(name, experiments))
    completed = dict(with_defaults(settings, section("experiment")))
    return {**completed, "search": applicable(completed)}


def _inherited(name: str, experiments: Experiments, seen: tuple[str, ...] = ()) -> dict[str, Any]:
    own = experiments[name]
    parent = own.get("inherit")
    if parent is None:
        return dict(own)
    if parent not in experiments or parent in (*seen, name):
        advice = renamed_experiment(parent) or "choose another experiment"
        raise Tap2keyError(f"config: experiments.{name}: cannot inherit from {parent!r}; {advice}")
    return merge(_inherited(parent, experiments, (*seen, name)), own)


def _check_unchanged(name: str, found: Mapping[str, Any], defaults: Mapping[str, Any]) -> None:
    # Snakemake has merged all files by now. How it came about is no matter, so that the
    # configuration that a run wrote down, with everything filled in, is still the same.
    shipped = _complete(name, shipped_experiments(), defaults)
    if {**found, "inherit": None} != {**shipped, "inherit": None}:
        raise Tap2keyError(
            f"config: experiments.{name} is shipped and fixed; give yours another name with "
            f"inherit: {name}"
        )


def _meaningless(own: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, str]:
    """The keys that an experiment states and that mean nothing, each with what for.

    Args:
        own: what it states.
        found: all of its settings.
    """
    kind, representation = found["kind"], found["encoding"]["representation"]
    reasons = dict.fromkeys(MEANINGLESS[kind], f"kind {kind}")
    more = dict.fromkeys(UNUSED.get(representation, OF_PAIRS), f"representation {representation}")
    model = found["model"]
    spans = representation in ONE_TOKEN_EACH and model["checkpoint"] is None
    if spans and "conv_kernel" not in model["config_overrides"]:
        more[STRIDE] = f"representation {representation} without conv_kernel"
    for key, reason in more.items():
        if not any(f"{key}.".startswith(f"{outer}.") for outer in MEANINGLESS[kind]):
            reasons[key] = reason
    return {key: reason for key, reason in reasons.items() if _is_stated(own, key)}


def _is_stated(own: Mapping[str, Any], key: str) -> bool:
    first, _, rest = key.partition(".")
    return first in own and (not rest or _is_stated(own[first], rest))


def encoding_name(settings: Mapping[str, Any]) -> str:
    """The folder name of an encoding; the same choices give the same name."""
    name = f"{settings['representation']}-{settings['sample_rate']}"
    if settings["crop_ms"] is not None:
        before, after = settings["crop_ms"]
        name += f"-crop{before:g}to{after:g}"
    if settings["highpass_hz"] is not None:
        name += f"-highpass{settings['highpass_hz']:g}"
    return name + ("-white" if settings["whiten"] else "")
