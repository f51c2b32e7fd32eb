"""What a run will make: participants, sessions, experiments, folds, and where each thing lands."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from tap2key.config.configuration import choose, complete_config, selected
from tap2key.core.errors import Tap2keyError
from tap2key.core.log import log
from tap2key.core.names import printable
from tap2key.core.path_variables import filled_in
from tap2key.core.provenance import digest
from tap2key.core.shipped import DIFFICULTY, KEYBOARD
from tap2key.models.hub import folder_name, revision_of
from tap2key.orchestration.recording_sources import simulated_study, study_roots, survey
from tap2key.orchestration.simulated_sessions import files_to_declare, forget_incomplete
from tap2key.reading.unlabelled import can_be_input, state_of, unlabelled_recordings
from tap2key.simulation.plan import PlannedSession, plan_study
from tap2key.study.manifest import (
    MANIFEST_NAME,
    PASSED_OVER_NAME,
    Recording,
    read_manifest,
    write_manifest,
    write_passed_over,
)
from tap2key.study.scan import Found, select_participants
from tap2key.training.batches import share_of_batch

FOREST_KINDS = ("gcc_phat_forest", "level_forest", "mfcc_forest")
HOLDING_OUT = ("leave_one_participant_out", "given")
PREDICTING = "predict.experiment"
FEWEST_PARTICIPANTS = 2
# Of a prediction without models, of a small model, and of one of the base model's 95 M parameters.
PREDICTION_MB, MODEL_MB, PRETRAINED_MB = 3000, 50, 500
BRACE = re.compile("[{}]")
HUB_NAME = re.compile(r"[\w-][\w.-]*(/[\w.-]+)?")


@dataclass(frozen=True)
class FoldPlan:
    """Whose datasets a fold trains and tests on, and the fold stage's arguments that say so."""

    train: tuple[str, ...]
    test: tuple[str, ...]
    options: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """The whole of a run, worked out once from the configuration and the manifest."""

    config: dict[str, Any]
    recordings: tuple[Recording, ...]
    _folds: dict[str, dict[str, FoldPlan]] = field(default_factory=dict)

    @cached_property
    def results(self) -> str:
        """Root of everything that is made."""
        return self.config["results"].rstrip("/")

    @cached_property
    def manifest(self) -> str:
        """Path of the manifest."""
        return f"{self.results}/{MANIFEST_NAME}"

    @cached_property
    def passed_over(self) -> str:
        """Path of the table of what looks like a recording or a touch log and is not used."""
        return f"{self.results}/{PASSED_OVER_NAME}"

    @cached_property
    def keyboard(self) -> str:
        """Path of the key centres."""
        return self.config["keyboard"] or str(KEYBOARD)

    @cached_property
    def sessions(self) -> dict[tuple[str, str], list[Recording]]:
        """The recordings of each (participant, session), in the manifest's order."""
        found: dict[tuple[str, str], list[Recording]] = {}
        for recording in self.recordings:
            found.setdefault((recording.participant, recording.session), []).append(recording)
        return found

    @cached_property
    def sessions_of(self) -> dict[str, list[str]]:
        """The names of each participant's sessions."""
        found: dict[str, list[str]] = {}
        for participant, session in self.sessions:
            found.setdefault(participant, []).append(session)
        return found

    @cached_property
    def participants(self) -> list[str]:
        """Everybody who takes part, by name."""
        return sorted(self.sessions_of)

    @cached_property
    def experiments(self) -> dict[str, dict[str, Any]]:
        """The settings of every selected experiment."""
        every = self.config["experiments"]
        names = choose(list(every), self.config["select_experiments"], "select_experiments")
        return {name: every[name] for name in names}

    @cached_property
    def tested_people(self) -> list[str]:
        """The participants whose folds are to run."""
        return choose(self.participants, self.config["select_folds"], "select_folds")

    def folds(self, experiment: str) -> dict[str, FoldPlan]:
        """The folds of an experiment by name; a held-out participant's is named after them."""
        if experiment not in self._folds:
            self._folds[experiment] = self._plan_folds(experiment)
        return self._folds[experiment]

    def _plan_folds(self, experiment: str) -> dict[str, FoldPlan]:
        settings, everybody = self.experiments[experiment], tuple(self.participants)
        split = settings["split"]
        if split == "random":
            return {"random": FoldPlan(everybody, everybody, ("--random",))}
        if split == "given":
            return {"given": self._given_fold(experiment, settings["given"])}
        if split == "leave_one_session_out":
            pairs = [(p, session) for p in self.tested_people for session in self.sessions_of[p]]
            folds = {
                f"{person}~{session}": FoldPlan(
                    everybody, (person,), ("--held-session", person, session)
                )
                for person, session in pairs
            }
            if len(folds) < len(pairs):
                names = [f"{person}~{session}" for person, session in pairs]
                twice = next(name for name in names if names.count(name) > 1)
                raise Tap2keyError(
                    f"experiments.{experiment}: two sessions' folds would have one name, {twice}, "
                    "since '~' stands between participant and session; rename who has it in "
                    "study.tsv"
                )
            return folds
        return {
            person: FoldPlan(
                tuple(p for p in everybody if p != person), (person,), ("--held-out", person)
            )
            for person in self.tested_people
        }

    def _given_fold(self, experiment: str, given: Mapping[str, list[str]]) -> FoldPlan:
        where = f"experiments.{experiment}.given"
        train, test = (
            tuple(choose(self.participants, self._named(given[side]), f"{where}.{side}"))
            for side in ("train", "test")
        )
        both = sorted(set(train) & set(test))
        if both:
            raise Tap2keyError(
                f"config: {where}: {', '.join(both)} both in train and in test; name everybody once"
            )
        return FoldPlan(train, test, ("--held-out", *test))

    def _named(self, entries: Iterable[str]) -> list[str]:
        """The participants that a list names, one by one or by a root folder of the study."""
        roots, found = study_roots(self.config), []
        for entry in entries:
            root = Path(filled_in(entry)) if isinstance(entry, str) else None
            if len(roots) > 1 and root in roots:
                found += [r.participant for r in self.recordings if r.path.is_relative_to(root)]
            else:
                found.append(entry)
        return found

    @cached_property
    def encodings(self) -> dict[str, dict[str, Any]]:
        """Settings of every encoding that a selected experiment needs, by name."""
        found = {}
        for settings in self.experiments.values():
            found[encoding_name(settings["encoding"])] = settings["encoding"]
        return found

    def of_kind(self, forests: bool) -> list[str]:
        """Names of the experiments that are baselines, or of those that are not."""
        return [n for n, s in self.experiments.items() if (s["kind"] in FOREST_KINDS) == forests]

    @property
    def candidates(self) -> list[str]:
        """The experiments among which validation scores choose: Wav2Vec2, participants held out."""
        return [
            name
            for name, settings in self.experiments.items()
            if settings["kind"] == "wav2vec2" and settings["split"] == "leave_one_participant_out"
        ]

    def taps_of(self, participant: str) -> list[str]:
        """The taps folders of a participant's sessions."""
        return [f"{self.results}/taps/{participant}/{s}" for s in self.sessions_of[participant]]

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

    def fold_options(self, experiment: str, fold: str) -> list[str]:
        """The fold stage's arguments."""
        settings = self.experiments[experiment]
        validation = settings["validation"]
        options = [*self.folds(experiment)[fold].options, "--validation-by", validation["by"]]
        options += ["--validation-share", f"{validation['share']:g}"]
        options += ["--share", f"{settings['share']:g}"]
        return [*options, *([] if settings["oversample"] else ["--no-oversample"])]

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
            for rule, forests in (("train", False), ("baseline", True))
            for name in self.of_kind(forests)
            for run in self.each_run(f"benchmarks/{rule}", name)
        ]

    def model_settings(self, experiment: str) -> dict[str, Any]:
        """What determines a model besides its data: only that is handed to training."""
        settings = self.experiments[experiment]
        keys: tuple[str, ...] = ("kind", "trees")
        if settings["kind"] not in FOREST_KINDS:
            keys = ("kind", "model", "augmentation", "training")
        return {key: settings[key] for key in keys}

    @cached_property
    def fetched(self) -> dict[str, tuple[str, str]]:
        """The checkpoints to fetch from the model hub and their revisions, by their folders."""
        models = [self.experiments[name]["model"] for name in self.of_kind(forests=False)]
        return {
            self._fetched_into(m): (m["checkpoint"], revision_of(m["checkpoint"], m["revision"]))
            for m in models
            if is_on_hub(m["checkpoint"])
        }

    def _fetched_into(self, model: Mapping[str, Any]) -> str:
        return f"{self.results}/pretrained/{folder_name(model['checkpoint'], model['revision'])}"

    def checkpoint_files(self, experiment: str) -> list[str]:
        """The files of the folder on this disk that an experiment starts from, if it does."""
        checkpoint = self.experiments[experiment]["model"]["checkpoint"]
        if checkpoint is None or is_on_hub(checkpoint):
            return []
        return sorted(str(path) for path in Path(checkpoint).glob("*") if path.is_file())

    def pretrained(self, experiment: str) -> list[str]:
        """The folder of the fetched checkpoint that an experiment starts from, if it does."""
        model = self.experiments[experiment]["model"]
        return [self._fetched_into(model)] if is_on_hub(model["checkpoint"]) else []

    @cached_property
    def adapted(self) -> list[str]:
        """The experiments with held-out participants, if adaptation is asked for."""
        asked = self.config["adaptation"]
        return [n for n, s in self.experiments.items() if asked and s["split"] in HOLDING_OUT]

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
        models = [
            MODEL_MB if self.experiments[name]["model"]["checkpoint"] is None else PRETRAINED_MB
            for name in self.predicting
            for _ in self.each_run("models", name)
        ]
        return PREDICTION_MB + sum(models)

    @cached_property
    def _unlabelled(self) -> list[Path]:
        given = [Path(self.config["predict"]["recordings"]) for _ in self.predicting]
        for path in given:
            if not str(path).isprintable():
                raise Tap2keyError(f"predict.recordings: {str(path)!r} is no text; rename it")
        return [recording.path for recording in unlabelled_recordings(given)]

    @cached_property
    def new_recordings(self) -> list[str]:
        """The recordings whose taps are to be named, as far as Snakemake can have them as inputs.

        Raises:
            Tap2keyError: there are none, or Snakemake would read a wildcard in a path.
        """
        paths = [str(path) for path in self._unlabelled if can_be_input(path)]
        for path in paths:
            if BRACE.search(path):
                raise Tap2keyError(f"{path}: has a brace in its path; rename it")
        return paths

    @cached_property
    def other_recordings(self) -> str:
        """A hash of the other files that the stage reads, or lists as left out.

        Snakemake cannot have names that are no text, or links to nowhere, among its inputs.
        """
        return digest([state_of(path) for path in self._unlabelled if not can_be_input(path)])

    @cached_property
    def simulated(self) -> list[PlannedSession]:
        """The sessions to simulate; none when a study is read."""
        if self.config["simulate"] is None:
            return []
        people = {r.participant for r in self.recordings}
        return [s for s in plan_study(self.config["simulate"]) if s.participant in people]

    @property
    def difficulty(self) -> str:
        """Path of the file that fixes how difficult the simulated study is."""
        return self.config["simulate"]["difficulty"] or str(DIFFICULTY)

    @cached_property
    def simulated_folders(self) -> frozenset[str]:
        """The session folders to simulate, relative to the simulated study."""
        return frozenset(session.folder for session in self.simulated)

    def to_declare(self, files: Iterable[str | Path]) -> list[str]:
        """What a job that reads these files declares as its inputs; see `simulated_sessions`."""
        return files_to_declare(files, self.results, self.simulated_folders)

    def simulate_options(self, folder: str) -> list[str]:
        """The simulate stage's arguments for one session folder."""
        given = {key: v for key, v in self.config["simulate"].items() if v is not None}
        options = ["--study", self.simulated_study, "--truth", self.simulated_truth]
        options += [text for key, value in given.items() for text in (f"--{key}", str(value))]
        return [*options, "--only", folder]

    @property
    def simulated_study(self) -> str:
        """Where the simulated recordings go."""
        return simulated_study(self.results)

    @property
    def simulated_truth(self) -> str:
        """Where what is known about them goes: beside the study, never inside it."""
        return f"{self.results}/simulated/truth"


def make_plan(raw: Mapping[str, Any], main_process: bool) -> Plan:
    """Work out a run.

    Only the main process scans the study, and writes what it found as the manifest, and what it
    passed over beside that; every job of the run reads the manifest.

    Raises:
        Tap2keyError: a configuration, study or selection that cannot be run.
    """
    config = complete_config(raw)
    results = Path(config["results"])
    if not main_process:
        return plan_of(config, read_manifest(results / MANIFEST_NAME))
    found = survey(config)
    try:
        write_manifest(results / MANIFEST_NAME, found.recordings)
        write_passed_over(results / PASSED_OVER_NAME, found.passed_over)
    except OSError as error:
        raise Tap2keyError(
            f"config: results: {results} cannot be written ({error.strerror}); name another folder"
        ) from None
    if config["simulate"] is not None:
        forget_incomplete(config["results"].rstrip("/"), found.recordings)
    _warn(found, results / PASSED_OVER_NAME)
    return plan_of(config, found.recordings)


def _warn(found: Found, table: Path) -> None:
    alarming = [passed for passed in found.passed_over if passed.alarming]
    if alarming:
        first = alarming[0]
        log.warning(
            f"{len(alarming)} in the study not used, see {table}; the first: "
            f"{printable(first.path)} {printable(first.reason)}"
        )


def plan_of(config: Mapping[str, Any], everything: Iterable[Recording]) -> Plan:
    """The run of a complete configuration over these recordings.

    Raises:
        Tap2keyError: a selection that cannot be run.
    """
    everything = list(everything)
    names = sorted({r.participant for r in everything})
    wanted = selected(config["select_participants"], names)
    plan = Plan(dict(config), tuple(select_participants(everything, wanted)))
    if len(plan.participants) < FEWEST_PARTICIPANTS:
        raise Tap2keyError(
            f"the study has one participant ({plan.participants[0]}), too few to hold one out; "
            "add participants or widen select_participants"
        )
    processes = config["launch"]["nodes"] * config["launch"]["processes"]
    for name in plan.of_kind(forests=False):
        where = f"config: experiments.{name}.training.batch_size"
        share_of_batch(plan.experiments[name]["training"]["batch_size"], processes, where)
        model = plan.experiments[name]["model"]
        if model["revision"] is not None and not is_on_hub(model["checkpoint"]):
            raise Tap2keyError(
                f"config: experiments.{name}.model.revision: is for a name on the model hub, and "
                f"model.checkpoint is {model['checkpoint'] or 'null'}; set it to null"
            )
    return plan


def encoding_name(settings: Mapping[str, Any]) -> str:
    """The folder name of an encoding; the same choices give the same name."""
    name = f"{settings['representation']}-{settings['sample_rate']}"
    if settings["crop_ms"] is not None:
        before, after = settings["crop_ms"]
        name += f"-crop{before:g}to{after:g}"
    if settings["highpass_hz"] is not None:
        name += f"-highpass{settings['highpass_hz']:g}"
    return name + ("-white" if settings["whiten"] else "")


def is_on_hub(checkpoint: str | None) -> bool:
    """Whether a checkpoint has to be fetched, rather than being a folder or none."""
    return bool(checkpoint and HUB_NAME.fullmatch(checkpoint) and not Path(checkpoint).is_dir())
