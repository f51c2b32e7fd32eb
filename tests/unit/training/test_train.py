import os
import pickle
import pickletools
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from filelock import FileLock
from made import (
    CENTRES,
    SETTINGS,
    SHAPE,
    WORKFLOW,
    command,
    error_line,
    held_out_study,
    run,
    stage,
    training_arguments,
)
from safetensors.numpy import load_file
from sklearn.metrics import f1_score
from transformers import EvalPrediction, Trainer

from tap2key.__main__ import main
from tap2key.config.schema import defaults_of
from tap2key.core.errors import Tap2keyError
from tap2key.core.files import read_json, read_tsv
from tap2key.training import fit_network, fold_data, train, trainer_arguments
from tap2key.training.bookkeeping import Bookkeeping
from tap2key.training.checkpoint_metric import weighted_f1
from tap2key.training.checkpoints import last_complete_checkpoint, mark_complete

# Randomness that a resumed run has to find again.
AUGMENTED = {"augmentation": {"gain_db": 1, "shift_ms": 0.1, "fir": 0.1, "polarity": True}}
# A loss that Trainer does not have of its own.
SOFT = {"training": {**SETTINGS["training"], "soft_label_sd_mm": 12}}
QUICK = {"training": {**SETTINGS["training"], "epochs": 1}}
SECONDS_TO_WAIT = 90


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A fold that holds out Ana, and everybody's datasets."""
    root = tmp_path_factory.mktemp("study")
    (root / "keyboard.csv").write_text(CENTRES)
    return held_out_study(root, taps=96)


def softly(data, root, **settings):
    """Arguments of the train stage for soft labels, with the toy's keyboard."""
    arguments = training_arguments(data[0], data[1], root, **{**SOFT, **settings})
    return [*arguments, "--keyboard", data[0].parent / "keyboard.csv"]


def launch(*arguments):
    return ["launch", "--processes", 1, "--threads", 1, "--", *arguments]


@pytest.fixture(scope="module")
def undisturbed(data, tmp_path_factory):
    """A model trained in one go."""
    root = tmp_path_factory.mktemp("undisturbed")
    result = run(*launch(*softly(data, root, **AUGMENTED)))
    assert result.returncode == 0, result.stderr
    return root


def weights(model):
    return load_file(model / "model.safetensors")


def same_weights(one, other):
    one, other = weights(one), weights(other)
    return one.keys() == other.keys() and all(np.array_equal(one[k], other[k]) for k in one)


def test_it_learns_a_separable_toy_on_validation_and_held_out_people(data, undisturbed, tmp_path):
    about = read_json(undisturbed / "model" / "tap2key.json")
    assert about["validation"]["weighted_f1"] > 0.9
    assert about["held_out"] in ("Ana", ["Ana"])
    assert about["trained_on"] == ["Bo", "Chen", "Dee"]
    stage(
        *("evaluate", "--model", undisturbed / "model", "--datasets", data[2]["Ana"]),
        *("--output", tmp_path / "scores"),
    )
    assert read_json(tmp_path / "scores" / "metrics.json")["accuracy"] > 0.9


def test_it_publishes_weights_and_words_but_no_pickle(undisturbed):
    model = undisturbed / "model"
    assert {p.name for p in model.iterdir()} >= {
        *("config.json", "model.safetensors", "preprocessor_config.json"),
        *("tap2key.json", "history.tsv", "provenance.json"),
    }
    assert not [p for p in model.rglob("*") if p.suffix in (".bin", ".pt", ".pth", ".pkl")]
    for path in model.rglob("*"):
        content = path.read_bytes()
        assert not content.startswith((b"PK\x03\x04", b"\x80")), f"{path.name} may be a pickle"
        with pytest.raises(ValueError):
            list(pickletools.genops(content))


def test_it_removes_its_checkpoints(undisturbed):
    left = [p for p in (undisturbed / "checkpoints").rglob("*") if p.suffix != ".lock"]
    assert left == []
    assert sorted(p.name for p in undisturbed.iterdir()) == ["checkpoints", "model"]


def test_learned_gcc_learns_the_toy_and_goes_on_where_it_was_interrupted(data, tmp_path, dying):
    training = {**SOFT["training"], "epochs": 3, "learning_rate": 0.002}
    settings = {"kind": "learned_gcc", "training": training, **AUGMENTED}
    stage("train", *softly(data, tmp_path / "whole", **settings))
    interrupted = softly(data, tmp_path / "again", **settings)
    steps = int(read_tsv(tmp_path / "whole" / "model" / "history.tsv")[0]["step"])
    dying(2 * steps + 1)
    with pytest.raises(Died):
        stage("train", *interrupted)
    stage("train", *interrupted)
    model = tmp_path / "again" / "model"
    assert same_weights(model, tmp_path / "whole" / "model")
    validation = read_json(model / "tap2key.json")["validation"]
    assert validation["weighted_f1"] > 0.9 and validation["at_chance"] is False
    scores = ("--datasets", data[2]["Ana"], "--output", tmp_path / "scores")
    stage("evaluate", "--model", model, *scores)
    assert read_json(tmp_path / "scores" / "metrics.json")["accuracy"] > 0.9


def test_its_history_has_a_row_for_every_evaluation(undisturbed):
    rows = read_tsv(undisturbed / "model" / "history.tsv")
    assert [float(row["epoch"]) for row in rows] == [1, 2, 3, 4, 5, 6]
    best = max(float(row["eval_weighted_f1"]) for row in rows)
    about = read_json(undisturbed / "model" / "tap2key.json")
    assert about["validation"]["weighted_f1"] == best
    assert about["validation"]["selection_macro_f1"] == float(rows[-1]["eval_macro_f1"])
    assert float(rows[-1]["loss"]) < float(rows[0]["loss"])


def test_killed_half_way_and_started_again_it_ends_with_the_same_weights(
    data, undisturbed, tmp_path
):
    arguments = launch(*softly(data, tmp_path, **AUGMENTED))
    with subprocess.Popen(
        command(*arguments),
        cwd=WORKFLOW,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        deadline = time.monotonic() + SECONDS_TO_WAIT
        while not list(tmp_path.glob("checkpoints/*/checkpoint-*/complete")):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGKILL)
    assert not (tmp_path / "model").exists()
    again = run(*arguments)
    assert again.returncode == 0, again.stderr
    assert "epoch 1 of 6" not in again.stderr
    assert "epoch 6 of 6" in again.stderr
    assert same_weights(tmp_path / "model", undisturbed / "model")
    assert read_tsv(tmp_path / "model" / "history.tsv") == read_tsv(
        undisturbed / "model" / "history.tsv"
    )


@pytest.fixture
def dying(monkeypatch):
    """Let the next training in this process die at a step; everything after lives."""

    def at(step):
        def die(self, args, state, control, **kwargs):
            if state.global_step == step:
                monkeypatch.undo()
                raise Died

        monkeypatch.setattr(Bookkeeping, "on_step_begin", die, raising=False)

    return at


class Died(Exception):
    pass


# Too slow to learn anything: the first evaluation stays the best.
HOPELESS = {
    "training": {**SETTINGS["training"], "learning_rate": 1e-12, "epochs": 40, "patience": 4}
}


def epochs_of(model):
    return [row["epoch"] for row in read_tsv(model / "history.tsv")]


def test_patience_ends_at_the_same_step_when_it_was_interrupted(data, tmp_path, dying):
    folder, training, _ = data
    whole = training_arguments(folder, training, tmp_path / "whole", **HOPELESS)
    stage("train", *whole)
    assert len(epochs_of(tmp_path / "whole" / "model")) == 5
    steps = int(read_tsv(tmp_path / "whole" / "model" / "history.tsv")[0]["step"])
    interrupted = training_arguments(folder, training, tmp_path / "again", **HOPELESS)
    for epoch in (2, 3):
        dying(epoch * steps + steps // 2)
        with pytest.raises(Died):
            stage("train", *interrupted)
        assert not (tmp_path / "again" / "model").exists()
    stage("train", *interrupted)
    assert epochs_of(tmp_path / "again" / "model") == epochs_of(tmp_path / "whole" / "model")
    assert same_weights(tmp_path / "again" / "model", tmp_path / "whole" / "model")


def test_killed_after_its_early_end_it_publishes_the_same_model(data, tmp_path, monkeypatch):
    folder, training, _ = data
    stage("train", *training_arguments(folder, training, tmp_path / "whole", **HOPELESS))
    interrupted = training_arguments(folder, training, tmp_path / "again", **HOPELESS)
    with monkeypatch.context() as patched:
        patched.setattr(fit_network, "check_equal_weights", lambda model: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            stage("train", *interrupted)
    stage("train", *interrupted)
    assert epochs_of(tmp_path / "again" / "model") == epochs_of(tmp_path / "whole" / "model")
    assert same_weights(tmp_path / "again" / "model", tmp_path / "whole" / "model")
    assert read_json(tmp_path / "again" / "model" / "tap2key.json")["validation"]["step"] > 0


class Marker:
    """What a forged checkpoint would run when it is unpickled."""

    def __init__(self, path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return Path.touch, (self.path,)


def test_only_numbers_are_unpickled_from_a_checkpoint(data, tmp_path, dying, monkeypatch, capsys):
    folder, training, _ = data
    arguments = training_arguments(folder, training, tmp_path, **AUGMENTED)
    dying(18)
    with pytest.raises(Died):
        stage("train", *arguments)
    (checkpoint,) = {p.parent for p in tmp_path.glob("checkpoints/*/*/complete")}
    ran = tmp_path / "ran"
    forged = pickle.dumps(Marker(ran))
    pickle.loads(forged)
    assert ran.exists()
    ran.unlink()
    pickled = [p for p in checkpoint.iterdir() if p.suffix in (".bin", ".pt", ".pth")]
    assert {p.name for p in pickled} >= {"optimizer.pt", "scheduler.pt", "rng_state.pth"}
    # Even in the file that Trainer leaves beside a checkpoint and never asks for.
    (checkpoint / "training_args.bin").write_bytes(forged)

    loaded, load = [], torch.load

    def spied(file, *args, **options):
        loaded.append((Path(str(file)).name, options.get("weights_only")))
        return load(file, *args, **options)

    for name in ("optimizer.pt", "scheduler.pt", "rng_state.pth"):
        good = (checkpoint / name).read_bytes()
        (checkpoint / name).write_bytes(forged)
        assert main(["train", *map(str, arguments)]) == 1
        error = capsys.readouterr().err.splitlines()[-1]
        assert error.startswith(f"tap2key: error: {checkpoint}: is damaged (")
        assert not ran.exists()
        (checkpoint / name).write_bytes(good)
    monkeypatch.setattr(torch, "load", spied)
    stage("train", *arguments)
    assert {name for name, _ in loaded} == {"optimizer.pt", "scheduler.pt", "rng_state.pth"}
    assert {weights_only for _, weights_only in loaded} == {True}
    assert not ran.exists()


def test_a_half_written_checkpoint_is_removed(data, tmp_path, dying):
    folder, training, _ = data
    arguments = training_arguments(folder, training, tmp_path)
    dying(18)
    with pytest.raises(Died):
        stage("train", *arguments)
    (whole,) = tmp_path.glob("checkpoints/*/checkpoint-*")
    half = whole.with_name("checkpoint-17")
    half.mkdir()
    dying(20)
    with pytest.raises(Died):
        stage("train", *arguments)
    assert list(tmp_path.glob("checkpoints/*/checkpoint-*")) == [whole]


# Nothing random but the order of the rows, which the seed decides.
PLAIN = {
    "model": {
        "checkpoint": None,
        "config_overrides": {
            **SHAPE,
            **dict.fromkeys(
                ("hidden_dropout", "attention_dropout", "activation_dropout", "feat_proj_dropout"),
                0.0,
            ),
            "final_dropout": 0.0,
        },
    }
}


@pytest.mark.parametrize(
    ("kind", "sd_mm", "mixup"),
    [("wav2vec2", 0, 0), ("wav2vec2", 12, 0), ("wav2vec2", 0, 0.5), ("convolutional", 0, 0)],
)
def test_processes_and_accumulation_do_not_change_the_result(data, tmp_path, kind, sd_mm, mixup):
    """Sixteen windows a step: at once, in two halves, and in two processes."""

    def arguments(output, batch_size, accumulation):
        changed = {
            "batch_size": batch_size,
            "gradient_accumulation_steps": accumulation,
            "epochs": 2,
        }
        training = {**SETTINGS["training"], **changed, "soft_label_sd_mm": sd_mm}
        augmentation = {"augmentation": {"mixup": mixup}}
        settings = {**PLAIN, **augmentation, "training": training}
        return softly(data, tmp_path / output, kind=kind, **settings)

    stage("train", *arguments("once", 16, 1))
    assert read_json(tmp_path / "once" / "model" / "tap2key.json")["softness"]["sd_mm"] == sd_mm
    stage("train", *arguments("halves", 8, 2))
    both = run("launch", "--processes", 2, "--threads", 2, "--", *arguments("processes", 16, 1))
    assert both.returncode == 0, both.stderr
    once = read_tsv(tmp_path / "once" / "model" / "history.tsv")
    for other in ("halves", "processes"):
        found = read_tsv(tmp_path / other / "model" / "history.tsv")
        assert [row["step"] for row in found] == [row["step"] for row in once]
        # Not `eval_loss`: of an uneven last batch, Trainer counts some rows twice.
        for column in ("loss", "eval_weighted_f1"):
            expected = [pytest.approx(float(row[column]), rel=1e-5) for row in once]
            assert [float(row[column]) for row in found] == expected, (other, column)
        alike, here = weights(tmp_path / other / "model"), weights(tmp_path / "once" / "model")
        for name, weight in here.items():
            np.testing.assert_allclose(alike[name], weight, atol=1e-4, err_msg=f"{other} {name}")


def test_two_processes_are_two(data, tmp_path):
    """The stage compares how many it is with how many it should be; a launcher may start fewer."""
    folder, training, _ = data
    arguments = training_arguments(folder, training, tmp_path, **QUICK)
    result = run("launch", "--processes", 2, "--threads", 2, "--", *arguments)
    assert result.returncode == 0, result.stderr
    assert result.stderr.count("epoch 1 of 1") == 1
    assert (tmp_path / "model" / "model.safetensors").is_file()


def test_the_seed_decides_the_weights(data, tmp_path):
    folder, training, _ = data
    for output, seed in (("one", 1), ("again", 1), ("other", 2)):
        arguments = training_arguments(folder, training, tmp_path, output, **QUICK)
        arguments[arguments.index("--seed") + 1] = seed
        stage("train", *arguments)
    assert same_weights(tmp_path / "one", tmp_path / "again")
    assert not same_weights(tmp_path / "one", tmp_path / "other")


def test_a_launcher_that_started_fewer_processes_is_refused(data, tmp_path, capsys):
    folder, training, _ = data
    arguments = [*training_arguments(folder, training, tmp_path), "--world-size", 2]
    assert main(["train", *map(str, arguments)]) == 1
    assert "started 1 processes where 2 were asked for" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_second_writer_of_the_same_model_is_refused(data, tmp_path, capsys, monkeypatch):
    folder, training, _ = data
    monkeypatch.setattr(train, "SECONDS_TO_WAIT_FOR_LOCK", 0)
    monkeypatch.setattr(fold_data, "digest", lambda identity: "this-run")
    with FileLock(tmp_path / "checkpoints" / "this-run.lock"):
        arguments = training_arguments(folder, training, tmp_path)
        assert main(["train", *map(str, arguments)]) == 1
    assert "another job is training this model" in capsys.readouterr().err
    assert not (tmp_path / "model").exists()


def test_what_determines_the_model_names_the_run(data, tmp_path, monkeypatch):
    """A changed setting starts afresh instead of resuming what another setting began.

    Nor do two experiments meet in one folder that come out the same.
    """
    folder, training, _ = data
    begun = []
    monkeypatch.setattr(train, "train", lambda *given: begun.append(given[2].name))
    plain = training_arguments(folder, training, tmp_path)
    seeded = [*plain]
    seeded[plain.index("--seed") + 1] = 7
    stage("train", *plain)
    stage("train", *training_arguments(folder, training[::-1], tmp_path))
    stage("train", *training_arguments(folder, training, tmp_path, output="elsewhere"))
    stage("train", *seeded)
    stage("train", *training_arguments(folder, training, tmp_path, **AUGMENTED))
    assert begun[0] == begun[1]
    assert len(set(begun)) == 4


def test_only_whole_checkpoints_are_resumed_from(tmp_path):
    assert last_complete_checkpoint(tmp_path) is None
    for step in (9, 80, 700):
        (tmp_path / f"checkpoint-{step}").mkdir()
    assert last_complete_checkpoint(tmp_path) is None
    for step in (9, 80):
        mark_complete(tmp_path / f"checkpoint-{step}")
    assert Path(last_complete_checkpoint(tmp_path)).name == "checkpoint-80"


def test_a_batch_that_processes_cannot_share_is_refused(tmp_path):
    chosen = read_default_training()
    shared = trainer_arguments.training_arguments({**chosen, "batch_size": 12}, 100, 4, 0, tmp_path)
    assert shared.per_device_train_batch_size == 3
    with pytest.raises(Tap2keyError, match="batch_size 12: cannot be shared by 5 processes"):
        trainer_arguments.training_arguments({**chosen, "batch_size": 12}, 100, 5, 0, tmp_path)


def test_evaluation_and_checkpoints_come_every_so_many_epochs(tmp_path):
    chosen = {
        **read_default_training(),
        "batch_size": 10,
        "gradient_accumulation_steps": 3,
        "evaluate_every": 2,
    }
    arguments = trainer_arguments.training_arguments(chosen, 95, 1, 0, tmp_path)
    # 95 rows are 10 batches, which are 4 steps of up to three batches.
    assert (arguments.eval_steps, arguments.save_steps) == (8, 8)
    assert arguments.save_total_limit == 2


@pytest.mark.parametrize(
    ("warmup", "accumulation", "steps"),
    [(0, 3, 0), (0.1, 3, 4), (0.5, 3, 20), (1, 3, 40), (0.001, 3, 1), (0.1, 1, 10)],
)
@pytest.mark.parametrize("schedule", ["linear", "cosine", "constant_with_warmup"])
def test_the_warm_up_is_a_share_of_all_steps(tmp_path, warmup, accumulation, steps, schedule):
    """95 rows are 10 batches an epoch, which are 4 steps of up to three batches."""
    chosen = {
        **read_default_training(),
        "epochs": 10,
        "batch_size": 10,
        "lr_scheduler_type": schedule,
    }
    chosen |= {
        "warmup_ratio": warmup,
        "gradient_accumulation_steps": accumulation,
        "learning_rate": 0.5,
    }
    arguments = trainer_arguments.training_arguments(chosen, 95, 1, 0, tmp_path)
    padded = [{"x": 0}] * 100
    sides = {"train_dataset": padded, "eval_dataset": padded}
    trainer = Trainer(torch.nn.Linear(1, 1), arguments, **sides)
    total = trainer.set_initial_training_values(arguments, trainer.get_train_dataloader())[-1]
    assert total == 10 * -(-10 // accumulation)
    trainer.create_optimizer_and_scheduler(total)
    rates = []
    for _ in range(total):
        rates.append(trainer.lr_scheduler.get_last_lr()[0])
        trainer.optimizer.step()
        trainer.lr_scheduler.step()
    rising = [0.5 * step / steps for step in range(steps)]
    assert rates[: steps + 1] == pytest.approx([*rising, 0.5][:total])


def read_default_training():
    return defaults_of("training")


def test_the_metric_that_chooses_the_epoch_is_weighted_f1():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 4, 60)
    logits = rng.standard_normal((60, 5)) + 1.5 * np.eye(5)[truth]
    found = weighted_f1(EvalPrediction(predictions=logits, label_ids=truth))
    expected = f1_score(truth, logits.argmax(axis=1), average="weighted", zero_division=0)
    assert found == {"weighted_f1": pytest.approx(expected)}


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--training-learning-rate", "nan", "is NaN; it must be a finite number"),
        ("--model-config-overrides", '{"layerdrop": NaN}', "NaN is not a finite number"),
    ],
)
def test_a_setting_that_is_not_a_number_is_refused_in_one_line(
    data, tmp_path, capsys, option, value, message
):
    given = training_arguments(data[0], data[1], tmp_path)
    line = error_line(capsys, "train", *given, option, value)
    assert option in line and message in line
