import numpy as np
import pytest
import sounds

from tap2key.signal.onset import pick_onset, section_at

BEFORE, AFTER = section_at(sounds.RATE).before, section_at(sounds.RATE).after


def section(onset, loudness, seed=0):
    seconds = (BEFORE + AFTER) / sounds.RATE
    sound = sounds.recording([], seconds, seed=seed)
    tap = sounds.tap_sound(np.random.default_rng(seed), loudness)[: BEFORE + AFTER - onset]
    sound[onset : onset + len(tap)] += tap
    return sound.astype(np.float32)


@pytest.mark.parametrize("loudness", [0.02, 0.1, 0.9])
@pytest.mark.parametrize("late", [-300, 0, 200])
def test_the_first_arrival_is_picked_whatever_the_loudness(loudness, late):
    onset = pick_onset(section(BEFORE + late, loudness), sounds.RATE)
    assert onset.sample == pytest.approx(BEFORE + late, abs=20)
    assert onset.channels == 8


def test_noise_alone_is_heard_by_no_channel():
    onset = pick_onset(section(BEFORE, 0.0), sounds.RATE)
    assert onset.sample == BEFORE
    assert onset.channels <= 1


def test_the_tail_of_an_earlier_tap_does_not_date_the_next():
    sound = section(BEFORE - 2600, 0.3, seed=2) + section(BEFORE, 0.3, seed=3)
    assert pick_onset(sound, sounds.RATE).sample == pytest.approx(BEFORE, abs=20)


def test_silence():
    assert pick_onset(np.zeros((BEFORE + AFTER, 8), np.float32), sounds.RATE).channels == 0
