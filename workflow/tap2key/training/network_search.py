"""The search for a network's settings: each candidate is trained to its last epoch."""

import gc
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
from accelerate import PartialState

from tap2key.config.search_space import candidates, with_candidate
from tap2key.core.errors import DivergedError
from tap2key.core.log import log
from tap2key.models.divergence import ADVICE
from tap2key.models.key_places import Places
from tap2key.training.checkpoints import only_whole_checkpoints
from tap2key.training.processes import broadcast_from_first
from tap2key.training.search import Candidate, Search, macro_f1, search_among
from tap2key.training.training_run import TrainingRun, prepare


def searched(
    run: TrainingRun, places: Places | None, checkpoints: Path
) -> tuple[TrainingRun, Search | None]:
    """The run with the settings that validation taps find best, and what was tried.

    Args:
        run: with the search in its settings; without one it is returned as it is.
        places: where the keys are; None where labels alone are learned.
        checkpoints: the run's own folder; candidates have theirs in it.

    Raises:
        Tap2keyError: a setting that cannot be used, or a signal that asked training to stop.
        DivergedError: every candidate diverged.
    """
    tried = candidates(run.settings)
    if not tried:
        return run, None
    first = PartialState().is_main_process

    def score(number: int, candidate: Candidate) -> float:
        own = checkpoints / f"candidate-{number}"
        own.mkdir(exist_ok=True)
        with only_whole_checkpoints(own):
            found = score_of(
                replace(run, settings=with_candidate(run.settings, candidate)), places, own
            )
        if first:
            shutil.rmtree(own)
        # A Trainer refers to itself: its weights would stay until there is no room for the next.
        gc.collect()
        return found

    search = search_among(tried, checkpoints, score, first, broadcast_from_first)
    if first:
        log.info(f"search: {search}")
    return replace(run, settings=with_candidate(run.settings, search.best)), search


def score_of(run: TrainingRun, places: Places | None, checkpoints: Path) -> float:
    """The macro-F1 over validation taps of the network as its last epoch leaves it.

    The best of many epochs would favour whoever looks more often.

    Raises:
        Tap2keyError: a setting that cannot be used, or a signal that asked training to stop.
        DivergedError: weights, loss or answers are not finite numbers.
    """
    prepared = prepare(run, places, checkpoints, best_epoch=False)
    prepared.train(checkpoints)
    predicted = prepared.trainer.predict(prepared.validation)
    logits, truth = np.asarray(predicted.predictions), np.asarray(predicted.label_ids)
    if not np.isfinite(logits).all():
        raise DivergedError(f"the network's logits of its validation taps are not finite; {ADVICE}")
    return macro_f1(truth, logits.argmax(axis=1))
