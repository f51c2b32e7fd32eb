"""Clips as one recording: what lies where, and where there is nothing."""

import numpy as np
import pytest
import sounds

from tap2key.audio.array import Array
from tap2key.audio.clip_reel import ClipReel
from tap2key.core.errors import Tap2keyError

ARRAY = Array(channels=2, sample_rate=16_000, window_ms=(2.0, 3.0), groups=())


def clips(folder, *shapes):
    rng = np.random.default_rng(0)
    written = [np.round(rng.uniform(-0.9, 0.9, shape) * 2**15) / 2**15 for shape in shapes]
    paths = [
        sounds.write_wav(folder / f"{n}.wav", sound, 16_000) for n, sound in enumerate(written)
    ]
    return paths, written


def test_each_clip_begins_its_own_slot_and_a_window_never_reaches_another(tmp_path):
    paths, written = clips(tmp_path, (100, 2), (160, 2), (40, 2))
    reel = ClipReel(paths, ARRAY)
    assert (reel.slot, reel.frames) == (160 + ARRAY.window, 3 * (160 + ARRAY.window))
    (whole,) = reel.sections([0], reel.frames)
    expected = np.zeros((reel.frames, 2))
    for number, sound in enumerate(written):
        expected[number * reel.slot : number * reel.slot + len(sound)] = sound
    np.testing.assert_allclose(whole, expected, atol=1e-6)
    starts = [-ARRAY.before, reel.slot + 159 - ARRAY.before, reel.frames - 5]
    early, late, beyond = reel.sections(starts, ARRAY.window)
    assert not early[: ARRAY.before].any()
    np.testing.assert_allclose(early[ARRAY.before :], written[0][: ARRAY.after], atol=1e-6)
    np.testing.assert_allclose(late[: ARRAY.before + 1], written[1][-ARRAY.before - 1 :], atol=1e-6)
    assert not late[ARRAY.before + 1 :].any()
    assert not beyond.any()


def test_a_clip_of_another_array_keeps_its_place_and_is_silent(tmp_path):
    paths, written = clips(tmp_path, (100, 2), (100, 3), (100, 2))
    reel = ClipReel(paths, ARRAY)
    assert "3 channel(s), but array.channels is 2" in str(reel.clips[1])
    (second, third) = reel.sections([reel.slot, 2 * reel.slot], 100)
    assert not second.any()
    np.testing.assert_allclose(third, written[2], atol=1e-6)


def test_no_clip_that_can_be_used_is_an_error(tmp_path):
    paths, _ = clips(tmp_path, (100, 3), (100, 1))
    with pytest.raises(Tap2keyError, match=r"0\.wav: 3 channel"):
        ClipReel(paths, ARRAY)
