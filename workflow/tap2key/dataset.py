"""Folds for use from Python: `load_fold`, at a name that stays."""

from tap2key.datasets.encoded_dataset import load_fold

__all__ = ["load_fold"]
