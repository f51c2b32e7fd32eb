import unicodedata

import numpy as np
import pytest
import torch
import yaml
from running import ROOT

from tap2key.config.configuration import (
    choose,
    complete_config,
    complete_experiment,
    merge,
    read_config,
    schema,
    selected,
)
from tap2key.config.renamed_keys import RENAMED
from tap2key.core.errors import Tap2keyError
from tap2key.datasets.crops import cut_of
from tap2key.datasets.representations import REPRESENTATIONS, Encoding, encode_windows
from tap2key.models.wav2vec2 import build_classifier
from tap2key.training.augmentation import Augmentation

CONFIG = ROOT / "config"


def shipped(name="config.yaml"):
    return yaml.safe_load((CONFIG / name).read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({}, "config: 'experiments' is a required property"),
        ({"experiments": {}}, "config: experiments: "),
        ({"experiments": {"a": {}}, "studdy": "x"}, "unknown key 'studdy'; did you mean 'study'?"),
        ({"experiments": {"a": {}}, "xyzzy": 1}, "unknown key 'xyzzy'; known are study, layout"),
        (
            {"experiments": {"a": {"training": {"learning_rat": 1}}}},
            "config: experiments.a.training: unknown key 'learning_rat'; did you mean "
            "'learning_rate'?",
        ),
        (
            {"experiments": {"a": {"training": {"epochs": "many"}}}},
            "config: experiments.a.training.epochs: 'many' is not of type 'integer'",
        ),
        (
            {"experiments": {"a": {"training": {"learning_rate": float("nan")}}}},
            "config: experiments.a.training.learning_rate: is not a finite number",
        ),
        (
            {"experiments": {"a": {"model": {"crop_ms": [1, float("inf")]}}}},
            "config: experiments.a.model.crop_ms.1: is not a finite number",
        ),
        (
            {"experiments": {"a": {"encoding": {"sample_rate": 192000}}}},
            "config: experiments.a.encoding.sample_rate: 192000 is greater than",
        ),
        (
            {"experiments": {"a": {"encoding": {"representation": "mean"}}}},
            "config: experiments.a.encoding.representation: 'mean' is not one of",
        ),
        ({"experiments": {"a b/c": {}}}, "config: experiments: 'a b/c' does not match"),
        ({"experiments": {"a": {"seeds": [1, 1]}}}, "config: experiments.a.seeds: "),
        ({"experiments": {"a": {"encoding": {"crop_ms": [1]}}}}, "config: experiments.a.encoding"),
        ({"experiments": {"a": {}}, "simulate": {"people": 3}}, "config: simulate"),
        (
            {"experiments": {"a": {}}, "results": 2023},
            "config: results: 2023 is not of type 'string'; write it in quotes",
        ),
        ({"experiments": {1: {}}}, "config: experiments: write the name 1 in quotes"),
        ({"experiments": {"a": {}}, "segment": {"latency_s": -140}}, "config: segment.latency_s"),
        (
            {"experiments": {"a": {"training": {"weight_decay": float("inf")}}}},
            "config: experiments.a.training.weight_decay: is not a finite number",
        ),
        (
            {"experiments": {"a": {}}, "segment": {"selectivity_s": float("nan")}},
            "config: segment.selectivity_s: is not a finite number",
        ),
    ],
)
def test_a_wrong_config_is_one_line_that_names_the_place(config, message):
    with pytest.raises(Tap2keyError) as error:
        complete_config(config)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_defaults_are_filled_in_at_every_depth():
    config = complete_config({"experiments": {"a": {"training": {"epochs": 3}}}})
    assert config["study"] == "study"
    assert config["simulate"] is None
    assert config["segment"]["selectivity_s"] == 0.1
    assert config["select_folds"] == "all"
    experiment = config["experiments"]["a"]
    assert experiment["training"]["epochs"] == 3
    assert experiment["training"]["patience"] == 16
    assert experiment["training"]["learning_rate"] == 3e-5
    assert experiment["model"]["checkpoint"] == "facebook/wav2vec2-base"
    assert experiment["model"]["max_duration_s"] is None
    assert experiment["encoding"] == {
        "representation": "interleave",
        "sample_rate": 16000,
        "crop_ms": None,
        "highpass_hz": None,
        "whiten": False,
    }


def test_simulate_gets_its_defaults_only_when_it_is_set():
    config = complete_config({"experiments": {"a": {}}, "simulate": {"taps": 7}})
    assert config["simulate"]["taps"] == 7
    assert config["simulate"]["participants"] == 6


def test_two_completions_share_nothing():
    raw = {"experiments": {"a": {}, "b": {}}}
    config = complete_config(raw)
    config["experiments"]["a"]["seeds"].append(9)
    config["experiments"]["a"]["encoding"]["sample_rate"] = 1
    assert config["experiments"]["b"]["seeds"] == [0]
    assert complete_config(raw)["experiments"]["a"]["encoding"]["sample_rate"] == 16000
    assert raw == {"experiments": {"a": {}, "b": {}}}


def test_an_experiment_inherits_mapping_by_mapping_through_a_chain():
    config = complete_config(
        {
            "experiments": {
                "c": {"inherit": "b", "training": {"epochs": 5}, "seeds": [7]},
                "a": {"training": {"epochs": 1, "patience": 2}, "trees": 9, "seeds": [1, 2]},
                "b": {"inherit": "a", "training": {"warmup_ratio": 0.5, "epochs": 4}},
            }
        }
    )["experiments"]
    assert list(config) == ["c", "a", "b"]
    training = {key: config["c"]["training"][key] for key in ("epochs", "patience", "warmup_ratio")}
    assert training == {"epochs": 5, "patience": 2, "warmup_ratio": 0.5}
    assert config["c"]["seeds"] == [7]
    assert config["c"]["trees"] == 9
    assert config["b"]["training"]["epochs"] == 4
    assert config["a"]["training"]["warmup_ratio"] == 0.1


@pytest.mark.parametrize(
    "experiments",
    [
        {"a": {"inherit": "a"}},
        {"a": {"inherit": "absent"}},
        {"a": {"inherit": "b"}, "b": {"inherit": "c"}, "c": {"inherit": "a"}},
    ],
)
def test_inheriting_from_nothing_or_in_a_circle_is_refused(experiments):
    with pytest.raises(Tap2keyError, match=r"experiments\..: cannot inherit from"):
        complete_config({"experiments": experiments})


def test_merge_replaces_lists_and_leaves_its_arguments_alone():
    base, change = {"a": {"x": [1, 2], "y": 1}}, {"a": {"x": [3]}, "b": {"z": 0}}
    assert merge(base, change) == {"a": {"x": [3], "y": 1}, "b": {"z": 0}}
    assert base == {"a": {"x": [1, 2], "y": 1}}
    assert merge({"a": {"x": 1}}, {"a": None}) == {"a": None}


def test_settings_given_by_hand_are_completed_and_checked_alike():
    assert complete_experiment({"kind": "level_forest"}, "--settings")["trees"] == 500
    with pytest.raises(Tap2keyError, match="--settings: unknown key 'tree'; did you mean 'trees'"):
        complete_experiment({"tree": 3}, "--settings")


def test_selections():
    assert selected("all") is None
    assert selected("Tony, Maria José") == ["Tony", "Maria José"]
    assert choose(["a", "b", "c"], ["c", "a"], "select_folds") == ["a", "c"]
    assert choose(["a", "b"], "all", "select_folds") == ["a", "b"]
    with pytest.raises(Tap2keyError, match="select_folds: unknown 'd'; available: a, b"):
        choose(["a", "b"], "a,d", "select_folds")


PEOPLE = ["001", "002", "010", "1e3", "No", "Nan", "Zoë", "1_0", "x"]


@pytest.mark.parametrize(
    ("value", "names"),
    [
        (1, ["001"]),  # select_folds=001, as Snakemake hands it on
        ([1, "x"], ["001", "x"]),
        ("001,002", ["001", "002"]),
        (8, ["010"]),  # 010 in a YAML file
        (1000.0, ["1e3"]),
        (False, ["No"]),
        (float("nan"), ["Nan"]),
        (unicodedata.normalize("NFD", "Zoë"), ["Zoë"]),
    ],
)
def test_a_name_that_was_taken_for_a_number_is_found_again(value, names):
    assert choose(PEOPLE, value, "select_folds") == names
    config = complete_config({"experiments": {"a": {}}, "select_folds": value})
    assert choose(PEOPLE, config["select_folds"], "select_folds") == names


def test_a_number_that_may_mean_two_names_or_none_is_refused():
    with pytest.raises(Tap2keyError, match="1 may mean 1 or 001; write the name in quotes"):
        choose(["1", "001"], 1, "select_folds")
    assert choose(["1", "001"], "001", "select_folds") == ["001"]
    with pytest.raises(Tap2keyError, match="10 may mean 010 or 1_0"):
        choose(PEOPLE, 10, "select_folds")
    with pytest.raises(Tap2keyError, match="select_folds: unknown '7'; available: 001"):
        choose(PEOPLE, 7, "select_folds")


PATHS = {
    "study": ["study"],
    "study_table": ["study_table"],
    "keyboard": ["keyboard"],
    "results": ["results"],
    "difficulty": ["simulate", "difficulty"],
    "recordings": ["predict", "recordings"],
    "checkpoint": ["experiments", "a", "model", "checkpoint"],
}


def with_path(keys, path):
    raw = {"experiments": {"a": {}}}
    part = raw
    for key in keys[:-1]:
        part = part.setdefault(key, {})
    part[keys[-1]] = path
    return raw


@pytest.mark.parametrize("keys", PATHS.values(), ids=PATHS)
def test_home_and_variables_are_filled_in_in_every_path(keys, monkeypatch):
    monkeypatch.setenv("HOME", "/home/ana")
    monkeypatch.setenv("SCRATCH", "/scratch/ana b")
    monkeypatch.delenv("NOWHERE", raising=False)
    for path, full in (
        ("~/x", "/home/ana/x"),
        ("$SCRATCH/x", "/scratch/ana b/x"),
        ("${SCRATCH}/x", "/scratch/ana b/x"),
        ("plain/x", "plain/x"),
    ):
        found = complete_config(with_path(keys, path))
        for key in keys:
            found = found[key]
        assert found == full
    name = f"config: {'.'.join(keys)}"
    for path, message in (
        ("$NOWHERE/x", f"{name} $NOWHERE/x: not set here ($NOWHERE)"),
        ("~nobody-of-this-name/x", f"{name} ~nobody-of-this-name/x: no such user"),
        ("data/{lab}/x", f"{name}: data/{{lab}}/x has a brace"),
    ):
        with pytest.raises(Tap2keyError) as error:
            complete_config(with_path(keys, path))
        assert message in str(error.value)


def test_every_root_is_filled_in_and_a_name_with_a_dollar_sign_stays(tmp_path, monkeypatch):
    monkeypatch.setenv("SCRATCH", "/scratch")
    monkeypatch.delenv("NOWHERE", raising=False)
    (tmp_path / "a$NOWHERE").mkdir()
    roots = ["$SCRATCH/a", f"{tmp_path}/a$NOWHERE"]
    assert complete_config({"experiments": {"a": {}}, "study": roots})["study"] == [
        "/scratch/a",
        f"{tmp_path}/a$NOWHERE",
    ]
    settings = complete_experiment({"model": {"checkpoint": "$SCRATCH/m"}}, "--settings")
    assert settings["model"]["checkpoint"] == "/scratch/m"


def test_a_nodes_own_variable_is_left_to_the_node(monkeypatch):
    monkeypatch.delenv("TMPDIR", raising=False)
    config = complete_config({"experiments": {"a": {}}, "launch": {"stage_to": "${TMPDIR}/x"}})
    assert config["launch"]["stage_to"] == "${TMPDIR}/x"


# As the head of each file says to give them.
SHIPPED = [
    ["config.yaml"],
    ["config.yaml", "demo.yaml"],
    ["config.yaml", "experiments.yaml"],
    ["config.yaml", "experiments.yaml", "evidence.yaml"],
]


@pytest.mark.parametrize("files", SHIPPED, ids=" ".join)
def test_the_shipped_configs_are_valid(files):
    raw = {}
    for name in files:
        raw = merge(raw, shipped(name))
    config = complete_config(raw)
    chosen = choose(list(config["experiments"]), config["select_experiments"], "select_experiments")
    assert chosen
    given = raw["select_experiments"]
    assert given == "all" or len(chosen) == len(given)


def test_no_shipped_config_is_left_unvalidated():
    there = {path.relative_to(CONFIG).as_posix() for path in CONFIG.rglob("*.yaml")}
    assert there == {name for files in SHIPPED for name in files}


def test_the_shipped_config_spells_out_every_key_with_its_default():
    """It is what a user reads to learn which settings there are and what they are."""
    raw = shipped()
    first = next(iter(raw["experiments"].values()))
    definitions = schema()["$defs"]
    assert list(raw) == list(schema()["properties"])
    for name in ("segment", "launch"):
        assert list(raw[name]) == list(definitions[name]["properties"]), name
    assert list(first) == list(definitions["experiment"]["properties"])
    for name in ("encoding", "validation", "model", "augmentation", "training"):
        assert list(first[name]) == list(definitions[name]["properties"]), name
    bare = complete_config({"experiments": {"only": {}}})
    for key in (*raw, "segment"):
        if key != "experiments":
            assert raw[key] == bare[key], key
    expected = bare["experiments"]["only"]
    # Wav2Vec2's own default would mask more than a tap has.
    expected["model"]["shape"] = {"mask_time_prob": 0.0}
    assert first == expected


def test_every_setting_is_described():
    undescribed = []

    def walk(part, where):
        for key, child in part.get("properties", {}).items():
            if "description" not in child:
                undescribed.append(f"{where}.{key}")
            walk(child, f"{where}.{key}")

    walk(schema(), "config")
    for name, part in schema()["$defs"].items():
        walk(part, name)
    assert undescribed == []


def test_the_schema_and_the_code_agree_on_settings_and_defaults():
    settings = complete_experiment({}, "test")
    assert Encoding(**settings["encoding"]) == Encoding()
    assert Augmentation(**settings["augmentation"]) == Augmentation()
    choices = schema()["$defs"]["encoding"]["properties"]["representation"]["enum"]
    assert choices == list(REPRESENTATIONS)


def experiments():
    return complete_config(merge(shipped(), shipped("experiments.yaml")))


def test_the_first_studys_findings_are_all_stated():
    """Every value of every axis, as an experiment that differs from `interleave` in it alone."""
    config = experiments()
    chosen = choose(list(config["experiments"]), config["select_experiments"], "select_experiments")
    every = {name: config["experiments"][name] for name in chosen}
    splits = {
        (s["encoding"]["representation"], s["split"])
        for s in every.values()
        if s["kind"] == "wav2vec2" and s["encoding"]["sample_rate"] == 48_000
    }
    both = ("leave_one_participant_out", "random")
    assert splits >= {(name, split) for name in REPRESENTATIONS for split in both}

    def differences(name):
        base, other = flattened(every["interleave"]), flattened(every[name])
        return {
            key
            for key in base.keys() | other.keys()
            if base.get(key) != other.get(key) and key != "inherit"
        }

    assert differences("interleave-random") == {"split"}
    assert differences("sessions") == {"split"}
    assert differences("no-oversampling") == {"oversample"}
    assert {key.split(".")[0] for key in differences("no-augmentation")} == {"augmentation"}
    assert Augmentation(**every["no-augmentation"]["augmentation"]) == Augmentation()
    assert {every[f"rate-{hertz}000"]["encoding"]["sample_rate"] for hertz in (16, 24, 96)} == {
        *(16_000, 24_000, 96_000),
    }
    assert {every[name]["share"] for name in ("share-0.25", "share-0.5", "interleave")} == {
        *(0.25, 0.5, 1.0),
    }
    assert {s["kind"] for s in every.values()} == {
        *("wav2vec2", "convolutional", "gcc_phat_forest", "level_forest", "mfcc_forest")
    }


def test_what_is_selected_needs_no_checkpoint_and_the_prototype_is_its_recipe():
    config = experiments()
    for name in config["select_experiments"]:
        settings = config["experiments"][name]
        assert settings["kind"] != "wav2vec2" or settings["model"]["checkpoint"] is None, name
    for name, split in (
        ("prototype", "leave_one_participant_out"),
        ("prototype-random", "random"),
    ):
        settings = config["experiments"][name]
        assert settings["split"] == split
        assert settings["encoding"]["representation"] == "interleave"
        assert settings["encoding"]["sample_rate"] == 16_000
        assert settings["encoding"]["crop_ms"] is None
        assert settings["oversample"]
        assert settings["model"]["checkpoint"] == "facebook/wav2vec2-base"
        training = settings["training"]
        assert (training["batch_size"], training["gradient_accumulation_steps"]) == (64, 4)
        assert (training["learning_rate"], training["warmup_ratio"]) == (3e-5, 0.1)
        assert (training["patience"], training["precision"]) == (16, "auto")


def test_every_experiment_from_scratch_can_be_built():
    built = 0
    for name, settings in experiments()["experiments"].items():
        if settings["kind"].endswith("forest") or settings["model"]["checkpoint"] is not None:
            continue
        encoding = Encoding(**settings["encoding"])
        length = encode_windows(np.zeros((1, 8, 8192), np.float32), encoding).shape[1]
        model = settings["model"]
        cut = cut_of(encoding, length, model["crop_ms"], model["max_duration_s"])
        classifier = build_classifier(settings, ["a", "b", "c"], cut)
        assert classifier(torch.zeros(2, cut.length)).logits.shape == (2, 3), name
        built += 1
    assert built > 20


def flattened(settings, before=""):
    found = {}
    for key, value in settings.items():
        inner = flattened(value, f"{before}{key}.") if isinstance(value, dict) else {}
        found |= inner or {f"{before}{key}": value}
    return found


@pytest.mark.parametrize("old", RENAMED)
def test_an_old_key_is_told_its_new_name(old):
    """In the place where it stood."""
    places = {
        "calibrate": {"calibrate": [1]},
        "mark_below": {"predict": {"mark_below": 0.5}},
        "aligned_stem": {"experiments": {"a": {"model": {"aligned_stem": True}}}},
    }
    training = {"experiments": {"a": {"training": {old: 1}}}}
    with pytest.raises(Tap2keyError, match=f"{old} is now called {RENAMED[old]}; rename it"):
        complete_config(read_config([]) | places.get(old, training))
