from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import t

from tap2key.comparison.named import named_comparisons
from tap2key.comparison.summaries import Compared


def experiment(name, scores, seeds=1, models_at_chance=None):
    people = {f"p{at}": {str(seed): score for seed in range(seeds)} for at, score in scores}
    return Compared(name, people, seeds, 7 * seeds, models_at_chance)


def experiments(participants=7, **more):
    at = np.arange(participants)
    scores = {
        "best": 0.95 + 0.001 * at,
        "poor": 0.90 - 0.002 * at,
        "worse": 0.5 + 0.01 * at,
        "worst": 0.1 - 0.003 * at,
    }
    made = {name: experiment(name, enumerate(values)) for name, values in scores.items()}
    return made | more


def rows_of(families, found, chosen=None, region=0.01):
    return [row for row, _ in named_comparisons(families, found, chosen, region)]


def test_each_family_is_corrected_by_itself_and_chosen_is_who_was_chosen():
    families = {
        "main": [["chosen", "best"], ["chosen", "poor"], ["chosen", "absent"]],
        "two": [["best", "worse"], ["poor", "worst"]],
    }
    alone, absent, *both = rows_of(families, experiments(), chosen="best")
    assert (alone["family"], alone["experiment"], alone["against"]) == ("main", "best", "poor")
    # Seven differences of one sign, and one comparison in its family that did not run.
    assert alone["p"] == pytest.approx(2 / 2**7)
    assert alone["p_holm"] == pytest.approx(4 / 2**7)
    assert (alone["needs_participants"], alone["verdict"]) == (7, "significant")
    assert absent["verdict"] == "not compared: absent did not run"
    assert absent["participants"] == 0
    assert [row["p_holm"] for row in both] == pytest.approx([4 / 2**7] * 2)
    assert {row["needs_participants"] for row in both} == {7}
    for row in (alone, *both):
        probable = [row[f"p_{side}"] for side in ("worse", "equivalent", "better")]
        assert sum(probable) == pytest.approx(1)
        assert 0 < row["low"] < row["mean_difference"] < row["high"]


def test_the_chosen_is_not_compared_with_itself():
    found = experiments()
    families = {"main": [["chosen", "best"], ["chosen", "poor"]], "own": [["chosen", "best"]]}
    one, none = rows_of(families, found, chosen="best")
    assert (one["experiment"], one["against"], one["needs_participants"]) == ("best", "poor", 6)
    assert (none["family"], none["participants"]) == ("own", 0)
    assert none["verdict"] == "not compared: best is what was chosen"


def test_too_few_people_for_a_family_are_told_so():
    others = [["best", other] for other in ("poor", "worse", "worst")]
    rows = rows_of({"main": others}, experiments(participants=6))
    assert {row["verdict"] for row in rows} == {
        "cannot be significant: needs n ≥ 7 participants, has 6"
    }
    assert [row["p"] for row in rows] == pytest.approx([2 / 2**6] * 3)


def test_a_difference_inside_the_region_is_practically_nil():
    near = experiment("near", enumerate(0.951 + 0.001 * np.arange(7)))
    families = {"main": [["best", "near"]]}
    (row,) = rows_of(families, experiments(near=near))
    assert row["p_equivalent"] == 1
    assert row["verdict"] == "significant; practically nil"
    (row,) = rows_of(families, experiments(near=near), region=0.0001)
    assert (row["p_worse"], row["verdict"]) == (1, "significant")


def test_what_folds_may_have_made_is_not_called_significant():
    """Everybody is better, but those of one fold far more."""
    gains = np.repeat([0.001, 0.08, 0.002, 0.003], 6) + 0.0001 * np.arange(24)
    ahead = experiment("ahead", enumerate(0.9 + gains))
    folds = {f"p{at}": f"group-{at // 6}" for at in range(24)}
    found = {"near": experiment("near", enumerate([0.9] * 24))}
    for of, verdict in (
        ({}, "significant"),
        (folds, "not significant: folds differ, and the interval over them holds 0"),
    ):
        found["ahead"] = replace(ahead, fold_of=of)
        (row,) = rows_of({"main": [["ahead", "near"]]}, found)
        assert row["p_holm"] == pytest.approx(2 / 2**24)
        assert row["verdict"] == verdict


def test_how_much_a_fold_tests_of_the_data_makes_the_probability_more_cautious():
    scores = 0.9 + np.random.default_rng(3).normal(0.014, 0.02, 24)
    differences, near = scores - 0.9, experiment("near", enumerate([0.9] * 24))
    for share in (None, 1 / 4):
        ahead = replace(experiment("ahead", enumerate(scores)), tested_share=share)
        # It counts whichever of the two it is of.
        for pair in ((ahead, near), (replace(near, tested_share=share), replace(ahead, name="x"))):
            first, second = pair
            found = {each.name: each for each in pair}
            (row,) = rows_of({"main": [[first.name, second.name]]}, found)
            scale = differences.std(ddof=1) * np.sqrt(1 / 24 + (1 / 23 if share is None else 1 / 3))
            beyond = t(23, differences.mean(), scale).sf(0.01)
            assert row["p_better" if first is ahead else "p_worse"] == pytest.approx(beyond)


def test_models_at_chance_and_few_seeds_are_marked():
    seeded = experiment("seeded", enumerate([0.5] * 7), seeds=3, models_at_chance=2)
    (row,) = rows_of({"main": [["best", "seeded"]]}, experiments(seeded=seeded))
    assert (row["seeds"], row["seeds_against"]) == (1, 3)
    assert (row["models_at_chance"], row["models_at_chance_against"]) == (None, 2)
    assert row["remarks"] == (
        "best: one fold, whose training data are not in the interval; best: 1 seed, fewer than 3; "
        "seeded: one fold, whose training data are not in the interval; "
        "seeded: 2 of 21 models at chance"
    )
