"""The clock: how a recording's time relates to the touch sensor's.

    touch time = start in the file name + time in the file · (1 + drift) − latency

Latency and drift are found from the times of all taps and touches alone. The sensor's mean delay
cannot be told from latency and counts as part of it.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

SEARCH_S = 2.0
GREATEST_DRIFT = 100e-6
# Sound cards and sensors run within tens of ppm of each other; a minute alone measures it worse.
EXPECTED_DRIFT = 30e-6

BIN_S = 0.002
# Wide enough to hold a sensor's jitter, narrower than the gaps between taps.
PEAK_WIDTH_S = 0.024
CANDIDATES = 8
CANDIDATES_APART_S = 0.04
LEAST_JITTER_S, GREATEST_JITTER_S = 0.002, 0.015
CLOSE_S = 0.05
STRAY_SHARE = 0.1
LEAST_REACH_S = 0.03
JITTERS_IN_REACH = 6
ROUNDS = 8

FEWEST_PAIRS = 8
PIN = "pin segment.latency_s, or latency_s in study.tsv"
# Likelihood ratio e^15 over the runner-up: of thousands of pairs of unrelated recordings none of
# ten taps or more led by that.
LEAST_LEAD = 15.0
LEAST_PAIRED_SHARE = 0.6
# Of a few taps and touches at a given latency.
LEAST_MET = 0.5


@dataclass(frozen=True)
class Clock:
    """A recording's clock against the sensor's.

    `latency_s` and its standard deviation `latency_sd_s` hold at the recording's first sample;
    `drift` is dimensionless (1e-6 is 1 ppm); `jitter_s` is the spread of a touch about its tap;
    `pairs` counts the touches within reach of a tap; `lead` is by how much, in natural logarithms
    of likelihood, this alignment beats the next best one.
    """

    latency_s: float
    drift: float = 0.0
    latency_sd_s: float | None = None
    jitter_s: float | None = None
    pairs: int = 0
    lead: float = math.inf

    def expected_touch_s(self, tap_s: np.ndarray) -> np.ndarray:
        """When the touch of each tap is expected, in seconds after the start in the name: [n]."""
        return tap_s * (1 + self.drift) - self.latency_s

    def expected_tap_s(self, touch_s: np.ndarray) -> np.ndarray:
        """The inverse: when the tap of each touch is expected, in seconds from the first sample."""
        return (touch_s + self.latency_s) / (1 + self.drift)

    def reach_s(self, selectivity_s: float) -> float:
        """How far a touch may be from its expected time: `selectivity_s` or, if less, six times
        the jitter (but 30 ms, what a sensor asleep at 33 Hz may add).
        """
        if self.jitter_s is None:
            return selectivity_s
        return min(selectivity_s, max(LEAST_REACH_S, JITTERS_IN_REACH * self.jitter_s))


def estimate_clock(
    tap_s: np.ndarray,
    touch_s: np.ndarray,
    duration_s: float,
    greatest_jitter_s: float = GREATEST_JITTER_S,
) -> tuple[Clock | None, str]:
    """Estimate latency and drift together from unpaired tap and touch times.

    All differences between a touch and a tap within `SEARCH_S` vote for an offset, once per
    drift on a grid; the strongest offsets are refined by iteratively reweighted least squares
    with a normal prior on drift, and compared by the likelihood of the touches: each comes from
    its nearest tap with normal jitter, or from nowhere (a uniform density).

    Args:
        tap_s: [taps] ascending onsets in seconds from the first sample.
        touch_s: [touches] ascending, seconds after the start in the file's name.
        duration_s: the recording's length.
        greatest_jitter_s: what the spread of touches about their taps may be.

    Returns:
        The clock, or None where the evidence is too thin, and then the reason.
    """
    touch_s = touch_s[(touch_s > -SEARCH_S) & (touch_s < duration_s + SEARCH_S)]
    if len(tap_s) < FEWEST_PAIRS or len(touch_s) < FEWEST_PAIRS:
        return None, (
            f"{len(tap_s)} taps and {len(touch_s)} touches are too few to find the latency "
            f"(at least {FEWEST_PAIRS} each); {PIN}"
        )
    refinements = [
        refined(offset, drift, tap_s, touch_s, duration_s / 2, duration_s, greatest_jitter_s)
        for offset, drift in _candidates(tap_s, touch_s, duration_s)
    ]
    fits = sorted((fit for fit in refinements if fit is not None), key=lambda fit: -fit.lead)
    if not fits:
        return None, f"no latency fits taps and touches; check the start time, or {PIN}"
    best = fits[0]
    rivals = [f for f in fits if abs(f.latency_s - best.latency_s) > CANDIDATES_APART_S]
    lead = best.lead - rivals[0].lead if rivals else math.inf
    best = replace(best, lead=lead)
    if not is_credible(best, tap_s, touch_s, greatest_jitter_s=greatest_jitter_s):
        return None, (
            f"only {best.pairs} of {len(touch_s)} touches fit {len(tap_s)} taps, and within "
            f"{1000 * (best.jitter_s or 0.0):.0f} ms, at the best "
            f"latency ({best.latency_s:.3f} s); check the start time, or {PIN}"
        )
    if lead < LEAST_LEAD:
        return None, (
            f"latency is ambiguous, {best.latency_s:.3f} s fits hardly better than "
            f"{rivals[0].latency_s:.3f} s; {PIN}"
        )
    return best, ""


def clock_near(
    latency_s: float,
    tap_s: np.ndarray,
    touch_s: np.ndarray,
    duration_s: float,
    greatest_jitter_s: float = GREATEST_JITTER_S,
) -> tuple[Clock | None, str]:
    """The clock near a latency that the user gave.

    Args:
        latency_s: at the recording's first sample.
        tap_s: [taps] ascending onsets in seconds from the first sample.
        touch_s: [touches] ascending, seconds after the start in the file's name.
        duration_s: the recording's length.
        greatest_jitter_s: what the spread of touches about their taps may be.

    Returns:
        The clock that taps and touches show there, or one of just that latency where they are too
        few to show any but most of them meet; None where they speak against it, and the reason.
    """
    touch_s = touch_s[(touch_s > -SEARCH_S) & (touch_s < duration_s + SEARCH_S)]
    if min(len(tap_s), len(touch_s)) < FEWEST_PAIRS:
        during = touch_s[(touch_s >= -latency_s) & (touch_s <= duration_s - latency_s)]
        apart = np.abs(tap_s[:, None] - latency_s - during[None, :]) <= CLOSE_S
        pairs = int(min(apart.any(axis=0).sum(), apart.any(axis=1).sum()))
        if pairs >= LEAST_MET * max(len(tap_s), len(during)):
            return Clock(latency_s), ""
    else:
        fit = refined(
            -latency_s, 0.0, tap_s, touch_s, duration_s / 2, duration_s, greatest_jitter_s
        )
        if fit is not None and is_credible(
            fit, tap_s, touch_s, greatest_jitter_s=greatest_jitter_s
        ):
            return fit, ""
        pairs = 0 if fit is None else fit.pairs
    return None, (
        f"only {pairs} of {len(touch_s)} touches fit {len(tap_s)} taps at the given latency "
        f"({latency_s:.3f} s); check it and the start time, or have the latency estimated"
    )


def is_credible(
    fit: Clock,
    tap_s: np.ndarray,
    touch_s: np.ndarray,
    fewest: int = FEWEST_PAIRS,
    greatest_jitter_s: float = GREATEST_JITTER_S,
) -> bool:
    """Whether enough touches fit a clock, and closely enough, not to be there by chance."""
    needed = max(fewest, LEAST_PAIRED_SHARE * min(len(tap_s), len(touch_s)))
    # Unrelated times scatter as widely as they are allowed to.
    jitter_s = math.inf if fit.jitter_s is None else fit.jitter_s
    return fit.pairs >= needed and jitter_s < greatest_jitter_s


def _candidates(
    tap_s: np.ndarray, touch_s: np.ndarray, duration_s: float
) -> list[tuple[float, float]]:
    """The most voted (offset at the middle, drift), at least `CANDIDATES_APART_S` apart."""
    low = np.searchsorted(touch_s, tap_s - SEARCH_S - GREATEST_DRIFT * duration_s)
    high = np.searchsorted(touch_s, tap_s + SEARCH_S + GREATEST_DRIFT * duration_s)
    tap = np.repeat(np.arange(len(tap_s)), high - low)
    touch = np.arange(len(tap)) - np.repeat(np.cumsum(high - low) - (high - low), high - low)
    difference = touch_s[low[tap] + touch] - tap_s[tap]
    from_middle = tap_s[tap] - duration_s / 2
    # From one drift to the next the ends of the recording move by at most half a peak.
    steps = 1 + 2 * math.ceil(GREATEST_DRIFT * duration_s / PEAK_WIDTH_S)
    edges = np.arange(-SEARCH_S, SEARCH_S + BIN_S / 2, BIN_S)
    width = round(PEAK_WIDTH_S / BIN_S)
    voted: list[tuple[float, float, float]] = []
    for drift in np.linspace(-GREATEST_DRIFT, GREATEST_DRIFT, steps) if steps > 1 else [0.0]:
        votes = np.histogram(difference - drift * from_middle, edges)[0]
        votes = np.convolve(votes, np.ones(width), mode="same")
        for _ in range(CANDIDATES):
            peak = int(votes.argmax())
            if votes[peak] <= 0:
                break
            voted.append((votes[peak], edges[peak] + BIN_S / 2, drift))
            near = round(CANDIDATES_APART_S / BIN_S)
            votes[max(0, peak - near) : peak + near + 1] = 0
    kept: list[tuple[float, float]] = []
    for _, offset, drift in sorted(voted, reverse=True):
        if all(abs(offset - other) > CANDIDATES_APART_S for other, _ in kept):
            kept.append((offset, drift))
        if len(kept) == CANDIDATES:
            break
    return kept


def refined(
    offset: float,
    drift: float,
    tap_s: np.ndarray,
    touch_s: np.ndarray,
    middle: float,
    span_s: float,
    greatest_jitter_s: float = GREATEST_JITTER_S,
) -> Clock | None:
    """Refine a clock by iteratively reweighted least squares, with a normal prior on its drift.

    Args:
        offset: touch minus tap, in seconds, at `middle`.
        drift: dimensionless.
        tap_s: [taps] ascending onsets in seconds from the first sample.
        touch_s: [touches] ascending, seconds after the start in the file's name.
        middle: seconds from the first sample.
        span_s: how long the stretch of the recording is that the taps are from.
        greatest_jitter_s: what the spread of touches about their taps may be.

    Returns:
        The clock, whose `lead` is its log-likelihood, or None where fewer than three touches fit.
    """
    reach, jitter = CLOSE_S, greatest_jitter_s
    for _ in range(ROUNDS):
        expected = tap_s + offset + drift * (tap_s - middle)
        nearest = _nearest(expected, touch_s)
        residual = touch_s - expected[nearest]
        # Of several touches near one tap only the nearest may speak.
        order = np.lexsort((np.abs(residual), nearest))
        own = order[np.r_[True, np.diff(nearest[order]) > 0]]
        own = own[np.abs(residual[own]) <= reach]
        if len(own) < 3:
            return None
        spread = 1.4826 * float(np.median(np.abs(residual[own] - np.median(residual[own]))))
        jitter = min(max(spread, LEAST_JITTER_S), greatest_jitter_s)
        # Huber's weights: the delay of a sensor is one-sided, and its mean is what we want.
        centred = np.abs(residual[own] - np.median(residual[own]))
        weight = np.minimum(1.0, 2.5 * jitter / np.maximum(centred, 1e-9))
        from_middle = tap_s[nearest[own]] - middle
        design = np.stack([np.ones(len(own)), from_middle], axis=1)
        precision = design.T @ (design * weight[:, None])
        precision[1, 1] += (jitter / EXPECTED_DRIFT) ** 2
        pull = design.T @ (weight * (residual[own] + drift * from_middle))
        covariance = np.linalg.inv(precision)
        step, drift = covariance @ pull
        offset += float(step)
        drift = float(np.clip(drift, -GREATEST_DRIFT, GREATEST_DRIFT))
        reach = max(4 * jitter, 0.03)
    expected = tap_s + offset + drift * (tap_s - middle)
    residual = touch_s - expected[_nearest(expected, touch_s)]
    stray = STRAY_SHARE / (span_s + 2 * SEARCH_S)
    density = np.exp(-0.5 * (residual / jitter) ** 2) / (jitter * math.sqrt(2 * math.pi))
    likelihood = float(np.log(stray + (1 - STRAY_SHARE) / len(tap_s) * density).sum())
    at_start = np.array([1.0, -middle])
    return Clock(
        latency_s=-(offset - drift * middle),
        drift=drift,
        latency_sd_s=float(jitter * math.sqrt(at_start @ covariance @ at_start)),
        jitter_s=jitter,
        pairs=len(own),
        lead=likelihood,
    )


def _nearest(expected: np.ndarray, touch_s: np.ndarray) -> np.ndarray:
    """Index of the expected time nearest to each touch: [touches]."""
    right = np.clip(np.searchsorted(expected, touch_s), 1, max(1, len(expected) - 1))
    left = right - 1
    right = np.minimum(right, len(expected) - 1)
    return np.where(touch_s - expected[left] <= expected[right] - touch_s, left, right)
