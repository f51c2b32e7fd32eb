from dataclasses import fields

import numpy as np
import pytest
import yaml
from scipy import signal

from tap2key.core.shipped import DIFFICULTY, KEYBOARD
from tap2key.simulation import hands, recorder, room, sensor, voices
from tap2key.simulation.difficulty import DISTURBANCES, load_difficulty
from tap2key.simulation.random_streams import Purpose, stream
from tap2key.simulation.recording import render_recording
from tap2key.simulation.tap_sound import SAMPLE_RATE, TapSound, draw_setup, on_table_m
from tap2key.simulation.typist import draw_taps, draw_typist, overlapped
from tap2key.study.keyboard import load_keyboard

WINDOW = SAMPLE_RATE // 50


@pytest.fixture(scope="module")
def keyboard():
    return load_keyboard(KEYBOARD)


@pytest.fixture
def difficulty():
    """Of a world without noise to speak of, so that what is added stands alone."""
    quiet = load_difficulty()
    quiet["noise"].update(snr_db=[150, 150], bursts_per_minute=0)
    return quiet


def people(keyboard, difficulty, count):
    setup = draw_setup(stream(1, Purpose.SETUP), "mdf", difficulty)
    typist = draw_typist(stream(1, Purpose.PERSON), keyboard, difficulty)
    taps = draw_taps(stream(1, Purpose.TAPS), typist, keyboard, difficulty, count)
    return setup, typist, taps


def rendered(keyboard, difficulty, count=2):
    setup, typist, taps = people(keyboard, difficulty, count)
    made = render_recording(stream(1, Purpose.NOISE), setup, typist, taps, difficulty)
    return setup, taps, made


def heard(sound):
    return signal.sosfilt(room.high_pass(SAMPLE_RATE), sound, axis=-1)


def test_a_file_without_the_section_has_no_disturbances(tmp_path):
    shipped = yaml.safe_load(DIFFICULTY.read_text())
    del shipped[DISTURBANCES]
    (tmp_path / "older.yaml").write_text(yaml.safe_dump(shipped))
    assert load_difficulty(tmp_path / "older.yaml") == load_difficulty()
    off = load_difficulty()[DISTURBANCES]
    assert [off[name]["share"] for name in ("liftoff", "overlap", "speech", "music")] == [0] * 4
    assert (off["palms"]["thumps_per_minute"], off["palms"]["rubs_per_minute"]) == (0, 0)
    assert (off["coupling"]["level_db"], off["skew"]["samples"]) == (-np.inf, 0)


def test_fingers_are_heard_as_they_leave(keyboard, difficulty):
    _, taps, without = rendered(keyboard, difficulty)
    assert np.isnan(taps.liftoff_db).all()
    difficulty[DISTURBANCES]["liftoff"].update(share=1.0, level_db=[-16, -12])
    _, lifted, with_it = rendered(keyboard, difficulty)
    np.testing.assert_array_equal(lifted.contact_s, taps.contact_s)
    assert (lifted.duration_s > 0.03).all() and (lifted.duration_s < 0.15).all()
    added, tapped = heard(with_it.sound - without.sound), heard(without.sound)
    for i, onset_s in enumerate(with_it.onset_s):
        starts = (int(s * SAMPLE_RATE) for s in (onset_s, onset_s + lifted.duration_s[i]))
        tap, liftoff = (
            np.mean(sound[:, start : start + WINDOW] ** 2)
            for sound, start in zip((tapped, added), starts, strict=True)
        )
        assert 10 * np.log10(liftoff / tap) == pytest.approx(lifted.liftoff_db[i], abs=0.5)
        before = int((onset_s + lifted.duration_s[i] - 0.002) * SAMPLE_RATE)
        assert np.abs(added[:, before - 1000 : before]).max() < np.sqrt(liftoff) / 50
    # A force that ends: as the contact of a nail would be heard there, but with the other sign.
    setup, typist, _ = people(keyboard, difficulty, 2)
    maker = TapSound(setup, typist, difficulty)
    sound, _ = hands.liftoff(maker, lifted, 0, 1.0)
    shift = (lifted.contact_s[0] + lifted.duration_s[0]) * SAMPLE_RATE % 1
    push = maker.render(lifted.position_mm[0], lifted.pad_s[0], lifted.click_s[0], 1.0, shift)
    assert np.corrcoef(sound.ravel(), push.ravel())[0, 1] == pytest.approx(-1)


def test_fingers_that_overlap_are_at_different_keys_and_all_else_stays(keyboard, difficulty):
    _, _, apart = people(keyboard, difficulty, 200)
    difficulty[DISTURBANCES]["overlap"]["share"] = 0.4
    _, _, close = people(keyboard, difficulty, 200)
    seconds = np.flatnonzero(close.second)
    assert len(seconds) == 0.4 * 200 / 2
    gaps = np.diff(close.contact_s)
    assert (gaps > 0).all()
    assert gaps[seconds - 1].min() >= 0.010 and gaps[seconds - 1].max() <= 0.040
    assert gaps[seconds - 1].std() > 0.004
    assert not (close.second[1:] & close.second[:-1]).any()
    np.testing.assert_array_equal(close.contact_s[~close.second], apart.contact_s[~close.second])
    for field in {f.name for f in fields(apart)} - {"contact_s", "second"}:
        np.testing.assert_array_equal(getattr(close, field), getattr(apart, field))
    away = np.linalg.norm(close.position_mm[seconds] - close.position_mm[seconds - 1], axis=1)
    assert np.mean(away > 10) > 0.9


def test_two_taps_of_one_key_stay_apart_and_no_tap_is_moved_later():
    contact_s = 0.3 * np.arange(10)
    contact_s[3] = contact_s[2] + 0.005
    aimed = np.array([0, 0, 1, 2, 3, 3, 4, 5, 6, 6])
    closer = {"share": 1.0, "gap_ms": [10, 40]}
    moved, second = overlapped(stream(1, Purpose.TAPS), contact_s, aimed, closer)
    assert np.flatnonzero(second).tolist() == [3, 7]
    assert 0.010 <= moved[7] - moved[6] <= 0.040
    np.testing.assert_array_equal(np.delete(moved, 7), np.delete(contact_s, 7))


def test_the_sensor_takes_some_second_fingers_for_the_first(difficulty):
    second = np.arange(20_000) % 2 == 1
    merged = sensor.merged(stream(1, Purpose.SENSOR), second, difficulty)
    assert not merged[~second].any()
    wanted = difficulty[DISTURBANCES]["overlap"]["missed"]
    assert merged[second].mean() == pytest.approx(wanted, abs=0.02)


@pytest.mark.parametrize("name", voices.VOICES)
def test_a_voice_reaches_every_microphone_after_its_delay(keyboard, difficulty, name):
    difficulty[DISTURBANCES][name].update(share=1.0, level_db=[-6, -6])
    setup, _, _ = people(keyboard, difficulty, 1)
    microphones_m = on_table_m(setup.microphones_mm, difficulty)
    sound = np.zeros((8, 3 * SAMPLE_RATE), dtype=np.float32)
    where = (sound, microphones_m, SAMPLE_RATE, 4.0, difficulty)
    voices.add_voices(stream(1, Purpose.NOISE), *where)
    own = stream(1, Purpose.NOISE).spawn(2)[list(voices.VOICES).index(name)]
    own.random()
    distances = room.distances_from_somewhere_m(own, microphones_m)
    assert 0.5 < distances.min() < 2.6 and np.ptp(distances) > 0.1
    near = int(distances.argmin())
    power = np.mean(heard(sound[near]) ** 2)
    assert 10 * np.log10(power / 4.0) == pytest.approx(-6, abs=0.2)
    for channel in range(8):
        both = signal.correlate(sound[channel], sound[near], "same")
        at = int(both.argmax())
        low, top, high = both[at - 1 : at + 2]
        fine = at + (low - high) / (2 * (low - 2 * top + high)) - len(sound[0]) // 2
        expected = (distances[channel] - distances[near]) / 343.0 * SAMPLE_RATE
        assert fine == pytest.approx(expected, abs=0.5)
        ratio = np.std(sound[channel]) / np.std(sound[near])
        assert ratio == pytest.approx(distances[near] / distances[channel], rel=0.02)


def test_speech_comes_in_syllables():
    sound = voices.speech(stream(1, Purpose.NOISE), 12 * SAMPLE_RATE, SAMPLE_RATE)
    envelope = np.abs(sound).reshape(-1, SAMPLE_RATE // 100).mean(axis=1)
    spectrum = np.abs(np.fft.rfft(envelope - envelope.mean())) ** 2
    hertz = np.fft.rfftfreq(len(envelope), 0.01)
    octaves = [(h, spectrum[(hertz >= h) & (hertz < 2 * h)].sum()) for h in (0.75, 3, 12)]
    assert max(octaves, key=lambda octave: octave[1])[0] == 3
    # And now and then there is a pause: where it begins and ends, in hundredths of a second.
    steps = np.diff(np.concatenate([[0], envelope == 0, [0]]))
    pauses = np.flatnonzero(steps < 0) - np.flatnonzero(steps > 0)
    assert len(pauses) > 0 and pauses.min() >= 28 and 0.02 < pauses.sum() / len(envelope) < 0.4


def test_palms_are_heard_below_the_keys_softly_and_without_a_tap(keyboard, difficulty):
    setup, typist, taps = people(keyboard, difficulty, 20)
    maker = TapSound(setup, typist, difficulty)
    settings = difficulty[DISTURBANCES]["palms"]
    made = {}
    for kind in ("thumps", "rubs"):
        settings.update(thumps_per_minute=0, rubs_per_minute=0)
        settings[f"{kind}_per_minute"] = 60
        rng = stream(1, Purpose.NOISE)
        made[kind] = hands.palms(rng, maker, taps, 30 * SAMPLE_RATE, 4.0, difficulty)
        assert 15 < len(made[kind]) < 50
        starts = np.array([start for _, start in made[kind]])
        assert starts.min() >= 0 and starts.max() < 30 * SAMPLE_RATE
    tap = maker.render(taps.position_mm[0], taps.pad_s[0], taps.click_s[0], typist.click_share, 0.0)
    thumps = [low_share(sound) for sound, _ in made["thumps"]]
    assert np.median(thumps) > 0.95
    assert low_share(tap) < 0.7
    for sound, _ in made["rubs"]:
        power = np.mean(heard(sound) ** 2, axis=0)
        loudest = max(power[at : at + WINDOW].mean() for at in range(0, len(power), 48))
        assert -20.1 < 10 * np.log10(loudest / 4.0) < -9.9
        assert 0.3 * SAMPLE_RATE <= sound.shape[1] <= 1.1 * SAMPLE_RATE


def low_share(sound):
    """How much of a sound's power is below 300 Hz."""
    power = (np.abs(np.fft.rfft(sound, axis=1)) ** 2).sum(axis=0)
    return power[np.fft.rfftfreq(sound.shape[1], 1 / SAMPLE_RATE) < 300].sum() / power.sum()


def test_channels_leak_into_their_neighbours_by_so_many_decibels(keyboard, difficulty):
    before = np.random.default_rng(1).standard_normal((8, 50_000)).astype(np.float32)
    after = before.copy()
    recorder.couple(after, -26.0)
    leaks = after @ before.T / 50_000
    for channel in range(8):
        for other in range(8):
            apart = abs(channel - other)
            expected = {0: 1.0, 1: 10 ** (-26 / 20)}.get(apart, 0.0)
            assert leaks[channel, other] == pytest.approx(expected, abs=0.02)
    untouched = before.copy()
    recorder.couple(untouched, -np.inf)
    np.testing.assert_array_equal(untouched, before)
    difficulty[DISTURBANCES]["coupling"]["level_db"] = -26.0
    _, _, coupled = rendered(keyboard, difficulty)
    difficulty[DISTURBANCES]["coupling"]["level_db"] = -np.inf
    _, _, plain = rendered(keyboard, difficulty)
    expected = plain.sound.copy()
    recorder.couple(expected, -26.0)
    expected *= np.abs(coupled.sound).max() / np.abs(expected).max()
    np.testing.assert_allclose(coupled.sound, expected, atol=1e-6)


def test_channels_are_late_by_the_samples_that_were_drawn(keyboard, difficulty):
    straight, _, plain = rendered(keyboard, difficulty)
    difficulty[DISTURBANCES]["skew"]["samples"] = 20
    setup, _, late = rendered(keyboard, difficulty)
    assert not straight.skew.any()
    assert setup.skew.max() <= 20 and len(set(setup.skew)) > 3
    for name in ("microphones_mm", "gains", "snr_db", "speed_factor"):
        np.testing.assert_array_equal(getattr(setup, name), getattr(straight, name))
    for channel, samples in enumerate(setup.skew):
        both = signal.correlate(late.sound[channel], plain.sound[channel], "same")
        assert both.argmax() - late.sound.shape[1] // 2 == samples
