"""Read the numbers that fix how difficult a study is."""

from pathlib import Path
from typing import Any

import yaml

from tap2key.core.errors import Tap2keyError
from tap2key.core.shipped import DIFFICULTY

Difficulty = dict[str, dict[str, Any]]


def load_difficulty(path: str | Path | None = None) -> Difficulty:
    """Read a difficulty file; None is the shipped one.

    Raises:
        Tap2keyError: the file is unreadable, or does not have exactly the shipped file's keys with
            the same kinds of values (number, or list of as many numbers).
    """
    shipped = _read(DIFFICULTY)
    if path is None:
        return shipped
    given = _read(Path(path))
    _compare(str(path), given, shipped)
    return given


def _read(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise Tap2keyError(f"{path}: difficulty file not readable ({error})") from None
    except yaml.YAMLError as error:
        problem = " ".join(str(error).split())
        raise Tap2keyError(f"{path}: difficulty file is not valid YAML ({problem})") from None


def _compare(where: str, given: Any, shipped: Any) -> None:
    if isinstance(shipped, dict):
        if not isinstance(given, dict):
            raise Tap2keyError(f"{where}: must be a section with {', '.join(shipped)}")
        for key in [*shipped, *given]:
            if key not in given:
                raise Tap2keyError(f"{where}: {key} is missing; copy it from {DIFFICULTY.name}")
            if key not in shipped:
                raise Tap2keyError(f"{where}: unknown key {key}; remove it")
            _compare(f"{where}: {key}", given[key], shipped[key])
    elif isinstance(shipped, list):
        if not isinstance(given, list) or len(given) != len(shipped):
            raise Tap2keyError(f"{where}: must be a list of {len(shipped)} numbers")
        if not all(_is_number(value) for value in given):
            raise Tap2keyError(f"{where}: must be a list of {len(shipped)} numbers")
        if len(given) == 2 and given[0] > given[1]:
            raise Tap2keyError(f"{where}: the range ends before it begins; swap its numbers")
    elif not _is_number(given):
        raise Tap2keyError(f"{where}: must be a number")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
