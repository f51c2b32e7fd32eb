import json
import shutil

import numpy as np
import pyarrow as pa
import pytest
from datasets import Dataset, concatenate_datasets, interleave_datasets, load_from_disk
from hypothesis import given, settings
from hypothesis import strategies as st
from made import ENCODING, LABELS, dataset, fold, people

from tap2key.core.errors import Tap2keyError
from tap2key.datasets.encoded_dataset import (
    Rows,
    check_same_kind,
    features_of,
    load_dataset_folder,
    load_fold,
    oversampled,
)
from tap2key.datasets.encoding import Encoding


@pytest.fixture(scope="module")
def four(tmp_path_factory):
    return people(tmp_path_factory.mktemp("four"), ["Ana", "Bo", "Chen", "Zoë 'Z'"], rare=2)


@pytest.fixture(scope="module")
def ana_held_out(four, tmp_path_factory):
    return fold(tmp_path_factory.mktemp("folds") / "Ana", four, "Ana", ["--seed", "3"])


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=30))
def test_oversampling_is_interleaving_until_all_are_exhausted(label_ids):
    data = Dataset.from_dict({"row": range(len(label_ids)), "label": label_ids})
    parts = [
        data.select([row for row, label in enumerate(label_ids) if label == key])
        for key in sorted(set(label_ids))
    ]
    expected = interleave_datasets(parts, probabilities=None, stopping_strategy="all_exhausted")[
        "row"
    ]
    assert oversampled(np.array(label_ids)).tolist() == list(expected)


def test_oversampling_balances_the_classes():
    label_ids = np.repeat([0, 1, 2], [1, 5, 40])
    seen = label_ids[oversampled(label_ids)]
    assert np.bincount(seen).tolist() == [40, 40, 40]
    assert seen[:6].tolist() == [0, 1, 2, 0, 1, 2]


def test_a_dataset_round_trip(tmp_path):
    rng = np.random.default_rng(0)
    inputs = rng.standard_normal((7, 512)).astype(np.float32)
    label_ids = [2, 0, 1, 1, 0, 2, 2]
    encoding = Encoding("top", 44_100, (1.5, 4), 150.0)
    dataset(tmp_path / "d", "Zoë", label_ids, encoding=encoding, inputs=inputs)
    found = load_dataset_folder(tmp_path / "d")
    assert (found.participant, found.labels, found.encoding) == ("Zoë", LABELS, encoding)
    assert found.data.features == features_of(LABELS, 512)
    assert found.data["label"][:] == label_ids
    assert found.data["session"][:] == ["s1", "s2", "s1", "s2", "s1", "s2", "s1"]
    np.testing.assert_array_equal(Rows(found.data).all(), inputs)
    # Anyone who knows the datasets library can read it without this package.
    stock = load_from_disk(str(tmp_path / "d"))
    np.testing.assert_array_equal(np.array(stock[4]["input_values"], np.float32), inputs[4])
    assert stock.features["label"].int2str(stock[0]["label"]) == "|"


def test_rows_are_the_datasets_own_through_select_and_concatenate(four):
    parts = [load_dataset_folder(folder).data for folder in four.values()]
    pool = concatenate_datasets([parts[0], parts[1].select(range(5, 20)), parts[2]])
    rng = np.random.default_rng(0)
    once = pool.select(rng.integers(0, len(pool), 70))
    twice = once.select([3, 3, 60, 0, 69])
    for data in (parts[0], parts[0].select(range(3, 9)), pool, once, twice):
        expected = np.array(data.with_format("numpy")["input_values"])
        rows = Rows(data)
        assert len(rows) == len(data)
        np.testing.assert_array_equal(rows.all(), expected)
        order = rng.permutation(len(data))
        np.testing.assert_array_equal(rows[order], expected[order])


def test_what_is_not_a_finished_dataset_is_refused(tmp_path, four):
    with pytest.raises(Tap2keyError, match=r"encoding\.json: no such file"):
        load_dataset_folder(tmp_path)
    copy = tmp_path / "copy"
    shutil.copytree(four["Ana"], copy)
    about = json.loads((copy / "encoding.json").read_text())
    (copy / "encoding.json").write_text(json.dumps({**about, "taps": about["taps"] + 1}))
    with pytest.raises(Tap2keyError, match=r"holds 36 taps where encoding\.json says 37"):
        load_dataset_folder(copy)
    (copy / "encoding.json").write_text(json.dumps(about))
    (copy / "dataset_info.json").unlink()
    with pytest.raises(Tap2keyError, match="not a dataset"):
        load_dataset_folder(copy)


def test_datasets_of_different_kinds_are_not_mixed(tmp_path, four):
    ana = load_dataset_folder(four["Ana"])
    check_same_kind([ana, load_dataset_folder(four["Bo"])])
    keys = dataset(tmp_path / "keys", "Bo", [0, 1], labels=("a", "b", "c"))
    rate = dataset(tmp_path / "rate", "Bo", [0, 1], encoding=Encoding("interleave", 8_000))
    for other in (keys, rate):
        with pytest.raises(Tap2keyError, match="differ in encoding or labels"):
            check_same_kind([ana, load_dataset_folder(other)])


def identities(data):
    columns = (data[name][:] for name in ("participant", "session", "recording", "tap"))
    return list(zip(*columns, strict=True))


def test_a_fold_is_loaded_with_the_right_rows(four, ana_held_out):
    folder, training = ana_held_out
    parts = load_fold(folder, training, four["Ana"])
    assert set(parts) == {"train", "validation", "test"}
    by_identity = {}
    for name, path in four.items():
        data = load_dataset_folder(path).data
        values = Rows(data).all()
        for row, key in enumerate(identities(data)):
            by_identity[key] = (data[row]["label"], values[row], name)
    for part in parts.values():
        values, labels = Rows(part).all(), part["label"][:]
        for key, value, label in zip(identities(part), values, labels, strict=True):
            assert label == by_identity[key][0]
            np.testing.assert_array_equal(value, by_identity[key][1])
    people_in = {name: set(part["participant"][:]) for name, part in parts.items()}
    assert people_in["test"] == {"Ana"}
    assert people_in["train"].isdisjoint(people_in["validation"] | {"Ana"})
    assert people_in["train"] | people_in["validation"] == set(four) - {"Ana"}
    # Every training row of the training people, and its classes in turn.
    assert set(identities(parts["train"])) == {
        key for key, value in by_identity.items() if value[2] in people_in["train"]
    }
    assert parts["train"]["label"][:6] == [0, 1, 2, 0, 1, 2]
    assert len(set(identities(parts["validation"]))) == len(parts["validation"])


def test_the_order_of_the_training_datasets_does_not_matter(four, ana_held_out):
    folder, training = ana_held_out
    forward = load_fold(folder, training)["train"]
    backward = load_fold(folder, training[::-1])["train"]
    assert identities(forward) == identities(backward)
    np.testing.assert_array_equal(Rows(forward).all(), Rows(backward).all())


def test_a_fold_copies_no_audio(tmp_path):
    made = people(tmp_path / "datasets", ["Ana", "Bo", "Chen", "Dee"], taps=600)
    folder, training = fold(tmp_path / "fold", made, "Ana")

    def size(path):
        return sum(p.stat().st_size for p in path.rglob("*"))

    assert size(folder) < 0.05 * sum(map(size, training))
    before = pa.total_allocated_bytes()
    parts = load_fold(folder, training)
    assert len(parts["train"]) >= 1200
    assert pa.total_allocated_bytes() - before < 0.2 * sum(map(size, training))


def test_a_missing_changed_or_held_out_dataset_is_refused(tmp_path, four, ana_held_out):
    folder, training = ana_held_out
    with pytest.raises(Tap2keyError, match="needs the dataset of Chen"):
        load_fold(folder, [p for p in training if p.name != "Chen"])
    with pytest.raises(Tap2keyError, match=r"Ana: is the held-out participant of .*leave it out"):
        load_fold(folder, [*training, four["Ana"]])
    with pytest.raises(Tap2keyError, match=r"belongs to Bo, but .* holds out Ana"):
        load_fold(folder, training, four["Bo"])
    again = dataset(tmp_path / "Chen", "Chen", np.arange(48) % 3, seed=1)
    with pytest.raises(Tap2keyError, match=r"Chen: changed since .* was made; recreate the fold"):
        load_fold(folder, [again if p.name == "Chen" else p for p in training])
    other = dataset(tmp_path / "test", "Ana", [0, 1], encoding=Encoding("top", 16_000))
    with pytest.raises(Tap2keyError, match="differ in encoding or labels"):
        load_fold(folder, training, other)


def test_the_test_part_is_the_held_out_dataset_untouched(four, ana_held_out):
    test = load_fold(*ana_held_out, four["Ana"])["test"]
    whole = load_dataset_folder(four["Ana"]).data
    assert identities(test) == identities(whole)
    assert test["label"][:] == whole["label"][:]


def test_the_encoding_is_what_the_windows_are(four):
    assert load_dataset_folder(four["Bo"]).encoding == ENCODING
