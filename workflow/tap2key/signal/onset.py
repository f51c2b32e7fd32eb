"""The onset of one tap: its first arrival at any microphone, to a few hundredths of a ms."""

from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from tap2key.signal.filters import high_pass

# Below this there is hum and room noise; above it even a soft fingertip has a sharp front.
CUTOFF_HZ = 500.0
# The filter rings for so long.
SETTLING_MS = 5.0
NOISE_PIECE_MS, NOISE_PIECES = 2.5, 8
# The onset is looked for so long before the coarse one, and the tap after it.
SEARCH_MS, TAP_MS = 5.0, 10.0
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
TINY = np.finfo(np.float32).tiny
# In a clip of one tap: where its energy over 2 ms first comes near its greatest.
CLIP_HOP_MS, CLIP_SMOOTH_HOPS, NEAR_GREATEST = 0.25, 8, 0.25


@dataclass(frozen=True)
class Section:
    """How the sound around a coarse onset is divided, in samples.

    The filter settles, the noise is measured in `NOISE_PIECES` pieces, then the onset is looked
    for; `before` is all of that up to the coarse onset, `after` what follows it.
    """

    settling: int
    noise_piece: int
    before: int
    after: int

    @property
    def first(self) -> int:
        """Where the onset is looked for from."""
        return self.settling + NOISE_PIECES * self.noise_piece


@cache
def section_at(sample_rate: int) -> Section:
    """The division of sections at a rate in Hz: 30 ms before the coarse onset and 10 ms after."""
    settling, piece, search, tap = (
        round(ms * sample_rate / 1000) for ms in (SETTLING_MS, NOISE_PIECE_MS, SEARCH_MS, TAP_MS)
    )
    return Section(settling, piece, settling + NOISE_PIECES * piece + search, tap)


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
    """A tap as each channel has it; every field is [channels].

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


def pick_onset(section: np.ndarray, sample_rate: int) -> Onset:
    """Find where the signal of any channel first leaves both noise and precursor behind.

    Each channel's noise is the median of its root mean squares over pieces of 2.5 ms before the
    tap, so the tail of an earlier tap counts as noise and a crackle does not.

    Args:
        section: [before + after, channels] raw samples around the coarse onset, float32, divided
            as `section_at` says.
        sample_rate: in Hz.
    """
    parts = section_at(sample_rate)
    raw = np.ascontiguousarray(section.T)
    signal = np.abs(high_pass(raw, CUTOFF_HZ, sample_rate))
    first = parts.first
    pieces = signal[:, parts.settling : first].reshape(len(signal), -1, parts.noise_piece)
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
        return Onset(parts.before, float(peak.max()), 0, np.inf, each)
    nearest = np.flatnonzero(clear)[arrivals[clear].argmin()]
    return Onset(
        first + int(arrivals[nearest]),
        float(peak.max()),
        int(heard.sum()),
        float(threshold[nearest]),
        each,
    )


def onset_in_clip(clip: np.ndarray, sample_rate: int, given: int | None = None) -> Onset:
    """The onset of the one tap in a clip; `channels` is 0 where there is none.

    A clip may begin so shortly before its tap that no noise is heard before it. So its quietest
    stretch is taken to have come before it.

    Args:
        clip: [samples, channels] raw samples, float32.
        sample_rate: in Hz.
        given: the onset's sample in the clip, where it is known; then only the rest is measured.

    Returns:
        What `pick_onset` does, with `sample` from the clip's first sample.
    """
    parts = section_at(sample_rate)
    energy = np.square(high_pass(np.ascontiguousarray(clip.T), CUTOFF_HZ, sample_rate))
    coarse = _coarse_onset(energy, sample_rate) if given is None else given
    quiet = _quietest(clip, energy, parts.before)
    silence = np.repeat(clip[-1:], parts.after, axis=0)
    padded = np.concatenate([quiet, clip, silence])
    onset = pick_onset(padded[coarse : coarse + parts.before + parts.after], sample_rate)
    sample = coarse - parts.before + onset.sample if given is None else given
    return replace(onset, sample=max(sample, 0))


def _coarse_onset(energy: np.ndarray, sample_rate: int) -> int:
    """Where the energy of all channels, [channels, samples], first comes near its greatest."""
    hop = max(1, round(CLIP_HOP_MS * sample_rate / 1000))
    hops = max(1, energy.shape[1] // hop)
    level = energy[:, : hops * hop].reshape(len(energy), hops, -1).mean(axis=2)
    level = (level / np.maximum(level.max(axis=1, keepdims=True), TINY)).mean(axis=0)
    smooth = np.convolve(level, np.ones(CLIP_SMOOTH_HOPS))[: len(level)]
    return int((smooth >= NEAR_GREATEST * smooth.max()).argmax()) * hop


def _quietest(clip: np.ndarray, energy: np.ndarray, length: int) -> np.ndarray:
    """The quietest stretch of a clip, repeated where it is shorter: [length, channels]."""
    total = energy / np.maximum(energy.sum(axis=1, keepdims=True), TINY)
    running = np.concatenate([[0.0], np.cumsum(total.sum(axis=0))])
    span = min(length, len(clip))
    first = int((running[span:] - running[: len(running) - span]).argmin())
    return np.resize(clip[first : first + span], (length, clip.shape[1]))
