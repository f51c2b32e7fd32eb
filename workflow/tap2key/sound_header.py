"""What the first bytes of a recording say, for the scan of a study: where its sound is, how long.

Snakemake's main process asks this of every recording, so nothing but the standard library is
imported, and a size in a header counts only where the file bears it out.
"""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

RIFF, LARGEST_RIFF = (b"RIFF", b"RIFX", b"RF64"), 0xFFFFFFFF
W64_RIFF = b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00"
MOST_CHUNKS = 1000


@dataclass(frozen=True)
class SoundHeader:
    """Where a file's sound is, in bytes, and how long it takes."""

    offset: int
    length: int
    seconds: float


def read_header(path: str | Path) -> SoundHeader | None:
    """The header of a wav, w64 or flac file; None of anything else, and of a broken one."""
    try:
        size = Path(path).stat().st_size
        with Path(path).open("rb") as handle:
            head = handle.read(40)
            if head[:4] in RIFF and head[8:12] == b"WAVE":
                handle.seek(12)
                return _chunks(handle, size, ">" if head[:4] == b"RIFX" else "<")
            if head[:16] == W64_RIFF:
                return _w64_chunks(handle, size)
            if head[:4] == b"fLaC":
                return _flac(head, size)
    except (OSError, struct.error):
        pass
    return None


def _chunks(handle: BinaryIO, size: int, order: str) -> SoundHeader | None:
    rate = 0
    for _ in range(MOST_CHUNKS):
        name, length = struct.unpack(f"{order}4sI", handle.read(8))
        if name == b"data":
            return _sound(handle.tell(), length if size <= LARGEST_RIFF else 0, size, rate)
        if name == b"fmt ":
            rate = _bytes_per_second(handle.read(length), order)
            handle.seek(length & 1, 1)
        else:
            handle.seek(length + (length & 1), 1)
    return None


def _w64_chunks(handle: BinaryIO, size: int) -> SoundHeader | None:
    rate = 0
    for _ in range(MOST_CHUNKS):
        name, length = struct.unpack("<16sQ", handle.read(24))
        body = length - 24
        if body < 0:
            return None
        if name[:4] == b"data":
            return _sound(handle.tell(), body, size, rate)
        after = handle.tell() + body + (-body % 8)
        if name[:4] == b"fmt ":
            rate = _bytes_per_second(handle.read(16), "<")
        handle.seek(after)
    return None


def _bytes_per_second(body: bytes, order: str) -> int:
    samples_per_second, _, frame = struct.unpack_from(f"{order}IIH", body, 4)
    return samples_per_second * frame


def _sound(offset: int, promised: int, size: int, rate: int) -> SoundHeader | None:
    there = size - offset
    length = promised if 0 < promised <= there else there
    return SoundHeader(offset, length, length / rate) if rate else None


def _flac(head: bytes, size: int) -> SoundHeader | None:
    """Of STREAMINFO, the first block: 20 bits of sample rate … 36 bits of samples (RFC 9639)."""
    packed = int.from_bytes(head[18:26], "big")
    rate, samples = packed >> 44, packed & (1 << 36) - 1
    return SoundHeader(0, size, samples / rate) if rate and samples else None
