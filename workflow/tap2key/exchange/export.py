"""Stage `export`: taps, folds and models for people and programs that do not use this pipeline."""

import argparse
from pathlib import Path

from tap2key.core.errors import Tap2keyError
from tap2key.core.output_guard import check_output_files, check_output_folder

OF_FOLD = ("fold", "datasets", "test_datasets", "no_oversample")
OPTIONS = ("taps", *OF_FOLD, "model", "allow_other_version")
# What each kind of export needs and may have beside --output.
NEEDED = {
    "layout": {"taps"},
    "arrays": {"fold", "datasets"},
    "paths": {"taps"},
    "onnx": set(),
}
ALLOWED = {
    "layout": {"taps"},
    "arrays": {*OF_FOLD, "model", "allow_other_version"},
    "paths": {"taps", "fold", "no_oversample"},
    "onnx": {"allow_other_version"},
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the stage's command line."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--layout",
        choices=["prototype"],
        help="write labels, one wav per tap and pictures as older scripts have them (needs --taps)",
    )
    what.add_argument(
        "--dataset",
        nargs="?",
        const="arrays",
        choices=["arrays", "paths"],
        help="write a fold as a Hugging Face DatasetDict that needs nothing else (--fold, "
        "--datasets, --test-datasets); with 'paths', where each window is and its label, without "
        "audio (--taps, and --fold to split it)",
    )
    what.add_argument("--onnx", type=Path, metavar="MODEL", help="write a model's folder as ONNX")
    parser.add_argument("--taps", type=Path, nargs="+", help="taps folders")
    parser.add_argument("--fold", type=Path, help="a fold's folder")
    parser.add_argument("--datasets", type=Path, nargs="+", help="the fold's training datasets")
    parser.add_argument(
        "--test-datasets", type=Path, nargs="+", help="datasets of the held-out participants"
    )
    parser.add_argument("--no-oversample", action="store_true", help="each training tap once")
    parser.add_argument(
        "--model", type=Path, help="cut the rows of --dataset as this model's folder takes them"
    )
    parser.add_argument(
        "--allow-other-version",
        action="store_true",
        help="accept a model made with another version of its library",
    )
    parser.add_argument("--output", type=Path, required=True, help="a folder; for ONNX, a file")


def main(args: argparse.Namespace) -> None:
    """Write what was asked for."""
    kind = "layout" if args.layout else "onnx" if args.onnx is not None else args.dataset
    given = {name for name in OPTIONS if getattr(args, name)}
    asked = {"layout": "--layout prototype", "onnx": "--onnx"}.get(kind, f"--dataset {kind}")
    for names, words in ((NEEDED[kind] - given, "needs"), (given - ALLOWED[kind], "does not take")):
        if names:
            flags = ", ".join(f"--{name.replace('_', '-')}" for name in sorted(names))
            raise Tap2keyError(f"export {asked} {words} {flags}; see export --help")
    if kind == "onnx":
        check_output_files(args)
    else:
        check_output_folder(args, "export")
    # Only the chosen export is imported: torch alone takes seconds to load.
    if kind == "layout":
        from tap2key.exchange.export_prototype import export_prototype

        export_prototype(args.taps, args.output)
    elif kind == "arrays":
        from tap2key.exchange.export_dataset import export_arrays

        export_arrays(
            *(args.fold, args.datasets, args.test_datasets, args.output, args.no_oversample),
            *(args.model, args.allow_other_version),
        )
    elif kind == "paths":
        from tap2key.exchange.export_dataset import export_paths

        export_paths(args.taps, args.fold, args.output, args.no_oversample)
    else:
        from tap2key.exchange.export_onnx import export_onnx

        export_onnx(args.onnx, args.output, args.allow_other_version)
