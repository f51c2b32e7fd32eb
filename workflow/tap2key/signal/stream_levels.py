"""How far a stream's energy stands out of its noise floor, learned from the seconds before."""

from collections import deque

import numpy as np

from tap2key.signal.detection import (
    NOISE_EVERY,
    NOISE_QUANTILE,
    NOISE_SPAN_S,
    SILENCE,
    SMOOTH_HOPS,
)

# Of the log energy, and how many standard deviations below the mean they are in plain noise. Where
# somebody types without a pause, half of the time is no quiet.
LOW_QUANTILES, LOW_SD = (0.05, 0.3), (1.645, 0.524)


class MovingAverage:
    """A centred moving average along the first axis of a stream; its ends are repeated."""

    def __init__(self, hops: int) -> None:
        self.hops = hops
        self._held: np.ndarray | None = None

    def push(self, values: np.ndarray) -> np.ndarray:
        """The averages that are now complete."""
        if self._held is None:
            self._held = np.repeat(values[:1], self.hops // 2, axis=0)
        held = np.concatenate([self._held, values])
        complete = max(len(held) - self.hops + 1, 0)
        self._held = held[complete:]
        total = held[:complete].copy()
        # In the order of `detection`, so that both round alike.
        for first in range(1, self.hops):
            total += held[first : first + complete]
        total /= self.hops
        return total

    def end(self) -> np.ndarray:
        """The last averages."""
        assert self._held is not None
        return self.push(np.repeat(self._held[-1:], self.hops - self.hops // 2 - 1, axis=0))


class Levels:
    """Hop energies of one band → log energy over the channels' noise floor, hop by hop.

    What stands out of the quiet is learned with it, second by second.
    """

    def __init__(self, per_s: int, rise_sd: float) -> None:
        self.per_s, self.rise_sd = per_s, rise_sd
        self._sudden_above = np.inf
        self._smooth = MovingAverage(SMOOTH_HOPS)
        self._floors: deque[np.ndarray] = deque(maxlen=NOISE_SPAN_S)
        self._quiet: deque[tuple[float, float]] = deque(maxlen=NOISE_SPAN_S)
        self._second: list[np.ndarray] = []
        self._levels: list[np.ndarray] = []
        self._floor = self._floor_before = np.zeros(0)
        self._at = 0
        self._learned = False

    def push(self, energy: np.ndarray, last: bool = False) -> np.ndarray:
        """Energies [n, c] → [2, hops] log levels that are now known, and what each has to exceed.

        Args:
            energy: what follows.
            last: nothing follows this.
        """
        smooth = self._smooth.push(energy) if len(energy) else energy
        if last:
            smooth = np.concatenate([smooth, self._smooth.end()])
        found = [np.zeros((2, 0))]
        while len(smooth):
            piece = smooth[: self.per_s - self._at]
            smooth = smooth[len(piece) :]
            self._second.append(piece)
            self._at += len(piece)
            ended = self._at == self.per_s or (last and not len(smooth))
            if self._learned:
                level = self._over_floor(piece, self._at - len(piece))
            elif ended:
                # The first second is all that there is to judge it by.
                own = np.concatenate(self._second)
                self._floor = self._floor_before = self._floor_of(own)
                level = self._over_floor(own, 0)
                self._learn_quiet(level)
            else:
                continue
            found.append(np.stack([level, np.full(len(level), self._sudden_above)]))
            self._levels.append(level)
            if ended:
                self._end_second()
        return np.concatenate(found, axis=1)

    def _end_second(self) -> None:
        self._floors.append(self._floor_of(np.concatenate(self._second)))
        self._floor_before = self._floor
        self._floor = np.maximum(np.median(self._floors, axis=0), SILENCE)
        if self._learned:
            self._learn_quiet(np.concatenate(self._levels))
        self._levels, self._second, self._at, self._learned = [], [], 0, True

    def _floor_of(self, second: np.ndarray) -> np.ndarray:
        some = second[::NOISE_EVERY]
        rank = round(NOISE_QUANTILE * (len(some) - 1))
        return np.maximum(np.partition(some, rank, axis=0)[rank], SILENCE)

    def _over_floor(self, energy: np.ndarray, at: int) -> np.ndarray:
        share = ((at + np.arange(len(energy))) / self.per_s)[:, None]
        floor = self._floor_before + (self._floor - self._floor_before) * share
        ratio = np.zeros(len(energy))
        # Channel by channel: a sum along an axis may add up in another order for another length.
        for channel in range(energy.shape[1]):
            ratio += energy[:, channel] / floor[:, channel]
        return np.log(np.maximum(ratio / energy.shape[1], 1e-3))

    def _learn_quiet(self, levels: np.ndarray) -> None:
        lowest, low = np.quantile(levels[::NOISE_EVERY], LOW_QUANTILES)
        spread = (low - lowest) / (LOW_SD[0] - LOW_SD[1])
        self._quiet.append((low + LOW_SD[1] * spread, spread))
        # Second by second: while the room grows louder, levels drift by more than they spread.
        quiet, spread = np.median(self._quiet, axis=0)
        self._sudden_above = quiet + self.rise_sd * spread
