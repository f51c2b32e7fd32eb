from pathlib import Path

import numpy as np
import pytest
import soundfile
from made import SHAPE, session
from transformers import Wav2Vec2Config, Wav2Vec2ForSequenceClassification

from tap2key.config.configuration import complete_config
from tap2key.datasets.crops import Cut
from tap2key.datasets.encoding import Encoding
from tap2key.datasets.representations import encode_windows
from tap2key.models.baseline_features import baseline_features, feature_count
from tap2key.orchestration.cost import bytes_of, remarks
from tap2key.orchestration.dry_run import Job
from tap2key.orchestration.planning import plan_of
from tap2key.orchestration.recording_sources import survey
from tap2key.orchestration.workload import TAPS, TREES, Work, Workload, length_of, network_of

CUT = Cut(0, 288, 8)


def test_a_plain_network_by_hand():
    found = network_of("convolutional", {}, Encoding(), CUT, 34)
    widths, frames = (8, 64, 128, 128, 256), (144, 72, 36, 18)
    layers = list(zip(widths, widths[1:], frames, strict=False))
    kernels = sum(9 * before * after for before, after, _ in layers)
    assert found.parameters == kernels + 2 * sum(widths[1:]) + 256 * 34 + 34
    convolutions = sum(2 * 9 * before * after * n for before, after, n in layers)
    assert found.operations == convolutions + 2 * 256 * 34


def test_learned_gcc_by_hand():
    found = network_of("learned_gcc", {}, Encoding("interleave", 48_000), CUT, 34)
    # Values that one output needs, outputs in each of so many places, and those places.
    heard, curves = 8 * 288, 28 * 193
    layers = ((31, 4, heard), (4 * 9, 4, heard), (4 * 5, 4, curves), (4 * 5, 1, curves))
    layers = (*layers, (curves, 128, 1), (128, 34, 1))
    # The first two have no bias.
    weights = sum((values + 1) * outputs for values, outputs, _ in layers) - 2 * 4
    assert found.parameters == weights
    assert found.operations == sum(2 * values * outputs * n for values, outputs, n in layers)


def test_a_network_from_scratch_is_as_large_as_it_is_built():
    model = {"checkpoint": None, "config_overrides": SHAPE, "inflate_stem": False}
    built = Wav2Vec2ForSequenceClassification(Wav2Vec2Config(**SHAPE, num_labels=34))
    found = network_of("wav2vec2", model, Encoding(), CUT, 34)
    assert found.parameters == sum(p.numel() for p in built.parameters())


def test_a_checkpoint_that_was_not_fetched_is_taken_for_the_base_model():
    model = {"checkpoint": "facebook/wav2vec2-base", "config_overrides": {}, "inflate_stem": False}
    base = network_of("wav2vec2", model, Encoding(), Cut(0, 1366, 8), 34)
    assert base.parameters == pytest.approx(94.6e6, rel=0.001)
    wide = network_of("wav2vec2", {**model, "inflate_stem": True}, Encoding(), Cut(0, 1366, 8), 34)
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
                    "training_fraction": 0.5,
                    "validation": {"by": "session", "fraction": 0.2},
                },
                "chance": {"kind": "level_forest", "split": "random", "seeds": [0, 1]},
                "svm": {"kind": "pairs_svm", "encoding": {"representation": "pairs"}},
            },
        }
    )
    return Workload(plan_of(config, survey(config).recordings))


def test_taps_that_were_not_segmented_are_the_touches(workload):
    assert workload.taps_of == {"Ana": 5, "Bo": 3}


def test_taps_beside_event_tables_are_their_events(tmp_path):
    folder = tmp_path / "study" / "Ana"
    folder.mkdir(parents=True)
    for name, seconds in (("one", (0.5, 1.0, 1.5)), ("two", (0.5, 1.0)), ("broken", ())):
        soundfile.write(folder / f"{name}.wav", np.full(9600, len(seconds) / 100), 96_000)
        rows = [f"{second} a\n" for second in seconds] or ["not an event\n"]
        (folder / f"{name}.keys").write_text("".join(rows))
    config = complete_config(
        {
            "study": str(tmp_path / "study"),
            "session_pattern": "(?P<participant>(?P<session>.+))",
            "truth": {"source": "events", "recordings": ["*/*.wav"]},
            "experiments": {"forest": {"kind": "level_forest", "split": "random"}},
        }
    )
    workload = Workload(plan_of(config, survey(config).recordings))
    assert workload.taps == {("Ana", "Ana"): 5}


def test_training_taps_are_the_share_that_neither_validates_nor_tests(workload):
    assert workload.training_taps("forest", "Ana") == pytest.approx(3 * 0.8 * 0.5)


def test_the_work_of_a_job_follows_from_its_name_and_its_use_of_models(workload):
    assert workload.work("", None) == Work(8)
    assert workload.work("Ana/1", None) == Work(5)
    assert workload.work("interleave-96000-crop2to4-highpass150/Bo", None) is None
    assert workload.work(f"{next(iter(workload.plan.encodings))}/Bo", None) == Work(3)
    assert workload.work("forest/Ana/seed-0", None) == Work(5)
    assert workload.work("forest/Ana/seed-0", "used") == Work(5, TAPS, "level_forest")
    trees = workload.plan.experiments["forest"]["trees"]
    made = workload.work("forest/Ana/seed-0", "made")
    assert made == Work(pytest.approx(3 * 0.8 * 0.5 * trees), TREES, "level_forest")
    svm = workload.work("svm/Ana/seed-0", "made")
    assert svm == Work(pytest.approx(3 * 0.8), TAPS, "pairs_svm")
    assert workload.work("forest", None) == Work(5 + 3)
    # Both seeds test on the fold of everybody.
    assert workload.work("chance", None) == Work(2 * 8)
    assert workload.work("chance/Ana/seed-0", "made") is None


def test_a_support_vector_machine_is_as_large_as_its_components_and_taps(workload):
    model = Path(workload.plan.results, "models/svm/Ana/seed-0")
    job = Job("baseline", (), (str(model),), "given")
    sizes = bytes_of([job], [Work(1000, TAPS, "pairs_svm")], workload)
    # Lags from -2 to 2 ms of 28 pairs; a number of 128 components has 4 bytes, hardly compressible.
    assert sizes["models"] == pytest.approx(128 * 4 * 28 * 65 + 345 * 1000, rel=0.05)
    # A wave speed has no size to speak of.
    assert set(bytes_of([job], [Work(9, TAPS, "multilateration")], workload)) == {"others"}


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
    said = remarks(Workload(plan_of(config, survey(config).recordings)), {}, tmp_path)
    assert "Not fetched yet, taken to be as large as wav2vec2-base: facebook/wav2vec2-base." in said


def test_a_search_is_the_work_of_all_that_it_trains(workload):
    plan, taps = workload.plan, 3 * 0.8 * 0.5
    over = {"trees": [100, 300], "max_features": [0.5]}
    plan.experiments["forest"] |= {
        "trees": 200,
        "search": {"budget": 3, "each_seed": True, "over": over},
    }
    made = workload.work("forest/Ana/seed-0", "made")
    # Half of 8 levels are twice the two that their root is; the experiment's own takes the root.
    tried = [200, 2 * 100, 2 * 300]
    assert made.amount == pytest.approx(taps * (sum(tried) + sum(tried) / 3))
    assert made.kept == pytest.approx(taps * 200)
    plan.experiments["svm"] |= {"search": {"budget": 4, "each_seed": True, "over": None}}
    machine = workload.work("svm/Ana/seed-0", "made")
    assert (machine.amount, machine.kept) == (pytest.approx(5 * 3 * 0.8), pytest.approx(3 * 0.8))


@pytest.mark.parametrize("kind", ["gcc_phat_forest", "level_forest", "mfcc_forest", "pairs_forest"])
def test_features_are_as_many_as_a_forest_sees(kind):
    pairs = kind == "pairs_forest"
    encoding = Encoding("pairs" if pairs else "interleave", 48_000, None if pairs else (2, 4))
    windows = np.random.default_rng(0).standard_normal((2, 8, 8192))
    seen = baseline_features(kind, encode_windows(windows, encoding), encoding)
    assert feature_count(kind, encoding, length_of(encoding)) == seen.shape[1]
