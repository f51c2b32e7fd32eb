"""What the user may choose of segmentation on a command line, for the stages that segment."""

import argparse
import math
from pathlib import Path

from tap2key.core.errors import Tap2keyError
from tap2key.core.shipped import KEYBOARD
from tap2key.segmentation.session import Settings
from tap2key.study.study_table import LONGEST_LATENCY_S


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments that `settings_from` reads, and the keyboard."""
    parser.add_argument("--keyboard", type=Path, default=KEYBOARD, help="label,x,y of every key")
    parser.add_argument(
        "--selectivity",
        type=float,
        default=Settings.selectivity_s,
        metavar="SECONDS",
        help="a tap and its touch are at most this far apart, after clock correction",
    )
    parser.add_argument(
        "--latency",
        type=float,
        metavar="SECONDS",
        help="pin the latency of all recordings, about -0.14 (default: estimate each)",
    )
    parser.add_argument(
        "--peak-height",
        "--peak_height",
        type=float,
        metavar="X",
        help="ignore taps whose high-passed signal stays below X of full scale "
        "(default: the recording's noise decides)",
    )
    parser.add_argument(
        "--none",
        choices=("keep", "drop"),
        default="keep",
        help="taps outside every key: keep them as the class none, or drop them",
    )
    parser.add_argument(
        "--strict", action="store_true", help="a recording that must be left out is an error"
    )


def settings_from(args: argparse.Namespace) -> Settings:
    """What the user chose on the command line.

    Raises:
        Tap2keyError: a value cannot be used.
    """
    if not 0 < args.selectivity < math.inf:
        raise Tap2keyError(f"--selectivity is {args.selectivity}; give seconds above 0")
    if args.latency is not None and not abs(args.latency) <= LONGEST_LATENCY_S:
        raise Tap2keyError(
            f"--latency is {args.latency}; give seconds, at most {LONGEST_LATENCY_S:g} either way "
            "(about -0.14)"
        )
    return Settings(
        selectivity_s=args.selectivity,
        latency_s=args.latency,
        peak_height=args.peak_height,
        keep_none=args.none == "keep",
        strict=args.strict,
    )
