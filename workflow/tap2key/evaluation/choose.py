"""Stage `choose`: name the best experiment by validation scores alone, before any test is read."""

import argparse
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any, NamedTuple

from tap2key.core.errors import Tap2keyError
from tap2key.core.files import read_json
from tap2key.core.html_tables import write_table
from tap2key.core.log import log
from tap2key.core.output_guard import stem_of
from tap2key.core.provenance_beside import check_files_with_provenance, write_provenance_beside
from tap2key.models.model_folder import MODEL_METADATA_FILE, SELECTION_SCORE

COLUMNS = (
    *("experiment", "models", "models_at_chance", "validation_macro_f1", "sd_over_models"),
    *("best_in_folds", "candidates", "validated_by", "chosen", "reason"),
)
NOTE = (
    "Macro-F1 over each fold's validation taps, mean over the folds and seeds that all ranked "
    "experiments have: of a network as its last epoch leaves it (if it ended early, at its last "
    "evaluation), of a baseline as it was fitted. The best of many epochs would favour whoever "
    "looks more often. No held-out score goes into it; but whom one fold holds out validates in "
    "others, and so has a say in the mean. Best in folds: in how many a fold's own validation taps "
    "put the experiment first. Where that is all of them for the chosen one, its held-out scores "
    "are those of a choice in which nobody held out had a say. Candidates are the "
    "settings that a search tried on the same validation taps: the best of more is flattered more. "
    "Only experiments that are validated on the same taps are ranked: as many as there are, and "
    "rather those validated on other people than they are trained on. The scores of the others "
    "are over their own folds and seeds. Models at chance name validation "
    "taps no better than always naming the commonest key would; of baselines it is not known."
)
OTHER_PEOPLE = "participant"
# A fold and a seed, as folders are named.
Run = tuple[str, str]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the stage's command line."""
    parser.add_argument(
        "--models",
        type=Path,
        nargs="+",
        required=True,
        help="models' folders, <experiment>/<fold>/seed-<n>, of the experiments",
    )
    parser.add_argument(
        "--output",
        type=Path,
        required=True,
        help="a .tsv; an .html of the same name goes beside it",
    )


def main(args: argparse.Namespace) -> None:
    """Write the experiments in order of their validation scores, and print the best one's name."""
    files = check_files_with_provenance(args, (".tsv", ".html"))
    found: dict[str, dict[Run, Validated]] = {}
    for folder in args.models:
        runs = found.setdefault(folder.parents[1].name, {})
        runs[folder.parent.name, folder.name] = validated(folder)
    rows = ranked(found)
    write_table(stem_of(args.output), rows, COLUMNS, f"Chosen: {rows[0]['experiment']}", NOTE)
    write_provenance_beside(
        files,
        "choose",
        __name__,
        {"experiments": list(found)},
        [folder / MODEL_METADATA_FILE for folder in args.models],
        (),
    )
    log.info(f"chosen on validation scores: {rows[0]['experiment']}")
    for row in rows:
        if row["reason"]:
            log.info(f"{row['experiment']} is not ranked: {row['reason']}")
    fewer = [row for row in rows[1:] if not row["reason"] and _more(rows[0], row)]
    if fewer:
        log.warning(
            f"{rows[0]['experiment']} tried {rows[0]['candidates']} settings on the validation "
            f"taps, {fewer[0]['experiment']} {fewer[0]['candidates']}: the best of more is "
            "flattered; give both the same search.budget"
        )
    if rows[0]["models_at_chance"]:
        log.warning(
            f"{rows[0]['models_at_chance']} of {rows[0]['models']} models of the chosen "
            "experiment stayed at chance in training"
        )


class Validated(NamedTuple):
    """A model's validation score, on which taps, by what they were set aside, and if at chance.

    `taps` is a hash of the taps' identities. `at_chance` is None where that is not known. `tried`
    is how many candidates a search scored on these taps: 1 without one, and None of a kind that
    has nothing to search.
    """

    macro_f1: float
    by: str
    taps: str
    at_chance: bool | None = None
    tried: int | None = 1


def validated(model: Path) -> Validated:
    """What a model's folder says of its validation.

    Raises:
        Tap2keyError: an earlier version wrote it, which says too little.
    """
    metadata = read_json(model / MODEL_METADATA_FILE)
    scores = metadata["validation"]
    if SELECTION_SCORE not in scores or "validation_taps" not in metadata:
        raise Tap2keyError(
            f"{model / MODEL_METADATA_FILE}: an earlier version wrote it; train the model again"
        )
    return Validated(
        scores[SELECTION_SCORE],
        metadata["validated_by"],
        metadata["validation_taps"],
        scores.get("at_chance"),
        metadata.get("candidates", 1),
    )


def ranked(found: Mapping[str, Mapping[Run, Validated]]) -> list[dict[str, Any]]:
    """Experiments, the best first; of equals the first given; those that are not ranked last.

    Ranked are those that are validated on the same taps as one of them, and of all such sets the
    largest; rather those that are validated on other people than they are trained on.

    Args:
        found: by experiment, its models by fold and seed.
    """
    by = {
        name: ", ".join(sorted({each.by for each in runs.values()})) for name, runs in found.items()
    }
    alike = {name: comparable(found, name) for name in found}
    first = max(found, key=lambda name: (by[name] == OTHER_PEOPLE, -len(alike[name][1])))
    common, reasons = alike[first]
    counted = {
        name: [each for run, each in runs.items() if name in reasons or run in common]
        for name, runs in found.items()
    }
    scores = {name: [each.macro_f1 for each in models] for name, models in counted.items()}
    ordered = sorted(found, key=lambda name: (name in reasons, -mean(scores[name])))
    best = best_in_folds({name: found[name] for name in ordered if name not in reasons}, common)
    return [
        {
            "experiment": name,
            "models": len(scores[name]),
            "models_at_chance": _at_chance(counted[name]),
            "validation_macro_f1": f"{mean(scores[name]):.4f}",
            "sd_over_models": f"{stdev(scores[name]):.4f}" if len(scores[name]) > 1 else None,
            "best_in_folds": None if name in reasons else best.count(name),
            "candidates": _tried(found[name]),
            "validated_by": by[name],
            "chosen": "not ranked" if name in reasons else "yes" if name == ordered[0] else "no",
            "reason": reasons.get(name),
        }
        for name in ordered
    ]


def comparable(
    found: Mapping[str, Mapping[Run, Validated]], first: str
) -> tuple[set[Run], dict[str, str]]:
    """The folds and seeds of all who are validated on the same taps as `first`; why others are not.

    Args:
        found: by experiment, its models by fold and seed.
        first: an experiment's name.
    """
    common, reasons = set(found[first]), {}
    for name, runs in found.items():
        shared = common & runs.keys()
        if not shared:
            reasons[name] = f"no fold and seed in common with {first}"
        elif any(runs[run].taps != found[first][run].taps for run in shared):
            reasons[name] = f"other validation taps than {first}"
        else:
            common = shared
    return common, reasons


def best_in_folds(
    found: Mapping[str, Mapping[Run, Validated]], common: Collection[Run]
) -> list[str]:
    """The experiment that each fold's own validation taps put first, of equals the first given.

    Args:
        found: by experiment, its models by fold and seed.
        common: the folds and seeds that count.
    """
    return [
        max(
            found,
            key=lambda name: mean(found[name][run].macro_f1 for run in common if run[0] == fold),
        )
        for fold in sorted({fold for fold, _ in common})
    ]


def _tried(runs: Mapping[Run, Validated]) -> int | None:
    """How many candidates an experiment's searches tried; seeds may share one."""
    return max((each.tried for each in runs.values() if each.tried is not None), default=None)


def _more(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether one row's search tried more candidates; not if the other has nothing to search."""
    return other["candidates"] is not None and (one["candidates"] or 0) > other["candidates"]


def _at_chance(models: Sequence[Validated]) -> int | None:
    known = [each.at_chance for each in models if each.at_chance is not None]
    return sum(known) if known else None
