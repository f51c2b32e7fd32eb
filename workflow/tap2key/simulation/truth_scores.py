"""`python -m tap2key truth-scores`: a simulated study's results against what people meant to tap.

An evaluation's truth is the touch sensor's, which reads where the finger came down. Here the same
predictions are scored against the key that the finger was truly nearest to and the key that it was
meant for. Nothing reads its output.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import pandas as pd

from tap2key.core.errors import Tap2keyError
from tap2key.core.files import read_json
from tap2key.core.provenance import FILE_NAME
from tap2key.core.shipped import KEYBOARD
from tap2key.evaluation.metrics import label_scores
from tap2key.evaluation.predictions import Predictions, read_predictions
from tap2key.segmentation.taps import TAPS_NAME
from tap2key.simulation.difficulty import load_difficulty, of_session
from tap2key.simulation.plan import TRUE_TAPS_NAME, PlannedSession, plan_study
from tap2key.simulation.random_streams import Purpose, stream
from tap2key.simulation.sentences import phrases_of, type_phrases
from tap2key.simulation.typist import draw_aims, draw_typist
from tap2key.study.keyboard import Keyboard, load_keyboard

TRUTHS = ("touched", "struck", "meant")
SCORES = (
    *(f"{score}_{truth}" for score in ("accuracy", "macro_f1") for truth in TRUTHS),
    *("recall", "precision"),
)
MEAN = "mean"
# A segmented tap is the true one whose onset is this near, or none.
SAME_TAP_S = 0.02
IDENTITY = ["participant", "session", "recording", "tap"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument(
        "--evaluations",
        type=Path,
        nargs="+",
        required=True,
        help="folders of the evaluate stage, <experiment>/<fold>/seed-<n>",
    )
    parser.add_argument("--taps", type=Path, required=True, help="segmented taps: results/taps")
    parser.add_argument("--truth", type=Path, required=True, help="what simulate wrote as truth")
    parser.add_argument("--keyboard", type=Path, default=KEYBOARD, help="csv of key centres")


def main(args: argparse.Namespace) -> None:
    """Print every experiment's participants against each truth.

    Raises:
        Tap2keyError: the truth, taps and evaluations are not of one study.
    """
    truth = read_truth(args.truth, load_keyboard(args.keyboard))
    known = found_in_truth(read_taps(args.taps), truth)
    experiments: dict[str, list[Predictions]] = {}
    for folder in args.evaluations:
        found = read_predictions(folder / "predictions.parquet")
        experiments.setdefault(folder.parents[1].name, []).append(found)
    rows = [
        row
        for experiment, evaluations in experiments.items()
        for row in scores_by_truth(experiment, evaluations, known, truth)
    ]
    print(f"{'experiment':<28}{'participant':<14}{'taps':>6}" + "".join(f"{s:>18}" for s in SCORES))
    for row in rows:
        cells = "".join(f"{row[name]:>18.3f}" for name in SCORES)
        print(f"{row['experiment']:<28}{row['participant']:<14}{row['taps']:>6}{cells}")


def read_taps(root: Path) -> pd.DataFrame:
    """All segmented taps below a folder: identity and time_s.

    Raises:
        Tap2keyError: there are none.
    """
    paths = sorted(root.glob(f"*/*/{TAPS_NAME}"))
    if not paths:
        raise Tap2keyError(f"{root}: no {TAPS_NAME} below it; give the folder that segment wrote")
    return pd.concat([pd.read_parquet(path, columns=[*IDENTITY, "time_s"]) for path in paths])


def read_truth(root: Path, keyboard: Keyboard) -> pd.DataFrame:
    """All true taps below a folder, and in the column `meant` the key that each was aimed at.

    The simulator does not write that down, but draws it from the seed that the truth's provenance
    names, right after the times of the taps; those tell whether it is drawn as it was.

    Args:
        root: the folder with the truth.
        keyboard: that the study was simulated with.

    Raises:
        Tap2keyError: there is none, or it was simulated otherwise: by another version, or with
            another keyboard.
    """
    tables = []
    for path in sorted(root.rglob(TRUE_TAPS_NAME)):
        settings = dict(read_json(path.with_name(FILE_NAME))["settings"])
        settings.pop("array", None)
        folder = path.parent.relative_to(root).as_posix()
        table = pd.read_parquet(path)
        aimed, contact_s = [], []
        for session in (each for each in plan_study(settings) if each.folder == folder):
            for index, recording in enumerate(session.recordings):
                count = int((table["recording"] == Path(recording.name).stem).sum())
                drawn = _aims(settings, session, index, keyboard, count)
                aimed.append(drawn[0])
                contact_s.append(drawn[1])
        if not aimed or not np.array_equal(np.concatenate(contact_s), table["contact_s"]):
            raise Tap2keyError(
                f"{path}: was not simulated as this version would; simulate the study again, or "
                "give the keyboard that it was simulated with"
            )
        meant = keyboard.centre_labels[np.concatenate(aimed)]
        tables.append(table.assign(meant=np.array(keyboard.labels)[meant]))
    if not tables:
        raise Tap2keyError(f"{root}: no {TRUE_TAPS_NAME} below it; give the folder with the truth")
    return pd.concat(tables, ignore_index=True)


def _aims(
    settings: Mapping[str, Any],
    planned: PlannedSession,
    index: int,
    keyboard: Keyboard,
    count: int,
) -> tuple[np.ndarray, np.ndarray]:
    """As `draw_taps` draws them, in its order: centres aimed at, and times of contact in s."""
    difficulty = of_session(load_difficulty(settings["difficulty"]), planned.material, planned.room)
    seed, person, session = settings["seed"], planned.participant_index, planned.session_index
    typist = draw_typist(stream(seed, Purpose.PERSON, person), keyboard, difficulty)
    typed = None
    if settings.get("text"):
        phrases = phrases_of(planned, settings, keyboard)[index]
        rng = stream(seed, Purpose.TEXT, person, session, index)
        typed = type_phrases(rng, phrases, keyboard, typist.taps_per_s, settings["error_rate"])
    rng = stream(seed, Purpose.TAPS, person, session, index)
    return draw_aims(rng, typist, keyboard, difficulty, count, typed)[:2]


def found_in_truth(taps: pd.DataFrame, truth: pd.DataFrame) -> pd.DataFrame:
    """Each segmented tap with the true one whose onset is within 20 ms: true_tap, struck and meant.

    Indexed by identity; without values where there is no such tap. A session may be called
    otherwise in the study than in the truth, so that a person's recordings tell.

    Args:
        taps: identity and time_s.
        truth: true taps, with label (the nearest key to the true place) and meant.

    Raises:
        Tap2keyError: no tap is true.
    """
    place = ["participant", "recording"]
    true = truth.rename(columns={"label": "struck", "tap": "true_tap"}).sort_values("time_s")
    found = pd.merge_asof(
        taps.sort_values("time_s"),
        true[[*place, "time_s", "true_tap", "struck", "meant"]],
        on="time_s",
        by=place,
        direction="nearest",
        tolerance=SAME_TAP_S,
    )
    if found["true_tap"].isna().all():
        raise Tap2keyError("the truth has none of these taps; give the truth of the same study")
    return found.set_index(IDENTITY)


def scores_by_truth(
    experiment: str, evaluations: Sequence[Predictions], known: pd.DataFrame, truth: pd.DataFrame
) -> list[dict[str, Any]]:
    """One row per participant of an experiment, and their mean; seeds are pooled.

    Scored are the taps of which all three truths are known, the same for each. Recall is the share
    of true taps that were found, with a touch or without, precision that of found taps that are
    true, in the recordings that are tested. F1 is over all labels alike, as in all other tables.

    Args:
        experiment: its name.
        evaluations: of all its folds and seeds.
        known: as `found_in_truth` gives it.
        truth: all true taps.
    """
    parts = [_named(found) for found in evaluations]
    named = pd.concat(parts).join(known[["struck", "meant"]], on=IDENTITY).dropna()
    if named.empty:
        raise Tap2keyError(f"{experiment}: the truth has none of its taps; give the same study's")
    rows = []
    for person, own in named.groupby("participant"):
        true, heard = (
            table[(table["participant"] == person) & table["recording"].isin(own["recording"])]
            for table in (truth, known.reset_index())
        )
        found = len(heard[["recording", "true_tap"]].dropna().drop_duplicates())
        row: dict[str, Any] = {"experiment": experiment, "participant": person}
        row["taps"] = len(own[IDENTITY].drop_duplicates())
        for name in TRUTHS:
            row[f"accuracy_{name}"] = float((own[name] == own["prediction"]).mean())
            scores = label_scores(own[name].to_numpy(), own["prediction"].to_numpy())
            row[f"macro_f1_{name}"] = scores["macro_f1"]
        row["recall"] = found / len(true)
        row["precision"] = float(heard["true_tap"].notna().mean())
        rows.append(row)
    average = {name: mean(row[name] for row in rows) for name in SCORES}
    total = sum(row["taps"] for row in rows)
    return [*rows, {"experiment": experiment, "participant": MEAN, "taps": total, **average}]


def _named(found: Predictions) -> pd.DataFrame:
    names = np.array(found.labels)
    table = pd.DataFrame(list(found.identity), columns=IDENTITY)
    return table.assign(touched=names[found.truth], prediction=names[found.prediction])
