"""Datasets as saved models take them, for whoever uses a model without this pipeline."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from datasets import Dataset, DatasetInfo, List, Value

from tap2key.core.digests import digest
from tap2key.core.errors import Tap2keyError
from tap2key.datasets.crops import Cut, cut_of
from tap2key.datasets.dataset_internals import fingerprint_of, selected_rows
from tap2key.datasets.encoded_dataset import Rows
from tap2key.datasets.encoding import Encoding
from tap2key.models.model_folder import HEAD, encoding_of, read_model_metadata

# In the feature extractor's preprocessor_config.json.
INPUT_CUT = "input_cut"
COLUMN = "input_values"


def cut_in_words(cut: Cut, length: int) -> dict[str, Any]:
    """What `preprocessor_config.json` says of a model's inputs: which part of a dataset's row.

    Args:
        cut: where the model's inputs begin and end.
        length: values of a row.
    """
    return {"row_length": length, **asdict(cut)}


def cut_for(model: str | Path, data: Dataset, allow_other_version: bool = False) -> Dataset:
    """The same rows with `input_values` cut as a saved model takes them.

    Rows are wider than most models' inputs, since augmentation shifts what training sees. Cut like
    this they give, through the stock feature extractor of the model's folder and the stock model,
    what `evaluate` gives. A baseline takes whole rows.

    Args:
        model: the model's folder.
        data: rows of datasets of its encoding, such as a side of a fold; repeats stay repeats.
        allow_other_version: of the model's library.

    Raises:
        Tap2keyError: not a model, or its encoding has rows of another length or other keys.
    """
    metadata = read_model_metadata(Path(model), allow_other_version)
    length = data.features[COLUMN].length
    if length != metadata["length"]:
        raise Tap2keyError(
            f"{model}: takes rows of {metadata['length']} values, not of {length}; give it rows "
            "that are encoded as it needs and not cut yet"
        )
    if data.features["label"].names != metadata["labels"]:
        raise Tap2keyError(f"{model}: was trained on different keys than these rows have")
    if metadata["kind"] not in HEAD:
        return data
    encoding, cut = encoding_of(metadata), cut_of_model(metadata)
    if cut.length == length:
        return data
    return _cut(data, encoding, cut)


def cut_of_model(metadata: Mapping[str, Any]) -> Cut:
    """Where the model cuts rows whose folder says `metadata`."""
    return cut_of(
        encoding_of(metadata), metadata["length"], metadata["crop_ms"], metadata["max_duration_s"]
    )


def _cut(data: Dataset, encoding: Encoding, cut: Cut) -> Dataset:
    """A copy of the rows, those that are repeated once, and a selection that repeats them."""
    _, first, again = np.unique(selected_rows(data), return_index=True, return_inverse=True)
    once = data.select(first)
    flat = cut(encoding.separated(Rows(once).all()))
    table = once.remove_columns(COLUMN).with_format("arrow")[:]
    values = pa.FixedSizeListArray.from_arrays(pa.array(flat.reshape(-1)), cut.length)
    table = table.add_column(data.column_names.index(COLUMN), COLUMN, values)
    features = data.features.copy()
    features[COLUMN] = List(Value("float32"), length=cut.length)
    fingerprint = digest([fingerprint_of(once), asdict(cut)])
    whole = Dataset(
        table.cast(features.arrow_schema), DatasetInfo(features=features), fingerprint=fingerprint
    )
    return whole.select(again)
