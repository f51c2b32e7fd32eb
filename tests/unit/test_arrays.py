"""Any array at any rate, from simulated sound with known truth to the answer of a model."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
import sounds
import torch
from made import completed_experiment

from tap2key.audio.array import DEFAULT, Array
from tap2key.audio.audio_file import AudioFile
from tap2key.core.errors import Tap2keyError
from tap2key.core.files import read_tsv
from tap2key.core.shipped import KEYBOARD
from tap2key.datasets.crops import cut_of
from tap2key.datasets.encode import encode
from tap2key.datasets.encoded_dataset import Rows, load_dataset_folder
from tap2key.datasets.encoding import Encoding
from tap2key.datasets.representations import encode_windows
from tap2key.models.baseline_features import baseline_features
from tap2key.models.wav2vec2 import build_classifier
from tap2key.segmentation.channel_table import CHANNELS_NAME
from tap2key.segmentation.session import Settings, segment_session
from tap2key.segmentation.taps import array_of_taps, load_taps
from tap2key.signal.detection import find_taps, hop_at, hops_per_s
from tap2key.signal.onset import section_at
from tap2key.simulation.difficulty import load_difficulty
from tap2key.simulation.microphones import nominal_mm
from tap2key.simulation.plan import checked_settings, plan_study
from tap2key.simulation.random_streams import Purpose, stream
from tap2key.simulation.recording import recorded, render_recording
from tap2key.simulation.session import make_session
from tap2key.simulation.tap_sound import draw_setup
from tap2key.simulation.typist import draw_taps, draw_typist
from tap2key.study.keyboard import load_keyboard
from tap2key.study.scan import recordings_in

CHANNELS = (1, 2, 4, 6, 8, 16)
RATES = (16_000, 44_100, 48_000, 96_000, 192_000)
TAPS = 14


def array_with(channels, rate, **more):
    groups = (("left", tuple(range((channels + 1) // 2))),)
    return Array(channels=channels, sample_rate=rate, groups=groups, **more)


@cache
def rendered(channels):
    """Sound of some taps at one array's microphones, and their onsets."""
    keyboard, difficulty = load_keyboard(KEYBOARD), load_difficulty()
    array = array_with(channels, 96_000)
    setup = draw_setup(stream(3, Purpose.SETUP), "mdf", difficulty, array)
    typist = draw_typist(stream(3, Purpose.PERSON), keyboard, difficulty)
    taps = draw_taps(stream(3, Purpose.TAPS), typist, keyboard, difficulty, TAPS)
    return render_recording(stream(3, Purpose.NOISE), setup, typist, taps, difficulty)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("channels", CHANNELS)
def test_every_tap_is_found_to_a_fraction_of_a_millisecond(tmp_path, channels, rate):
    made = rendered(channels)
    path = sounds.write_wav(tmp_path / "a.wav", recorded(made.sound, rate).T, rate)
    found = find_taps(AudioFile(path, array_with(channels, rate)))
    assert len(found.onset) == TAPS
    late_ms = 1000 * (found.time_s - made.onset_s)
    assert np.abs(late_ms).max() < 1.0
    assert np.median(np.abs(late_ms)) < 0.1
    assert {len(each.arrival) for each in found.each} == {channels}


def test_at_96_khz_times_are_the_samples_that_figures_were_measured_with():
    section = section_at(96_000)
    assert (section.before, section.after, section.settling) == (2880, 960, 480)
    assert (section.noise_piece, section.first) == (240, 2400)
    assert (hop_at(96_000), hops_per_s(96_000)) == (24, 4000)
    assert [hop_at(rate) for rate in RATES] == [4, 11, 12, 24, 48]


@pytest.mark.parametrize("rate", range(16_000, 200_000, 1237))
def test_parts_of_sections_and_hops_are_whole_at_any_rate(rate):
    section = section_at(rate)
    assert section.first == section.settling + 8 * section.noise_piece
    assert 1000 * section.before / rate == pytest.approx(30, abs=0.3)
    assert 1000 * hop_at(rate) / rate == pytest.approx(0.25, rel=0.13)
    assert hops_per_s(rate) * hop_at(rate) <= rate


def simulated(root, array, taps=10):
    """A session of somebody's, the truth, and what the segment stage makes of it."""
    settings = checked_settings(
        {"participants": 1, "sessions": 1, "recordings": 1, "taps": taps, "material": "mdf"}
    )
    (planned,) = plan_study(settings)
    keyboard = load_keyboard(KEYBOARD)
    make_session(
        *(planned, root / "study", root / "truth", settings, keyboard, load_difficulty(), []),
        array=array,
    )
    recordings = recordings_in(root / "study" / planned.folder)
    audits = segment_session(recordings, keyboard, Settings(array=array), root / "taps")
    truth = pd.read_parquet(root / "truth" / planned.folder / "true_taps.parquet")
    return recordings, audits, truth


@pytest.mark.parametrize(
    ("channels", "rate"),
    [(1, 16_000), (2, 44_100), (4, 48_000), (6, 44_100), (8, 96_000), (16, 192_000)],
)
def test_from_a_simulated_session_to_a_models_answer(tmp_path, channels, rate):
    array = array_with(channels, rate)
    _, (audit,), truth = simulated(tmp_path, array)
    assert audit["status"] == "ok"
    table, windows = load_taps(tmp_path / "taps", verify=True)
    assert array_of_taps(table) == array
    assert windows.shape == (len(table), channels, array.window)
    nearest = np.abs(table["time_s"].to_numpy()[:, None] - truth["time_s"].to_numpy()).argmin(1)
    assert table["label"].to_pylist() == truth["touch_label"].iloc[nearest].tolist()
    listed = read_tsv(tmp_path / "taps" / CHANNELS_NAME)
    assert [int(row["channel"]) for row in listed] == list(range(channels))
    assert {row["verdict"] for row in listed} == {"ok"}

    for name, held in (("interleave", channels), ("left", (channels + 1) // 2), ("average", 1)):
        encode([tmp_path / "taps"], Encoding(name, 16_000, (5.0, 10.0)), tmp_path / name)
        dataset = load_dataset_folder(tmp_path / name)
        encoding = dataset.encoding
        assert (encoding.array, encoding.held, encoding.frames) == (array, held, 240)
        inputs = Rows(dataset.data).all()
        assert inputs.shape[1] == held * 240
        # The onset is where the encoding says it is: quiet before it, loud from it on.
        energy = (encoding.separated(inputs) ** 2).mean(axis=(0, 1))
        assert encoding.onset_frame == 80
        assert energy[80:160].mean() > 10 * energy[:72].mean()
        forward(inputs, encoding, dataset.labels)
        if held > 1:
            pairs = held * (held - 1) // 2
            delays = baseline_features("gcc_phat_forest", inputs, encoding)
            assert delays.shape == (len(inputs), pairs + held)
            assert np.ptp(delays[:, :pairs], axis=0).min() > 0


def forward(inputs, encoding, labels):
    """All kinds of networks answer."""
    shape = {"conv_dim": [8], "conv_kernel": [8], "num_hidden_layers": 1}
    shape |= {"conv_stride": [4], "hidden_size": 16, "num_attention_heads": 2}
    shape |= {"num_conv_pos_embedding_groups": 2, "intermediate_size": 16}
    kinds = ["wav2vec2", "convolutional", *(["learned_gcc"] if encoding.channels > 1 else [])]
    for kind in kinds:
        model = (
            {"checkpoint": None, "config_overrides": shape, "inflate_stem": True}
            if kind == "wav2vec2"
            else {}
        )
        settings = completed_experiment(kind=kind, model=model)
        cut = cut_of(encoding, inputs.shape[1], (2.0, 5.0), None)
        network = build_classifier(settings, labels, encoding, cut).eval()
        seen = cut(encoding.separated(inputs))
        assert seen.shape[1] == encoding.held * 112
        with torch.inference_mode():
            logits = network(torch.from_numpy(seen)).logits
        assert logits.shape == (len(inputs), len(labels))
        if kind == "wav2vec2":
            assert list(network.config.conv_kernel) == [8 * encoding.channels]
        assert torch.isfinite(logits).all()


def test_ignored_channels_are_heard_nowhere(tmp_path):
    array = array_with(4, 48_000)
    recordings, _, _ = simulated(tmp_path, array)
    fewer = array_with(4, 48_000, ignore=(1,))
    segment_session(recordings, load_keyboard(KEYBOARD), Settings(array=fewer), tmp_path / "fewer")
    table, kept = load_taps(tmp_path / "fewer", verify=True)
    assert array_of_taps(table) == fewer
    listed = read_tsv(tmp_path / "fewer" / CHANNELS_NAME)
    assert [int(row["channel"]) for row in listed] == [0, 2, 3]
    whole = np.concatenate(list(AudioFile(recordings[0].path, array).blocks()))
    for time_s, window in zip(table["time_s"].to_pylist(), kept, strict=True):
        first = round(time_s * 48_000) - array.before
        np.testing.assert_array_equal(window, whole[first : first + array.window, [0, 2, 3]].T)
    encoding = Encoding("left", 48_000, array=fewer)
    np.testing.assert_array_equal(
        encode_windows(kept, encoding), kept[:, [0]].transpose(0, 2, 1).reshape(len(kept), -1)
    )


def test_a_recording_of_another_array_is_left_out_with_the_reason(tmp_path):
    recordings, _, _ = simulated(tmp_path, array_with(2, 16_000), taps=4)
    (audit,) = segment_session(recordings, load_keyboard(KEYBOARD), Settings(), tmp_path / "other")
    assert audit["status"] == "left out"
    assert "2 channel(s), but array.channels is 8" in audit["reason"]


@pytest.mark.parametrize(
    ("representation", "together"),
    [("average", True), ("max_abs", True), ("interleave", False), ("stack", False)],
)
def test_arrays_of_unlike_channels_are_used_together_where_one_is_made_of_them(
    representation, together
):
    eight = Encoding(representation, 16_000, (5.0, 10.0))
    other = Encoding(representation, 16_000, (5.0, 10.0), array=array_with(6, 44_100))
    assert eight.alike(other) == other.alike(eight) == together
    assert "channels 6 instead of 8" in eight.differences(other)


@pytest.mark.parametrize("representation", ["interleave", "stack", "left", "pairs", "average"])
def test_arrays_of_as_many_channels_are_used_together_whatever_their_rate(representation):
    """Not where their longest delays differ, on which delays and correlations depend."""
    slow = Encoding(representation, 16_000, (5.0, 10.0), array=array_with(6, 44_100))
    fast = Encoding(representation, 16_000, (5.0, 10.0), array=array_with(6, 96_000))
    assert slow.alike(fast) and fast.alike(slow)
    wide = Encoding(
        representation, 16_000, (5.0, 10.0), array=array_with(6, 96_000, max_delay_ms=3.0)
    )
    assert slow.alike(wide) == (representation == "average")
    assert not slow.alike(Encoding(representation, 16_000, (5.0, 11.0), array=fast.array))


def test_a_group_of_two_arrays_is_encoded_into_one_dataset(tmp_path):
    """Eight microphones at 96 kHz, and four of another rig at 48 kHz."""
    large = Array(groups=(("used", (1, 3, 5, 7)),))
    small = Array(channels=4, sample_rate=48_000, groups=(("used", (0, 1, 2, 3)),))
    labels = []
    for name, array in (("large", large), ("small", small)):
        simulated(tmp_path / name, array)
        labels += load_taps(tmp_path / name / "taps")[0]["label"].to_pylist()
    folders = [tmp_path / name / "taps" for name in ("large", "small")]
    encode(folders, Encoding("used", 16_000, (5.0, 10.0)), tmp_path / "together")
    dataset = load_dataset_folder(tmp_path / "together")
    inputs = Rows(dataset.data).all()
    assert inputs.shape == (sum(label is not None for label in labels), 4 * 240)
    assert dataset.encoding.array == large
    told = [dataset.labels[at] for at in dataset.data["label"]]
    assert told == [label for label in labels if label is not None]
    # Every tap's onset is at the one frame.
    energy = (dataset.encoding.separated(inputs) ** 2).mean(axis=1)
    assert (energy[:, 80:160].mean(axis=1) > 10 * energy[:, :72].mean(axis=1)).all()
    with pytest.raises(Tap2keyError, match=r"recorded with a different array than .*large"):
        encode(folders, Encoding("interleave", 16_000, (5.0, 10.0)), tmp_path / "apart")


def test_arrays_with_other_windows_are_never_alike():
    long = Array(window_ms=(30.0, 62.5))
    assert not Encoding("average").alike(Encoding("average", array=long))
    assert Encoding("average", crop_ms=(5, 5)).alike(
        Encoding("average", crop_ms=(5, 5), array=long)
    )


def test_one_microphone_compares_with_none():
    one = Encoding(array=array_with(1, 16_000))
    with pytest.raises(
        Tap2keyError, match="gcc_phat_forest compares channels, but there is only one"
    ):
        baseline_features("gcc_phat_forest", np.ones((2, one.frames), "f4"), one)


@pytest.mark.parametrize("kind", ["average", "stack"])
def test_forests_need_channels_side_by_side(kind):
    encoding = Encoding(kind)
    with pytest.raises(Tap2keyError, match="needs channels side by side"):
        baseline_features("level_forest", np.ones((2, encoding.frames * encoding.held)), encoding)


@pytest.mark.parametrize("channels", [1, 2, 6, 16])
def test_simulated_microphones_stand_apart_around_the_table(channels):
    difficulty = load_difficulty()
    shipped = nominal_mm(DEFAULT, difficulty)
    assert shipped[:, 0].tolist() == difficulty["microphones"]["x_mm"]
    places = nominal_mm(array_with(channels, 48_000), difficulty)
    assert places.shape == (channels, 2)
    assert (places >= shipped.min(axis=0)).all()
    assert (places <= shipped.max(axis=0)).all()
    apart = np.linalg.norm(places[:, None] - places[None], axis=2) + 1e3 * np.eye(channels)
    assert apart.min() > 20
    known = array_with(2, 48_000, positions_mm=((1.0, 2.0, 9.0), (3.0, 4.0, 9.0)))
    assert nominal_mm(known, difficulty).tolist() == [[1, 2], [3, 4]]
