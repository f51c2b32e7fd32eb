"""Folds as datasets that stand alone, with the windows in them or with where they are."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value, concatenate_datasets

from tap2key.core.errors import Tap2keyError
from tap2key.core.files import read_json
from tap2key.core.folders import atomic_folder
from tap2key.core.log import log
from tap2key.core.provenance import write_provenance
from tap2key.datasets.encoded_dataset import (
    FOLD_FILE,
    IDENTITY,
    listed_parts,
    listed_sides,
    load_dataset_folder,
    load_fold,
    unrepeated,
)
from tap2key.models.model_folder import model_fingerprint
from tap2key.models.model_inputs import cut_for
from tap2key.segmentation.taps import TAPS_NAME, WINDOWS_NAME, keyboard_labels, load_taps
from tap2key.sharing.card_file import CARD_FILE, edited_card, put_card
from tap2key.sharing.dataset_card import dataset_card

PACKAGES = ("datasets", "numpy", "pyarrow")


def export_arrays(
    fold: Path,
    datasets: Sequence[Path],
    test: Sequence[Path] | None,
    output: Path,
    once: bool = False,
    model: Path | None = None,
    allow_other_version: bool = False,
) -> None:
    """Write a fold as a `DatasetDict` that `datasets.load_from_disk` reads wherever it is moved.

    Its splits are `train` (oversampled, as the model saw it), `validation` and `test`; its columns
    are those of the participants' datasets. What the inputs are, whom the fold holds out and which
    datasets it was made from is in `provenance.json`.

    Args:
        fold: the fold's folder.
        datasets: datasets of the training participants.
        test: the held-out people's datasets; without them there is no `test`, unless the fold tests
            on rows of `datasets`.
        output: the folder to write.
        once: write each training tap once.
        model: cut the rows as this saved model takes them, for use with stock Transformers.
        allow_other_version: take a model that another version of its library made.

    Raises:
        Tap2keyError: see `load_fold` and `cut_for`.
    """
    parts = load_fold(fold, datasets, test)
    if once:
        parts["train"] = parts["train"].select(unrepeated(parts["train"]))
    if model is not None:
        for side, rows in parts.items():
            parts[side] = cut_for(model, rows, allow_other_version)
    first = load_dataset_folder(datasets[0])
    metadata = read_json(fold / FOLD_FILE)
    settings = {
        "encoding": first.encoding.as_dict(),
        "labels": list(first.labels),
        "held_out": metadata["held_out"],
        "trained_on": metadata["fingerprints"],
        "oversampled": metadata["oversampled"] and not once,
        "cut_for": None if model is None else model_fingerprint(model),
    }
    encoding = first.encoding
    what = (
        f"A row's `input_values` are one tap, as `{encoding.representation}` at "
        f"{encoding.sample_rate} Hz, float32, not normalised"
    )
    if settings["oversampled"]:
        what += "; in `train` rows of rarer keys are repeated, as the model saw them"
    card = dataset_card(parts, f"Taps of fold {fold.parent.name}", f"{what}.", metadata["held_out"])
    with atomic_folder(output, "export") as temporary:
        parts.save_to_disk(str(temporary))
        # By content only: the datasets' paths would mean nothing where this is taken.
        write_provenance(temporary, "export", __name__, settings, [], PACKAGES)
        put_card(temporary, _kept_or(output, str(card)))
    _say(output, parts)


def export_paths(folders: Sequence[Path], fold: Path | None, output: Path, once: bool) -> None:
    """Write where each labelled window is, and its label, without audio.

    A row's window is `numpy.load(row["windows"], mmap_mode="r")[row["row"]]`: [channels, samples]
    float32 at the array's rate. `windows` is an absolute path.

    Args:
        folders: taps folders.
        fold: splits the taps into a `DatasetDict` of `train` (oversampled, as the model saw it),
            `validation` and, where taps of the tested people are given, `test`; None makes one
            `Dataset` of all labelled taps.
        output: the folder to write.
        once: write each training tap once.

    Raises:
        Tap2keyError: taps of the fold are missing or have no label, or keyboards differ.
    """
    table, labels = _located(folders)
    features = Features(
        {
            "windows": Value("string"),
            "row": Value("int64"),
            "label": ClassLabel(names=list(labels)),
            **{name: Value("int32" if name == "tap" else "string") for name in IDENTITY},
            "pairing": Value("string"),
        }
    )
    whole = Dataset(table.cast(features.arrow_schema)).cast(features)
    result: Dataset | DatasetDict = whole
    if fold is not None:
        result = _split(whole, fold, once)
    held_out = [] if fold is None else read_json(fold / FOLD_FILE)["held_out"]
    what = (
        "No sound is in it: a row's window, [channels, samples] float32, is row `row` of the file "
        "`windows`, read with `numpy.load(…, mmap_mode='r')`; the paths are this machine's."
    )
    card = dataset_card(result, "Labelled taps and where their windows are", what, held_out)
    with atomic_folder(output, "export") as temporary:
        result.save_to_disk(str(temporary))
        taps = [folder / TAPS_NAME for folder in folders]
        write_provenance(temporary, "export", __name__, {}, taps, PACKAGES)
        put_card(temporary, _kept_or(output, str(card)))
    _say(output, result if fold is not None else {"all": whole})


def _located(folders: Sequence[Path]) -> tuple[pa.Table, tuple[str, ...]]:
    """The labelled taps of all folders, with where their windows are."""
    tables: list[pa.Table] = []
    labels: tuple[str, ...] = ()
    for folder in folders:
        table, _ = load_taps(folder)
        if labels not in ((), keyboard_labels(table)):
            raise Tap2keyError(
                f"{folder}: made with a different keyboard than {folders[0]}; segment both again"
            )
        labels = keyboard_labels(table)
        path = str((folder / WINDOWS_NAME).resolve())
        located = table.select([*IDENTITY, "label", "pairing"])
        located = located.append_column("windows", pa.array([path] * len(table), pa.string()))
        located = located.append_column("row", pa.array(np.arange(len(table))))
        tables.append(located.filter(pc.is_valid(located["label"])))
    whole = pa.concat_tables(tables).replace_schema_metadata(None)
    if not len(whole):
        raise Tap2keyError(f"{', '.join(map(str, folders))}: no labelled tap in any of them")
    numbers = pc.index_in(whole["label"], pa.array(labels)).cast(pa.int64())
    whole = whole.set_column(whole.column_names.index("label"), "label", numbers)
    return whole.select(["windows", "row", "label", *IDENTITY, "pairing"]), labels


def _split(whole: Dataset, fold: Path, once: bool) -> DatasetDict:
    metadata = read_json(fold / FOLD_FILE)
    parts = listed_parts(whole, fold, listed_sides(metadata))
    if once:
        parts["train"] = parts["train"].select(unrepeated(parts["train"]))
    held_out = np.flatnonzero(np.isin(whole["participant"], metadata["held_out"]))
    if len(held_out):
        listed = [parts["test"]] if "test" in parts else []
        parts["test"] = concatenate_datasets([*listed, whole.select(held_out)])
    return DatasetDict(parts)


def _kept_or(output: Path, card: str) -> str | bytes:
    """The card for what is exported: that of an earlier export, if somebody edited it."""
    edited = edited_card(output, card)
    if edited is None:
        return card
    log.warning(
        f"{output / CARD_FILE}: edited, so kept as it is; to have one of this export, move it away "
        "and start again"
    )
    return edited


def _say(output: Path, parts: DatasetDict | dict[str, Dataset]) -> None:
    counts = ", ".join(f"{len(part)} {name}" for name, part in parts.items())
    log.info(f"{output}: {counts} rows")
