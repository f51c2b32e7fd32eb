"""What a run will make: experiments, folds, models, and where each thing lands."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from tap2key.audio.array_argument import stated_array
from tap2key.config.arguments import options_of
from tap2key.config.comparisons import largest_alike
from tap2key.config.configuration import choose
from tap2key.config.experiments import encoding_name
from tap2key.config.search_space import searching_seed
from tap2key.config.stage_settings import BASELINES, FOLD, MULTILATERATION, NETWORK
from tap2key.orchestration import recording_sources
from tap2key.orchestration.planned_folds import (
    FoldPlan,
    holds_people_out,
    holds_sessions_out,
    plan_folds,
)
from tap2key.orchestration.planned_study import PlannedStudy
from tap2key.orchestration.training_jobs import fetched_into, files_on_disk, is_on_hub, to_fetch

PREDICTING = "predict.experiment"


@dataclass(frozen=True)
class Plan(PlannedStudy):
    """The whole of a run, worked out once from the configuration and the manifest."""

    _folds: dict[str, dict[str, FoldPlan]] = field(default_factory=dict)

    @cached_property
    def experiments(self) -> dict[str, dict[str, Any]]:
        """The settings of every selected experiment."""
        every = self.config["experiments"]
        names = choose(list(every), self.config["select_experiments"], "select_experiments")
        return {name: every[name] for name in names}

    def folds(self, experiment: str) -> dict[str, FoldPlan]:
        """The folds of an experiment by name; each is named after what it holds out."""
        if experiment not in self._folds:
            self._folds[experiment] = plan_folds(
                experiment,
                self.experiments,
                self.sessions_of,
                self.config["select_folds"],
                recording_sources.study_roots(self.config),
                self.recordings,
            )
        return self._folds[experiment]

    @cached_property
    def encodings(self) -> dict[str, dict[str, Any]]:
        """Settings of every encoding that a selected experiment needs, by name."""
        return {encoding_name(s["encoding"]): s["encoding"] for s in self.experiments.values()}

    def of_kind(self, baselines: bool) -> list[str]:
        """Names of the experiments that are baselines, or of those that are not."""
        return [n for n, s in self.experiments.items() if (s["kind"] in BASELINES) == baselines]

    @property
    def candidates(self) -> list[str]:
        """The experiments among which validation scores choose: they hold people out, all alike."""
        held_out = {n: s for n, s in self.experiments.items() if holds_people_out(s)}
        return largest_alike(held_out)

    def dataset(self, experiment: str, participant: str) -> str:
        """The dataset folder that an experiment reads for a participant."""
        name = encoding_name(self.experiments[experiment]["encoding"])
        return f"{self.results}/datasets/{name}/{participant}"

    def training_datasets(self, experiment: str, fold: str) -> list[str]:
        """The dataset folders that a fold trains and validates on."""
        return [self.dataset(experiment, p) for p in self.folds(experiment)[fold].train]

    def tested_datasets(self, experiment: str, fold: str) -> list[str]:
        """The dataset folders that a fold tests on."""
        return [self.dataset(experiment, p) for p in self.folds(experiment)[fold].test]

    def training_taps(self, experiment: str, fold: str) -> list[str]:
        """The taps folders of all sessions of the people whom a fold trains and validates on."""
        return [taps for p in self.folds(experiment)[fold].train for taps in self.taps_of(p)]

    def tested_taps(self, experiment: str, fold: str) -> list[str]:
        """The taps folders of all sessions of the people whom a fold tests on."""
        return [taps for p in self.folds(experiment)[fold].test for taps in self.taps_of(p)]

    def fold_options(self, experiment: str, fold: str) -> list[str]:
        """The fold stage's arguments."""
        settings = self.experiments[experiment]
        chosen = options_of("experiment", settings, FOLD)
        return [*self.folds(experiment)[fold].options, *chosen]

    def each_run(self, stage: str, experiment: str) -> list[str]:
        """The folders of a stage for all folds and seeds of an experiment."""
        return [
            f"{self.results}/{stage}/{experiment}/{fold}/seed-{seed}"
            for fold in self.folds(experiment)
            for seed in self.experiments[experiment]["seeds"]
        ]

    @property
    def training_benchmarks(self) -> list[str]:
        """Snakemake's benchmark tables of all models."""
        return [
            f"{run}.tsv"
            for rule, baselines in (("train", False), ("baseline", True))
            for name in self.of_kind(baselines)
            for run in self.each_run(f"benchmarks/{rule}", name)
        ]

    def model_options(self, experiment: str) -> list[str]:
        """The train or baseline stage's arguments that determine a model besides its data."""
        settings = self.experiments[experiment]
        return options_of("experiment", settings, BASELINES.get(settings["kind"], NETWORK))

    def searched(self, experiment: str, fold: str, seed: int) -> list[str]:
        """The model whose search found the settings for another seed's, if one did."""
        by = searching_seed(self.experiments[experiment], seed)
        return [] if by == seed else [f"{self.results}/models/{experiment}/{fold}/seed-{by}"]

    def baseline_keyboard(self, experiment: str) -> list[str]:
        """The keyboard, if an experiment's baseline needs to know where keys are."""
        settings = self.experiments[experiment]
        return [self.keyboard] if settings["kind"] == MULTILATERATION else []

    @cached_property
    def fetched(self) -> dict[str, tuple[str, str]]:
        """The checkpoints to fetch from the model hub and their revisions, by their folders."""
        models = [self.experiments[name]["model"] for name in self.of_kind(baselines=False)]
        return to_fetch(self.results, models)

    def checkpoint_files(self, experiment: str) -> list[str]:
        """The files of the folder on this disk that an experiment starts from, if it does."""
        return files_on_disk(self.experiments[experiment]["model"]["checkpoint"])

    def pretrained(self, experiment: str) -> list[str]:
        """The folder of the fetched checkpoint that an experiment starts from, if it does."""
        model = self.experiments[experiment]["model"]
        return [fetched_into(self.results, model)] if is_on_hub(model["checkpoint"]) else []

    @cached_property
    def adapted(self) -> list[str]:
        """The experiments that hold out whole sessions, if adaptation is asked for."""
        asked = self.config["adaptation"]
        return [
            name
            for name, settings in self.experiments.items()
            if asked and holds_sessions_out(settings, self.recordings)
        ]

    @cached_property
    def predicting(self) -> list[str]:
        """The experiment whose models name the taps of new recordings; none without recordings.

        Raises:
            Tap2keyError: the experiment is not selected.
        """
        if self.config["predict"]["recordings"] is None:
            return []
        names = list(self.experiments)
        return choose(names, [self.config["predict"]["experiment"] or names[0]], PREDICTING)

    @cached_property
    def prediction_mb(self) -> int:
        """Memory, in MB, that holds all models which name new recordings' taps at once."""
        return recording_sources.prediction_mb(
            self.experiments[name]["model"]["checkpoint"]
            for name in self.predicting
            for _ in self.each_run("models", name)
        )

    @property
    def new_array_options(self) -> list[str]:
        """The argument by which the array of new recordings is given, unless it is the models'."""
        name = self.config["predict"]["array"]
        return [] if name is None else stated_array(self.arrays[name])

    @cached_property
    def _unlabelled(self) -> list[Path]:
        given = self.config["predict"]["recordings"]
        return recording_sources.recordings_below(given) if self.predicting else []

    @cached_property
    def new_recordings(self) -> list[str]:
        """The recordings whose taps are to be named, as far as Snakemake can have them as inputs.

        Raises:
            Tap2keyError: there are none, or Snakemake would read a wildcard in a path.
        """
        return recording_sources.as_inputs(self._unlabelled)

    @cached_property
    def other_recordings(self) -> str:
        """A hash of the other files that the stage reads, or lists as left out."""
        return recording_sources.state_of_others(self._unlabelled)
