"""The onset of one tap: its first arrival at any microphone, to a few hundredths of a ms."""

from dataclasses import dataclass

import numpy as np

from tap2key.signal.filters import high_pass

# Below this there is hum and room noise; above it even a soft fingertip has a sharp front.
CUTOFF_HZ = 500.0
# A section begins 30 ms before the coarse onset and ends 10 ms after it; the onset is looked for
# from 5 ms before the coarse one, and the noise is measured up to there.
BEFORE, AFTER = 2880, 960
SEARCH = 480
SETTLING = 480
NOISE_PIECE = 240

ABOVE_NOISE = 6.0
# Inside a cough the noise may reach so high that only the top of the tap stands out of it.
NEVER_ABOVE_PEAK = 0.7
# Relative to the channel's own loudest sample, so that a loud tap is not dated earlier than a soft
# one, by a precursor that the soft one hides in the noise.
SHARE_OF_PEAK = 0.08
# The loudest of 15 ms of steady noise is about 3.5 times its root mean square.
HEARD_ABOVE_NOISE = 4.0
HEARD_OF_CLEAREST = 0.25
AS_GOOD_AS = np.float32(0.997)


@dataclass(frozen=True)
class Onset:
    """`sample` counts from the section's start; `peak` is the loudest high-passed sample (full
    scale 1.0); `channels` is how many microphones heard the tap; `threshold` is what the
    high-passed signal had to exceed at the microphone that it reached first; `each` is what every
    channel did meanwhile.
    """

    sample: int
    peak: float
    channels: int
    threshold: float
    each: "EachChannel"


@dataclass(frozen=True)
class EachChannel:
    """A tap as each channel has it; every field is [8].

    `arrival` counts samples from the section's start and means something where the channel heard
    the tap; `peak` and `noise` are the loudest sample and the root mean square before the tap,
    both high-passed; `highest` and `lowest` are raw samples of the tap, `highest_before` and
    `lowest_before` of what was before it; `highest_held` and `lowest_held` count the tap's samples
    that are as good as there.
    """

    arrival: np.ndarray
    peak: np.ndarray
    noise: np.ndarray
    highest: np.ndarray
    lowest: np.ndarray
    highest_before: np.ndarray
    lowest_before: np.ndarray
    highest_held: np.ndarray
    lowest_held: np.ndarray


def pick_onset(section: np.ndarray) -> Onset:
    """Find where the signal of any channel first leaves both noise and precursor behind.

    Each channel's noise is the median of its root mean squares over pieces of 2.5 ms before the
    tap, so the tail of an earlier tap counts as noise and a crackle does not.

    Args:
        section: [`BEFORE` + `AFTER`, 8] raw samples around the coarse onset, float32.
    """
    raw = np.ascontiguousarray(section.T)
    signal = np.abs(high_pass(raw, CUTOFF_HZ))
    first = BEFORE - SEARCH
    pieces = signal[:, SETTLING:first].reshape(len(signal), -1, NOISE_PIECE)
    noise = np.sqrt(np.median(np.mean(np.square(pieces), axis=2), axis=1))
    part = signal[:, first:]
    peak = part.max(axis=1)
    contrast = peak / np.maximum(noise, np.finfo(np.float32).tiny)
    heard = contrast >= HEARD_ABOVE_NOISE
    clear = heard & (contrast >= HEARD_OF_CLEAREST * contrast.max())
    threshold = np.minimum(ABOVE_NOISE * noise, NEVER_ABOVE_PEAK * peak)
    threshold = np.maximum(threshold, SHARE_OF_PEAK * peak)
    arrivals = (part > threshold[:, None]).argmax(axis=1)
    before, tap = raw[:, :first], raw[:, first:]
    highest, lowest = tap.max(axis=1), tap.min(axis=1)
    each = EachChannel(
        first + arrivals,
        peak,
        noise,
        highest,
        lowest,
        before.max(axis=1),
        before.min(axis=1),
        np.count_nonzero(tap >= AS_GOOD_AS * highest[:, None], axis=1),
        np.count_nonzero(tap <= AS_GOOD_AS * lowest[:, None], axis=1),
    )
    if not clear.any():
        return Onset(BEFORE, float(peak.max()), 0, np.inf, each)
    nearest = np.flatnonzero(clear)[arrivals[clear].argmin()]
    return Onset(
        first + int(arrivals[nearest]),
        float(peak.max()),
        int(heard.sum()),
        float(threshold[nearest]),
        each,
    )
