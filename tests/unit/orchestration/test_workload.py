import numpy as np
import pytest
from made import SHAPE, session
from transformers import Wav2Vec2Config, Wav2Vec2ForSequenceClassification

from tap2key.config.configuration import complete_config
from tap2key.datasets.crops import Cut
from tap2key.datasets.representations import Encoding, encode_windows
from tap2key.orchestration.cost import remarks
from tap2key.orchestration.plan import plan_of
from tap2key.orchestration.recording_sources import find_recordings
from tap2key.orchestration.workload import Workload, length_of, network_of

CUT = Cut(0, 288, 8)


def test_a_plain_network_by_hand():
    found = network_of("convolutional", {}, CUT, 34)
    widths, frames = (8, 64, 128, 128, 256), (144, 72, 36, 18)
    layers = list(zip(widths, widths[1:], frames, strict=False))
    kernels = sum(9 * before * after for before, after, _ in layers)
    assert found.parameters == kernels + 2 * sum(widths[1:]) + 256 * 34 + 34
    convolutions = sum(2 * 9 * before * after * n for before, after, n in layers)
    assert found.operations == convolutions + 2 * 256 * 34


def test_a_network_from_scratch_is_as_large_as_it_is_built():
    model = {"checkpoint": None, "shape": SHAPE, "inflate_stem": False}
    built = Wav2Vec2ForSequenceClassification(Wav2Vec2Config(**SHAPE, num_labels=34))
    found = network_of("wav2vec2", model, CUT, 34)
    assert found.parameters == sum(p.numel() for p in built.parameters())


def test_a_checkpoint_that_was_not_fetched_is_taken_for_the_base_model():
    model = {"checkpoint": "facebook/wav2vec2-base", "shape": {}, "inflate_stem": False}
    base = network_of("wav2vec2", model, Cut(0, 1366, 8), 34)
    assert base.parameters == pytest.approx(94.6e6, rel=0.001)
    wide = network_of("wav2vec2", {**model, "inflate_stem": True}, Cut(0, 1366, 8), 34)
    # Seven more channels of the first convolution's 512 kernels of 10.
    assert wide.parameters - base.parameters == 7 * 512 * 10
    assert wide.operations < base.operations / 4


@pytest.mark.parametrize(
    "encoding",
    [Encoding("stack", 16_000), Encoding("top", 48_000, (4, 8)), Encoding("max_abs", 96_000)],
)
def test_the_length_of_a_window_is_what_encoding_gives(encoding):
    windows = np.random.default_rng(0).standard_normal((2, 8, 8192))
    assert length_of(encoding) == encode_windows(windows, encoding).shape[1]


@pytest.fixture
def workload(tmp_path):
    """Two people of 5 and 3 touches, none segmented."""
    for name, downs in (("Ana_1", 5), ("Bo_1", 3)):
        session(tmp_path / "study", name)
        rows = [
            f"2023-01-27 13:05:{at:02d}.1, {at},   {event}, 2000, 1000, 60\n"
            for at in range(downs)
            for event in ("Down", "Move", "  Up")
        ]
        file = tmp_path / "study" / name / "02.neonode" / "a_nnode.csv"
        file.write_text("".join(rows), encoding="utf-8")
    config = complete_config(
        {
            "study": str(tmp_path / "study"),
            "results": str(tmp_path / "results"),
            "experiments": {
                "forest": {
                    "kind": "level_forest",
                    "share": 0.5,
                    "validation": {"by": "session", "share": 0.2},
                },
                "chance": {"kind": "level_forest", "split": "random", "seeds": [0, 1]},
            },
        }
    )
    return Workload(plan_of(config, find_recordings(config)))


def test_taps_that_were_not_segmented_are_the_touches(workload):
    assert workload.taps_of == {"Ana": 5, "Bo": 3}


def test_training_taps_are_the_share_that_neither_validates_nor_tests(workload):
    assert workload.training_taps("forest", "Ana") == pytest.approx(3 * 0.8 * 0.5)
    assert workload.training_taps("chance", "random") == pytest.approx(8 * 0.7)
    assert workload.jobs["baseline"] == 2 + 2


def test_a_checkpoint_that_was_not_fetched_is_named_among_the_remarks(tmp_path):
    session(tmp_path / "study", "Ana_1")
    session(tmp_path / "study", "Bo_1")
    config = complete_config(
        {
            "study": str(tmp_path / "study"),
            "results": str(tmp_path / "results"),
            "experiments": {"hub": {"model": {"checkpoint": "facebook/wav2vec2-base"}}},
        }
    )
    said = remarks(Workload(plan_of(config, find_recordings(config))), None)
    assert "Not fetched yet, taken to be as large as wav2vec2-base: facebook/wav2vec2-base." in said
