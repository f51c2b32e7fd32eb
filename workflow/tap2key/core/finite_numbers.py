"""Numbers in files are finite: JSON as its standard has it, without NaN and Infinity."""

import json
import math
from collections.abc import Iterable, Mapping
from numbers import Real
from typing import Any

NOT_FINITE = "is not a finite number"


def loads(text: str) -> Any:
    """The value of JSON text.

    Raises:
        ValueError: it is not JSON, or holds a number that is not finite.
    """
    return json.loads(text, parse_constant=_refused, parse_float=_finite)


def is_undefined(value: object) -> bool:
    """Whether a value is NaN or infinite."""
    return isinstance(value, Real) and not math.isfinite(value)


def place_of_undefined(value: Any) -> str | None:
    """Where in nested mappings and lists a number is not finite, as `key.0.key`; None if nowhere.

    Of a number itself the place is empty.
    """
    if is_undefined(value):
        return ""
    if isinstance(value, Mapping):
        children: Iterable[tuple[Any, Any]] = value.items()
    elif isinstance(value, list | tuple):
        children = enumerate(value)
    else:
        return None
    for key, child in children:
        place = place_of_undefined(child)
        if place is not None:
            return f"{key}.{place}" if place else str(key)
    return None


def _refused(constant: str) -> Any:
    raise ValueError(f"{constant} {NOT_FINITE}")


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _refused(text)
