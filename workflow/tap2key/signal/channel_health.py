"""How each channel of a recording fared: level, noise, clipping, dropouts; and what is wrong.

Nothing is learned and no geometry is known: a channel is judged by its own samples and beside the
other channels of its recording. The thresholds stand between what tests/benchmark/channels.py
measures on sound and on faulty channels of simulated studies; each comment gives both.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tap2key.audio.array import DEFAULT, Array, enough
from tap2key.signal.detection import hop_at
from tap2key.signal.onset import HEARD_ABOVE_NOISE, EachChannel

# Hops of a piece: about 10 ms.
PIECE = 40
_AVERAGE = np.full((1, PIECE), 1 / PIECE, np.float32)
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
# Taps heard, relative to the third best channel (see `enough`). Sound: 0.96 and more (one tap of 25
# missed); loose contact: 0.6 to 0.85; dead: 0.2 at most.
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
    """Something wrong with channels: what kind, which in the file, and a sentence that says so."""

    kind: str
    channels: tuple[int, ...]
    text: str


class ChannelMeter:
    """Adds up a recording's hop energies as they pass by; see `detection.hop_energies`.

    c is how many channels of the array are used.
    """

    def __init__(self, array: Array = DEFAULT) -> None:
        """Nothing measured yet."""
        self.array = array
        self.hops = 0
        channels = len(array.kept)
        self._sum = np.zeros(channels)
        self._products = np.zeros((channels, channels))
        self._floors: list[np.ndarray] = []
        self._still = np.zeros(channels, dtype=int)
        self._alone = np.zeros(channels, dtype=int)
        self._pieces = 0

    def __call__(self, mean: np.ndarray, square: np.ndarray) -> None:
        """Take in a block: two of [hops, c]."""
        self.hops += len(mean)
        self._sum += np.ones(len(mean), np.float32) @ mean
        change = np.diff(mean, axis=0)
        self._products += change.T @ change
        pieces = len(square) // PIECE
        if not pieces:
            return
        power = (_AVERAGE @ square[: pieces * PIECE].reshape(pieces, PIECE, -1))[:, 0]
        self._floors.append(np.partition(power, rank := int(NOISE_QUANTILE * pieces), axis=0)[rank])
        self._pieces += pieces
        held = power <= STILL + STILL_OF_OFFSET * mean[: pieces * PIECE : PIECE] ** 2
        if held.any():
            self._still += held.sum(axis=0)
            channels = held.shape[1]
            # Of two, the one that sounds is most others.
            few = held.sum(axis=1) < max(channels / 2, min(channels, 2))
            audible = (np.median(power, axis=1) > AUDIBLE) & few
            self._alone += held[audible].sum(axis=0)

    @property
    def offset(self) -> np.ndarray:
        """Mean of each channel, full scale 1.0: [c]."""
        return self._sum / max(self.hops, 1)

    @property
    def noise_power(self) -> np.ndarray:
        """Power above 2 kHz in the quieter moments: [c], the median of the blocks'."""
        return np.median(self._floors, axis=0) if self._floors else np.zeros(len(self._sum))

    @property
    def still(self) -> np.ndarray:
        """Share of the recording in which a channel holds one value: [c]."""
        return self._still / max(self._pieces, 1)

    @property
    def dropped_s(self) -> np.ndarray:
        """Seconds in which a channel holds one value while most others sound: [c]."""
        rate = self.array.sample_rate
        return self._alone * (PIECE * (hop_at(rate) / rate))

    @property
    def alike(self) -> np.ndarray:
        """Correlation of the changes of each pair of channels: [c, c], 0 where one has none."""
        sd = np.sqrt(np.diag(self._products))
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.nan_to_num(self._products / np.outer(sd, sd), posinf=0, neginf=0)


@dataclass(frozen=True)
class Measured:
    """One recording, channel by channel.

    `level_db` is the median tap's loudest sample above 500 Hz, `snr_db` that over the noise before
    it, `noise_db` the noise floor above 2 kHz, `hissing_db` the noise before taps above 500 Hz; dB
    of full scale, [c], NaN without taps. `heard` and `clipped` are shares of the taps, [c].
    `arrival_ms` is [taps, c], NaN where a channel did not hear the tap. `names` are the c channels'
    numbers in the recording's file.
    """

    taps: int
    names: tuple[int, ...]
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
    array = meter.array
    channels = len(array.kept)
    peak, noise = (_stacked(taps, name, channels) for name in ("peak", "noise"))
    tiny = np.finfo(np.float32).tiny
    heard_ms = 1000 / array.sample_rate * _stacked(taps, "arrival", channels)
    heard_ms[peak < HEARD_ABOVE_NOISE * np.maximum(noise, tiny)] = np.nan
    lag = heard_ms - _median(heard_ms, axis=1)[:, None]
    heard_ms[~(np.abs(lag - _median(lag, axis=0)) <= NEAR_MS)] = np.nan
    return Measured(
        taps=len(taps),
        names=array.kept,
        level_db=_decibels(_median(peak, axis=0) ** 2),
        noise_db=_decibels(meter.noise_power),
        snr_db=_decibels(_median(peak / np.maximum(noise, tiny), axis=0) ** 2),
        hissing_db=_decibels(_median(noise, axis=0) ** 2),
        heard=np.isfinite(heard_ms).mean(axis=0) if len(taps) else np.full(channels, np.nan),
        clipped=_clipped(taps, channels),
        still=meter.still,
        dropped_s=meter.dropped_s,
        offset=meter.offset,
        alike=meter.alike,
        arrival_ms=heard_ms,
    )


def faults(measured: Measured) -> list[Fault]:
    """What is wrong with a recording's channels, beside the order in which they are plugged in."""
    channels = range(len(measured.names))
    found = [_constant(measured, channel) for channel in channels]
    if measured.taps >= FEWEST_TAPS:
        for channel in np.flatnonzero([fault is None for fault in found]).tolist():
            found[channel] = _deaf(measured, channel)
    known = [fault for fault in found if fault is not None]
    hearing = [c for c, own in enumerate(found) if own is None or own.kind == "patchy"]
    for channel in hearing:
        known += _clipping(measured, channel)
    for channel in channels:
        if measured.still[channel] < ALL_STILL:
            known += _offset(measured, channel) + _dropouts(measured, channel)
    return known + _copies(measured, [c for c in channels if found[c] is None])


def unusable(found: Sequence[Fault]) -> list[int]:
    """Channels whose arrivals say nothing about places."""
    kinds = ("dead", "faint", "noisy", "copy", "patchy")
    return sorted({c for fault in found if fault.kind in kinds for c in fault.channels})


def _constant(measured: Measured, channel: int) -> Fault | None:
    if measured.still[channel] < ALL_STILL:
        return None
    at, name = measured.offset[channel], measured.names[channel]
    if abs(at) < OFFSET:
        return Fault("dead", (name,), f"channel {name} dead (silent: all samples equal)")
    return Fault("railed", (name,), f"channel {name} railed (stuck at {at:+.2f})")


def _deaf(measured: Measured, channel: int) -> Fault | None:
    best, name = np.sort(measured.heard)[-enough(len(measured.names))], measured.names[channel]
    hearing = measured.heard >= DEAD_BELOW * best
    if best < DEAD_BELOW:
        return None
    beside = {
        what: getattr(measured, what)[channel] - np.median(getattr(measured, what)[hearing])
        for what in ("level_db", "snr_db", "hissing_db")
    }
    share, others = measured.heard[channel], np.median(measured.heard[hearing])
    hears = f"hears {share:.0%} of the taps, the others {others:.0%}"
    loud = beside["hissing_db"] >= NOISY_DB
    if loud and (not hearing[channel] or beside["snr_db"] <= DROWNED_DB):
        more = f"noise {beside['hissing_db']:.0f} dB above the others"
        return Fault("noisy", (name,), f"channel {name} noisy ({more}, {hears})")
    if not hearing[channel]:
        return Fault("dead", (name,), f"channel {name} dead ({hears})")
    if beside["level_db"] <= FAINT_DB:
        less = f"taps {-beside['level_db']:.0f} dB softer than at the others"
        return Fault("faint", (name,), f"channel {name} faint ({less})")
    missed = round((best - share) * measured.taps)
    if share < PATCHY_BELOW * best and missed >= FEWEST_MISSED:
        return Fault("patchy", (name,), f"channel {name} patchy ({hears})")
    return None


def _clipping(measured: Measured, channel: int) -> list[Fault]:
    if not measured.clipped[channel] >= CLIPPED_SHARE:
        return []
    cut, name = round(measured.clipped[channel] * measured.taps), measured.names[channel]
    text = f"channel {name} railed (clipped in {cut} of {measured.taps} taps)"
    return [Fault("railed", (name,), text)]


def _offset(measured: Measured, channel: int) -> list[Fault]:
    at, name = measured.offset[channel], measured.names[channel]
    if abs(at) < OFFSET:
        return []
    return [Fault("railed", (name,), f"channel {name} railed (offset {at:+.2f})")]


def _dropouts(measured: Measured, channel: int) -> list[Fault]:
    lost, name = measured.dropped_s[channel], measured.names[channel]
    if lost < DROPOUT_S:
        return []
    text = f"channel {name} drops out ({lost:.2f} s of one value while others sound)"
    return [Fault("dropouts", (name,), text)]


def _copies(measured: Measured, channels: Sequence[int]) -> list[Fault]:
    names = measured.names
    return [
        Fault(
            "copy",
            (names[a], names[b]),
            f"channels {names[a]} and {names[b]} are copies of one another",
        )
        for a in channels
        for b in channels
        if a < b and abs(measured.alike[a, b]) >= SAME_SOUND
    ]


def _clipped(taps: Sequence[EachChannel], channels: int) -> np.ndarray:
    """Share of the taps that a rail cut off, at either end: [c]."""
    if not taps:
        return np.full(channels, np.nan)
    cut = np.zeros((len(taps), channels), dtype=bool)
    for name, sign in (("highest", 1), ("lowest", -1)):
        extreme, before = (
            sign * _stacked(taps, each, channels) for each in (name, f"{name}_before")
        )
        held = _stacked(taps, f"{name}_held", channels)
        rail = extreme.max(axis=0)
        for fewest, share in RAILS:
            near = (1 - share) * rail
            # Loud hum comes as high again and again, with taps and without.
            at_rail = (extreme >= near) & (before < near) & (rail >= LEAST_RAIL)
            flat = (at_rail & (held >= HELD_SAMPLES)).sum(axis=0) >= HELD_TAPS
            cut |= at_rail & flat & (at_rail.sum(axis=0) >= fewest)
    return cut.mean(axis=0)


def _stacked(taps: Sequence[EachChannel], name: str, channels: int) -> np.ndarray:
    rows = [getattr(tap, name) for tap in taps]
    return np.array(rows, dtype=float).reshape(len(rows), channels)


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
