"""The page that a report opens with, as HTML that stands alone and inside Snakemake's report."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path

from tap2key.sharing.headline import Headline

QUESTION = "How well is the key recognised for a person the model has never heard?"
# Snakemake centres what it shows and makes it narrow, which would cut off the top of this page; and
# a printed page is not to end at the foot of the screen.
PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>{title}</title>
<style>
.answer {{ font: 0.9rem/1.35 system-ui, sans-serif; color: #1f2937; max-width: 68rem; }}
.answer h2 {{ font-size: 1.25rem; margin: 0 0 .4rem; }}
.answer p, .answer ul {{ margin: .4rem 0; }}
.answer .score b {{ font-size: 2.4rem; line-height: 1; color: #0072b2; margin-right: .5rem; }}
.answer .pictures {{ display: flex; flex-wrap: wrap; gap: 1rem; align-items: flex-start; }}
.answer figure {{ flex: 1 1 24rem; margin: .3rem 0; min-width: 0; overflow-x: auto;
  break-inside: avoid; }}
.answer figcaption {{ font-size: .8rem; color: #4b5563; }}
.answer img {{ width: 100%; max-width: 40rem; height: auto; margin: 0; }}
.answer table {{ border-collapse: collapse; font-size: .75rem; margin: .3rem 0; width: auto; }}
.answer th, .answer td {{ text-align: left; padding: .15rem .6rem .15rem 0;
  border-bottom: 1px solid #d1d5db; white-space: nowrap; }}
.answer td:last-child {{ white-space: normal; }}
.answer .matrix {{ max-height: 25rem; width: auto; max-width: 100%; }}
.answer .best td {{ font-weight: 600; }}
.answer .warnings {{ border-left: 4px solid #d55e00; padding: .1rem .8rem; background: #fff7ed; }}
.answer .warnings ul {{ padding-left: 1.1rem; list-style: disc; }}
.prose:has(.answer) {{ max-width: 70rem; }}
:has(> .answer), :has(> * > .answer), :has(> * > * > .answer) {{ min-width: 0; }}
.items-center:has(> div .answer) {{ align-items: flex-start; }}
@media print {{
  body:has(.answer) nav {{ display: none; }}
  .h-screen:has(.answer) {{ height: auto; overflow: visible; }}
  .answer .matrix {{ max-height: none; width: 100%; }}
}}
</style>
<article class="answer">
<h2>{question}</h2>
<p class="score"><b>{score}</b>{meaning}</p>
<p>{by}</p>
<p><strong>Study:</strong> {study}</p>
{warnings}
<div class="pictures">
<figure><img src="{scores_picture}" alt="Macro-F1 of each experiment with its interval">
{table}
<figcaption>{scores_caption}</figcaption></figure>
<figure><img class="matrix" src="{confusion_picture}" alt="Confusion matrix of {best}">
<figcaption>{confusion_caption}</figcaption></figure>
</div>
</article>
</html>
"""
CLASS_OF_BEST = ' class="best"'
COLUMNS = {
    "experiment": "experiment",
    "held_out": "held out",
    "participants": "people",
    "macro_f1": "macro-F1",
    "interval": "95 % interval",
    "worst": "lowest",
    "at_chance": "at chance",
}


def answer_page(
    best: Headline,
    experiments: Sequence[Mapping[str, str]],
    keys: int,
    study: str,
    warnings: Sequence[str],
    scores_picture: Path,
    confusion_picture: Path,
) -> str:
    """The page's HTML, with the pictures in it.

    Args:
        best: whose score is the answer.
        experiments: rows of `summary/experiments.tsv`.
        keys: how many keys are told apart.
        study: the study in one line.
        warnings: sentences; none if there is nothing to say.
        scores_picture: a .png of all experiments' scores.
        confusion_picture: a .png of the best one's confusion matrix.
    """
    row = best.row
    name = row["experiment"]
    people = int(row["participants"])
    whom = f"{people} held-out {'person' if people == 1 else 'people'}"
    if not best.held_out:
        whom = f"{people} {'person' if people == 1 else 'people'} it was also trained on"
    meaning = (
        f"macro-F1 over {whom} (1: every key right; guessing among {keys} keys: {1 / keys:.2f}). "
        f"95 % interval {_interval(row)}, lowest {_rounded(row['worst_macro_f1'])} "
        f"({row['worst_participant']})."
    )
    by = f"{name}, {best.reason}. It names {_percent(row['accuracy'])} of the taps correctly"
    if row.get("top_3_accuracy"):
        by += f"; the key is among its three likeliest for {_percent(row['top_3_accuracy'])}"
    return PAGE.format(
        title=escape(f"tap2key: {QUESTION}"),
        question=escape(QUESTION),
        score=escape(_rounded(row["macro_f1"])),
        meaning=escape(meaning),
        by=escape(f"{by}."),
        study=escape(study),
        warnings=_warnings(warnings),
        scores_picture=_inline(scores_picture),
        table=_table(experiments, name),
        scores_caption=escape(
            "Macro-F1 of every experiment: mean over people, with the 95 % interval over "
            "people. Where held out is not yes, people were also heard in training."
        ),
        confusion_picture=_inline(confusion_picture),
        best=escape(name),
        confusion_caption=escape(
            f"Confusion matrix of {name}, all tested people together: rows are true keys, columns "
            "named keys."
        ),
    )


def _warnings(sentences: Iterable[str]) -> str:
    items = "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)
    if not items:
        return ""
    return f'<div class="warnings"><strong>Before you trust it</strong><ul>{items}</ul></div>'


def _table(experiments: Iterable[Mapping[str, str]], best: str) -> str:
    rows = [
        {
            **row,
            "macro_f1": _rounded(row["macro_f1"]),
            "interval": _interval(row),
            "worst": f"{_rounded(row['worst_macro_f1'])} {row['worst_participant']}",
            "at_chance": _at_chance(row),
        }
        for row in experiments
    ]
    shown = [column for column in COLUMNS if any(row[column] for row in rows)]
    head = "".join(f"<th>{COLUMNS[column]}</th>" for column in shown)
    body = "\n".join(
        f"<tr{CLASS_OF_BEST if row['experiment'] == best else ''}>"
        f"{''.join(f'<td>{escape(row[column])}</td>' for column in shown)}</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table>"


def _at_chance(row: Mapping[str, str]) -> str:
    """Empty where none is, and of baselines, of which it is not known."""
    known = int(row["models_at_chance"] or 0)
    return f"{known} of {row['models']} models" if known else ""


def _interval(row: Mapping[str, str]) -> str:
    if not row["macro_f1_low"]:
        return "unknown"
    return f"{_rounded(row['macro_f1_low'])}–{_rounded(row['macro_f1_high'])}"


def _rounded(number: str) -> str:
    return f"{float(number):.3f}"


def _percent(share: str) -> str:
    return f"{100 * float(share):.1f} %"


def _inline(picture: Path) -> str:
    return f"data:image/png;base64,{base64.b64encode(picture.read_bytes()).decode()}"
