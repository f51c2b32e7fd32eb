import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from made import LABELS
from sklearn.metrics import accuracy_score, f1_score

from tap2key.__main__ import main
from tap2key.confusion import read_confusion, write_confusion
from tap2key.files import read_json, read_tsv

# Truth and prediction of each participant: 3 of 4, 2 of 4 and 4 of 4 are right.
RUNS = {
    "Ana": ("aabb", "aab|"),
    "Bo": ("ab||", "abaa"),
    "Chen": ("a|b|", "a|b|"),
}


def evaluation(folder, participant, truth, guessed, seed=0, held_out=True, labels=LABELS):
    """What the evaluate stage writes, as far as a summary reads it."""
    folder.mkdir(parents=True)
    count = len(truth)
    index = {label: at for at, label in enumerate(labels)}
    counts = np.zeros((len(labels), len(labels)), int)
    for true, named in zip(truth, guessed, strict=True):
        counts[index[true], index[named]] += 1
    write_confusion(folder / "confusion.tsv", counts, labels)
    probabilities = np.eye(len(labels), dtype=np.float32)[[index[g] for g in guessed]]
    table = pa.table(
        {
            "participant": [participant] * count,
            "session": ["s"] * count,
            "recording": ["r"] * count,
            "tap": pa.array(range(count), pa.int32()),
            "x": pa.array([0.0] * count, pa.float32()),
            "y": pa.array([0.0] * count, pa.float32()),
            "truth": list(truth),
            "prediction": list(guessed),
            "probabilities": pa.FixedSizeListArray.from_arrays(
                pa.array(probabilities.reshape(-1)), len(labels)
            ),
        }
    ).replace_schema_metadata({"labels": "\t".join(labels)})
    pq.write_table(table, folder / "predictions.parquet")
    metrics = {"participants": [participant], "seed": seed, "held_out": held_out}
    (folder / "metrics.json").write_text(json.dumps(metrics))
    return folder


def summarize(evaluations, output):
    return main(
        [
            *("summarize", "--experiment", output.name, "--output", str(output)),
            *("--evaluations", *map(str, evaluations)),
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
    counts, labels = read_confusion(summary / "confusion.tsv")
    assert labels == list(LABELS)
    assert counts.tolist() == [[2 + 1 + 1 + 1, 0, 0], [0, 1 + 1 + 1 + 1, 1], [2 + 1, 0, 1 + 2]]


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
    assert "none of them held out" in capsys.readouterr().err
    assert read_json(tmp_path / "out" / "summary.json")["held_out"] is False


def test_a_participant_spread_over_folds_is_scored_on_all_their_taps(tmp_path):
    """As leaving single sessions out does: F1 is not the mean of the folds' F1."""
    first = evaluation(tmp_path / "1", "Ana", "aab", "aab")
    second = evaluation(tmp_path / "2", "Ana", "b", "a")
    assert summarize([first, second], tmp_path / "out") == 0
    row, _ = read_tsv(tmp_path / "out" / "participants.tsv")
    assert (row["taps"], row["seeds"], row["accuracy"]) == ("4", "1", "0.7500")
    expected = f1_score([*"aabb"], [*"aaba"], average="macro")
    assert row["macro_f1"] == f"{expected:.4f}"


def test_experiments_are_compared_with_their_worst_participant(summary, tmp_path, capsys):
    perfect = [evaluation(tmp_path / n, n, "ab|", "ab|") for n in ("Ana", "Bo")]
    assert summarize(perfect, tmp_path / "second") == 0
    capsys.readouterr()
    output = tmp_path / "experiments.tsv"
    summaries = [str(summary), str(tmp_path / "second")]
    assert main(["compare", "--summaries", *summaries, "--output", str(output)]) == 0
    first, second = read_tsv(output)
    assert (first["experiment"], first["participants"], first["taps"]) == ("first", "3", "12")
    people = read_tsv(summary / "participants.tsv")
    macro = [float(row["macro_f1"]) for row in people[:-1]]
    assert (first["worst_participant"], first["worst_macro_f1"]) == ("Bo", people[1]["macro_f1"])
    assert float(first["macro_f1"]) == pytest.approx(np.mean(macro), abs=1e-4)
    assert float(first["accuracy"]) == pytest.approx(0.7917, abs=1e-4)
    spread = np.std(macro, ddof=1)
    assert float(first["macro_f1_sd_over_participants"]) == pytest.approx(spread, abs=1e-4)
    assert (second["macro_f1"], second["worst_macro_f1"]) == ("1.0000", "1.0000")
    printed = capsys.readouterr().out
    for line in ("first: participants held out", "second: participants held out", "Chen"):
        assert line in printed
