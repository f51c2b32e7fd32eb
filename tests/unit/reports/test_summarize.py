import json
import shutil
from collections import Counter
from itertools import product

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from made import LABELS, fold, people
from scipy import stats
from sklearn.metrics import accuracy_score, f1_score, top_k_accuracy_score

from tap2key.__main__ import main
from tap2key.comparison.intervals import mean_interval
from tap2key.comparison.summaries import compared, interval_of_mean, read_summary
from tap2key.core.files import read_json, read_tsv, write_json, write_tsv
from tap2key.core.shipped import KEYBOARD
from tap2key.datasets.encoded_dataset import load_fold
from tap2key.evaluation.conditions import BORDER
from tap2key.evaluation.detection import AUDITED, AUDITS_NAME
from tap2key.evaluation.predictions import Predictions, write_predictions
from tap2key.evaluation.tap_conditions import GAP, SNR, TAP_CONDITIONS_NAME
from tap2key.models.key_places import expected_places, places_of
from tap2key.reports.compare import experiment_row
from tap2key.study.keyboard import load_keyboard

# Truth and prediction of each participant: 3 of 4, 2 of 4 and 4 of 4 are right.
RUNS = {
    "Ana": ("aabb", "aab|"),
    "Bo": ("ab||", "abaa"),
    "Chen": ("a|b|", "a|b|"),
}


def evaluation(
    folder,
    participant,
    truth,
    guessed,
    seed=0,
    held_out=True,
    labels=LABELS,
    probabilities=None,
    touched=(0.0, 0.0),
    first_tap=0,
):
    """What the evaluate stage writes, as far as a summary reads it."""
    folder.mkdir(parents=True)
    count = len(truth)
    index = {label: at for at, label in enumerate(labels)}
    if probabilities is None:
        probabilities = np.eye(len(labels))[[index[g] for g in guessed]]
    probabilities = np.array(probabilities)
    places = places_of(load_keyboard(KEYBOARD), labels)
    write_predictions(
        folder / "predictions.parquet",
        Predictions(
            tuple(labels),
            tuple((participant, "s", "r", first_tap + tap) for tap in range(count)),
            np.array([index[true] for true in truth]),
            probabilities,
            np.broadcast_to(touched, (count, 2)),
            expected_places(probabilities, places),
        ),
    )
    keys = {label: {"taps": truth.count(label)} for label in labels}
    metrics = {"participants": [participant], "seed": seed, "held_out": held_out, "keys": keys}
    (folder / "metrics.json").write_text(json.dumps(metrics))
    return folder


def summarize(evaluations, output, *options):
    return main(
        [
            *("summarize", "--experiment", output.name, "--output", str(output)),
            *("--evaluations", *map(str, evaluations), *map(str, options)),
        ]
    )


@pytest.fixture(scope="module")
def summary(tmp_path_factory):
    root = tmp_path_factory.mktemp("summary")
    folders = [evaluation(root / name, name, *run) for name, run in RUNS.items()]
    # Bo's second seed: 3 of 4.
    folders.append(evaluation(root / "Bo-1", "Bo", "ab||", "ab|a", seed=1))
    assert summarize(folders, root / "first") == 0
    return root / "first"


def test_means_are_over_seeds_and_then_over_participants(summary):
    ana, bo, chen, mean = read_tsv(summary / "participants.tsv")
    assert [row["participant"] for row in (ana, bo, chen, mean)] == [*RUNS, "mean"]
    assert [row["accuracy"] for row in (ana, bo, chen)] == ["0.7500", "0.6250", "1.0000"]
    # By hand: (0.75 + (0.5 + 0.75) / 2 + 1) / 3.
    assert mean["accuracy"] == "0.7917"
    # Ana: F1 of a is 1 and of b 2/3, by 2 taps each.
    assert (ana["macro_f1"], ana["weighted_f1"]) == ("0.8333", "0.8333")
    # Bo: a 1/2, b 1, | 0; then a 2/3, b 1, | 2/3.
    assert bo["macro_f1"] == f"{((1 / 2 + 1 + 0) / 3 + (2 / 3 + 1 + 2 / 3) / 3) / 2:.4f}"
    spread = abs((1 / 2 + 1) / 3 - (4 / 3 + 1) / 3) / 2**0.5
    assert bo["macro_f1_sd_over_seeds"] == f"{spread:.4f}"
    assert (ana["macro_f1_sd_over_seeds"], bo["seeds"], ana["seeds"]) == ("", "2", "1")
    assert [row["taps"] for row in (ana, bo, chen, mean)] == ["4", "4", "4", "12"]


def test_scores_are_scikit_learns(summary):
    for row in read_tsv(summary / "participants.tsv"):
        if row["participant"] in ("Ana", "Chen"):
            truth, guessed = map(list, RUNS[row["participant"]])
            assert float(row["accuracy"]) == pytest.approx(accuracy_score(truth, guessed))
            for average in ("macro", "weighted"):
                expected = f1_score(
                    truth, guessed, average=average, labels=sorted(set(truth)), zero_division=0
                )
                assert float(row[f"{average}_f1"]) == pytest.approx(expected, abs=5e-5)


def test_the_confusion_matrix_is_the_sum_of_all(summary):
    counts = pd.read_csv(summary / "confusion.tsv", sep="\t", index_col=0)
    assert list(counts.index) == list(counts.columns) == list(LABELS)
    assert counts.to_numpy().tolist() == [
        [2 + 1 + 1 + 1, 0, 0],
        [0, 1 + 1 + 1 + 1, 1],
        [2 + 1, 0, 1 + 2],
    ]


def test_keys_of_other_evaluations_are_refused(tmp_path, capsys):
    one = evaluation(tmp_path / "one", "Ana", "ab", "ab")
    other = evaluation(tmp_path / "other", "Bo", "ab", "ab", labels=("a", "b", "_1"))
    assert summarize([one, other], tmp_path / "out") == 1
    assert "other: has other keys than" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_model_that_was_trained_on_a_participant_makes_no_held_out_summary(tmp_path, capsys):
    heard = evaluation(tmp_path / "heard", "Ana", "ab", "ab", held_out=False)
    other = evaluation(tmp_path / "other", "Bo", "ab", "ab")
    assert summarize([heard, other], tmp_path / "out") == 0
    assert "2 participants, 1 of 2 held out" in capsys.readouterr().err
    about = read_json(tmp_path / "out" / "summary.json")
    assert (about["held_out"], about["seen_in_training"]) == (False, ["Ana"])
    page = (tmp_path / "out" / "participants.html").read_text()
    assert "<h1>out: participants, 1 of 2 held out</h1>" in page


@pytest.mark.parametrize(
    ("heard", "title", "cell"),
    [
        ("", "3 held-out participants", "yes"),
        ("A", "3 participants, 2 of 3 held out", "2 of 3 held out"),
        ("AB", "3 participants, 1 of 3 held out", "1 of 3 held out"),
        ("ABC", "3 participants, none of them held out", "no"),
    ],
)
def test_titles_say_how_many_of_how_many_were_held_out(tmp_path, capsys, heard, title, cell):
    """Of participants tested together, too, and whichever of two seeds' models heard them."""
    folders = [
        evaluation(tmp_path / f"{person}{seed}", person, "ab", "ab", seed=seed)
        for person in "ABC"
        for seed in (0, 1)
    ]
    for folder, person in zip(folders[::2], "ABC", strict=True):
        path = folder / "metrics.json"
        known = [person] if person in heard else []
        write_json(path, read_json(path) | {"held_out": not known, "seen_in_training": known})
    assert summarize(folders, tmp_path / "out") == 0
    assert title in capsys.readouterr().err
    (row,), _ = compare([tmp_path / "out"], tmp_path / "experiments.tsv")
    assert row["held_out"] == cell


def test_evaluations_that_name_nobody_heard_count_all_or_none(tmp_path, capsys):
    folder = evaluation(tmp_path / "a", "Ana", "ab", "ab", held_out=False)
    assert "seen_in_training" not in read_json(folder / "metrics.json")
    assert summarize([folder], tmp_path / "out") == 0
    assert "1 participant, not held out" in capsys.readouterr().err


def test_a_participant_spread_over_folds_is_scored_on_all_their_taps(tmp_path):
    """As leaving single sessions out does: F1 is not the mean of the folds' F1."""
    first = evaluation(tmp_path / "day-1" / "seed-0", "Ana", "aab", "aab")
    second = evaluation(tmp_path / "day-2" / "seed-0", "Ana", "b", "a", first_tap=3)
    assert summarize([first, second], tmp_path / "out") == 0
    folds = read_tsv(tmp_path / "out" / "folds.tsv")
    assert [(fold["fold"], fold["taps"], fold["accuracy"]) for fold in folds] == [
        *(("day-1", "3", "1.0000"), ("day-2", "1", "0.0000"), ("mean", "4", "0.5000"))
    ]
    row, _ = read_tsv(tmp_path / "out" / "participants.tsv")
    assert (row["taps"], row["seeds"], row["accuracy"]) == ("4", "1", "0.7500")
    expected = f1_score([*"aabb"], [*"aaba"], average="macro")
    assert row["macro_f1"] == f"{expected:.4f}"


def test_given_the_overview_taps_are_told_by_condition_and_missed_ones_count_as_wrong(tmp_path):
    folder = evaluation(tmp_path / "Ana", "Ana", "aabbaabb", "aabbaab|", touched=(2651.5, 1088.0))
    overview = tmp_path / "overview"
    overview.mkdir()
    audited = ("participant", "session", "status", *AUDITED)
    counts = {"touches": 10, "unmatched_touches": 2, "taps": 9, "unmatched_taps": 1, "matched": 8}
    row = {"participant": "Ana", "session": "s", "status": "ok", **counts}
    write_tsv(overview / AUDITS_NAME, [row], audited)
    taps = {"tap": range(8), GAP: [80.0] * 6 + [None] * 2, SNR: [42.0] * 8}
    same = {name: [name[0]] * 8 for name in ("session", "recording")}
    table = pa.table({"participant": ["Ana"] * 8, **same, **taps})
    pq.write_table(table, overview / TAP_CONDITIONS_NAME)
    assert summarize([folder], tmp_path / "out", "--overview", overview) == 0
    ana, mean = read_tsv(tmp_path / "out" / "participants.tsv")
    # Seven of eight are right, eight of ten touches were found.
    assert float(ana["end_to_end_accuracy"]) == pytest.approx(0.7)
    assert (ana["missed_taps"], ana["invented_taps"]) == ("2", "1")
    assert mean["detection_precision"] == ana["detection_precision"] == f"{8 / 9:.4f}"
    rows = read_tsv(tmp_path / "out" / "conditions.tsv")
    told = {(r["condition"], r["bin"]): (r["taps"], r["accuracy"]) for r in rows}
    assert told[GAP, "75–100"] == ("6", "1.0000")
    assert told[SNR, "40–45"] == told["session", "Ana/s"] == ("8", "0.8750")
    assert sum(int(r["taps"]) for r in rows if r["condition"] == BORDER) == 8
    for ending in ("png", "pdf", "html"):
        assert (tmp_path / "out" / f"conditions.{ending}").stat().st_size > 1000


def test_without_the_overview_nothing_is_said_of_how_taps_were_found(summary):
    rows = read_tsv(summary / "participants.tsv")
    assert {row["touches"] for row in rows} == {row["end_to_end_accuracy"] for row in rows} == {""}
    conditions = {row["condition"] for row in read_tsv(summary / "conditions.tsv")}
    assert conditions == {BORDER, "session"}


@pytest.fixture(scope="module")
def uncertain(tmp_path_factory):
    """Two people and two seeds with random probabilities of keys, some of them outside all keys."""
    root = tmp_path_factory.mktemp("uncertain")
    labels = ("a", "s", "d", "none")
    rng = np.random.default_rng(5)
    runs = {}
    for person, seed in product(("Ana", "Bo"), (0, 1)):
        truth = rng.integers(0, 4, 60)
        probabilities = rng.dirichlet([1, 1, 1, 0.3], 60) + np.eye(4)[truth]
        runs[person, seed] = truth, probabilities / probabilities.sum(axis=1, keepdims=True)
    touched = {"Ana": (2500.0, 1100.0), "Bo": (2300.0, 1090.0)}
    folders = [
        evaluation(
            root / f"{person}-{seed}",
            person,
            [labels[t] for t in truth],
            None,
            seed=seed,
            labels=labels,
            probabilities=probabilities,
            touched=touched[person],
        )
        for (person, seed), (truth, probabilities) in runs.items()
    ]
    assert summarize(folders, root / "out") == 0
    return root / "out", runs, touched


def test_every_score_is_the_mean_over_seeds_of_an_independent_one(uncertain):
    folder, runs, touched = uncertain
    rows = {row["participant"]: row for row in read_tsv(folder / "participants.tsv")}
    # From config/keyboard.csv, in mm; the two neighbours of each key are within 40 mm.
    centres = 0.1 * np.array([[2651.5, 1088], [2451, 1088], [2263, 1088]])
    for person in ("Ana", "Bo"):
        top, location, centre, located = [], [], [], []
        for seed in (0, 1):
            truth, probabilities = runs[person, seed]
            top.append(top_k_accuracy_score(truth, probabilities, k=3))
            near, far = [], []
            for t, p in zip(truth, probabilities, strict=True):
                if t == 3 or p[3] > 0.5:
                    continue
                expected = p[:3] @ centres / p[:3].sum()
                near.append(np.linalg.norm(expected - 0.1 * np.array(touched[person])))
                far.append(np.linalg.norm(expected - centres[t]))
            location.append(np.percentile(near, [50, 90]))
            centre.append(np.percentile(far, [50, 90]))
            located.append(len(near) / (truth < 3).sum())
        del rows[person]["participant"]
        row = {key: float(cell) for key, cell in rows[person].items() if cell}
        assert row["top_3_accuracy"] == pytest.approx(np.mean(top), abs=1e-4)
        assert row["located"] == pytest.approx(np.mean(located), abs=1e-4)
        for name, errors in (("location", location), ("centre", centre)):
            found = [row[f"{name}_error_{part}_mm"] for part in ("median", "p90")]
            assert found == pytest.approx(np.mean(errors, axis=0), abs=0.006)
    for column in ("top_3_accuracy", "calibration_error", "location_error_median_mm"):
        both = [float(rows[person][column]) for person in ("Ana", "Bo")]
        assert float(rows["mean"][column]) == pytest.approx(np.mean(both), abs=0.006)


def test_the_spread_over_seeds_of_the_mean_is_that_of_the_participants_mean(uncertain):
    folder, runs, _ = uncertain
    by_seed = [
        np.mean(
            [
                f1_score(truth, probabilities.argmax(axis=1), average="macro")
                for truth, probabilities in (runs[person, seed] for person in ("Ana", "Bo"))
            ]
        )
        for seed in (0, 1)
    ]
    mean = read_tsv(folder / "participants.tsv")[-1]
    assert float(mean["macro_f1_sd_over_seeds"]) == pytest.approx(np.std(by_seed, ddof=1), abs=1e-4)


def test_taps_of_each_key_are_those_of_the_fold_and_of_the_evaluation(tmp_path):
    datasets = people(tmp_path / "data", ["Ana", "Bo", "Chen", "Dee"], taps=48, rare=2)
    folder, training = fold(tmp_path / "first" / "Ana" / "seed-0", datasets, "Ana")
    tested = evaluation(tmp_path / "evaluated", "Ana", "aabb|", "aabb|")
    assert summarize([tested], tmp_path / "out", "--folds", folder) == 0
    rows = read_tsv(tmp_path / "out" / "class_counts.tsv")
    assert [(row["fold"], row["seed"]) for row in rows] == [("Ana", "0")] * 4
    loaded = load_fold(folder, training)
    sides = {row["side"]: row for row in rows}
    names = np.array(LABELS)
    for side, data in (("as seen", loaded["train"]), ("validation", loaded["validation"])):
        counted = Counter(names[data["label"]].tolist())
        assert {key: int(sides[side][key]) for key in LABELS} == counted
        assert int(sides[side]["taps"]) == len(data)
    assert int(sides["train"]["taps"]) < int(sides["as seen"]["taps"])
    assert [sides["test"][key] for key in LABELS] == ["2", "2", "1"]
    # Of what the fold tests, trains and validates on; repeated rows count once.
    beside = len(set(map(str, loaded["train"]["input_values"]))) + len(loaded["validation"])
    about = read_json(tmp_path / "out" / "summary.json")
    assert about["tested_share"] == pytest.approx(5 / (5 + beside))
    (person,) = about["participants"]
    assert person["fold"] == tested.parent.name


def compare(summaries, output, *more):
    arguments = ["--summaries", *map(str, summaries), "--output", str(output)]
    assert main(["compare", *arguments, *map(str, more)]) == 0
    return read_tsv(output), read_tsv(output.with_name("differences.tsv"))


def test_experiments_are_compared_with_their_worst_participant(summary, tmp_path, capsys):
    perfect = [evaluation(tmp_path / n, n, "ab|", "ab|") for n in ("Ana", "Bo")]
    assert summarize(perfect, tmp_path / "second") == 0
    capsys.readouterr()
    (first, second), _ = compare([summary, tmp_path / "second"], tmp_path / "experiments.tsv")
    assert (first["experiment"], first["participants"], first["taps"]) == ("first", "3", "12")
    people = read_tsv(summary / "participants.tsv")
    macro = [float(row["macro_f1"]) for row in people[:-1]]
    assert (first["worst_participant"], first["worst_macro_f1"]) == ("Bo", people[1]["macro_f1"])
    assert float(first["macro_f1"]) == pytest.approx(np.mean(macro), abs=1e-4)
    assert float(first["accuracy"]) == pytest.approx(0.7917, abs=1e-4)
    spread = np.std(macro, ddof=1)
    assert float(first["macro_f1_sd_over_participants"]) == pytest.approx(spread, abs=1e-4)
    interval = float(first["macro_f1_low"]), float(first["macro_f1_high"])
    people = read_json(summary / "summary.json")["participants"]
    expected = mean_interval([row["macro_f1_of_seeds"] for row in people])
    assert interval == pytest.approx(expected, abs=1e-4)
    assert (second["macro_f1"], second["worst_macro_f1"]) == ("1.0000", "1.0000")
    printed = capsys.readouterr().out
    for words in (
        "Chen",
        "95 % interval",
        f"{interval[0]:.3f}–{interval[1]:.3f}",
    ):
        assert words in printed
    assert max(map(len, printed.splitlines())) <= 130


PEOPLE = [f"p{index}" for index in range(7)]


def many(root, guesses, held_out=True, taps=(0, 8), people=PEOPLE):
    """A summary of people who are right on as many of their eight taps as `guesses` says."""
    truth = "abababab"
    folders = []
    for person, right in zip(people, guesses, strict=True):
        guessed = "".join(t if tap < right else "|" for tap, t in enumerate(truth))
        first, last = taps
        folders.append(
            evaluation(
                root.parent / "evaluations" / root.name / person,
                person,
                truth[first:last],
                guessed[first:last],
                held_out=held_out,
                first_tap=first,
            )
        )
    assert summarize(folders, root) == 0
    return root


def test_differences_are_tested_between_experiments_on_the_same_taps_only(tmp_path, capsys):
    good = many(tmp_path / "good", [8, 8, 8, 8, 8, 8, 8])
    poor = many(tmp_path / "poor", [7, 6, 5, 7, 6, 5, 4])
    heard = many(tmp_path / "heard", [8, 8, 8, 8, 8, 8, 8], held_out=False)
    others = many(tmp_path / "others", [8, 8, 8, 8, 8, 8, 8], taps=(2, 8))
    choice = tmp_path / "validation.tsv"
    choice.write_text("experiment\tchosen\npoor\tno\ngood\tyes\n")
    families = json.dumps({"main": [["chosen", "poor"], ["chosen", "heard"]]})
    options = ("--comparisons", families, "--choice", choice, "--equivalence", 0.02)
    summaries = [good, poor, heard, others]
    _, rows = compare(summaries, tmp_path / "experiments.tsv", *options)
    named, not_alike = read_tsv(tmp_path / "comparisons.tsv")
    assert (named["experiment"], named["against"]) == ("good", "poor")
    assert (named["p"], named["p_holm"], named["verdict"]) == ("0.016", "0.031", "significant")
    assert "good: 1 seed, fewer than 3" in named["remarks"]
    assert not_alike["verdict"].startswith("not compared: nobody was tested")
    assert "good − poor" in capsys.readouterr().out
    for ending in ("html", "png", "pdf"):
        assert (tmp_path / f"comparisons.{ending}").stat().st_size > 1000
    found = {(row["first"], row["second"]): row for row in rows}
    assert len(found) == 6
    tested = found.pop(("good", "poor"))
    assert (tested["participants"], tested["verdict"]) == ("7", "exploratory")
    # All seven differences have one sign.
    assert float(tested["p"]) == pytest.approx(2 / 2**7, rel=0.05)
    assert tested["p_holm"] == tested["p"]
    assert 0 < float(tested["low"]) < float(tested["mean_difference"]) < float(tested["high"])
    for row in found.values():
        assert (row["participants"], row["p"], row["mean_difference"]) == ("0", "", "")
        assert row["verdict"].startswith("not compared")


def test_of_one_participant_the_folds_are_compared(tmp_path):
    """Seven blocks of taps: one experiment has all right, the other only those of the last."""
    folders = {}
    for name, guesses in (("right", ["abab"] * 7), ("half", ["aaaa"] * 6 + ["abab"])):
        runs = [
            evaluation(
                tmp_path / name / f"block-{block}" / "seed-0",
                *("Ana", "abab", guessed),
                held_out=False,
                first_tap=4 * block,
            )
            for block, guessed in enumerate(guesses)
        ]
        folders[name] = tmp_path / "summaries" / name
        assert summarize(runs, folders[name]) == 0
    output = tmp_path / "experiments.tsv"
    compared_with = json.dumps({"main": [["right", "half"]]})
    compare(folders.values(), output, "--comparisons", compared_with)
    (row,) = read_tsv(tmp_path / "comparisons.tsv")
    assert (row["unit"], row["participants"], row["needs_participants"]) == ("fold", "7", "")
    # F1 of a is 2/3 where all are taken for a, and of b 0.
    differences = np.array([1 - 1 / 3] * 6 + [0])
    assert float(row["mean_difference"]) == pytest.approx(differences.mean(), abs=1e-4)
    # Each fold's models share six sevenths of the data: ρ / (1 − ρ) is a sixth.
    scale = differences.std(ddof=1) * (1 / 7 + 1 / 6) ** 0.5
    low, high = stats.t.interval(0.95, 6, differences.mean(), scale)
    assert (float(row["low"]), float(row["high"])) == pytest.approx((low, high), abs=1e-4)
    assert (row["p"], row["verdict"]) == ("", "not tested: folds share their training taps")
    assert "right: compared over 7 folds of one participant" in row["remarks"]
    for row in read_tsv(output):
        assert row["macro_f1_low"] == ""
    # On cards and the answer's page too folds are no people.
    for folder in folders.values():
        assert interval_of_mean(read_summary(folder)) == (None, None)


def test_differences_are_tested_on_scores_as_they_are(tmp_path):
    """Not on those of the table, which has four decimals."""
    truth = "aaaaaab"
    folder = evaluation(tmp_path / "Ana", "Ana", truth, "aaaaaba")
    assert summarize([folder], tmp_path / "out") == 0
    expected = f1_score([*truth], [*"aaaaaba"], average="macro")
    assert round(expected, 4) != expected
    summary = read_summary(tmp_path / "out")
    found = compared("out", summary)
    (runs,) = found.people.values()
    assert runs == {"0": pytest.approx(expected, abs=1e-12)}
    row = experiment_row(summary, found)
    assert row["macro_f1"] == row["worst_macro_f1"] == pytest.approx(expected, abs=1e-12)


def test_participants_are_compared_if_both_experiments_held_them_out_or_neither_did(tmp_path):
    """Whatever is so of the experiments' other participants."""
    scores = {}
    for name, known in (("one", "B"), ("other", "AB")):
        folders = []
        for person in "AB":
            folders.append(evaluation(tmp_path / name / person, person, "ab", "ab"))
            path = folders[-1] / "metrics.json"
            heard = [person] if person in known else []
            write_json(path, read_json(path) | {"held_out": not heard, "seen_in_training": heard})
        assert summarize(folders, tmp_path / f"{name}-summary") == 0
        scores[name] = compared(name, read_summary(tmp_path / f"{name}-summary")).people
    assert [person for person, *_ in scores["one"].keys() & scores["other"].keys()] == ["B"]


def test_a_summary_without_scores_is_refused(summary, tmp_path, capsys):
    shutil.copytree(summary, tmp_path / "old")
    about = read_json(summary / "summary.json")
    del about["participants"]
    write_json(tmp_path / "old" / "summary.json", about)
    assert main(["compare", "--summaries", str(tmp_path / "old")]) == 1
    assert "holds no scores of single seeds and folds; summarize again" in capsys.readouterr().err


def test_a_choice_of_nothing_is_refused(summary, tmp_path, capsys):
    choice = tmp_path / "validation.tsv"
    choice.write_text("experiment\tchosen\nfirst\tno\n")
    assert main(["compare", "--summaries", str(summary), "--choice", str(choice)]) == 1
    assert "validation.tsv: no row is chosen" in capsys.readouterr().err


def test_participants_say_which_processor_trained_their_models(tmp_path):
    folders = [
        evaluation(tmp_path / f"{person}{seed}", person, "ab|", "ab|", seed=seed)
        for person in ("Ana", "Bo")
        for seed in (0, 1)
    ]
    for folder, name in zip(folders, ("Alpha", "Beta", None, None), strict=True):
        path = folder / "metrics.json"
        write_json(path, read_json(path) | {"trained_on_processor": name})
    assert summarize(folders, tmp_path / "out") == 0
    rows = read_tsv(tmp_path / "out" / "participants.tsv")
    assert [row["trained_on_processor"] for row in rows] == ["Alpha; Beta", "", ""]
    assert [row["macro_f1_low"] for row in rows] == ["", "", "1.0000"]


def test_one_experiment_has_nothing_to_be_compared_with(summary, tmp_path):
    rows, differences = compare([summary], tmp_path / "experiments.tsv")
    assert (len(rows), differences) == (1, [])


def test_what_training_took_is_the_mean_over_models(summary, tmp_path, capsys):
    tables = []
    for job, wall_s, cpu_s in (
        ("train/first/Ana/seed-0", "90.0", "60.0"),
        ("train/first/Bo/seed-0", "150.0", "120.0"),
        ("baseline/second/Ana/seed-0", "0.3", "NA"),
    ):
        tables.append(tmp_path / "benchmarks" / f"{job}.tsv")
        tables[-1].parent.mkdir(parents=True)
        tables[-1].write_text(f"s\tmax_rss\tcpu_time\n{wall_s}\t1\t{cpu_s}\n")
    absent = tmp_path / "benchmarks" / "train" / "first" / "Chen" / "seed-0.tsv"
    assert summarize([evaluation(tmp_path / "Ana", "Ana", "ab|", "ab|")], tmp_path / "second") == 0
    capsys.readouterr()
    summaries = [summary, tmp_path / "second"]
    rows, _ = compare(summaries, tmp_path / "all.tsv", "--benchmarks", *tables, absent)
    took = [(row["training_minutes"], row["training_cpu_minutes"]) for row in rows]
    assert took == [("2.0000", "1.5000"), ("0.0050", "")]
    assert "CPU minutes" in capsys.readouterr().out
