import shutil
from pathlib import Path

import numpy as np
import pytest
from made import dataset, error_line, held_out_study, stage
from sklearn.metrics import f1_score

from tap2key.core.errors import DivergedError, Tap2keyError
from tap2key.core.files import read_json, read_tsv, write_tsv
from tap2key.datasets.encoded_dataset import Rows, load_dataset_folder, load_fold
from tap2key.models.predictor import load_predictor
from tap2key.training import baseline
from tap2key.training.search import macro_f1, search_among, write_search

CANDIDATES = [{"trees": 5}, {"trees": 10}, {"trees": 20}, {"trees": 40}]


def test_the_highest_score_is_chosen_and_of_equals_the_first(tmp_path):
    scores = {5: 0.2, 10: 0.7, 20: 0.1, 40: 0.7}
    found = search_among(CANDIDATES, tmp_path, lambda _, each: scores[each["trees"]])
    assert (found.chosen, found.best) == (1, {"trees": 10})
    assert [trial.macro_f1 for trial in found.trials] == [0.2, 0.7, 0.1, 0.7]


def test_a_candidate_that_diverges_is_left_out_and_says_why(tmp_path):
    def score(number, candidate):
        if number != 3:
            raise DivergedError(f"number {number} is not finite")
        return 0.0

    found = search_among(CANDIDATES, tmp_path, score)
    assert found.best == {"trees": 20}
    write_search(tmp_path / "search.tsv", found)
    rows = read_tsv(tmp_path / "search.tsv")
    assert [row["left_out"] for row in rows] == [
        "number 1 is not finite",
        *("number 2 is not finite", "", "number 4 is not finite"),
    ]
    assert [row["chosen"] for row in rows] == ["no", "no", "yes", "no"]
    assert [row["validation_macro_f1"] for row in rows] == ["", "", "0.0", ""]
    with pytest.raises(DivergedError, match=r"none of 2 candidates .* number 1 is not finite"):
        search_among(CANDIDATES[:2], tmp_path, score)


def test_what_was_tried_before_an_interruption_is_not_tried_again(tmp_path):
    begun = []

    def score(number, candidate):
        begun.append(number)
        if begun == [1, 2]:
            raise Tap2keyError("SIGTERM")
        return 1 / number

    with pytest.raises(Tap2keyError, match="SIGTERM"):
        search_among(CANDIDATES, tmp_path, score)
    found = search_among(CANDIDATES, tmp_path, score)
    assert begun == [1, 2, 2, 3, 4]
    assert [trial.macro_f1 for trial in found.trials] == [1, 1 / 2, 1 / 3, 1 / 4]


def test_keys_count_alike_if_they_occur():
    truth, named = np.array([0, 0, 0, 3]), np.array([0, 0, 1, 3])
    expected = f1_score(truth, named, labels=[0, 3], average="macro")
    assert macro_f1(truth, named) == pytest.approx(expected)
    assert macro_f1(truth, truth) == 1


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A fold that holds out Ana, its training datasets and everybody's."""
    return held_out_study(tmp_path_factory.mktemp("study"), taps=60, rare=2)


# With leaves as large as the study, the experiment's own forest cannot tell keys apart.
HOPELESS = ("--kind", "level_forest", "--trees", 10, "--min-samples-leaf", 500)
PLANTED = '{"budget": 3, "over": {"min_samples_leaf": [300, 2]}}'


def fit(data, root, *more, seed=3):
    stage(
        *("baseline", "--fold", data[0], "--datasets", *data[1], "--output", root / "model"),
        *("--checkpoints", root / "checkpoints", "--seed", seed, *more),
    )
    return root / "model"


def searched(data, root, **options):
    return fit(data, root, *HOPELESS, f"--search={PLANTED}", **options)


def tried(model):
    """What search.tsv says, but for the clock."""
    rows = read_tsv(model / "search.tsv")
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


def of_held_out(data, model):
    predictor, _ = load_predictor(model)
    windows = windows_of_held_out(data)
    return predictor.probabilities(windows)


def windows_of_held_out(data):
    return Rows(load_dataset_folder(data[2]["Ana"]).data).all()


def test_a_planted_setting_is_found_by_validation_taps_and_makes_the_model(data, tmp_path):
    model = searched(data, tmp_path)
    rows = tried(model)
    assert rows[0]["min_samples_leaf"] == "500"
    assert {row["min_samples_leaf"] for row in rows} == {"500", "300", "2"}
    (chosen,) = (row for row in rows if row["chosen"] == "yes")
    assert chosen["min_samples_leaf"] == "2"
    validation = load_fold(data[0], data[1])["validation"]
    probabilities = load_predictor(model)[0].probabilities(Rows(validation).all())
    truth = np.array(validation.with_format("numpy")["label"])
    expected = f1_score(truth, probabilities.argmax(axis=1), average="macro")
    assert float(chosen["validation_macro_f1"]) == pytest.approx(expected)
    settings = read_json(model / "provenance.json")["settings"]
    assert settings["min_samples_leaf"] == 2 and settings["search"]["budget"] == 3
    direct = fit(data, tmp_path / "direct", *HOPELESS[:4], "--min-samples-leaf", 2)
    np.testing.assert_array_equal(of_held_out(data, model), of_held_out(data, direct))
    assert not (direct / "search.tsv").exists()
    assert list((tmp_path / "checkpoints").iterdir()) == []


def test_another_seed_takes_what_was_found(data, tmp_path, capsys):
    first = searched(data, tmp_path)
    settings = (*HOPELESS, f"--search={PLANTED}")
    second = fit(data, tmp_path / "second", *settings, "--searched", first, seed=4)
    direct = fit(data, tmp_path / "direct", *HOPELESS[:4], "--min-samples-leaf", 2, seed=4)
    np.testing.assert_array_equal(of_held_out(data, second), of_held_out(data, direct))
    provenance = read_json(second / "provenance.json")
    assert provenance["settings"] == read_json(direct / "provenance.json")["settings"]
    assert [Path(path).name for path in provenance["inputs"]] == ["fold.json", "search.tsv"]
    assert not (second / "search.tsv").exists()
    rows = read_tsv(first / "search.tsv")
    write_tsv(first / "search.tsv", [{**row, "chosen": "no"} for row in rows], tuple(rows[0]))
    given = ("baseline", "--fold", data[0], "--datasets", *data[1], "--output", tmp_path / "m")
    line = error_line(capsys, *given, *settings, "--searched", first)
    assert line.endswith("is not of a search of these settings; train that model again")
    broken = [{**row, "min_samples_leaf": "two"} for row in rows]
    write_tsv(first / "search.tsv", broken, tuple(rows[0]))
    line = error_line(capsys, *given, *settings, "--searched", first)
    assert f"{first / 'search.tsv'}: is damaged" in line


def test_the_held_out_participant_has_no_say(tmp_path):
    made = held_out_study(tmp_path / "study", taps=60, rare=2)
    before = searched(made, tmp_path / "before")
    windows = windows_of_held_out(made)
    shutil.rmtree(made[2]["Ana"])
    after = searched(made, tmp_path / "after")
    label_ids = np.random.default_rng(0).integers(0, 3, len(windows))
    dataset(made[2]["Ana"], "Ana", label_ids, inputs=windows)
    permuted = searched(made, tmp_path / "permuted")
    assert tried(before) == tried(after) == tried(permuted)
    for other in (after, permuted):
        np.testing.assert_array_equal(of_held_out(made, before), of_held_out(made, other))


def test_the_same_seed_finds_the_same_on_any_number_of_threads(data, tmp_path):
    over = '{"max_features": [0.2, 1], "trees": [5, 20]}'
    chosen = ("--kind", "gcc_phat_forest", "--trees", 10)
    chosen = (*chosen, f'--search={{"budget": 4, "over": {over}}}')
    one = fit(data, tmp_path / "one", *chosen)
    two = fit(data, tmp_path / "two", *chosen, "--threads", 2)
    assert tried(one) == tried(two) and len(tried(one)) == 4
    np.testing.assert_array_equal(of_held_out(data, one), of_held_out(data, two))


def test_an_interrupted_search_ends_as_one_that_was_not(data, tmp_path, monkeypatch):
    whole = searched(data, tmp_path / "whole")
    fitted = []

    def dies(taps, settings, *more):
        fitted.append(settings["min_samples_leaf"])
        if len(fitted) == 2:
            raise KeyboardInterrupt
        return baseline_fit(taps, settings, *more)

    baseline_fit = baseline.fit_forest
    monkeypatch.setattr(baseline, "fit_forest", dies)
    with pytest.raises(KeyboardInterrupt):
        searched(data, tmp_path / "again")
    again = searched(data, tmp_path / "again")
    # The first is tried once; the second twice, the third, and what makes the model.
    assert fitted[1] == fitted[2] and len(fitted) == 5 and fitted.count(500) == 1
    assert tried(again) == tried(whole)
    np.testing.assert_array_equal(of_held_out(data, again), of_held_out(data, whole))


def test_a_search_by_hand_needs_a_folder_for_what_it_tries(data, tmp_path, capsys):
    given = ("--fold", data[0], "--datasets", *data[1], "--output", tmp_path / "model")
    line = error_line(capsys, "baseline", *given, *HOPELESS, f"--search={PLANTED}")
    assert "--search: give --checkpoints too" in line
