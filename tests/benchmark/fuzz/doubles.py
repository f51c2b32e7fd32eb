"""The same recording twice: copied, linked, saved in another format, under another name."""

import os
import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from benchmark.fuzz import sounds
from benchmark.fuzz.base import digest_of, started
from benchmark.fuzz.mutant import ACOUSTIC, NEONODE, Expect, Mutant, NotHere, Sound
from benchmark.fuzz.places import SUFFIX, name_of, named
from benchmark.fuzz.registry import PLACES, mutation

LINKED = ("copy", "hard link", "symbolic link", "relative link")


def doubled(mutant: Mutant, path: Path, to: Path, how: str) -> None:
    """Make `to` another name of what is at `path`, or a copy of it."""
    if os.path.lexists(to):
        raise NotHere
    match how:
        case "copy":
            shutil.copyfile(path, to)
        case "hard link":
            os.link(path, to)
        case "symbolic link":
            to.symlink_to(path)
        case "relative link":
            to.symlink_to(os.path.relpath(path, to.parent))
        case "saved anew":
            sounds.saved_anew(mutant, path, to)


def other_session_name(mutant: Mutant, session: Path) -> str:
    """A name for a copy of a session folder."""
    person, date = named(session)
    people = sorted({named(s)[0] for s in mutant.sessions()} - {person})
    names = [
        f"{mutant.one(people)}_{date}",
        f"Bob_{date}",
        f"{person}_12_24_23{SUFFIX}",
        f"Copy of {session.name}",
        f"{session.name} (1)",
        f"{session.name} - Copy",
        f"{person}_{date} copy",
        f"old/{session.name}",
        f"{person.lower()}_{date}",
    ]
    return names[mutant.rng.integers(len(names))]


@mutation(PLACES)
def session_doubled(mutant: Mutant) -> None:
    session = mutant.one(mutant.sessions())
    to = session.parent / other_session_name(mutant, session)
    if os.path.lexists(to):
        raise NotHere
    mutant.mark(session, Expect.RIGHT, refusable=True)
    if mutant.rng.random() < 0.25:
        to.parent.mkdir(exist_ok=True)
        to.symlink_to(session)
        mutant.involve(to)
        return
    how = mutant.some("copy", "copy", "hard link", "symbolic link", "saved anew")
    for part in (ACOUSTIC, NEONODE):
        (to / part).mkdir(parents=True)
        for path in sorted((session / part).iterdir()):
            if path.is_file():
                sound = path.suffix.lower() != ".csv" and digest_of(path) in mutant.sounds
                own = how if sound or how != "saved anew" else "copy"
                doubled(mutant, path, to / part / path.name, own)
    mutant.involve(to)


@mutation(PLACES)
def recording_doubled(mutant: Mutant) -> None:
    """In its own session, under a name that such copies get."""
    path, _ = mutant.wav()
    name, stem = path.name, path.stem
    names = [f"Copy of {name}", f"{stem} (1).wav", f"{stem} - Copy.wav", f"{stem}.WAV", f"b_{name}"]
    names += [f"{stem}.flac", f"{stem}.w64", f"part2/{name}", f"../{name}", f"{stem[:-1]}4.wav"]
    to = path.parent / names[mutant.rng.integers(len(names))]
    to.parent.mkdir(exist_ok=True)
    how = "saved anew" if to.suffix in (".flac", ".w64") else mutant.some(*LINKED, "saved anew")
    mutant.mark(path.parent.parent, Expect.RIGHT, refusable=True)
    doubled(mutant, path, to, how)
    mutant.involve(to)


@mutation(PLACES)
def recording_doubled_in_another_session(mutant: Mutant) -> None:
    path, _ = mutant.wav()
    session = mutant.one([s for s in mutant.sessions() if s != path.parent.parent])
    mutant.mark(path.parent.parent, Expect.RIGHT, refusable=True)
    mutant.mark(session, Expect.RIGHT)
    to = session / ACOUSTIC / path.name
    doubled(mutant, path, to, mutant.some(*LINKED, "saved anew"))
    if mutant.rng.random() < 0.5:
        for log in sorted((path.parent.parent / NEONODE).glob("*")):
            if log.is_file():
                doubled(mutant, log, session / NEONODE / f"b_{log.name}", "copy")
    mutant.involve(to)


@mutation(PLACES)
def log_doubled(mutant: Mutant) -> None:
    """The copy lies in the same session, or in one where its touches fit nothing."""
    path, _ = mutant.log()
    if digest_of(path) not in mutant.base.logs:
        raise NotHere
    parent = mutant.one(mutant.sessions()) / NEONODE
    mutant.mark(parent.parent, Expect.SAME, refusable=True)
    doubled(mutant, path, parent / f"Copy of {path.name}", mutant.some(*LINKED))
    mutant.involve(path)
    mutant.involve(parent)


@mutation(PLACES)
def recording_doubled_in_part(mutant: Mutant) -> None:
    """Somebody has cut out a piece and named it rightly, with its log if it is elsewhere."""
    path, sound = mutant.wav()
    read, rate = sounds.samples(path)
    if sound != Sound(sound.recording) or rate != 96_000 or path.stem != sound.recording:
        raise NotHere
    session = mutant.one(mutant.sessions())
    first = int(mutant.rng.uniform(0.05, 0.5) * len(read))
    late_s = first / rate
    to = session / ACOUSTIC / name_of(started(path.stem) + timedelta(seconds=round(late_s, 3)))
    if to.exists():
        raise NotHere
    for touched in (path.parent.parent, session):
        mutant.mark(touched, Expect.RIGHT, refusable=True)
    if session != path.parent.parent:
        for log in sorted((path.parent.parent / NEONODE).iterdir()):
            if log.is_file():
                doubled(mutant, log, session / NEONODE / f"b_{log.name}", "copy")
    piece = replace(sound, pieces=((0.0, late_s),))
    mutant.write_sound(to, sounds.as_wav(read[first:], rate), piece)
    mutant.involve(to)
