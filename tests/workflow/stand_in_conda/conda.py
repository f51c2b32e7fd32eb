"""A stand-in for conda: just what Snakemake calls, with a plain virtual environment underneath.

It installs a YAML file's `pip:` section into an empty virtual environment of the Python that runs
it. That exercises Snakemake's own `--sdm conda` path and the pip pins. It solves nothing, ignores
channels, and does not show that conda can provide the Python and pip that the file names.
"""

import argparse
import json
import subprocess
import sys
import venv
from pathlib import Path

import yaml

PREFIX = Path(__file__).parent
VERSION = "24.7.1"  # the least that Snakemake accepts


def pip_requirements(environment: Path) -> list[str]:
    """The `pip:` section, after a check that nothing else is asked for than Python and pip."""
    found = []
    for entry in yaml.safe_load(environment.read_text(encoding="utf-8"))["dependencies"]:
        if isinstance(entry, dict):
            found += entry["pip"]
            continue
        name, version = entry.split("=", 1)
        if name == "python" and version.split(".")[:2] != sys.version.split(".")[:2]:
            sys.exit(f"stand-in conda: {entry}, but this is Python {sys.version.split()[0]}")
        if name not in ("python", "pip"):
            sys.exit(f"stand-in conda: cannot install {entry}")
    return found


def create(environment: Path, prefix: Path) -> None:
    """A virtual environment with what the YAML file pins, and nothing else."""
    requirements = pip_requirements(environment)
    venv.create(prefix, with_pip=True, symlinks=True)
    listed = prefix / "requirements.txt"
    listed.write_text("\n".join(requirements) + "\n", encoding="utf-8")
    # What is never imported need not be compiled.
    options = ("--quiet", "--no-compile", "--requirement", str(listed))
    subprocess.run([prefix / "bin" / "python", "-m", "pip", "install", *options], check=True)


def main() -> None:
    """Answer one of Snakemake's calls."""
    if sys.argv[1:] == ["--version"]:
        print(f"conda {VERSION}")
    elif sys.argv[1:] == ["info", "--json"]:
        print(json.dumps({"conda_prefix": str(PREFIX), "platform": "linux-64"}))
    elif sys.argv[1:] == ["config", "--get", "channel_priority", "--json"]:
        print(json.dumps({"get": {"channel_priority": "strict"}}))
    elif sys.argv[1:3] == ["clean", "-y"]:
        pass  # there are no packages of its own to throw away
    elif sys.argv[1:3] == ["env", "create"]:
        parser = argparse.ArgumentParser(prog="stand-in conda env create")
        parser.add_argument("--file", type=Path, required=True)
        parser.add_argument("--prefix", type=Path, required=True)
        for flag in ("--quiet", "--no-default-packages"):
            parser.add_argument(flag, action="store_true")
        args = parser.parse_args(sys.argv[3:])
        create(args.file, args.prefix)
    else:
        sys.exit(f"stand-in conda: does not know {sys.argv[1:]}")


if __name__ == "__main__":
    main()
