"""Stage `fold`: which rows train and which validate, for one held-out participant."""

import argparse
import sys
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tap2key.dataset import (
    FOLD_FILE,
    IDENTITY,
    EncodedDataset,
    check_same_kind,
    load_dataset_folder,
    oversampled,
)
from tap2key.errors import Tap2keyError
from tap2key.files import atomic_folder, write_json
from tap2key.provenance import write_provenance

FEWEST_PARTICIPANTS_TO_VALIDATE_ON = 4
IDENTITY_SCHEMA = pa.schema([(n, pa.int32() if n == "tap" else pa.string()) for n in IDENTITY])


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the stage's command line."""
    parser.add_argument("--held-out", required=True, help="the participant the fold is named after")
    parser.add_argument(
        "--datasets", type=Path, nargs="+", required=True, help="the other participants' datasets"
    )
    parser.add_argument("--output", type=Path, required=True, help="the fold's folder")
    parser.add_argument(
        "--validation-by",
        choices=["participant", "session"],
        default="participant",
        help="validate on whole participants or whole sessions of the training people "
        f"(sessions when the study has fewer than {FEWEST_PARTICIPANTS_TO_VALIDATE_ON} people)",
    )
    parser.add_argument(
        "--validation-share",
        type=float,
        default=0.2,
        help="share of participants or sessions to validate on, at least one",
    )
    parser.add_argument("--no-oversample", action="store_true", help="leave classes unbalanced")
    parser.add_argument("--seed", type=int, default=0, help="draws who validates")


def main(args: argparse.Namespace) -> None:
    """Write train.parquet, validation.parquet and fold.json."""
    if not 0 < args.validation_share < 1:
        raise Tap2keyError(f"--validation-share {args.validation_share}: must be between 0 and 1")
    opened = [load_dataset_folder(folder) for folder in args.datasets]
    check_same_kind(opened)
    for dataset in opened:
        if dataset.participant == args.held_out:
            raise Tap2keyError(
                f"{dataset.folder}: is the held-out participant; leave it out of --datasets"
            )
    people = [dataset.participant for dataset in opened]
    for participant in people:
        if people.count(participant) > 1:
            raise Tap2keyError(f"--datasets: {participant}'s is given twice; name each once")
    identity, labels = _pooled(opened)
    by, validating = choose_validation(
        identity["participant"].to_numpy(zero_copy_only=False),
        identity["session"].to_numpy(zero_copy_only=False),
        args.validation_by,
        args.validation_share,
        [args.seed, zlib.crc32(args.held_out.encode())],
    )
    if validating.all() or not validating.any():
        raise Tap2keyError(
            f"fold {args.held_out}: the other participants have only one session together, too "
            "few to train and validate on; record more or add participants"
        )
    train_rows = np.flatnonzero(~validating)
    if not args.no_oversample:
        train_rows = train_rows[oversampled(labels[train_rows])]
    validation_rows = np.flatnonzero(validating)
    with atomic_folder(args.output) as temporary:
        pq.write_table(identity.take(train_rows), temporary / "train.parquet")
        pq.write_table(identity.take(validation_rows), temporary / "validation.parquet")
        names = opened[0].labels
        write_json(
            temporary / FOLD_FILE,
            {
                "held_out": args.held_out,
                "fingerprints": {d.participant: d.fingerprint for d in opened},
                "validation_by": by,
                "validation": sorted(
                    {
                        (row["participant"], row["session"])
                        for row in identity.take(validation_rows).to_pylist()
                    }
                ),
                "oversampled": not args.no_oversample,
                "taps": {"train": int((~validating).sum()), "validation": len(validation_rows)},
                "class_counts": {
                    "train": _counts(labels[~validating], names),
                    "train_as_seen": _counts(labels[train_rows], names),
                    "validation": _counts(labels[validation_rows], names),
                },
            },
        )
        write_provenance(
            temporary,
            "tap2key.fold",
            {"validation_by": by, "validation_share": args.validation_share, "seed": args.seed},
            [folder / "encoding.json" for folder in args.datasets],
            ("numpy", "pyarrow"),
        )
    print(
        f"{args.output}: {len(train_rows)} training rows, {len(validation_rows)} validation rows",
        file=sys.stderr,
    )


def choose_validation(
    participants: np.ndarray, sessions: np.ndarray, by: str, share: float, seed: list[int]
) -> tuple[str, np.ndarray]:
    """Choose whole participants or whole sessions to validate on.

    Args:
        participants: [rows], the training people's rows.
        sessions: [rows].
        by: `participant` or `session`; turned into `session` when the study, the held-out
            participant included, has fewer than four people.
        share: of the participants or sessions, rounded; at least one, and where there are several
            not all of them.
        seed: of the draw.

    Returns:
        What was chosen by, and [rows], true where a row validates.
    """
    people = np.unique(participants)
    if len(people) + 1 < FEWEST_PARTICIPANTS_TO_VALIDATE_ON:
        by = "session"
    rng = np.random.default_rng(seed)
    if by == "participant":
        count = _count(share, len(people))
        return by, np.isin(participants, rng.permutation(people)[:count])
    # One session of each person in turn, so that nobody loses all sessions before others lose any.
    turns: list[tuple[int, str, str]] = []
    for person in rng.permutation(people):
        own = rng.permutation(np.unique(sessions[participants == person]))
        turns += [(turn + (len(own) == 1), person, name) for turn, name in enumerate(own)]
    turns.sort(key=lambda t: t[0])
    count = _count(share, len(turns))
    chosen = {(person, name) for _, person, name in turns[:count]}
    pairs = zip(participants, sessions, strict=True)
    return by, np.array([pair in chosen for pair in pairs])


def _count(share: float, among: int) -> int:
    return max(1, min(round(share * among), among - 1))


def _pooled(opened: list[EncodedDataset]) -> tuple[pa.Table, np.ndarray]:
    tables = [d.data.with_format("arrow")[:].select([*IDENTITY, "label"]) for d in opened]
    pool = pa.concat_tables(tables)
    return pool.select(IDENTITY).cast(IDENTITY_SCHEMA), pool["label"].to_numpy()


def _counts(labels: np.ndarray, names: tuple[str, ...]) -> dict[str, int]:
    counted = Counter(labels.tolist())
    return {name: counted[index] for index, name in enumerate(names)}
