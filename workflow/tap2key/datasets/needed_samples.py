"""How much of a window has to be heard before it can be encoded."""

import math

from tap2key.datasets.encoding import Encoding
from tap2key.datasets.representations import FILTER_HALF_WIDTH


def samples_needed(encoding: Encoding) -> int:
    """How many samples from the onset on an encoding depends on; the rest may be silent."""
    array = encoding.array
    if encoding.crop_ms is None:
        return array.after
    if encoding.correlated:
        return min(array.samples(encoding.crop_ms[1]), array.after)
    # The anti-aliasing filter looks ahead; half a sample more for onsets between frames.
    frames = encoding.crop_ms[1] * encoding.sample_rate / 1000 + FILTER_HALF_WIDTH + 1
    return min(math.ceil(frames * array.sample_rate / encoding.sample_rate), array.after)
