"""Samples as bytes, and the head of a wav that arrives bit by bit."""

import struct
from dataclasses import dataclass

import numpy as np

from tap2key.audio.chunks import WAVES
from tap2key.audio.wav_repair import BEYOND_ANY_SIZE, EXTENSIBLE, LONG_KINDS, PLACEHOLDERS, SUBTYPES

# Of raw sound on a command line, little endian, as FFmpeg and SoX call them.
RAW_FORMATS = {
    "s16": "PCM_16",
    "s24": "PCM_24",
    "s32": "PCM_32",
    "f32": "FLOAT",
    "f64": "DOUBLE",
}
BYTES = {subtype: size for (_, size), subtype in SUBTYPES.items()}
# What writers put before the samples is far shorter.
LONGEST_HEAD = 1 << 20


@dataclass(frozen=True)
class Format:
    """How a stream's samples are written: `subtype` as libsndfile calls it."""

    subtype: str
    channels: int
    rate: int
    big_endian: bool = False

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of every channel."""
        return BYTES[self.subtype] * self.channels

    def samples(self, data: bytes) -> np.ndarray:
        """Whole frames → [n, channels] float32 with full scale 1.0, rounded as libsndfile does."""
        order = ">" if self.big_endian else "<"
        values: np.ndarray
        if self.subtype in ("FLOAT", "DOUBLE"):
            values = np.frombuffer(data, f"{order}f{BYTES[self.subtype]}").astype(np.float32)
        elif self.subtype == "PCM_U8":
            values = (np.frombuffer(data, np.uint8).astype(np.float32) - 128) / np.float32(128)
        elif self.subtype == "PCM_24":
            # As the upper three bytes of 32-bit numbers.
            wide = np.zeros((len(data) // 3, 4), np.uint8)
            packed = np.frombuffer(data, np.uint8).reshape(-1, 3)
            wide[:, (0, 1, 2) if self.big_endian else (1, 2, 3)] = packed
            values = wide.view(f"{order}i4")[:, 0].astype(np.float32) / np.float32(2**31)
        else:
            size = BYTES[self.subtype]
            whole = np.frombuffer(data, f"{order}i{size}").astype(np.float32)
            values = whole / np.float32(2 ** (8 * size - 1))
        return values.reshape(-1, self.channels)


@dataclass(frozen=True)
class WavHead:
    """A wav's format, the byte at which its samples begin, and how many bytes of them it states.

    `length` is None where it states none: whoever writes into a pipe cannot know.
    """

    format: Format
    start: int
    length: int | None


def wav_head(data: bytes) -> WavHead | None:
    """The head of a wav (RIFF, RIFX, RF64, BW64), from its first bytes; None if more are needed.

    Raises:
        ValueError: it is none, its samples are not PCM or float, or nothing announces them.
    """
    if len(data) < 12:
        return None
    if data[:4] not in WAVES or data[8:12] != b"WAVE":
        raise ValueError("it does not begin like a wav")
    big = data[:4] == b"RIFX"
    order = ">" if big else "<"
    form: Format | None = None
    at, long_size = 12, None
    while len(data) >= at + 8:
        name, size = data[at : at + 4], struct.unpack(f"{order}I", data[at + 4 : at + 8])[0]
        if name == b"data":
            if form is None:
                raise ValueError("its header says nothing of its samples")
            return WavHead(form, at + 8, _stated(size, long_size))
        body = data[at + 8 : at + 8 + size]
        at += 8 + size + size % 2
        if at > LONGEST_HEAD:
            raise ValueError("its header does not come to an end")
        if len(data) < at:
            return None
        if name == b"fmt ":
            form = _format(body, order)
        elif name == b"ds64" and data[:4] in LONG_KINDS and len(body) >= 16:
            long_size = struct.unpack("<Q", body[8:16])[0]
    return None


def _format(body: bytes, order: str) -> Format:
    if len(body) < 16:
        raise ValueError("its header is damaged")
    tag, channels, rate, _, frame_bytes, _ = struct.unpack(f"{order}HHIIHH", body[:16])
    if tag == EXTENSIBLE and len(body) >= 26:
        tag = struct.unpack(f"{order}H", body[24:26])[0]
    subtype = SUBTYPES.get((tag, frame_bytes // max(channels, 1)))
    if subtype is None or frame_bytes != BYTES[subtype] * channels:
        raise ValueError("its samples are neither PCM of 8 to 32 bits nor float")
    return Format(subtype, channels, rate, order == ">")


def _stated(size: int, long_size: int | None) -> int | None:
    length = size if long_size is None else long_size
    unknown = length == 0 or length >= BEYOND_ANY_SIZE
    if unknown or any(low <= length <= high for low, high in PLACEHOLDERS):
        return None
    return length
