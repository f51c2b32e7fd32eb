"""The comparisons that the configuration names beforehand, each family corrected by itself."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tap2key.comparison.intervals import LEVEL
from tap2key.comparison.significance import (
    OF_FOLDS,
    PairedTest,
    fewest_participants,
    paired_test,
    with_holm,
)
from tap2key.comparison.summaries import Compared
from tap2key.config.comparisons import CHOSEN

# By family, the experiments compared: the one whose score a difference starts from, the other.
Families = Mapping[str, Sequence[Sequence[str]]]
COLUMNS = (
    *("family", "experiment", "against", "unit", "participants"),
    *("mean_difference", "low", "high"),
    *("effect_size_dz", "p", "p_holm", "needs_participants"),
    *("p_worse", "p_equivalent", "p_better"),
    *("seeds", "seeds_against", "models_at_chance", "models_at_chance_against"),
    *("verdict", "remarks"),
)
SURE = 0.95
BY_FOLDS = "not significant: folds differ, and the interval over them holds 0"


def named_comparisons(
    families: Families, experiments: Mapping[str, Compared], chosen: str | None, region: float
) -> list[tuple[dict[str, Any], PairedTest]]:
    """The rows of the table of comparisons, each with its test.

    Args:
        families: as named beforehand; `chosen` in them is whom model selection chose.
        experiments: by name, those that were run.
        chosen: that experiment's name; None where nothing was chosen.
        region: differences up to this are practically nil.
    """
    rows = []
    for family, pairs in families.items():
        tests = []
        for pair in pairs:
            first, second = (_meant(name, experiments, chosen) for name in pair)
            if first == second:
                continue
            absent = [name for name in (first, second) if name not in experiments]
            if absent:
                verdict = f"not compared: {' and '.join(absent)} did not run"
                tests.append(PairedTest(first, second, 0, verdict=verdict))
            else:
                tests.append(paired_test(experiments[first], experiments[second]))
        if pairs and not tests:
            verdict = f"not compared: {first} is what was chosen"
            tests.append(PairedTest(first, second, 0, verdict=verdict))
        # What was named and did not run counts too: leaving it out must not help the others.
        needed = fewest_participants(len(tests))
        rows += [
            (_row(family, test, needed, experiments, region), test)
            for test in with_holm(tests, len(tests))
        ]
    return [(row, replace(test, verdict=row["verdict"])) for row, test in rows]


def _meant(name: str, experiments: Mapping[str, Compared], chosen: str | None) -> str:
    if name == CHOSEN and name not in experiments:
        return chosen or name
    return name


def _row(
    family: str,
    test: PairedTest,
    needed: int,
    experiments: Mapping[str, Compared],
    region: float,
) -> dict[str, Any]:
    row: dict[str, Any] = {
        "family": family,
        "experiment": test.first,
        "against": test.second,
        "participants": test.participants,
    }
    for name, suffix in ((test.first, ""), (test.second, "_against")):
        if found := experiments.get(name):
            row[f"seeds{suffix}"] = found.seeds
            row[f"models_at_chance{suffix}"] = found.models_at_chance
    if not test.participants:
        return row | {"verdict": test.verdict, "remarks": ""}
    row |= {
        "unit": experiments[test.first].unit,
        "mean_difference": test.mean_difference,
        "low": test.low,
        "high": test.high,
        "effect_size_dz": test.effect_size,
        "p": test.p,
        "p_holm": test.p_holm,
        "needs_participants": None if test.verdict == OF_FOLDS else needed,
    }
    verdict = [_verdict(test, needed)]
    if posterior := test.posterior(region):
        row["p_worse"] = posterior.worse
        row["p_equivalent"] = posterior.equivalent
        row["p_better"] = posterior.better
        if posterior.equivalent > SURE:
            verdict.append("practically nil")
    remarks = [*experiments[test.first].remarks, *experiments[test.second].remarks]
    return row | {"verdict": "; ".join(verdict), "remarks": "; ".join(remarks)}


def _verdict(test: PairedTest, needed: int) -> str:
    if test.p_holm is not None and test.p_holm < 1 - LEVEL:
        low, high = test.low or 0.0, test.high or 0.0
        return BY_FOLDS if test.folds_matter and low <= 0 <= high else "significant"
    if test.verdict != OF_FOLDS and test.participants < needed:
        return f"cannot be significant: needs n ≥ {needed} participants, has {test.participants}"
    return test.verdict or "not significant"
