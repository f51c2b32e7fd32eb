"""A few taps of a session adapt a model, and what was learned is what the curve promises."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sounds
import torch
from made import ENCODING, LABELS, SHAPE, error_line, held_out_study, stage
from safetensors.numpy import load_file
from transformers import AutoModelForAudioClassification

from tap2key.audio.array import array_of
from tap2key.core.errors import Tap2keyError
from tap2key.core.files import read_json
from tap2key.datasets.encoded_dataset import Rows, load_dataset_folder
from tap2key.datasets.encoding import Encoding
from tap2key.evaluation import adaptation
from tap2key.evaluation.adaptation import adaptation_curve, first_taps
from tap2key.models.key_places import places_of
from tap2key.models.model_folder import write_model_metadata
from tap2key.models.predictor import load_predictor
from tap2key.models.session_adaptation import fit_labelled, outputs_of
from tap2key.models.softness import Softness
from tap2key.models.wav2vec2 import build_extractor, build_model
from tap2key.reading.taps_to_learn import taps_in_folders
from tap2key.segmentation.taps import WindowWriter, write_taps
from tap2key.study.keyboard import load_keyboard

KEYBOARD = "label,x,y\na,2700,894\nb,1700,1264\n|,700,1088\n"
SOFTNESS = Softness(0.7, 9.0)
TAPS = 60


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A session whose keys sound differently, its taps and dataset, and an untrained network."""
    root = tmp_path_factory.mktemp("Bob's study")
    (root / "keys.csv").write_text(KEYBOARD)
    keyboard = load_keyboard(root / "keys.csv")
    rng = np.random.default_rng(0)
    keys, times = rng.integers(3, size=TAPS), sounds.tap_times(rng, TAPS)
    sound = sounds.room(rng, times[-1] + 1)
    for key, time in zip(keys, times, strict=True):
        tap = sounds.tap_sound(np.random.default_rng(key), rng.uniform(0.1, 0.2))
        sound[round(time * sounds.RATE) :][: len(tap)] += tap
    session = root / "Tony" / "s1"
    sounds.write_wav(session / "01.acoustic" / sounds.NAME, sound)
    (session / "02.neonode").mkdir()
    late = times - sounds.LATENCY + rng.uniform(0, 0.01, TAPS)
    lines = sounds.touch_lines(late, keyboard.centres[keys])
    (session / "02.neonode" / "a_nnode.csv").write_text("\n".join(lines) + "\n")
    kept = ("--keyboard", root / "keys.csv", "--output", root / "taps")
    stage("segment", "--dir", session, *kept)
    stage(
        *("encode", "--taps", root / "taps", "--output", root / "dataset"),
        *("--representation", "interleave", "--sample-rate", 16_000, "--crop-ms", 1, 3),
        *("--highpass-hz", "null"),
    )
    network(root / "model")
    return root


def network(folder, sureness=1.0):
    """A network's folder as training writes it, with weights that were never trained."""
    torch.manual_seed(0)
    model = build_model(None, SHAPE, LABELS, 512)
    model.classifier.weight.data *= sureness
    model.save_pretrained(folder)
    build_extractor(ENCODING.sample_rate).save_pretrained(folder)
    settings = {"kind": "wav2vec2", "model": {"crop_ms": None, "max_duration_s": None}}
    about = {
        "held_out": ["Tony"],
        "tests_on_rows": False,
        "fingerprints": {"Bo": ""},
        "validation_by": "session",
        "validation": [],
        "validation_taps": "",
        "class_counts": {"train": dict.fromkeys(LABELS, 1)},
    }
    trained_on = SimpleNamespace(labels=LABELS, encoding=ENCODING)
    write_model_metadata(folder, settings, about, trained_on, 512, 0, {}, SOFTNESS)
    return folder


def labelled_only(taps, output, rows):
    """A copy of a taps folder in which only some rows have a label."""
    output.mkdir()
    table = pq.read_table(taps / "taps.parquet")
    labels = [x if row in rows else None for row, x in enumerate(table["label"].to_pylist())]
    at = table.schema.get_field_index("label")
    pq.write_table(table.set_column(at, "label", pa.array(labels)), output / "taps.parquet")
    shutil.copy(taps / "windows.npy", output)
    return output


def adapt(root, taps, output, *options, model="model"):
    return [
        *("adapt", "--model", root / model, "--taps", taps, "--keyboard", root / "keys.csv"),
        *("--output", output, *options),
    ]


def in_time(data):
    """Whose and when the rows of a dataset are, whose taps are numbered in time."""
    columns = (np.array(data[name]) for name in ("session", "recording", "tap"))
    return adaptation.Rows(*columns)


@pytest.fixture(scope="module")
def adapted(root):
    """A model adapted to two taps of each key, and which taps the others are."""
    data = load_dataset_folder(root / "dataset").data
    keys = np.array(data["label"])
    (part,) = first_taps(keys, in_time(data), (2,))
    number = np.array(data["tap"])
    labelled = labelled_only(root / "taps", root / "few", set(number[part.labelled[2]]))
    stage(*adapt(root, labelled, root / "adapted"))
    return SimpleNamespace(folder=root / "adapted", part=part, keys=keys, number=number)


def test_predict_names_keys_as_the_adaptation_curve_says(root, adapted, tmp_path):
    dataset = load_dataset_folder(root / "dataset")
    places = places_of(load_keyboard(root / "keys.csv"), LABELS)
    chances = load_predictor(root / "model")[0].probabilities(Rows(dataset.data).all())
    outputs, part = outputs_of(chances, True, places, SOFTNESS), adapted.part
    rows = in_time(dataset.data)
    before, _, after = adaptation_curve(outputs, adapted.keys, rows, places, (2,))
    stage(
        *("predict", "--models", adapted.folder, "--output", tmp_path / "read"),
        *("--recordings", root / "Tony" / "s1" / "01.acoustic"),
    )
    table = pq.read_table(tmp_path / "read" / "tapped_keys.parquet").to_pandas()
    named = table.set_index("tap").prediction[adapted.number[part.tested]]
    right = np.array([LABELS.index(key) for key in named]) == adapted.keys[part.tested]
    assert right.mean() == after["accuracy"] > before["accuracy"] + 0.2
    found = fit_labelled(outputs.of(part.labelled[2]), adapted.keys[part.labelled[2]], places)
    assert any(found.weights)
    expected = found.probabilities(outputs)[part.tested]
    probabilities = np.stack(table.set_index("tap").probabilities[adapted.number[part.tested]])
    np.testing.assert_allclose(probabilities, expected, atol=1e-5)


def test_its_folder_says_what_it_was_made_from_and_loads_with_stock_transformers(root, adapted):
    about = read_json(adapted.folder / "tap2key.json")
    given = {("Tony", "s1", int(tap)) for tap in adapted.number[adapted.part.labelled[2]]}
    assert {(p, s, tap) for p, s, _, tap in about["adapted_to"]["taps"]} == given
    assert about["adapted_to"]["sessions"] == [["Tony", "s1"]]
    assert about["adapted_to"]["labelled"] is True
    made_from = read_json(adapted.folder / "provenance.json")["inputs"]
    for path in ("model/model.safetensors", "model/tap2key.json", "few/taps.parquet", "keys.csv"):
        assert str(root / path) in made_from
    AutoModelForAudioClassification.from_pretrained(adapted.folder)
    before, after = (load_file(f / "model.safetensors") for f in (root / "model", adapted.folder))
    assert before.keys() == after.keys()
    assert all(np.array_equal(before[name], after[name]) for name in before)


def test_evaluation_says_which_tested_taps_it_was_adapted_to(root, adapted, tmp_path, caplog):
    where = ("--datasets", root / "dataset", "--keyboard", root / "keys.csv")
    stage("evaluate", "--model", adapted.folder, *where, "--output", tmp_path / "scores")
    metrics = read_json(tmp_path / "scores" / "metrics.json")
    assert (metrics["adapted_sessions"], metrics["adapted_taps"]) == (["Tony/s1"], 6)
    assert metrics["held_out"] is False and metrics["seen_in_training"] == ["Tony"]
    assert f"was adapted to 6 of the {len(adapted.keys)} tested taps" in caplog.text
    stage("evaluate", "--model", root / "model", *where, "--output", tmp_path / "before")
    before = read_json(tmp_path / "before" / "metrics.json")
    assert "adapted_taps" not in before and before["held_out"] is True
    assert metrics["accuracy"] > before["accuracy"] + 0.2


def test_without_labels_the_labels_do_not_matter(root, tmp_path, caplog):
    network(root / "sure", sureness=300)
    stripped = labelled_only(root / "taps", tmp_path / "stripped", ())
    made = [tmp_path / "from labelled", tmp_path / "from stripped"]
    for taps, output in zip((root / "taps", stripped), made, strict=True):
        stage(*adapt(root, taps, output, "--unlabelled", model="sure"))
    stage(
        *("adapt", "--model", root / "sure", "--recordings", root / "Tony" / "s1" / "01.acoustic"),
        *("--keyboard", root / "keys.csv", "--output", tmp_path / "from sound"),
    )
    saved = [read_json(o / "adaptation.json") for o in (*made, tmp_path / "from sound")]
    assert saved[0] == saved[1]
    coefficients = [each["shift"]["coefficients"] for each in saved]
    np.testing.assert_allclose(coefficients[2], coefficients[0], atol=1e-3)
    assert read_json(tmp_path / "from sound" / "tap2key.json")["adapted_to"] == {
        "labelled": False,
        "number": TAPS,
        "sessions": [],
        "taps": [],
    }
    # None of its taps has a name, so whether the tested ones are among them cannot be said.
    where = ("--datasets", root / "dataset", "--keyboard", root / "keys.csv")
    scored = tmp_path / "scores"
    stage("evaluate", "--model", tmp_path / "from sound", *where, "--output", scored)
    metrics = read_json(scored / "metrics.json")
    assert metrics["adapted_taps"] is metrics["adapted_sessions"] is None
    assert "was adapted to recordings (see its provenance.json), which may hold" in caplog.text
    assert saved[0]["weights"] == {"own": 1.0, "shift": 0.5, "prototypes": 0.0}
    about = read_json(made[1] / "tap2key.json")["adapted_to"]
    assert (about["labelled"], len(about["taps"])) == (False, TAPS)


def test_what_cannot_be_adapted_is_refused_in_one_line(root, adapted, tmp_path, capsys):
    out = tmp_path / "out"
    line = error_line(capsys, *adapt(root, root / "taps", out, model="adapted"))
    assert "adapted: is adapted already; give the model that was adapted" in line
    stripped = labelled_only(root / "taps", tmp_path / "stripped", ())
    line = error_line(capsys, *adapt(root, stripped, out))
    assert "stripped: no labelled tap in any of them; --unlabelled learns without" in line
    line = error_line(capsys, *adapt(root, root / "taps", out, "--unlabelled"))
    assert "model: the model is sure of" in line
    damaged = shutil.copytree(adapted.folder, tmp_path / "damaged")
    (damaged / "adaptation.json").write_text("{}")
    given = ("--recordings", root / "Tony" / "s1" / "01.acoustic", "--output", out)
    line = error_line(capsys, "predict", "--models", damaged, *given)
    assert "damaged/adaptation.json: is damaged ('softness'); adapt the model again" in line
    line = error_line(capsys, "export", "--onnx", adapted.folder, "--output", tmp_path / "m.onnx")
    assert "is adapted, which ONNX cannot hold" in line
    scored = ("--test-datasets", root / "dataset", "--fold", root / "fold")
    scored += ("--keyboard", root / "keys.csv", "--output", tmp_path / "scores")
    line = error_line(capsys, "adaptation-scores", "--model", adapted.folder, *scored)
    assert "is adapted already; give the model that was adapted" in line


@pytest.mark.parametrize("array", [{"sample_rate": 24_000}, {"groups": {"left": [0, 1]}}])
def test_taps_of_an_array_that_the_model_cannot_read_are_refused(tmp_path, array):
    """Windows of 24 kHz become as many frames at 48 kHz, but hold half of the frequencies."""
    own = array_of(array)
    with (tmp_path / "windows.npy").open("wb") as file:
        hashed = WindowWriter(file, own).finish()
    write_taps(tmp_path / "taps.parquet", [], hashed, LABELS, own)
    about = {"labels": list(LABELS), "encoding": Encoding("top", 48_000).as_dict()}
    with pytest.raises(Tap2keyError, match=f"{tmp_path}: recorded with a different array than m"):
        taps_in_folders([tmp_path], Path("m"), None, about, labelled=True, keyboard=None)


def test_touches_tell_a_keyboard_that_did_not_label_the_taps(root, tmp_path, capsys):
    """As where --keyboard is forgotten: the keys are of the same names and elsewhere."""
    other = tmp_path / "other.csv"
    other.write_text("label,x,y\na,1700,1264\nb,700,1088\n|,2700,894\n")
    given = ("--keyboard", other, "--output", tmp_path / "out")
    line = error_line(capsys, "adapt", "--model", root / "model", "--taps", root / "taps", *given)
    assert f"taps: {TAPS} of {TAPS} touches lie on other keys of --keyboard than" in line


def test_recordings_that_cannot_be_read_are_left_out_of_a_folder(root, tmp_path, caplog):
    network(root / "sure", sureness=300)
    folder = shutil.copytree(root / "Tony" / "s1" / "01.acoustic", tmp_path / "all")
    (folder / "notes.mp3").write_bytes(b"ID3")
    (folder / "again.wav").symlink_to(folder / sounds.NAME)
    adapted_to = {}
    for name in ("01.acoustic", "all"):
        given = folder if name == "all" else root / "Tony" / "s1" / name
        stage(
            *("adapt", "--model", root / "sure", "--recordings", given),
            *("--keyboard", root / "keys.csv", "--output", tmp_path / f"of {name}"),
        )
        adapted_to[name] = read_json(tmp_path / f"of {name}" / "tap2key.json")["adapted_to"]
    left_out = {Path(each["path"]).name for each in adapted_to["all"].pop("left_out")}
    assert left_out == {"notes.mp3", "again.wav"}
    assert adapted_to["all"] == adapted_to["01.acoustic"]
    assert caplog.text.count("left out: ") == len(left_out)


def test_a_forest_is_adapted_to_labelled_taps_alone(root, tmp_path, capsys):
    folder, training, _ = held_out_study(tmp_path / "study", ("Ana", "Bo", "Chen"))
    chosen = ("--kind", "level_forest", "--trees", 5)
    stage(
        *("baseline", "--fold", folder, "--datasets", *training, *chosen),
        *("--output", root / "forest"),
    )
    stage(*adapt(root, root / "taps", tmp_path / "adapted", model="forest"))
    inputs = Rows(load_dataset_folder(root / "dataset").data).all()
    chances = load_predictor(tmp_path / "adapted")[0].probabilities(inputs)
    np.testing.assert_allclose(chances.sum(axis=1), 1)
    line = error_line(
        capsys, *adapt(root, root / "taps", tmp_path / "out", "--unlabelled", model="forest")
    )
    assert "only a network can be adapted: a forest does not tell where a tap was" in line
