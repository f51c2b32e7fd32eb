import numpy as np
import pytest
import torch
from made import ENCODING, FRAMES, LABELS, dataset

from tap2key.datasets.crops import Cut, cut_of
from tap2key.datasets.encoded_dataset import Rows, load_dataset_folder
from tap2key.models.wav2vec2 import build_extractor
from tap2key.training.augmentation import Augmentation, augment
from tap2key.training.inputs import Inputs, as_batch
from tap2key.training.mixing import Mixture

ALL = Augmentation(1.5, 5, 0.05, 0.5, 2.0, 0.5, True, 6.0)
WHOLE = Cut(0, FRAMES, 8)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = dataset(tmp_path_factory.mktemp("inputs") / "Ana", "Ana", np.arange(30) % 3)
    return load_dataset_folder(folder).data


def inputs(data, cut=WHOLE, **options):
    return Inputs(data, ENCODING, cut, build_extractor(ENCODING.sample_rate), **options)


def test_a_batch_is_the_rows_normalised_and_their_labels(data):
    selection = data.select([5, 5, 29, 0, 11])
    batch = as_batch(inputs(selection).__getitems__([4, 0, 1, 2]))
    raw = Rows(data).all()[[11, 5, 5, 29]]
    expected = (raw - raw.mean(1, keepdims=True)) / raw.std(1, keepdims=True)
    # The extractor adds 1e-7 to the variance, which a quiet tap's own of 1e-4 can feel.
    np.testing.assert_allclose(batch["input_values"], expected, rtol=2e-3, atol=1e-4)
    assert batch["labels"].tolist() == [11 % 3, 5 % 3, 5 % 3, 29 % 3]
    assert batch["labels"].dtype == torch.int64
    assert batch["input_values"].dtype == torch.float32


def test_one_scale_for_all_channels_keeps_their_level_ratios(tmp_path):
    rng = np.random.default_rng(0)
    levels = 0.01 * np.array([1, 2, 3, 5, 1, 7, 2, 4])
    windows = levels[:, None] * rng.standard_normal((4, 8, FRAMES))
    windows -= windows.mean(axis=(1, 2), keepdims=True)
    flat = windows.astype(np.float32).transpose(0, 2, 1).reshape(4, -1)
    folder = dataset(tmp_path / "d", "Ana", [0, 1, 2, 0], inputs=flat)
    values = inputs(load_dataset_folder(folder).data).values([0, 1, 2, 3]).numpy()
    np.testing.assert_allclose(values.mean(axis=1), 0, atol=1e-5)
    np.testing.assert_allclose(values.std(axis=1), 1, atol=1e-3)
    seen = values.reshape(4, FRAMES, 8).transpose(0, 2, 1)
    before = windows.std(axis=2) / windows.std(axis=2)[:, :1]
    np.testing.assert_allclose(seen.std(axis=2) / seen.std(axis=2)[:, :1], before, rtol=1e-4)


def test_loudness_does_not_matter(data, tmp_path):
    raw, rows = Rows(data).all(), list(range(30))
    seen = [
        inputs(
            load_dataset_folder(
                dataset(tmp_path / str(gain), "A", [0] * 30, inputs=gain * raw)
            ).data
        ).values(rows)
        for gain in (5, 20)
    ]
    torch.testing.assert_close(*seen, atol=5e-3, rtol=0)


def test_randomness_is_of_seed_epoch_and_row_alone(data):
    first = inputs(data, augmentation=ALL, seed=3)
    batch = first.values([4, 9, 17])
    again = inputs(data, augmentation=ALL, seed=3)
    torch.testing.assert_close(again.values([17, 0, 9])[[2, 0]], batch[[1, 2]], atol=1e-5, rtol=0)

    def differs(other):
        return (other - batch).abs().amax(dim=1).min() > 0.01

    first.epoch = 1
    assert differs(first.values([4, 9, 17]))
    first.epoch = 0
    torch.testing.assert_close(first.values([4, 9, 17]), batch, atol=0, rtol=0)
    assert differs(inputs(data, augmentation=ALL, seed=4).values([4, 9, 17]))
    assert differs(inputs(data).values([4, 9, 17]))


def test_a_row_repeated_by_oversampling_is_changed_anew(data):
    twice = data.select([4, 4])
    values = inputs(twice, augmentation=ALL).values([0, 1])
    assert (values[0] - values[1]).abs().max() > 0.01
    values = inputs(twice).values([0, 1])
    assert torch.equal(values[0], values[1])


def test_the_crop_follows_the_augmentation_and_precedes_normalisation(data):
    cut = cut_of(ENCODING, 8 * FRAMES, (0.5, 2), None)
    assert cut.length == 8 * 40
    rows = [2, 8, 21]
    values = inputs(data, cut, augmentation=ALL, seed=1).values(rows)
    windows = Rows(data)[rows].reshape(3, FRAMES, 8).transpose(0, 2, 1)
    changed, shifts = augment(
        windows, ENCODING.sample_rate, ENCODING.onset_frame, ALL, [(1, 0, row) for row in rows]
    )
    assert shifts.any()
    for value, window, shift in zip(values.numpy(), changed, shifts, strict=True):
        first = ENCODING.onset_frame - 8 + shift
        columns = [
            window[:, frame] if 0 <= frame < FRAMES else np.zeros(8)
            for frame in range(first, first + 40)
        ]
        flat = np.concatenate(columns)
        expected = (flat - flat.mean()) / np.sqrt(flat.var() + 1e-7)
        np.testing.assert_allclose(value, expected, atol=2e-3)


def test_mixed_taps_teach_in_the_shares_in_which_they_are_heard(data):
    own_key = np.eye(3, dtype=np.float32)[np.array(data["label"])]
    mixed = inputs(data, augmentation=Augmentation(mixup=1.0), seed=5, targets=own_key)
    rows = [7, 2, 28]
    batch = as_batch(mixed.__getitems__(rows))
    mixture = Mixture.drawn(1.0, 30, [(5, 0, row) for row in rows])
    raw = Rows(data).all()
    for at, row in enumerate(rows):
        share, partner = mixture.shares[at], mixture.partners[at]
        heard = share * raw[row] + (1 - share) * raw[partner]
        heard = (heard - heard.mean()) / heard.std()
        np.testing.assert_allclose(batch["input_values"][at], heard, rtol=2e-3, atol=2e-3)
        taught = share * own_key[row] + (1 - share) * own_key[partner]
        np.testing.assert_allclose(batch["targets"][at], taught, rtol=1e-6)
    assert batch["labels"].tolist() == [row % 3 for row in rows]


def test_as_many_rows_as_the_data_has(data):
    assert len(inputs(data)) == 30
    assert len(inputs(data.select([0, 0, 1]))) == 3
    assert len(LABELS) == len(set(inputs(data).labels.tolist()))


def test_taps_are_not_mixed_without_the_shares_that_they_teach(data):
    with pytest.raises(ValueError, match="give targets"):
        inputs(data, augmentation=Augmentation(mixup=0.3))
