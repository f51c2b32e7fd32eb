import re
import unicodedata

import numpy as np
import pytest
import torch
import yaml
from made import completed_experiment
from running import ROOT

from tap2key.audio.array import DEFAULT, FASTEST_RATE, MOST_CHANNELS, SLOWEST_RATE, WHOLE, array_of
from tap2key.config.configuration import (
    choose,
    complete_config,
    in_module,
    read_config,
    schema,
    selected,
)
from tap2key.config.experiments import merge, stated
from tap2key.config.renamed_keys import RENAMED_EXPERIMENTS, RENAMED_KEYS, RENAMED_VALUES
from tap2key.config.stage_settings import CORRELATED
from tap2key.core.errors import Tap2keyError
from tap2key.datasets.crops import cut_of
from tap2key.datasets.encoding import Encoding
from tap2key.datasets.representations import REPRESENTATIONS, encode_windows
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
        (
            {"experiments": {"a": {}}, "xyzzy": 1},
            "unknown key 'xyzzy'; available: study, session_pattern",
        ),
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
            {"experiments": {"a": {"encoding": {"sample_rate": 768001}}}},
            "config: experiments.a.encoding.sample_rate: 768001 is greater than",
        ),
        (
            {"experiments": {"a": {"encoding": {"representation": "a-b"}}}},
            "config: experiments.a.encoding.representation: 'a-b' does not match",
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
        ({"experiments": {"a": {}}, "characters": {1: "1"}}, "characters: write the name 1 in"),
        ({"experiments": {"a": {}}, "characters": {"!": 1}}, "config: characters.!: 1 is not of"),
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
                "a": {
                    "training": {"epochs": 1, "patience": 2},
                    "oversample": False,
                    "seeds": [1, 2],
                },
                "b": {"inherit": "a", "training": {"warmup_ratio": 0.5, "epochs": 4}},
            }
        }
    )["experiments"]
    assert list(config) == ["c", "a", "b"]
    training = {key: config["c"]["training"][key] for key in ("epochs", "patience", "warmup_ratio")}
    assert training == {"epochs": 5, "patience": 2, "warmup_ratio": 0.5}
    assert config["c"]["seeds"] == [7]
    assert config["c"]["oversample"] is False
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


def test_an_experiments_settings_are_completed_and_checked():
    assert completed_experiment(kind="level_forest")["trees"] == 500
    with pytest.raises(Tap2keyError, match=r"own: unknown key 'tree'; did you mean 'trees'"):
        completed_experiment(tree=3)


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
    settings = completed_experiment(model={"checkpoint": "$SCRATCH/m"})
    assert settings["model"]["checkpoint"] == "/scratch/m"


def test_in_a_module_a_file_does_not_take_the_place_of_what_is_shipped_under_its_name(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    for name in ("iso", "hard", "phrases", "mine.csv"):
        (tmp_path / name).touch()
    given = {
        "study": ["hard", "elsewhere"],
        "keyboard": "iso",
        "simulate": {"difficulty": "hard", "text": "phrases"},
        "decode": {"corpus": "phrases", "checkpoint": "mine.csv"},
    }
    config = in_module(given, "tapping")
    assert config["study"] == [str(tmp_path / "hard"), "elsewhere"]
    assert config["keyboard"] == "iso"
    assert config["simulate"] == given["simulate"]
    assert config["decode"]["corpus"] == "phrases"
    assert config["decode"]["checkpoint"] == str(tmp_path / "mine.csv")
    assert in_module({"keyboard": "mine.csv"}, "t")["keyboard"] == str(tmp_path / "mine.csv")


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
    ["config.yaml", "experiments.yaml", "hard.yaml"],
    ["config.yaml", "experiments.yaml", "benchmark.yaml"],
    ["config.yaml", "experiments.yaml", "curves.yaml"],
    ["config.yaml", "experiments.yaml", "sentences.yaml"],
    ["config.yaml", "studies/auditory-eyesight.yaml"],
    ["config.yaml", "studies/first-study.yaml"],
    ["config.yaml", "studies/put-kbd.yaml"],
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
    raw, bare = shipped(), complete_config({"experiments": {"only": {}}})
    assert list(raw) == list(schema()["properties"])
    del bare["experiment_defaults"]["inherit"]
    for key in raw.keys() - {"experiments"}:
        assert raw[key] == bare[key], key
        assert written(raw[key]) == written(bare[key]), key


def written(value):
    """The keys of a setting in their order, at every depth."""
    return [(k, written(v)) for k, v in value.items()] if isinstance(value, dict) else None


def test_every_key_of_the_shipped_config_has_its_comment():
    """At its end, or above it."""
    text = (CONFIG / "config.yaml").read_text(encoding="utf-8").split("\nexperiments:")[0]
    lines = text.split("\n")
    keys = [n for n, line in enumerate(lines) if re.match(r" *[a-z_0-9]+:", line)]
    assert len(keys) > 60
    assert [lines[n] for n in keys if "#" not in lines[n] + lines[n - 1].lstrip()[:1]] == []


def test_a_file_may_change_what_holds_for_every_experiment():
    raw = merge(shipped(), {"experiment_defaults": {"trees": 7, "training": {"epochs": 3}}})
    config = complete_config(merge(raw, {"experiments": {"mine": {"seeds": [5]}}}))
    assert config["experiment_defaults"]["trees"] == 7
    found = config["experiments"]
    assert {found[name]["trees"] for name in ("mine", "level-forest")} == {7}
    assert (found["mine"]["training"]["epochs"], found["mine"]["training"]["patience"]) == (3, 16)
    # What an experiment states itself stays.
    assert found["aligned-48000"]["training"]["epochs"] == 100
    with pytest.raises(
        Tap2keyError, match=r"experiment_defaults\.inherit: only experiments inherit"
    ):
        complete_config(merge(raw, {"experiment_defaults": {"inherit": "mine"}}))


def test_the_pretrained_experiment_is_the_defaults_but_for_masking():
    config = complete_config(shipped())
    found = flattened(config["experiments"]["wav2vec2-base"])
    defaults = flattened(config["experiment_defaults"])
    assert {key for key in found if found[key] != defaults.get(key)} == {
        "model.config_overrides.mask_time_prob"
    }


@pytest.mark.parametrize("name", shipped()["experiments"])
def test_a_shipped_experiment_stays_as_it_is(name):
    said = f"experiments.{name} is shipped and fixed; give yours another name with inherit: {name}"
    for change in ({"seeds": [0, 1]}, {"oversample": False}, {"validation": {"by": "session"}}):
        with pytest.raises(Tap2keyError, match=said):
            complete_config(merge(shipped(), {"experiments": {name: change}}))
    with pytest.raises(Tap2keyError, match=said):
        complete_config({"experiments": {name: {"seeds": [9]}}})
    again = {"experiments": {name: shipped()["experiments"][name]}}
    assert complete_config(merge(shipped(), again)) == complete_config(shipped())


@pytest.mark.parametrize("files", SHIPPED, ids=" ".join)
def test_what_a_run_wrote_down_of_its_configuration_is_completed_to_the_same(files):
    raw = {}
    for name in files:
        raw = merge(raw, shipped(name))
    config = complete_config(raw)
    assert complete_config(merge(shipped(), stated(config))) == config


@pytest.mark.parametrize(
    ("own", "key", "kind"),
    [
        ({"trees": 500}, "trees", "wav2vec2"),
        ({"inherit": "small", "trees": 3}, "trees", "convolutional"),
        ({"kind": "level_forest", "training": {"epochs": 3}}, "training", "level_forest"),
        ({"inherit": "forest", "model": {}}, "model", "gcc_phat_forest"),
        ({"inherit": "forest", "kind": "pairs_svm", "trees": 5}, "trees", "pairs_svm"),
        ({"kind": "pairs_svm", "max_features": 0.5}, "max_features", "pairs_svm"),
        ({"inherit": "small", "min_samples_leaf": 1}, "min_samples_leaf", "convolutional"),
        ({"inherit": "forest", "svm": {"C": 3}}, "svm", "gcc_phat_forest"),
        ({"kind": "pairs_svm", "training": {"epochs": 3}}, "training", "pairs_svm"),
        ({"inherit": "forest", "augmentation": {"fir": 1}}, "augmentation", "gcc_phat_forest"),
        ({"inherit": "small", "model": {"checkpoint": None}}, "model.checkpoint", "convolutional"),
        ({"inherit": "small", "model": {"freeze": []}}, "model.freeze", "convolutional"),
        ({"inherit": "small", "model": {"inflate_stem": True}}, "inflate_stem", "convolutional"),
        ({"inherit": "small", "model": {"config_overrides": {}}}, "overrides", "convolutional"),
        ({"kind": "learned_gcc", "model": {"inflate_stem": True}}, "inflate_stem", "learned_gcc"),
    ],
)
def test_a_setting_that_means_nothing_for_a_kind_is_refused_where_it_is_stated(own, key, kind):
    others = {
        "base": {"model": {"config_overrides": {"hidden_size": 8}}, "training": {"epochs": 2}},
        "small": {"inherit": "base", "kind": "convolutional", "model": {"crop_ms": [1, 2]}},
        "forest": {"inherit": "base", "kind": "gcc_phat_forest", "trees": 5},
    }
    # Inherited from another kind, or a default of all kinds, it is just not used.
    every = {"trees": 9, "model": {"freeze": ["x"]}, "training": {"patience": 3}}
    complete_config({"experiments": others, "experiment_defaults": every})
    message = rf"experiments\.mine\.\S*{key}: means nothing for kind {kind}; remove it"
    with pytest.raises(Tap2keyError, match=message):
        complete_config({"experiments": {**others, "mine": own}})


@pytest.mark.parametrize(
    ("own", "key", "what"),
    [
        ({"encoding": {"whiten": False}}, "encoding.whiten", "pairs"),
        ({"model": {"crop_ms": None}}, "model.crop_ms", "pairs"),
        *(
            ({"augmentation": {name: value}}, f"augmentation.{name}", "pairs")
            for name, value in (
                *(("gain_db", 1), ("shift_ms", 1), ("tilt_db", 1), ("fir", 0)),
                *(("polarity", True), ("noise_db", 1)),
            )
        ),
        # Waves beside correlations may be shifted.
        *(
            (
                {"encoding": {"representation": "pairs_waves"}, "augmentation": {name: 1}},
                f"augmentation.{name}",
                "pairs_waves",
            )
            for name in ("gain_db", "tilt_db", "noise_db")
        ),
        (
            {"model": {"config_overrides": {"conv_stride": [9]}}},
            "model.config_overrides.conv_stride",
            "pairs without conv_kernel",
        ),
        (
            {
                "encoding": {"representation": "stack"},
                "model": {"config_overrides": {"conv_stride": [9]}},
            },
            "model.config_overrides.conv_stride",
            "stack without conv_kernel",
        ),
        (
            {
                "encoding": {"representation": "top"},
                "augmentation": {"correlation_noise": 0.1},
            },
            "augmentation.correlation_noise",
            "top",
        ),
    ],
)
def test_a_setting_that_means_nothing_for_a_representation_is_refused_where_it_is_stated(
    own, key, what
):
    others = {
        "pairs": {
            "encoding": {"representation": "pairs"},
            "model": {"checkpoint": None},
            "augmentation": {"correlation_noise": 0.1},
        },
        # Inherited from another representation, it is just not used.
        "waves": {
            "encoding": {"representation": "interleave", "whiten": True},
            "model": {"checkpoint": None, "crop_ms": [1, 2], "config_overrides": {}},
            "augmentation": {"gain_db": 1, "polarity": True},
        },
        "others": {"inherit": "waves", "encoding": {"representation": "pairs"}},
        "both": {
            "inherit": "pairs",
            "encoding": {"representation": "pairs_waves"},
            "augmentation": {"shift_ms": 0.1, "correlation_noise": 0.1},
        },
        "back": {"inherit": "pairs", "encoding": {"representation": "interleave"}},
        "forest": {"inherit": "pairs", "kind": "mfcc_forest"},
        "own": {
            "inherit": "pairs",
            "model": {"config_overrides": {"conv_kernel": [9], "conv_stride": [9]}},
        },
        "tuned": {
            "encoding": {"representation": "stack"},
            "model": {"config_overrides": {"conv_stride": [5, 2, 2, 2, 2, 2, 1]}},
        },
    }
    every = {"augmentation": {"fir": 0.1, "correlation_noise": 0.2}}
    config = complete_config(
        merge(shipped(), {"experiments": others, "experiment_defaults": every})
    )
    assert complete_config(merge(shipped(), stated(config))) == config
    message = (
        rf"experiments\.mine\.{re.escape(key)}: means nothing for representation {what}; remove"
    )
    with pytest.raises(Tap2keyError, match=message):
        complete_config({"experiments": {**others, "mine": {"inherit": "pairs", **own}}})


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
    settings = completed_experiment()
    assert Encoding(**settings["encoding"]) == Encoding()
    assert array_of(complete_config(shipped())["array"]) == DEFAULT
    assert array_of(complete_config({"experiments": {"a": {}}})["array"]) == DEFAULT
    assert Augmentation(**settings["augmentation"]) == Augmentation()
    limits = schema()["$defs"]["array"]["properties"]
    assert limits["channels"]["maximum"] == MOST_CHANNELS
    rates = limits["sample_rate"]
    assert (rates["minimum"], rates["maximum"]) == (SLOWEST_RATE, FASTEST_RATE)
    assert (*REPRESENTATIONS, *CORRELATED) == WHOLE


def experiments():
    return complete_config(merge(shipped(), shipped("experiments.yaml")))


def test_the_first_studys_findings_are_all_stated():
    """Every value of every axis, as an experiment that differs in it from small-interleave."""
    config = experiments()
    chosen = choose(list(config["experiments"]), config["select_experiments"], "select_experiments")
    every = {name: config["experiments"][name] for name in chosen}
    splits = {
        (s["encoding"]["representation"], s["split"])
        for s in every.values()
        if s["kind"] == "wav2vec2" and s["encoding"]["sample_rate"] == 48_000
    }
    both = ("leave_one_participant_out", "k_fold")
    assert splits >= {
        (name, split) for name in (*REPRESENTATIONS, "top", "bottom") for split in both
    }

    def differences(name):
        base, other = flattened(every["small-interleave"]), flattened(every[f"small-{name}"])
        return {
            key
            for key in base.keys() | other.keys()
            if base.get(key) != other.get(key) and key != "inherit"
        }

    assert differences("interleave-random") == {"split"}
    assert differences("sessions") == {"split"}
    for forest in ("level-forest", "gcc-phat-forest"):
        names = (forest, f"{forest}-random", f"{forest}-sessions")
        assert [every[name]["split"] for name in names] == [
            *("leave_one_participant_out", "k_fold", "leave_one_session_out")
        ]
        assert len(every[f"{forest}-random"]["seeds"]) > 1
    assert differences("no-oversampling") == {"oversample"}
    assert {key.split(".")[0] for key in differences("no-augmentation")} == {"augmentation"}
    assert Augmentation(**every["small-no-augmentation"]["augmentation"]) == Augmentation()
    rates = {every[f"small-rate-{hertz}000"]["encoding"]["sample_rate"] for hertz in (16, 24, 96)}
    assert rates == {16_000, 24_000, 96_000}
    fractions = {
        every[f"small-{name}"]["training_fraction"]
        for name in ("training-0.25", "training-0.5", "interleave")
    }
    assert fractions == {0.25, 0.5, 1.0}
    assert {s["kind"] for s in every.values()} == {
        *("wav2vec2", "convolutional", "gcc_phat_forest", "level_forest", "mfcc_forest"),
        *("pairs_forest", "pairs_svm", "learned_gcc"),
    }


def test_what_is_selected_needs_no_checkpoint_and_the_prototype_is_its_recipe():
    config = experiments()
    for name in config["select_experiments"]:
        settings = config["experiments"][name]
        assert settings["kind"] != "wav2vec2" or settings["model"]["checkpoint"] is None, name
    for name, split in (
        ("wav2vec2-base", "leave_one_participant_out"),
        ("wav2vec2-base-random", "random"),
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
        classifier = build_classifier(settings, ["a", "b", "c"], encoding, cut)
        assert classifier(torch.zeros(2, cut.length)).logits.shape == (2, 3), name
        built += 1
    assert built > 20


def flattened(settings, before=""):
    found = {}
    for key, value in settings.items():
        inner = flattened(value, f"{before}{key}.") if isinstance(value, dict) else {}
        found |= inner or {f"{before}{key}": value}
    return found


@pytest.mark.parametrize(("section", "old"), RENAMED_KEYS)
def test_an_old_key_is_told_its_new_name_in_the_place_where_it_stood(section, old):
    places = {
        **{"": {old: 1}, "segment": {"segment": {old: 1}}, "predict": {"predict": {old: 1}}},
        "experiment": {"experiments": {"a": {old: 1}}},
    }
    raw = places.get(section, {"experiments": {"a": {section: {old: 1}}}})
    new = RENAMED_KEYS[section, old]
    with pytest.raises(Tap2keyError, match=f"{old} is now called {new}; rename it"):
        complete_config(merge(read_config([]), raw))
    part = schema()["$defs"][section] if section else schema()
    assert new in part["properties"]


def test_an_old_key_elsewhere_is_just_unknown():
    with pytest.raises(Tap2keyError, match=r"a\.model: unknown key 'share'; available:"):
        complete_config({"experiments": {"a": {"model": {"share": 1}}}})


@pytest.mark.parametrize(("key", "old"), RENAMED_VALUES)
def test_an_old_value_is_told_its_new_name(key, old):
    message = rf"experiments\.a\.{key}: {old} is now called {RENAMED_VALUES[key, old]}"
    with pytest.raises(Tap2keyError, match=message):
        complete_config({"experiments": {"a": {key: old}}})
    assert RENAMED_VALUES[key, old] in schema()["$defs"]["experiment"]["properties"][key]["enum"]


@pytest.mark.parametrize("old", RENAMED_EXPERIMENTS)
def test_an_old_experiment_is_told_its_new_name_wherever_it_is_named(old):
    new, raw = RENAMED_EXPERIMENTS[old], merge(shipped(), shipped("experiments.yaml"))
    assert new in raw["experiments"]
    assert old not in raw["experiments"]
    said = f"{old} is now called {new}"
    names = list(raw["experiments"])
    for key in ("select_experiments", "predict.experiment"):
        with pytest.raises(Tap2keyError, match=f"{key}: unknown '{old}'; {said}$"):
            choose(names, old, key)
    with pytest.raises(Tap2keyError, match=f"cannot inherit from '{old}'; {said}$"):
        complete_config(merge(raw, {"experiments": {"mine": {"inherit": old}}}))
    changed = {"experiments": {old: {"seeds": [1]}}}
    with pytest.raises(Tap2keyError, match=rf"experiments\.{old}: the shipped {said}; if this"):
        complete_config(merge(raw, changed))
    own = {"experiments": {old: {"seeds": [1], "inherit": None}}}
    assert complete_config(merge(raw, own))["experiments"][old]["seeds"] == [1]


def test_a_participant_may_be_called_like_an_old_experiment():
    with pytest.raises(Tap2keyError, match="select_folds: unknown 'top'; available: a"):
        choose(["a"], "top", "select_folds")
