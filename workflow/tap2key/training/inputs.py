"""From rows of an encoded dataset to a model's inputs: augment, crop, normalise."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from transformers import Wav2Vec2FeatureExtractor

from tap2key.config.stage_settings import PAIRS
from tap2key.datasets.crops import Cut
from tap2key.datasets.encoded_dataset import Rows
from tap2key.datasets.encoding import Encoding
from tap2key.training.augmentation import Augmentation, augment
from tap2key.training.pair_augmentation import augment_pairs

TARGETS = "targets"


class Inputs(torch.utils.data.Dataset):
    """A model's inputs, made batch by batch from a dataset.

    Randomness is derived from (seed, epoch, row), so it does not matter which process asks for a
    row, nor whether training was interrupted.
    """

    def __init__(
        self,
        data: Dataset,
        encoding: Encoding,
        cut: Cut,
        extractor: Wav2Vec2FeatureExtractor,
        augmentation: Augmentation | None = None,
        seed: int = 0,
        targets: np.ndarray | None = None,
    ) -> None:
        """See the class; without `augmentation` a row is always the same.

        `targets`, [rows, labels] float32, is what rows teach instead of their labels alone.
        """
        self.rows = Rows(data)
        self.labels = torch.from_numpy(
            np.array(data.with_format("numpy")["label"], dtype=np.int64).reshape(-1)
        )
        self.encoding, self.cut, self.extractor = encoding, cut, extractor
        self.augmentation, self.seed, self.epoch = augmentation, seed, 0
        self.targets = None if targets is None else torch.from_numpy(targets)

    def __len__(self) -> int:
        """Rows, repeats counted."""
        return len(self.rows)

    def __getitems__(self, rows: list[int]) -> dict[str, torch.Tensor]:
        """One batch: `input_values` [n, length] float32, normalised, `labels` [n], `targets`."""
        batch = {"input_values": self.values(rows), "labels": self.labels[rows]}
        if self.targets is not None:
            batch[TARGETS] = self.targets[rows]
        return batch

    def values(self, rows: Sequence[int]) -> torch.Tensor:
        """The inputs of some rows: [n, length] float32."""
        windows = self.encoding.separated(self.rows[rows])
        shifts = None
        if self.augmentation is not None:
            seeds = [(self.seed, self.epoch, int(row)) for row in rows]
            rate = self.encoding.sample_rate
            if self.encoding.representation == PAIRS:
                windows = augment_pairs(windows, rate, self.augmentation, seeds)
            else:
                windows, shifts = augment(
                    windows, rate, self.encoding.onset_frame, self.augmentation, seeds
                )
        return self.normalised(self.cut(windows, shifts))

    def normalised(self, flat: np.ndarray) -> torch.Tensor:
        """Apply the feature extractor, with one scale over all channels: [n, length]."""
        batch = self.extractor(
            list(flat), sampling_rate=self.extractor.sampling_rate, return_tensors="pt"
        )
        return batch["input_values"]


def as_batch(batch: Any) -> dict[str, torch.Tensor]:
    """The collator: `Inputs` already makes whole batches."""
    return batch
