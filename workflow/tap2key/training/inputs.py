"""From rows of an encoded dataset to a model's inputs: augment, crop, normalise."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from transformers import Wav2Vec2FeatureExtractor

from tap2key.datasets.crops import Cut
from tap2key.datasets.encoded_dataset import Rows
from tap2key.datasets.encoding import Encoding
from tap2key.training.augmentation import Augmentation, augment
from tap2key.training.mixing import Mixture
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

        `targets`, [rows, labels] float32, is what rows teach instead of their labels alone; rows
        that are mixed need them.

        Raises:
            ValueError: rows are to be mixed, and there are no targets.
        """
        if targets is None and augmentation is not None and augmentation.mixup:
            raise ValueError("mixed taps teach shares of two keys: give targets")
        self.rows = Rows(data)
        self.labels = torch.from_numpy(
            np.array(data.with_format("numpy")["label"], dtype=np.int64).reshape(-1)
        )
        self.encoding, self.cut, self.extractor = encoding, cut, extractor
        self.augmentation, self.seed, self.epoch = augmentation, seed, 0
        self.targets = targets

    def __len__(self) -> int:
        """Rows, repeats counted."""
        return len(self.rows)

    def __getitems__(self, rows: list[int]) -> dict[str, torch.Tensor]:
        """One batch: `input_values` [n, length] float32, normalised, `labels` [n], `targets`."""
        mixture = self._mixture(rows)
        batch = {"input_values": self._values(rows, mixture), "labels": self.labels[rows]}
        if self.targets is not None:
            batch[TARGETS] = torch.from_numpy(_mixed(self.targets, rows, mixture))
        return batch

    def values(self, rows: Sequence[int]) -> torch.Tensor:
        """The inputs of some rows: [n, length] float32."""
        return self._values(rows, self._mixture(rows))

    def _seeds(self, rows: Sequence[int]) -> list[tuple[int, ...]]:
        return [(self.seed, self.epoch, int(row)) for row in rows]

    def _mixture(self, rows: Sequence[int]) -> Mixture | None:
        if self.augmentation is None or not self.augmentation.mixup:
            return None
        return Mixture.drawn(self.augmentation.mixup, len(self), self._seeds(rows))

    def _values(self, rows: Sequence[int], mixture: Mixture | None) -> torch.Tensor:
        # Mixed before all other changes, so that these are made once: both are heard by the same
        # array on the same table.
        windows = self.encoding.separated(_mixed(self.rows, rows, mixture))
        shifts = None
        if self.augmentation is not None:
            seeds = self._seeds(rows)
            rate = self.encoding.sample_rate
            if self.encoding.correlated:
                windows = augment_pairs(
                    windows, rate, self.augmentation, seeds, self.encoding.with_waves
                )
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


def _mixed(values: Rows | np.ndarray, rows: Sequence[int], mixture: Mixture | None) -> np.ndarray:
    """Some rows of all values: [n, values] float32."""
    own = values[rows]
    return own if mixture is None else mixture.of(own, values[mixture.partners])


def as_batch(batch: Any) -> dict[str, torch.Tensor]:
    """The collator: `Inputs` already makes whole batches."""
    return batch
