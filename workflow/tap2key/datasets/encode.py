"""Stage `encode`: one participant's windows → an encoded Hugging Face dataset."""

import argparse
import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from tap2key.config.arguments import add_settings, settings_of
from tap2key.core.errors import Tap2keyError
from tap2key.core.files import write_tsv
from tap2key.core.folders import atomic_folder
from tap2key.core.log import log
from tap2key.core.output_guard import check_output_folder
from tap2key.core.progress import progress
from tap2key.core.provenance import write_provenance
from tap2key.datasets.encoded_dataset import IDENTITY, PLACE, save_dataset
from tap2key.datasets.encoding import Encoding
from tap2key.datasets.representations import encode_windows
from tap2key.segmentation.taps import (
    BY_ORDER,
    array_of_taps,
    keyboard_labels,
    load_taps,
    pairings,
    read_taps,
)

WINDOWS_AT_ONCE = 64
LEFT_OUT = "left_out_taps.tsv"
PAIRING = "pairing.tsv"
PAIRING_COLUMNS = ("participant", "session", "pairing", "taps")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the stage's command line."""
    parser.add_argument(
        "--taps", type=Path, nargs="+", required=True, help="taps folders of one participant"
    )
    parser.add_argument("--output", type=Path, required=True, help="the dataset's folder")
    add_settings(parser, "encoding")
    parser.add_argument(
        "--verified-only",
        action="store_true",
        help="leave out taps whose label was paired by order and is unverified",
    )


def main(args: argparse.Namespace) -> None:
    """Encode every labelled tap; the others are listed with their reason in `left_out_taps.tsv`."""
    check_output_folder(args, "encode")
    encoding = Encoding.from_metadata(settings_of(args, "encoding"))
    encode(args.taps, encoding, args.output, args.verified_only)


def encode(
    folders: list[Path], encoding: Encoding, output: Path, verified_only: bool = False
) -> None:
    """Encode the taps of all `folders` (one participant's sessions) into one dataset folder.

    The folders say what array they were recorded with. How the labels came about is counted in
    `pairing.tsv`.
    """
    encodings = [replace(encoding, array=array_of_taps(read_taps(folder))) for folder in folders]
    check_alike(encodings, folders)
    encoding = encodings[0]
    hashed = hashlib.sha256(repr(encoding).encode())
    inputs, label_ids, kept, left_out = [], [], [], []
    labels: tuple[str, ...] = ()
    paired: Counter[tuple[str, str, str]] = Counter()
    for folder, own in zip(folders, encodings, strict=True):
        table, windows = load_taps(folder, verify=True)
        if labels not in ((), keyboard_labels(table)):
            raise Tap2keyError(
                f"{folder}: made with a different keyboard than {folders[0]}; segment both again"
            )
        labels = keyboard_labels(table)
        taps = table.select([*IDENTITY, *PLACE])
        known = table["label"].to_pylist()
        pairing = pairings(table)
        reasons = [
            _reason(label, how, verified_only) for label, how in zip(known, pairing, strict=True)
        ]
        rows = [row for row, reason in enumerate(reasons) if reason is None]
        left_out += [
            {**taps.slice(row, 1).to_pylist()[0], "reason": reason}
            for row, reason in enumerate(reasons)
            if reason is not None
        ]
        people, sessions = (table[name].to_pylist() for name in ("participant", "session"))
        paired.update((people[row], sessions[row], pairing[row]) for row in rows)
        chunks = [rows[at : at + WINDOWS_AT_ONCE] for at in range(0, len(rows), WINDOWS_AT_ONCE)]
        for chunk in progress(chunks, f"encode {folder.name}"):
            inputs.append(encode_windows(windows[chunk], own))
            hashed.update(inputs[-1].tobytes())
        label_ids += [labels.index(known[row]) for row in rows]
        kept.append(taps.take(pa.array(rows, pa.int64())))
    taps = pa.concat_tables(kept)
    if not label_ids:
        kind = "verified" if verified_only else "labelled"
        raise Tap2keyError(
            f"{', '.join(map(str, folders))}: no {kind} tap in any of them; see their "
            "recordings.tsv, and leave the participant out if there is nothing to fix"
        )
    participants = set(taps["participant"].to_pylist())
    if len(participants) > 1:
        raise Tap2keyError(f"taps of several participants given: {', '.join(sorted(participants))}")
    hashed.update(str([label_ids, taps.to_pydict(), labels]).encode())
    with atomic_folder(output, "encode") as temporary:
        save_dataset(
            temporary,
            np.concatenate(inputs),
            np.array(label_ids),
            taps,
            encoding,
            labels,
            hashed.hexdigest()[:24],
        )
        write_tsv(temporary / LEFT_OUT, left_out, (*IDENTITY, "reason"))
        counted = [
            dict(zip(PAIRING_COLUMNS, (*how, taps), strict=True))
            for how, taps in sorted(paired.items())
        ]
        write_tsv(temporary / PAIRING, counted, PAIRING_COLUMNS)
        write_provenance(
            temporary,
            "encode",
            __name__,
            {**encoding.as_dict(), "verified_only": verified_only},
            [folder / "taps.parquet" for folder in folders],
            ("datasets", "numpy", "scipy", "pyarrow"),
        )
    log.info(f"{output}: {len(label_ids)} taps, {len(left_out)} left out")
    unverified = sum(count for (_, _, how), count in paired.items() if how == BY_ORDER)
    if unverified:
        log.warning(
            f"{output}: the labels of {unverified} of them were paired by order and are "
            "unverified; --verified-only leaves them out"
        )


def check_alike(encodings: Sequence[Encoding], folders: Sequence[Path]) -> None:
    """Refuse what the arrays of some taps folders do not have, and arrays that make other inputs.

    Raises:
        Tap2keyError: names the folder.
    """
    for folder, encoding in zip(folders, encodings, strict=True):
        try:
            encoding.check()
        except Tap2keyError as error:
            raise Tap2keyError(f"{folder}: {error}") from None
        if not encodings[0].alike(encoding):
            raise Tap2keyError(
                f"{folder}: recorded with a different array than {folders[0]} "
                f"({encodings[0].differences(encoding)}); use a representation that has one form "
                "of both, such as average, or encode them separately"
            )


def _reason(label: str | None, pairing: str, verified_only: bool) -> str | None:
    """Why a tap is left out; None if it is not."""
    if label is None:
        return "no touch matched"
    if verified_only and pairing == BY_ORDER:
        return "paired by order, unverified"
    return None
