"""Settings reach a stage through its command line as the configuration has them."""

import argparse
import dataclasses
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from tap2key.config.arguments import add_settings, options_of, settings_in, settings_of
from tap2key.config.schema import broken_rule, defaults_of, schema
from tap2key.core.errors import Tap2keyError
from tap2key.datasets.encoding import Encoding
from tap2key.segmentation.events import TRUTH_SETTINGS
from tap2key.segmentation.session import Settings
from tap2key.study.truth import Truth
from tap2key.training.augmentation import Augmentation
from tap2key.training.launch import Shape

# Each with the keys that stages take from it; the others have no form on a command line.
SECTIONS = {
    **dict.fromkeys(("segment", "encoding", "launch", "simulate", "predict"), None),
    "experiment": (
        *("kind", "split", "validation", "training_fraction", "oversample", "seeds"),
        *("model", "augmentation", "training"),
        *("trees", "max_features", "min_samples_leaf", "svm"),
    ),
}
SETTINGS = [setting for name, only in SECTIONS.items() for setting in settings_in(name, only)]


def parsed(name, *arguments, only=None):
    parser = argparse.ArgumentParser()
    add_settings(parser, name, only)
    return settings_of(parser.parse_args([*arguments]), name, only)


def other_values(part):
    """Values of a setting that the schema allows, its default among them or not."""
    types = part.get("type", "string")
    types = [types] if isinstance(types, str) else types
    low, high = (part.get(key, 0 if key == "minimum" else 1e6) for key in ("minimum", "maximum"))
    low, high = part.get("exclusiveMinimum", low), part.get("exclusiveMaximum", high)
    ways = {
        "null": st.none(),
        "boolean": st.booleans(),
        "integer": st.integers(math.ceil(low), math.floor(high)),
        "number": st.floats(low, high),
        "object": st.dictionaries(st.text(), st.integers() | st.text() | st.lists(st.floats(0, 1))),
        "string": st.from_regex(part.get("pattern", r"^[^\0]*$"), fullmatch=True),
    }
    if "enum" in part:
        return st.sampled_from(part["enum"])
    if "prefixItems" in part:
        ways["array"] = st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=2)
    elif "array" in types:
        items = ways[part["items"]["type"]].filter(lambda item: not str(item).startswith("-"))
        ways["array"] = st.lists(items, unique=True, min_size=part.get("minItems", 0))
    # A null by its name, which is said so in the option's help.
    return st.one_of([ways[name] for name in types]).filter(
        lambda value: value != "null" and broken_rule(value, part) is None
    )


@pytest.mark.parametrize("name", SECTIONS)
@settings(max_examples=50)
@given(data=st.data())
def test_settings_arrive_as_they_were(name, data):
    """Whatever they are, each of them set or left out."""
    only = SECTIONS[name]
    expected, chosen = {}, {}
    for setting in settings_in(name, only):
        value = setting.part["default"]
        left_out = data.draw(st.booleans())
        if not left_out:
            value = data.draw(other_values(setting.part))
        for target in (expected, *([] if left_out else [chosen])):
            for key in setting.keys[:-1]:
                target = target.setdefault(key, {})
            target[setting.keys[-1]] = value
    options = options_of(name, chosen, only)
    assert parsed(name, *options, only=only) == expected
    assert options_of(name, expected, only) == options


@pytest.mark.parametrize("name", SECTIONS)
def test_what_is_at_its_default_needs_no_option(name):
    only = SECTIONS[name]
    found = parsed(name, only=only)
    assert options_of(name, found, only) == []
    assert found == {key: value for key, value in defaults_of(name).items() if key in found}


def test_options_are_written_one_way():
    chosen = {
        **{"kind": "convolutional", "oversample": False, "trees": 500},
        "model": {
            "crop_ms": [2, -1e-5],
            "config_overrides": {"b": 1, "a": [2]},
            "freeze": ["x"],
        },
    }
    assert options_of("experiment", chosen) == [
        *("--kind=convolutional", "--no-oversample"),
        *('--model-config-overrides={"a": [2], "b": 1}', "--model-freeze", "x"),
        *("--model-crop-ms", "2", "-0.00001"),
    ]
    assert options_of("experiment", chosen, ("kind",)) == ["--kind=convolutional"]
    assert options_of("segment", {"latency_s": -1e-05, "strict": True}) == [
        *("--latency-s=-0.00001", "--strict")
    ]


def test_the_help_is_the_schemas_description_and_default(capsys):
    with pytest.raises(SystemExit):
        parsed("training", "--help")
    said = " ".join(capsys.readouterr().out.split())
    for key, part in schema()["$defs"]["training"]["properties"].items():
        assert " ".join(part["description"].split()) in said, key
    assert "(default: 0.00003)" in said


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("segment", ["--selectivity-s=0"], "--selectivity-s is 0.0; it must be above 0"),
        ("segment", ["--latency-s", "-6"], "--latency-s is -6.0; it must be at least -5"),
        ("segment", ["--peak-height=inf"], "--peak-height is Infinity; it must be a finite number"),
        ("encoding", ["--sample-rate=1e3"], "--sample-rate: '1e3' is not of type integer"),
        (
            "encoding",
            ["--sample-rate=768001"],
            "--sample-rate is 768001; it must be at most 768000",
        ),
        ("launch", ["--nodes", "0"], "--nodes is 0; it must be at least 1"),
        ("model", ["--revision", "a b"], "--revision is a b; it must be text that matches"),
        ("model", ["--config-overrides", "[1]"], "--config-overrides is 1; it must be of type obj"),
        ("model", ["--config-overrides", "{"], "--config-overrides: '{' is not of type object"),
        ("model", ["--crop-ms", "1", "nan"], "--crop-ms is 1.0 NaN; it must be a list of values"),
        ("experiment", ["--seeds", "1", "1"], "--seeds is 1 1; it must be a list without repeats"),
    ],
)
def test_a_value_that_cannot_be_is_refused_by_the_name_of_its_option(name, options, message):
    with pytest.raises(Tap2keyError) as error:
        parsed(name, *options, only={"experiment": ("seeds",)}.get(name))
    assert message in str(error.value)


numbers = st.integers(-3, 3) | st.floats(-6, 6) | st.sampled_from([96_000, 96_001, 1000, 0.5, 1.0])
scalars = st.none() | numbers | st.text(max_size=3) | st.sampled_from(["keep", "fp32"])
values = scalars | st.booleans() | st.lists(scalars, max_size=3) | st.just({})


@settings(max_examples=50)
@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.option)
@given(value=values)
def test_what_is_refused_is_what_a_validator_of_json_schemas_refuses(setting, value):
    allowed = Draft202012Validator(setting.part).is_valid(value)
    assert (broken_rule(value, setting.part) is None) == allowed


@pytest.mark.parametrize(
    ("of_code", "name"),
    [(Settings, "segment"), (Encoding, "encoding"), (Augmentation, "augmentation")],
)
def test_defaults_in_the_code_are_the_schemas(of_code, name):
    values = dataclasses.asdict(of_code())
    in_code = {key: v for key, v in values.items() if key not in ("array", "truth")}
    assert in_code == defaults_of(name)
    assert list(in_code) == list(defaults_of(name))


def test_what_is_known_of_the_truth_has_the_schemas_defaults():
    in_code = {key: v for key, v in dataclasses.asdict(Truth()).items() if key != "characters"}
    assert in_code == {key: defaults_of("truth")[key] for key in TRUTH_SETTINGS}


def test_the_shape_of_a_launch_is_the_schemas():
    of_launch = {field.name for field in dataclasses.fields(Shape)} - {"threads"}
    assert of_launch == set(defaults_of("launch")) - {"stage_to"}
