"""Stage `fold`: which rows train, which validate and which test."""

import argparse
import zlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tap2key.config.arguments import add_settings, settings_of
from tap2key.config.stage_settings import FOLD
from tap2key.core.digests import digest
from tap2key.core.errors import Tap2keyError
from tap2key.core.files import write_json
from tap2key.core.folders import atomic_folder
from tap2key.core.log import log
from tap2key.core.output_guard import check_output_folder
from tap2key.core.provenance import write_provenance
from tap2key.datasets.encoded_dataset import (
    FOLD_FILE,
    IDENTITY,
    EncodedDataset,
    check_same_kind,
    load_dataset_folder,
    oversampled,
)
from tap2key.datasets.row_times import in_time, key_of_recording, names_of, recordings_of
from tap2key.datasets.splits import (
    blocks_in_time,
    choose_validation,
    k_fold_split,
    last_in_time,
    random_split,
    shared,
)
from tap2key.study.manifest import Recording, read_manifest

NOT_SETTINGS = ("stage", "main", "datasets", "manifest", "output")
VERBS = {"train": "train on", "validation": "validate on", "test": "test on"}
IDENTITY_SCHEMA = pa.schema([(n, pa.int32() if n == "tap" else pa.string()) for n in IDENTITY])


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the stage's command line."""
    tested = parser.add_mutually_exclusive_group(required=True)
    tested.add_argument(
        "--held-out",
        nargs="+",
        default=[],
        help="participants to test on; their datasets must not be among --datasets",
    )
    tested.add_argument(
        "--held-session",
        nargs=2,
        metavar=("PARTICIPANT", "SESSION"),
        help="test on one session of a participant; the other sessions may train",
    )
    tested.add_argument(
        "--held-group",
        nargs=2,
        metavar=("COLUMN", "VALUE"),
        help="test on all recordings with this value in this column of --manifest",
    )
    tested.add_argument(
        "--chronological",
        action="store_true",
        help="test on the last --test-fraction of everybody's taps, by time",
    )
    tested.add_argument(
        "--block", type=int, metavar="NUMBER", help="test on one of --blocks blocks, from 1"
    )
    tested.add_argument(
        "--part",
        type=int,
        metavar="NUMBER",
        help="test on one of --blocks equal parts of each key's taps, drawn at random, from 1",
    )
    tested.add_argument(
        "--random",
        action="store_true",
        help="test and validate on 15 %% of each key's taps each, of any participant",
    )
    parser.add_argument(
        "--datasets",
        type=Path,
        nargs="+",
        required=True,
        help="datasets of the training participants",
    )
    parser.add_argument(
        "--manifest",
        type=Path,
        help="results/manifest.tsv, for start times and columns of the study table (default: "
        "recordings are in time order in the datasets)",
    )
    parser.add_argument("--output", type=Path, required=True, help="the fold's folder")
    add_settings(parser, "experiment", FOLD)
    parser.add_argument("--seed", type=int, default=0, help="of the draw of validation taps")


def main(args: argparse.Namespace) -> None:
    """Write train.parquet, validation.parquet, fold.json and, for tests on rows, test.parquet."""
    check_output_folder(args, "fold")
    settings = settings_of(args, "experiment", FOLD)
    opened = [load_dataset_folder(folder) for folder in args.datasets]
    check_same_kind(opened)
    manifest = read_manifest(args.manifest) if args.manifest is not None else []
    held_out = _held_out(args, settings, manifest)
    people = [dataset.participant for dataset in opened]
    for dataset in opened:
        if dataset.participant in held_out:
            raise Tap2keyError(
                f"{dataset.folder}: is the held-out participant; leave it out of --datasets"
            )
        if people.count(dataset.participant) > 1:
            raise Tap2keyError(f"--datasets: {dataset.participant} is given twice; give each once")
    identity, labels = _pooled(opened)
    sides, by = assign(args, settings, identity, labels, manifest, held_out)
    rng = np.random.default_rng([args.seed, len(labels)])
    sides["train"] = shared(sides["train"], labels, settings["training_fraction"], rng)
    seen = sides["train"]
    if settings["oversample"]:
        seen = seen[oversampled(labels[seen])]
    names = opened[0].labels
    counts = {side: _counts(labels[rows], names) for side, rows in sides.items()}
    with atomic_folder(args.output, "fold") as temporary:
        for side, rows in {**sides, "train": seen}.items():
            pq.write_table(identity.take(rows), temporary / f"{side}.parquet")
        write_json(
            temporary / FOLD_FILE,
            {
                "held_out": sorted(held_out),
                "tests_on_rows": "test" in sides,
                "fingerprints": {d.participant: d.fingerprint for d in opened},
                "validation_by": by,
                "validation": _sessions(identity, sides["validation"]),
                "validation_taps": _hash_of(identity, sides["validation"]),
                "oversampled": settings["oversample"],
                "taps": {side: len(rows) for side, rows in sides.items()},
                "class_counts": {**counts, "train_as_seen": _counts(labels[seen], names)},
            },
        )
        chosen = {key: value for key, value in vars(args).items() if key not in NOT_SETTINGS}
        write_provenance(
            temporary,
            "fold",
            __name__,
            chosen,
            [folder / "encoding.json" for folder in args.datasets],
            ("numpy", "pyarrow"),
        )
    log.info(
        f"{args.output}: {len(seen)} training rows, {len(sides['validation'])} validation rows"
    )


def _held_out(
    args: argparse.Namespace, settings: dict[str, Any], manifest: Sequence[Recording]
) -> list[str]:
    """The participants none of whose taps may train."""
    for option, number in (("--block", args.block), ("--part", args.part)):
        if number is not None and not 1 <= number <= settings["blocks"]:
            raise Tap2keyError(f"{option} is {number}; it must be from 1 to {settings['blocks']}")
    if args.held_group is None:
        return args.held_out
    if args.manifest is None:
        raise Tap2keyError("--held-group: give the --manifest that says which recordings it means")
    column, value = args.held_group
    inside = {r.participant for r in manifest if r.value_of(column) == value}
    if not inside:
        raise Tap2keyError(f"{args.manifest}: no recording has the {column} {value!r}")
    return sorted(inside - {r.participant for r in manifest if r.value_of(column) != value})


def assign(
    args: argparse.Namespace,
    settings: dict[str, Any],
    identity: pa.Table,
    labels: np.ndarray,
    manifest: Sequence[Recording],
    held_out: Sequence[str],
) -> tuple[dict[str, np.ndarray], str]:
    """Which rows train, validate and, unless only `held_out` participants are tested, test.

    Returns:
        Row numbers by side, and what validation was chosen by.

    Raises:
        Tap2keyError: a side would be empty.
    """
    if args.random or args.part is not None:
        share = settings["validation"]["fraction"]
        drawn = (
            random_split(labels, np.random.default_rng(args.seed))
            if args.random
            else k_fold_split(labels, args.part, settings["blocks"], share, args.seed)
        )
        sides = dict(zip(("train", "validation", "test"), drawn, strict=True))
        by = "tap"
    else:
        tested = tested_rows(args, settings, identity, manifest)
        rest = np.flatnonzero(~tested)
        by, validating = _validating(args, settings["validation"], identity.take(rest), manifest)
        sides = {"train": rest[~validating], "validation": rest[validating]}
        if tested.any() or not held_out:
            sides["test"] = np.flatnonzero(tested)
    for side, rows in sides.items():
        if not len(rows):
            raise Tap2keyError(
                f"{args.output}: nothing is left to {VERBS[side]}; the given datasets hold "
                f"{len(labels)} taps of {len(_sessions(identity, np.arange(len(labels))))} "
                "sessions: record more, add participants or choose another split"
            )
    return sides, by


def tested_rows(
    args: argparse.Namespace,
    settings: dict[str, Any],
    identity: pa.Table,
    manifest: Sequence[Recording],
) -> np.ndarray:
    """Which of the given datasets' rows are tested, as the arguments say: [rows]."""
    names = names_of(identity)
    participants, sessions, _ = names
    if args.held_session is not None:
        return (participants == args.held_session[0]) & (sessions == args.held_session[1])
    if args.held_group is not None:
        column, value = args.held_group
        value_of = {key_of_recording(r): r.value_of(column) for r in manifest}
        return np.array([value_of[key] == value for key in recordings_of(identity, value_of)])
    if args.chronological:
        order = in_time(identity, manifest)
        return last_in_time(participants, order, settings["test_fraction"])
    if args.block is not None:
        numbers: dict[tuple, int] = {}
        keys = zip(*names, strict=True)
        recordings = np.array([numbers.setdefault(key, len(numbers)) for key in keys])
        order = in_time(identity, manifest)
        blocks = blocks_in_time(participants, recordings, order, settings["blocks"])
        return blocks == args.block - 1
    return np.zeros(len(identity), dtype=bool)


def _validating(
    args: argparse.Namespace,
    validation: dict[str, Any],
    identity: pa.Table,
    manifest: Sequence[Recording],
) -> tuple[str, np.ndarray]:
    """What validation is chosen by, and which of the rows that are not tested validate."""
    participants, sessions, _ = names_of(identity)
    by = "time" if args.chronological or args.block is not None else validation["by"]
    if by != "time":
        name = "/".join(args.held_session or args.held_group or args.held_out)
        by, chosen = choose_validation(
            participants,
            sessions,
            by,
            validation["fraction"],
            [args.seed, zlib.crc32(name.encode())],
            args.held_session[0] if args.held_session is not None else None,
        )
        if not chosen.all():
            return by, chosen
    # Also where no session could be set aside: one trains, or one beside the tested person's.
    order = in_time(identity, manifest)
    return "time", last_in_time(participants, order, validation["fraction"])


def _pooled(opened: list[EncodedDataset]) -> tuple[pa.Table, np.ndarray]:
    tables = [d.data.with_format("arrow")[:].select([*IDENTITY, "label"]) for d in opened]
    pool = pa.concat_tables(tables)
    return pool.select(IDENTITY).cast(IDENTITY_SCHEMA), pool["label"].to_numpy()


def _sessions(identity: pa.Table, rows: np.ndarray) -> list[tuple[str, str]]:
    listed = identity.select(["participant", "session"]).take(rows).to_pylist()
    return sorted({(row["participant"], row["session"]) for row in listed})


def _hash_of(identity: pa.Table, rows: np.ndarray) -> str:
    """The same of the same taps, in whatever order and encoding."""
    return digest(sorted(tuple(row.values()) for row in identity.take(rows).to_pylist()))


def _counts(labels: np.ndarray, names: tuple[str, ...]) -> dict[str, int]:
    counted = Counter(labels.tolist())
    return {name: counted[index] for index, name in enumerate(names)}
