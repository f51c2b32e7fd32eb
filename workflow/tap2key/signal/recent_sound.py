"""The last seconds of a stream of sound, in memory that does not grow."""

import numpy as np


class RecentSound:
    """The newest `capacity` samples of a stream, addressed by their number since its start.

    `frames` is how many samples the stream has had so far.
    """

    def __init__(self, channels: int, capacity: int) -> None:
        """Nothing heard yet."""
        self.capacity, self.frames = capacity, 0
        self._held = np.zeros((capacity, channels), np.float32)

    def write(self, block: np.ndarray) -> None:
        """Take in what follows: [n, channels], n at most `capacity`."""
        at = self.frames % self.capacity
        first = min(len(block), self.capacity - at)
        self._held[at : at + first] = block[:first]
        self._held[: len(block) - first] = block[first:]
        self.frames += len(block)

    def read(self, start: int, length: int) -> np.ndarray:
        """The samples from `start` on: → [length, channels], a copy.

        What lies before the stream's first sample, or behind its newest, reads as zero.

        Raises:
            ValueError: some of it has been forgotten.
        """
        result = np.zeros((length, self._held.shape[1]), np.float32)
        first, last = max(start, 0), min(start + length, self.frames)
        if first < last:
            if first < self.frames - self.capacity:
                raise ValueError(f"sample {first} is no longer held")
            result[first - start : last - start] = self._held[
                np.arange(first, last) % self.capacity
            ]
        return result
