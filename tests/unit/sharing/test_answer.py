"""The page that the report opens with says what the tables say, and picks no test score."""

import re

import pytest
import yaml
from PIL import Image

from tap2key.__main__ import main
from tap2key.core.files import write_json, write_tsv
from tap2key.sharing.answer_page import answer_page
from tap2key.sharing.headline import Headline, Study, headline, study_line, warnings


def experiment(name, score, held_out="yes", people="8", at_chance=""):
    return {
        "experiment": name,
        "held_out": held_out,
        "participants": people,
        "taps": "3000",
        "models": people,
        "models_at_chance": at_chance,
        "accuracy": "0.9012",
        "top_3_accuracy": "0.9876",
        "macro_f1": str(score),
        "macro_f1_low": str(score - 0.02),
        "macro_f1_high": str(score + 0.03),
        "worst_macro_f1": str(score - 0.1),
        "worst_participant": "Tony",
    }


def recording(person, session, status="ok", warned=""):
    return {"participant": person, "session": session, "status": status, "warnings": warned}


STUDY = Study(
    sessions=[{"minutes": "1.0"}, {"minutes": "12.5", "taps": "2041", "matched": "1998"}],
    recordings=[
        *(recording("Ana", day) for day in ("1", "1", "2")),
        recording("Bo", "1", warned="the clock steps"),
        recording("Bo", "1", "no_touches"),
    ],
    left_out=[{"reason": "no touch in it"}, {"reason": "not a wav"}],
    channels=[{"verdict": "ok"}] * 38 + [{"verdict": "dead"}] * 2,
)
WHOLE = Study(STUDY.sessions, STUDY.recordings[:3], [], STUDY.channels[:30])


def test_the_choice_on_validation_scores_decides_even_if_another_scores_higher():
    rows = [experiment("lucky", 0.9), experiment("chosen", 0.8), experiment("random", 0.99, "no")]
    choice = [
        {"experiment": "chosen", "chosen": "yes", "best_in_folds": "3"},
        {"experiment": "lucky", "chosen": "no", "best_in_folds": "0"},
    ]
    best = headline(rows, choice)
    assert (best.row["experiment"], best.held_out) == ("chosen", True)
    assert best.reason.endswith("; those of each fold alone would choose it too")
    choice[1]["best_in_folds"] = "1"
    assert headline(rows, choice).reason.endswith("those of 1 of 4 alone would choose another")


def test_without_a_choice_the_highest_held_out_score_is_said_to_be_picked():
    rows = [experiment("low", 0.5), experiment("high", 0.6), experiment("random", 0.99, "no")]
    best = headline(rows, [])
    assert best.row["experiment"] == "high"
    assert "highest" in best.reason
    assert headline(rows[:1], []).reason == "the only experiment"


def test_a_choice_of_what_held_nobody_out_is_no_answer():
    rows = [experiment("held", 0.5), experiment("random", 0.99, "no")]
    choice = [{"experiment": "random", "chosen": "yes", "best_in_folds": "1"}]
    assert headline(rows, choice).row["experiment"] == "held"
    assert not headline(rows[1:], []).held_out


def test_the_study_in_one_line():
    assert study_line(STUDY) == (
        "2 participants, 3 sessions, 5 recordings (12.5 minutes used), 2,041 taps, 1,998 of them "
        "with a key. Left out: 1 recording and 1 other file or folder."
    )
    assert study_line(WHOLE).endswith("Left out: nothing.")


def test_every_reason_for_caution_is_named_and_no_other():
    fine = headline([experiment("a", 0.8)], [])
    assert warnings(fine, [fine.row], WHOLE, [], simulated=False) == []
    few = headline([experiment("a", 0.8, people="4", at_chance="2")], [])
    found = " ".join(warnings(few, [few.row], STUDY, [], simulated=True))
    for words in (
        "simulated",
        "2 of 4 models stayed at chance",
        "With 4 participants the interval is rough, and no difference",
        "(that takes 6)",
        "1 of 5 recordings left out; the most frequent reason: no touch in it",
        "2 of 40 channels of recordings flagged: 2 dead",
        "1 recording with warnings",
    ):
        assert words in found
    nobody = headline([experiment("a", 0.8, "no")], [])
    assert warnings(nobody, [], WHOLE, [], simulated=False)[0].startswith(
        "No experiment held people"
    )


def compared(family, participants, needs):
    row = {"participants": str(participants), "needs_participants": str(needs)}
    return row | {"family": family}


@pytest.mark.parametrize(
    ("comparisons", "said"),
    [
        # Of eight comparisons the smallest p is 8 · 2⁻⁷ = 0.0625.
        ([compared("all", 8, 9)] * 8, ["With 8 participants no comparison", "(that takes 9)"]),
        ([compared("all", 8, 9)] * 8 + [compared("one", 8, 6)], []),
        ([compared("all", 8, 9), compared("not run", 0, "")], ["(that takes 9)"]),
        ([compared("not run", 0, "")], []),
    ],
)
def test_too_few_participants_is_judged_by_each_family_of_comparisons(comparisons, said):
    best = headline([experiment("a", 0.8, people="8")], [])
    found = warnings(best, [best.row], WHOLE, comparisons, simulated=False)
    assert len(found) == bool(said)
    assert all(words in found[0] for words in said)


def picture(path):
    Image.new("RGB", (4, 4)).save(path)
    return path


def test_names_are_shown_as_text(tmp_path):
    row = {**experiment("<b>", 0.8), "worst_participant": "</article><script>"}
    shown = answer_page(
        Headline(row, "x & y", True), [row], 34, "<i>", ["<u>"], *[picture(tmp_path / "a.png")] * 2
    )
    assert "<script>" not in shown
    assert "&lt;/article&gt;&lt;script&gt;" in shown
    assert not {"<b>,", "<i>", "<u>"} & set(re.findall(r"<\w+>,?", shown))


def stage_arguments(root, rows, summaries):
    """The stage's arguments, their tables made in a folder; each score is of two people."""
    write_tsv(root / "experiments.tsv", rows, list(rows[0]))
    picture(root / "experiments.png")
    (root / "overview").mkdir()
    tables = {
        "sessions": STUDY.sessions,
        "segmented_recordings": STUDY.recordings,
        "left_out": STUDY.left_out,
        "compared_channels": STUDY.channels,
    }
    for name, table in tables.items():
        write_tsv(root / "overview" / f"{name}.tsv", table, list(table[-1]))
    for row in rows:
        folder = root / row["experiment"]
        folder.mkdir()
        score = float(row["macro_f1"])
        scores = {"Ana": score - 0.001, "Bo": score + 0.001}
        people = [
            {"participant": n, "macro_f1": s, "macro_f1_of_seeds": {"0": s}, "seeds": 1}
            for n, s in scores.items()
        ]
        summary = {"participants": people, "mean": {"macro_f1": score}, "seen_in_training": []}
        summary |= {"tested_taps": dict.fromkeys(scores, ""), "folds": {}}
        write_json(folder / "summary.json", summary)
        write_tsv(folder / "confusion.tsv", [{"true key": k} for k in "abcd"], ["true key"])
        picture(folder / "confusion.png")
    return [
        *("answer", "--experiments", str(root / "experiments.tsv")),
        *("--summaries", *(str(root / name) for name in summaries)),
        *("--overview", str(root / "overview"), "--output", str(root / "answer")),
    ]


def test_the_stage_reads_the_runs_tables(tmp_path):
    rows = [experiment("low", 0.55), experiment("high", 0.6504999)]
    table = tmp_path / "comparisons.tsv"
    write_tsv(table, [compared("all", 8, 9)], ("participants", "needs_participants"))
    arguments = stage_arguments(tmp_path, rows, ["low", "high"])
    assert main([*arguments, "--comparisons", str(table)]) == 0
    page = (tmp_path / "answer" / "answer.html").read_text(encoding="utf-8")
    # Of four decimals, as the table has them, it would be 0.651.
    assert "<b>0.650</b>" in page
    assert "95 % interval 0.638–0.663" in page
    assert "guessing among 4 keys: 0.25" in page
    assert "(that takes 9)" in page
    assert page.count("data:image/png;base64,") == 2
    assert not re.search(r"(?:src|href)=\"(?!data:)", page)
    metadata = yaml.safe_load((tmp_path / "answer" / "metadata.yaml").read_text(encoding="utf-8"))
    assert metadata == {"Tested participants": 8, "Tested taps": 3000}


def test_a_summary_that_is_not_given_is_one_line(tmp_path, capsys):
    rows = [experiment("low", 0.5), experiment("high", 0.6)]
    assert main(stage_arguments(tmp_path, rows, ["high"])) == 1
    assert "its low is not among the --summaries" in capsys.readouterr().err
    assert not (tmp_path / "answer").exists()
