"""Encoded datasets of single participants, and the folds selected from them without copying."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from datasets import (
    ClassLabel,
    Dataset,
    DatasetDict,
    DatasetInfo,
    Features,
    List,
    Value,
    concatenate_datasets,
)
from datasets import load_from_disk as hf_load_from_disk

from tap2key.core.errors import Tap2keyError
from tap2key.core.files import read_json, write_json
from tap2key.datasets.dataset_internals import selected_rows
from tap2key.datasets.encoding import Encoding

IDENTITY = ("participant", "session", "recording", "tap")
# The touch sensor's reading, 0.1 mm.
PLACE = ("x", "y")
ENCODING_FILE = "encoding.json"
FOLD_FILE = "fold.json"


@dataclass(frozen=True)
class EncodedDataset:
    """One participant's dataset with what is needed to use and to check it."""

    data: Dataset
    encoding: Encoding
    labels: tuple[str, ...]
    participant: str
    fingerprint: str
    folder: Path


def features_of(labels: Sequence[str], length: int) -> Features:
    """The columns of an encoded dataset with inputs of `length` values."""
    return Features(
        {
            "input_values": List(Value("float32"), length=length),
            "label": ClassLabel(names=list(labels)),
            "participant": Value("string"),
            "session": Value("string"),
            "recording": Value("string"),
            "tap": Value("int32"),
            "x": Value("float32"),
            "y": Value("float32"),
        }
    )


def save_dataset(
    folder: Path,
    inputs: np.ndarray,
    label_ids: np.ndarray,
    taps: pa.Table,
    encoding: Encoding,
    labels: Sequence[str],
    fingerprint: str,
) -> None:
    """Write one participant's dataset into an existing, empty folder.

    Args:
        folder: where `load_dataset_folder` and `datasets.load_from_disk` find it.
        inputs: [taps, length] float32.
        label_ids: [taps], indices into `labels`.
        taps: the columns `participant, session, recording, tap, x, y`, in the same order.
        encoding: what `inputs` are.
        labels: the keyboard's labels.
        fingerprint: a hash of the content.
    """
    values = pa.FixedSizeListArray.from_arrays(pa.array(inputs.reshape(-1)), inputs.shape[1])
    features = features_of(labels, inputs.shape[1])
    columns = [values, pa.array(label_ids, pa.int64()), *taps.select([*IDENTITY, *PLACE]).columns]
    table = pa.table(columns, names=list(features)).cast(features.arrow_schema)
    info = DatasetInfo(features=features)
    # Without a fingerprint it would be taken of everything once more.
    Dataset(table, info=info, fingerprint=fingerprint).save_to_disk(folder)
    write_json(
        folder / ENCODING_FILE,
        {
            **encoding.as_dict(),
            "length": inputs.shape[1],
            "taps": len(inputs),
            "participant": taps["participant"][0].as_py(),
            "labels": list(labels),
            "fingerprint": fingerprint,
        },
    )


def load_dataset_folder(folder: str | Path) -> EncodedDataset:
    """Open one participant's dataset; its arrays stay memory-mapped.

    Raises:
        Tap2keyError: the folder is not a finished dataset of this pipeline.
    """
    folder = Path(folder)
    metadata = read_json(folder / ENCODING_FILE)
    try:
        data = hf_load_from_disk(str(folder))
    except (OSError, ValueError, pa.ArrowInvalid) as error:
        raise Tap2keyError(f"{folder}: not a dataset ({error}); recreate it") from error
    if len(data) != metadata["taps"]:
        raise Tap2keyError(
            f"{folder}: holds {len(data)} taps where {ENCODING_FILE} says {metadata['taps']}; "
            "recreate it"
        )
    return EncodedDataset(
        data=data,
        encoding=Encoding.from_metadata(metadata),
        labels=tuple(metadata["labels"]),
        participant=metadata["participant"],
        fingerprint=metadata["fingerprint"],
        folder=folder,
    )


def check_same_kind(datasets: Sequence[EncodedDataset]) -> None:
    """Refuse to mix datasets of different encodings, arrays or keyboards."""
    for other in datasets[1:]:
        first = datasets[0]
        alike = first.encoding.alike(other.encoding)
        if not alike or other.labels != first.labels:
            differ = "labels" if alike else first.encoding.differences(other.encoding)
            raise Tap2keyError(
                f"{other.folder} and {first.folder} differ in encoding or labels ({differ}); "
                "encode both the same way"
            )


def oversampled(label_ids: np.ndarray) -> np.ndarray:
    """Row numbers that visit the classes in turn until every row of the largest was seen.

    The same rows in the same order as `datasets.interleave_datasets` of the classes' parts with
    `probabilities=None, stopping_strategy="all_exhausted"`: [rows] → [n_max × classes].
    """
    parts = [np.flatnonzero(label_ids == label) for label in np.unique(label_ids)]
    turns = np.arange(max(map(len, parts)))
    return np.stack([part[turns % len(part)] for part in parts], axis=1).reshape(-1)


def load_fold(
    fold: str | Path,
    datasets: Sequence[str | Path],
    test: str | Path | Sequence[str | Path] | None = None,
) -> DatasetDict:
    """Open a fold: `train` (interleaved and oversampled), `validation` and, if given, `test`.

    Nothing is copied: the rows are selections from the participants' memory-mapped datasets.

    Args:
        fold: a folder that the `fold` stage wrote.
        datasets: the folders of the training participants' datasets.
        test: the dataset folder of the held-out participant, or folders of several; not needed for
            a fold that tests only on rows of `datasets`.

    Raises:
        Tap2keyError: a dataset is missing, changed since the fold was made, or belongs to the
            held-out participant.
    """
    fold = Path(fold)
    metadata = read_json(fold / FOLD_FILE)
    opened = [load_dataset_folder(folder) for folder in datasets]
    verify_fold(metadata, opened, fold)
    pool = concatenate_datasets([d.data for d in opened])
    parts = listed_parts(pool, fold, listed_sides(metadata))
    if test is not None and (metadata["held_out"] or not metadata["tests_on_rows"]):
        folders = [test] if isinstance(test, str | Path) else test
        held_out = [load_dataset_folder(folder) for folder in folders]
        check_same_kind([*opened, *held_out])
        for dataset in held_out:
            if dataset.participant not in metadata["held_out"] and not metadata["tests_on_rows"]:
                raise Tap2keyError(
                    f"{dataset.folder}: belongs to {dataset.participant}, but {fold} holds out "
                    f"{', '.join(metadata['held_out'])}"
                )
        listed = [parts["test"]] if "test" in parts else []
        whole = [d.data for d in held_out if d.participant in metadata["held_out"]]
        parts["test"] = concatenate_datasets([*listed, *whole])
    return DatasetDict(parts)


def listed_sides(metadata: dict) -> list[str]:
    """The sides of a fold whose taps it lists."""
    return ["train", "validation", *(["test"] if metadata["tests_on_rows"] else [])]


def listed_parts(data: Dataset, fold: Path, sides: Sequence[str]) -> dict[str, Dataset]:
    """By side, the taps of `data` that the fold lists for it, in its order.

    Raises:
        Tap2keyError: a tap is not in `data`.
    """
    row_of = {key: row for row, key in enumerate(identities(data))}
    parts = {}
    for side in sides:
        listed = pq.read_table(fold / f"{side}.parquet", columns=list(IDENTITY)).to_pydict()
        keys = list(zip(*listed.values(), strict=True))
        missing = next((key for key in keys if key not in row_of), None)
        if missing is not None:
            raise Tap2keyError(
                f"{fold}: tap {missing[3]} of {'/'.join(missing[:3])} is not among the labelled "
                "taps given; give those of all its people, or recreate the fold"
            )
        parts[side] = data.select([row_of[key] for key in keys])
    return parts


def verify_fold(metadata: dict, opened: Sequence[EncodedDataset], fold: Path) -> None:
    """Check that the datasets are those the fold was made from, and not the held-out one."""
    check_same_kind(opened)
    given = {d.participant: d for d in opened}
    for participant in metadata["held_out"]:
        if participant in given:
            raise Tap2keyError(
                f"{given[participant].folder}: is the held-out participant of {fold}; "
                "leave it out of the training datasets"
            )
    for participant in metadata["fingerprints"]:
        if participant not in given:
            raise Tap2keyError(f"{fold}: needs the dataset of {participant}; give its folder")
    check_unchanged(metadata, opened, fold)


def check_unchanged(metadata: dict, opened: Sequence[EncodedDataset], fold: Path) -> None:
    """Refuse a dataset that is not what the fold was made from any more."""
    for dataset in opened:
        if metadata["fingerprints"].get(dataset.participant, dataset.fingerprint) != (
            dataset.fingerprint
        ):
            raise Tap2keyError(
                f"{dataset.folder}: changed since {fold} was made; recreate the fold"
            )


class Rows:
    """Random access to the fixed-length rows of a dataset's `input_values`, without copying it."""

    def __init__(self, data: Dataset) -> None:
        """Look at the Arrow buffers of `data`, its selection included."""
        column = data.data.column("input_values").chunks
        self._rows = selected_rows(data)
        self._parts = [_matrix(chunk) for chunk in column if len(chunk)]
        self._starts = np.cumsum([0] + [len(part) for part in self._parts])
        self.length = self._parts[0].shape[1]

    def __len__(self) -> int:
        """Rows, repeats counted."""
        return len(self._rows)

    def all(self) -> np.ndarray:
        """Every row: [rows, length] float32."""
        return self[np.arange(len(self))]

    def __getitem__(self, rows: Sequence[int] | np.ndarray) -> np.ndarray:
        """[n] row numbers → [n, length] float32."""
        wanted = self._rows[np.asarray(rows)]
        result = np.empty((len(wanted), self.length), dtype=np.float32)
        parts = np.searchsorted(self._starts, wanted, side="right") - 1
        for at, (part, row) in enumerate(zip(parts, wanted, strict=True)):
            result[at] = self._parts[part][row - self._starts[part]]
        return result


def _matrix(chunk: pa.Array) -> np.ndarray:
    length = chunk.type.list_size
    values = chunk.values.to_numpy(zero_copy_only=True).reshape(-1, length)
    return values[chunk.offset : chunk.offset + len(chunk)]


def identities(data: Dataset) -> list[tuple]:
    """The (participant, session, recording, tap) of every row."""
    columns = data.select_columns(list(IDENTITY)).with_format("arrow")[:].to_pydict()
    return list(zip(*(columns[name] for name in IDENTITY), strict=True))


def touched_at(data: Dataset) -> np.ndarray:
    """The touch sensor's reading of every row, 0.1 mm: [rows, 2], NaN where there is none."""
    columns = data.with_format("numpy")
    return np.stack([np.array(columns[name]) for name in PLACE], axis=1)


def unrepeated(data: Dataset) -> list[int]:
    """The rows whose tap is in no earlier row."""
    first: dict[tuple, int] = {}
    for row, key in enumerate(identities(data)):
        first.setdefault(key, row)
    return list(first.values())
