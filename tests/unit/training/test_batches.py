import pytest
import yaml
from running import ROOT

from tap2key.training.batches import steps_of_epoch, with_enough_steps
from tap2key.training.trainer_arguments import training_arguments

# 10 batches of 64 rows, 3 changes of the weights an epoch.
ROWS = 600
SHIPPED = yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))
TRAINING = SHIPPED["experiment_defaults"]["training"] | {
    "epochs": 30,
    "evaluate_every": 2,
    "batch_size": 64,
    "gradient_accumulation_steps": 4,
}


@pytest.mark.parametrize(
    ("least", "epochs", "between"), [(0, 30, 2), (90, 30, 2), (91, 60, 4), (1000, 360, 24)]
)
def test_few_rows_are_trained_on_as_many_times_longer_and_evaluated_as_often(
    least, epochs, between, tmp_path
):
    chosen = TRAINING | {"min_steps": least}
    assert steps_of_epoch(chosen, ROWS) == 3
    longer = with_enough_steps(chosen, ROWS)
    assert longer == chosen | {"epochs": epochs, "evaluate_every": between}
    told = training_arguments(chosen, ROWS, 1, 0, tmp_path)
    assert (told.num_train_epochs, told.eval_steps) == (epochs, 3 * between)
    assert told.eval_steps == told.save_steps == told.logging_steps


def test_many_rows_need_no_more_epochs():
    chosen = TRAINING | {"min_steps": 1000}
    assert with_enough_steps(chosen, 64 * 4 * 34) == chosen
    assert with_enough_steps(chosen, 64 * 4 * 33)["epochs"] == 60
