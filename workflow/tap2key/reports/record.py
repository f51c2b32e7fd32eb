"""Stage `record`: what a run took, and with which settings, packages and code it was made."""

import argparse
import json
import platform
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import yaml

from tap2key.core.code_hash import PACKAGE_ROOT
from tap2key.core.digests import digest, fingerprint
from tap2key.core.folders import atomic_folder
from tap2key.core.html_tables import write_table
from tap2key.core.log import log
from tap2key.core.output_guard import check_output_folder
from tap2key.core.provenance import write_provenance
from tap2key.reports.benchmarks import runtime_rows

RUNTIME_COLUMNS = (
    *("rule", "jobs", "total_s", "median_s", "longest_s", "longest_job"),
    *("most_memory_mb", "mean_load_percent"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the stage's command line."""
    parser.add_argument(
        "--benchmarks", type=Path, required=True, help="folder of Snakemake's benchmark tables"
    )
    parser.add_argument(
        "--config", required=True, help="the complete configuration, as JSON; - for standard input"
    )
    parser.add_argument("--snakemake", required=True, help="version of Snakemake")
    parser.add_argument("--output", type=Path, required=True, help="folder for the tables")


def main(args: argparse.Namespace) -> None:
    """Write config.yaml and the tables runtime, config and versions."""
    check_output_folder(args, "record")
    config = json.loads(sys.stdin.read() if args.config == "-" else args.config)
    with atomic_folder(args.output, "record") as temporary:
        write_table(
            temporary / "runtime",
            runtime_rows(args.benchmarks),
            RUNTIME_COLUMNS,
            "Time and memory of each rule",
            "Wall-clock seconds and the most resident memory of any job; a load of 100 is one core "
            "in full use. Jobs shorter than Snakemake's sampling have no memory figure. Jobs of "
            "earlier runs into the same folder count too.",
        )
        (temporary / "config.yaml").write_text(
            yaml.safe_dump(config, sort_keys=False, allow_unicode=True), encoding="utf-8"
        )
        write_table(
            temporary / "config",
            [{"key": key, "value": value} for key, value in flattened(config)],
            ("key", "value"),
            "The configuration, complete",
            "Every key with the value that was used, defaults and inherited ones filled in; "
            "config.yaml beside this table can be given to --configfile.",
        )
        write_table(
            temporary / "versions",
            [{"what": what, "version": version} for what, version in versions(args.snakemake)],
            ("what", "version"),
            "Versions",
            "The code's revision, then every installed package.",
        )
        write_provenance(temporary, "record", __name__, {"snakemake": args.snakemake}, [], ())
    log.info(f"{args.output}: runtime, configuration and versions")


def flattened(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Nested mappings as pairs of a dotted key and its value as YAML would have it."""
    if isinstance(value, dict) and value:
        for name, part in value.items():
            yield from flattened(part, f"{key}.{name}" if key else str(name))
    else:
        yield key, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def versions(snakemake: str) -> Iterator[tuple[str, str]]:
    """What and which version: the code, Python, the machine's kind, Snakemake, each package."""
    yield "tap2key, revision", revision(PACKAGE_ROOT)
    yield "tap2key, hash of the code", hash_of_all_code()
    yield "Python", platform.python_version()
    yield "system", platform.platform()
    yield "snakemake", snakemake
    installed = {d.metadata["Name"]: d.version for d in metadata.distributions()}
    yield from sorted(
        ((name, version) for name, version in installed.items() if name != "snakemake"),
        key=lambda pair: pair[0].lower(),
    )


def hash_of_all_code() -> str:
    """A hash of every file of code in this package, comments included."""
    files = sorted(PACKAGE_ROOT.rglob("*.py"))
    return digest({str(path.relative_to(PACKAGE_ROOT)): fingerprint(path) for path in files})


def revision(folder: Path) -> str:
    """The revision of the checkout that holds `folder`, or that it is none."""
    try:
        found = subprocess.run(
            ["git", "-C", str(folder), "describe", "--always", "--dirty", "--tags", "--abbrev=12"],
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
        )
    except (OSError, subprocess.SubprocessError):
        return "not a git checkout; see the hash"
    return found.stdout.strip()
