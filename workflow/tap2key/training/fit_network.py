"""A network from its fold to its folder: searched for, trained and published."""

import shutil
from pathlib import Path

import numpy as np
import torch
from transformers import TrainerState, Wav2Vec2FeatureExtractor

from tap2key.core.folders import atomic_folder
from tap2key.core.log import log
from tap2key.core.provenance import write_provenance
from tap2key.datasets.encoded_dataset import FOLD_FILE
from tap2key.models.divergence import check_weights
from tap2key.models.hub import origin
from tap2key.models.key_places import Places
from tap2key.models.model_folder import (
    HEAD,
    MODEL_PACKAGES,
    SELECTION_SCORE,
    write_model_metadata,
)
from tap2key.models.model_inputs import INPUT_CUT, cut_in_words
from tap2key.models.softness import Softness
from tap2key.models.wav2vec2 import Classifier
from tap2key.training.bookkeeping import write_history
from tap2key.training.chance import Chance
from tap2key.training.checkpoint_metric import last_macro_f1
from tap2key.training.network_search import searched
from tap2key.training.processes import check_equal_weights
from tap2key.training.search import SEARCH_FILE, Search, write_search
from tap2key.training.temperature import divide_logits, fit_temperature
from tap2key.training.training_run import STAGE, TrainingRun, prepare

AT_CHANCE_ADVICE = (
    "try another training.learning_rate, more training.epochs or another representation"
)


def train(run: TrainingRun, places: Places | None, checkpoints: Path) -> None:
    """Train one model, from the last of its checkpoints on, and publish it at the run's output.

    With a search, on the settings that it finds best.

    Args:
        run: what to train on and how.
        places: where the keys are; None where labels alone are learned.
        checkpoints: the run's own folder, removed when the model is published.

    Raises:
        Tap2keyError: a setting that cannot be used, or a signal that asked training to stop.
        DivergedError: weights, loss or answers are not finite numbers.
    """
    run, search = searched(run, places, checkpoints)
    prepared = prepare(run, places, checkpoints)
    prepared.train(checkpoints)
    model, trainer = prepared.model, prepared.trainer
    check_equal_weights(model)
    predicted = trainer.predict(prepared.validation)
    if not trainer.is_world_process_zero():
        return
    logits, truth = np.asarray(predicted.predictions), np.asarray(predicted.label_ids)
    temperature, chance = fit_temperature(logits, truth), Chance.of(logits, truth)
    head = model.get_submodule(HEAD[run.settings["kind"]])
    assert isinstance(head, torch.nn.Linear)
    divide_logits(head, temperature)
    check_weights(model, str(run.output))
    soft = Softness(temperature, prepared.learned_sd_mm)
    setattr(prepared.extractor, INPUT_CUT, cut_in_words(prepared.cut, run.fold.length))
    publish(run, model, prepared.extractor, trainer.state, soft, chance, search)
    shutil.rmtree(checkpoints)
    log.info(f"{run.output}: best validation weighted F1 {trainer.state.best_metric:.3f}")
    if chance.at_chance:
        log.warning(f"{run.output}: stayed at chance, {chance}; {AT_CHANCE_ADVICE}")


def publish(
    run: TrainingRun,
    model: Classifier,
    extractor: Wav2Vec2FeatureExtractor,
    state: TrainerState,
    softness: Softness,
    chance: Chance,
    search: Search | None,
) -> None:
    """Write the model's folder: what transformers reads, and what the pipeline says of it."""
    fold = run.fold
    best = {
        "weighted_f1": state.best_metric,
        "step": state.best_global_step,
        **chance.as_dict(),
        SELECTION_SCORE: last_macro_f1(state.log_history),
    }
    with atomic_folder(run.output, "train") as temporary:
        model.save_pretrained(temporary)
        extractor.save_pretrained(temporary)
        if search is not None:
            write_search(temporary / SEARCH_FILE, search)
        write_history(temporary / "history.tsv", state.log_history)
        write_model_metadata(
            temporary,
            *(run.settings, fold.metadata, fold.first, fold.length, run.seed, best),
            softness,
        )
        write_provenance(
            temporary,
            "train",
            STAGE,
            {
                **run.settings,
                "seed": run.seed,
                "pretrained": origin(run.settings, run.pretrained),
            },
            [fold.folder / FOLD_FILE, *run.read_beside()],
            MODEL_PACKAGES,
            whole=True,
        )
