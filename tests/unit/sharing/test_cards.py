"""Cards of models and datasets: what they state is so, and their lines load what they describe."""

import os
import re
import runpy
from pathlib import Path

import pytest
from huggingface_hub import DatasetCard, ModelCard
from made import SETTINGS as USUAL
from made import held_out_study, stage, training_arguments

from tap2key.__main__ import main
from tap2key.core.files import read_json, read_tsv
from tap2key.core.folders import FILES

LINES = re.compile(r"^```python\n(.*?)^```$", re.M | re.S)
KINDS = ("network", "forest")
LICENCE = "license: cc-by-4.0"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A network and a forest of one fold, scored, summarized and with their cards."""
    root = tmp_path_factory.mktemp("run")
    folder, training, everybody = held_out_study(root, taps=36)
    once = USUAL["training"] | {"epochs": 1}
    stage(
        "train",
        *training_arguments(folder, training, root, "models/network/Ana/seed-1", training=once),
    )
    stage(
        *("baseline", "--fold", folder, "--datasets", *training, "--kind", "level_forest"),
        *("--trees", "5", "--output", root / "models" / "forest" / "Ana" / "seed-1"),
        *(
            "--search",
            '{"budget": 3, "over": {"trees": [3, 4]}}',
            "--checkpoints",
            root / "checkpoints",
        ),
    )
    for kind in KINDS:
        model, scored = (root / part / kind / "Ana" / "seed-1" for part in ("models", "scored"))
        stage(
            *("evaluate", "--model", model, "--datasets", everybody["Ana"], "--fold", folder),
            *("--output", scored),
        )
        summary = root / "summary" / kind
        stage("summarize", "--experiment", kind, "--evaluations", scored, "--output", summary)
        stage(*cards_of(root, kind), "--output", root / "cards" / kind)
    return root


def cards_of(root, kind):
    return (
        *("cards", "--models", root / "models" / kind / "Ana" / "seed-1"),
        *("--evaluations", root / "scored" / kind / "Ana" / "seed-1"),
        *("--summary", root / "summary" / kind),
    )


def follow(folder, monkeypatch, capsys):
    """Run the lines in a folder's card, from that folder, as a reader would; returns their last."""
    (lines,) = LINES.findall((folder / "README.md").read_text(encoding="utf-8"))
    script = Path(os.fspath(folder)).parent / "lines.py"
    script.write_text(lines, encoding="utf-8")
    monkeypatch.chdir(folder)
    capsys.readouterr()
    runpy.run_path(str(script))
    return capsys.readouterr().out.splitlines()[-1]


@pytest.mark.parametrize("kind", KINDS)
def test_the_lines_in_a_models_card_name_a_key(run, kind, monkeypatch, capsys):
    folder = run / "models" / kind / "Ana" / "seed-1"
    assert follow(folder, monkeypatch, capsys) in read_json(folder / "tap2key.json")["labels"]
    assert "tap2key" not in LINES.findall((folder / "README.md").read_text())[0] or kind == "forest"


@pytest.mark.parametrize("kind", KINDS)
def test_a_models_card_states_its_held_out_scores(run, kind):
    folder = run / "models" / kind / "Ana" / "seed-1"
    card = ModelCard.load(folder / "README.md")
    metrics = read_json(run / "scored" / kind / "Ana" / "seed-1" / "metrics.json")
    stated = {result.metric_type: result.metric_value for result in card.data.eval_results}
    assert stated == {
        "f1": round(metrics["macro_f1"], 4),
        "accuracy": round(metrics["accuracy"], 4),
    }
    mean = read_json(run / "summary" / kind / "summary.json")["mean"]
    assert f"own fold | {mean['macro_f1']:.3f} |" in card.text
    assert re.search(r"people: Bo.*\. Not on Ana\.", card.text)
    assert card.data.library_name == {"network": "transformers", "forest": "sklearn"}[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_a_models_card_states_its_validation_score_and_its_search(run, kind):
    """Of the search: how many candidates, on whose taps."""
    folder = run / "models" / kind / "Ana" / "seed-1"
    text = (folder / "README.md").read_text(encoding="utf-8")
    about = read_json(folder / "tap2key.json")
    score = about["validation"]["selection_macro_f1"]
    by = about["validated_by"]
    after = " after its last epoch" if kind == "network" else ""
    assert f"Macro-F1 on validation taps (set aside by {by}){after}: {score:.3f}" in text
    searched = re.findall(r"the best of (\d+) candidates by .* taps of (.*) \(`search", text)
    sessions = read_json(run / "fold" / "fold.json")["validation"]
    people = ", ".join(sorted({person for person, _ in sessions}))
    assert searched == ([("3", people)] if kind == "forest" else [])


def test_a_card_belongs_to_the_model_and_leaves_its_files_alone(run):
    folder = run / "models" / "network" / "Ana" / "seed-1"
    before = {p.name: p.stat().st_mtime_ns for p in folder.iterdir() if p.name != "README.md"}
    assert "README.md" in read_json(folder / "provenance.json")[FILES]
    stage(*cards_of(run, "network"), "--output", run / "cards" / "network")
    after = {p.name: p.stat().st_mtime_ns for p in folder.iterdir() if p.name != "README.md"}
    assert after == before
    (row,) = read_tsv(run / "cards" / "network" / "cards.tsv")
    assert row["model"] == "Ana/seed-1"


def test_somebodys_own_readme_is_not_replaced(run, tmp_path, capsys):
    folder = run / "models" / "forest" / "Ana" / "seed-1"
    provenance = (folder / "provenance.json").read_text(encoding="utf-8")
    card = (folder / "README.md").read_text(encoding="utf-8")
    (folder / "README.md").write_text("my notes")
    (folder / "provenance.json").write_text(provenance.replace('"README.md",', ""))
    try:
        arguments = [*cards_of(run, "forest"), "--output", tmp_path / "cards"]
        assert main([str(argument) for argument in arguments]) == 1
        assert "README.md: is not a card" in capsys.readouterr().err
        assert (folder / "README.md").read_text(encoding="utf-8") == "my notes"
        assert not (tmp_path / "cards").exists()
    finally:
        (folder / "README.md").write_text(card, encoding="utf-8")
        (folder / "provenance.json").write_text(provenance, encoding="utf-8")


def edit(card):
    """What the card itself asks for: a licence in its metadata."""
    text = card.read_text(encoding="utf-8")
    card.write_text(text.replace("---\n", f"---\n{LICENCE}\n", 1), encoding="utf-8")


def test_an_edited_card_is_kept_with_one_warning_and_an_unedited_one_is_not(run, tmp_path, capsys):
    folder = run / "models" / "forest" / "Ana" / "seed-1"
    card = folder / "README.md"
    again = [*cards_of(run, "forest"), "--simulated", "--output", tmp_path / "cards"]
    edit(card)
    edited = card.read_bytes()
    capsys.readouterr()
    for _ in range(2):
        stage(*again)
        assert card.read_bytes() == edited
        assert capsys.readouterr().err.count("README.md: edited, so kept") == 1
        (row,) = read_tsv(tmp_path / "cards" / "cards.tsv")
        assert row["card"] == "kept, edited"
    card.unlink()
    stage(*again)
    assert "The study is simulated" in card.read_text(encoding="utf-8")
    stage(*(argument for argument in again if argument != "--simulated"))
    assert "The study is simulated" not in card.read_text(encoding="utf-8")
    assert read_tsv(tmp_path / "cards" / "cards.tsv")[0]["card"] == "README.md"


def test_a_simulated_studys_models_say_so(run, tmp_path):
    stage(*cards_of(run, "forest"), "--simulated", "--output", tmp_path / "cards")
    card = ModelCard.load(run / "models" / "forest" / "Ana" / "seed-1" / "README.md")
    assert "The study is simulated" in card.text
    assert card.data.eval_results[0].dataset_type == "simulated-study"


def test_the_lines_in_a_datasets_card_load_it(run, tmp_path, monkeypatch, capsys):
    output = tmp_path / "dataset"
    datasets = [run / "datasets" / name for name in ("Bo", "Chen", "Dee")]
    stage(
        *("export", "--dataset", "--fold", run / "fold", "--datasets", *datasets),
        *("--output", output),
    )
    said = follow(output, monkeypatch, capsys)
    assert said.split()[1] in ("Bo", "Chen", "Dee")
    card = DatasetCard.load(output / "README.md")
    assert card.data.task_categories == ["audio-classification"]
    assert "Held out of training: Ana." in card.text
    monkeypatch.chdir(tmp_path)
    edit(output / "README.md")
    export = (
        *("export", "--dataset", "--fold", run / "fold", "--datasets", *datasets),
        *("--model", run / "models" / "network" / "Ana" / "seed-1", "--output", output),
    )
    capsys.readouterr()
    for _ in range(2):
        stage(*export)
        assert capsys.readouterr().err.count("edited, so kept") == 1
        assert LICENCE in (output / "README.md").read_text(encoding="utf-8")
    before = read_json(output / "provenance.json")["settings"]["cut_for"]
    (output / "README.md").unlink()
    stage(*cards_of(run, "network"), "--simulated", "--output", tmp_path / "cards")
    stage(*export)
    assert LICENCE not in (output / "README.md").read_text(encoding="utf-8")
    # A card written anew makes no other model of it.
    assert read_json(output / "provenance.json")["settings"]["cut_for"] == before
