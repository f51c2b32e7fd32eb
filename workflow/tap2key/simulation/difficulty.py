"""Read the numbers that fix how difficult a study is."""

from pathlib import Path
from typing import Any

import yaml

from tap2key.config.experiments import merge
from tap2key.core.errors import Tap2keyError
from tap2key.core.shipped import DIFFICULTY, SHIPPED_DIFFICULTIES

Difficulty = dict[str, dict[str, Any]]
# Sections whose entries replace numbers of the others, for the sessions that have them.
TABLES, ROOMS = "tables", "rooms"
# Files written before this section was there have none of what it adds.
DISTURBANCES = "disturbances"


def difficulty_files(named: str | Path | None) -> list[Path]:
    """The files that a difficulty is read from: None is the standard one, others are by name."""
    if named in SHIPPED_DIFFICULTIES:
        return [DIFFICULTY, SHIPPED_DIFFICULTIES[str(named)]]
    return [Path(named or DIFFICULTY)]


def load_difficulty(named: str | Path | None = None) -> Difficulty:
    """Read a difficulty: the standard one, a shipped one by name, or a user's file.

    Raises:
        Tap2keyError: the file is unreadable, or does not have exactly the standard file's keys
            (the section `disturbances` may be missing as a whole) with the same kinds of values
            (number, or list of as many numbers).
    """
    standard = _read(DIFFICULTY)
    if named is None:
        return standard
    path = difficulty_files(named)[-1]
    given = _read(path)
    if named in SHIPPED_DIFFICULTIES:
        given = merge(standard, given)
    elif isinstance(given, dict):
        given.setdefault(DISTURBANCES, standard[DISTURBANCES])
    _compare(str(path), given, standard)
    return given


def of_session(difficulty: Difficulty, table: str, room: str) -> Difficulty:
    """The difficulty at a table and in a room, whose own numbers replace the study's."""
    return merge(merge(difficulty, difficulty[TABLES][table]), difficulty[ROOMS][room])


def _read(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise Tap2keyError(f"{path}: difficulty file not readable ({error})") from None
    except yaml.YAMLError as error:
        problem = " ".join(str(error).split())
        raise Tap2keyError(f"{path}: difficulty file is not valid YAML ({problem})") from None


def _compare(where: str, given: Any, standard: dict[str, Any]) -> None:
    _compare_keys(where, given, standard)
    sections = {key: part for key, part in standard.items() if key not in (TABLES, ROOMS)}
    for key, part in sections.items():
        _compare_part(f"{where}: {key}", given[key], part)
    _compare_keys(f"{where}: {TABLES}", given[TABLES], standard[TABLES])
    if not isinstance(given[ROOMS], dict) or not given[ROOMS]:
        raise Tap2keyError(f"{where}: {ROOMS} must name at least one room")
    for kind in (TABLES, ROOMS):
        for name, entry in given[kind].items():
            if not isinstance(name, str):
                raise Tap2keyError(f"{where}: {kind}: write the name {name!r} in quotes")
            if not isinstance(entry, dict):
                raise Tap2keyError(
                    f"{where}: {kind}: {name} must be a section; write {{}} if empty"
                )
            own = merge({key: given[key] for key in sections}, entry)
            _compare_keys(f"{where}: {kind}: {name}", own, sections)
            for key, part in sections.items():
                _compare_part(f"{where}: {kind}: {name}: {key}", own[key], part)
    sets = given["microphones"]["sets"]
    if sets < 1 or sets != int(sets):
        raise Tap2keyError(f"{where}: microphones: sets is {sets}; give a whole number above 0")
    samples = given[DISTURBANCES]["skew"]["samples"]
    if samples < 0 or samples != int(samples):
        raise Tap2keyError(
            f"{where}: {DISTURBANCES}: skew: samples is {samples}; give a whole number, 0 or above"
        )


def _compare_keys(where: str, given: Any, standard: dict[str, Any]) -> None:
    if not isinstance(given, dict):
        raise Tap2keyError(f"{where}: must be a section with {', '.join(standard)}")
    for key in [*standard, *given]:
        if key not in given:
            raise Tap2keyError(f"{where}: {key} is missing; copy it from {DIFFICULTY.name}")
        if key not in standard:
            raise Tap2keyError(f"{where}: unknown key {key}; remove it")


def _compare_part(where: str, given: Any, standard: Any) -> None:
    if isinstance(standard, dict):
        _compare_keys(where, given, standard)
        for key, part in standard.items():
            _compare_part(f"{where}: {key}", given[key], part)
    elif isinstance(standard, list):
        if not isinstance(given, list) or len(given) != len(standard):
            raise Tap2keyError(f"{where}: must be a list of {len(standard)} numbers")
        if not all(_is_number(value) for value in given):
            raise Tap2keyError(f"{where}: must be a list of {len(standard)} numbers")
        if len(given) == 2 and given[0] > given[1]:
            raise Tap2keyError(f"{where}: the range ends before it begins; swap its numbers")
    elif not _is_number(given):
        raise Tap2keyError(f"{where}: must be a number")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
