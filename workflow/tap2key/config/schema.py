"""The one description of all settings: which there are, what they may be, what they default to.

Stages that start often read it, so neither jsonschema nor anything else heavy is imported here.
"""

import copy
import math
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

import yaml

from tap2key.core.shipped import SCHEMA

# The same parser in C, ten times as fast, unless PyYAML was built without it.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
IS_OF_TYPE: dict[str, Callable[[Any], bool]] = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    # As JSON has it, 1.0 is one.
    "integer": lambda value: IS_OF_TYPE["number"](value) and float(value).is_integer(),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "string": lambda value: isinstance(value, str),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}
LIMITS: dict[str, tuple[Callable[[Any, Any], bool], str]] = {
    "minimum": (operator.ge, "at least"),
    "exclusiveMinimum": (operator.gt, "above"),
    "maximum": (operator.le, "at most"),
    "exclusiveMaximum": (operator.lt, "below"),
}


@cache
def schema() -> dict[str, Any]:
    """The JSON schema of the whole configuration."""
    return yaml.load(SCHEMA.read_text(encoding="utf-8"), Loader=LOADER)


def section(name: str) -> dict[str, Any]:
    """The part of the schema that describes a section, such as `segment` or `encoding`."""
    return schema()["$defs"][name]


def section_in(part: Mapping[str, Any]) -> str | None:
    """The name of the section of settings that stands at a part of the schema, if one does."""
    name = part.get("$ref", "").rsplit("/", 1)[-1]
    return name if name and "properties" in section(name) else None


def types_of(part: Mapping[str, Any]) -> list[str]:
    """The JSON types that a value may have."""
    # Without one, an `enum` of words says what a value may be.
    named = part.get("type", "string")
    return [named] if isinstance(named, str) else list(named)


def defaults_of(name: str) -> dict[str, Any]:
    """All settings of a section with their defaults."""
    return with_defaults({}, section(name))


def with_defaults(value: Any, part: Mapping[str, Any]) -> Any:
    """A value of a part of the schema, with what is not set in it at its default."""
    part = resolved(part, value)
    if not isinstance(value, dict):
        return value
    filled = dict(value)
    for key, child in part.get("properties", {}).items():
        known = {**resolved(child, None), **child}
        if key not in filled and "default" in known:
            filled[key] = copy.deepcopy(known["default"])
        if key in filled:
            filled[key] = with_defaults(filled[key], child)
    others = part.get("additionalProperties")
    if isinstance(others, Mapping):
        for key in filled:
            if key not in part.get("properties", {}):
                filled[key] = with_defaults(filled[key], others)
    return filled


def resolved(part: Mapping[str, Any], value: Any) -> Mapping[str, Any]:
    """The part of the schema that is meant for a value, where it refers to a section."""
    if "$ref" in part:
        return section(part["$ref"].rsplit("/", 1)[1])
    if isinstance(value, dict):
        for choice in part.get("oneOf", []):
            if "$ref" in choice:
                return resolved(choice, value)
    return part


def broken_rule(value: Any, part: Mapping[str, Any]) -> str | None:
    """What a value must be and is not, such as "above 0"; None if nothing is wrong with it.

    This covers what single settings need, and agrees with a JSON schema validator on those.
    """
    return next(_broken_rules(value, part), None)


def _broken_rules(value: Any, part: Mapping[str, Any]) -> Iterator[str]:
    types = types_of(part)
    if not any(IS_OF_TYPE[name](value) for name in types):
        yield f"of type {' or '.join(types)}"
    elif "enum" in part and value not in part["enum"]:
        yield f"one of {', '.join(part['enum'])}"
    elif isinstance(value, str):
        if not re.search(part.get("pattern", ""), value):
            yield f"text that matches {part['pattern']}"
    elif isinstance(value, list):
        yield from _broken_rules_of_list(value, part)
    elif IS_OF_TYPE["number"](value):
        if not abs(value) < math.inf:
            yield "a finite number"
        for keyword, (holds, words) in LIMITS.items():
            if keyword in part and not holds(value, part[keyword]):
                yield f"{words} {part[keyword]}"


def _broken_rules_of_list(value: list, part: Mapping[str, Any]) -> Iterator[str]:
    if len(value) < part.get("minItems", 0):
        yield f"a list of at least {part['minItems']}"
    if len(value) > part.get("maxItems", len(value)):
        yield f"a list of at most {part['maxItems']}"
    if part.get("uniqueItems") and len(set(value)) < len(value):
        yield "a list without repeats"
    items = part.get("prefixItems") or [part["items"]] * len(value)
    for item, own in zip(value, items, strict=False):
        for rule in _broken_rules(item, own):
            yield f"a list of values that are {rule}"
