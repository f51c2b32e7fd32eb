"""Links to other disks, to nowhere and in circles; files that systems and people leave about."""

import os

from benchmark.fuzz.mutant import ACOUSTIC, NEONODE, Expect, Mutant, NotHere
from benchmark.fuzz.registry import PLACES, mutation


@mutation(PLACES)
def kept_elsewhere_and_linked(mutant: Mutant) -> None:
    """A session, a part of it or a file lies on another disk."""
    session = mutant.one(mutant.sessions())
    kinds = [session, session / ACOUSTIC, session / NEONODE, *session.glob("*/*")]
    path = mutant.one([kind for kind in kinds if not kind.is_symlink()])
    to = mutant.elsewhere / f"{len(list(mutant.elsewhere.iterdir()))} {path.name}"
    path.rename(to)
    path.symlink_to(to)
    mutant.involve(path)


@mutation(PLACES)
def linked_in_a_loop(mutant: Mutant) -> None:
    folders = [
        mutant.study,
        *(s for session in mutant.sessions() for s in (session, session / ACOUSTIC)),
    ]
    folder = mutant.one(folders)
    loop = folder / "loop"
    if loop.is_symlink():
        raise NotHere
    loop.symlink_to(mutant.some(".", str(folder), "loop", str(mutant.study)))
    mutant.refusable = True
    mutant.involve(loop)


@mutation(PLACES)
def linked_to_nowhere(mutant: Mutant) -> None:
    session = mutant.one(mutant.sessions())
    path = mutant.one(
        [
            session / "old",
            mutant.study / "Bob_01_01_23_data",
            session / ACOUSTIC / "10.00.00.000_01_01_2022.wav",
            session / NEONODE / "b_nnode.csv",
        ]
    )
    if path.is_symlink():
        raise NotHere
    path.symlink_to(mutant.elsewhere / "gone" / path.name)
    if path.parent.name == NEONODE:
        mutant.mark(session, Expect.RIGHT)
    mutant.refusable = True
    mutant.involve(path)


@mutation(PLACES)
def junk_of_systems(mutant: Mutant) -> None:
    """What macOS and Windows leave in every folder."""
    session = mutant.one(mutant.sessions())
    for part in (ACOUSTIC, NEONODE):
        for name in [f"._{path.name}" for path in (session / part).iterdir()]:
            mutant.write(session / part / name, b"\0\5\x16\7\0\2\0\0Mac OS X        " + bytes(4062))
        mutant.write(
            session / part / mutant.some(".DS_Store", "Thumbs.db", "desktop.ini"), b"\0\0\0\1Bud1"
        )
    mutant.write(mutant.study / ".DS_Store", b"\0\0\0\1Bud1")


@mutation(PLACES)
def other_files(mutant: Mutant) -> None:
    session = mutant.one(mutant.sessions())
    for name in ("notes.txt", "03.video/a.mp4", "04.labels/consent.pdf", ".git/config"):
        (session / name).parent.mkdir(exist_ok=True)
        mutant.write(session / name, b"not a recording")


@mutation(PLACES)
def no_file_but_named_so(mutant: Mutant) -> None:
    """A folder or a pipe, which would wait for ever to be read."""
    session = mutant.one(mutant.sessions())
    name = mutant.some(f"{ACOUSTIC}/10.00.00.000_01_01_2022.wav", f"{NEONODE}/c_nnode.csv")
    if os.path.lexists(session / name):
        raise NotHere
    (os.mkfifo if mutant.rng.random() < 0.5 else os.mkdir)(session / name)
    mutant.mark(session, Expect.RIGHT, refusable=True)


@mutation(PLACES)
def no_recording_but_named_so(mutant: Mutant) -> None:
    session = mutant.one(mutant.sessions())
    content = {
        "text": b"see notes\n",
        "empty": b"",
        "zeros": bytes(5000),
        "html": b"<!DOCTYPE html>",
    }
    path = session / ACOUSTIC / f"{mutant.rng.integers(10, 24)}.00.00.000_02_03_2021.wav"
    mutant.write(path, content[mutant.some(*content)])
    mutant.refusable = True
    mutant.involve(path)
