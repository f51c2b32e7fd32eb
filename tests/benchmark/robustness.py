"""How experiments fare when the simulated world differs from the one they learned in.

    python tests/benchmark/robustness.py --results FOLDER --output FOLDER [--experiments NAME …]

FOLDER is a finished run on a simulated study. New people are simulated, of a seed that no model
has heard: first in that study's own world, then with one factor changed at a time
(robustness.yaml). The same people type the same keys each time. The models as they are name
their taps, the first person by the models of every experiment's first fold, and so on in turn, of
the folds that all experiments have.

Each level is a file of its own in the output's folder `levels`: what is there is not made again,
so that a stopped run goes on. At the end there are three files. `robustness.tsv` has every
experiment's macro-F1 at every level and its difference to the own world, with a 95 % interval over
the people; what detection found of the true taps; and accuracy end to end, where a touch whose tap
was not found counts as wrong (all else is of taps that were found and touched, as everywhere).
`ranks.tsv` has Spearman's rank correlation of the experiments with their order in the own world.
`robustness.png` shows both. It asserts nothing.
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from dead_microphone import labelled_windows
from robustness_picture import draw

from tap2key.audio.array import Array, array_of
from tap2key.comparison.intervals import t_interval, variance_from_participants
from tap2key.config.experiments import merge
from tap2key.core.errors import Tap2keyError
from tap2key.core.files import atomic_file, read_json, write_json, write_tsv
from tap2key.core.log import log
from tap2key.core.progress import progress
from tap2key.core.provenance import FILE_NAME
from tap2key.core.shipped import KEYBOARD
from tap2key.datasets.representations import encode_windows
from tap2key.evaluation.metrics import label_scores
from tap2key.models.model_folder import encoding_of, model_fingerprint
from tap2key.models.predictor import load_predictor
from tap2key.segmentation.session import Settings, segment_session
from tap2key.simulation.difficulty import ROOMS, Difficulty, load_difficulty
from tap2key.simulation.plan import checked_settings, plan_study
from tap2key.simulation.session import make_session
from tap2key.simulation.truth_scores import found_in_truth, read_taps, read_truth
from tap2key.study.keyboard import Keyboard, load_keyboard
from tap2key.study.scan import recordings_in

FACTORS = Path(__file__).with_name("robustness.yaml")
SEED = 77001
# The study's own world, unchanged.
OWN = ("own world", "")
COLUMNS = (
    *("factor", "level", "experiment", "participant", "fold", "seed", "taps"),
    *("macro_f1", "accuracy", "recall", "precision", "end_to_end"),
)
SUMMARY = (
    *("factor", "level", "experiment", "macro_f1", "sd", "difference", "low", "high"),
    *("accuracy", "recall", "precision", "end_to_end", "taps"),
)
# Fewer experiments are always in an order or its reverse.
RANKED = 3


@dataclass(frozen=True)
class Level:
    """One thing changed: numbers that replace the difficulty file's, and a table's material."""

    factor: str
    name: str
    changes: Mapping[str, Any]

    @property
    def title(self) -> str:
        """Factor and level."""
        return f"{self.factor} {self.name}".strip()


def levels_of(factors: Mapping[str, Mapping[str, Any]], chosen: Sequence[str]) -> list[Level]:
    """The own world, then every level of the chosen factors.

    Raises:
        Tap2keyError: a factor is not among them.
    """
    if unknown := sorted(set(chosen) - set(factors)):
        raise Tap2keyError(f"--factors: no {', '.join(unknown)}; there are {', '.join(factors)}")
    return [
        Level(*OWN, {}),
        *(Level(f, name, changes) for f in chosen for name, changes in factors[f].items()),
    ]


def changed(difficulty: Difficulty, changes: Mapping[str, Any]) -> Difficulty:
    """A difficulty with numbers replaced, also where its rooms and tables have their own."""
    changed = merge(difficulty, changes)
    # What rooms say replaces all else.
    return {**changed, ROOMS: {n: merge(own, changes) for n, own in difficulty[ROOMS].items()}}


def world_of(results: Path) -> tuple[dict[str, Any], Array]:
    """What the study of a finished run was simulated with: settings, and its array.

    Raises:
        Tap2keyError: it was not simulated.
    """
    found = sorted((results / "simulated" / "truth").glob(f"**/{FILE_NAME}"))
    if not found:
        raise Tap2keyError(f"{results}: no simulated study; give the results of one")
    settings = dict(read_json(found[0])["settings"])
    return settings, array_of(settings.pop("array", None))


def models_of(results: Path, experiments: Sequence[str]) -> dict[str, list[list[Path]]]:
    """Of each experiment the folds that all have, of each fold the folders of its seeds' models.

    Raises:
        Tap2keyError: an experiment has no finished model.
    """
    root = results / "models"
    models = {}
    for name in experiments or sorted(path.name for path in root.glob("*") if path.is_dir()):
        folds = [sorted(fold.glob("seed-*")) for fold in sorted((root / name).glob("*"))]
        models[name] = [seeds for seeds in folds if seeds]
        if not models[name]:
            raise Tap2keyError(f"{root / name}: no finished model; choose others by --experiments")
    if not models:
        raise Tap2keyError(f"{root}: no models; give the results of a finished run")
    names = [{seeds[0].parent.name for seeds in folds} for folds in models.values()]
    # Of folds of other kinds, such as a random split's, none is shared: then each has its own.
    shared = set.intersection(*names) or set.union(*names)
    return {
        name: [seeds for seeds in folds if seeds[0].parent.name in shared]
        for name, folds in models.items()
    }


class Study:
    """People who type the same keys in one world after another, and models that listen to them."""

    def __init__(self, args: argparse.Namespace) -> None:
        """Take over the world of the models' study.

        Raises:
            Tap2keyError: see `world_of` and `models_of`; or the seed is that study's.
        """
        self.settings, self.array = world_of(args.results)
        if self.settings["seed"] == args.seed:
            raise Tap2keyError(
                f"--seed {args.seed}: is that of the models' own study; take another"
            )
        self.settings |= {"participants": args.participants, "sessions": 1, "recordings": 1}
        self.settings |= {"taps": args.taps, "seed": args.seed}
        self.models = models_of(args.results, args.experiments)
        self.keyboard: Keyboard = load_keyboard(KEYBOARD)
        self.difficulty = load_difficulty(self.settings["difficulty"])

    def identity(self) -> dict[str, Any]:
        """What a level's rows depend on beside the level."""
        used = {
            f"{name}/{model.parent.name}/{model.name}": model_fingerprint(model)
            for name, folds in self.models.items()
            for seeds in folds[: self.settings["participants"]]
            for model in seeds
        }
        difficulty = yaml.safe_dump(self.difficulty)
        return {"world": self.settings, "difficulty": difficulty, "models": used}

    def rows(self, level: Level, work: Path) -> list[dict[str, Any]]:
        """Simulate a level's recordings below `work`, and score every experiment on them."""
        changes = dict(level.changes)
        settings = {**self.settings, "difficulty": str(work / "difficulty.yaml")}
        settings["material"] = changes.pop("material", settings["material"])
        difficulty = changed(self.difficulty, changes)
        Path(settings["difficulty"]).write_text(yaml.safe_dump(difficulty), encoding="utf-8")
        # Read back, which checks what the factors' file says.
        difficulty = load_difficulty(settings["difficulty"])
        rows = []
        for index, planned in enumerate(plan_study(checked_settings(settings))):
            session = work / "taps" / planned.participant / planned.session
            where = (work / "study", work / "truth", settings, self.keyboard, difficulty, [])
            make_session(planned, *where, array=self.array)
            recordings = recordings_in(
                work / "study" / planned.folder, planned.participant, planned.session
            )
            segment_session(recordings, self.keyboard, Settings(array=self.array), session)
            shutil.rmtree(work / "study" / planned.folder)
            own = {"factor": level.factor, "level": level.name, "participant": planned.participant}
            rows += [{**own, **row} for row in self._scores(index, session.parent)]
        true = read_truth(work / "truth", self.keyboard)
        known = found_in_truth(read_taps(work / "taps"), true).reset_index()
        return [{**row, **end_to_end(row, true, known)} for row in rows]

    def _scores(self, index: int, person: Path) -> list[dict[str, Any]]:
        """Of each experiment, the scores of one fold's models on a person's labelled taps.

        They are 0 where noise leaves a person none.
        """
        encoded: dict[str, np.ndarray] = {}
        rows = []
        for name, folds in self.models.items():
            for model in folds[index % len(folds)]:
                predictor, metadata = load_predictor(model)
                windows, truth = labelled_windows(person, metadata["labels"])
                encoding = encoding_of(metadata)
                if repr(encoding) not in encoded:
                    encoded[repr(encoding)] = encode_windows(windows, encoding)
                scores = {"accuracy": 0.0, "macro_f1": 0.0}
                if len(truth):
                    found = predictor.probabilities(encoded[repr(encoding)]).argmax(axis=1)
                    scores = label_scores(truth, found)
                row = {"experiment": name, "fold": model.parent.name, "seed": metadata["seed"]}
                row |= {"taps": len(truth), "macro_f1": scores["macro_f1"]}
                rows.append({**row, "accuracy": scores["accuracy"]})
        return rows


def end_to_end(row: Mapping[str, Any], true: pd.DataFrame, known: pd.DataFrame) -> dict[str, float]:
    """What detection adds to the scores of one person's taps.

    Recall is the share of true taps that were found, precision the share of found taps that are
    true, and end to end the share of touched taps that were found and named rightly.

    Args:
        row: participant, taps (that were scored) and accuracy.
        true: all true taps.
        known: all found taps, as `found_in_truth` gives them.
    """
    true, known = (table[table["participant"] == row["participant"]] for table in (true, known))
    return {
        "recall": known["true_tap"].dropna().nunique() / len(true),
        "precision": float(known["true_tap"].notna().mean()) if len(known) else 0.0,
        "end_to_end": row["accuracy"] * row["taps"] / int(true["touched"].sum()),
    }


def made(study: Study, levels: Sequence[Level], output: Path) -> pd.DataFrame:
    """The rows of all levels; those in the output's folder are read, others made and kept there."""
    tables = []
    for level in progress(levels, "levels"):
        path = output / "levels" / f"{level.title}.tsv"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=output, prefix=".tmp-") as work:
                write_tsv(path, study.rows(level, Path(work)), COLUMNS)
        tables.append(pd.read_csv(path, sep="\t", keep_default_na=False))
    return pd.concat(tables, ignore_index=True)


def summary_of(rows: pd.DataFrame) -> pd.DataFrame:
    """A row for every level and experiment; people are the unit, their seeds' scores averaged."""
    keys = ["factor", "level", "experiment"]
    values = ["macro_f1", "accuracy", "recall", "precision", "end_to_end", "taps"]
    people = rows.groupby([*keys, "participant"], sort=False)[values].mean()
    own = people.loc[OWN]["macro_f1"]
    table = []
    for (factor, level, experiment), scores in people.groupby(level=keys, sort=False):
        scores = scores.droplevel(keys)
        away = (scores["macro_f1"] - own.loc[experiment]).to_numpy()
        low = high = None
        if len(away) > 1 and (factor, level) != OWN:
            low, high = t_interval(away.mean(), variance_from_participants(away)).tolist()
        row = {"factor": factor, "level": level, "experiment": experiment, "low": low, "high": high}
        row |= {"sd": scores["macro_f1"].std(), "difference": away.mean(), **scores.mean()}
        table.append(row | {"taps": int(scores["taps"].sum())})
    return pd.DataFrame(table)[[*SUMMARY]]


def ranks_of(summary: pd.DataFrame) -> pd.DataFrame:
    """Spearman's correlation of the experiments' macro-F1 with that in the own world, by level."""
    scores = summary.set_index(["factor", "level", "experiment"])["macro_f1"]
    scores = scores.unstack(["factor", "level"], sort=False)
    order = scores[OWN]
    rows = [
        {"factor": f, "level": n, "rank_correlation": order.corr(scores[f, n], "spearman")}
        for f, n in scores.columns
        if (f, n) != OWN and len(order) >= RANKED
    ]
    return pd.DataFrame(rows, columns=["factor", "level", "rank_correlation"])


def main() -> None:
    """Make what is missing, then the tables and the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, required=True, help="results of a simulated study")
    parser.add_argument("--output", type=Path, required=True, help="folder for tables and picture")
    parser.add_argument("--experiments", nargs="+", default=[], help="default: all with models")
    parser.add_argument("--factors", nargs="+", help="default: all of robustness.yaml")
    parser.add_argument("--participants", type=int, default=3)
    parser.add_argument("--taps", type=int, default=170, help="of each participant (default: 170)")
    parser.add_argument("--seed", type=int, default=SEED, help=f"of the people (default: {SEED})")
    args = parser.parse_args()
    factors = yaml.safe_load(FACTORS.read_text(encoding="utf-8"))
    levels = levels_of(factors, args.factors or list(factors))
    study = Study(args)
    args.output.mkdir(parents=True, exist_ok=True)
    about = args.output / "settings.json"
    if about.exists() and read_json(about) != study.identity():
        raise Tap2keyError(f"{args.output}: has levels of other models or people; give another")
    write_json(about, study.identity())
    summary = summary_of(made(study, levels, args.output))
    ranks = ranks_of(summary)
    for name, table in (("robustness.tsv", summary), ("ranks.tsv", ranks)):
        with atomic_file(args.output / name) as temporary:
            table.to_csv(temporary, sep="\t", index=False, float_format="%.4f")
    draw(args.output / "robustness", summary, ranks)
    scores = summary.pivot(index=["factor", "level"], columns="experiment", values="macro_f1")
    print(scores.reindex([(level.factor, level.name) for level in levels]).to_string())
    log.info(f"{args.output}: robustness.tsv, ranks.tsv, robustness.png")


if __name__ == "__main__":
    try:
        main()
    except Tap2keyError as error:
        sys.exit(f"robustness: {error}")
