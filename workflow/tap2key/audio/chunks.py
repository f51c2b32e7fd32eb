"""The chunks of wav (RIFF, RIFX, RF64, BW64) and w64 files: names and lengths, as they stand."""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

# What the names of recordings that can be read end in, case aside.
RECORDING_ENDINGS = (".wav", ".w64", ".flac")
# RIFF: Microsoft and IBM, 1991; RF64: EBU Tech 3306; BW64: ITU-R BS.2088; w64: Sony.
WAVES = (b"RIFF", b"RIFX", b"RF64", b"BW64")
W64_HEAD = b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00"
W64_WAVE = b"wave\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a"
# How the names that were made from four letters end.
W64_NAMES = (W64_HEAD[4:], W64_WAVE[4:], b"/" + W64_HEAD[5:])
HEAD_BYTES = 40
# What recorders and editors put beside the sound.
KNOWN = (
    *(*WAVES, b"riff"),
    *(b"fmt ", b"data", b"LIST", b"list", b"fact", b"bext", b"iXML", b"axml", b"aXML", b"chna"),
    *(b"cue ", b"plst", b"smpl", b"inst", b"id3 ", b"ID3 ", b"JUNK", b"Junk", b"junk", b"PAD "),
    *(b"FLLR", b"_PMX", b"cart", b"levl", b"umid", b"link", b"PEAK", b"acid", b"strc", b"DISP"),
    *(b"afsp", b"slnt", b"note", b"labl", b"ltxt", b"ds64", b"minf", b"elm1", b"regn", b"SyLp"),
    *(b"ResU", b"Cr8r", b"qlty", b"mext", b"MD5 ", b"r64m", b"AFAn", b"filr", b"LGWV", b"SNDM"),
)
KNOWN_NAME = re.compile(b"|".join(re.escape(name) for name in KNOWN))
# More than any program writes behind the sound, pictures aside.
TRAILER_BYTES = 1 << 20
ZEROS_AT_ONCE = 1 << 20


@dataclass(frozen=True)
class Chunk:
    """A chunk whose body begins at byte `start` and has `length` bytes, by its own word.

    `name` has four letters, or all 16 bytes where a w64 file's has no letters.
    """

    name: bytes
    start: int
    length: int


class Chunks:
    """The chunks of one open file.

    `kind` is the first four bytes (`riff` for w64), `first` where the first chunk stands, and
    `head_bytes` how long the name and length of each are.
    """

    def __init__(self, file: BinaryIO, size: int) -> None:
        """Look at the first bytes.

        Raises:
            ValueError: neither wav nor w64.
        """
        head = self._bytes(file, 0, HEAD_BYTES)
        self._file, self.size, self.kind = file, size, head[:4]
        self._long = head[:16] == W64_HEAD and head[24:40] == W64_WAVE
        if not self._long and not (self.kind in WAVES and head[8:12] == b"WAVE"):
            raise ValueError("it does not begin like one")
        self.first, self.head_bytes = (40, 24) if self._long else (12, 8)
        self.order = ">" if self.kind == b"RIFX" else "<"

    @staticmethod
    def _bytes(file: BinaryIO, at: int, count: int) -> bytes:
        file.seek(at)
        return file.read(count)

    def body(self, chunk: Chunk, most: int = 4096) -> bytes:
        """The first bytes of a chunk."""
        return self._bytes(self._file, chunk.start, min(chunk.length, most))

    def at(self, place: int) -> Chunk | None:
        """The chunk whose name stands at a byte; None if no name stands there."""
        head = self._bytes(self._file, place, self.head_bytes)
        name = head[:4]
        if self._long:
            if len(head) < 24:
                return None
            length = struct.unpack("<Q", head[16:])[0] - 24
            if head[10:16] not in (W64_HEAD[10:], W64_WAVE[10:]):
                return None
            if head[4:16] not in W64_NAMES:
                # Such as markers, whose names have no letters.
                return Chunk(head[:16], place + 24, length)
            # A length of nothing is written before the first sample, and counts the head or not.
            return Chunk(name, place + 24, max(length, 0))
        if len(head) < 8 or not all(0x20 <= letter < 0x7F for letter in name):
            return None
        return Chunk(name, place + 8, struct.unpack(f"{self.order}I", head[4:])[0])

    def after(self, chunk: Chunk, length: int | None = None) -> int:
        """Where the next chunk stands, whether its writer pads chunks or not.

        Args:
            chunk: the one before.
            length: of its body, where it is another than its own word.
        """
        end = chunk.start + (chunk.length if length is None else length)
        padded = -(-end // 8) * 8 if self._long else end + (end - chunk.start) % 2
        if padded != end and not self._known_at(padded) and self._known_at(end):
            return end
        return padded

    def _known_at(self, place: int) -> bool:
        found = self.at(place)
        return found is not None and (found.name in KNOWN or len(found.name) > 4)

    def fits(self, chunk: Chunk) -> bool:
        """Whether the file has all that the chunk claims."""
        return 0 <= chunk.length <= self.size - chunk.start

    def run(self, place: int) -> Iterator[Chunk]:
        """Chunks from a byte on, one after the other, to the first that the file ends in."""
        while (chunk := self.at(place)) is not None:
            yield chunk
            if not self.fits(chunk):
                return
            place = self.after(chunk)

    def nothing_but_chunks(self, place: int, spare: int) -> bool:
        """Whether no sound stands from a byte to the file's end: chunks, zeros, or less than that.

        Args:
            place: where a chunk's body has ended.
            spare: so many bytes are too few to be sound.
        """
        if self.size - place < spare or self._known_at(place):
            return True
        for chunk in self.run(place):
            if not self.fits(chunk):
                return False
            place = self.after(chunk)
        return self.size - place < spare or self.only_zeros(place)

    def only_zeros(self, place: int) -> bool:
        """Whether all bytes from one on are zero, as of room that was reserved and never used."""
        self._file.seek(place)
        while part := self._file.read(ZEROS_AT_ONCE):
            if part.count(0) < len(part):
                return False
        return True

    def end_of_sound(self, start: int) -> int:
        """Where sound that begins at a byte, and whose length nobody knows, ends at the latest.

        That is where chunks stand behind it that end with the file, or zeros that reserve room.
        """
        low = max(start, self.size - TRAILER_BYTES)
        for match in KNOWN_NAME.finditer(self._bytes(self._file, low, self.size - low)):
            place = low + match.start()
            chunks = list(self.run(place))
            if chunks and self.fits(chunks[-1]) and self.after(chunks[-1]) >= self.size:
                return place
        return self._last_sound(start)

    def _last_sound(self, start: int) -> int:
        end = self.size
        while end > start:
            part = self._bytes(self._file, max(start, end - ZEROS_AT_ONCE), ZEROS_AT_ONCE)
            part = part[: end - max(start, end - ZEROS_AT_ONCE)]
            sound = part.rstrip(b"\0")
            if sound:
                last = end - len(part) + len(sound)
                # Fewer are silence rather than room on a disk.
                return last if self.size - last >= 4096 else self.size
            end -= len(part)
        return start
