"""How much work a planned run is: jobs of each rule, taps, training rows, sizes of networks."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from tap2key.datasets.crops import Cut, cut_of
from tap2key.datasets.representations import CHANNELS, WINDOW_SAMPLES, Encoding, encode_windows
from tap2key.orchestration.plan import Plan, is_on_hub
from tap2key.study.keyboard import load_keyboard
from tap2key.study.touches import count_touches

# Oversampling repeats the rows of rarer keys; by how much depends on the study.
ROWS_OVER_TAPS = 1.17
TRAINED_ON_AT_RANDOM = 0.7


@dataclass(frozen=True)
class Network:
    """Numbers of a network: parameters, and floating-point operations of one window forward."""

    parameters: int
    operations: int


@dataclass(frozen=True)
class Workload:
    """The work of a plan."""

    plan: Plan

    @cached_property
    def taps(self) -> dict[tuple[str, str], int]:
        """Taps of each session: counted if it was segmented, planned if it is to be simulated.

        Otherwise the touches that the sensor logged, which are a few per cent off.
        """
        simulated = self.plan.config["simulate"]
        found = {}
        for (participant, session), recordings in self.plan.sessions.items():
            table = Path(self.plan.results, "taps", participant, session, "taps.parquet")
            if table.is_file():
                count = pq.read_metadata(table).num_rows
            elif simulated is not None:
                count = simulated["taps"] * len(recordings)
            else:
                count = count_touches(recordings[0].touch_files)
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
    def datasets(self) -> dict[tuple[str, str], Encoding]:
        """The encoding of every (experiment's dataset folder, participant) that a fold reads."""
        found = {}
        for name, settings in self.plan.experiments.items():
            for fold in self.plan.folds(name).values():
                for person in {*fold.train, *fold.test}:
                    folder = self.plan.dataset(name, person)
                    found[folder, person] = encoding_in(settings)
        return found

    @cached_property
    def jobs(self) -> dict[str, int]:
        """How many jobs each rule has when nothing is done yet, as a dry run counts them."""
        plan = self.plan
        runs = {name: len(plan.each_run("models", name)) for name in plan.experiments}
        networks, forests = plan.of_kind(forests=False), plan.of_kind(forests=True)
        found = {
            "simulate": len(plan.simulated),
            "segment": len(plan.sessions),
            "preview": len(plan.sessions),
            "encode": len(self.datasets),
            "fold": sum(runs.values()),
            "pretrained": len(plan.fetched),
            "train": sum(runs[name] for name in networks),
            "baseline": sum(runs[name] for name in forests),
            "evaluate": sum(runs.values()),
            "draw": sum(runs.values()),
            "adaptation_scores": sum(runs[name] for name in plan.adapted),
            "adaptation_curve": len(plan.adapted),
            "choose": 1 if plan.candidates else 0,
            "predict": len(plan.predicting),
            "summarize": len(runs),
            "learning_curves": len(networks),
            **dict.fromkeys(("compare", "overview", "record", "all"), 1),
        }
        return {rule: count for rule, count in found.items() if count}

    def training_taps(self, experiment: str, fold: str) -> float:
        """Taps that one run trains on, before oversampling."""
        settings = self.plan.experiments[experiment]
        pool = sum(self.taps_of[p] for p in self.plan.folds(experiment)[fold].train)
        trained = 1 - settings["validation"]["share"]
        if settings["split"] == "random":
            trained = TRAINED_ON_AT_RANDOM
        return pool * trained * settings["share"]

    def rows_seen(self, experiment: str, fold: str) -> float:
        """Windows that training one network passes through it, if it does not stop early."""
        settings = self.plan.experiments[experiment]
        rows = self.training_taps(experiment, fold) * settings["training"]["epochs"]
        return rows * (ROWS_OVER_TAPS if settings["oversample"] else 1)

    @cached_property
    def networks(self) -> dict[str, Network]:
        """The size of the network of every experiment that trains one."""
        labels = len(load_keyboard(self.plan.keyboard).labels)
        found = {}
        for name in self.plan.of_kind(forests=False):
            settings = self.plan.experiments[name]
            encoding, chosen = encoding_in(settings), settings["model"]
            cut = cut_of(encoding, length_of(encoding), chosen["crop_ms"], chosen["max_duration_s"])
            at_hand = [f for f in self.plan.pretrained(name) if Path(f).is_dir()]
            found[name] = network_of(settings["kind"], chosen, cut, labels, *at_hand)
        return found


def encoding_in(settings: Mapping[str, Any]) -> Encoding:
    """The encoding of an experiment's settings."""
    return Encoding.told(settings["encoding"])


def length_of(encoding: Encoding) -> int:
    """Values of one encoded window."""
    silence = np.zeros((1, CHANNELS, WINDOW_SAMPLES), np.float32)
    return encode_windows(silence, encoding).shape[1]


def network_of(
    kind: str, model: Mapping[str, Any], cut: Cut, labels: int, fetched: str | None = None
) -> Network:
    """The size of a network, from its shape alone: nothing is computed and no weights are read.

    A checkpoint on the hub that was not fetched yet is taken to have the base model's shape.
    """
    # Imported here since they take seconds, and a run of forests needs none of them.
    import torch
    from torch.utils.flop_counter import FlopCounterMode
    from transformers import PreTrainedModel, Wav2Vec2Config, Wav2Vec2ForSequenceClassification

    from tap2key.models.convolutional import ConvolutionalClassifier, ConvolutionalConfig

    with torch.device("meta"):
        network: PreTrainedModel
        if kind == "convolutional":
            network = ConvolutionalClassifier(
                ConvolutionalConfig(channels=cut.channels, num_labels=labels)
            )
        else:
            known = {**model["shape"], "num_labels": labels}
            checkpoint = fetched or model["checkpoint"]
            if checkpoint is None or is_on_hub(checkpoint):
                config = Wav2Vec2Config(**known)
            else:
                config = Wav2Vec2Config.from_pretrained(checkpoint, **known)
            if model["inflate_stem"]:
                config.conv_kernel = [config.conv_kernel[0] * cut.channels, *config.conv_kernel[1:]]
                config.conv_stride = [config.conv_stride[0] * cut.channels, *config.conv_stride[1:]]
            network = Wav2Vec2ForSequenceClassification(config)
        network.eval()
        with FlopCounterMode(display=False) as counter:
            network(torch.zeros(1, cut.length))
    parameters = sum(parameter.numel() for parameter in network.parameters())
    return Network(parameters, counter.get_total_flops())
