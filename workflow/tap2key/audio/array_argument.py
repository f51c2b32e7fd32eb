"""The array on a command line, for the stages that read or make recordings."""

import argparse
import json

from tap2key.audio.array import DEFAULT, Array, array_of_text


def add_array(
    parser: argparse.ArgumentParser,
    default: Array | None = DEFAULT,
    otherwise: str = "8 channels at 96 kHz",
) -> None:
    """Declare the argument that says what a session was recorded with.

    Args:
        parser: of a stage.
        default: the array without it.
        otherwise: what that is, for the help.
    """
    parser.add_argument(
        "--array",
        type=array_of_text,
        default=default,
        metavar="JSON",
        help='what was recorded with, such as {"channels": 6, "sample_rate": 44100}: an array of '
        f"the configuration (default: {otherwise})",
    )


def stated_array(array: Array) -> list[str]:
    """The argument by which a stage gets an array that it would not take by itself."""
    return ["--array", json.dumps(array.as_dict())]


def array_options(array: Array) -> list[str]:
    """The argument by which a stage gets an array; the default one needs none."""
    return [] if array == DEFAULT else stated_array(array)
