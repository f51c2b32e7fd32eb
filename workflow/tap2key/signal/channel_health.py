"""How each channel of a recording fared: level, noise, clipping, dropouts; and what is wrong.

Nothing is learned and no geometry is known: a channel is judged by its own samples and beside the
other channels of its recording. The thresholds stand between what tests/benchmark/channels.py
measures on sound and on faulty channels of simulated studies; each comment gives both.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tap2key.audio.audio_file import CHANNELS, SAMPLE_RATE
from tap2key.signal.onset import HEARD_ABOVE_NOISE, EachChannel

# Hops of a piece: 10 ms.
PIECE = 40
NOISE_QUANTILE = 0.3
# A piece whose power within hops is below this holds one value: the first part is beneath 24 bits,
# the second what single precision leaves of a constant.
STILL, STILL_OF_OFFSET = 1e-15, 1e-7
# More than flipping between two steps of 16 bits: while the others are softer, a channel may well
# stay on one step.
AUDIBLE = 1.2 * 2.0**-32

FEWEST_TAPS = 8
# Arrivals at a channel are this near to its usual lag behind the others; of noise they are not.
NEAR_MS = 2.0
# Taps heard, relative to the third best channel. Sound: 0.96 and more (one tap of 25 missed); loose
# contact: 0.6 to 0.85; dead: 0.2 at most.
DEAD_BELOW, PATCHY_BELOW, FEWEST_MISSED = 0.5, 0.9, 4
# Relative to the median of the channels that hear. Sound: level −6 to 8, noise −1 to 1, signal to
# noise −6 and more; with 20 dB of further noise: signal to noise −14 at most.
FAINT_DB, NOISY_DB, DROWNED_DB = -20.0, 9.0, -10.0
# Full scale 1.0; an amplifier's offset is a few thousandths.
OFFSET = 0.25
# A rail holds the highest (or lowest) samples of taps alike, up to a converter's noise. Of 1,152
# sound ends of channels' ranges, 19 have two taps and none three within 0.003 of the highest.
RAILS = ((3, 0.0002), (4, 0.003))
# And it holds samples one after the other: machines may tap alike, but not flat.
HELD_SAMPLES, HELD_TAPS = 3, 2
# Taps softer than this may agree for want of steps: 16 bits have 655 of them here.
LEAST_RAIL = 0.02
CLIPPED_SHARE = 0.02
DROPOUT_S = 0.05
ALL_STILL = 0.9
# Correlation of two channels' changes. Sound: 0.86 at most.
SAME_SOUND = 0.995


@dataclass(frozen=True)
class Fault:
    """Something wrong with channels: what kind, which, and a sentence that says so."""

    kind: str
    channels: tuple[int, ...]
    text: str


class ChannelMeter:
    """Adds up a recording's hop energies as they pass by; see `detection.hop_energies`."""

    def __init__(self) -> None:
        """Nothing heard yet."""
        self.hops = 0
        self._sum = np.zeros(CHANNELS)
        self._products = np.zeros((CHANNELS, CHANNELS))
        self._floors: list[np.ndarray] = []
        self._still = np.zeros(CHANNELS, dtype=int)
        self._alone = np.zeros(CHANNELS, dtype=int)
        self._pieces = 0

    def __call__(self, mean: np.ndarray, square: np.ndarray) -> None:
        """Take in a block: two of [hops, 8]."""
        self.hops += len(mean)
        self._sum += np.ones(len(mean), np.float32) @ mean
        change = np.diff(mean, axis=0)
        self._products += change.T @ change
        pieces = len(square) // PIECE
        if not pieces:
            return
        power = (_AVERAGE @ square[: pieces * PIECE].reshape(pieces, PIECE, CHANNELS))[:, 0]
        self._floors.append(np.partition(power, rank := int(NOISE_QUANTILE * pieces), axis=0)[rank])
        self._pieces += pieces
        held = power <= STILL + STILL_OF_OFFSET * mean[: pieces * PIECE : PIECE] ** 2
        if held.any():
            self._still += held.sum(axis=0)
            audible = (np.median(power, axis=1) > AUDIBLE) & (held.sum(axis=1) < CHANNELS / 2)
            self._alone += held[audible].sum(axis=0)

    @property
    def offset(self) -> np.ndarray:
        """Mean of each channel, full scale 1.0: [8]."""
        return self._sum / max(self.hops, 1)

    @property
    def noise_power(self) -> np.ndarray:
        """Power above 2 kHz in the quieter moments: [8], the median of the blocks'."""
        return np.median(self._floors, axis=0) if self._floors else np.zeros(CHANNELS)

    @property
    def still(self) -> np.ndarray:
        """Share of the recording in which a channel holds one value: [8]."""
        return self._still / max(self._pieces, 1)

    @property
    def dropped_s(self) -> np.ndarray:
        """Seconds in which a channel holds one value while most others sound: [8]."""
        return self._alone * (PIECE * HOP_S)

    @property
    def alike(self) -> np.ndarray:
        """Correlation of the changes of each pair of channels: [8, 8], 0 where one has none."""
        sd = np.sqrt(np.diag(self._products))
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.nan_to_num(self._products / np.outer(sd, sd), posinf=0, neginf=0)


HOP_S = 24 / SAMPLE_RATE
_AVERAGE = np.full((1, PIECE), 1 / PIECE, np.float32)


@dataclass(frozen=True)
class Measured:
    """One recording, channel by channel.

    `level_db` is the median tap's loudest sample above 500 Hz, `snr_db` that over the noise before
    it, `noise_db` the noise floor above 2 kHz, `hissing_db` the noise before taps above 500 Hz; dB
    of full scale, [8], NaN without taps. `heard` and `clipped` are shares of the taps, [8].
    `arrival_ms` is [taps, 8], NaN where a channel did not hear the tap.
    """

    taps: int
    level_db: np.ndarray
    noise_db: np.ndarray
    snr_db: np.ndarray
    hissing_db: np.ndarray
    heard: np.ndarray
    clipped: np.ndarray
    still: np.ndarray
    dropped_s: np.ndarray
    offset: np.ndarray
    alike: np.ndarray
    arrival_ms: np.ndarray


def measure(meter: ChannelMeter, taps: Sequence[EachChannel]) -> Measured:
    """Put together what passed by and what each tap did.

    Args:
        meter: has heard the whole recording.
        taps: one per tap, in time order.
    """
    peak, noise = (_stacked(taps, name) for name in ("peak", "noise"))
    tiny = np.finfo(np.float32).tiny
    heard_ms = 1000 / SAMPLE_RATE * _stacked(taps, "arrival")
    heard_ms[peak < HEARD_ABOVE_NOISE * np.maximum(noise, tiny)] = np.nan
    lag = heard_ms - _median(heard_ms, axis=1)[:, None]
    heard_ms[~(np.abs(lag - _median(lag, axis=0)) <= NEAR_MS)] = np.nan
    return Measured(
        taps=len(taps),
        level_db=_decibels(_median(peak, axis=0) ** 2),
        noise_db=_decibels(meter.noise_power),
        snr_db=_decibels(_median(peak / np.maximum(noise, tiny), axis=0) ** 2),
        hissing_db=_decibels(_median(noise, axis=0) ** 2),
        heard=np.isfinite(heard_ms).mean(axis=0) if len(taps) else np.full(CHANNELS, np.nan),
        clipped=_clipped(taps),
        still=meter.still,
        dropped_s=meter.dropped_s,
        offset=meter.offset,
        alike=meter.alike,
        arrival_ms=heard_ms,
    )


def faults(measured: Measured) -> list[Fault]:
    """What is wrong with a recording's channels, beside the order in which they are plugged in."""
    found = [_constant(measured, channel) for channel in range(CHANNELS)]
    if measured.taps >= FEWEST_TAPS:
        for channel in np.flatnonzero([fault is None for fault in found]).tolist():
            found[channel] = _deaf(measured, channel)
    known = [fault for fault in found if fault is not None]
    hearing = [c for c, own in enumerate(found) if own is None or own.kind == "patchy"]
    for channel in hearing:
        known += _clipping(measured, channel)
    for channel in range(CHANNELS):
        if measured.still[channel] < ALL_STILL:
            known += _offset(measured, channel) + _dropouts(measured, channel)
    return known + _copies(measured, [c for c in range(CHANNELS) if found[c] is None])


def unusable(found: Sequence[Fault]) -> list[int]:
    """Channels whose arrivals say nothing about places."""
    kinds = ("dead", "faint", "noisy", "copy", "patchy")
    return sorted({c for fault in found if fault.kind in kinds for c in fault.channels})


def _constant(measured: Measured, channel: int) -> Fault | None:
    if measured.still[channel] < ALL_STILL:
        return None
    at = measured.offset[channel]
    if abs(at) < OFFSET:
        return Fault("dead", (channel,), f"channel {channel} dead (silent: all samples alike)")
    return Fault("railed", (channel,), f"channel {channel} railed (stuck at {at:+.2f})")


def _deaf(measured: Measured, channel: int) -> Fault | None:
    best = np.sort(measured.heard)[-3]
    hearing = measured.heard >= DEAD_BELOW * best
    if best < DEAD_BELOW:
        return None
    beside = {
        name: getattr(measured, name)[channel] - np.median(getattr(measured, name)[hearing])
        for name in ("level_db", "snr_db", "hissing_db")
    }
    share, others = measured.heard[channel], np.median(measured.heard[hearing])
    hears = f"hears {share:.0%} of the taps, the others {others:.0%}"
    loud = beside["hissing_db"] >= NOISY_DB
    if loud and (not hearing[channel] or beside["snr_db"] <= DROWNED_DB):
        more = f"noise {beside['hissing_db']:.0f} dB above the others"
        return Fault("noisy", (channel,), f"channel {channel} noisy ({more}, {hears})")
    if not hearing[channel]:
        return Fault("dead", (channel,), f"channel {channel} dead ({hears})")
    if beside["level_db"] <= FAINT_DB:
        less = f"taps {-beside['level_db']:.0f} dB softer than at the others"
        return Fault("faint", (channel,), f"channel {channel} faint ({less})")
    missed = round((best - share) * measured.taps)
    if share < PATCHY_BELOW * best and missed >= FEWEST_MISSED:
        return Fault("patchy", (channel,), f"channel {channel} patchy ({hears})")
    return None


def _clipping(measured: Measured, channel: int) -> list[Fault]:
    if not measured.clipped[channel] >= CLIPPED_SHARE:
        return []
    cut = round(measured.clipped[channel] * measured.taps)
    text = f"channel {channel} railed (clipped in {cut} of {measured.taps} taps)"
    return [Fault("railed", (channel,), text)]


def _offset(measured: Measured, channel: int) -> list[Fault]:
    at = measured.offset[channel]
    if abs(at) < OFFSET:
        return []
    return [Fault("railed", (channel,), f"channel {channel} railed (offset {at:+.2f})")]


def _dropouts(measured: Measured, channel: int) -> list[Fault]:
    lost = measured.dropped_s[channel]
    if lost < DROPOUT_S:
        return []
    text = f"channel {channel} drops out ({lost:.2f} s of one value while others sound)"
    return [Fault("dropouts", (channel,), text)]


def _copies(measured: Measured, channels: Sequence[int]) -> list[Fault]:
    return [
        Fault("copy", (a, b), f"channels {a} and {b} are copies of one another")
        for a in channels
        for b in channels
        if a < b and abs(measured.alike[a, b]) >= SAME_SOUND
    ]


def _clipped(taps: Sequence[EachChannel]) -> np.ndarray:
    """Share of the taps that a rail cut off, at either end: [8]."""
    if not taps:
        return np.full(CHANNELS, np.nan)
    cut = np.zeros((len(taps), CHANNELS), dtype=bool)
    for name, sign in (("highest", 1), ("lowest", -1)):
        extreme, before = sign * _stacked(taps, name), sign * _stacked(taps, f"{name}_before")
        held = _stacked(taps, f"{name}_held")
        rail = extreme.max(axis=0)
        for fewest, share in RAILS:
            near = (1 - share) * rail
            # Loud hum comes as high again and again, with taps and without.
            at_rail = (extreme >= near) & (before < near) & (rail >= LEAST_RAIL)
            flat = (at_rail & (held >= HELD_SAMPLES)).sum(axis=0) >= HELD_TAPS
            cut |= at_rail & flat & (at_rail.sum(axis=0) >= fewest)
    return cut.mean(axis=0)


def _stacked(taps: Sequence[EachChannel], name: str) -> np.ndarray:
    rows = [getattr(tap, name) for tap in taps]
    return np.array(rows, dtype=float).reshape(len(rows), CHANNELS)


def _median(values: np.ndarray, axis: int) -> np.ndarray:
    """Median of what is a number along an axis of a matrix; NaN where nothing is."""
    values = np.sort(values, axis=axis)
    count = np.isfinite(values).sum(axis=axis)
    if not values.shape[axis]:
        return np.full(count.shape, np.nan)
    low, high = (np.maximum(c // 2, 0) for c in (count - 1, count))
    pick = [np.take_along_axis(values, np.expand_dims(at, axis), axis) for at in (low, high)]
    middle = np.squeeze((pick[0] + pick[1]) / 2, axis)
    return np.where(count > 0, middle, np.nan)


def _decibels(power: np.ndarray) -> np.ndarray:
    # Digital silence has no level; −200 dB is beneath any converter's.
    return 10 * np.log10(np.maximum(power, 1e-20))
