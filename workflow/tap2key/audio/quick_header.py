"""What the first bytes of a recording say, for the scan of a study: where its sound is, how long.

Snakemake's main process asks this of every recording, so nothing but the standard library is
imported, and a size in a header counts only where the file bears it out.
"""

import struct
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from tap2key.audio.chunks import HEAD_BYTES, Chunks

LARGEST_RIFF = 0xFFFFFFFF
MOST_CHUNKS = 1000


@dataclass(frozen=True)
class SoundHeader:
    """Where a file's sound is, in bytes, how long it takes, and of which array it is."""

    offset: int
    length: int
    seconds: float
    channels: int
    sample_rate: int


def read_header(path: str | Path) -> SoundHeader | None:
    """The header of a wav, w64 or flac file; None of anything else, and of a broken one."""
    try:
        size = Path(path).stat().st_size
        with Path(path).open("rb") as handle:
            head = handle.read(HEAD_BYTES)
            return _flac(head, size) if head[:4] == b"fLaC" else _wave(Chunks(handle, size))
    except (OSError, ValueError, struct.error):
        return None


def _wave(chunks: Chunks) -> SoundHeader | None:
    kind = None
    for chunk in islice(chunks.run(chunks.first), MOST_CHUNKS):
        if chunk.name == b"data":
            # Past 4 GiB a size of 32 bits has wrapped.
            promised = chunk.length if chunks.size <= LARGEST_RIFF or chunks.head_bytes > 8 else 0
            return _sound(chunk.start, promised, chunks.size, kind)
        if chunk.name == b"fmt ":
            kind = struct.unpack_from(f"{chunks.order}HIIH", chunks.body(chunk), 2)
    return None


def _sound(
    offset: int, promised: int, size: int, kind: tuple[int, int, int, int] | None
) -> SoundHeader | None:
    channels, rate, _, frame = kind or (0, 0, 0, 0)
    if not rate * frame:
        return None
    there = size - offset
    length = promised if 0 < promised <= there else there
    return SoundHeader(offset, length, length / (rate * frame), channels, rate)


def _flac(head: bytes, size: int) -> SoundHeader | None:
    """Of STREAMINFO, the first block: 20 bits of sample rate, 3 of channels … 36 of samples.

    RFC 9639.
    """
    packed = int.from_bytes(head[18:26], "big")
    rate, channels, samples = packed >> 44, (packed >> 41 & 7) + 1, packed & (1 << 36) - 1
    return SoundHeader(0, size, samples / rate, channels, rate) if rate and samples else None
