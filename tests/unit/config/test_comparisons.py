import pytest

from tap2key.config.comparisons import largest_alike, planned_comparisons
from tap2key.config.configuration import complete_config
from tap2key.core.errors import Tap2keyError

EXPERIMENTS = {
    "net": {},
    "other": {"inherit": "net", "training": {"epochs": 3}},
    "long": {"inherit": "other"},
    "plain": {"inherit": "net", "kind": "convolutional"},
    "learned": {"inherit": "net", "kind": "learned_gcc"},
    "forest": {"kind": "level_forest"},
    "net-random": {"inherit": "net", "split": "random"},
    "forest-random": {"inherit": "forest", "split": "random"},
}


def planned(families=None, selected=tuple(EXPERIMENTS), candidates=("net", "other", "long")):
    raw = {"experiments": EXPERIMENTS, "comparisons": {"families": families}}
    return planned_comparisons(complete_config(raw), selected, candidates)


def test_usually_the_chosen_is_compared_with_baselines_and_each_with_what_it_inherits():
    assert planned() == {
        "chosen": [["chosen", "plain"], ["chosen", "learned"], ["chosen", "forest"]],
        # Those of another split are tested on other taps.
        "inherited": [["other", "net"], ["long", "other"], ["plain", "net"], ["learned", "net"]],
    }


def test_what_does_not_run_is_passed_over_in_inheriting():
    assert planned(selected=("net", "long")) == {"inherited": [["long", "net"]]}
    assert planned(selected=("forest", "plain"), candidates=()) == {}


def test_a_baseline_may_be_what_is_chosen():
    both = ("forest", "plain")
    against = {"chosen": [["chosen", "forest"], ["chosen", "plain"]]}
    assert planned(selected=both, candidates=both) == against
    # Which is certainly no comparison with another.
    assert planned(selected=("forest",), candidates=("forest",)) == {}


def test_the_largest_set_of_experiments_that_are_tested_alike():
    complete = complete_config({"experiments": EXPERIMENTS})["experiments"]
    assert largest_alike(complete) == ["net", "other", "long", "plain", "learned", "forest"]
    few = {name: complete[name] for name in ("net-random", "net")}
    assert largest_alike(few) == ["net-random"]
    assert largest_alike({}) == []


def test_families_are_as_named():
    families = {
        "one": {"of": "net", "against": ["forest", "plain", "net"]},
        "two": {"of": ["other", "chosen"], "against": "net-random"},
        "usual": {},
    }
    assert planned(families) == {
        "one": [["net", "forest"], ["net", "plain"]],
        "two": [["other", "net-random"], ["chosen", "net-random"]],
        "usual": [["chosen", "plain"], ["chosen", "learned"], ["chosen", "forest"]],
    }


@pytest.mark.parametrize(
    ("family", "message"),
    [
        ({"of": "nets"}, "families.x: unknown 'nets'; available: net, other"),
        ({"of": "net", "against": ["trees"]}, "families.x: unknown 'trees'"),
        ({"against": "inherited"}, "families.x: name experiments in `of`"),
    ],
)
def test_a_family_that_cannot_be_is_refused(family, message):
    with pytest.raises(Tap2keyError, match=message):
        planned({"x": family})


def test_nothing_can_be_chosen_without_candidates():
    with pytest.raises(Tap2keyError, match=r"families\.x: nothing can be chosen"):
        planned({"x": {}}, candidates=())
