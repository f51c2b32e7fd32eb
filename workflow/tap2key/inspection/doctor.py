"""Stage `doctor`: look at a folder of recordings and print the configuration to start with."""

import argparse
import os
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tap2key.config.configuration import complete_config, read_config
from tap2key.config.experiments import merge
from tap2key.core.errors import Tap2keyError
from tap2key.core.files import atomic_file
from tap2key.core.log import log
from tap2key.core.names import printable
from tap2key.core.output_guard import check_output_files
from tap2key.core.shipped import KEYBOARD, KEYBOARDS, SHIPPED_KEYBOARDS
from tap2key.inspection.census import Odd
from tap2key.inspection.findings import Inspection, arrays_of, inspect
from tap2key.inspection.suggestion import as_yaml, suggest
from tap2key.inspection.table_rows import further_arrays, lines_of, table_rows
from tap2key.orchestration.planning import plan_of
from tap2key.orchestration.recording_sources import study_roots, survey
from tap2key.study.keyboard import Keyboard, load_keyboard
from tap2key.study.manifest import Recording
from tap2key.study.session_files import TABLE_NAME
from tap2key.study.truth import CLIPS, EVENTS, NEONODE

# Of files with one and the same oddity so many are printed.
EXAMPLES = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the stage's command line."""
    parser.add_argument("study", type=Path, help="folder with everybody's recordings")
    parser.add_argument(
        "--configfile",
        type=Path,
        nargs="+",
        default=[],
        help="as for snakemake: what is configured already, and is not suggested again",
    )
    parser.add_argument("--all", action="store_true", help="list every odd file, not only some")
    parser.add_argument("--output", type=Path, help="write the lines of configuration, as YAML")


def main(args: argparse.Namespace) -> None:
    """Print, as YAML with comments, what a folder holds, what is odd, and how to begin."""
    if args.output is not None:
        check_output_files(args)
    raw = read_config(args.configfile)
    config = complete_config(raw)
    found = inspect(args.study, _keyboards(config), config["characters"])
    suggestion = suggest(found, config)
    rows = _rows(found, suggestion, config)
    recordings, problem = _dry_survey(raw, suggestion, found, rows)
    odd = [*found.census.odd, *([problem] if problem else [])]
    lines = dict(suggestion)
    if args.configfile and _same_place(study_roots(config), suggestion["study"]):
        del lines["study"]
    said = [
        *_understood(found, recordings),
        "",
        *_odd(odd, args.all),
        "",
        *([f"{TABLE_NAME} in {suggestion['study']}, with tabs:", *rows, ""] if rows else []),
        "start with these lines:" if lines else "nothing to add to the configuration",
    ]
    print("\n".join(f"# {line}".rstrip() for line in said))
    print(as_yaml(lines), end="")
    if args.output is not None:
        with atomic_file(args.output) as path:
            path.write_text(as_yaml(lines), encoding="utf-8")
        log.info(f"{args.output}: written")


def _same_place(roots: Sequence[Path], study: str) -> bool:
    """Whether a study is the one root, whatever links lead there."""
    return [os.path.realpath(root) for root in roots] == [os.path.realpath(study)]


def _rows(found: Inspection, suggestion: Mapping[str, Any], config: Mapping[str, Any]) -> list[str]:
    """The lines of study.tsv for sessions that are not as most are; none if it is there."""
    root = found.census.root
    if config["study_table"] is not None or (Path(suggestion["study"]) / TABLE_NAME).is_file():
        return []
    rows = table_rows(found, further_arrays(found, config))
    prefix = "" if Path(suggestion["study"]) == Path(os.path.abspath(root)) else f"{root.name}/"  # noqa: PTH100
    return list(lines_of(rows, prefix)) if rows else []


def _keyboards(config: Mapping[str, Any]) -> dict[str | None, Keyboard]:
    """The configured keyboard, or those that are shipped."""
    named = config["keyboard"]
    paths: dict[str | None, Path] = {name: KEYBOARDS / f"{name}.csv" for name in SHIPPED_KEYBOARDS}
    if named is not None:
        paths = {named: paths.get(named, Path(named))}
    else:
        paths[None] = KEYBOARD
    return {name: load_keyboard(path) for name, path in paths.items()}


def _dry_survey(
    raw: Mapping[str, Any],
    suggestion: Mapping[str, Any],
    found: Inspection,
    rows: Sequence[str],
) -> tuple[list[Recording], Odd | None]:
    """What a dry run would find with the suggested lines, or the line that it would stop with."""
    recordings: list[Recording] = []
    try:
        with tempfile.TemporaryDirectory() as folder:
            table = Path(folder, TABLE_NAME)
            table.write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")
            tried = merge(raw, suggestion) | ({"study_table": str(table)} if rows else {})
            config = complete_config(tried)
            recordings = survey(config).recordings
        plan_of(config, recordings)
    except Tap2keyError as error:
        return recordings, Odd("a run would stop", printable(error))
    return recordings, None


def _understood(found: Inspection, recordings: Sequence[Recording]) -> Iterator[str]:
    sounds = found.sounds
    yield f"{printable(found.census.root)}, as it was understood:"
    hours = sum(s.seconds for s in sounds) / 3600
    length = f"{hours:.1f} h" if hours >= 1 else f"{hours * 60:.1f} min"
    yield f"  recordings  {len(sounds)}, {length}"
    arrays = [
        f"{count} × {channels} channel(s) at {rate} Hz"
        for (channels, rate), count in arrays_of(sounds).most_common()
    ]
    yield f"  arrays      {', '.join(arrays) or 'none'}"
    yield f"  truth       {'; '.join(_truths(found)) or 'none'}"
    yield f"  taps        {found.taps} expected"
    if recordings:
        people = Counter(r.participant for r in recordings)
        sessions = {(r.participant, r.session) for r in recordings}
        yield f"  people      {len(people)}: {_some(people)}"
        yield f"  sessions    {len(sessions)}: {_some(sorted({name for _, name in sessions}))}"


def _truths(found: Inspection) -> Iterator[str]:
    if found.sessions.of:
        count = len(set(found.sessions.of.values()))
        yield f"touch sensor's logs of {count} session(s) ({NEONODE})"
    if found.tables.strokes:
        kinds = ", ".join(f"{n} × {kind}" for kind, n in found.tables.kinds.most_common())
        clock = "clock times" if found.tables.clock_times else "times in the recording"
        yield f"event tables with {clock}: {kinds} ({EVENTS})"
    for part in found.clips:
        by = f"labels in {part.table.name}" if part.table else "folders named by key"
        yield f"clips already cut, {by}: {len(part.labels)} of {len(part.clips)} labelled ({CLIPS})"


def _odd(odd: Iterable[Odd], every: bool) -> Iterator[str]:
    by_reason: dict[str, list[str]] = {}
    for one in odd:
        by_reason.setdefault(printable(one.reason), []).append(printable(one.where))
    if not by_reason:
        yield "nothing odd"
        return
    yield "odd:"
    for reason, places in by_reason.items():
        shown = places if every else places[:EXAMPLES]
        yield from (f"  {place}: {reason}" for place in shown)
        if len(places) > len(shown):
            yield f"  and {len(places) - len(shown)} more such; --all lists them"


def _some(names: Iterable[str], most: int = 8) -> str:
    listed = [printable(name) for name in names]
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return ", ".join(listed[:most]) + more
