"""Versions of a phrase aligned under what was asked, as a page with the errors marked."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from pathlib import Path

from rapidfuzz.distance import Levenshtein

from tap2key.core.files import atomic_file

RIGHT, WRONG, EXTRA, LACKING, BLANK = "", "wrong", "extra", "lacking", "blank"
SHOWN = {"\n": "↵", " ": "␣"}
GAP = "·"
PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>{title}</title>
<style>
body {{ font: 14px/1.45 system-ui, sans-serif; margin: 1.2em; color: #1a1a1a; background: white; }}
h1 {{ font-size: 1.25em; margin: 0 0 .3em; }}
h2 {{ font-size: 1.05em; margin: 1.2em 0 .3em; }}
h3 {{ font-size: .95em; margin: .8em 0 .2em; font-weight: normal; color: #555; }}
p {{ max-width: 60em; margin: .3em 0 .8em; }}
table {{ border-collapse: collapse; margin: 0 0 .7em; }}
th {{ font-weight: normal; text-align: right; color: #555; padding: 0 .8em 0 0;
  white-space: nowrap; }}
td {{ font: 15px/1.3 ui-monospace, "DejaVu Sans Mono", monospace; white-space: pre; }}
td.asked {{ border-bottom: 1px solid #ccc; }}
td.count {{ font: inherit; color: #555; padding-left: 1em; }}
.wrong {{ background: #f5c6a5; font-weight: bold; }}
.extra {{ background: #bcdcf4; text-decoration: underline; }}
.lacking {{ background: #e4e4e4; color: #555; }}
.blank {{ color: #ccc; }}
</style>
<h1>{title}</h1>
<p>{note}</p>
<p><span class="wrong">a</span> another character than asked &nbsp; <span class="extra">a</span> one
too many &nbsp; <span class="lacking">·</span> one that lacks &nbsp; ␣ a space that is wrong or too
many, ↵ Enter. At the end of a line: how many of these.</p>
{body}
</html>
"""


@dataclass(frozen=True)
class Cell:
    """A character in a column of an alignment, and what is wrong with it."""

    text: str
    kind: str


def aligned(asked: str, versions: Sequence[str]) -> tuple[list[Cell], list[list[Cell]]]:
    """What was asked and several versions of it in common columns.

    Each version is aligned to what was asked by minimum string distance; where any has characters
    too many, the others get blank columns.

    Returns:
        The cells of what was asked, and those of each version: all of one length.
    """
    each = [_against(asked, version) for version in versions]
    widths = [max((len(extra[at]) for _, extra in each), default=0) for at in range(len(asked) + 1)]
    top: list[Cell] = []
    rows: list[list[Cell]] = [[] for _ in versions]
    for at, width in enumerate(widths):
        top += [Cell(" ", BLANK)] * width
        for row, (_, extra) in zip(rows, each, strict=True):
            row += [Cell(c, EXTRA) for c in extra[at]]
            row += [Cell(" ", BLANK)] * (width - len(extra[at]))
        if at < len(asked):
            top.append(Cell(asked[at], RIGHT))
            for row, (standing, _) in zip(rows, each, strict=True):
                row.append(standing[at])
    return top, rows


def _against(asked: str, version: str) -> tuple[list[Cell], list[str]]:
    """What stands for each character asked, and what is too many before each and at the end."""
    standing = [Cell(c, RIGHT) for c in asked]
    extra = [""] * (len(asked) + 1)
    for op in Levenshtein.editops(asked, version):
        if op.tag == "replace":
            standing[op.src_pos] = Cell(version[op.dest_pos], WRONG)
        elif op.tag == "delete":
            standing[op.src_pos] = Cell(GAP, LACKING)
        else:
            extra[op.src_pos] += version[op.dest_pos]
    return standing, extra


def write_alignments(
    path: Path,
    title: str,
    note: str,
    phrases: Iterable[tuple[str, str, str, Mapping[str, str]]],
) -> None:
    """Write the page.

    Args:
        path: of the page.
        title: of the page.
        note: below its title.
        phrases: of each the participant, the recording, what was asked and the versions by name.
    """
    parts = []
    for participant, of_person in groupby(phrases, key=lambda phrase: phrase[0]):
        parts.append(f"<h2>{escape(participant)}</h2>")
        for recording, of_recording in groupby(of_person, key=lambda phrase: phrase[1]):
            parts.append(f"<h3>{escape(recording)}</h3>")
            parts += [_table(asked, versions) for _, _, asked, versions in of_recording]
    page = PAGE.format(title=escape(title), note=escape(note), body="\n".join(parts))
    with atomic_file(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _table(asked: str, versions: Mapping[str, str]) -> str:
    top, rows = aligned(asked, list(versions.values()))
    lines = [_line("asked", top, " class=asked", "")]
    for name, row in zip(versions, rows, strict=True):
        wrong = sum(cell.kind in (WRONG, EXTRA, LACKING) for cell in row)
        lines.append(_line(name, row, "", str(wrong) if wrong else ""))
    return f"<table>{''.join(lines)}</table>"


def _line(name: str, cells: Sequence[Cell], attribute: str, count: str) -> str:
    text = "".join(
        "".join(_marked(cell) for cell in run) for _, run in groupby(cells, key=lambda c: c.kind)
    )
    return f"<tr><th>{escape(name)}<td{attribute}>{text}<td class=count>{count}</tr>\n"


def _marked(cell: Cell) -> str:
    if cell.kind in (RIGHT, BLANK):
        return escape(SHOWN.get(cell.text, cell.text) if cell.text == "\n" else cell.text)
    return f'<span class="{cell.kind}">{escape(SHOWN.get(cell.text, cell.text))}</span>'
