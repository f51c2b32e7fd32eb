"""Stage `compare`: the summaries of several experiments side by side."""

import argparse
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from tap2key.core.errors import Tap2keyError
from tap2key.core.files import read_json
from tap2key.core.html_tables import formatted, write_table
from tap2key.core.output_guard import check_output_files, stem_of
from tap2key.evaluation.participant_scores import SCORES, SUMMARY_FILE, held_out_of
from tap2key.evaluation.significance import PairedTest, bootstrap_interval, paired_tests
from tap2key.reports.benchmarks import numbers, read_benchmark
from tap2key.reports.plot_curves import draw_comparison

# Every other score is a mean over participants too.
SCORE = "macro_f1"
COLUMNS = (
    *("experiment", "held_out", "participants", "taps", "seeds", "macro_f1"),
    *("macro_f1_low", "macro_f1_high", "worst_macro_f1", "worst_participant"),
    *("macro_f1_sd_over_participants", "macro_f1_sd_over_seeds"),
    *("accuracy", "top_3_accuracy", "macro_f1_space_merged", "weighted_f1", "calibration_error"),
    *("location_error_median_mm", "location_error_p90_mm"),
    *("training_minutes", "training_cpu_minutes"),
)
NOTE = (
    "Means over participants, whose scores are means over seeds; macro-F1 weights all keys alike. "
    "Low and high are the 95 % interval of the mean, from 10,000 bootstrap draws of participants. "
    "Sd over seeds is of the participants' mean. Where held out is not yes, the participants, or "
    "all but so many of them, were also heard in training: such scores say nothing about a new "
    "person. Training minutes are one "
    "model's, on average, by the clock and of CPU; Snakemake samples the latter every 30 s, so it "
    "may lack the last half minute. Of a training that was interrupted only the last part counts."
)
DIFFERENCE_COLUMNS = (
    *("first", "second", "participants", "mean_difference", "low", "high", "p", "p_holm"),
    "verdict",
)
DIFFERENCES_NOTE = (
    "Macro-F1 of the first less the second, over the participants whom both were tested on in the "
    "same way: on the same taps, and both held out or both heard in training. Low and high are the "
    "95 % bootstrap interval of the mean difference; p is Wilcoxon's exact signed-rank test, "
    "two-sided, and p Holm corrects it for all tests made here ({tests})."
)
DIFFERENCES = "differences"
MOST_PRINTED_PAIRS = 10
HELD_OUT_IN_TITLES = {"yes": "", "no": ", not held out"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the stage's command line."""
    parser.add_argument(
        "--summaries", type=Path, nargs="+", required=True, help="folders of the summarize stage"
    )
    parser.add_argument(
        "--output",
        type=Path,
        help="a .tsv; .html, .png and .pdf go beside it, and differences.tsv and .html "
        "(default: only print)",
    )
    parser.add_argument(
        "--benchmarks",
        type=Path,
        nargs="*",
        default=[],
        help="Snakemake's benchmark tables of the models, for what training took",
    )


def main(args: argparse.Namespace) -> None:
    """Print and write what experiments reach and what their differences are worth."""
    if args.output is not None:
        differences = (f"{DIFFERENCES}.tsv", f"{DIFFERENCES}.html")
        check_output_files(args, (".tsv", ".html", ".png", ".pdf"), differences)
    people = {folder.name: people_of(folder) for folder in args.summaries}
    took = training_minutes(args.benchmarks)
    rows = [experiment_row(folder) | took.get(folder.name, {}) for folder in args.summaries]
    tests = paired_tests({folder.name: comparable_scores(folder) for folder in args.summaries})
    print("Macro-F1 of each participant")
    print_table(participants_side_by_side(people))
    print("\nMacro-F1 of each experiment, mean over participants")
    print_table([printed(row) for row in rows])
    print_differences(tests)
    if args.output is None:
        return
    stem = stem_of(args.output)
    write_table(stem, [formatted(row) for row in rows], COLUMNS, "Experiments", NOTE)
    write_table(
        stem.with_name(DIFFERENCES),
        [difference_row(test) for test in tests],
        DIFFERENCE_COLUMNS,
        "Differences between experiments",
        DIFFERENCES_NOTE.format(tests=sum(test.p is not None for test in tests)),
    )
    drawn = {
        row["experiment"] + HELD_OUT_IN_TITLES.get(row["held_out"], f", {row['held_out']}"): row
        for row in rows
    }
    draw_comparison(
        stem,
        {
            name: [person[SCORE] for person in people[row["experiment"]]]
            for name, row in drawn.items()
        },
        {name: (row["macro_f1_low"], row["macro_f1_high"]) for name, row in drawn.items()},
        "macro-F1",
    )


def read_summary(folder: Path) -> dict[str, Any]:
    """What an experiment's summary says, its scores unrounded.

    Raises:
        Tap2keyError: it is missing, or was made before it held them.
    """
    about = read_json(folder / SUMMARY_FILE)
    if "participants" not in about:
        raise Tap2keyError(f"{folder / SUMMARY_FILE}: holds no scores; summarize anew")
    return about


def people_of(folder: Path) -> list[dict[str, Any]]:
    """The rows of the participants of one experiment's summary."""
    return read_summary(folder)["participants"]


def experiment_row(folder: Path) -> dict:
    """Mean, interval, spread and worst participant of one experiment's summary."""
    about = read_summary(folder)
    people, average, heard = about["participants"], about["mean"], len(about["heard_in_training"])
    macro = [row[SCORE] for row in people]
    low, high = bootstrap_interval(macro)
    worst = min(people, key=lambda row: row[SCORE])
    return {
        "experiment": folder.name,
        "held_out": {0: "yes", len(people): "no"}.get(heard, held_out_of(len(people), heard)),
        "participants": len(people),
        "taps": sum(row["taps"] for row in people),
        "seeds": average["seeds"],
        "macro_f1_low": low,
        "macro_f1_high": high,
        "worst_macro_f1": worst[SCORE],
        "worst_participant": worst["participant"],
        "macro_f1_sd_over_participants": stdev(macro) if len(macro) > 1 else None,
        "macro_f1_sd_over_seeds": average["macro_f1_sd_over_seeds"],
        **{name: average[name] for name in SCORES},
    }


def training_minutes(benchmarks: Iterable[Path]) -> dict[str, dict[str, float | None]]:
    """By experiment, what training one of its models took on average: minutes, and CPU minutes.

    Args:
        benchmarks: Snakemake's tables, <experiment>/<fold>/seed-<n>.tsv; those that are not there
            were not measured.
    """
    measured: dict[str, list[dict[str, str]]] = {}
    for path in benchmarks:
        if path.exists():
            measured.setdefault(path.parts[-3], []).extend(read_benchmark(path))
    return {
        experiment: {
            "training_minutes": _mean_minutes(row["s"] for row in rows),
            "training_cpu_minutes": _mean_minutes(row.get("cpu_time", "") for row in rows),
        }
        for experiment, rows in measured.items()
    }


def comparable_scores(folder: Path) -> dict[Hashable, float]:
    """Each participant's score, by all that must be alike where two experiments are compared."""
    about = read_summary(folder)
    tested, heard = about["tested_taps"], about["heard_in_training"]
    return {
        (row["participant"], tested[row["participant"]], row["participant"] in heard): row[SCORE]
        for row in about["participants"]
    }


def difference_row(test: PairedTest) -> dict:
    """A test as the table shows it."""
    row = asdict(test)
    tiny = {name: f"{row[name]:.2g}" for name in ("p", "p_holm") if row[name] is not None}
    return formatted(row) | tiny


def participants_side_by_side(people: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[dict]:
    """One row per participant with their score in each experiment, to print."""
    names = sorted({row["participant"] for own in people.values() for row in own})
    score = {
        (experiment, row["participant"]): f"{row[SCORE]:.3f}"
        for experiment, own in people.items()
        for row in own
    }
    return [{"participant": n, **{e: score.get((e, n), "") for e in people}} for n in names]


def printed(row: Mapping) -> dict[str, str]:
    """The few cells of an experiment's row that fit a terminal."""
    cells = {
        "experiment": row["experiment"],
        "held out": row["held_out"],
        "participants": str(row["participants"]),
        "mean": f"{row[SCORE]:.3f}",
        "95 % interval": f"{row['macro_f1_low']:.3f}–{row['macro_f1_high']:.3f}",
        "worst": f"{row['worst_macro_f1']:.3f} {row['worst_participant']}",
    }
    if row["macro_f1_sd_over_seeds"] is not None:
        cells["sd over seeds"] = f"{row['macro_f1_sd_over_seeds']:.3f}"
    if row.get("training_cpu_minutes") is not None:
        cells["CPU minutes"] = f"{row['training_cpu_minutes']:.1f}"
    return cells


def print_differences(tests: Sequence[PairedTest]) -> None:
    """Print what the differences are worth, unless they are too many to read."""
    if not tests:
        return
    if len(tests) > MOST_PRINTED_PAIRS:
        print(f"\n{len(tests)} pairs of experiments: see differences.tsv or the report")
        return
    print("\nDifferences of macro-F1 (mean, 95 % interval, Wilcoxon's p with Holm's correction)")
    print_table(
        [
            {
                "experiments": f"{test.first} − {test.second}",
                "n": str(test.participants),
                "mean": "" if test.mean_difference is None else f"{test.mean_difference:+.3f}",
                "interval": "" if test.low is None else f"{test.low:+.3f} to {test.high:+.3f}",
                "p": "" if test.p_holm is None else f"{test.p_holm:.2g}",
                "": test.verdict,
            }
            for test in tests
        ]
    )


def print_table(rows: Sequence[Mapping[str, str]]) -> None:
    """Print rows in aligned columns, without those that are empty."""
    columns = list(dict.fromkeys(column for row in rows for column in row if row[column]))
    cells = [columns, *([row.get(c, "") for c in columns] for row in rows)]
    widths = [max(len(line[at]) for line in cells) for at in range(len(columns))]
    for line in cells:
        text = "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        print(text.rstrip())


def _mean_minutes(seconds: Iterable[str]) -> float | None:
    measured = numbers(seconds)
    return mean(measured) / 60 if measured else None
