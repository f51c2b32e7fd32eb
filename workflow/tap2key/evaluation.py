"""Stage `evaluate`: score a saved model on a labelled dataset."""

import argparse
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tap2key.confusion import confusion_counts, write_confusion
from tap2key.dataset import IDENTITY, EncodedDataset, Rows, load_dataset_folder
from tap2key.errors import Tap2keyError
from tap2key.files import atomic_folder, write_json
from tap2key.modelfolder import ABOUT_FILE, ABOUT_PACKAGES, encoding_of
from tap2key.plots import draw_confusion
from tap2key.predictor import load_predictor
from tap2key.provenance import write_provenance
from tap2key.scores import scores


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the stage's command line."""
    parser.add_argument("--model", type=Path, required=True, help="a model's folder")
    parser.add_argument("--dataset", type=Path, required=True, help="a labelled dataset's folder")
    parser.add_argument("--output", type=Path, required=True, help="folder for the results")
    parser.add_argument(
        "--allow-other-version",
        action="store_true",
        help="use a model that another version of its library made",
    )


def main(args: argparse.Namespace) -> None:
    """Write predictions.parquet, metrics.json, confusion.tsv and confusion.png."""
    predictor, about = load_predictor(args.model, args.allow_other_version)
    dataset = load_dataset_folder(args.dataset)
    check_fits(args.model, about, dataset)
    truth = np.array(dataset.data.with_format("numpy")["label"])
    probabilities = predictor.probabilities(Rows(dataset.data).all())
    labels = list(dataset.labels)
    result = scores(truth, probabilities, labels, about["training_taps"])
    for label in result["never_trained"]:
        print(
            f"tap2key: warning: {args.model}: training never saw the key {label!r}; its "
            f"{result['keys'][label]['taps']} taps count as missed",
            file=sys.stderr,
        )
    counts = confusion_counts(truth, probabilities.argmax(axis=1), len(labels))
    with atomic_folder(args.output) as temporary:
        write_predictions(temporary / "predictions.parquet", dataset, truth, probabilities)
        result["participant"] = dataset.participant
        result["seed"] = about["seed"]
        result["held_out_by_model"] = dataset.participant not in about["trained_on"]
        write_json(temporary / "metrics.json", result)
        write_confusion(temporary / "confusion.tsv", counts, labels)
        draw_confusion(
            temporary / "confusion.png",
            counts,
            labels,
            f"{dataset.participant}: accuracy {result['accuracy']:.3f}, "
            f"macro-F1 {result['macro_f1']:.3f}, {len(truth)} taps",
        )
        write_provenance(
            temporary,
            "tap2key.evaluation",
            {"model": about["kind"]},
            [args.model / ABOUT_FILE, args.dataset / "encoding.json"],
            (*ABOUT_PACKAGES, "matplotlib"),
        )
    print(
        f"{args.output}: accuracy {result['accuracy']:.3f}, macro-F1 {result['macro_f1']:.3f}",
        file=sys.stderr,
    )


def check_fits(model: Path, about: dict, dataset: EncodedDataset) -> None:
    """Refuse a dataset that is not what the model was trained on.

    Raises:
        Tap2keyError: other keys, or another encoding.
    """
    if list(dataset.labels) != about["labels"]:
        raise Tap2keyError(
            f"{model}: was trained on other keys ({len(about['labels'])}) than {dataset.folder} "
            f"has ({len(dataset.labels)}); use a dataset made with the same keyboard"
        )
    wanted = encoding_of(about)
    if dataset.encoding != wanted:
        raise Tap2keyError(
            f"{dataset.folder}: encoded as {dataset.encoding}, but {model} needs {wanted}; "
            "encode the taps that way"
        )


def write_predictions(
    path: Path, dataset: EncodedDataset, truth: np.ndarray, probabilities: np.ndarray
) -> None:
    """One row per tap: who and where, the true and the named key, and all probabilities."""
    names = np.array(dataset.labels)
    table = dataset.data.with_format("arrow")[:].select(list(IDENTITY))
    flat = pa.array(probabilities.astype(np.float32).reshape(-1))
    table = table.append_column("truth", pa.array(names[truth]))
    table = table.append_column("prediction", pa.array(names[probabilities.argmax(axis=1)]))
    table = table.append_column(
        "probabilities", pa.FixedSizeListArray.from_arrays(flat, len(names))
    )
    metadata = {"labels": "\t".join(dataset.labels)}
    pq.write_table(table.replace_schema_metadata(metadata), path)
