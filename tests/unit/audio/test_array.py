import json

import numpy as np
import pytest
import sounds
import soxr

from tap2key.audio.array import DEFAULT, Array, array_of, array_of_text, enough
from tap2key.audio.audio_file import AudioFile
from tap2key.core.errors import Tap2keyError

SIX = Array(channels=6, sample_rate=44_100, groups=(("left", (0, 1, 2)), ("right", (5, 4, 3))))


def test_the_default_is_the_first_studys_rig():
    assert DEFAULT.shape == (8, 8192)
    assert (DEFAULT.before, DEFAULT.after, DEFAULT.sample_rate) == (2192, 6000, 96_000)
    assert dict(DEFAULT.groups) == {"bottom": (0, 1, 2, 3), "top": (4, 5, 6, 7)}
    assert array_of({}) == array_of(None) == DEFAULT


@pytest.mark.parametrize(
    ("rate", "before", "after"),
    [(16_000, 365, 1000), (44_100, 1007, 2756), (48_000, 1096, 3000), (192_000, 4384, 12_000)],
)
def test_a_window_is_as_long_at_any_rate(rate, before, after):
    array = Array(sample_rate=rate)
    assert (array.before, array.after, array.window) == (before, after, before + after)


@pytest.mark.parametrize(
    "array",
    [
        DEFAULT,
        SIX,
        Array(channels=1, groups=(), positions_mm=((1.5, 2.0, 0.0),)),
        Array(ignore=(3, 7), window_ms=(5, 20.5)),
    ],
)
def test_it_is_written_and_read_back(array):
    assert array_of(json.loads(json.dumps(array.as_dict()))) == array
    assert array_of_text(json.dumps(array.as_dict())) == array


def test_groups_of_eight_channels_are_the_defaults_and_of_others_none():
    assert array_of({"sample_rate": 48_000, "groups": None}).groups == DEFAULT.groups
    assert array_of({"channels": 6}).groups == ()


def test_groups_of_the_default_with_no_channel_in_use_are_dropped():
    array = array_of({"ignore": [3, 2, 1, 0]})
    assert array.groups == (("top", (4, 5, 6, 7)),)
    assert array_of(array.as_dict()) == array
    assert array_of({"ignore": [0, 1, 2]}).groups == DEFAULT.groups
    with pytest.raises(Tap2keyError, match="is not an array"):
        array_of({"ignore": 1})


def test_ignored_channels_are_in_no_window_and_no_group():
    array = Array(channels=8, ignore=(1, 4))
    assert array.kept == (0, 2, 3, 5, 6, 7)
    assert array.shape == (6, 8192)
    assert array.group("bottom") == [0, 1, 2]
    assert array.group("top") == [3, 4, 5]


def test_a_group_has_its_own_order():
    assert SIX.group("right") == [5, 4, 3]


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"channels": 0}, "array.channels is 0; give a whole number from 1 to 64"),
        ({"channels": 65}, "array.channels is 65"),
        ({"channels": 2.0}, "array.channels is 2.0"),
        ({"channels": True}, "array.channels is True"),
        ({"sample_rate": 8000}, "array.sample_rate is 8000; give a whole number from 16000 to"),
        ({"window_ms": [0, 60]}, "array.window_ms is [0, 60]"),
        ({"window_ms": [20]}, "array.window_ms is [20]"),
        ({"window_ms": [20, float("nan")]}, "array.window_ms"),
        ({"window_ms": 20}, "array: {'window_ms': 20} is not an array"),
        ({"ignore": [8]}, "array.ignore names channel 8; the array has channels 0 to 7"),
        ({"ignore": [1, 1]}, "array.ignore names channel 1 twice"),
        ({"ignore": list(range(8))}, "array.ignore lists every channel"),
        ({"groups": {"left": [0, 0]}}, "array.groups.left names channel 0 twice"),
        ({"groups": {"left": [0, 9]}}, "array.groups.left names channel 9; the array has"),
        ({"groups": {"left": []}}, "array.groups.left has no channel in use"),
        ({"groups": {"left": [2]}, "ignore": [2]}, "array.groups.left has no channel in use"),
        ({"groups": {"stack": [0]}}, "a group cannot be called 'stack'"),
        ({"groups": {"a-b": [0]}}, "a group cannot be called 'a-b'"),
        ({"groups": [0]}, "array: {'groups': [0]} is not an array"),
        ({"positions_mm": [[0, 0]] * 7}, "array.positions_mm gives 7 of 8 channels a place"),
        ({"positions_mm": [[0, 0]] * 7 + [None]}, "gives 7 of 8 channels a place"),
        ({"positions_mm": [[0, 0]] * 7 + [[0]]}, "two coordinates in mm, or every channel three"),
        ({"positions_mm": [[0, "x"]] * 8}, "two coordinates in mm, or every channel three"),
        ({"channel": 8}, "array: unknown key 'channel'; available: channels, sample_rate"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(metadata, message):
    with pytest.raises(Tap2keyError) as refused:
        array_of(metadata)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("text", ["[8]", "8", "{channels: 8}", ""])
def test_text_that_is_no_object_is_refused(text):
    with pytest.raises(Tap2keyError, match=r"--array: .*not a JSON object"):
        array_of_text(text)


def test_representations_are_groups_or_of_all_channels():
    SIX.check_encoding("left", 44_100)
    with pytest.raises(Tap2keyError, match="unknown representation 'top'; available: interleave, "):
        SIX.check_encoding("top", 16_000)
    with pytest.raises(Tap2keyError, match=r"48000 is above array\.sample_rate 44100"):
        SIX.check_encoding("stack", 48_000)


def test_differences_are_named():
    assert DEFAULT.differences(DEFAULT) == ""
    said = DEFAULT.differences(Array(sample_rate=48_000, ignore=(2,)))
    assert said == "sample_rate 48000 instead of 96000, ignore [2] instead of []"


def test_how_many_channels_are_enough():
    assert [enough(n) for n in (1, 2, 3, 4, 5, 6, 8, 64)] == [1, 1, 2, 2, 3, 3, 3, 3]


def noise(channels, frames, seed=0):
    return (0.1 * np.random.default_rng(seed).standard_normal((frames, channels))).astype("f4")


@pytest.mark.parametrize("channels", [1, 2, 6, 16, 64])
def test_a_recording_of_any_array_is_read_as_it_is(tmp_path, channels):
    sound = noise(channels, 3000)
    path = sounds.write_wav(tmp_path / "a.wav", sound, 44_100, subtype="FLOAT")
    audio = AudioFile(path, Array(channels=channels, sample_rate=44_100, groups=()))
    np.testing.assert_array_equal(np.concatenate(list(audio.blocks(700))), sound)
    (section,) = audio.sections([-5], 20)
    np.testing.assert_array_equal(section, np.r_[np.zeros((5, channels)), sound[:15]])


@pytest.mark.parametrize("rate", [44_100, 48_000])
def test_ignored_channels_are_left_out_while_reading(tmp_path, rate):
    sound = noise(4, 3000)
    path = sounds.write_wav(tmp_path / "a.wav", sound, 44_100, subtype="FLOAT")
    audio = AudioFile(path, Array(channels=4, sample_rate=rate, groups=(), ignore=(0, 2)))
    kept = sound[:, [1, 3]]
    wanted = kept if rate == 44_100 else soxr.resample(kept, 44_100, rate)
    read = np.concatenate(list(audio.blocks(512)))
    np.testing.assert_allclose(read[:2900], wanted[:2900], atol=1e-6)
    (section,) = audio.sections([100], 50)
    np.testing.assert_array_equal(section, read[100:150])


def test_what_an_ignored_channel_holds_does_not_matter(tmp_path):
    sound = noise(3, 100)
    sound[50, 1] = np.nan
    path = sounds.write_wav(tmp_path / "a.wav", sound, 48_000, subtype="FLOAT")
    three = {"channels": 3, "sample_rate": 48_000, "groups": ()}
    assert len(list(AudioFile(path, Array(**three, ignore=(1,))).blocks())) == 1
    with pytest.raises(Tap2keyError, match="no sound"):
        list(AudioFile(path, Array(**three)).blocks())


@pytest.mark.parametrize("length", [1000, 4800, 65_536])
@pytest.mark.parametrize("rate", [44_100, 48_000])
def test_resampled_blocks_are_as_long_as_asked_for(tmp_path, rate, length):
    path = sounds.write_wav(tmp_path / "a.wav", noise(8, 30_000), rate)
    audio = AudioFile(path)
    blocks = list(audio.blocks(length))
    assert {len(block) for block in blocks[:-1]} <= {length}
    assert sum(map(len, blocks)) == audio.frames == 30_000 * 96_000 // rate


def test_a_recording_of_another_array_is_refused_with_both_numbers(tmp_path):
    path = sounds.write_wav(tmp_path / "a.wav", noise(6, 100))
    with pytest.raises(Tap2keyError, match=r"6 channel\(s\), but array.channels is 8: "):
        AudioFile(path)
    with pytest.raises(Tap2keyError, match=r"6 channel\(s\), but array.channels is 2: "):
        AudioFile(path, Array(channels=2, groups=()))
