import json

import pytest
from made import run, stage

from tap2key.core.files import read_json, read_tsv
from tap2key.evaluation.choose import Validated, ranked

SCORES = {"wide": [0.90, 0.94], "forest": [0.95, 0.91], "plain": [0.80, 0.82]}


def models(root, scores, by="participant", seed=0, taps="", tried=1, **more):
    """Folders of models; those of one fold and seed are validated on the same taps."""
    folders = []
    for experiment, values in scores.items():
        for fold, value in zip(("Ana", "Bo"), values, strict=True):
            folder = root / experiment / fold / f"seed-{seed}"
            folder.mkdir(parents=True)
            about = {
                "validation": {"selection_macro_f1": value, **more},
                "validated_by": by,
                "validation_taps": f"{fold}{seed}{taps}",
                "candidates": tried,
            }
            (folder / "tap2key.json").write_text(json.dumps(about))
            folders.append(folder)
    return folders


def rows_of(root, *folders):
    output = root / "model_selection" / "validation.tsv"
    stage("choose", "--models", *folders, "--output", output)
    return read_tsv(output)


def test_the_best_mean_over_folds_is_chosen_whatever_its_kind(tmp_path):
    rows = rows_of(tmp_path, *models(tmp_path, SCORES))
    assert [row["experiment"] for row in rows] == ["forest", "wide", "plain"]
    assert [row["chosen"] for row in rows] == ["yes", "no", "no"]
    assert [float(row["validation_macro_f1"]) for row in rows] == pytest.approx([0.93, 0.92, 0.81])
    assert {row["reason"] for row in rows} == {""}


def test_the_best_of_many_epochs_has_no_say(tmp_path):
    lucky = models(tmp_path, {"lucky": [0.5, 0.5]}, weighted_f1=0.99, accuracy=0.99)
    rows = rows_of(tmp_path, *lucky, *models(tmp_path, {"steady": [0.6, 0.6]}, weighted_f1=0.6))
    assert [row["experiment"] for row in rows] == ["steady", "lucky"]


def test_of_equals_the_first_given_is_chosen(tmp_path):
    rows = rows_of(tmp_path, *models(tmp_path, {"b": [0.8, 0.8], "a": [0.8, 0.8]}))
    assert [row["experiment"] for row in rows] == ["b", "a"]


def test_seeds_that_only_some_have_do_not_count(tmp_path):
    first = models(tmp_path, SCORES)
    lucky = models(tmp_path, {"plain": [1.0, 1.0]}, seed=1)
    rows = {row["experiment"]: row for row in rows_of(tmp_path, *first, *lucky)}
    assert rows["plain"]["validation_macro_f1"] == "0.8100"
    assert rows["forest"]["chosen"] == "yes"


def test_who_is_validated_on_people_it_knows_is_not_ranked_with_the_others(tmp_path):
    acquainted = {"easy": [0.99, 0.99], "also": [0.98, 0.98], "too": [0.97, 0.97]}
    known = models(tmp_path, acquainted, by="session", taps="some of each")
    strangers = models(tmp_path, {"one": [0.8, 0.8], "two": [0.9, 0.9]})
    rows = rows_of(tmp_path, *known, *strangers)
    assert [row["experiment"] for row in rows] == ["two", "one", "easy", "also", "too"]
    assert [row["chosen"] for row in rows] == ["yes", "no", *["not ranked"] * 3]
    assert {row["reason"] for row in rows[2:]} == {"other validation taps than one"}


def test_who_tried_more_settings_on_the_validation_taps_is_warned_of(tmp_path, capsys):
    """The best of twelve would beat the best of three by luck alone."""
    fewer = models(tmp_path, {"one": [0.8, 0.8], "fixed": [0.7, 0.7]}, tried=3)
    for folder in fewer[2:]:
        about = read_json(folder / "tap2key.json") | {"candidates": None}
        (folder / "tap2key.json").write_text(json.dumps(about))
    more = models(tmp_path, {"eager": [0.95, 0.95]}, tried=12)
    # Another seed trains with what the first one's search found.
    more += models(tmp_path, {"eager": [0.95, 0.95]}, seed=1)
    capsys.readouterr()
    rows = rows_of(tmp_path, *fewer, *more)
    assert [(row["experiment"], row["candidates"]) for row in rows] == [
        *(("eager", "12"), ("one", "3"), ("fixed", ""))
    ]
    assert "eager tried 12 settings on the validation taps, one 3:" in capsys.readouterr().err
    rows_of(tmp_path / "equal", *fewer)
    assert "flattered" not in capsys.readouterr().err


def test_in_how_many_folds_own_validation_taps_agree_is_told(tmp_path):
    scores = {"even": [0.92, 0.92], "ana": [0.94, 0.85], "never": [0.1, 0.2]}
    again = {"even": [0.92, 0.92], "ana": [0.91, 0.86], "never": [0.1, 0.2]}
    folders = models(tmp_path, scores) + models(tmp_path, again, seed=1)
    rows = rows_of(tmp_path, *folders)
    # Over both seeds, Ana's fold has 0.925 for the second.
    found = {row["experiment"]: row["best_in_folds"] for row in rows}
    assert found == {"even": "1", "ana": "1", "never": "0"}
    assert rows[0]["chosen"] == "yes" and rows[0]["experiment"] == "even"


def test_only_those_validated_on_the_same_taps_are_ranked(tmp_path):
    """One fold with other taps is enough; as many experiments as can be are ranked."""
    few = models(tmp_path, {"few": [0.99, 0.99]}, taps="fewer people")
    same = models(tmp_path, SCORES)
    about = read_json(few[0] / "tap2key.json") | {"validation_taps": "Ana0"}
    (few[0] / "tap2key.json").write_text(json.dumps(about))
    rows = rows_of(tmp_path, *few, *same)
    assert [row["experiment"] for row in rows] == ["forest", "wide", "plain", "few"]
    assert (rows[-1]["chosen"], rows[-1]["validation_macro_f1"]) == ("not ranked", "0.9900")
    assert rows[-1]["reason"] == "other validation taps than wide"


def test_without_a_common_fold_and_seed_nothing_is_compared(tmp_path):
    folders = models(tmp_path, {"one": [0.8, 0.9]})
    folders += models(tmp_path, {"other": [0.9, 1.0]}, seed=1)
    one, other = rows_of(tmp_path, *folders)
    assert (one["experiment"], one["chosen"], one["models"]) == ("one", "yes", "2")
    assert (other["chosen"], other["validation_macro_f1"]) == ("not ranked", "0.9500")
    assert other["reason"] == "no fold and seed in common with one"


def test_all_who_are_ranked_share_a_fold_and_seed():
    """Two of them may share some with the first each, and none with one another."""
    taps = {seed: Validated(0.8, "participant", seed) for seed in ("0", "1")}
    runs = {seed: (("Ana", f"seed-{seed}"), each) for seed, each in taps.items()}
    found = {"both": dict(runs.values()), "zero": dict([runs["0"]]), "one": dict([runs["1"]])}
    rows = {row["experiment"]: row for row in ranked(found)}
    assert [rows[name]["chosen"] for name in found] == ["yes", "no", "not ranked"]
    assert rows["one"]["reason"] == "no fold and seed in common with both"


def test_models_at_chance_are_counted_where_it_is_known(tmp_path):
    folders = models(tmp_path, {"network": [0.1, 0.1]}, at_chance=True)
    folders += models(tmp_path, {"forest": [0.9, 0.9]})
    rows = {row["experiment"]: row for row in rows_of(tmp_path, *folders)}
    assert rows["network"]["models_at_chance"] == "2"
    assert rows["forest"]["models_at_chance"] == ""


def test_a_model_of_an_earlier_version_is_refused(tmp_path):
    folder, other = models(tmp_path, {"old": [0.9, 0.9]})
    about = {"validation": {"weighted_f1": 0.9}, "validated_by": "participant"}
    (folder / "tap2key.json").write_text(json.dumps(about))
    result = run("choose", "--models", folder, other, "--output", tmp_path / "validation.tsv")
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert str(folder) in line and "train the model again" in line
