from itertools import pairwise

import pytest
import yaml
from made import completed_experiment

from tap2key.config.configuration import complete_config, read_config
from tap2key.config.experiments import merge, stated
from tap2key.config.schema import section
from tap2key.config.search_space import (
    candidates,
    models_trained,
    own_space,
    searching_seed,
    with_candidate,
)
from tap2key.core.errors import Tap2keyError
from tap2key.core.shipped import CONFIG
from tap2key.training.batches import with_enough_steps

KINDS = section("experiment")["properties"]["kind"]["enum"]
SAME_DATA = ("split", "blocks", "seeds", "validation", "training_fraction", "oversample")
SEARCHING = [kind for kind in KINDS if kind != "multilateration"]


def experiment(kind, search, **settings):
    return completed_experiment(kind=kind, search=search, **settings)


@pytest.mark.parametrize("budget", [1, 2, 6, 12])
def test_every_kind_is_allowed_the_same_number_of_candidates(budget):
    for kind in SEARCHING:
        settings = experiment(kind, {"budget": budget})
        tried = candidates(settings)
        assert len(tried) == budget and models_trained(settings, 0) == budget + 1
        assert all(one != other for at, one in enumerate(tried) for other in tried[:at])
        assert with_candidate(settings, tried[0]) == settings
        space = own_space(settings)
        assert all(value in space[key] for each in tried[1:] for key, value in each.items())


def test_one_seed_may_search_for_all():
    for search, trained in (
        (None, (1, 1)),
        ({"budget": 4}, (5, 5)),
        ({"budget": 4, "each_seed": False}, (5, 1)),
    ):
        settings = experiment("pairs_svm", search, seeds=[7, 3])
        assert tuple(models_trained(settings, seed) for seed in (7, 3)) == trained


@pytest.mark.parametrize("split", ["random", "k_fold"])
def test_where_seeds_deal_taps_anew_each_searches_for_itself(split):
    """What another seed tests has trained and validated the first one's search."""
    settings = experiment("pairs_svm", {"budget": 4, "each_seed": False}, seeds=[7, 3], split=split)
    assert [searching_seed(settings, seed) for seed in (7, 3)] == [7, 3]
    settings = experiment("pairs_svm", {"budget": 4, "each_seed": False}, seeds=[7, 3])
    assert [searching_seed(settings, seed) for seed in (7, 3)] == [7, 7]


def test_the_order_in_which_values_are_named_changes_nothing():
    over = {"training.learning_rate": [0.001, 0.002, 0.004], "training.epochs": [20, 40, 80]}
    found = [
        candidates(experiment("convolutional", {"budget": 5, "over": dict(items)}))
        for items in (over.items(), reversed(over.items()))
    ]
    assert found[0] == found[1]


def test_all_shipped_experiments_that_search_are_allowed_the_same():
    raw = merge(
        read_config([CONFIG.with_name("experiments.yaml")]), {"experiment_defaults": {"search": {}}}
    )
    found = complete_config(raw)["experiments"]
    counts = {name: len(candidates(settings)) for name, settings in found.items()}
    assert counts.pop("multilateration") == 0
    assert set(counts.values()) == {6} and {found[name]["kind"] for name in counts} == {*SEARCHING}


def test_the_24_people_study_gives_all_its_kinds_the_same():
    files = [CONFIG.with_name("experiments.yaml"), CONFIG.with_name("benchmark.yaml")]
    config = complete_config(read_config(files))
    compared = [config["experiments"][name] for name in config["select_experiments"]]
    assert len({each["kind"] for each in compared}) == len(compared) == 5
    alike = {(len(candidates(each)), *map(str, map(each.get, SAME_DATA))) for each in compared}
    assert [count for count, *_ in alike] == [3]


def test_a_larger_budget_tries_the_same_and_more():
    for kind in SEARCHING:
        tried = [candidates(experiment(kind, {"budget": budget})) for budget in (1, 3, 6)]
        assert all(more[: len(fewer)] == fewer for fewer, more in pairwise(tried))


def test_a_pretrained_network_is_given_lower_rates_than_one_from_scratch():
    rates = {
        checkpoint: max(
            own_space(experiment("wav2vec2", {}, model={"checkpoint": checkpoint}))[
                "training.learning_rate"
            ]
        )
        for checkpoint in ("a/hub", None)
    }
    assert 10 * rates["a/hub"] < rates[None]


def test_a_candidate_changes_its_settings_and_nothing_else():
    settings = experiment("wav2vec2", None)
    changed = with_candidate(settings, {"training.epochs": 7, "trees": 3})
    assert (changed["training"]["epochs"], changed["trees"]) == (7, 3)
    changed["training"]["epochs"], changed["trees"] = settings["training"]["epochs"], 500
    assert changed == settings


def test_twice_the_epochs_are_twice_the_steps_where_few_taps_train():
    settings = experiment("wav2vec2", None, training={"epochs": 30, "min_steps": 1000})
    settings["training"] |= {"batch_size": 64, "gradient_accumulation_steps": 1}
    epochs = {}
    for tried in (15, 30, 60):
        chosen = with_candidate(settings, {"training.epochs": tried})["training"]
        # Ten steps each.
        epochs[tried] = with_enough_steps(chosen, 640)["epochs"]
    assert epochs == {15: 60, 30: 120, 60: 240}
    assert settings["training"]["min_steps"] == 1000


def completed(own, defaults):
    raw = {"experiments": {"mine": own}, "experiment_defaults": defaults}
    return complete_config(raw)["experiments"]["mine"]


def test_what_everybody_searches_is_taken_by_the_kinds_that_have_it():
    over = {"training.epochs": [2, 4, 8], "trees": [5, 10], "min_samples_leaf": [1, 3]}
    defaults = {"search": {"budget": 3, "over": over}}
    network = completed({"training": {"epochs": 4}}, defaults)
    assert {each["training.epochs"] for each in candidates(network)} == {2, 4, 8}
    assert candidates(network)[0] == {"training.epochs": 4}
    forest = completed({"kind": "level_forest"}, defaults)
    assert candidates(forest)[0] == {"trees": 500, "min_samples_leaf": 2}
    assert all(each.keys() == {"trees", "min_samples_leaf"} for each in candidates(forest))
    svm = completed({"kind": "pairs_svm"}, defaults)
    assert len(candidates(svm)) == 3 and candidates(svm)[1].keys() == {"svm.C", "svm.gamma"}
    assert completed({"kind": "multilateration"}, defaults)["search"] is None
    assert candidates(completed({"search": None}, defaults)) == []


def test_what_was_written_down_of_a_search_is_completed_to_the_same():
    raw = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    over = {"training.epochs": [2, 4, 8], "max_features": [None, 0.5]}
    searching = merge(raw, {"experiment_defaults": {"search": {"budget": 2, "over": over}}})
    config = complete_config(searching)
    assert complete_config(merge(raw, stated(config))) == config


@pytest.mark.parametrize(
    ("own", "message"),
    [
        (
            {"search": {"over": {"trees": [1, 2]}}},
            r"experiments\.mine\.search\.over\.trees: means nothing for kind wav2vec2; remove it",
        ),
        (
            {"kind": "multilateration", "search": {"budget": 2}},
            r"experiments\.mine\.search: means nothing for kind multilateration",
        ),
        ({"search": {"budget": 0}}, "search.budget: 0 is less than"),
        ({"search": {"over": {"training.epochs": []}}}, "should be non-empty"),
        ({"search": {"over": {"training.patience": [1]}}}, "unknown key 'training.patience'"),
    ],
)
def test_a_search_that_means_nothing_is_refused(own, message):
    with pytest.raises(Tap2keyError, match=message):
        completed(own, {})


def test_a_budget_that_the_grid_does_not_fill_is_refused():
    search = {"budget": 4, "over": {"trees": [5, 10]}}
    with pytest.raises(Tap2keyError, match=r"budget is 4, but with trees .* only 3 candidates"):
        candidates(experiment("level_forest", search))


@pytest.mark.parametrize(
    ("search", "message"),
    [
        ({"budget": "x", "over": None}, "search.budget is x; it must be of type integer"),
        ({"budget": 2, "over": {"svm.C": [1]}}, "search.over: unknown key 'svm.C'"),
        ({"budget": 2, "over": {"trees": [0]}}, "at least 1"),
        ({"tries": 2}, "search: unknown key 'tries'; available: budget, each_seed, over"),
    ],
)
def test_a_search_from_a_command_line_is_checked_too(search, message):
    settings = {**experiment("level_forest", None), "search": search}
    with pytest.raises(Tap2keyError, match=message):
        candidates(settings)
