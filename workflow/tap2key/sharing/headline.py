"""What a run found, in the few facts that its report opens with."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tap2key.comparison.significance import fewest_participants
from tap2key.segmentation.channel_table import OK
from tap2key.sharing.wording import SIMULATED, counted

Row = Mapping[str, str]
HELD_OUT = "yes"


@dataclass(frozen=True)
class Headline:
    """The experiment that answers the question: its row of experiments.tsv, and why this one."""

    row: Row
    reason: str
    held_out: bool


def headline(experiments: Sequence[Row], choice: Sequence[Row]) -> Headline:
    """The experiment whose score a report opens with.

    The one that validation scores chose, if it held people out: its score is not the best of
    several. Without a choice, that with the highest score for held-out people.

    Args:
        experiments: rows of `summary/experiments.tsv`, at least one.
        choice: rows of `model_selection/validation.tsv`; none if nothing was chosen.
    """
    held_out = [row for row in experiments if row["held_out"] == HELD_OUT]
    best_in = {row["experiment"]: int(row["best_in_folds"] or 0) for row in choice}
    chosen = {row["experiment"] for row in choice if row["chosen"] == "yes"}
    folds = sum(best_in.values())
    for row in held_out:
        if row["experiment"] in chosen:
            others = folds - best_in[row["experiment"]]
            reason = "chosen by validation scores; those of each fold alone would choose it too"
            if others:
                reason = (
                    f"chosen by validation scores of all folds; those of {others} of {folds} alone "
                    "would choose another"
                )
            return Headline(row, reason, True)
    best = max(held_out or experiments, key=_score)
    reason = "the only experiment"
    if len(held_out or experiments) > 1:
        reason = "the highest score of several, so slightly too high"
    return Headline(best, reason, bool(held_out))


def _score(row: Row) -> float:
    return float(row["macro_f1"])


@dataclass(frozen=True)
class Study:
    """What the tables of the overview hold: see `tap2key.reports.overview`."""

    sessions: Sequence[Row]
    recordings: Sequence[Row]
    left_out: Sequence[Row]
    channels: Sequence[Row]

    @property
    def not_used(self) -> int:
        """Recordings that were left out."""
        return sum(row["status"] != "ok" for row in self.recordings)

    @property
    def passed_over(self) -> int:
        """Files and folders that were not taken as recordings or touch logs."""
        return len(self.left_out) - self.not_used


def study_line(study: Study) -> str:
    """Who and how much was recorded, and what of it is not used, in one line."""
    people = len({row["participant"] for row in study.recordings})
    sessions = len({(row["participant"], row["session"]) for row in study.recordings})
    total = study.sessions[-1]
    unused = [
        counted(number, *nouns)
        for number, nouns in (
            (study.not_used, ("recording",)),
            (study.passed_over, ("other file or folder", "other files and folders")),
        )
        if number
    ]
    return (
        f"{counted(people, 'participant')}, {counted(sessions, 'session')}, "
        f"{counted(len(study.recordings), 'recording')} ({total['minutes']} minutes used), "
        f"{int(total['taps']):,} taps, {int(total['matched']):,} of them with a key. Left out: "
        f"{' and '.join(unused) or 'nothing'}."
    )


def warnings(
    best: Headline,
    experiments: Iterable[Row],
    study: Study,
    comparisons: Iterable[Row],
    simulated: bool,
) -> list[str]:
    """What a reader must know before trusting the score; each a sentence, the gravest first.

    Args:
        best: whose score the report opens with.
        experiments: rows of `summary/experiments.tsv`.
        study: what the overview holds.
        comparisons: rows of `summary/comparisons.tsv`.
        simulated: the study is.
    """
    found = []
    if not best.held_out:
        found.append(
            "No experiment held people out: no score here says anything about a new person."
        )
    if simulated:
        found.append(SIMULATED)
    for row in experiments:
        if int(row["models_at_chance"] or 0):
            found.append(
                f"{row['experiment']}: {row['models_at_chance']} of {row['models']} models stayed "
                "at chance in training; their scores are in its mean."
            )
    if best.held_out:
        found += _too_few(int(best.row["participants"]), comparisons)
    if study.not_used:
        # The table of what is left out begins with them.
        why = Counter(row["reason"] for row in study.left_out[: study.not_used])
        found.append(
            f"{study.not_used} of {counted(len(study.recordings), 'recording')} left out; the most "
            f"frequent reason: {why.most_common(1)[0][0]}"
        )
    flagged = Counter(row["verdict"] for row in study.channels if row["verdict"] != OK)
    if flagged:
        kinds = ", ".join(f"{number} {verdict}" for verdict, number in flagged.most_common())
        found.append(
            f"{flagged.total()} of {len(study.channels)} channels of recordings flagged: {kinds}."
        )
    warned = sum(bool(row["warnings"]) for row in study.recordings)
    if warned:
        found.append(f"{counted(warned, 'recording')} with warnings from segmentation.")
    return found


def _too_few(participants: int, comparisons: Iterable[Row]) -> list[str]:
    """A sentence where so few people were tested that no difference can be significant.

    Each family of comparisons named beforehand takes a number of its own; without any, two
    experiments are compared once.
    """
    known = [row for row in comparisons if row["needs_participants"]]
    pairs = [(int(row["participants"]), int(row["needs_participants"])) for row in known]
    one = fewest_participants(1)
    has, needed = max(pairs or [(participants, one)], key=lambda pair: pair[0] - pair[1])
    if has >= needed:
        return []
    rough = "the interval is rough, and " if participants < one else ""
    what = "comparison named beforehand" if pairs else "difference between experiments"
    return [
        f"With {counted(has, 'participant')} {rough}no {what} can be significant (that takes "
        f"{needed})."
    ]
