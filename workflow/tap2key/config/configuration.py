"""The configuration: one schema gives its defaults, its validation and its documentation."""

import copy
import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from tap2key.config.experiments import complete_experiments, merge
from tap2key.config.renamed_keys import new_key, new_value, renamed_experiment
from tap2key.config.schema import resolved, schema, section, with_defaults
from tap2key.core.errors import Tap2keyError
from tap2key.core.finite_numbers import NOT_FINITE, place_of_undefined
from tap2key.core.names import composed
from tap2key.core.path_variables import expanded
from tap2key.core.shipped import CONFIG, SHIPPED_NAMES

OF_CHANNELS = ("groups", "positions_mm", "ignore")
NAMING_EXPERIMENTS = ("select_experiments", "predict.experiment")


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
            raise Tap2keyError(f"{file}: not a mapping of keys to values; see config/README.md")
        config = merge(config, found)
    return config


def in_module(given: Mapping[str, Any], prefix: str | None) -> dict[str, Any]:
    """The configuration of a module: what is given, put over the shipped one.

    Args:
        given: by the Snakefile that uses the module.
        prefix: the folder that the module's outputs shall lie in. Then all paths become absolute,
            results below that folder, since what is read stays where it is.
    """
    config = merge(read_config([]), given)
    if prefix is None:
        return config
    results = Path(prefix, expanded(config["results"], "config: results")).absolute()
    return {**_with_paths(config, schema(), "config", absolute_file), "results": str(results)}


def absolute_file(path: str, where: str) -> str:
    """A path that exists as an absolute one; any other may be a name, and stays.

    So does what the setting takes for a shipped file's name, whatever the current folder holds.
    """
    shipped = SHIPPED_NAMES.get(where.removeprefix("config: "), ())
    return str(Path(path).absolute()) if path not in shipped and Path(path).exists() else path


def _as_it_is(path: str, where: str) -> str:
    return path


def complete_config(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Validate a configuration, resolve what its experiments inherit and fill in all defaults.

    In every path `~` and environment variables are filled in, except `launch.stage_to`, whose
    variables are each node's own.

    Raises:
        Tap2keyError: an unknown key, a value of the wrong kind, a path that cannot be used, or an
            experiment that cannot be; see `complete_experiments`.
    """
    config = copy.deepcopy(dict(raw))
    for part in ("experiments", "characters", "arrays"):
        for name in config.get(part) or ():
            if not isinstance(name, str):
                raise Tap2keyError(f"config: {part}: write the name {name!r} in quotes")
    _validate(config, schema(), "config")
    if config.get("experiment_defaults", {}).get("inherit") is not None:
        raise Tap2keyError(
            "config: experiment_defaults.inherit: only experiments inherit; remove it"
        )
    config["arrays"] = {
        name: _completed(own, config.get("array", {}))
        for name, own in config.get("arrays", {}).items()
    }
    config = with_defaults(config, schema())
    config["experiments"] = complete_experiments(raw["experiments"], config["experiment_defaults"])
    return _with_paths(config, schema(), "config")


def _completed(own: Mapping[str, Any], study: Mapping[str, Any]) -> dict[str, Any]:
    """An array of the configuration with what it does not state as in the study's own.

    What is said of single channels holds for as many channels only.
    """
    usual = section("array")["properties"]["channels"]["default"]
    same = own.get("channels", study.get("channels", usual)) == study.get("channels", usual)
    return {key: v for key, v in study.items() if same or key not in OF_CHANNELS} | dict(own)


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
            advice = renamed_experiment(name) if key in NAMING_EXPERIMENTS else ""
            advice = advice or f"available: {', '.join(names)}"
            raise Tap2keyError(f"config: {key}: unknown {name!r}; {advice}")
    return [name for name in names if wanted is None or name in wanted]


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
        new = new_key(_section(error.schema), unknown)
        if new is not None:
            raise Tap2keyError(f"{place}: {unknown} is now called {new}; rename it")
        near = difflib.get_close_matches(str(unknown), known, n=1)
        advice = f"did you mean {near[0]!r}?" if near else f"available: {', '.join(known)}"
        raise Tap2keyError(f"{place}: unknown key {unknown!r}; {advice}")
    if error.validator == "enum":
        new = new_value(str(error.absolute_path[-1]) if error.absolute_path else "", error.instance)
        if new is not None:
            raise Tap2keyError(f"{place}: {error.instance} is now called {new}; rename it")
    quotes = ""
    if error.validator == "type" and not isinstance(error.instance, dict | list | str | None):
        wanted = error.schema["type"]
        if "string" in ([wanted] if isinstance(wanted, str) else wanted):
            quotes = "; write it in quotes, and a folder of that name with ./ before it"
    raise Tap2keyError(f"{place}: {error.message}{quotes}")


def _section(part: Mapping[str, Any]) -> str:
    """The section that a part of the schema describes; "" is the top level."""
    sections = schema()["$defs"].items()
    return next((name for name, s in sections if s.get("properties") is part["properties"]), "")


def _with_paths(
    value: Any,
    part: Mapping[str, Any],
    where: str,
    change: Callable[[str, str], str] = _as_it_is,
) -> Any:
    """The value with `~` and variables filled in wherever the schema says that a path stands.

    Each such path is then also changed, by a function of it and of where it stands.
    """
    if part.get("format") == "path":
        if isinstance(value, list):
            return [change(_usable_path(path, where), where) for path in value]
        return change(_usable_path(value, where), where) if isinstance(value, str) else value
    if not isinstance(value, dict):
        return value
    part = resolved(part, value)
    others = part.get("additionalProperties")
    parts = {key: part.get("properties", {}).get(key, others) for key in value}
    return {
        key: _with_paths(child, parts[key], _inside(where, key), change) if parts[key] else child
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
