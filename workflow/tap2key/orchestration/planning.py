"""From a configuration to the plan of its run, with checks of what can be run."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tap2key.audio.array import Array
from tap2key.audio.named_arrays import STUDYS_OWN
from tap2key.config.configuration import choose, complete_config, selected
from tap2key.config.experiments import shipped_experiments
from tap2key.config.search_space import candidates
from tap2key.config.stage_settings import LEARNED_GCC, MULTILATERATION
from tap2key.core.errors import Tap2keyError
from tap2key.core.log import log
from tap2key.core.names import printable
from tap2key.datasets.crops import cut_of, cut_too_early
from tap2key.datasets.encoding import Encoding
from tap2key.models.baseline_features import check_channels
from tap2key.orchestration.plan import Plan
from tap2key.orchestration.planned_folds import check_enough
from tap2key.orchestration.recording_sources import survey
from tap2key.orchestration.simulated_sessions import forget_incomplete
from tap2key.orchestration.training_jobs import is_on_hub
from tap2key.orchestration.workload import encoding_in, length_of
from tap2key.study.key_names import check_characters
from tap2key.study.keyboard import load_keyboard
from tap2key.study.manifest import (
    MANIFEST_NAME,
    PASSED_OVER_NAME,
    Recording,
    read_manifest,
    write_manifest,
    write_passed_over,
)
from tap2key.study.scan import Found, select_participants
from tap2key.study.session_files import TABLE_NAME
from tap2key.study.truth import DROP, KEEP, RELEASE_LABEL
from tap2key.training.batches import share_of_batch


def make_plan(raw: Mapping[str, Any], main_process: bool) -> Plan:
    """Work out a run.

    Only the main process scans the study; it writes the manifest and, beside it, the table of what
    was passed over, and removes the markers of simulated sessions that lack a file, in a dry run as
    well. Jobs read the manifest, and rely on its checks.

    Raises:
        Tap2keyError: a configuration, study or selection that cannot be run.
    """
    config = complete_config(raw)
    results = Path(config["results"])
    if not main_process:
        return _selected(config, read_manifest(results / MANIFEST_NAME))
    found = survey(config)
    try:
        write_manifest(results / MANIFEST_NAME, found.recordings)
        write_passed_over(results / PASSED_OVER_NAME, found.passed_over)
    except OSError as error:
        raise Tap2keyError(
            f"config: results: {results} cannot be written ({error.strerror}); choose "
            "another folder"
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
    plan = _selected(config, everything)
    _check_keys(plan)
    _check_sessions(plan)
    for name, settings in plan.experiments.items():
        check_enough(name, settings, plan.recordings)
        _check_search(name, settings)
    processes = config["launch"]["nodes"] * config["launch"]["processes"]
    for name in plan.of_kind(baselines=False):
        where = f"config: experiments.{name}.training.batch_size"
        share_of_batch(plan.experiments[name]["training"]["batch_size"], processes, where)
        model = plan.experiments[name]["model"]
        if model["revision"] is not None and not is_on_hub(model["checkpoint"]):
            raise Tap2keyError(
                f"config: experiments.{name}.model.revision: applies to names on the model hub, "
                f"but model.checkpoint is {model['checkpoint'] or 'null'}; set it to null"
            )
        _check_checkpoint(name, model["checkpoint"])
    _check_models(plan)
    _check_together(plan)
    _check_new(plan)
    return plan


def _selected(config: Mapping[str, Any], everything: Iterable[Recording]) -> Plan:
    everything = list(everything)
    names = sorted({r.participant for r in everything})
    wanted = selected(config["select_participants"], names)
    return Plan(dict(config), tuple(select_participants(everything, wanted)))


def _check_search(name: str, settings: Mapping[str, Any]) -> None:
    """Refuse a search that cannot try as many candidates as it shall."""
    try:
        candidates(settings)
    except Tap2keyError as error:
        raise Tap2keyError(f"config: experiments.{name}.{error}") from None


def _check_checkpoint(experiment: str, checkpoint: str | None) -> None:
    """Refuse a folder to start from that is none; what is on the hub is known when it comes."""
    if checkpoint is None or is_on_hub(checkpoint):
        return
    if not (Path(checkpoint) / "config.json").is_file():
        raise Tap2keyError(
            f"config: experiments.{experiment}.model.checkpoint: {checkpoint} is no folder of a "
            "model, with a config.json; give one, or a name on the model hub"
        )


def _check_models(plan: Plan) -> None:
    """Refuse an experiment whose model cannot be made of its encoding, of each array in use."""
    baselines = plan.of_kind(baselines=True)
    for name, settings in plan.experiments.items():
        model = settings["model"]
        if settings["kind"] == MULTILATERATION and len(plan.used_arrays) > 1:
            raise Tap2keyError(
                f"config: experiments.{name}: {MULTILATERATION} is for one array, and sessions "
                f"were recorded with {', '.join(plan.used_arrays)}; choose with select_arrays"
            )
        for array in plan.used_arrays:
            whose = "" if plan.used_arrays == [STUDYS_OWN] else f"{_sessions_of(plan, array)}: "
            if key := cut_too_early(plan.arrays[array], settings):
                raise _cut_too_early(name, whose, key, plan.arrays[array])
            encoding = encoding_in(settings["encoding"], plan.arrays[array])
            try:
                encoding.check()
                if name in baselines or settings["kind"] == LEARNED_GCC:
                    check_channels(settings["kind"], encoding)
                if name not in baselines:
                    cut_of(encoding, length_of(encoding), model["crop_ms"], model["max_duration_s"])
            except Tap2keyError as error:
                said = f"config: experiments.{name}: {whose}{_mendable(name, error)}"
                raise Tap2keyError(said) from None


def _cut_too_early(experiment: str, whose: str, key: str, array: Array) -> Tap2keyError:
    """Delays are looked for in what was cut away; shipped experiments are fixed: inherit."""
    latest = array.max_delay_ms
    own = f"with encoding: {{crop_ms: [2, {2 * latest:g}]}} in one that inherits it, "
    return Tap2keyError(
        f"config: experiments.{experiment}: {whose}{key} ends no later than array.max_delay_ms "
        f"{latest:g}, so that what arrives last is cut away; keep more, "
        f"{own if key == 'encoding.crop_ms' else ''}or lower array.max_delay_ms"
    )


def _mendable(experiment: str, error: Tap2keyError) -> str:
    """Why an array does not allow an experiment; of a shipped one, which is fixed, what to do."""
    if experiment not in shipped_experiments():
        return str(error)
    problem = str(error).partition("; ")[0]
    return (
        f"{problem}; shipped experiments are fixed: choose with select_experiments those that the "
        "array allows, as tap2key doctor does"
    )


def _check_together(plan: Plan) -> None:
    """Refuse a fold with arrays that do not go together as the experiment represents them."""
    if len(plan.used_arrays) == 1:
        return
    for name, settings in plan.experiments.items():
        encodings = {
            array: encoding_in(settings["encoding"], plan.arrays[array])
            for array in plan.used_arrays
        }
        for fold in plan.folds(name).values():
            people = {*fold.train, *fold.test}
            used = {r.array for r in plan.recordings if r.participant in people}
            first, *others = [array for array in plan.used_arrays if array in used]
            for other in others:
                if not encodings[first].alike(encodings[other]):
                    raise _apart(plan, name, encodings, first, other)


def _check_new(plan: Plan) -> None:
    """Refuse new recordings of an array that the models which name their taps could not read."""
    name = plan.config["predict"]["array"]
    for experiment in [] if name is None else plan.predicting:
        settings = plan.experiments[experiment]["encoding"]
        where = f"config: predict.array: {name}"
        new = encoding_in(settings, plan.arrays[name])
        try:
            new.check()
        except Tap2keyError as error:
            raise Tap2keyError(f"{where}: {error}") from None
        people = {person for fold in plan.folds(experiment).values() for person in fold.train}
        for array in dict.fromkeys(r.array for r in plan.recordings if r.participant in people):
            trained = encoding_in(settings, plan.arrays[array])
            if not trained.alike(new):
                raise Tap2keyError(
                    f"{where} cannot be read by models of experiments.{experiment}, which are "
                    f"trained on {_sessions_of(plan, array)} ({_differing(new, trained)}); choose "
                    "another predict.experiment, such as one with the representation average"
                )


def _differing(first: Encoding, second: Encoding) -> str:
    forms = first.form, second.form
    return ", ".join(
        f"{what} {forms[0][what]:g} and {forms[1][what]:g}"
        for what in forms[0]
        if forms[0][what] != forms[1][what]
    )


def _apart(
    plan: Plan, experiment: str, encodings: Mapping[str, Encoding], first: str, other: str
) -> Tap2keyError:
    differing = _differing(encodings[first], encodings[other])
    return Tap2keyError(
        f"config: experiments.{experiment}: {encodings[first].representation} of "
        f"{_sessions_of(plan, first)} and of {_sessions_of(plan, other)} do not go together "
        f"({differing}); choose with select_arrays or select_participants, or represent "
        "a group of as many channels in each array, or average"
    )


def _sessions_of(plan: Plan, array: str) -> str:
    """An array with its first session, for messages."""
    own = [names for names in plan.sessions if plan.array_name(*names) == array]
    more = f" and {len(own) - 1} more" if len(own) > 1 else ""
    return f"{array} ({'/'.join(own[0])}{more})"


def _check_sessions(plan: Plan) -> None:
    """Refuse a session that was recorded with two arrays, and new recordings of any of several."""
    for names, recordings in plan.sessions.items():
        for recording in recordings:
            if recording.array != recordings[0].array:
                raise Tap2keyError(
                    f"{recording.path}: recorded with {recording.array}, others of session "
                    f"{'/'.join(names)} with {recordings[0].array}; give it a session of its own "
                    f"in {TABLE_NAME}"
                )
    predict = plan.config["predict"]
    if predict["recordings"] is None:
        return
    if predict["array"] is not None:
        choose(list(plan.arrays), [predict["array"]], "predict.array")
    elif len(plan.used_arrays) > 1:
        raise Tap2keyError(
            "config: predict.array: say what the new recordings were recorded with, one of "
            f"{', '.join(plan.arrays)}"
        )


def _check_keys(plan: Plan) -> None:
    """Refuse characters of keys that are not there, and a key called as those being released."""
    keyboard = load_keyboard(plan.keyboard)
    check_characters(plan.config["characters"], keyboard)
    if plan.config["truth"]["releases"] == KEEP and RELEASE_LABEL in keyboard.labels:
        raise Tap2keyError(
            f"{plan.keyboard}: has a key {RELEASE_LABEL!r}, which is what truth.releases: {KEEP} "
            f"calls a key being released; rename the key, or set truth.releases to {DROP}"
        )
