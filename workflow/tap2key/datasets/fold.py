"""Stage `fold`: which rows train, which validate and which test."""

import argparse
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

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

FEWEST_PARTICIPANTS_TO_VALIDATE_ON = 4
NOT_SETTINGS = ("stage", "main", "datasets", "output")
VERBS = {"train": "train on", "validation": "validate on", "test": "test on"}
IDENTITY_SCHEMA = pa.schema([(n, pa.int32() if n == "tap" else pa.string()) for n in IDENTITY])


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the stage's command line."""
    tested = parser.add_mutually_exclusive_group(required=True)
    tested.add_argument(
        "--held-out", nargs="+", default=[], help="participants who are tested; none may be given"
    )
    tested.add_argument(
        "--held-session",
        nargs=2,
        metavar=("PARTICIPANT", "SESSION"),
        help="test on one session of somebody who trains with the others",
    )
    tested.add_argument(
        "--random",
        action="store_true",
        help="test and validate on 15 %% of each key's taps each, whoever's they are",
    )
    parser.add_argument(
        "--datasets", type=Path, nargs="+", required=True, help="the training people's datasets"
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
    parser.add_argument(
        "--share", type=float, default=1.0, help="share of each key's training taps to use"
    )
    parser.add_argument("--no-oversample", action="store_true", help="leave classes unbalanced")
    parser.add_argument("--seed", type=int, default=0, help="draws who validates")


def main(args: argparse.Namespace) -> None:
    """Write train.parquet, validation.parquet, fold.json and, for tests on rows, test.parquet."""
    check_output_folder(args, "fold")
    if not 0 < args.validation_share < 1:
        raise Tap2keyError(f"--validation-share {args.validation_share}: must be between 0 and 1")
    if not 0 < args.share <= 1:
        raise Tap2keyError(f"--share {args.share}: must be above 0 and at most 1")
    opened = [load_dataset_folder(folder) for folder in args.datasets]
    check_same_kind(opened)
    people = [dataset.participant for dataset in opened]
    for dataset in opened:
        if dataset.participant in args.held_out:
            raise Tap2keyError(
                f"{dataset.folder}: is the held-out participant; leave it out of --datasets"
            )
        if people.count(dataset.participant) > 1:
            raise Tap2keyError(
                f"--datasets: {dataset.participant}'s is given twice; name each once"
            )
    identity, labels = _pooled(opened)
    sides, by = assign(args, identity, labels)
    rng = np.random.default_rng([args.seed, len(labels)])
    sides["train"] = shared(sides["train"], labels, args.share, rng)
    seen = sides["train"]
    if not args.no_oversample:
        seen = seen[oversampled(labels[seen])]
    names = opened[0].labels
    counts = {side: _counts(labels[rows], names) for side, rows in sides.items()}
    with atomic_folder(args.output, "fold") as temporary:
        for side, rows in {**sides, "train": seen}.items():
            pq.write_table(identity.take(rows), temporary / f"{side}.parquet")
        write_json(
            temporary / FOLD_FILE,
            {
                "held_out": sorted(args.held_out),
                "tests_on_rows": "test" in sides,
                "fingerprints": {d.participant: d.fingerprint for d in opened},
                "validation_by": by,
                "validation": _sessions(identity, sides["validation"]),
                "oversampled": not args.no_oversample,
                "taps": {side: len(rows) for side, rows in sides.items()},
                "class_counts": {**counts, "train_as_seen": _counts(labels[seen], names)},
            },
        )
        settings = {key: value for key, value in vars(args).items() if key not in NOT_SETTINGS}
        write_provenance(
            temporary,
            "fold",
            __name__,
            settings,
            [folder / "encoding.json" for folder in args.datasets],
            ("numpy", "pyarrow"),
        )
    log.info(
        f"{args.output}: {len(seen)} training rows, {len(sides['validation'])} validation rows"
    )


def assign(
    args: argparse.Namespace, identity: pa.Table, labels: np.ndarray
) -> tuple[dict[str, np.ndarray], str]:
    """Which rows train, validate and, unless whole participants are tested, test.

    Returns:
        Row numbers by side, and what validation was chosen by.

    Raises:
        Tap2keyError: a side would be empty.
    """
    if args.random:
        parts = random_split(labels, np.random.default_rng(args.seed))
        sides = dict(zip(("train", "validation", "test"), parts, strict=True))
        by = "tap"
    else:
        participants, sessions = (
            identity[column].to_numpy(zero_copy_only=False) for column in ("participant", "session")
        )
        tested = np.zeros(len(labels), dtype=bool)
        if args.held_session is not None:
            tested = (participants == args.held_session[0]) & (sessions == args.held_session[1])
        rest = np.flatnonzero(~tested)
        name = "/".join(args.held_session or args.held_out)
        by, validating = choose_validation(
            participants[rest],
            sessions[rest],
            args.validation_by,
            args.validation_share,
            [args.seed, zlib.crc32(name.encode())],
            args.held_session[0] if args.held_session is not None else None,
        )
        sides = {"train": rest[~validating], "validation": rest[validating]}
        if args.held_session is not None:
            sides["test"] = np.flatnonzero(tested)
    for side, rows in sides.items():
        if not len(rows):
            raise Tap2keyError(
                f"{args.output}: nothing is left to {VERBS[side]}; the given datasets hold "
                f"{len(labels)} taps of {len(_sessions(identity, np.arange(len(labels))))} "
                "sessions: record more, add participants or choose another split"
            )
    return sides, by


def random_split(labels: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    """70, 15 and 15 % of each key's rows: [rows] → row numbers to train, validate and test on."""
    parts: list[list[np.ndarray]] = [[], [], []]
    for label in np.unique(labels):
        rows = rng.permutation(np.flatnonzero(labels == label))
        first, second = round(0.7 * len(rows)), round(0.85 * len(rows))
        for part, own in zip(parts, np.split(rows, [first, second]), strict=True):
            part.append(own)
    return [np.sort(np.concatenate(part)) for part in parts]


def shared(
    rows: np.ndarray, labels: np.ndarray, share: float, rng: np.random.Generator
) -> np.ndarray:
    """A share of each key's rows, at least one: row numbers → fewer row numbers, in order."""
    if share == 1:
        return rows
    kept = []
    for label in np.unique(labels[rows]):
        own = rows[labels[rows] == label]
        kept.append(rng.permutation(own)[: max(1, round(share * len(own)))])
    return np.sort(np.concatenate(kept))


def choose_validation(
    participants: np.ndarray,
    sessions: np.ndarray,
    by: str,
    share: float,
    seed: list[int],
    tested: str | None = None,
) -> tuple[str, np.ndarray]:
    """Choose whole participants or whole sessions to validate on.

    Args:
        participants: [rows], the training people's rows.
        sessions: [rows].
        by: `participant` or `session`; turned into `session` when the study, the tested
            participant included, has fewer than four people.
        share: of the participants or sessions, rounded; at least one, and where there are several
            not all of them.
        seed: of the draw.
        tested: the participant of whom a session is tested; the other sessions train, unless there
            is nobody else.

    Returns:
        What was chosen by, and [rows], true where a row validates.
    """
    people = np.unique(participants)
    if len(people) > 1:
        people = people[people != tested]
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


def _sessions(identity: pa.Table, rows: np.ndarray) -> list[tuple[str, str]]:
    listed = identity.select(["participant", "session"]).take(rows).to_pylist()
    return sorted({(row["participant"], row["session"]) for row in listed})


def _counts(labels: np.ndarray, names: tuple[str, ...]) -> dict[str, int]:
    counted = Counter(labels.tolist())
    return {name: counted[index] for index, name in enumerate(names)}
