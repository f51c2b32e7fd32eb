"""Paths as people write them in a configuration: `~` and variables of the environment."""

import os
import re
from pathlib import Path

from tap2key.core.errors import Tap2keyError

VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)\})", re.ASCII)


def expanded(path: str, where: str) -> str:
    """The path with `~` and variables such as `$SCRATCH` filled in.

    A path that nothing can be filled into, but which exists as it is, stays as it is.

    Args:
        path: as given.
        where: the key of the configuration that holds it, for the error.

    Raises:
        Tap2keyError: a variable is not set or empty, or there is no such user.
    """
    if "$" not in path and not path.startswith("~"):
        return path
    names = [match[1] or match[2] for match in VARIABLE.finditer(path)]
    unset = [name for name in names if not os.environ.get(name)]
    full = filled_in(path)
    nobody = full.startswith("~")
    if (unset or nobody) and Path(path).exists():
        return path
    if unset:
        raise Tap2keyError(f"{where} {path}: not set here (${unset[0]}); choose another folder")
    if nobody:
        raise Tap2keyError(f"{where} {path}: no such user; write the path out, or ./~… for a name")
    return full


def filled_in(path: str) -> str:
    """The path with what can be filled in; the rest stays as it is."""
    # A path object would lose a leading `./`, which tells a folder from a name.
    return os.path.expandvars(os.path.expanduser(path))  # noqa: PTH111
