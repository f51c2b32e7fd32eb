"""The offset between each tap and its touch, where that may change from one tap to the next.

A hidden Markov model (Rabiner, Proc. IEEE 77, 1989): its states are offsets, and one in which
touches say nothing; what is seen is whether a tap has a touch at an offset.
"""

import math

import numpy as np

from tap2key.segmentation.linear_clock import Clock

BIN_S = 0.004
# A touch about its tap's time: most within a scan of a busy sensor, some of an idle one.
NARROW_S, WIDE_S, WIDE_SHARE = 0.005, 0.014, 0.25
KERNEL_BINS = 10
# More than sensors miss, so that one of half the touches still tells.
MISSED = 0.12
LEAST_PER_S = 0.5

# Costs in natural logarithms of likelihood. A tap whose touch is where it is expected gains about
# 3, one without it loses about 2: so three taps outweigh a step.
STEP = 14.0
SILENCE, SOUND = 9.0, 9.0
# So many bins either way name the same touch.
BESIDE_BINS = 6
LEAST_POSTERIOR = 0.97


def gains(
    tap_s: np.ndarray, touch_s: np.ndarray, clock: Clock, lowest: float, bins: int
) -> np.ndarray:
    """How much more likely the touches are if a tap made one than by chance, by offset.

    Args:
        tap_s: [taps] ascending.
        touch_s: [touches] ascending.
        clock: where touches are expected at offset 0.
        lowest: first offset, in seconds; the others follow every `BIN_S`.
        bins: how many offsets.

    Returns:
        Log-likelihood ratios, [taps, bins].
    """
    expected = clock.expected_touch_s(tap_s)
    span = max(expected[-1] - expected[0], 1.0)
    inside = np.searchsorted(touch_s, expected[-1]) - np.searchsorted(touch_s, expected[0])
    per_s = max(inside / span, LEAST_PER_S)
    reach = KERNEL_BINS * BIN_S
    low = np.searchsorted(touch_s, expected + lowest - reach)
    count = np.searchsorted(touch_s, expected + lowest + bins * BIN_S + reach) - low
    tap = np.repeat(np.arange(len(tap_s)), count)
    touch = np.arange(len(tap)) - np.repeat(np.cumsum(count) - count, count) + low[tap]
    apart = touch_s[touch] - expected[tap] - lowest
    centre = np.round(apart / BIN_S).astype(int)
    total = np.zeros(len(tap_s) * bins)
    for step in range(-KERNEL_BINS, KERNEL_BINS + 1):
        at = centre + step
        own = (at >= 0) & (at < bins)
        density = _density(apart[own] - BIN_S * at[own])
        total += np.bincount(tap[own] * bins + at[own], density, len(total))
    return np.log(MISSED + (1 - MISSED) / per_s * total.reshape(len(tap_s), bins))


def _density(apart_s: np.ndarray) -> np.ndarray:
    parts = ((NARROW_S, 1 - WIDE_SHARE), (WIDE_S, WIDE_SHARE))
    narrow, wide = (
        share / (sd * math.sqrt(2 * math.pi)) * np.exp(-0.5 * (apart_s / sd) ** 2)
        for sd, share in parts
    )
    return narrow + wide


def decode(gains: np.ndarray, entry: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The most likely state of each tap, and whether it is beyond doubt.

    Args:
        gains: [taps, states] log-likelihood ratios.
        entry: [states] what entering each state costs beyond a step.

    Returns:
        [taps] states, `states` where touches say nothing; [taps] whether the posterior probability
        of that state and those beside it reaches `LEAST_POSTERIOR`.
    """
    taps, states = gains.shape
    # In single precision half an hour of typing takes 100 MB; constants per tap do not matter.
    posterior = np.empty((taps, states + 1), np.float32)
    into = -STEP - entry
    message = np.append(into, -SILENCE)
    for tap in range(taps):
        here = message + np.append(gains[tap], 0.0)
        here -= here.max()
        posterior[tap] = here
        message = _moved(here, into)
    message = np.zeros(states + 1)
    for tap in reversed(range(taps)):
        posterior[tap] += message
        message = _moved_back(message + np.append(gains[tap], 0.0), into)
        message -= message.max()
    posterior -= posterior.max(axis=1, keepdims=True)
    np.exp(posterior, out=posterior)
    posterior /= posterior.sum(axis=1, keepdims=True)
    state = posterior.argmax(axis=1)
    around = np.arange(-BESIDE_BINS, BESIDE_BINS + 1)
    beside = np.clip(state[:, None] + around, 0, states - 1)
    beside[state == states] = states
    chosen = np.take_along_axis(posterior, beside, axis=1)
    chosen[:, 1:][np.diff(beside, axis=1) == 0] = 0
    return state, chosen.sum(axis=1) >= LEAST_POSTERIOR


def _moved(log: np.ndarray, into: np.ndarray) -> np.ndarray:
    """Log-probabilities of the next tap's states from this one's."""
    top = log.max()
    everything = top + math.log(np.exp(log - top).sum())
    moved = np.empty_like(log)
    moved[:-1] = np.logaddexp(log[:-1], into + np.logaddexp(everything, log[-1] + STEP - SOUND))
    moved[-1] = np.logaddexp(log[-1], everything - SILENCE)
    return moved


def _moved_back(log: np.ndarray, into: np.ndarray) -> np.ndarray:
    """The same from the next tap's states to this one's."""
    arriving = log[:-1] + into
    top = arriving.max()
    anywhere = top + math.log(np.exp(arriving - top).sum())
    away = np.logaddexp(anywhere, log[-1] - SILENCE)
    moved = np.logaddexp(log, away)
    moved[-1] = np.logaddexp(log[-1], anywhere + STEP - SOUND)
    return moved
