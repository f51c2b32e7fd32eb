"""Recordings as they come: wav, w64 or FLAC with 8 channels, in blocks of float32 at 96 kHz."""

import os
import stat
from collections.abc import Generator, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import soundfile

from tap2key.audio.flac_length import MAGIC, flac_sound
from tap2key.audio.spliced_file import Pieces, Sound
from tap2key.audio.wav_repair import wav_sound
from tap2key.core.errors import Tap2keyError

SAMPLE_RATE = 96_000
CHANNELS = 8
WINDOW_BEFORE = 2192
WINDOW_AFTER = 6000
WINDOW = WINDOW_BEFORE + WINDOW_AFTER

SUBTYPES = ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE")
FLAC_SUBTYPES = ("PCM_S8", "PCM_16", "PCM_24")
SLOWEST_RATE, FASTEST_RATE = 8_000, 768_000
# Of float samples: more than 32-bit integers that somebody forgot to scale; squares stay finite.
BEYOND_ANY_SCALE = 2.0**32
# Two thirds of a second: large enough for fast reads, small enough to stay in a cache.
BLOCK = 1 << 16


class AudioFile:
    """One 8-channel wav, w64 or FLAC, seen as float32 at 96 kHz with full scale 1.0.

    `sample_rate` is the file's own; `frames` and `duration_s` count at 96 kHz. `warnings` says in
    words what is odd about a file that can be used all the same.

    Raises:
        Tap2keyError: the file is missing, empty, truncated, unreadable or has the wrong number of
            channels; also while reading, when samples are missing or not finite.
    """

    def __init__(self, path: str | Path) -> None:
        """Check the file's header, and what it says of its length; nothing stays open."""
        self.path = Path(path)
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
        if found <= 0:
            raise self._error("no samples in it; record it again or take it out")
        self._file_frames = found
        self.frames = self._file_frames * SAMPLE_RATE // self.sample_rate
        self.duration_s = self.frames / SAMPLE_RATE

    def _checked_frames(self, file: soundfile.SoundFile) -> int:
        if file.channels != CHANNELS:
            raise self._error(
                f"{file.channels} channel(s); tap2key needs {CHANNELS}: record all microphones "
                "into one file"
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
        """Yield the recording from its first sample on, [up to `length`, 8] at a time."""
        if self.sample_rate == SAMPLE_RATE:
            yield from self._file_blocks(length)
            return
        emitted = 0
        for block in self._resampled_blocks(length):
            block = block[: self.frames - emitted]
            emitted += len(block)
            if len(block):
                yield block
        # The resampler may end a sample or two short of the exact length.
        if emitted < self.frames:
            yield np.zeros((self.frames - emitted, CHANNELS), np.float32)

    def sections(self, starts: Iterable[int], length: int) -> Iterator[np.ndarray]:
        """Yield [`length`, 8] from each start; starts ascend.

        Args:
            starts: first sample of each section at 96 kHz. What lies before the first or behind
                the last sample of the recording reads as zero.
            length: samples per section.
        """
        read = self._seeking_reader() if self.sample_rate == SAMPLE_RATE else self._stream_reader()
        next(read)
        for start in starts:
            section = np.zeros((length, CHANNELS), np.float32)
            first, last = max(start, 0), min(start + length, self.frames)
            if first < last:
                section[first - start : last - start] = read.send((first, last))
            yield section
        read.close()

    def _seeking_reader(self) -> Generator[np.ndarray, tuple[int, int], None]:
        with self._open() as file:
            piece = np.zeros((0, CHANNELS), np.float32)
            while True:
                first, last = yield piece
                try:
                    file.seek(first)
                    piece = file.read(last - first, dtype="float32", always_2d=True)
                except soundfile.LibsndfileError as error:
                    raise self._error(f"not readable ({error.error_string})") from None
                if len(piece) < last - first:
                    raise self._error("truncated, samples are missing at its end")

    def _stream_reader(self) -> Generator[np.ndarray, tuple[int, int], None]:
        held, held_from, blocks = np.zeros((0, CHANNELS), np.float32), 0, self.blocks()
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

        stream = soxr.ResampleStream(self.sample_rate, SAMPLE_RATE, CHANNELS, dtype="float32")
        for block in self._file_blocks(max(1, length * self.sample_rate // SAMPLE_RATE)):
            yield stream.resample_chunk(np.ascontiguousarray(block))
        yield stream.resample_chunk(np.zeros((0, CHANNELS), np.float32), last=True)

    def _find_sound(self) -> Sound:
        with self._in_one_line():
            about = self.path.stat()
            # A pipe would be waited for, for ever.
            if not (stat.S_ISREG(about.st_mode) or stat.S_ISDIR(about.st_mode)):
                raise self._error("not a file")
            if about.st_size == 0:
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
