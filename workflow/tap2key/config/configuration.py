"""The configuration: one schema gives its defaults, its validation and its documentation."""

import copy
import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from tap2key.config.renamed_keys import RENAMED
from tap2key.core.errors import Tap2keyError
from tap2key.core.finite_numbers import NOT_FINITE, place_of_undefined
from tap2key.core.names import composed
from tap2key.core.path_variables import expanded
from tap2key.core.shipped import CONFIG, SCHEMA


@cache
def schema() -> dict[str, Any]:
    """The JSON schema of the whole configuration."""
    return yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))


def read_config(files: Sequence[Path]) -> dict[str, Any]:
    """The shipped configuration with each file put over it, as Snakemake's --configfile does.

    Raises:
        Tap2keyError: a file is missing or is not YAML with keys and values.
    """
    config: dict[str, Any] = {}
    for file in (CONFIG, *files):
        try:
            found = yaml.safe_load(file.read_text(encoding="utf-8"))
        except (OSError, ValueError, yaml.YAMLError) as error:
            reason = " ".join(str(error).split())
            raise Tap2keyError(f"{file}: not readable as YAML ({reason})") from None
        if not isinstance(found, dict):
            raise Tap2keyError(f"{file}: no keys with values in it; see config/README.md")
        config = merge(config, found)
    return config


def complete_config(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Validate a configuration, resolve what its experiments inherit and fill in all defaults.

    In every path `~` and environment variables are filled in, except `launch.stage_to`, whose
    variables are each node's own.

    Raises:
        Tap2keyError: an unknown key, a value of the wrong kind, a path that cannot be used, or an
            experiment that inherits from nothing or from itself.
    """
    config = copy.deepcopy(dict(raw))
    for name in config.get("experiments") or ():
        if not isinstance(name, str):
            raise Tap2keyError(f"config: experiments: write the name {name!r} in quotes")
    _validate(config, schema(), "config")
    config["experiments"] = {
        name: _inherited(name, config["experiments"]) for name in config["experiments"]
    }
    return _with_paths(_with_defaults(config, schema()), schema(), "config")


def complete_experiment(raw: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Validate one experiment's settings given by hand and fill in the defaults."""
    part = {**schema()["$defs"]["experiment"], "$defs": schema()["$defs"]}
    _validate(raw, part, where)
    return _with_paths(_with_defaults(dict(raw), part), part, where)


def selected(value: Any, names: Iterable[str] = ()) -> list[str] | None:
    """The names of a selection; None for `all`.

    Args:
        value: names in a list or separated by commas. One that YAML or Snakemake took for a number
            or a truth value, such as 001, means the name that is written so.
        names: all there are.

    Raises:
        Tap2keyError: a number may mean several names.
    """
    if value == "all":
        return None
    entries = value.split(",") if isinstance(value, str) else value
    entries = entries if isinstance(entries, list) else [entries]
    return [_meant(entry, names) for entry in entries]


def _meant(entry: Any, names: Iterable[str]) -> str:
    if isinstance(entry, str):
        return composed(entry.strip())
    written_so = [name for name in names if repr(entry) in map(repr, _readings(name))]
    if len(written_so) > 1:
        raise Tap2keyError(
            f"config: {entry!r} may mean {' or '.join(written_so)}; write the name in quotes, "
            f"in a list: ['{written_so[0]}']"
        )
    return written_so[0] if written_so else str(entry)


def _readings(name: str) -> Iterator[Any]:
    """What a name is taken for, unless it is in quotes: by Snakemake's --config, and by YAML."""
    for reading in (int, float, yaml.safe_load):
        try:
            yield reading(name)
        except (ValueError, yaml.YAMLError):
            continue


def choose(names: list[str], value: Any, key: str) -> list[str]:
    """Those of `names` that the configuration's `key` selects, in the order of `names`.

    Raises:
        Tap2keyError: a selected name does not exist, or none is selected.
    """
    wanted = selected(value, names)
    if wanted == []:
        raise Tap2keyError(f"config: {key}: selects nothing; available: {', '.join(names)}")
    for name in wanted or []:
        if name not in names:
            raise Tap2keyError(f"config: {key}: unknown {name!r}; available: {', '.join(names)}")
    return [name for name in names if wanted is None or name in wanted]


def merge(base: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with the keys of `change` put over it, mapping by mapping."""
    merged = dict(base)
    for key, value in change.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = merge(merged[key], value) if both else copy.deepcopy(value)
    return merged


def _inherited(name: str, experiments: Mapping[str, Any], seen: tuple[str, ...] = ()) -> dict:
    own = experiments[name]
    parent = own.get("inherit")
    if parent is None:
        return dict(own)
    if parent not in experiments or parent in (*seen, name):
        raise Tap2keyError(
            f"config: experiments.{name}: cannot inherit from {parent!r}; name another experiment"
        )
    return merge(_inherited(parent, experiments, (*seen, name)), own)


def _validate(value: Any, part: Mapping[str, Any], where: str) -> None:
    # No minimum or maximum of a schema refuses NaN; but a selection may name somebody "nan".
    if isinstance(value, Mapping):
        numbers = {key: v for key, v in value.items() if not str(key).startswith("select_")}
        undefined = place_of_undefined(numbers)
    else:
        undefined = place_of_undefined(value)
    if undefined is not None:
        raise Tap2keyError(f"{where}: {undefined}: {NOT_FINITE}")
    error = best_match(Draft202012Validator(part).iter_errors(value))
    if error is None:
        return
    path = ".".join(str(p) for p in error.absolute_path)
    place = f"{where}: {path}" if path else where
    if error.validator == "additionalProperties":
        known = list(error.schema.get("properties", {}))
        unknown = next(k for k in error.instance if k not in known)
        if unknown in RENAMED:
            raise Tap2keyError(f"{place}: {unknown} is now called {RENAMED[unknown]}; rename it")
        near = difflib.get_close_matches(str(unknown), known, n=1)
        advice = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
        raise Tap2keyError(f"{place}: unknown key {unknown!r}; {advice}")
    quotes = ""
    if error.validator == "type" and not isinstance(error.instance, dict | list | str | None):
        wanted = error.schema["type"]
        if "string" in ([wanted] if isinstance(wanted, str) else wanted):
            quotes = "; write it in quotes, and a folder of that name with ./ before it"
    raise Tap2keyError(f"{place}: {error.message}{quotes}")


def _with_paths(value: Any, part: Mapping[str, Any], where: str) -> Any:
    """The value with `~` and variables filled in wherever the schema says that a path stands."""
    if part.get("format") == "path":
        if isinstance(value, list):
            return [_usable_path(path, where) for path in value]
        return _usable_path(value, where) if isinstance(value, str) else value
    if not isinstance(value, dict):
        return value
    part = _resolved(part, value)
    others = part.get("additionalProperties")
    parts = {key: part.get("properties", {}).get(key, others) for key in value}
    return {
        key: _with_paths(child, parts[key], _inside(where, key)) if parts[key] else child
        for key, child in value.items()
    }


def _usable_path(path: str, where: str) -> str:
    full = expanded(path, where)
    if "{" in full or "}" in full:
        raise Tap2keyError(
            f"{where}: {full} has a brace, which Snakemake takes for a wildcard; rename it"
        )
    return full


def _inside(where: str, key: Any) -> str:
    return f"{where}: {key}" if where == "config" else f"{where}.{key}"


def _with_defaults(value: Any, part: Mapping[str, Any]) -> Any:
    part = _resolved(part, value)
    if not isinstance(value, dict):
        return value
    filled = dict(value)
    for key, child in part.get("properties", {}).items():
        known = {**_resolved(child, None), **child}
        if key not in filled and "default" in known:
            filled[key] = copy.deepcopy(known["default"])
        if key in filled:
            filled[key] = _with_defaults(filled[key], child)
    others = part.get("additionalProperties")
    if isinstance(others, Mapping):
        for key in filled:
            if key not in part.get("properties", {}):
                filled[key] = _with_defaults(filled[key], others)
    return filled


def _resolved(part: Mapping[str, Any], value: Any) -> Mapping[str, Any]:
    if "$ref" in part:
        return schema()["$defs"][part["$ref"].rsplit("/", 1)[1]]
    if isinstance(value, dict):
        for choice in part.get("oneOf", []):
            if "$ref" in choice:
                return _resolved(choice, value)
    return part
