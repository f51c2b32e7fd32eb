"""The folds that each kind of split makes: whose datasets one trains and tests on."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tap2key.core.digests import digest
from tap2key.core.errors import Tap2keyError
from tap2key.core.names import folded
from tap2key.study.manifest import Recording
from tap2key.study.naming import is_usable
from tap2key.study.session_files import TABLE_NAME

# Splits with everybody's taps on all sides.
WITHIN_PEOPLE = ("random", "chronological", "blocks", "k_fold")
# What each of several folds is called, and the argument that says which it is.
NUMBERED = {"blocks": ("block", "--block"), "k_fold": ("part", "--part")}


@dataclass(frozen=True)
class FoldPlan:
    """Whose datasets a fold trains and tests on, and the fold stage's arguments that say so.

    `held` is a hash of the held-out recordings, where the arguments do not determine them.
    """

    train: tuple[str, ...]
    test: tuple[str, ...]
    options: tuple[str, ...]
    held: str = ""


def values_of(recordings: Iterable[Recording], column: str, experiment: str) -> list[str]:
    """The values of a column of the study table, by name.

    Raises:
        Tap2keyError: a recording without a value, or a value that cannot name a fold.
    """
    found: dict[str, Recording] = {}
    for recording in recordings:
        value = recording.value_of(column)
        if value is None:
            raise Tap2keyError(
                f"config: experiments.{experiment}.by: no {column} is given for {recording.path}; "
                f"fill it in for every session in {TABLE_NAME}"
            )
        found.setdefault(value, recording)
    alike: dict[str, str] = {}
    for value in sorted(found):
        other = alike.setdefault(folded(value), value)
        if not is_usable(value) or other != value:
            reason = (
                f"differs from {other!r} only in case or spaces"
                if other != value
                else (
                    "is empty or has a leading dot or dash, a slash, a brace or a control character"
                )
            )
            raise Tap2keyError(
                f"config: experiments.{experiment}.by: the {column} {value!r} cannot name a fold "
                f"({reason}); rename it in {TABLE_NAME}"
            )
    return sorted(found)


def value_folds(
    recordings: Sequence[Recording], column: str, values: Iterable[str]
) -> dict[str, FoldPlan]:
    """A fold for each value: its recordings are tested, those of all other values train."""
    folds = {}
    for value in values:
        tested = [r for r in recordings if r.value_of(column) == value]
        trained = [r for r in recordings if r.value_of(column) != value]
        folds[value] = FoldPlan(
            tuple(sorted({r.participant for r in trained})),
            tuple(sorted({r.participant for r in tested})),
            ("--held-group", column, value),
            digest([str(r.path) for r in tested]),
        )
    return folds


def person_folds(
    everybody: Sequence[str], tested: Iterable[str], most: int | None = None
) -> dict[str, FoldPlan]:
    """A fold for each tested participant, who is held out of everything.

    With `most`, so many of the others train: those who follow the tested one by name, and after
    the last the first, so that everybody trains equally often.
    """
    return {person: _held_out((person,), everybody, most) for person in tested}


def people_folds(
    everybody: Sequence[str], tested: Iterable[str], groups: int, most: int | None, experiment: str
) -> dict[str, FoldPlan]:
    """A fold for each group of people, dealt by name in turn, that holds somebody of `tested`.

    See `person_folds` for `most`.

    Raises:
        Tap2keyError: there are more groups than people.
    """
    if groups > len(everybody):
        raise Tap2keyError(
            f"config: experiments.{experiment}.blocks is {groups}, but the study has "
            f"{len(everybody)} participants; give at most so many groups"
        )
    wanted = set(tested)
    dealt = {f"group-{at + 1}": tuple(everybody[at::groups]) for at in range(groups)}
    return {
        name: _held_out(group, everybody, most)
        for name, group in dealt.items()
        if not wanted.isdisjoint(group)
    }


def _held_out(tested: tuple[str, ...], everybody: Sequence[str], most: int | None) -> FoldPlan:
    at = everybody.index(tested[0])
    others = [p for p in (*everybody[at:], *everybody[:at]) if p not in tested][:most]
    return FoldPlan(tuple(sorted(others)), tested, ("--held-out", *tested))


def session_folds(
    everybody: tuple[str, ...], pairs: Sequence[tuple[str, str]], experiment: str
) -> dict[str, FoldPlan]:
    """A fold for each participant and session of `pairs`; the participant's other sessions train.

    Raises:
        Tap2keyError: two folds would have one name.
    """
    folds = {
        f"{person}~{session}": FoldPlan(everybody, (person,), ("--held-session", person, session))
        for person, session in pairs
    }
    if len(folds) < len(pairs):
        names = [f"{person}~{session}" for person, session in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise Tap2keyError(
            f"experiments.{experiment}: two sessions' folds would both be called {twice}, "
            f"since '~' joins participant and session; rename the one that contains it "
            f"in {TABLE_NAME}"
        )
    return folds


def folds_within_people(split: str, everybody: tuple[str, ...], blocks: int) -> dict[str, FoldPlan]:
    """The folds of a split of `WITHIN_PEOPLE`."""
    if split in NUMBERED:
        name, option = NUMBERED[split]
        return {
            f"{name}-{number}": FoldPlan(everybody, everybody, (option, str(number)))
            for number in range(1, blocks + 1)
        }
    return {split: FoldPlan(everybody, everybody, (f"--{split}",))}
