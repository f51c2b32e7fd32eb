"""Recordings as they come: wav, w64 or FLAC, in blocks of float32 at the array's rate."""

import os
import stat
from collections.abc import Generator, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import soundfile

from tap2key.audio.array import DEFAULT, Array
from tap2key.audio.flac_length import MAGIC, flac_sound
from tap2key.audio.spliced_file import Pieces, Sound
from tap2key.audio.wav_repair import wav_sound
from tap2key.core.errors import Tap2keyError

SUBTYPES = ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE")
FLAC_SUBTYPES = ("PCM_S8", "PCM_16", "PCM_24")
SLOWEST_RATE, FASTEST_RATE = 8_000, 768_000
# Of float samples: more than 32-bit integers that somebody forgot to scale; squares stay finite.
BEYOND_ANY_SCALE = 2.0**32
# Two thirds of a second at 96 kHz: large enough for fast reads, small enough to stay in a cache.
BLOCK = 1 << 16


class AudioFile:
    """One wav, w64 or FLAC of an array, seen as float32 at its rate with full scale 1.0.

    Of the array's channels, those that are not ignored are read: c of them. `sample_rate` is the
    file's own; `frames` and `duration_s` count at the array's. `warnings` says in words what is odd
    about a file that can be used all the same.

    Raises:
        Tap2keyError: the file is missing, empty, truncated, unreadable or has the wrong number of
            channels; also while reading, when samples are missing or not finite.
    """

    def __init__(self, path: str | Path, array: Array = DEFAULT) -> None:
        """Check the file's header, and what it says of its length; nothing stays open."""
        self.path, self.array = Path(path), array
        self._kept = list(array.kept)
        self._sound = self._find_sound()
        self.warnings = self._sound.warnings
        self._in_pieces = False
        try:
            with self._open() as file:
                found = self._checked_frames(file)
        except Tap2keyError:
            if not self._sound.pieces:
                raise
            found = -1  # As no header counts.
        if self._sound.frames not in (None, found):
            self._in_pieces = True
            with self._open() as file:
                found = self._checked_frames(file)
        self._file_frames = found
        self.frames = self._file_frames * array.sample_rate // self.sample_rate
        if self.frames <= 0:
            raise self._error("no samples in it; record it again or take it out")
        self.duration_s = self.frames / array.sample_rate

    def _checked_frames(self, file: soundfile.SoundFile) -> int:
        if file.channels != self.array.channels:
            raise self._error(
                f"{file.channels} channel(s), but array.channels is {self.array.channels}: record "
                "all microphones into one file, or read it with its own array (see arrays in "
                "config/README.md)"
            )
        if file.subtype not in SUBTYPES + FLAC_SUBTYPES:
            raise self._error(
                f"samples are {file.subtype}; save it as 16, 24 or 32 bit PCM or as float"
            )
        if not SLOWEST_RATE <= file.samplerate <= FASTEST_RATE:
            raise self._error(
                f"sample rate {file.samplerate} Hz is outside {SLOWEST_RATE}–{FASTEST_RATE} Hz"
            )
        self._may_lack_numbers = file.subtype in ("FLOAT", "DOUBLE")
        self.sample_rate: int = file.samplerate
        return file.frames

    def blocks(self, length: int = BLOCK) -> Iterator[np.ndarray]:
        """Yield the recording from its first sample on: [`length`, c], the last one shorter."""
        if self.sample_rate == self.array.sample_rate:
            yield from self._file_blocks(length)
            return
        held, emitted = [self._nothing()], 0
        for block in self._resampled_blocks(length):
            held.append(block[: self.frames - emitted])
            emitted += len(held[-1])
            # A resampler's blocks are as long as it likes.
            if sum(map(len, held)) >= length:
                joined = np.concatenate(held)
                whole = len(joined) // length * length
                yield from joined[:whole].reshape(-1, length, joined.shape[1])
                held = [joined[whole:]]
        # And it may end a sample or two short of the exact length.
        short = np.zeros((self.frames - emitted, len(self._kept)), np.float32)
        rest = np.concatenate([*held, short])
        for start in range(0, len(rest), length):
            yield rest[start : start + length]

    def sections(self, starts: Iterable[int], length: int) -> Iterator[np.ndarray]:
        """Yield [`length`, c] from each start; starts ascend.

        Args:
            starts: first sample of each section at the array's rate. What lies before the first or
                behind the last sample of the recording reads as zero.
            length: samples per section.
        """
        native = self.sample_rate == self.array.sample_rate
        read = self._seeking_reader() if native else self._stream_reader()
        next(read)
        for start in starts:
            section = np.zeros((length, len(self._kept)), np.float32)
            first, last = max(start, 0), min(start + length, self.frames)
            if first < last:
                section[first - start : last - start] = read.send((first, last))
            yield section
        read.close()

    def _seeking_reader(self) -> Generator[np.ndarray, tuple[int, int], None]:
        with self._open() as file:
            piece = self._nothing()
            while True:
                first, last = yield piece
                try:
                    file.seek(first)
                    piece = file.read(last - first, dtype="float32", always_2d=True)
                except soundfile.LibsndfileError as error:
                    raise self._error(f"not readable ({error.error_string})") from None
                if len(piece) < last - first:
                    raise self._error("truncated, samples are missing at its end")
                piece = self._chosen(piece)

    def _stream_reader(self) -> Generator[np.ndarray, tuple[int, int], None]:
        held, held_from, blocks = self._nothing(), 0, self.blocks()
        piece = held
        while True:
            first, last = yield piece
            while held_from + len(held) < last:
                passed = min(max(first - held_from, 0), len(held))
                held = np.concatenate([held[passed:], next(blocks)])
                held_from += passed
            piece = held[first - held_from : last - held_from]

    def _file_blocks(self, length: int) -> Iterator[np.ndarray]:
        done = 0
        with self._open() as file:
            while done < self._file_frames:
                try:
                    block = file.read(length, dtype="float32", always_2d=True)
                except soundfile.LibsndfileError as error:
                    raise self._error(f"not readable ({error.error_string})") from None
                if not len(block):
                    raise self._error("truncated, samples are missing at its end")
                block = self._chosen(block)
                # Written so that what is not a number fails the comparison too.
                if self._may_lack_numbers and not (np.abs(block) < BEYOND_ANY_SCALE).all():
                    raise self._error(
                        f"holds values that are no sound near {done / self.sample_rate:.2f} s "
                        "(not numbers, or too great)"
                    )
                done += len(block)
                yield block

    def _resampled_blocks(self, length: int) -> Iterator[np.ndarray]:
        import soxr

        rate, channels = self.array.sample_rate, len(self._kept)
        stream = soxr.ResampleStream(self.sample_rate, rate, channels, dtype="float32")
        for block in self._file_blocks(max(1, length * self.sample_rate // rate)):
            yield stream.resample_chunk(np.ascontiguousarray(block)).reshape(-1, channels)
        yield stream.resample_chunk(self._nothing(), last=True).reshape(-1, channels)

    def _chosen(self, block: np.ndarray) -> np.ndarray:
        return np.take(block, self._kept, axis=1) if self.array.ignore else block

    def _nothing(self) -> np.ndarray:
        return np.zeros((0, len(self._kept)), np.float32)

    def _find_sound(self) -> Sound:
        with self._in_one_line():
            status = self.path.stat()
            # A pipe would be waited for, for ever.
            if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
                raise self._error("not a file")
            if status.st_size == 0:
                raise self._error("empty file; record it again or take it out")
            with self.path.open("rb") as handle:
                head = handle.read(len(MAGIC))
            return flac_sound(self.path) if head == MAGIC else wav_sound(self.path)

    @contextmanager
    def _open(self) -> Iterator[soundfile.SoundFile]:
        with ExitStack() as stack:
            with self._in_one_line():
                if self._in_pieces:
                    shown = stack.enter_context(Pieces(self.path, self._sound.pieces))
                    file = soundfile.SoundFile(shown, **self._sound.options)
                else:
                    # Not by its name: its ending may say something else, its bytes be no UTF-8.
                    descriptor = os.open(self.path, os.O_RDONLY)
                    stack.callback(os.close, descriptor)
                    file = soundfile.SoundFile(descriptor, closefd=False)
                stack.enter_context(file)
            yield file

    @contextmanager
    def _in_one_line(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise self._error("no such file") from None
        except (OSError, soundfile.LibsndfileError) as error:
            reason = getattr(error, "error_string", None) or getattr(error, "strerror", None)
            raise self._error(f"not readable as wav, w64 or FLAC ({reason or error})") from None
        except (TypeError, ValueError, OverflowError) as error:
            raise self._error(f"not readable as wav, w64 or FLAC ({error})") from None

    def _error(self, reason: str) -> Tap2keyError:
        return Tap2keyError(f"{self.path}: {reason}")
