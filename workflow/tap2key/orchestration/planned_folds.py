"""The folds of an experiment: whose datasets each trains and tests on, and what is held out."""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tap2key.config.configuration import choose
from tap2key.core.errors import Tap2keyError
from tap2key.core.path_variables import filled_in
from tap2key.orchestration.fold_plans import (
    WITHIN_PEOPLE,
    FoldPlan,
    folds_within_people,
    people_folds,
    person_folds,
    session_folds,
    value_folds,
    values_of,
)
from tap2key.study.manifest import Recording

LEFT_OUT = {
    "leave_one_participant_out": "participant",
    "group_k_fold": "participant",
    "leave_one_session_out": "session",
}
FEWEST_HELD_OUT = 2


def left_out_by(settings: Mapping[str, Any]) -> str | None:
    """The column whose values an experiment leaves out, by one or in groups; else None."""
    split = settings["split"]
    return settings["by"].lower() if split == "leave_one_out" else LEFT_OUT.get(split)


def holds_people_out(settings: Mapping[str, Any]) -> bool:
    """Whether an experiment's tested participants are never seen in training."""
    return settings["split"] == "predefined" or left_out_by(settings) == "participant"


def holds_sessions_out(settings: Mapping[str, Any], recordings: Iterable[Recording]) -> bool:
    """Whether an experiment's tested sessions are never seen in training, whoever's they are.

    Where a column's values are left out, no session may have recordings of two.
    """
    column = left_out_by(settings)
    if column in (None, "participant", "session"):
        return column is not None or settings["split"] == "predefined"
    value_in: dict[tuple[str, str], str | None] = {}
    return all(
        value_in.setdefault((r.participant, r.session), r.value_of(column)) == r.value_of(column)
        for r in recordings
    )


def plan_folds(
    experiment: str,
    experiments: Mapping[str, Mapping[str, Any]],
    sessions_of: Mapping[str, Sequence[str]],
    selection: Any,
    roots: Sequence[Path],
    recordings: Sequence[Recording],
) -> dict[str, FoldPlan]:
    """The folds of an experiment by name; each is named after what it holds out.

    Args:
        experiment: its name.
        experiments: the settings of all that run.
        sessions_of: everybody's sessions, by participant.
        selection: the configuration's `select_folds`.
        roots: the study's root folders; if several, each stands for everybody in it.
        recordings: all that are used.

    Raises:
        Tap2keyError: two folds of one name, a column without a value, nothing selected, or
            predefined people who do not exist or are on both sides, or training participants
            limited where they are not who is held out, or to more than there are.
    """
    settings, everybody = experiments[experiment], tuple(sorted(sessions_of))
    split, column = settings["split"], left_out_by(settings)
    most = settings["training_participants"]
    if most is not None:
        _check_most(experiment, settings, len(everybody))
    if split in WITHIN_PEOPLE:
        return folds_within_people(split, everybody, settings["blocks"])
    if column is None:
        sides = {
            side: people_named(names, roots, recordings)
            for side, names in settings["predefined"].items()
        }
        where = f"experiments.{experiment}.predefined"
        return {"predefined": _predefined_fold(sides, everybody, where)}

    def chosen(values: Sequence[str]) -> list[str]:
        return _chosen(experiment, values, experiments, selection, recordings)

    if split == "group_k_fold":
        return people_folds(everybody, chosen(everybody), settings["blocks"], most, experiment)
    if column == "participant":
        return person_folds(everybody, chosen(everybody), most)
    if column == "session":
        pairs = [(person, name) for person in chosen(everybody) for name in sessions_of[person]]
        return session_folds(everybody, pairs, experiment)
    return value_folds(recordings, column, chosen(values_of(recordings, column, experiment)))


def _check_most(experiment: str, settings: Mapping[str, Any], people: int) -> None:
    most, where = settings["training_participants"], f"experiments.{experiment}"
    if left_out_by(settings) != "participant":
        raise Tap2keyError(
            f"config: {where}.training_participants: only where participants are held out; leave "
            "it at null, or set split to leave_one_participant_out"
        )
    tested = math.ceil(people / settings["blocks"]) if settings["split"] == "group_k_fold" else 1
    if most > people - tested:
        raise Tap2keyError(
            f"config: {where}.training_participants is {most}, but beside those tested the study "
            f"has {people - tested}; give at most so many, or null for all"
        )


def _chosen(
    experiment: str,
    values: Sequence[str],
    experiments: Mapping[str, Mapping[str, Any]],
    selection: Any,
    recordings: Sequence[Recording],
) -> list[str]:
    """Those of an experiment's values whose folds are to run; a value of any experiment counts."""
    known = dict.fromkeys(sorted({r.participant for r in recordings}))
    for name, settings in experiments.items():
        column = left_out_by(settings)
        if column not in (None, "participant", "session"):
            known |= dict.fromkeys(values_of(recordings, column, name))
    wanted = choose(list(known), selection, "select_folds")
    chosen = [value for value in values if value in wanted]
    if not chosen:
        raise Tap2keyError(
            f"config: select_folds: selects no fold of experiments.{experiment}; available: "
            f"{', '.join(values)}"
        )
    return chosen


def _predefined_fold(
    sides: Mapping[str, Sequence[str]], everybody: tuple[str, ...], where: str
) -> FoldPlan:
    train, test = (
        tuple(choose(list(everybody), list(sides[side]), f"{where}.{side}"))
        for side in ("train", "test")
    )
    both = sorted(set(train) & set(test))
    if both:
        raise Tap2keyError(
            f"config: {where}: {', '.join(both)} in both train and test; name each participant once"
        )
    return FoldPlan(train, test, ("--held-out", *test))


def people_named(
    entries: Iterable[str], roots: Sequence[Path], recordings: Iterable[Recording]
) -> list[str]:
    """The participants that a list names, one by one or by a root folder of the study."""
    found = []
    for entry in entries:
        root = Path(filled_in(entry)) if isinstance(entry, str) else None
        if len(roots) > 1 and root in roots:
            found += [r.participant for r in recordings if r.path.is_relative_to(root)]
        else:
            found.append(entry)
    return found


def check_enough(
    experiment: str, settings: Mapping[str, Any], recordings: Sequence[Recording]
) -> None:
    """Check that an experiment that leaves one out has at least two to choose from.

    Raises:
        Tap2keyError: it has only one.
    """
    column = left_out_by(settings)
    if column is None and settings["split"] != "predefined":
        return
    people = sorted({r.participant for r in recordings})
    if column in (None, "participant"):
        if len(people) < FEWEST_HELD_OUT:
            raise Tap2keyError(
                f"the study has one participant ({people[0]}), too few to hold one out as "
                f"experiments.{experiment} does; add participants, widen select_participants, or "
                "set split to leave_one_session_out, chronological or blocks"
            )
        return
    if column == "session":
        found = sorted({f"{r.participant}/{r.session}" for r in recordings})
    else:
        found = values_of(recordings, column, experiment)
    if len(found) < FEWEST_HELD_OUT:
        raise Tap2keyError(
            f"the study has one {column} ({found[0]}), too few to hold one out as "
            f"experiments.{experiment} does; add one, or set split to chronological or blocks"
        )
