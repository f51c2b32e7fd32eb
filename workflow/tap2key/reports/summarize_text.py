"""Stage `summarize-text`: how well an experiment's held-out people are read, before and after."""

import argparse
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.ticker import PercentFormatter

from tap2key.comparison.intervals import t_interval, variance_from_participants
from tap2key.core.errors import Tap2keyError
from tap2key.core.folders import atomic_folder
from tap2key.core.html_tables import formatted, write_table
from tap2key.core.log import log
from tap2key.core.output_guard import check_output_folder
from tap2key.core.pictures import CALM, STRONG, save_picture
from tap2key.core.provenance import write_provenance
from tap2key.decoding.alignment import write_alignments
from tap2key.decoding.entered_text import (
    COUNTS_NAME,
    HEARD,
    PHRASES_NAME,
    SENSOR,
    DecodedRun,
    read_decoded,
    versions_in,
)
from tap2key.decoding.text_entry import MEASURES, Counts, measures_of, total

MEAN = "mean"
ERROR_RATE, CHANGE = "character_error_rate", "change"
COLUMNS = (
    *("participant", "version", "phrases", ERROR_RATE, f"{ERROR_RATE}_low", f"{ERROR_RATE}_high"),
    *(CHANGE, f"{CHANGE}_low", f"{CHANGE}_high"),
    *(name for name in MEASURES if name != ERROR_RATE),
)
SHOWN = {SENSOR: "typed (sensor)", HEARD: "heard", "none": "decoded, no language model"}
NOTE = (
    "Held-out participants' phrases, as the touch sensor saw their keys (sensor), as the likeliest "
    "key of every tap (heard), and decoded with each language model. Change: the character error "
    "rate less that of heard. Low and high: 95 % interval of the mean over participants, by "
    "Student's t. Rates are per character asked, those with msd per character of the longer text."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the stage's command line."""
    parser.add_argument("--experiment", required=True, help="its name, for titles")
    parser.add_argument(
        "--decoded", type=Path, nargs="+", required=True, help="folders of the stage decode"
    )
    parser.add_argument("--output", type=Path, required=True, help="folder for the results")


def main(args: argparse.Namespace) -> None:
    """Write text_entry.{tsv,html,png,pdf} and alignment.html."""
    check_output_folder(args, "summarize-text", shared=True)
    runs = [read_decoded(folder) for folder in args.decoded]
    rows = text_rows(runs)
    if not rows:
        raise Tap2keyError(
            f"{args.decoded[0]}: no tested recording has a known text; add rows to texts.tsv"
        )
    seen = sorted({person for run in runs for person in run.seen})
    note = NOTE if not seen else f"{NOTE} Not held out: {', '.join(seen)}."
    with atomic_folder(args.output, "summarize-text") as temporary:
        title = f"{args.experiment}: text entry"
        shown = [formatted(row) for row in rows]
        write_table(temporary / "text_entry", shown, COLUMNS, title, note)
        draw_text_entry(temporary / "text_entry", rows, f"{args.experiment}: character errors")
        write_alignments(
            temporary / "alignment.html",
            f"{args.experiment}: asked, typed, heard, decoded",
            "Every phrase of held-out participants, by the first seed's model.",
            phrases_of(runs),
        )
        write_provenance(
            temporary,
            "summarize-text",
            __name__,
            {"experiment": args.experiment},
            [folder / name for folder in args.decoded for name in (COUNTS_NAME, PHRASES_NAME)],
            ("numpy", "matplotlib", "rapidfuzz"),
        )
    log.info(f"{args.output}: {len(runs)} models")


def text_rows(runs: Sequence[DecodedRun]) -> list[dict[str, Any]]:
    """A row for every participant and version, all seeds together, then the means.

    `phrases` are those that a participant typed, however many seeds' models read them.
    """
    counts: dict[tuple[str, str], list[Counts]] = {}
    for run in runs:
        for participant, version, counted in run.counts:
            counts.setdefault((participant, version), []).append(counted)
    phrases = {
        tuple(row[name] for name in ("participant", "session", "recording", "phrase"))
        for run in runs
        for row in run.phrases
    }
    typed = Counter(person for person, *_ in phrases)
    people, versions = sorted({person for person, _ in counts}), versions_in(runs)
    has_backspace = any(run.has_backspace for run in runs)
    rows: list[dict[str, Any]] = []
    for person in people:
        before = measures_of(total(counts[person, HEARD]), has_backspace)[ERROR_RATE]
        for version in versions:
            summed = total(counts[person, version])
            # A decoder keeps the final text, not what was taken back on the way to it.
            found = measures_of(summed, has_backspace and version in (SENSOR, HEARD))
            row = {"participant": person, "version": version, "phrases": typed[person], **found}
            rate = found[ERROR_RATE]
            row[CHANGE] = None if rate is None or before is None else rate - before
            rows.append(row)
    return [*rows, *(_mean(rows, version) for version in versions)] if people else []


def _mean(rows: Sequence[Mapping[str, Any]], version: str) -> dict[str, Any]:
    own = [row for row in rows if row["version"] == version]
    found: dict[str, Any] = {
        **{"participant": MEAN, "version": version},
        "phrases": sum(row["phrases"] for row in own),
    }
    for name in (*MEASURES, CHANGE):
        values = [row[name] for row in own if row[name] is not None]
        found[name] = float(np.mean(values)) if values else None
        if len(values) > 1 and name in (ERROR_RATE, CHANGE):
            spread = variance_from_participants(np.array(values))
            low, high = t_interval(found[name], spread).tolist()
            found[f"{name}_low"] = max(low, 0.0) if name == ERROR_RATE else low
            found[f"{name}_high"] = high
    return found


def phrases_of(
    runs: Sequence[DecodedRun],
) -> Iterator[tuple[str, str, str, dict[str, str]]]:
    """Of each phrase its participant, its recording, what was asked and all versions by name."""
    found: dict[tuple, tuple[str, str, str, dict[str, str]]] = {}
    first = min(run.seed for run in runs)
    for run in runs:
        for row in run.phrases if run.seed == first else []:
            person, session, recording = row["participant"], row["session"], row["recording"]
            key = (person, session, recording, int(row["phrase"]))
            one = found.setdefault(key, (person, f"{session} / {recording}", row["asked"], {}))
            one[3][SHOWN.get(row["version"], f"decoded, {row['version']}")] = row["text"]
    for key in sorted(found):
        yield found[key]


def draw_text_entry(stem: Path, rows: Sequence[Mapping[str, Any]], title: str) -> None:
    """Draw every participant's character error rate by version, and the mean with its interval."""
    versions = list(dict.fromkeys(row["version"] for row in rows))
    means = [row for row in rows if row["participant"] == MEAN]
    people = list(dict.fromkeys(r["participant"] for r in rows if r["participant"] != MEAN))
    figure, axes = plt.subplots(figsize=(1.6 + 1.5 * len(versions), 4.6), layout="constrained")
    places = np.arange(len(versions))
    for number, person in enumerate(people):
        values = [row[ERROR_RATE] for row in rows if row["participant"] == person]
        label = "participants" if number == 0 else None
        axes.plot(places, values, "o-", color=CALM, alpha=0.45, lw=1, ms=4, label=label)
    middle = np.array([row[ERROR_RATE] for row in means], dtype=float)
    # Of one participant there is no interval.
    ends = np.array(
        [
            [row.get(f"{ERROR_RATE}_{end}", row[ERROR_RATE]) for row in means]
            for end in ("low", "high")
        ]
    )
    axes.errorbar(
        places,
        middle,
        np.abs(ends - middle),
        fmt="D",
        color=STRONG,
        capsize=4,
        zorder=3,
        label="mean, 95 % interval",
    )
    for place, value in zip(places, middle, strict=True):
        axes.annotate(
            f"{value:.1%}", (place, value), (9, 4), textcoords="offset points", color=STRONG
        )
    axes.set_xticks(places, [SHOWN.get(v, v).replace(", ", ",\n") for v in versions])
    axes.set_xlim(-0.4, len(versions) - 0.4)
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set_ylabel("character error rate")
    axes.set_title(title)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    save_picture(figure, stem)
