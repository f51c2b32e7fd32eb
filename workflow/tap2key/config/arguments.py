"""Settings of the configuration as options of a command line: what the schema says, and no more.

A setting `key_with_words` of a section is the option `--key-with-words`, one in a section inside it
`--inner-key-with-words`. Stages declare the sections that they need, and rules hand them over:

    add_settings(parser, "segment")                # in a stage's add_arguments
    settings_of(args, "segment")                   # in its main
    options_of("segment", config["segment"])       # in a rule
"""

import argparse
import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tap2key.config.schema import broken_rule, section, section_in, types_of
from tap2key.core.errors import Tap2keyError
from tap2key.core.finite_numbers import loads

NULL = "null"
CONVERT: dict[str, Callable[[str], Any]] = {
    "integer": int,
    "number": float,
    "string": str,
    "object": loads,
}


@dataclass(frozen=True)
class Setting:
    """One setting: its keys from the section on, and what the schema says of it."""

    keys: tuple[str, ...]
    part: Mapping[str, Any]

    @property
    def option(self) -> str:
        """Its name on a command line."""
        return "--" + "-".join(self.keys).replace("_", "-")

    @property
    def attribute(self) -> str:
        """Its name in what argparse returns."""
        return "_".join(self.keys)

    @property
    def types(self) -> list[str]:
        """The JSON types that its value may have."""
        return types_of(self.part)


def settings_in(name: str, only: Collection[str] | None = None) -> Iterator[Setting]:
    """The settings of a section, and of the sections in it, in the schema's order.

    Args:
        name: the section.
        only: the keys to take; None for all.
    """
    for key, part in section(name)["properties"].items():
        if only is not None and key not in only:
            continue
        inner = section_in(part)
        if inner is None:
            yield Setting((key,), part)
        else:
            for setting in settings_in(inner):
                yield Setting((key, *setting.keys), setting.part)


def add_settings(
    parser: argparse.ArgumentParser, name: str, only: Collection[str] | None = None
) -> None:
    """Declare an option for every setting of a section, with its default and its description."""
    for setting in settings_in(name, only):
        default = setting.part["default"]
        description = " ".join(setting.part["description"].split())
        parser.add_argument(
            setting.option,
            dest=setting.attribute,
            default=default,
            help=f"{description} (default: {_text(default)})".replace("%", "%%"),
            **_declared(setting),
        )


def settings_of(
    args: argparse.Namespace, name: str, only: Collection[str] | None = None
) -> dict[str, Any]:
    """A section's settings, as the configuration has them, from a parsed command line.

    Raises:
        Tap2keyError: a value that the schema refuses, by the name of its option.
    """
    found: dict[str, Any] = {}
    for setting in settings_in(name, only):
        value = getattr(args, setting.attribute)
        rule = broken_rule(value, setting.part)
        if rule is not None:
            raise Tap2keyError(f"{setting.option} is {_text(value)}; it must be {rule}")
        place = found
        for key in setting.keys[:-1]:
            place = place.setdefault(key, {})
        place[setting.keys[-1]] = value
    return found


def options_of(
    name: str, settings: Mapping[str, Any], only: Collection[str] | None = None
) -> list[str]:
    """The arguments by which a stage gets the settings of a section.

    Args:
        name: the section.
        settings: its settings. Those that are missing or at their default need no argument.
        only: the keys to hand over; None for all.
    """
    options: list[str] = []
    for setting in settings_in(name, only):
        value: Any = settings
        for key in setting.keys[:-1]:
            value = value.get(key, {})
        value = value.get(setting.keys[-1], setting.part["default"])
        if value != setting.part["default"]:
            options += _written(setting, value)
    return options


def _written(setting: Setting, value: Any) -> list[str]:
    if isinstance(value, bool):
        return [setting.option if value else setting.option.replace("--", "--no-", 1)]
    if isinstance(value, list):
        return [setting.option, *map(_text, value)]
    # In one argument, so that a value may begin with a minus.
    return [f"{setting.option}={_text(value)}"]


def _text(value: Any) -> str:
    """A value as `_declared` reads it back."""
    if isinstance(value, float):
        # Not 1e-05: argparse takes -1e-05 for an option.
        return format(Decimal(repr(value)), "f")
    if isinstance(value, list):
        return " ".join(map(_text, value)) or "none"
    return (
        value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
    )


def _declared(setting: Setting) -> dict[str, Any]:
    """How argparse reads a setting."""
    part, name = setting.part, setting.keys[-1].upper()
    if "boolean" in setting.types:
        return {"action": argparse.BooleanOptionalAction}
    if "enum" in part:
        return {"choices": part["enum"]}
    if "array" not in setting.types:
        metavar = "JSON" if "object" in setting.types else name
        return {"type": _reader(setting, part), "metavar": metavar}
    if "prefixItems" in part:
        items = part["prefixItems"]
        names = tuple(item["title"].upper() for item in items)
        return {"type": _reader(setting, items[0]), "nargs": len(items), "metavar": names}
    return {"type": _reader(setting, part["items"]), "nargs": "*", "metavar": name}


def _reader(setting: Setting, part: Mapping[str, Any]) -> Callable[[str], Any]:
    """What turns the text of a setting, or of one of its list, into a value."""
    types = types_of(part)
    kind = next(name for name in types if name != NULL)
    convert = CONVERT[kind]

    def read(text: str) -> Any:
        if text == NULL and NULL in types:
            return None
        try:
            return convert(text)
        except ValueError as error:
            raise Tap2keyError(
                f"{setting.option}: {text!r} is not of type {kind} ({error})"
            ) from None

    return read
