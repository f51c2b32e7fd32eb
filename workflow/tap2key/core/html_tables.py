"""Tables for people: the same rows as tab-separated text and as a page that opens offline."""

import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path

from tap2key.core.files import atomic_file, write_tsv
from tap2key.core.finite_numbers import is_undefined

NUMBER = re.compile(r"-?[\d.]+%?")
PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>{title}</title>
<style>
body {{ font: 14px/1.45 system-ui, sans-serif; margin: 1.2em; color: #1a1a1a; background: white; }}
h1 {{ font-size: 1.25em; margin: 0 0 .3em; }}
p {{ max-width: 60em; margin: .3em 0 .8em; }}
input {{ font: inherit; padding: .25em .5em; width: 20em; margin-bottom: .6em; }}
table {{ border-collapse: collapse; }}
th, td {{ padding: .25em .7em; text-align: left; border-bottom: 1px solid #ddd;
  vertical-align: top; }}
td:first-child {{ white-space: nowrap; }}
th {{ position: sticky; top: 0; background: #eef2f6; cursor: pointer; }}
td.number {{ text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }}
@media print {{ input {{ display: none; }} body {{ font-size: 10px; margin: 0; }} }}
</style>
<h1>{title}</h1>
<p>{note}</p>
<input type="search" placeholder="Show only rows that contain …" aria-label="Filter rows">
<table>
<thead><tr>{head}</tr></thead>
<tbody>
{body}
</tbody>
</table>
<script>
const body = document.querySelector("tbody");
document.querySelector("input").addEventListener("input", event => {{
  const wanted = event.target.value.toLowerCase();
  for (const row of body.rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
}});
document.querySelectorAll("th").forEach((head, column) => head.addEventListener("click", () => {{
  const turn = head.dataset.turn = head.dataset.turn === "1" ? -1 : 1;
  const value = row => row.cells[column].textContent;
  [...body.rows].sort((a, b) => turn * value(a).localeCompare(value(b), "en", {{numeric: true}}))
    .forEach(row => body.append(row));
}}));
</script>
</html>
"""


def write_table(
    stem: Path,
    rows: Iterable[Mapping[str, object]],
    columns: Sequence[str],
    title: str,
    note: str = "",
) -> None:
    """Write `stem`.tsv and `stem`.html, whose rows can be filtered and sorted.

    Args:
        stem: path without ending.
        rows: by column; None and missing cells stay empty.
        columns: in this order.
        title: of the page.
        note: below the title of the page.
    """
    rows = list(rows)
    write_tsv(stem.with_name(f"{stem.name}.tsv"), rows, columns)
    head = "".join(f"<th>{escape(_heading(c))}</th>" for c in columns)
    body = "\n".join(f"<tr>{''.join(_cell(row.get(c)) for c in columns)}</tr>" for row in rows)
    page = PAGE.format(title=escape(title), note=escape(note), head=head, body=body)
    with atomic_file(stem.with_name(f"{stem.name}.html")) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _heading(column: str) -> str:
    # Keys such as `_1` are columns too.
    return column if column.startswith("_") else column.replace("_", " ")


def formatted(row: Mapping[str, object]) -> dict[str, object]:
    """A row with four decimals for every float, two for millimetres, None for what is undefined."""
    return {key: _rounded(key, value) for key, value in row.items()}


def _rounded(column: str, value: object) -> object:
    if is_undefined(value):
        return None
    if not isinstance(value, float):
        return value
    return f"{value:.{2 if column.endswith('_mm') else 4}f}"


def _cell(value: object) -> str:
    text = "" if value is None or is_undefined(value) else str(value)
    kind = ' class="number"' if NUMBER.fullmatch(text) else ""
    return f"<td{kind}>{escape(text)}</td>"
