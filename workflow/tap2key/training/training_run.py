"""One training run: what decides the model, what it reads, and its Trainer."""

from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_model
from transformers import (
    EarlyStoppingCallback,
    TrainerState,
    Wav2Vec2FeatureExtractor,
    set_seed,
)
from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_callback import PrinterCallback
from transformers.utils import SAFE_WEIGHTS_NAME

from tap2key.config.experiments import merge
from tap2key.core.digests import fingerprint
from tap2key.core.errors import Tap2keyError, first_line
from tap2key.core.files import room_at
from tap2key.datasets.crops import Cut, cut_of
from tap2key.datasets.encoded_dataset import touched_at
from tap2key.models.hub import origin
from tap2key.models.key_places import Places, places_of
from tap2key.models.wav2vec2 import Classifier, build_classifier, build_extractor
from tap2key.study.keyboard import load_keyboard
from tap2key.training.augmentation import Augmentation
from tap2key.training.bookkeeping import Bookkeeping
from tap2key.training.checkpoint_metric import validation_scores
from tap2key.training.checkpoints import last_complete_checkpoint
from tap2key.training.fold_data import Fold
from tap2key.training.inputs import Inputs, as_batch
from tap2key.training.processes import Interruption, broadcast_from_first
from tap2key.training.search import SEARCH_FILE
from tap2key.training.soft_labels import SoftLabelTrainer, targets_of
from tap2key.training.trainer_arguments import in_whole_batches, training_arguments

STAGE = "tap2key.training.train"


@dataclass(frozen=True)
class TrainingRun:
    """What decides the model that comes out, and where it goes.

    Attributes:
        fold: the data, without the held-out participant's.
        settings: the experiment's, as far as they are the network's.
        seed: of everything that is random.
        output: the model's folder.
        world_size: processes that train together.
        pretrained: a copy of the checkpoint that the settings name; None reads that itself.
        keyboard: the file of key centres.
        searched: the model whose search found the settings, if another seed's did.
    """

    fold: Fold
    settings: dict[str, Any]
    seed: int
    output: Path
    world_size: int
    pretrained: Path | None
    keyboard: Path
    searched: Path | None = None

    @property
    def soft_label_sd_mm(self) -> float:
        """How far labels are spread; 0 where labels alone are learned."""
        return self.settings["training"]["soft_label_sd_mm"]

    def places(self) -> Places | None:
        """Where the keys are; None where labels alone are learned.

        Raises:
            Tap2keyError: the keyboard lacks a label, or the place of a key where touches have one.
        """
        if not self.soft_label_sd_mm:
            return None
        keyboard = load_keyboard(self.keyboard)
        if not np.isnan(touched_at(self.fold.data["train"])).all():
            keyboard.check_places("soft labels (training.soft_label_sd_mm above 0)")
        return places_of(keyboard, self.fold.first.labels)

    def read_beside(self) -> list[Path]:
        """What is read beside the fold: a checkpoint on this disk, a search, the key centres."""
        named = self.pretrained or self.settings["model"]["checkpoint"]
        start = [Path(named)] if named is not None and Path(named).is_dir() else []
        start += [] if self.searched is None else [self.searched / SEARCH_FILE]
        return [*start, self.keyboard] if self.soft_label_sd_mm else start

    def identity(self) -> str:
        """A hash of all that decides the result; a changed run resumes from no old checkpoint."""
        return self.fold.identity(
            *(STAGE, self.settings, self.seed, self.output),
            read=[fingerprint(path, whole=True) for path in self.read_beside()],
            pretrained=origin(self.settings, self.pretrained),
        )


@dataclass(frozen=True)
class Prepared:
    """A network with its data and its Trainer, ready to be trained.

    `learned_sd_mm` is how far the labels that it learns are spread; 0 of labels alone.
    """

    model: Classifier
    extractor: Wav2Vec2FeatureExtractor
    cut: Cut
    training: Inputs
    validation: Inputs
    learned_sd_mm: float
    trainer: SoftLabelTrainer
    interruption: Interruption
    patience: int | None

    def train(self, checkpoints: Path) -> None:
        """Train to the end, from the last of the checkpoints on.

        Raises:
            Tap2keyError: a signal asked training to stop.
            DivergedError: weights or loss are not finite numbers.
            SystemExit: a signal did, on the processes that have nothing to add.
        """
        with self.interruption.listening(), room_at(checkpoints):
            checkpoint = broadcast_from_first(last_complete_checkpoint(checkpoints))
            to_its_end = train_from(checkpoint, self.trainer, self.patience)
        if not to_its_end:
            if not self.trainer.is_world_process_zero():
                raise SystemExit(1)
            raise Tap2keyError(
                f"{self.interruption.received or 'a signal'}: training stopped at step "
                f"{self.trainer.state.global_step} of {self.trainer.state.max_steps}; "
                "start it again to go on from its last checkpoint"
            )


def prepare(
    run: TrainingRun, places: Places | None, checkpoints: Path, best_epoch: bool = True
) -> Prepared:
    """Build a network, seeded, and what trains it.

    Args:
        run: what to train on and how.
        places: where the keys are; None where labels alone are learned.
        checkpoints: the folder to write them to.
        best_epoch: whether training may end early and the weights are those of the best epoch on
            validation taps, rather than those of the last epoch.

    Raises:
        Tap2keyError: a setting that cannot be used.
    """
    set_seed(run.seed)
    fold, settings = run.fold, run.settings
    encoding, labels = fold.first.encoding, fold.first.labels
    extractor = build_extractor(encoding.sample_rate)
    chosen = settings["model"]
    cut = cut_of(encoding, fold.length, chosen["crop_ms"], chosen["max_duration_s"])
    at_hand = {} if run.pretrained is None else {"model": {"checkpoint": str(run.pretrained)}}
    model = build_classifier(merge(settings, at_hand), labels, encoding, cut)
    augmentation = Augmentation(**settings["augmentation"])
    rows = in_whole_batches(fold.data["train"], settings["training"]["batch_size"])
    taught, validated = (
        targets_of(data, run.soft_label_sd_mm, places, f"{fold.folder}, {side}")
        for side, data in (("training", rows), ("validation", fold.data["validation"]))
    )
    learned_sd_mm = 0.0 if taught is None else run.soft_label_sd_mm
    if taught is None and augmentation.mixup:
        taught = np.eye(len(labels), dtype=np.float32)[np.array(rows["label"])]
    training, validation = (
        Inputs(data, encoding, cut, extractor, changes, run.seed, targets)
        for data, changes, targets in (
            (rows, augmentation if augmentation != Augmentation() else None, taught),
            (fold.data["validation"], None, validated),
        )
    )
    patience = settings["training"]["patience"] if best_epoch else None
    interruption = Interruption()
    trainer = SoftLabelTrainer(
        model=model,
        args=training_arguments(
            settings["training"], len(training), run.world_size, run.seed, checkpoints, best_epoch
        ),
        train_dataset=training,
        eval_dataset=validation,
        data_collator=as_batch,
        compute_metrics=validation_scores,
        callbacks=[
            Bookkeeping(training),
            interruption,
            *([] if patience is None else [EarlyStoppingCallback(patience)]),
        ],
    )
    trainer.remove_callback(PrinterCallback)
    return Prepared(
        model, extractor, cut, training, validation, learned_sd_mm, trainer, interruption, patience
    )


def train_from(checkpoint: str | None, trainer: SoftLabelTrainer, patience: int | None) -> bool:
    """Train, from a checkpoint on if there is one.

    Args:
        checkpoint: to go on from.
        trainer: which loads the best epoch's weights at the end, if it is asked to.
        patience: evaluations without a better one before it ends early; None never does.

    Returns:
        Whether training came to its end, by its last step or early, rather than by a signal.

    Raises:
        Tap2keyError: the checkpoint holds more than numbers.
    """
    if checkpoint is not None and patience is not None:
        state = TrainerState.load_from_json(str(Path(checkpoint) / TRAINER_STATE_NAME))
        stopping = state.stateful_callbacks[EarlyStoppingCallback.__name__]["attributes"]
        if stopping["early_stopping_patience_counter"] >= patience:
            # Killed since: Trainer would go on for another evaluation.
            trainer.state = state
            assert isinstance(trainer.model, torch.nn.Module)
            load_model(trainer.model, Path(state.best_model_checkpoint) / SAFE_WEIGHTS_NAME)
            return True
    try:
        trainer.train(resume_from_checkpoint=checkpoint)
    except UnpicklingError as error:
        raise Tap2keyError(f"{checkpoint}: is damaged ({first_line(error)}); delete it") from error
    if patience is None:
        return trainer.state.global_step >= trainer.state.max_steps
    # Asked for anew, since Trainer replaces its callbacks when it resumes.
    stopping = next(
        c for c in trainer.callback_handler.callbacks if isinstance(c, EarlyStoppingCallback)
    )
    early = stopping.early_stopping_patience_counter >= patience
    return early or trainer.state.global_step >= trainer.state.max_steps
