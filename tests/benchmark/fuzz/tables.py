"""study.tsv as people write it and spreadsheets save it, and where the results go."""

from datetime import timedelta
from pathlib import Path

from benchmark.fuzz.base import started
from benchmark.fuzz.mutant import Expect, Mutant, NotHere
from benchmark.fuzz.registry import TABLES, mutation

TABLE = "study.tsv"
NO = (
    "no",
    "No",
    "NO ",
    "false",
    "FALSE",
    "0",
    "n",
    "N",
    "FALSCH",
    "FAUX",
    "nein",
    "non",
    "0.0",
    "x",
)
NO += ("exclude", "bad", "withdrawn", "no consent", "-", "?", "нет", "nope", "off")
YES = ("yes", "true", "1", "Yes", "TRUE", "ja", "WAHR", "y", "1.0", "use", "ok")
# Words whose meaning nobody doubts: refusing them helps no one.
PLAIN_YES, PLAIN_NO = ("yes", "true", "1", "Yes", "TRUE"), ("no", "No", "false", "FALSE", "0")


def write_table(mutant: Mutant, rows: list[dict[str, str]], saved: str = "plain") -> None:
    """Write study.tsv; NotHere if there is one."""
    path = mutant.study / TABLE
    if path.exists():
        raise NotHere
    columns = list(dict.fromkeys(column for row in rows for column in row))
    lines = ["\t".join(columns)] + ["\t".join(row.get(c, "") for c in columns) for row in rows]
    text = "\n".join(lines) + "\n"
    data = {
        "plain": text.encode(),
        "CRLF": text.replace("\n", "\r\n").encode(),
        "byte order mark": text.encode("utf-8-sig"),
        "UTF-16": text.encode("utf-16"),
        "UTF-16 without mark": text.encode("utf-16-le"),
        "CR": text.replace("\n", "\r").encode(),
        "semicolons": text.replace("\t", ";").encode(),
        "commas": text.replace("\t", ",").encode(),
        "blank lines": text.replace("\n", "\n\n").encode(),
        "spaces": text.replace("\t", " \t").replace("\n", " \n").encode(),
        "quotes": "".join(
            "\t".join(f'"{cell}"' for cell in line.split("\t")) + "\n" for line in lines
        ).encode(),
        "Latin-1": text.encode("latin-1", errors="replace"),
    }[saved]
    mutant.write(path, data)
    mutant.involve(path)


def relative(mutant: Mutant, path: Path) -> str:
    """As study.tsv names a session or a recording."""
    return path.relative_to(mutant.study).as_posix()


def target(mutant: Mutant) -> Path:
    """A session or a recording, drawn."""
    if mutant.rng.random() < 0.5:
        return mutant.one(mutant.sessions())
    return mutant.wav()[0]


@mutation(TABLES)
def left_out_by_a_word(mutant: Mutant) -> None:
    path = target(mutant)
    word = mutant.some(*NO)
    saved = mutant.some(
        "plain", "plain", "CRLF", "byte order mark", "UTF-16", "UTF-16 without mark"
    )
    if mutant.rng.random() < 0.3:
        saved = mutant.some(
            "CR", "semicolons", "commas", "blank lines", "spaces", "quotes", "Latin-1"
        )
    mutant.mark(path, Expect.RIGHT, refusable=(word, saved) not in [(w, "plain") for w in PLAIN_NO])
    write_table(mutant, [{"path": relative(mutant, path), "use": word}], saved)
    mutant.withdrawn.add(relative(mutant, path))


@mutation(TABLES)
def kept_by_a_word(mutant: Mutant) -> None:
    path = target(mutant)
    word = mutant.some(*YES)
    mutant.refusable |= word not in PLAIN_YES
    write_table(mutant, [{"path": relative(mutant, path), "use": word}])


@mutation(TABLES)
def path_named_twice(mutant: Mutant) -> None:
    path = target(mutant)
    name = relative(mutant, path)
    again = mutant.some(name, f"{name}/", f"./{name}", f"{name} ", f"../study/{name}", str(path))
    if path.is_file() and again.endswith("/"):
        again = f"./{name}"
    mutant.mark(path, Expect.RIGHT, refusable=True)
    rows = [{"path": name, "use": "no"}, {"path": again, "latency_s": "-0.14"}]
    write_table(mutant, rows[:: int(mutant.one([-1, 1]))])
    mutant.withdrawn.add(name)


@mutation(TABLES)
def latency_pinned_rightly(mutant: Mutant) -> None:
    path, sound = mutant.wav()
    latency = mutant.base.truths[sound.recording].latency_s
    mutant.mark(path, Expect.RIGHT)
    write_table(mutant, [{"path": relative(mutant, path), "latency_s": f"{latency:.4f}"}])


@mutation(TABLES)
def latency_pinned_wrongly(mutant: Mutant) -> None:
    path, sound = mutant.wav()
    latency = mutant.base.truths[sound.recording].latency_s
    off = [-3600, -1, -0.3, -0.15, -0.08, -0.05, 0.05, 0.08, 0.15, 0.3, 1, 3600]
    cell = f"{latency + float(mutant.one(off)):.3f}"
    if mutant.rng.random() < 0.4:
        cell = mutant.some(
            "nan", "inf", "-inf", "-140", "-0,14", "1e-400", "1e400", "0x1", "-0.14 s", "−0.14"
        )
    mutant.mark(path, Expect.RIGHT, refusable=True)
    write_table(mutant, [{"path": relative(mutant, path), "latency_s": cell}])


@mutation(TABLES)
def every_latency_pinned(mutant: Mutant) -> None:
    """To what one recording has, or to what is usual."""
    usual = float(mutant.one([-0.14, *(t.latency_s for t in mutant.base.truths.values())]))
    mutant.mark(mutant.study, Expect.RIGHT)
    mutant.latency_s = usual


@mutation(TABLES)
def start_given(mutant: Mutant) -> None:
    path, sound = mutant.wav()
    start = started(sound.recording)
    late = start + timedelta(seconds=float(mutant.one([-60, 60, 3600, -3600, 86_400, 0.5, -1.5])))
    right = start.isoformat(timespec="milliseconds")
    cells = [
        right,
        f"{right}Z",
        f"{right}+01:00",
        f"{start:%Y-%m-%d}",
        late.isoformat(),
        right[:16],
    ]
    cells += [
        right.replace("T", " "),
        f"{start:%d.%m.%Y %H:%M:%S}",
        f"{start:%Y%m%dT%H%M%S}",
        "noon",
    ]
    mutant.mark(path, Expect.RIGHT, refusable=True)
    cell = cells[mutant.rng.integers(len(cells))]
    write_table(mutant, [{"path": relative(mutant, path), "start": cell}])


@mutation(TABLES)
def participant_given(mutant: Mutant) -> None:
    """A session is another person's than its folder says, or one of two spellings."""
    session = mutant.one(mutant.sessions())
    people = sorted({s.name.partition("_")[0] for s in mutant.sessions()})
    name = str(mutant.one(people))
    name = mutant.some(
        name, name.upper(), name.lower(), f"{name} ", f" {name}", "Zoë B", "a{b}", "a/b", ".x"
    )
    mutant.mark(session, Expect.RIGHT, refusable=True)
    rows = [{"path": relative(mutant, session), "participant": name, "session": "s1"}]
    write_table(mutant, rows)


@mutation(TABLES)
def table_with_a_mistake(mutant: Mutant) -> None:
    session = relative(mutant, mutant.one(mutant.sessions()))
    mistakes = [
        [{"path": f"{session}x", "use": "no"}],
        [{"path": session, "used": "no"}],
        [{"path": "", "use": "no"}],
        [{"path": ".", "use": "no"}],
        [{"path": f"{session}/01.acoustic", "use": "no"}],
        [{"path": session, "use": "no\tno"}],
        [{"path": session.upper(), "use": "no"}],
    ]
    mutant.must_refuse = True
    write_table(mutant, mistakes[mutant.rng.integers(len(mistakes))])


@mutation(TABLES)
def results_in_the_way(mutant: Mutant) -> None:
    """The results folder is the study, lies in it or holds it, as written or by a link."""
    sessions = mutant.sessions()
    places = [mutant.study, mutant.study / "results", mutant.root, mutant.study / ".." / "study"]
    places += [mutant.one(sessions), mutant.one(sessions) / "01.acoustic"]
    if mutant.rng.random() < 0.3:
        link = mutant.root / "link"
        link.symlink_to(mutant.study)
        places = [link, link / "results"]
    mutant.results = mutant.one(places)
    mutant.must_refuse = True
    mutant.involved |= {mutant.results.name, "study", "results"}


@mutation(TABLES)
def two_sessions_of_one_name(mutant: Mutant) -> None:
    sessions = mutant.sessions()
    first = mutant.one(sessions)
    second = mutant.one([s for s in sessions if s != first])
    for session in (first, second):
        mutant.mark(session, Expect.RIGHT, refusable=True)
    rows = [
        {"path": relative(mutant, session), "participant": "Ana", "session": "s1"}
        for session in (first, second)
    ]
    write_table(mutant, rows)
