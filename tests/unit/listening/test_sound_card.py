"""What a sound card gives, with a stand-in for PortAudio, which no test machine needs to have."""

from types import SimpleNamespace

import numpy as np
import pytest
import sounddevice_stand_in

from tap2key.audio.array import DEFAULT
from tap2key.core.errors import Tap2keyError
from tap2key.listening import sound_card
from tap2key.listening.sound_card import SoundCard, device_list

FINE, OVERFLOW = SimpleNamespace(input_overflow=False), SimpleNamespace(input_overflow=True)


@pytest.fixture
def library(monkeypatch):
    monkeypatch.setattr(sound_card, "_sounddevice", lambda: sounddevice_stand_in)


def give(card, value, began, status=FINE, frames=192):
    samples = np.full((frames, 8), value, np.float32)
    card._take(samples, frames, SimpleNamespace(inputBufferAdcTime=began), status)
    # PortAudio uses its buffer again.
    samples[:] = np.nan


def test_blocks_come_in_order_and_what_was_lost_is_said(library):
    card = SoundCard("rig", DEFAULT)
    assert (card.name, card.rate) == ("an 8-channel rig", 96_000)
    give(card, 1, 10.0)
    give(card, 2, 10.002)
    give(card, 3, 10.504, OVERFLOW)
    give(card, 4, 0.0, OVERFLOW)
    blocks = card.blocks()
    found = [next(blocks) for _ in range(4)]
    assert [block.samples[0, 0] for block in found] == [1, 2, 3, 4]
    assert [block.lost is None for block in found] == [True, True, False, False]
    assert found[2].lost.seconds == pytest.approx(0.5)
    assert found[3].lost.seconds is None
    assert next(blocks) is None
    card._stream.active = False
    with pytest.raises(Tap2keyError, match="an 8-channel rig: gives no more sound"):
        next(blocks)


def test_what_finds_no_room_is_said_to_be_lost(library, monkeypatch):
    monkeypatch.setattr(sound_card, "WAITING_S", 2 * sound_card.BLOCK_S)
    card = SoundCard(None, DEFAULT)
    for number in range(4):
        give(card, number, 1 + 0.002 * number)
    blocks = card.blocks()
    assert [next(blocks).lost for _ in range(2)] == [None, None]
    give(card, 4, 1.008)
    late = next(blocks)
    assert late.samples[0, 0] == 4
    assert late.lost.seconds == pytest.approx(0.004)


def test_devices_without_so_many_channels_are_one_line(library):
    with pytest.raises(Tap2keyError, match="--device desk: cannot be opened with 8 channels at"):
        SoundCard("desk", DEFAULT)


def test_the_devices_with_inputs_are_listed(library):
    assert device_list().splitlines() == [
        "index\tname\tchannels\tsample_rate",
        "0\ta desk microphone\t1\t44100",
        "2\tan 8-channel rig\t8\t96000",
    ]
