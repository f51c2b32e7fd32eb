"""Blocks of sound → named taps, each as soon as it is certain and what its models need is heard."""

from collections import deque
from dataclasses import dataclass

import numpy as np

from tap2key.core.errors import Tap2keyError
from tap2key.datasets.needed_samples import samples_needed
from tap2key.models.ensemble import Ensemble
from tap2key.reading.transcript import NamedTap
from tap2key.signal.stream_detection import FoundTap, StreamDetector


@dataclass(frozen=True)
class LiveTap:
    """A named tap, and the probabilities of all keys: [labels]."""

    named: NamedTap
    probabilities: np.ndarray


class LiveTaps:
    """Names the taps of one unbroken piece of a stream; times count from its first sample."""

    def __init__(self, ensemble: Ensemble, rate: int, peak_height: float | None) -> None:
        """Nothing heard yet.

        Args:
            ensemble: the models.
            rate: the stream's, in Hz; another than the array's is resampled.
            peak_height: see `find_taps`.
        """
        self.ensemble, self.array = ensemble, ensemble.array
        self._kept, self._rate = list(self.array.kept), rate
        self._detector = StreamDetector(self.array, peak_height)
        self._resampler = None
        if rate != self.array.sample_rate:
            import soxr

            self._resampler = soxr.ResampleStream(
                rate, self.array.sample_rate, len(self._kept), dtype="float32"
            )
        self._needed = max(samples_needed(encoding) for encoding in ensemble.encodings)
        self._pending: deque[FoundTap] = deque()

    @property
    def heard_s(self) -> float:
        """How much was heard, in seconds."""
        return self._detector.sound.frames / self.array.sample_rate

    def push(self, samples: np.ndarray) -> list[LiveTap]:
        """The taps that can be named now: [n, channels of the array] float32."""
        named: list[LiveTap] = []
        # The detector holds a few seconds: what it finds is named before it forgets the sound.
        for at in range(0, len(samples), self._rate):
            named += self._push(samples[at : at + self._rate])
        return named

    def _push(self, samples: np.ndarray) -> list[LiveTap]:
        samples = np.ascontiguousarray(samples[:, self._kept])
        if self._resampler is not None:
            samples = self._resampler.resample_chunk(samples).reshape(-1, len(self._kept))
        self._pending.extend(self._detector.push(samples))
        return self._named(self._detector.sound.frames - self._needed)

    def end(self) -> list[LiveTap]:
        """The last taps: what their windows lack is silent, as at the end of a recording."""
        if self._resampler is not None:
            nothing = np.zeros((0, len(self._kept)), np.float32)
            last = self._resampler.resample_chunk(nothing, last=True)
            self._pending.extend(self._detector.push(last.reshape(-1, len(self._kept))))
        self._pending.extend(self._detector.end())
        return self._named(self._detector.sound.frames)

    def _named(self, up_to: int) -> list[LiveTap]:
        """The pending taps whose onset is at most a sample."""
        ready = []
        while self._pending and self._pending[0].onset <= up_to:
            ready.append(self._pending.popleft().onset)
        if not ready:
            return []
        windows = np.stack(
            [
                self._detector.sound.read(onset - self.array.before, self.array.window).T
                for onset in ready
            ]
        )
        return [
            LiveTap(
                NamedTap(
                    onset / self.array.sample_rate,
                    self.ensemble.labels[each.argmax()],
                    float(each.max()),
                ),
                each,
            )
            for onset, each in zip(ready, self.ensemble.probabilities(windows), strict=True)
        ]


def check_rate(name: str, rate: int, ensemble: Ensemble) -> None:
    """Refuse sound that does not hold the frequencies that a model listens to.

    Raises:
        Tap2keyError: its rate is too low.
    """
    if rate < ensemble.highest_rate:
        raise Tap2keyError(
            f"{name}: comes at {rate} Hz, but the model needs {ensemble.highest_rate} Hz; use a "
            "higher rate, or a model with a lower sample_rate"
        )
