"""How many samples a FLAC file holds, when its header does not know (RFC 9639).

libsndfile believes the header, and cannot read to the end of a file whose header says nothing,
which is what encoders leave that write into a pipe or end early. Each frame of samples says which
samples it has: the last one tells.
"""

import re
from functools import cache
from pathlib import Path

from tap2key.audio.spliced_file import Sound
from tap2key.core.errors import Tap2keyError

MAGIC = b"fLaC"
# Magic, the head of the first block of metadata, and that block up to the count of samples.
COUNT_AT = 21
HEADER_BYTES = 42
SYNC = re.compile(b"\xff[\xf8\xf9]")
FIXED_SIZES = {1: 192, **{code: 576 << (code - 2) for code in range(2, 6)}}
FIXED_SIZES |= {code: 256 << (code - 8) for code in range(8, 16)}
SAMPLE_BITS = {1: 8, 2: 12, 4: 16, 5: 20, 6: 24, 7: 32}
# A frame's head, its subframes' heads and its check sum, beside samples as they are.
BESIDE_SAMPLES = 1024


def flac_sound(path: Path) -> Sound:
    """Find out how many samples a FLAC file holds.

    Raises:
        Tap2keyError: it is cut short, or its header is no FLAC header.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        header = file.read(HEADER_BYTES)
        if len(header) < HEADER_BYTES or header[4] & 0x7F:
            raise Tap2keyError(f"{path}: not readable as FLAC (its header is cut short or damaged)")
        fields = int.from_bytes(header[18:26], "big")
        channels, bits = (fields >> 41 & 7) + 1, (fields >> 36 & 31) + 1
        count = fields & (1 << 36) - 1
        largest = int.from_bytes(header[10:12], "big")
        size = path.stat().st_size
        # Two frames, so that a whole one is there where the last is cut.
        start = max(0, size - 2 * (largest * channels * (bits + 8) // 8 + BESIDE_SAMPLES))
        file.seek(start)
        tail = file.read()
    found = [
        frame
        for match in SYNC.finditer(tail)
        if (frame := _frame(tail, match.start(), channels, bits, largest)) is not None
    ]
    if not found:
        raise Tap2keyError(f"{path}: truncated, or no samples in it; copy it again")
    whole = (frame for frame in reversed(found) if not _check_sum(tail[frame[0] :], 0x8005, 16))
    last = next(whole, None)
    held = found[-1][1] if last is None else last[1] + last[2]
    # Tags may stand behind the last frame; if it is cut, reading will say so.
    ends = [held] if last else [held, *(first + length for _, first, length in found)]
    if count in ends:
        return Sound(count)
    if held < count:
        raise Tap2keyError(
            f"{path}: truncated, {held} of {count} samples are there; copy it again, or keep what "
            "is there: decode it with flac --decode-through-errors"
        )
    warnings = []
    if last is None:
        warnings.append("it ends within a frame of samples, read up to there")
    if count:
        warnings.append(
            f"its header says {count} samples where {held} are, read to the end of the file"
        )
    known = bytearray(header[COUNT_AT:26])
    known[0] = known[0] & 0xF0 | held >> 32
    known[1:] = (held & 0xFFFFFFFF).to_bytes(4, "big")
    pieces = ((0, COUNT_AT), bytes(known), (26, size))
    return Sound(held, pieces, warnings=tuple(warnings))


def _frame(
    data: bytes, at: int, channels: int, bits: int, frame_length: int
) -> tuple[int, int, int] | None:
    """The place, first sample and length of the frame whose head stands at a byte, if one does."""
    head = data[at : at + 16]
    if len(head) < 6 or head[3] & 1:
        return None
    size_code, rate_code = head[2] >> 4, head[2] & 15
    channel_code, bits_code = head[3] >> 4, head[3] >> 1 & 7
    assigned = channel_code + 1 if channel_code < 8 else 2
    if not size_code or rate_code == 15 or channel_code > 10 or assigned != channels:
        return None
    if bits_code and SAMPLE_BITS.get(bits_code) != bits:
        return None
    # A number coded like a character of UTF-8, up to seven bytes.
    ones = 8 - (head[4] ^ 0xFF).bit_length()
    if ones in (1, 8):
        return None
    more = head[5 : 4 + max(ones, 1)]
    number = head[4] & (0x7F >> ones)
    for byte in more:
        number = number << 6 | byte & 0x3F
    end = 5 + len(more)
    if size_code in (6, 7):
        width = size_code - 5
        length = int.from_bytes(head[end : end + width], "big") + 1
        end += width
    else:
        length = FIXED_SIZES[size_code]
    end += {12: 1, 13: 2, 14: 2}.get(rate_code, 0)
    if len(head) <= end or _check_sum(head[: end + 1], 0x07, 8):
        return None
    # Frames of one length are counted, those of several say their first sample.
    return at, number if head[1] & 1 else number * frame_length, length


def _check_sum(data: bytes, polynomial: int, bits: int) -> int:
    """The cyclic redundancy check of bytes; 0 for what ends with its own."""
    table, mask, shift = _table(polynomial, bits), (1 << bits) - 1, bits - 8
    value = 0
    for byte in data:
        value = (value << 8 & mask) ^ table[value >> shift ^ byte]
    return value


@cache
def _table(polynomial: int, bits: int) -> list[int]:
    table = []
    for byte in range(256):
        value = byte << (bits - 8)
        for _ in range(8):
            value = value << 1 ^ (polynomial if value >> (bits - 1) else 0)
            value &= (1 << bits) - 1
        table.append(value)
    return table
