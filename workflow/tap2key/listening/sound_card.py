"""Sound from a sound card, through PortAudio."""

import queue
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np

from tap2key.audio.array import Array
from tap2key.core.errors import Tap2keyError
from tap2key.listening.blocks import BLOCK_S, TICK_S, Block, Lost

# What may wait while a model thinks or a disk is slow.
WAITING_S = 5.0


class SoundCard:
    """A `Source`: one input device, opened at the array's rate with all of its channels."""

    def __init__(self, device: int | str | None, array: Array) -> None:
        """Open and start it.

        Args:
            device: its number or a part of its name; None for the system's usual one.
            array: the models'.

        Raises:
            Tap2keyError: PortAudio is missing, or there is no such device with so many channels at
                this rate.
        """
        self._library = _sounddevice()
        self.rate = array.sample_rate
        self._blocks: queue.Queue[tuple[np.ndarray, bool, float]] = queue.Queue(
            round(WAITING_S / BLOCK_S)
        )
        self._dropped = 0
        try:
            about = self._library.query_devices(device, "input")
            self.name = about["name"]
            self._stream = self._library.InputStream(
                device=device,
                channels=array.channels,
                samplerate=array.sample_rate,
                blocksize=round(BLOCK_S * array.sample_rate),
                dtype="float32",
                latency="low",
                callback=self._take,
            )
            self._stream.start()
        except (self._library.PortAudioError, ValueError) as error:
            wanted = f"{array.channels} channels at {array.sample_rate} Hz"
            given = "the usual input device" if device is None else f"--device {device}"
            raise Tap2keyError(
                f"{given}: cannot be opened with {wanted} ({error}); --list-devices shows what "
                "there is"
            ) from None

    def _take(self, samples: np.ndarray, frames: int, time: Any, status: Any) -> None:
        """Called by PortAudio in a thread of its own."""
        lost = bool(status.input_overflow) or self._dropped > 0
        try:
            self._blocks.put_nowait((samples.copy(), lost, time.inputBufferAdcTime))
            self._dropped = 0
        except queue.Full:
            self._dropped += frames

    def blocks(self) -> Iterator[Block | None]:
        """See `Source`."""
        expected: float | None = None
        while True:
            try:
                samples, lost, began = self._blocks.get(timeout=TICK_S)
            except queue.Empty:
                if not self._stream.active:
                    raise Tap2keyError(
                        f"{self.name}: gives no more sound; was it unplugged?"
                    ) from None
                yield None
                continue
            yield Block(samples, _lost(began, expected) if lost else None)
            expected = began + len(samples) / self.rate

    def close(self) -> None:
        """See `Source`."""
        self._stream.close(ignore_errors=True)


def _lost(began: float, expected: float | None) -> Lost:
    """What a card reports as lost; by its clock, if it has one."""
    reason = "the sound card's buffer overflowed"
    if not began or not expected or began <= expected:
        return Lost(reason, None)
    return Lost(reason, began - expected)


def device_list() -> str:
    """The devices with inputs, one a line: index, name, channels and usual rate.

    Raises:
        Tap2keyError: PortAudio is missing, or there is none.
    """
    library = _sounddevice()
    inputs = [about for about in library.query_devices() if about["max_input_channels"] > 0]
    if not inputs:
        raise Tap2keyError("no sound card with an input; --input reads a pipe or a file instead")
    head = "index\tname\tchannels\tsample_rate"
    rows = (
        f"{about['index']}\t{about['name']}\t{about['max_input_channels']}\t"
        f"{about['default_samplerate']:.0f}"
        for about in inputs
    )
    return "\n".join([head, *rows])


def _sounddevice() -> ModuleType:
    try:
        # Imported here: it needs a library that machines without sound lack.
        import sounddevice
    except OSError as error:
        raise Tap2keyError(
            f"no sound card can be used ({error}); install PortAudio (Debian, Ubuntu: apt install "
            "libportaudio2; conda: portaudio), or give sound by --input"
        ) from None
    return sounddevice
