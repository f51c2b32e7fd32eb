"""Files shown to a library otherwise than they stand on disk: parts left out, others put in."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# What stands for itself, or the first byte of a stretch of the file and the one behind its last.
Piece = bytes | tuple[int, int]


@dataclass(frozen=True)
class Sound:
    """Where the sound of a file is, whatever its header says.

    `frames` is None where only libsndfile can tell. A library that does not find as many by itself
    is to be shown `pieces`, with `options` of `soundfile.SoundFile`. `warnings` say in words what
    is odd about the file.
    """

    frames: int | None = None
    pieces: tuple[Piece, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


class Pieces(io.RawIOBase):
    """Pieces of a file, one after the other, to read and seek in as if they were one file."""

    def __init__(self, path: Path, pieces: Sequence[Piece]) -> None:
        """Open the file; close() closes it."""
        super().__init__()
        self._file = path.open("rb")
        self._pieces = list(pieces)
        self._at = 0
        self._starts = [0]
        for piece in self._pieces:
            length = len(piece) if isinstance(piece, bytes) else piece[1] - piece[0]
            self._starts.append(self._starts[-1] + length)

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a byte of the whole; → where that is."""
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._starts[-1]}
        self._at = max(0, origin[whence] + offset)
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Fill a writable buffer, across pieces; → how many bytes, fewer only at the end."""
        view, filled = memoryview(buffer).cast("B"), 0
        for number, piece in enumerate(self._pieces):
            start, end = self._starts[number : number + 2]
            if not start <= self._at < end or filled == len(view):
                continue
            wanted = min(end - self._at, len(view) - filled)
            if isinstance(piece, bytes):
                part = piece[self._at - start :][:wanted]
            else:
                self._file.seek(piece[0] + self._at - start)
                part = self._file.read(wanted)
            view[filled : filled + len(part)] = part
            filled += len(part)
            self._at += len(part)
            if len(part) < wanted:
                break
        return filled

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()
