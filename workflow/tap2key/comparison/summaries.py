"""What the comparisons read of an experiment's summary."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tap2key.comparison.intervals import Interval, Runs, mean_interval
from tap2key.core.errors import Tap2keyError
from tap2key.core.files import read_json
from tap2key.evaluation.participant_scores import SUMMARY_FILE

# With fewer, how much seeds vary is hardly known.
FEWEST_SEEDS = 3
# What a difference is taken over.
PARTICIPANT, FOLD = "participant", "fold"


@dataclass(frozen=True)
class Compared:
    """An experiment as others are compared with it.

    `people` has each participant's scores by seed, by all that must be alike where two experiments
    are compared; `seeds` is how many each participant has at least. `models_at_chance` is None
    where that is not known, as of forests, and `folds` where there is but one. `fold_of` says for
    those of `people` in which fold they were tested, where that is one, and `tested_share` what a
    fold tests of the data, at most; None where it is not known. Of a single participant the units
    are the folds in which the taps were tested.
    """

    name: str
    people: Mapping[Hashable, Runs]
    seeds: int
    models: int | None
    models_at_chance: int | None
    folds: int | None = None
    unit: str = PARTICIPANT
    fold_of: Mapping[Hashable, str] = field(default_factory=dict)
    tested_share: float | None = None

    def folds_of(self, keys: Sequence[Hashable]) -> list[str] | None:
        """The fold in which each of some of `people` was tested; None if any was in several."""
        known = [self.fold_of[key] for key in keys if key in self.fold_of]
        return known if len(known) == len(keys) else None

    @property
    def remarks(self) -> list[str]:
        """What a reader of its scores must know."""
        found = []
        if self.unit == FOLD:
            found.append(f"{self.name}: compared over {self.folds} folds of one participant")
        elif self.folds is None and len(self.people) > 1:
            found.append(f"{self.name}: one fold, whose training data are not in the interval")
        if self.seeds < FEWEST_SEEDS:
            found.append(f"{self.name}: {self.seeds} seed{'s' * (self.seeds > 1)}, fewer than 3")
        if self.models_at_chance:
            found.append(f"{self.name}: {self.models_at_chance} of {self.models} models at chance")
        return found


def read_summary(folder: Path) -> dict[str, Any]:
    """What an experiment's summary says, its scores unrounded.

    Raises:
        Tap2keyError: it is missing, or was made before it held them.
    """
    summary = read_json(folder / SUMMARY_FILE)
    rows = [*summary.get("participants", [{}]), *summary.get("folds", {"": {}}).values()]
    if not all("macro_f1_of_seeds" in row for row in rows):
        raise Tap2keyError(
            f"{folder / SUMMARY_FILE}: holds no scores of single seeds and folds; summarize again"
        )
    return summary


def interval_of_mean(summary: Mapping[str, Any]) -> Interval:
    """The 95 % interval of the mean over participants, whatever experiments are compared over."""
    rows = summary["participants"]
    folds = [row.get("fold") for row in rows]
    known = None if None in folds else folds
    return mean_interval([row["macro_f1_of_seeds"] for row in rows], known)


def compared(name: str, summary: Mapping[str, Any]) -> Compared:
    """An experiment, of what `read_summary` says of it."""
    tested, seen = summary["tested_taps"], summary["seen_in_training"]
    rows, folds = summary["participants"], summary["folds"]
    unit = FOLD if len(rows) == 1 < len(folds) else PARTICIPANT
    people: dict[Hashable, Runs] = {}
    fold_of: dict[Hashable, str] = {}
    for row in rows:
        key = row["participant"], tested[row["participant"]], row["participant"] in seen
        people[key] = row["macro_f1_of_seeds"]
        if row.get("fold") is not None:
            fold_of[key] = row["fold"]
    if unit == FOLD:
        people = {
            (fold, found["tested_taps"], bool(seen)): found["macro_f1_of_seeds"]
            for fold, found in folds.items()
        }
    return Compared(
        name,
        people,
        min(row["seeds"] for row in rows),
        summary.get("models"),
        summary.get("models_at_chance"),
        len(folds) if len(folds) > 1 else None,
        unit,
        fold_of,
        summary.get("tested_share"),
    )
