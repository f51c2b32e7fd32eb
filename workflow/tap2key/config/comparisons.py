"""Which experiments are compared with which, as named before any score is known."""

from collections.abc import Mapping, Sequence
from typing import Any

from tap2key.core.errors import Tap2keyError

CHOSEN = "chosen"
# All other kinds are baselines in comparisons.
FINE_TUNED = "wav2vec2"
OF_BASELINES, INHERITED = "baselines", "inherited"
# Where nothing is stated: what model selection chose against all baselines, and each experiment
# against the one whose settings it starts from.
USUAL = {
    CHOSEN: {"of": CHOSEN, "against": OF_BASELINES},
    INHERITED: {"of": "all", "against": INHERITED},
}
# Beside the split itself, what decides who and which taps are tested.
DECIDES = {
    "leave_one_out": ("by",),
    "chronological": ("test_fraction",),
    "blocks": ("blocks",),
    "k_fold": ("blocks",),
    "group_k_fold": ("blocks",),
    "predefined": ("predefined",),
}
Experiments = Mapping[str, Mapping[str, Any]]


def planned_comparisons(
    config: Mapping[str, Any], selected: Sequence[str], candidates: Sequence[str]
) -> dict[str, list[list[str]]]:
    """By family, pairs of experiments to compare: the first less the second.

    Args:
        config: complete.
        selected: names of the experiments that are run.
        candidates: those of them among which model selection chooses; a pair's `chosen` stands
            for whichever it will be.

    Raises:
        Tap2keyError: a name of no experiment, or `chosen` where there is nothing to choose from.
    """
    every = config["experiments"]
    stated = config["comparisons"]["families"]
    if stated is None and not candidates:
        stated = {INHERITED: USUAL[INHERITED]}
    found = {}
    for family, named in (USUAL if stated is None else stated).items():
        where = f"config: comparisons.families.{family}"
        firsts = _firsts(named["of"], every, selected, candidates, where)
        pairs: list[list[str]] = []
        for first in firsts:
            others = _others(named["against"], first, every, selected, candidates, where)
            itself = {first}
            if first not in every and len(candidates) == 1:
                itself |= {*candidates}
            pairs += [[first, other] for other in others if other not in itself]
        if pairs:
            found[family] = pairs
    return found


def _firsts(
    of: str | list[str],
    every: Experiments,
    selected: Sequence[str],
    candidates: Sequence[str],
    where: str,
) -> list[str]:
    if of == "all":
        return list(selected)
    names = [of] if isinstance(of, str) else of
    for name in names:
        if name == CHOSEN and name not in every and not candidates:
            raise Tap2keyError(
                f"{where}: nothing can be chosen, as no selected experiment holds people out; "
                "name the experiment"
            )
        _check(name, every, where)
    return names


def _others(
    against: str | list[str],
    first: str,
    every: Experiments,
    selected: Sequence[str],
    candidates: Sequence[str],
    where: str,
) -> list[str]:
    # Whichever candidate is chosen, people are held out in the same way.
    settings = every[first if first in every else candidates[0]]
    alike = [name for name in selected if _tested_by(every[name]) == _tested_by(settings)]
    if against == OF_BASELINES:
        return [name for name in alike if every[name]["kind"] != FINE_TUNED]
    if against == INHERITED:
        if first not in every:
            raise Tap2keyError(
                f"{where}: name experiments in `of` to compare with what they inherit"
            )
        origin = every[first]["inherit"]
        while origin is not None and origin not in selected:
            origin = every[origin]["inherit"]
        return [origin] if origin in alike else []
    names = [against] if isinstance(against, str) else against
    for name in names:
        _check(name, every, where)
    return names


def _check(name: str, every: Experiments, where: str) -> None:
    if name != CHOSEN and name not in every:
        raise Tap2keyError(f"{where}: unknown {name!r}; available: {', '.join(every)}")


def largest_alike(experiments: Experiments) -> list[str]:
    """The names of those experiments that are tested in the way in which most of them are.

    What is chosen among them is compared with baselines on the same taps, whichever it will be.
    """
    ways = {name: _tested_by(settings) for name, settings in experiments.items()}
    every = list(ways.values())
    usual = max(every, key=every.count, default=None)
    return [name for name, way in ways.items() if way == usual]


def _tested_by(settings: Mapping[str, Any]) -> tuple:
    split = settings["split"]
    if split == "leave_one_out" and settings["by"].lower() == "participant":
        return ("leave_one_participant_out",)
    return (split, *(settings[key] for key in DECIDES.get(split, ())))
