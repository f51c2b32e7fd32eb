import numpy as np
import pytest
from made import SETTINGS, held_out_study, run, stage, training_arguments
from safetensors.numpy import load_file
from sklearn.metrics import f1_score
from transformers import Trainer

from tap2key.core.errors import DivergedError
from tap2key.core.files import read_json, read_tsv
from tap2key.datasets.encoded_dataset import Rows, load_fold
from tap2key.models.predictor import load_predictor
from tap2key.training import fit_network, network_search
from tap2key.training.bookkeeping import Bookkeeping

# The experiment's own rate moves nothing; another that may be tried does.
RATE, HOPELESS_RATE, EPOCHS = 0.005, 1e-9, 3
OVER = {"training.learning_rate": [1e-8, RATE]}
TRAINING = {**SETTINGS["training"], "epochs": EPOCHS, "learning_rate": HOPELESS_RATE}
# Randomness that a resumed run has to find again.
AUGMENTED = {"gain_db": 1, "shift_ms": 0.1, "polarity": True}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A fold that holds out Ana, and everybody's datasets."""
    return held_out_study(tmp_path_factory.mktemp("study"), taps=96)


def arguments(data, root, search=OVER, **training):
    settings = {"training": {**TRAINING, **training}, "augmentation": AUGMENTED}
    if search is not None:
        settings["search"] = {"budget": 1 + len(search["training.learning_rate"]), "over": search}
    return training_arguments(data[0], data[1], root, **settings)


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory):
    """A model whose settings were searched for in one go."""
    root = tmp_path_factory.mktemp("whole")
    stage("train", *arguments(data, root))
    assert [p for p in (root / "checkpoints").rglob("*") if p.suffix != ".lock"] == []
    return root / "model"


def tried(model):
    """What search.tsv says, but for the clock."""
    rows = read_tsv(model / "search.tsv")
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


def same_weights(one, other):
    one, other = (load_file(model / "model.safetensors") for model in (one, other))
    return one.keys() == other.keys() and all(np.array_equal(one[k], other[k]) for k in one)


def test_a_planted_rate_is_found_and_the_model_is_the_one_that_it_trains(data, whole, tmp_path):
    rows = tried(whole)
    assert float(rows[0]["training.learning_rate"]) == HOPELESS_RATE
    (chosen,) = (row for row in rows if row["chosen"] == "yes")
    assert float(chosen["training.learning_rate"]) == RATE
    assert float(chosen["validation_macro_f1"]) > 0.3 + float(rows[0]["validation_macro_f1"])
    settings = read_json(whole / "provenance.json")["settings"]
    assert settings["training"]["learning_rate"] == RATE
    stage("train", *arguments(data, tmp_path, None, learning_rate=RATE))
    assert same_weights(whole, tmp_path / "model")
    assert not (tmp_path / "model" / "search.tsv").exists()


def test_a_candidate_is_scored_as_its_last_epoch_leaves_it(data, whole, tmp_path):
    """Looked at but once, at its end, training has no other epoch to choose."""
    once = arguments(data, tmp_path, None, learning_rate=RATE, evaluate_every=EPOCHS)
    stage("train", *once)
    validation = load_fold(data[0], data[1])["validation"]
    predictor, _ = load_predictor(tmp_path / "model")
    named = predictor.probabilities(Rows(validation).all()).argmax(axis=1)
    truth = np.array(validation.with_format("numpy")["label"])
    (chosen,) = (row for row in tried(whole) if row["chosen"] == "yes")
    expected = f1_score(truth, named, average="macro")
    assert float(chosen["validation_macro_f1"]) == pytest.approx(expected)
    # By the same score experiments are chosen.
    scores = read_json(tmp_path / "model" / "tap2key.json")["validation"]
    assert scores["selection_macro_f1"] == pytest.approx(expected)


class Died(Exception):
    pass


def dying_after(monkeypatch, steps):
    """Let training in this process die after so many steps, whichever candidate's they are."""
    done = []

    def die(self, args, state, control, **kwargs):
        done.append(state.global_step)
        if len(done) > steps:
            monkeypatch.undo()
            raise Died

    monkeypatch.setattr(Bookkeeping, "on_step_begin", die, raising=False)


def test_an_interrupted_search_goes_on_and_ends_as_one_that_was_not(
    data, whole, tmp_path, monkeypatch
):
    again = arguments(data, tmp_path)
    steps = int(read_tsv(whole / "history.tsv")[-1]["step"])
    # In the middle of the second candidate, after its first epoch; then of what makes the model.
    dying_after(monkeypatch, steps + steps // 2)
    with pytest.raises(Died):
        stage("train", *again)
    (folder,) = (p for p in (tmp_path / "checkpoints").iterdir() if p.is_dir())
    assert sorted(p.name for p in folder.iterdir()) == ["candidate-1.json", "candidate-2"]
    assert [p.name for p in (folder / "candidate-2").glob("*/complete")] == ["complete"]
    # A later checkpoint of the candidate, which a full disk cut off, is passed over.
    damaged = folder / "candidate-2" / "checkpoint-99"
    damaged.mkdir()
    (damaged / "complete").touch()
    (damaged / "model.safetensors").write_bytes(b"cut off")
    # A candidate that was trained to its end but not noted is not trained again.
    with monkeypatch.context() as patched:
        patched.setattr(network_search, "macro_f1", lambda *given: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            stage("train", *again)
    begun = []
    monkeypatch.setattr(
        Bookkeeping,
        "on_step_begin",
        lambda self, args, state, control, **kwargs: begun.append(1),
        raising=False,
    )
    stage("train", *again)
    assert len(begun) == 2 * steps
    assert tried(tmp_path / "model") == tried(whole)
    assert same_weights(tmp_path / "model", whole)


def test_a_candidate_that_diverges_is_left_out(data, whole, tmp_path, monkeypatch):
    score = network_search.score_of

    def diverging(run, *more):
        if run.settings["training"]["learning_rate"] == RATE:
            raise DivergedError("the loss is not finite")
        return score(run, *more)

    monkeypatch.setattr(network_search, "score_of", diverging)
    stage("train", *arguments(data, tmp_path))
    rows = tried(tmp_path / "model")
    (left_out,) = (row for row in rows if row["left_out"])
    assert float(left_out["training.learning_rate"]) == RATE and left_out["chosen"] == "no"
    others = [row for row in tried(whole) if float(row["training.learning_rate"]) != RATE]
    kept = [row for row in rows if not row["left_out"]]
    assert [r["validation_macro_f1"] for r in kept] == [r["validation_macro_f1"] for r in others]


def test_a_candidate_whose_answers_are_not_finite_is_left_out(data, tmp_path, monkeypatch):
    predict = Trainer.predict

    def undefined(self, *given):
        found = predict(self, *given)
        if self.args.learning_rate == RATE:
            found.predictions[0, 0] = np.nan
        return found

    monkeypatch.setattr(Trainer, "predict", undefined)
    stage("train", *arguments(data, tmp_path, epochs=1))
    (left_out,) = (row for row in tried(tmp_path / "model") if row["left_out"])
    assert float(left_out["training.learning_rate"]) == RATE
    assert "logits" in left_out["left_out"]


def test_two_processes_agree_on_what_is_best(data, tmp_path):
    given = arguments(data, tmp_path, {"training.learning_rate": [RATE]}, epochs=1)
    found = run("launch", "--processes", 2, "--threads", 2, "--", *given, timeout=300)
    assert found.returncode == 0, found.stderr
    rows = tried(tmp_path / "model")
    scores = [float(row["validation_macro_f1"]) for row in rows]
    best = scores.index(max(scores))
    assert [row["chosen"] for row in rows] == ["yes" if n == best else "no" for n in range(2)]
    assert found.stderr.count("candidate 2 of 2: ") == 1
    # They would not, had they trained with different settings.
    assert "all 2 processes ended with the same weights" in found.stderr


def test_without_a_search_nothing_is_tried(data, tmp_path, monkeypatch):
    monkeypatch.setattr(network_search, "score_of", lambda *given: pytest.fail("it was tried"))
    seen = []
    monkeypatch.setattr(fit_network, "publish", lambda *given: seen.append(given[-1]))
    stage("train", *arguments(data, tmp_path, None, epochs=1))
    assert seen == [None]
