"""Where the samples of a wav or w64 file are, and how many, when its header is wrong about it.

libsndfile believes the header. Headers are wrong when sizes wrapped at 4 GiB or stopped there, when
a recorder wrote into a pipe, or when it ended before it could fill in the size.
"""

import struct
from pathlib import Path
from typing import Any

from tap2key.audio.chunks import WAVES, Chunk, Chunks
from tap2key.audio.spliced_file import Sound
from tap2key.core.errors import Tap2keyError

# What is written where the size is not known yet, less a header's length or rounded to frames.
PLACEHOLDERS = ((0x7FFF0000, 0x80000000), (0xFFFF0000, 0xFFFFFFFF))
# Four days of eight channels: a larger size is a placeholder too.
BEYOND_ANY_SIZE = 1 << 40
SUBTYPES = {
    (1, 1): "PCM_U8",
    (1, 2): "PCM_16",
    (1, 3): "PCM_24",
    (1, 4): "PCM_32",
    (3, 4): "FLOAT",
    (3, 8): "DOUBLE",
}
EXTENSIBLE = 0xFFFE
# Their true size is in the chunk ds64.
LONG_KINDS = (b"RF64", b"BW64")
RESCUE = "copy it again, or keep what is there: open it in a sound editor and save it again"


def wav_sound(path: Path) -> Sound:
    """Find the samples of a wav (RIFF, RIFX, RF64, BW64) or w64 file.

    Where what stands behind the samples, by the header's count, is chunks or nothing, the header
    is right. Where it is more sound, that is read too, with a warning.

    Raises:
        Tap2keyError: samples are missing, there is no chunk of them, or another file follows.
        OSError: the file cannot be read.
        ValueError: it is no such file.
    """
    with path.open("rb") as file:
        chunks = Chunks(file, path.stat().st_size)
        return _Header(path, chunks).sound()


class _Header:
    def __init__(self, path: Path, chunks: Chunks) -> None:
        self.path, self.chunks = path, chunks
        self.options: dict[str, Any] = {}
        self.frame_bytes = 1
        self.long_size: int | None = None
        self.warnings: list[str] = []

    def sound(self) -> Sound:
        data = self._data()
        stretches = [(data.start, self._end(data))]
        behind = list(self.chunks.run(self.chunks.after(data, stretches[0][1] - data.start)))
        for chunk in behind:
            if chunk.name in WAVES or chunk.name == b"riff":
                place = chunk.start - self.chunks.head_bytes
                raise self._error(f"another recording begins at its byte {place}; cut it in two")
            if chunk.name == b"data":
                stretches.append((chunk.start, self._end(chunk)))
        stretches = [(start, stop) for start, stop in stretches if stop > start]
        if len(stretches) > 1:
            if any((stop - start) % self.frame_bytes for start, stop in stretches[:-1]):
                raise self._error(
                    f"its sound is in {len(stretches)} pieces that do not fit together; {RESCUE}"
                )
            self.warnings.append(
                f"its sound is in {len(stretches)} data chunks, read one after the other"
            )
        held = sum(stop - start for start, stop in stretches)
        if not self.options:
            return Sound(warnings=tuple(self.warnings))
        frames = held // self.frame_bytes
        return Sound(frames, tuple(stretches), self.options, tuple(self.warnings))

    def _data(self) -> Chunk:
        """The first chunk of samples; takes the format from what stands before it."""
        for chunk in self.chunks.run(self.chunks.first):
            if chunk.name == b"fmt ":
                self._read_format(self.chunks.body(chunk))
            elif chunk.name == b"ds64" and self.chunks.kind in LONG_KINDS:
                body = self.chunks.body(chunk)
                self.long_size = struct.unpack("<Q", body[8:16])[0] if len(body) >= 16 else None
            elif chunk.name == b"data":
                return chunk
        raise self._error(
            "no chunk with samples where its header says; open it in a sound editor and save it "
            "anew as wav"
        )

    def _read_format(self, body: bytes) -> None:
        if len(body) < 16:
            return
        order = self.chunks.order
        tag, channels, rate, _, frame_bytes, bits = struct.unpack(f"{order}HHIIHH", body[:16])
        if tag == EXTENSIBLE and len(body) >= 26:
            tag = struct.unpack(f"{order}H", body[24:26])[0]
        sample_bytes = frame_bytes // max(channels, 1)
        subtype = SUBTYPES.get((tag, sample_bytes))
        if subtype and sample_bytes * channels == frame_bytes and bits <= 8 * sample_bytes:
            self.frame_bytes = frame_bytes
            self.options = {
                "format": "RAW",
                "subtype": subtype,
                "endian": "BIG" if order == ">" else "LITTLE",
                "channels": channels,
                "samplerate": rate,
            }

    def _end(self, data: Chunk) -> int:
        """The byte behind the last sample of the first chunk of samples."""
        there = self.chunks.size - data.start
        counted = [data.length]
        if self.long_size is not None:
            counted.insert(0, self.long_size)
            self.long_size = None
        for length in counted:
            behind = self.chunks.after(data, length)
            if length <= there and self.chunks.nothing_but_chunks(behind, self.frame_bytes):
                return data.start + length
        stated = counted[0] or counted[-1]
        if stated > there and not _is_placeholder(stated):
            raise self._error(f"truncated, {stated - there} bytes are missing at its end; {RESCUE}")
        if not self.options:
            raise self._error(
                "its header does not say how long it is; open it in a sound editor and save it "
                "again as wav"
            )
        held = (self.chunks.end_of_sound(data.start) - data.start) // self.frame_bytes
        if not stated or _is_placeholder(stated):
            says = "does not say how long it is (it ended early, or was written into a pipe)"
        else:
            says = (
                f"says {self._seconds(stated)} where {self._seconds(held * self.frame_bytes)} are"
            )
        self.warnings.append(f"its header {says}, read to the end of the file")
        return data.start + held * self.frame_bytes

    def _seconds(self, length: int) -> str:
        return f"{length / self.frame_bytes / max(self.options['samplerate'], 1):.3f} s"

    def _error(self, reason: str) -> Tap2keyError:
        return Tap2keyError(f"{self.path}: {reason}")


def _is_placeholder(length: int) -> bool:
    return length >= BEYOND_ANY_SIZE or any(low <= length <= high for low, high in PLACEHOLDERS)
