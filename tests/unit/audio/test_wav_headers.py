"""Headers that recorders leave behind, around the same sound."""

import struct

import numpy as np
import pytest
import sounds

from tap2key.audio.audio_file import AudioFile
from tap2key.core.errors import Tap2keyError

FRAMES = 20_000
SOUND = np.random.default_rng(1).integers(-9000, 9000, (FRAMES, 8)).astype("<i2")
DATA = SOUND.tobytes()
HALF = len(DATA) // 2
WANTED = (SOUND / 2**15).astype(np.float32)
UNKNOWN, UNTIL_END = "does not say how long it is", "read to the end of the file"
W64_TAIL = bytes.fromhex("f3acd3118cd100c04f8edb8a")
W64_RIFF = bytes.fromhex("2e91cf11a5d628db04c10000")
W64_LIST = bytes.fromhex("2f91cf11a5d628db04c10000")


def chunk(name, body=b"", size=None, order="<", pad=True):
    head = name + struct.pack(f"{order}I", len(body) if size is None else size)
    return head + body + b"\0" * (pad and len(body) % 2)


def form(order="<", bits=16, tag=1):
    return chunk(
        b"fmt ",
        struct.pack(f"{order}HHIIHH", tag, 8, sounds.RATE, sounds.RATE * bits, bits, bits),
        order=order,
    )


def riff(data=DATA, size=None, whole=None, kind=b"RIFF", before=b"", behind=b"", body=None):
    order = ">" if kind == b"RIFX" else "<"
    body = form(order) + chunk(b"data", data, size, order) if body is None else body
    rest = b"WAVE" + before + body + behind
    return kind + struct.pack(f"{order}I", (len(rest) if whole is None else whole)) + rest


def ds64(size):
    return chunk(b"ds64", struct.pack("<QQQI", size + 72, size, size // 16, 0))


def w64(data=DATA, size=None, behind=b"", behind_name=b"LIST"):
    def part(name, body, length=None, tail=W64_TAIL):
        length = len(body) if length is None else length
        return name + tail + struct.pack("<Q", length + 24) + body + bytes(-len(body) % 8)

    fields = struct.pack("<HHIIHH", 1, 8, sounds.RATE, sounds.RATE * 16, 16, 16)
    rest = part(b"fmt ", fields) + part(b"data", data, size)
    if behind:
        rest += part(behind_name, behind, tail=W64_LIST if behind_name == b"LIST" else W64_TAIL)
    return part(b"riff", b"wave" + W64_TAIL + rest, tail=W64_RIFF)


LIST = chunk(b"LIST", b"INFO" + chunk(b"ISFT", b"Zoom\0"))
BIG = SOUND.astype(">i2").tobytes()
IXML = b"<BWFXML>1.61</BWFXML>x"

RIGHT = {
    "plain": riff(),
    "RIFX": riff(BIG, kind=b"RIFX"),
    "RF64": riff(kind=b"RF64", size=0xFFFFFFFF, whole=0xFFFFFFFF, before=ds64(len(DATA))),
    "BW64": riff(kind=b"BW64", size=0xFFFFFFFF, whole=0xFFFFFFFF, before=ds64(len(DATA))),
    "RF64 that names its size in data": riff(kind=b"RF64", before=ds64(0)),
    "RF64 with a wrapped size in data": riff(kind=b"RF64", size=640, before=ds64(len(DATA))),
    "w64": w64(),
    "w64 with a list behind": w64(behind=b"INFOabc"),
    "w64 with a marker behind": w64(behind=b"12345", behind_name=b"\x01\x02\x03\x04"),
    "a wrong RIFF size": riff(whole=1000),
    "a RIFF size of 0": riff(whole=0),
    "chunks before": riff(before=chunk(b"bext", bytes(601)) + chunk(b"iXML", IXML) + LIST),
    "odd, unpadded chunk before": riff(before=chunk(b"iXML", IXML + b"y", pad=False)),
    "LIST of zeros before": riff(before=chunk(b"LIST", bytes(393_164))),
    "chunks behind": riff(behind=LIST + chunk(b"id3 ", bytes(99)) + chunk(b"cue ", bytes(28))),
    "an unknown chunk behind": riff(behind=chunk(b"Zxy1", b"anything" * 40)),
    "a chunk behind that the file ends in": riff(behind=chunk(b"LIST", b"INFO", size=4000)),
    "a chunk and zeros behind": riff(behind=LIST + bytes(5000)),
    "reserved room behind": riff(behind=bytes(1 << 21)),
    "less than a frame behind": riff(behind=b"\x01\x02\x03\x04\x05"),
    "less than a frame in data": riff(DATA + b"\x01\x02\x03\x04\x05"),
}


@pytest.mark.parametrize("name", RIGHT)
def test_a_header_that_is_right_is_believed_without_a_word(tmp_path, name):
    path = tmp_path / "a.wav"
    path.write_bytes(RIGHT[name])
    audio = AudioFile(path)
    np.testing.assert_array_equal(np.concatenate(list(audio.blocks(3000))), WANTED)
    assert audio.warnings == ()


STALE = {
    "data 0, RIFF 0": (riff(size=0, whole=0), UNKNOWN),
    "data 0, RIFF 8": (riff(size=0, whole=8), UNKNOWN),
    "data 0 behind FLLR": (riff(size=0, whole=4088, before=chunk(b"FLLR", bytes(4008))), UNKNOWN),
    "0xFFFFFFFF": (riff(size=0xFFFFFFFF, whole=0xFFFFFFFF), UNKNOWN),
    "0xFFFFFFFF less the header": (riff(size=0xFFFFFFFF - 44, whole=0xFFFFFFFF - 8), UNKNOWN),
    "0x7FFFF000": (riff(size=0x7FFFF000, whole=0x7FFFF024), UNKNOWN),
    "0x80000000": (riff(size=0x80000000), UNKNOWN),
    "half of it": (riff(size=HALF), "says 0.104 s where 0.208 s are"),
    "half of it and a bit": (riff(size=HALF + 3), "says 0.104 s where 0.208 s are"),
    "one frame": (riff(size=16), "where 0.208 s are"),
    "RIFX, half of it": (riff(BIG, size=HALF, kind=b"RIFX"), "says 0.104 s where 0.208 s are"),
    "RIFX, 0": (riff(BIG, size=0, kind=b"RIFX"), UNKNOWN),
    "RF64, ds64 0": (riff(kind=b"RF64", size=0xFFFFFFFF, before=ds64(0)), UNKNOWN),
    "RF64, ds64 half": (riff(kind=b"RF64", size=0xFFFFFFFF, before=ds64(HALF)), "says 0.104 s"),
    "RF64, ds64 all ones": (riff(kind=b"RF64", size=0xFFFFFFFF, before=ds64(2**64 - 80)), UNKNOWN),
    "RF64 without ds64": (riff(kind=b"RF64", size=0xFFFFFFFF), UNKNOWN),
    "BW64, ds64 0": (riff(kind=b"BW64", size=0xFFFFFFFF, before=ds64(0)), UNKNOWN),
    "w64, 0": (w64(size=0), UNKNOWN),
    "w64, less than its own head": (w64(size=-24), UNKNOWN),
    "w64, half": (w64(size=HALF), "says 0.104 s where 0.208 s are"),
    "w64, huge": (w64(size=2**62), UNKNOWN),
    "w64, 0, with a list behind": (w64(size=0, behind=b"INFOabc"), UNKNOWN),
    "0xFFFFFFFF, with chunks behind": (riff(size=0xFFFFFFFF, behind=LIST + LIST), UNKNOWN),
    "half, with chunks behind": (riff(size=HALF, behind=LIST), "says 0.104 s where 0.208 s are"),
    "0, with a part of a frame": (riff(DATA + b"\x01" * 5, size=0), UNKNOWN),
    "0, with reserved room behind": (riff(size=0, behind=bytes(100_000)), UNKNOWN),
    "two data chunks": (
        riff(DATA[:HALF], behind=chunk(b"data", DATA[HALF:])),
        "its sound is in 2 data chunks",
    ),
    "two data chunks, others between": (
        riff(DATA[:HALF], behind=LIST + chunk(b"data", DATA[HALF:]) + LIST),
        "its sound is in 2 data chunks",
    ),
}


@pytest.mark.parametrize("name", STALE)
def test_all_sound_is_read_where_the_header_is_wrong_and_it_is_said(tmp_path, name):
    content, words = STALE[name]
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    audio = AudioFile(path)
    np.testing.assert_array_equal(np.concatenate(list(audio.blocks(3000))), WANTED)
    starts = [-50, 9_900, 19_950]
    padded = np.pad(WANTED, ((50, 100), (0, 0)))
    for start, section in zip(starts, audio.sections(starts, 100), strict=True):
        np.testing.assert_array_equal(section, padded[start + 50 : start + 150])
    assert audio.frames == FRAMES
    assert len(audio.warnings) == 1
    assert words in audio.warnings[0]
    assert UNTIL_END in audio.warnings[0] or words.startswith("its sound is in")


@pytest.mark.parametrize(
    ("subtype", "kind"),
    [("PCM_U8", "u1"), ("PCM_24", None), ("PCM_32", "<i4"), ("FLOAT", "<f4"), ("DOUBLE", "<f8")],
)
def test_other_samples_behind_a_wrong_header_have_the_same_scale(tmp_path, subtype, kind):
    sound = np.random.default_rng(2).uniform(-0.9, 0.9, (5000, 8))
    path = sounds.write_wav(tmp_path / "a.wav", sound, subtype=subtype)
    wanted = np.concatenate(list(AudioFile(path).blocks()))
    content = bytearray(path.read_bytes())
    at = content.index(b"data") + 4
    content[at : at + 4] = bytes(4)
    path.write_bytes(content)
    audio = AudioFile(path)
    np.testing.assert_array_equal(np.concatenate(list(audio.blocks())), wanted)
    assert UNKNOWN in audio.warnings[0]


REFUSED = {
    "RIFF": (riff()[:-1000], "truncated, 1000 bytes are missing at its end; copy it again"),
    "RIFX": (riff(BIG, kind=b"RIFX")[:-HALF], f"truncated, {HALF} bytes are missing"),
    "w64": (w64()[:-1600], "truncated, 1600 bytes are missing"),
    "RF64": (
        riff(kind=b"RF64", size=0xFFFFFFFF, before=ds64(len(DATA)))[:-160],
        "truncated, 160 bytes are missing",
    ),
    "BW64": (
        riff(kind=b"BW64", size=0xFFFFFFFF, before=ds64(len(DATA)))[:-160],
        "truncated, 160 bytes are missing",
    ),
    "second data chunk": (
        riff(DATA[:HALF], behind=chunk(b"data", DATA[HALF:]))[:-320],
        "truncated, 320 bytes are missing",
    ),
    "two files in one": (riff() + riff(), f"another recording begins at its byte {len(riff())}"),
    "two files in one, the second cut": (riff() + riff()[:-160], "another recording begins at"),
    "w64 behind w64": (w64() + w64(), f"another recording begins at its byte {len(w64())}"),
    "pieces that are no frames": (
        riff(DATA[: HALF + 2], behind=chunk(b"data", DATA[HALF + 2 :])),
        "in 2 pieces that do not fit together",
    ),
    "no data": (riff(body=form()), "no chunk with samples"),
    "no format": (riff(body=chunk(b"data", DATA, size=0)), "does not say how long it is"),
    "nothing in it": (riff(b""), "no samples in it"),
    "only chunks behind a size of 0": (riff(b"", behind=LIST), "no samples in it"),
    "only reserved room": (riff(bytes(5000), size=0), "no samples in it"),
    "w64 with nothing in it": (w64(b""), "no samples in it"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_lacks_sound_is_refused_in_one_line(tmp_path, name):
    content, words = REFUSED[name]
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    with pytest.raises(Tap2keyError) as caught:
        list(AudioFile(path).blocks())
    assert str(caught.value).startswith(f"{path}: ")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", [b"RIFF", b"RIFX"])
def test_whatever_size_a_header_names_no_sound_is_lost_in_silence(tmp_path, kind):
    rng = np.random.default_rng(3)
    path = tmp_path / "a.wav"
    short = (BIG if kind == b"RIFX" else DATA)[:16_000]
    for number in range(600):
        near = int(rng.integers(0, 20_000))
        size = near if number % 2 else int(rng.integers(0, 2**32))
        behind = [b"", LIST, LIST + chunk(b"id3 ", bytes(99))][number % 3]
        path.write_bytes(riff(short, size=size, kind=kind, behind=behind if size else b""))
        try:
            audio = AudioFile(path)
        except Tap2keyError as error:
            assert size > len(short)
            assert "truncated" in str(error)
            continue
        assert audio.frames >= 1000
        assert audio.warnings or size > len(short) - 16


@pytest.mark.parametrize("behind", [b"", LIST])
def test_a_size_that_wrapped_at_4_gib_is_read_to_the_end(tmp_path, behind):
    """32-bit integers, in a file with a hole: 4 GiB and 5,000 frames."""
    path = tmp_path / "a.wav"
    frames = (1 << 32) // 32 + 5000
    last = np.random.default_rng(4).integers(-(2**30), 2**30, (5000, 8)).astype("<i4")
    head = b"RIFF" + struct.pack("<I", 1000) + b"WAVE" + form(bits=32)
    with path.open("wb") as file:
        file.write(head + chunk(b"data", size=frames * 32 % (1 << 32)))
        start = file.tell()
        file.write(last.tobytes() * 2)
        file.seek(start + (frames - 5000) * 32)
        file.write(last.tobytes() + behind)
    audio = AudioFile(path)
    assert audio.frames == frames
    assert "says 0.052 s where 1398.153 s are" in audio.warnings[0]
    (section,) = audio.sections([frames - 5000], 5000)
    np.testing.assert_array_equal(section, (last / 2**31).astype(np.float32))
    path.unlink()
