"""Recordings saved in other formats, cut, with broken headers, lost samples and broken channels."""

import io
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile
from benchmark.fuzz.base import digest_of
from benchmark.fuzz.mutant import Expect, Mutant, NotHere, Sound
from benchmark.fuzz.registry import CONTENTS, mutation

SAVED = (
    ("WAV", "PCM_24"),
    ("WAV", "PCM_32"),
    ("WAV", "FLOAT"),
    ("WAVEX", "PCM_16"),
    ("RF64", "PCM_16"),
)
ELSE = {".flac": ("FLAC", "PCM_24"), ".w64": ("W64", "PCM_16")}
HEADER = 44


def samples(path: Path) -> tuple[np.ndarray, int]:
    """[frames, 8] of 16-bit samples, and their rate."""
    try:
        return soundfile.read(path, dtype="int16", always_2d=True)
    except soundfile.LibsndfileError:
        raise NotHere from None


def as_wav(sound: np.ndarray, rate: int, container: str = "WAV", subtype: str = "PCM_16") -> bytes:
    """The bytes of a file with these samples."""
    with io.BytesIO() as handle:
        soundfile.write(handle, sound, rate, subtype=subtype, format=container)
        return handle.getvalue()


def saved_anew(mutant: Mutant, path: Path, to: Path) -> None:
    """Write the same samples in another format, which the suffix of `to` may name."""
    suffix = to.suffix.lower()
    kind = ELSE.get(suffix) or SAVED[mutant.rng.integers(len(SAVED))]
    mutant.write_sound(to, as_wav(*samples(path), *kind), mutant.sounds[digest_of(path)])


def plain(mutant: Mutant) -> tuple[Path, bytes, Sound]:
    """A recording, drawn, that is still a wav of the shortest header."""
    path, sound = mutant.wav()
    data = path.read_bytes()
    if (
        data[:4] != b"RIFF"
        or data[36:40] != b"data"
        or struct.unpack("<I", data[40:44])[0] + HEADER != len(data)
    ):
        raise NotHere
    return path, data, sound


@mutation(CONTENTS)
def saved_in_another_format(mutant: Mutant) -> None:
    path, _ = mutant.wav()
    saved_anew(mutant, path, path)


@mutation(CONTENTS)
def saved_in_another_container(mutant: Mutant) -> None:
    path, _ = mutant.wav()
    to = path.with_suffix(mutant.some(*ELSE))
    saved_anew(mutant, path, to)
    path.unlink()
    mutant.involve(to)


@mutation(CONTENTS)
def header_of_a_crash(mutant: Mutant) -> None:
    """Sizes that a recorder or a pipe leaves behind; all samples are there."""
    path, data, sound = plain(mutant)
    whole = len(data) - HEADER
    sizes = [(0, 0), (8, 0), (36, 0), (0xFFFFFFFF, 0xFFFFFFFF), (0x7FFFF024, 0x7FFFF000)]
    part = int(mutant.rng.integers(1, whole // 16)) * 16
    sizes += [(part + 36, part), (whole // 32 * 16 + 36, whole // 32 * 16)]
    riff, size = sizes[mutant.rng.integers(len(sizes))]
    data = data[:4] + struct.pack("<I", riff) + data[8:40] + struct.pack("<I", size) + data[44:]
    mutant.write_sound(path, data, sound)
    mutant.mark(path, Expect.WHOLE)


@mutation(CONTENTS)
def chunks_around_the_sound(mutant: Mutant) -> None:
    path, data, sound = plain(mutant)
    body = mutant.rng.bytes(2 * int(mutant.rng.integers(2, 400)))
    chunk = (
        mutant.some("LIST", "id3 ", "bext", "JUNK").encode() + struct.pack("<I", len(body)) + body
    )
    data = data[:36] + chunk + data[36:] if mutant.rng.random() < 0.5 else data + chunk
    mutant.write_sound(path, data[:4] + struct.pack("<I", len(data) - 8) + data[8:], sound)


@mutation(CONTENTS)
def big_endian(mutant: Mutant) -> None:
    path, data, sound = plain(mutant)
    head = b"RIFX" + struct.pack(">I", len(data) - 8) + b"WAVEfmt "
    head += struct.pack(">IHHIIHH", *struct.unpack("<IHHIIHH", data[16:36]))
    sound_bytes = np.frombuffer(data[HEADER:], "<i2").astype(">i2").tobytes()
    data = head + b"data" + struct.pack(">I", len(sound_bytes)) + sound_bytes
    mutant.write_sound(path, data, sound)
    mutant.mark(path, Expect.WHOLE)


@mutation(CONTENTS)
def recording_cut_off(mutant: Mutant) -> None:
    path, sound = mutant.wav()
    data = path.read_bytes()
    # A good part in the first bytes: an empty file, half a header.
    least = 0 if mutant.rng.random() < 0.2 else HEADER
    end = int(mutant.rng.integers(least, 200 if least == 0 else len(data)))
    mutant.write_sound(path, data[:end], sound)
    mutant.mark(path, Expect.RIGHT)


@mutation(CONTENTS)
def no_sound_in_a_recording(mutant: Mutant) -> None:
    path, _ = mutant.wav()
    mutant.mark(path, Expect.RIGHT)
    data = {"empty": b"", "text": b"recording lost, ask Ana\n", "zeros": bytes(200_000)}
    mutant.write(path, data[mutant.some(*data)])


@mutation(CONTENTS)
def wrong_rate(mutant: Mutant) -> None:
    path, sound = mutant.wav()
    read, rate = samples(path)
    if rate != 96_000 or sound.pieces != ((0.0, 0.0),):
        raise NotHere
    false = int(mutant.one([48_000, 44_100, 192_000, 95_000]))
    mutant.mark(path, Expect.RIGHT)
    mutant.write_sound(path, as_wav(read, false), replace(sound, speed=false / rate))


@mutation(CONTENTS)
def samples_lost(mutant: Mutant) -> None:
    """Buffers that the recorder dropped: one, several, or many short ones."""
    path, sound = mutant.wav()
    read, rate = samples(path)
    if sound != Sound(sound.recording) or rate != 96_000:
        raise NotHere
    duration_s = len(read) / rate
    short = mutant.rng.random() < 0.3
    count = int(mutant.rng.integers(3, 12)) if short else int(mutant.rng.integers(1, 4))
    starts = np.sort(mutant.rng.uniform(0.3, duration_s - 0.3, count))
    lengths = (
        mutant.rng.uniform(0.01, 0.05, count) if short else mutant.rng.uniform(0.06, 1.5, count)
    )
    pieces, kept, here, there = [(0.0, 0.0)], [], 0.0, 0.0
    for start, length in zip(starts, lengths, strict=True):
        if start <= there:
            continue
        first, last = round(there * rate), round(start * rate)
        kept.append(read[first:last])
        here += (last - first) / rate
        there = min(start + length, duration_s)
        pieces.append((here, round(there * rate) / rate))
        mutant.steps.setdefault(sound.recording, []).extend((start, there))
        mutant.blurred.setdefault(sound.recording, []).extend((start, there))
    kept.append(read[round(there * rate) :])
    mutant.mark(path, Expect.RIGHT)
    data = as_wav(np.concatenate(kept), rate)
    mutant.write_sound(path, data, replace(sound, pieces=tuple(pieces)))


@mutation(CONTENTS)
def channels_broken(mutant: Mutant) -> None:
    path, sound = mutant.wav()
    read, rate = samples(path)
    read = read.copy()
    first, second = mutant.rng.choice(8, 2, replace=False)
    match mutant.some("dead", "railed", "noisy", "swapped", "shuffled", "doubled"):
        case "dead":
            read[:, first] = 0
        case "railed":
            read[:, first] = 32767
        case "noisy":
            read[:, first] = mutant.rng.integers(-8000, 8000, len(read))
        case "swapped":
            read[:, [first, second]] = read[:, [second, first]]
        case "shuffled":
            read = read[:, mutant.rng.permutation(8)]
        case "doubled":
            read[:, first] = read[:, second]
    mutant.mark(path, Expect.RIGHT)
    mutant.write_sound(path, as_wav(read, rate), sound)


@mutation(CONTENTS)
def other_channels(mutant: Mutant) -> None:
    """A stereo mix, or a recorder that was set to ten channels."""
    path, sound = mutant.wav()
    read, rate = samples(path)
    read = read[:, :2] if mutant.rng.random() < 0.5 else np.hstack([read, read[:, :2]])
    mutant.mark(path, Expect.RIGHT)
    mutant.write_sound(path, as_wav(read, rate), sound)
