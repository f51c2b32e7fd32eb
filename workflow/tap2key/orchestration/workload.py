"""How much work a planned run's jobs have: taps, training rows, sizes of networks."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from statistics import mean
from typing import Any

from tap2key.audio.array import Array
from tap2key.config.search_space import candidates, models_trained, with_candidate
from tap2key.config.stage_settings import FOREST_KINDS
from tap2key.core.errors import Tap2keyError
from tap2key.datasets.crops import Cut, cut_of
from tap2key.datasets.encoding import Encoding
from tap2key.models.baseline_features import feature_count
from tap2key.orchestration.plan import Plan
from tap2key.orchestration.training_jobs import is_on_hub
from tap2key.study.clips import sounds_of
from tap2key.study.event_table import read_event_table
from tap2key.study.keyboard import load_keyboard
from tap2key.study.manifest import Recording
from tap2key.study.touches import count_touches
from tap2key.study.truth import CLIPS, EVENTS, Truth
from tap2key.training.batches import with_enough_steps

TAPS, TREES, OPERATIONS = "taps", "taps × trees", "operations"
GPU_OPERATIONS = "operations on GPUs"
# Of the taps, by the split `random`; the others validate and test.
TRAINED_ON_AT_RANDOM = 0.7
# Settings without which an event table cannot be read.
READING = ("unit", "columns")


@dataclass(frozen=True)
class Network:
    """Numbers of a network: parameters, and floating-point operations of one window forward."""

    parameters: int
    operations: int


@dataclass(frozen=True)
class Work:
    """What a job's time grows with, in its unit, and the kind of model that it is about.

    Attributes:
        amount: of the work.
        unit: of the amount.
        kind: of model; "-" where it makes no difference.
        of_kept: the amount of the model that is kept, where a job also tries others.
    """

    amount: float
    unit: str = TAPS
    kind: str = "-"
    of_kept: float | None = None

    @property
    def kept(self) -> float:
        """The amount that what the job writes grows with."""
        return self.amount if self.of_kept is None else self.of_kept


@dataclass(frozen=True)
class Workload:
    """The work of a plan."""

    plan: Plan

    @cached_property
    def taps(self) -> dict[tuple[str, str], int]:
        """Taps of each session: counted if it was segmented, planned if it is to be simulated.

        Otherwise the touches that the sensor logged, the events of a table or the clips, which are
        a few per cent off.
        """
        # Imported here: a run's plan has its encodings from this module, and counts no taps.
        import pyarrow.parquet as pq

        simulated = self.plan.config["simulate"]
        found = {}
        for (participant, session), recordings in self.plan.sessions.items():
            table = Path(self.plan.results, "taps", participant, session, "taps.parquet")
            if table.is_file():
                count = pq.read_metadata(table).num_rows
            elif simulated is not None:
                count = simulated["taps"] * len(recordings)
            else:
                truth = Truth(**{key: self.plan.config["truth"][key] for key in READING})
                count = _strokes(recordings, truth)
            found[participant, session] = count
        return found

    @cached_property
    def taps_of(self) -> dict[str, int]:
        """Taps of each participant."""
        found = dict.fromkeys(self.plan.participants, 0)
        for (participant, _), count in self.taps.items():
            found[participant] += count
        return found

    @cached_property
    def taps_in(self) -> dict[str, float]:
        """Taps that a job handles, by what logs and benchmarks call it.

        That is `<participant>/<session>`, `<encoding>/<participant>`, an experiment or one of its
        runs (the taps that they test on), a session to simulate, a checkpoint to fetch or, of a
        rule with one job, "".
        """
        plan = self.plan
        found: dict[str, float] = {"": sum(self.taps.values())}
        found |= {Path(folder).name: 0 for folder in plan.fetched}
        for name in plan.encodings:
            found |= {f"{name}/{person}": taps for person, taps in self.taps_of.items()}
        found |= {f"{person}/{session}": taps for (person, session), taps in self.taps.items()}
        for session in plan.simulated:
            planned = plan.config["simulate"]["taps"] * len(session.recordings)
            found[session.folder] = planned
        for name in plan.experiments:
            tested = {
                run: sum(self.taps_of[person] for person in plan.folds(name)[fold].test)
                for run, (fold, _) in self._runs(name).items()
            }
            found |= {**tested, name: sum(tested.values())}
        return found

    @property
    def array(self) -> Array:
        """The first array in use; an experiment's inputs have the size that it gives."""
        return self.plan.arrays[self.plan.used_arrays[0]]

    def _runs(self, experiment: str) -> dict[str, tuple[str, int]]:
        """The runs of an experiment as logs and benchmarks call them, with fold and seed."""
        return {
            f"{experiment}/{fold}/seed-{seed}": (fold, seed)
            for fold in self.plan.folds(experiment)
            for seed in self.plan.experiments[experiment]["seeds"]
        }

    def work(self, job: str, model: str | None) -> Work | None:
        """The work of a job.

        Args:
            job: what logs and benchmarks call it, below its rule.
            model: "made" or "used", if the job's rule does that with models.

        Returns:
            None if the run has no job of that name.
        """
        if job not in self.taps_in:
            return None
        taps, experiment = self.taps_in[job], job.split("/")[0]
        if model is None or experiment not in self.plan.experiments:
            return Work(taps)
        settings = self.plan.experiments[experiment]
        network, kind = self.networks.get(experiment), settings["kind"]
        if model == "made":
            return self._training(experiment, *self._runs(experiment)[job])
        if network is None:
            return Work(taps, TAPS, kind)
        return Work(taps * network.operations, OPERATIONS, kind)

    def _training(self, experiment: str, fold: str, seed: int) -> Work:
        """The work of training a model, with those that a search tries before.

        Which of them the last one will be like is not known: it counts as their mean.
        """
        settings, network = self.plan.experiments[experiment], self.networks.get(experiment)
        taps, kind = self.training_taps(experiment, fold), settings["kind"]
        tried = [with_candidate(settings, each) for each in candidates(settings)] or [settings]
        if kind in FOREST_KINDS:
            encoding = encoding_in(settings["encoding"], self.array)
            amounts = [taps * s["trees"] * splitting(s, encoding) for s in tried]
            unit = TREES
        elif network is None:
            amounts, unit = [taps] * len(tried), TAPS
        else:
            unit = GPU_OPERATIONS if self.plan.config["launch"]["gpu"] else OPERATIONS
            amounts = [
                taps
                * with_enough_steps(s["training"], max(1, round(taps)))["epochs"]
                * network.operations
                for s in tried
            ]
        total = mean(amounts) * models_trained(settings, seed)
        kept = taps * mean(s["trees"] for s in tried) if unit == TREES else mean(amounts)
        return Work(total, unit, kind, None if kept == total else kept)

    @property
    def gpus(self) -> int:
        """How many GPUs a training job holds, if it trains on GPUs."""
        return self.plan.config["launch"]["nodes"] * self.plan.config["launch"]["processes"]

    def training_taps(self, experiment: str, fold: str) -> float:
        """Taps that one run trains on, before oversampling."""
        settings = self.plan.experiments[experiment]
        pool = sum(self.taps_of[p] for p in self.plan.folds(experiment)[fold].train)
        trained = 1 - settings["validation"]["fraction"]
        if settings["split"] == "random":
            trained = TRAINED_ON_AT_RANDOM
        return pool * trained * settings["training_fraction"]

    @cached_property
    def networks(self) -> dict[str, Network]:
        """The size of the network of every experiment that trains one."""
        labels = len(load_keyboard(self.plan.keyboard).labels)
        found = {}
        for name in self.plan.of_kind(baselines=False):
            settings = self.plan.experiments[name]
            encoding, chosen = encoding_in(settings["encoding"], self.array), settings["model"]
            cut = cut_of(encoding, length_of(encoding), chosen["crop_ms"], chosen["max_duration_s"])
            at_hand = [f for f in self.plan.pretrained(name) if Path(f).is_dir()]
            found[name] = network_of(settings["kind"], chosen, encoding, cut, labels, *at_hand)
        return found


def _strokes(recordings: Sequence[Recording], truth: Truth) -> int:
    """About how many taps a session will have."""
    if recordings[0].truth == CLIPS:
        return sum(len(sounds_of(recording)) for recording in recordings)
    if recordings[0].truth == EVENTS:
        return sum(_events(recording, truth) for recording in recordings)
    return count_touches(recordings[0].touch_files)


def _events(recording: Recording, truth: Truth) -> int:
    files, start = recording.touch_files, recording.start
    try:
        return len(read_event_table(files, start, recording.path, truth).times)
    except Tap2keyError:
        # The segment job says why it cannot be read.
        return 0


def encoding_in(settings: Mapping[str, Any], array: Array) -> Encoding:
    """The encoding of an array's windows that an experiment's settings describe."""
    return replace(Encoding.from_metadata(settings), array=array)


def splitting(settings: Mapping[str, Any], encoding: Encoding) -> float:
    """How many features each split of a forest considers, relative to their number's square root.

    A forest's time grows about as this does.
    """
    share = settings["max_features"]
    if share is None:
        return 1.0
    features = feature_count(settings["kind"], encoding, length_of(encoding))
    return max(1, int(share * features)) / max(1, int(math.sqrt(features)))


def length_of(encoding: Encoding) -> int:
    """Values of one encoded window."""
    return encoding.frames * encoding.held


def network_of(
    kind: str,
    model: Mapping[str, Any],
    encoding: Encoding,
    cut: Cut,
    labels: int,
    fetched: str | None = None,
) -> Network:
    """The size of a network, from its shape alone: nothing is computed and no weights are read.

    A checkpoint on the hub that was not fetched yet is taken to have the base model's shape.
    """
    # Imported here since they take seconds, and a run of forests needs none of them.
    import torch
    from torch.utils.flop_counter import FlopCounterMode
    from transformers import PreTrainedModel, Wav2Vec2Config, Wav2Vec2ForSequenceClassification

    from tap2key.models.own_networks import OWN_NETWORKS, build_own
    from tap2key.models.wav2vec2 import widen, with_stem

    with torch.device("meta"):
        network: PreTrainedModel
        if kind in OWN_NETWORKS:
            network = build_own(kind, [str(label) for label in range(labels)], encoding, cut)
        else:
            overrides = model["config_overrides"]
            if model["checkpoint"] is None:
                overrides = with_stem(overrides, cut)
            known = {**overrides, "num_labels": labels}
            checkpoint = fetched or model["checkpoint"]
            if checkpoint is None or is_on_hub(checkpoint):
                config = Wav2Vec2Config(**known)
            else:
                config = Wav2Vec2Config.from_pretrained(checkpoint, **known)
            if model["inflate_stem"]:
                widen(config, cut.period)
            network = Wav2Vec2ForSequenceClassification(config)
        network.eval()
        with FlopCounterMode(display=False) as counter:
            network(torch.zeros(1, cut.length))
    parameters = sum(parameter.numel() for parameter in network.parameters())
    return Network(parameters, counter.get_total_flops())
