"""Stage `compare`: the summaries of several experiments side by side, and their differences."""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from statistics import stdev
from typing import Any

from tap2key.comparison.named import COLUMNS as COMPARISON_COLUMNS
from tap2key.comparison.named import named_comparisons
from tap2key.comparison.plot_differences import draw_differences
from tap2key.comparison.significance import PairedTest, every_pair
from tap2key.comparison.summaries import Compared, compared, interval_of_mean, read_summary
from tap2key.config.arguments import add_settings, settings_of
from tap2key.core.errors import Tap2keyError
from tap2key.core.files import read_tsv
from tap2key.core.html_tables import formatted, write_table
from tap2key.core.log import log
from tap2key.core.output_guard import stem_of
from tap2key.core.provenance_beside import check_files_with_provenance, write_provenance_beside
from tap2key.evaluation.participant_scores import SCORES, SUMMARY_FILE, held_out_of
from tap2key.reports.benchmarks import training_minutes
from tap2key.reports.plot_curves import draw_comparison

# Every other score is a mean over participants too.
SCORE = "macro_f1"
COLUMNS = (
    *("experiment", "held_out", "participants", "taps", "seeds", "models", "models_at_chance"),
    "macro_f1",
    *("macro_f1_low", "macro_f1_high", "worst_macro_f1", "worst_participant"),
    *("macro_f1_sd_over_participants", "macro_f1_sd_over_seeds"),
    *("accuracy", "top_3_accuracy", "macro_f1_space_merged", "weighted_f1", "calibration_error"),
    *("location_error_median_mm", "location_error_p90_mm"),
    *("training_minutes", "training_cpu_minutes", "remarks"),
)
NOTE = (
    "Means over participants, whose scores are means over seeds; macro-F1 weights all keys alike. "
    "Low and high are the 95 % interval of the mean: Student's t over participants, with the "
    "variance from seeds added; one participant has none. "
    "Sd over seeds is of the participants' mean. Where held out is not yes, the participants, or "
    "all but this many of them, were also seen in training: such scores say nothing about a new "
    "person. Training minutes are one "
    "model's, on average, by the clock and of CPU; Snakemake samples the latter every 30 s, so it "
    "may lack the last half minute. Of a training that was interrupted only the last part counts. "
    "Models at chance name validation taps no better than always naming the commonest key would "
    "(one-sided binomial test, p < 0.001); their scores are in the means all the same."
)
DIFFERENCE_COLUMNS = (
    *("first", "second", "participants", "mean_difference", "low", "high", "p", "p_holm"),
    "verdict",
)
DIFFERENCES_NOTE = (
    "For exploration only: every pair of experiments, most of which nobody named beforehand. "
    "Macro-F1 of the first less the second, over the participants whom both were tested on in the "
    "same way: on the same taps, and both held out or both seen in training. Low and high are the "
    "95 % interval of the mean difference (Student's t); p is Wilcoxon's exact signed-rank test, "
    "two-sided, and p Holm corrects it for all tests made here ({tests}). Conclusions rest on "
    "comparisons.tsv."
)
COMPARISONS_NOTE = (
    "The comparisons that the configuration named before any score was known. Macro-F1 of the "
    "experiment less that of the other, over the participants whom both were tested on in the same "
    "way. Low and high: 95 % interval of the mean difference, Student's t over participants with "
    "the variance from seeds, and from folds that test several, added. Where the unit is fold, one "
    "participant's folds are compared; as they share training taps, the interval is wider, and "
    "there is no p. Effect size d_z: mean by standard deviation of the differences. p: Wilcoxon's "
    "exact signed-rank test, two-sided; p Holm corrects it for all comparisons named in its "
    "family. Needs participants: the fewest with whom one of the "
    "family can be significant at 0.05. p worse, equivalent and better: probabilities that the "
    "mean difference lies below, in and above ± {region:g}, which counts as practically nil "
    "(Bayesian correlated t-test)."
)
DIFFERENCES, COMPARISONS = "differences", "comparisons"
REGION = "equivalence"
ENDINGS = (".tsv", ".html", ".png", ".pdf")
HELD_OUT_IN_TITLES = {"yes": "", "no": ", not held out"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the stage's command line."""
    parser.add_argument(
        "--summaries", type=Path, nargs="+", required=True, help="folders of the summarize stage"
    )
    parser.add_argument(
        "--output",
        type=Path,
        help="a .tsv; .html, .png and .pdf go beside it, and differences and comparisons "
        "(default: only print)",
    )
    parser.add_argument(
        "--comparisons",
        type=json.loads,
        default={},
        metavar="JSON",
        help='pairs to compare by family, {"FAMILY": [["EXPERIMENT", "AGAINST"], …]}; chosen is '
        "whom --choice names",
    )
    parser.add_argument(
        "--choice", type=Path, nargs="*", default=[], help="the table of the choose stage"
    )
    add_settings(parser, "comparisons", (REGION,))
    parser.add_argument(
        "--benchmarks",
        type=Path,
        nargs="*",
        default=[],
        help="Snakemake's benchmark tables of the models, for training times",
    )


def main(args: argparse.Namespace) -> None:
    """Print and write what experiments reach and what their differences are worth."""
    region = settings_of(args, "comparisons", (REGION,))[REGION]
    if args.output is not None:
        beside = [f"{DIFFERENCES}.tsv", f"{DIFFERENCES}.html"]
        beside += [f"{COMPARISONS}.{ending}" for ending in ("tsv", "html", "png", "pdf")]
        files = check_files_with_provenance(args, ENDINGS, beside)
    summaries = {folder.name: read_summary(folder) for folder in args.summaries}
    experiments = {name: compared(name, summary) for name, summary in summaries.items()}
    took = training_minutes(args.benchmarks)
    rows = [
        experiment_row(summary, experiments[name]) | took.get(name, {})
        for name, summary in summaries.items()
    ]
    chosen = chosen_in(args.choice[0]) if args.choice else None
    named = named_comparisons(args.comparisons, experiments, chosen, region)
    for row in rows:
        if row["models_at_chance"]:
            log.warning(
                f"{row['experiment']}: {row['models_at_chance']} of {row['models']} models stayed "
                "at chance in training, and their scores are in its mean"
            )
    print("Macro-F1 of each participant")
    print_table(participants_side_by_side(summaries))
    print("\nMacro-F1 of each experiment, mean over participants")
    print_table([printed(row) for row in rows])
    print_comparisons([row for row, _ in named])
    if args.output is None:
        return
    stem = stem_of(args.output)
    write_table(stem, [formatted(row) for row in rows], COLUMNS, "Experiments", NOTE)
    tests = every_pair(experiments)
    write_table(
        stem.with_name(DIFFERENCES),
        [with_small_p(asdict(test)) for test in tests],
        DIFFERENCE_COLUMNS,
        "All differences between experiments, for exploration",
        DIFFERENCES_NOTE.format(tests=sum(test.p is not None for test in tests)),
    )
    write_table(
        stem.with_name(COMPARISONS),
        [with_small_p(row) for row, _ in named],
        COMPARISON_COLUMNS,
        "Comparisons named beforehand",
        COMPARISONS_NOTE.format(region=region),
    )
    families: dict[str, list[PairedTest]] = {}
    for row, test in named:
        if test.participants:
            families.setdefault(row["family"], []).append(test)
    draw_differences(stem.with_name(COMPARISONS), families, region, "difference of macro-F1")
    drawn = {
        row["experiment"] + HELD_OUT_IN_TITLES.get(row["held_out"], f", {row['held_out']}"): row
        for row in rows
    }
    draw_comparison(
        stem,
        {
            name: [person[SCORE] for person in summaries[row["experiment"]]["participants"]]
            for name, row in drawn.items()
        },
        {name: (row["macro_f1_low"], row["macro_f1_high"]) for name, row in drawn.items()},
        "macro-F1",
    )
    read = [folder / SUMMARY_FILE for folder in args.summaries]
    read += filter(Path.exists, args.benchmarks)
    packages = ("numpy", "scipy", "matplotlib")
    settings = {"experiments": list(summaries)}
    write_provenance_beside(files, "compare", __name__, settings, read, packages)


def chosen_in(table: Path) -> str:
    """The experiment that model selection chose.

    Raises:
        Tap2keyError: the table lacks a column, or names none.
    """
    for row in read_tsv(table, required=("experiment", "chosen")):
        if row["chosen"] == "yes":
            return row["experiment"]
    raise Tap2keyError(f"{table}: no row is chosen; run the choose stage again")


def experiment_row(summary: Mapping[str, Any], experiment: Compared) -> dict[str, Any]:
    """Mean, interval, spread and worst participant of one experiment's summary."""
    people, average = summary["participants"], summary["mean"]
    seen = len(summary["seen_in_training"])
    macro = [row[SCORE] for row in people]
    low, high = interval_of_mean(summary)
    worst = min(people, key=lambda row: row[SCORE])
    return {
        "experiment": experiment.name,
        "held_out": {0: "yes", len(people): "no"}.get(seen, held_out_of(len(people), seen)),
        "participants": len(people),
        "taps": sum(row["taps"] for row in people),
        "seeds": average["seeds"],
        "models": experiment.models,
        "models_at_chance": experiment.models_at_chance,
        "macro_f1_low": low,
        "macro_f1_high": high,
        "worst_macro_f1": worst[SCORE],
        "worst_participant": worst["participant"],
        "macro_f1_sd_over_participants": stdev(macro) if len(macro) > 1 else None,
        "macro_f1_sd_over_seeds": average["macro_f1_sd_over_seeds"],
        **{name: average.get(name) for name in SCORES},
        "remarks": "; ".join(experiment.remarks),
    }


def with_small_p(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row as tables show it: p-values and probabilities with two digits, however small."""
    tiny = {
        name: f"{value:.2g}"
        for name, value in row.items()
        if value is not None and (name == "p" or name.startswith("p_"))
    }
    return formatted(row) | tiny


def participants_side_by_side(summaries: Mapping[str, Mapping[str, Any]]) -> list[dict]:
    """One row per participant with their score in each experiment, to print."""
    people = {name: summary["participants"] for name, summary in summaries.items()}
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
        "95 % interval": interval_of(row["macro_f1_low"], row["macro_f1_high"], "{:.3f}–{:.3f}"),
        "worst": f"{row['worst_macro_f1']:.3f} {row['worst_participant']}",
    }
    if row["models_at_chance"]:
        cells["at chance"] = f"{row['models_at_chance']} of {row['models']} models"
    if row["macro_f1_sd_over_seeds"] is not None:
        cells["sd over seeds"] = f"{row['macro_f1_sd_over_seeds']:.3f}"
    if row.get("training_cpu_minutes") is not None:
        cells["CPU minutes"] = f"{row['training_cpu_minutes']:.1f}"
    return cells


def print_comparisons(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print the comparisons named beforehand, family by family."""
    for family, own in groupby(rows, key=itemgetter("family")):
        print(f"\n{family}: differences of macro-F1 (mean, 95 % interval, p after Holm)")
        print_table([printed_comparison(row) for row in own])


def printed_comparison(row: Mapping[str, Any]) -> dict[str, str]:
    """The few cells of a comparison's row that fit a terminal."""
    mean, p, equivalent = (row.get(k) for k in ("mean_difference", "p_holm", "p_equivalent"))
    return {
        "experiments": f"{row['experiment']} − {row['against']}",
        "n": str(row["participants"]),
        "mean": "" if mean is None else f"{mean:+.3f}",
        "interval": interval_of(row.get("low"), row.get("high"), "{:+.3f} to {:+.3f}"),
        "p": "" if p is None else f"{p:.2g}",
        "nil": "" if equivalent is None else f"{equivalent:.2f}",
        "verdict": row["verdict"],
    }


def interval_of(low: float | None, high: float | None, form: str) -> str:
    """An interval as text; empty where there is none."""
    return "" if low is None else form.format(low, high)


def print_table(rows: Sequence[Mapping[str, str]]) -> None:
    """Print rows in aligned columns, without those that are empty."""
    columns = list(dict.fromkeys(column for row in rows for column in row if row[column]))
    cells = [columns, *([row.get(c, "") for c in columns] for row in rows)]
    widths = [max(len(line[at]) for line in cells) for at in range(len(columns))]
    for line in cells:
        text = "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        print(text.rstrip())
