"""Sound from standard input, a named pipe or a file: raw samples or a wav, as they come."""

import os
import select
import sys
from collections.abc import Iterator
from pathlib import Path

from tap2key.audio.array import Array
from tap2key.audio.chunks import WAVES
from tap2key.core.errors import Tap2keyError
from tap2key.core.log import log
from tap2key.listening.blocks import BLOCK_S, TICK_S, Block, check_form, check_sound
from tap2key.listening.sample_formats import Format, WavHead, wav_head
from tap2key.reading.unlabelled import SOUND_BEGINNINGS

STANDARD_INPUT = Path("-")
AT_ONCE = 1 << 18
# By these a wav is known.
FIRST_BYTES = 12


class Pipe:
    """A `Source` of bytes: a wav if it begins like one, else raw samples."""

    def __init__(self, path: Path, array: Array, subtype: str, rate: int) -> None:
        """Open, without waiting for a writer.

        Args:
            path: `-` is standard input.
            array: the models'.
            subtype: of raw samples, little endian.
            rate: theirs, in Hz.

        Raises:
            Tap2keyError: it cannot be opened.
        """
        standard = path == STANDARD_INPUT
        self.name = "standard input" if standard else str(path)
        self._array, self._raw = array, Format(subtype, array.channels, rate)
        # Python has none where it was closed before it started.
        if standard and sys.stdin is None:
            raise Tap2keyError("standard input: is closed; pipe sound into it")
        if standard and sys.stdin.isatty():
            raise Tap2keyError("standard input: is a terminal; pipe sound into it")
        try:
            if standard:
                self._descriptor = os.dup(sys.stdin.fileno())
            else:
                # A named pipe is not waited for: its writer may come later, and Ctrl-C earlier.
                self._descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        except OSError as error:
            raise Tap2keyError(f"{self.name}: cannot be read ({error.strerror})") from None
        self._ready = select.poll()
        self._ready.register(self._descriptor, select.POLLIN)
        self._held = b""
        self._head: WavHead | None = None
        # Until a wav says another.
        self.rate = rate

    def blocks(self) -> Iterator[Block | None]:
        """See `Source`."""
        yield from self._beginning()
        form = self._form
        step = max(round(BLOCK_S * form.rate), 1) * form.frame_bytes
        stated = None if self._head is None else self._head.length
        done, idle, ended = 0, False, False
        while True:
            if stated is not None and done + len(self._held) >= stated:
                # Behind the samples of a wav stand titles and the like.
                self._held, ended = self._held[: stated - done], True
            # Where nothing more comes, what is there is heard, however little it is.
            if len(self._held) >= (form.frame_bytes if idle or ended else step):
                whole = len(self._held) // form.frame_bytes * form.frame_bytes
                samples = form.samples(self._held[:whole])
                check_sound(self.name, samples, done / form.frame_bytes / form.rate)
                self._held, done, idle = self._held[whole:], done + whole, False
                yield Block(samples)
            elif ended:
                break
            else:
                if idle:
                    yield None
                data = self._read()
                idle, ended = data is None, data == b""
                self._held += data or b""
        self._say_how_it_ended(done, stated)

    def close(self) -> None:
        """See `Source`."""
        os.close(self._descriptor)

    def _beginning(self) -> Iterator[None]:
        """Read until it is known whether this is a wav, and of which form."""
        data: bytes | None = None
        while data is None or (data and not self._is_known()):
            data = self._read()
            self._held += data or b""
            if data is None:
                yield None
        if not self._held:
            raise Tap2keyError(f"{self.name}: ended before there was any sound")
        if self._head is not None:
            self._held = self._held[self._head.start :]
        elif self._held.startswith(WAVES):
            raise Tap2keyError(f"{self.name}: ended within the header of a wav")
        elif self._held.startswith(SOUND_BEGINNINGS):
            raise Tap2keyError(
                f"{self.name}: neither a wav nor raw samples; convert it first, such as by "
                "ffmpeg -i - -f wav -"
            )
        form = self._form
        check_form(self.name, form.channels, form.rate, self._array)
        self.rate = form.rate

    @property
    def _form(self) -> Format:
        return self._raw if self._head is None else self._head.format

    def _is_known(self) -> bool:
        if len(self._held) < FIRST_BYTES or not self._held.startswith(WAVES):
            return len(self._held) >= FIRST_BYTES
        try:
            self._head = wav_head(self._held)
        except ValueError as error:
            raise Tap2keyError(f"{self.name}: not readable as wav ({error})") from None
        return self._head is not None

    def _read(self) -> bytes | None:
        """What has come; None if nothing did for a moment, nothing at the end."""
        if not self._ready.poll(1000 * TICK_S):
            return None
        try:
            return os.read(self._descriptor, AT_ONCE)
        except BlockingIOError:
            return None
        except OSError as error:
            raise Tap2keyError(f"{self.name}: cannot be read ({error.strerror})") from None

    def _say_how_it_ended(self, done: int, stated: int | None) -> None:
        form = self._form
        if len(self._held):
            log.warning(
                f"{self.name}: ended within a frame: {len(self._held)} of {form.frame_bytes} bytes"
                + ("" if done else "; is it the right number of channels?")
            )
        if stated is not None and done < stated - form.frame_bytes:
            missing = (stated - done) / form.frame_bytes / form.rate
            log.warning(f"{self.name}: ended {missing:.3f} s before what its header says")
