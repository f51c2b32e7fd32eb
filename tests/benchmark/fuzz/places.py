"""Files and folders moved and renamed."""

import os
import shutil
import unicodedata
from datetime import datetime, timedelta
from pathlib import Path

from benchmark.fuzz.base import started
from benchmark.fuzz.mutant import ACOUSTIC, NEONODE, Expect, Mutant, NotHere
from benchmark.fuzz.registry import PLACES, mutation

SUFFIX = "_data"


def moved(mutant: Mutant, path: Path, name: str) -> Path:
    """Rename a file or folder; the name is seen from its folder."""
    to = Path(os.path.normpath(path.parent / name))
    if os.path.lexists(to):
        raise NotHere
    path.rename(to)
    mutant.involve(to)
    return to


def name_of(start: datetime) -> str:
    """A recording's name that says when it started."""
    return f"{start:%H.%M.%S}.{start.microsecond // 1000:03d}_{start:%m_%d_%Y}.wav"


def named(session: Path) -> tuple[str, str]:
    """Participant and session of a session folder of the base study's layout."""
    person, _, date = session.name.partition("_")
    if not date:
        raise NotHere
    return person, date


@mutation(PLACES)
def session_renamed(mutant: Mutant) -> None:
    session = mutant.one(mutant.sessions())
    date = f"{mutant.rng.integers(1, 13):02d}_{mutant.rng.integers(1, 29):02d}_24"
    moved(mutant, session, f"{named(session)[0]}_{date}{SUFFIX}")


@mutation(PLACES)
def participant_renamed(mutant: Mutant) -> None:
    person = named(mutant.one(mutant.sessions()))[0]
    name = mutant.some("O'Hara", 'Mia "M"', "Bo Lee", "Zoë", "小林", "p-01", "A&B", "$HOME", "100%")
    for session in mutant.sessions():
        if session.parent == mutant.study and named(session)[0] == person:
            moved(mutant, session, f"{name}_{named(session)[1]}")


@mutation(PLACES)
def sessions_nested(mutant: Mutant) -> None:
    chosen = mutant.one(mutant.sessions())
    if chosen.parent != mutant.study:
        raise NotHere
    person = named(chosen)[0]
    (mutant.study / person).mkdir(exist_ok=True)
    for session in mutant.sessions():
        if session.parent == mutant.study and named(session)[0] == person:
            session.rename(mutant.study / person / named(session)[1])


@mutation(PLACES)
def session_buried(mutant: Mutant) -> None:
    session = mutant.one(mutant.sessions())
    folder = session.parent / mutant.some("a/b", "2023/January", "x_y/z")
    folder.mkdir(parents=True)
    session.rename(folder / session.name)
    mutant.mark(folder / session.name, Expect.RIGHT, refusable=True)


@mutation(PLACES)
def name_decomposed(mutant: Mutant) -> None:
    session = mutant.one([s for s in mutant.sessions() if not s.name.isascii()])
    moved(mutant, session, unicodedata.normalize("NFD", session.name))


@mutation(PLACES)
def name_in_other_case_or_spaces(mutant: Mutant) -> None:
    session = mutant.one(mutant.sessions())
    person, date = named(session)
    changed = (
        person.upper(),
        person.lower(),
        f"{person} ",
        f" {person}",
        f"{person[0]} {person[1:]}",
    )
    name = changed[mutant.rng.integers(len(changed))]
    mutant.mark(session, Expect.RIGHT, refusable=True)
    moved(mutant, session, f"{name}_{date}")


@mutation(PLACES)
def part_misnamed(mutant: Mutant) -> None:
    session = mutant.one(mutant.sessions())
    part = mutant.some(ACOUSTIC, NEONODE)
    number, word = part.split(".")
    names = (f"{number}.{word.title()}", part.upper(), f"{number} {word}", f"{part} ", word)
    mutant.mark(session, Expect.RIGHT, refusable=True)
    moved(mutant, session / part, names[mutant.rng.integers(len(names))])


@mutation(PLACES)
def recording_in_a_subfolder(mutant: Mutant) -> None:
    path, _ = mutant.wav()
    folder = path.parent / mutant.some("part2", "old", "New folder", "2")
    mutant.mark(path.parent.parent, Expect.RIGHT, refusable=True)
    folder.mkdir(exist_ok=True)
    path.rename(folder / path.name)
    mutant.involve(folder)


@mutation(PLACES)
def recording_beside_its_folder(mutant: Mutant) -> None:
    path, _ = mutant.wav()
    mutant.mark(path.parent.parent, Expect.RIGHT, refusable=True)
    to = path.parent.parent if mutant.rng.random() < 0.7 else path.parent.parent / NEONODE
    moved(mutant, path, str(to / path.name))


@mutation(PLACES)
def recording_in_another_session(mutant: Mutant) -> None:
    path, _ = mutant.wav()
    others = [s for s in mutant.sessions() if s != path.parent.parent]
    to = mutant.one(others) / ACOUSTIC / path.name
    mutant.mark(path.parent.parent, Expect.RIGHT, refusable=True)
    if to.exists():
        raise NotHere
    path.rename(to)
    mutant.involve(to)


@mutation(PLACES)
def recording_renamed(mutant: Mutant) -> None:
    path, _ = mutant.wav()
    names = (
        f"Copy of {path.name}",
        f"{path.stem} (1).wav",
        f"{path.stem} - Copy.wav",
        "tapping.wav",
    )
    mutant.mark(path, Expect.RIGHT, refusable=True)
    moved(mutant, path, names[mutant.rng.integers(len(names))])


@mutation(PLACES)
def suffix_in_other_case(mutant: Mutant) -> None:
    path, _ = mutant.wav()
    moved(mutant, path, path.stem + mutant.some(".WAV", ".Wav"))


@mutation(PLACES)
def log_renamed(mutant: Mutant) -> None:
    path, _ = mutant.log()
    stem = path.stem
    names = (
        f"{stem}_1.csv",
        f"{stem} (1).csv",
        f"{stem}.csv.txt",
        f"{stem} - Copy.csv",
        "touch.csv",
    )
    mutant.mark(path, Expect.RIGHT, refusable=True)
    moved(mutant, path, names[mutant.rng.integers(len(names))])


@mutation(PLACES)
def log_suffix_in_other_case(mutant: Mutant) -> None:
    path, _ = mutant.log()
    moved(mutant, path, path.stem.replace("nnode", mutant.some("nnode", "NNode")) + ".CSV")


@mutation(PLACES)
def second_log_passed_over(mutant: Mutant) -> None:
    """Half of a session's touches lie in a file of another name or in a folder below."""
    path, rows = mutant.log()
    mutant.mark(path, Expect.RIGHT, refusable=True)
    half = len(rows) // 2
    stem = path.stem
    other = mutant.some(f"{stem}_1.csv", f"{stem} (1).csv", f"old/{path.name}", f"{stem}.csv.txt")
    (path.parent / other).parent.mkdir(exist_ok=True)
    mutant.write_rows(path.parent / other, rows[half:])
    mutant.write_rows(path, rows[:half])
    mutant.involve(path.parent / other)


@mutation(PLACES)
def logs_swapped(mutant: Mutant) -> None:
    first, _ = mutant.log()
    second = mutant.one([p for p in mutant.touch_logs() if p.parent != first.parent])
    for path in (first, second):
        mutant.mark(path, Expect.RIGHT, refusable=True)
    between = mutant.elsewhere / "between"
    first.rename(between)
    second.rename(first)
    between.rename(second)


@mutation(PLACES)
def part_missing(mutant: Mutant) -> None:
    session = mutant.one(mutant.sessions())
    part = session / mutant.some(ACOUSTIC, NEONODE)
    mutant.mark(session, Expect.RIGHT, refusable=True)
    shutil.rmtree(part)
    if mutant.rng.random() < 0.5:
        part.mkdir()


@mutation(PLACES)
def start_in_name_edited(mutant: Mutant) -> None:
    path, sound = mutant.wav()
    if path.stem != sound.recording:
        raise NotHere
    mutant.mark(path, Expect.RIGHT, refusable=True)
    off_s = [1, 5, 30, 60, 3600, 43_200, 86_400, 31 * 86_400]
    by_s = float(mutant.one(off_s)) * float(mutant.one([-1, 1]))
    name = name_of(started(path.stem) + timedelta(seconds=by_s))
    if mutant.rng.random() < 0.15:
        name = name.replace(name[:8], mutant.some("25.00.00", "12.61.00", "1.2.3"))
    moved(mutant, path, name)


@mutation(PLACES)
def all_of_one_start(mutant: Mutant) -> None:
    """Two recordings of a session that claim to have begun at once."""
    path, _ = mutant.wav()
    others = mutant.wavs(lambda other: other != path and other.parent == path.parent)
    other = mutant.one(others)
    mutant.mark(path.parent, Expect.RIGHT, refusable=True)
    moved(mutant, other, f"b {path.name}")


@mutation(PLACES)
def unusable_name(mutant: Mutant) -> None:
    """A character that stands for something else, or none at all."""
    session = mutant.one(mutant.sessions())
    path = mutant.one([session, mutant.wav()[0], mutant.log()[0]])
    mutant.mark(path, Expect.RIGHT, refusable=True)
    what = mutant.some("{a}", "{", "\t", "\n", "\udce9", "\x7f")
    moved(mutant, path, f"{path.name[0]}{what}{path.name[1:]}")
