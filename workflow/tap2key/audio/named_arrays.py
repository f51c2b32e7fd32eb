"""The arrays of a study: its own and further ones, by the names that study.tsv calls them."""

from collections.abc import Mapping
from typing import Any

from tap2key.audio.array import Array, array_of
from tap2key.core.errors import Tap2keyError

# What the study's own array is called, which `array` describes.
STUDYS_OWN = "array"


def arrays_of(config: Mapping[str, Any]) -> dict[str, Array]:
    """The arrays of a complete configuration by name, the study's own first.

    Raises:
        Tap2keyError: one of them cannot be, or has the own one's name.
    """
    if STUDYS_OWN in config["arrays"]:
        raise Tap2keyError(
            f"config: arrays.{STUDYS_OWN}: this name is the study's own array's, which the key "
            f"{STUDYS_OWN} describes; choose another name"
        )
    found = {STUDYS_OWN: array_of(config["array"])}
    for name, own in config["arrays"].items():
        try:
            found[name] = array_of(own)
        except Tap2keyError as error:
            raise Tap2keyError(f"config: arrays.{name}: {error}") from None
    return found
