"""Stage `config`: print what every key of the configuration means, from the schema."""

import argparse
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from tap2key.config.schema import schema

HEADING = """# The configuration

`config.yaml` holds every key with its default. Put your own values into a second file and give it
with `--configfile`, or single values with `--config key=value`; an unknown key is an error. A value
of an experiment that is not given comes from the experiment it inherits from, else from
`experiment_defaults`. The experiments of `config.yaml` are fixed: give your own other names, and
let them inherit.

This page is printed by `python -m tap2key config`.
"""
TITLES = {
    "array": "`array`: what the study was recorded with",
    "simulate": "`simulate`: a simulated study",
    "truth": "`truth`: when which key was struck",
    "segment": "`segment`: taps and labels",
    "launch": "`launch`: processes of a training job",
    "comparisons": "`comparisons`: which differences are tested",
    "family": "`comparisons.families.<name>`",
    "decode": "`decode`: from taps to text",
    "predict": "`predict`: new recordings",
    "experiment": "`experiments.<name>` and `experiment_defaults`",
    "svm": "`experiments.<name>.svm`",
    "encoding": "`experiments.<name>.encoding`",
    "predefined": "`experiments.<name>.predefined`",
    "validation": "`experiments.<name>.validation`",
    "model": "`experiments.<name>.model`",
    "augmentation": "`experiments.<name>.augmentation`",
    "training": "`experiments.<name>.training`",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The stage has no arguments."""


def main(args: argparse.Namespace) -> None:
    """Print the page."""
    print(documentation(), end="")


def documentation() -> str:
    """Every key, its default and its meaning, as Markdown."""
    parts = [HEADING, "\n".join(_table(schema()))]
    for name, title in TITLES.items():
        parts.append(f"## {title}\n")
        parts.append("\n".join(_table(schema()["$defs"][name])))
    return "\n".join(parts)


def _table(part: Mapping[str, Any]) -> Iterator[str]:
    yield "| key | default | meaning |"
    yield "|---|---|---|"
    for key, child in part["properties"].items():
        known = schema()["$defs"][child["$ref"].rsplit("/", 1)[1]] if "$ref" in child else {}
        choices = child.get("enum") or []
        meaning = " ".join(child.get("description", "").split())
        if choices:
            meaning += f" One of {', '.join(f'`{choice}`' for choice in choices)}."
        default = child.get("default", known.get("default"))
        nested = isinstance(default, dict) and not default and known
        shown = "see below" if nested or key == "experiments" else f"`{_yaml(default)}`"
        cells = (f"`{key}`", shown, meaning)
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
    yield ""


def _yaml(value: Any) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, width=1000)
    return text.replace("...", "").strip()
