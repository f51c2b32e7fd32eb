"""Clips of one tap each, seen as one recording: one after the other, with silence between them."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from tap2key.audio.array import DEFAULT, Array
from tap2key.audio.audio_file import AudioFile
from tap2key.core.errors import Tap2keyError


class ClipReel:
    """Clips in their order, each at the beginning of a slot of its own.

    A slot is as long as the longest clip and a window, so that no window reaches into another
    clip: what lies beyond a clip's ends reads as zero. `clips` has, for each path, the clip or why
    it cannot be used; the slot of such a one is silent. Of the array's channels, c are used.

    Raises:
        Tap2keyError: no clip can be used; the message is the first one's.
    """

    def __init__(self, paths: Sequence[Path], array: Array = DEFAULT) -> None:
        """Check the clips' headers; nothing stays open."""
        self.array = array
        self.clips = [_opened(path, array) for path in paths]
        usable = [clip for clip in self.clips if isinstance(clip, AudioFile)]
        if not usable:
            raise next(clip for clip in self.clips if isinstance(clip, Tap2keyError))
        self.slot = max(clip.frames for clip in usable) + array.window
        self.frames = self.slot * len(self.clips)
        self.duration_s = self.frames / array.sample_rate
        self.sample_rate = usable[0].sample_rate

    def read(self, number: int) -> np.ndarray:
        """The samples of one clip that can be used: [samples, c].

        Raises:
            Tap2keyError: they are not readable.
        """
        clip = self.clips[number]
        assert isinstance(clip, AudioFile)
        return np.concatenate(list(clip.blocks()))

    def sections(self, starts: Iterable[int], length: int) -> Iterator[np.ndarray]:
        """Yield [`length`, c] from each start, as `AudioFile.sections` does."""
        held, sound = -1, np.zeros((0, len(self.array.kept)), np.float32)
        for start in starts:
            section = np.zeros((length, len(self.array.kept)), np.float32)
            first, last = max(start // self.slot, 0), (start + length - 1) // self.slot
            for number in range(first, min(last + 1, len(self.clips))):
                if not isinstance(self.clips[number], AudioFile):
                    continue
                if number != held:
                    held, sound = number, self.read(number)
                at = number * self.slot
                begin, end = max(start, at), min(start + length, at + len(sound))
                if begin < end:
                    section[begin - start : end - start] = sound[begin - at : end - at]
            yield section


def _opened(path: Path, array: Array) -> AudioFile | Tap2keyError:
    try:
        return AudioFile(path, array)
    except Tap2keyError as error:
        return error
