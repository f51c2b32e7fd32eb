"""What of a run is decoded to text: whose taps, with which language models, against which texts."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tap2key.config.arguments import options_of
from tap2key.config.configuration import choose
from tap2key.config.stage_settings import DECODING
from tap2key.core.errors import Tap2keyError
from tap2key.core.log import log
from tap2key.core.shipped import text_file
from tap2key.study.keyboard import load_keyboard
from tap2key.study.manifest import Recording
from tap2key.study.texts import TEXTS_NAME, Key, read_phrases, read_texts

NEEDED = {"corpus": "corpus", "transformers": "checkpoint"}


@dataclass(frozen=True)
class PlannedTexts:
    """What is decoded.

    Attributes:
        experiments: whose held-out recordings become text.
        compared: the language models that they are decoded with.
        for_new: the language model of new recordings; None for none.
        tables: what people were asked to type.
        declared: those of them that are no outputs of this run.
        corpus: the text that a language model learns from.
        typed: the text that simulated people type.
        options: the arguments of `fit-decoder`.
    """

    experiments: tuple[str, ...]
    compared: tuple[str, ...]
    for_new: str | None
    tables: tuple[str, ...]
    declared: tuple[str, ...]
    corpus: tuple[str, ...]
    typed: tuple[str, ...]
    options: tuple[str, ...]


def plan_texts(
    config: Mapping[str, Any],
    experiments: Mapping[str, Mapping[str, Any]],
    holds_people_out: Callable[[Mapping[str, Any]], bool],
    recordings: Sequence[Recording],
    keyboard: str,
    simulated_study: str,
) -> PlannedTexts:
    """Work out what is decoded.

    Args:
        config: the complete configuration.
        experiments: the settings of all that run.
        holds_people_out: whether an experiment's tested participants are never seen in training.
        recordings: all that are used.
        keyboard: its path.
        simulated_study: where simulated recordings go.

    Raises:
        Tap2keyError: something is to be decoded and what it needs is not there; a bad row of
            texts.tsv; an experiment that does not exist or tests people whom it trains on.
    """
    settings, for_new = config["decode"], config["predict"]["language_model"]
    compared = tuple(settings["language_models"])
    if config["predict"]["recordings"] is None:
        for_new = None
    fitted = tuple(dict.fromkeys([*compared, *([for_new] if for_new else [])]))
    for kind in fitted:
        if kind in NEEDED and settings[NEEDED[kind]] is None:
            raise Tap2keyError(
                f"config: decode.{NEEDED[kind]}: is not set, and the language model {kind} needs it"
            )
    typed = [] if config["simulate"] is None else _file(config["simulate"]["text"], "simulate.text")
    corpus = _file(settings["corpus"], "decode.corpus") if "corpus" in fitted else []
    tables = _tables(config, simulated_study)
    simulated = config["simulate"] is not None and config["texts"] is None
    declared = [] if simulated else tables
    asked: set[Key] = set()
    if fitted or typed:
        keys = load_keyboard(keyboard)
        for path in typed:
            read_phrases(Path(path), keys)
        for path in declared:
            known = read_texts(Path(path), keys)
            _check_recordings(known, recordings)
            asked |= known.keys()
    chosen: list[str] = []
    if compared:
        chosen = _chosen(settings["experiments"], experiments, holds_people_out)
        if not tables:
            raise Tap2keyError(
                f"config: decode: what was typed is not known; put a {TEXTS_NAME} into the study, "
                "or name one in texts"
            )
        if declared and not any(
            (r.participant, r.session, r.recording) in asked for r in recordings
        ):
            raise Tap2keyError(
                f"{declared[0]}: names no recording that is used; add rows of some that are"
            )
    return PlannedTexts(
        tuple(chosen),
        compared,
        for_new,
        tuple(tables),
        tuple(declared),
        tuple(corpus),
        tuple(typed),
        tuple(options_of("decode", {**settings, "language_models": list(fitted)}, DECODING)),
    )


def _file(named: str | None, key: str) -> list[str]:
    path = text_file(named)
    if path is None:
        return []
    if not path.is_file():
        raise Tap2keyError(f"config: {key}: {path}: no such file")
    return [str(path)]


def _tables(config: Mapping[str, Any], simulated_study: str) -> list[str]:
    """Paths of what people were asked to type; one that is simulated need not be there yet."""
    if config["texts"] is not None:
        return [config["texts"]]
    if config["simulate"] is not None:
        return [f"{simulated_study}/{TEXTS_NAME}"] if config["simulate"]["text"] else []
    roots = config["study"] if isinstance(config["study"], list) else [config["study"]]
    paths = [os.path.join(root, TEXTS_NAME) for root in roots if root]  # noqa: PTH118
    return [path for path in paths if Path(path).is_file()]


def _check_recordings(known: Mapping[tuple, Any], recordings: Sequence[Recording]) -> None:
    people = {r.participant for r in recordings}
    there = {(r.participant, r.session, r.recording) for r in recordings}
    strangers: dict[str, str] = {}
    for key, asked in known.items():
        if key[0] not in people:
            strangers.setdefault(key[0], asked.where)
        elif key not in there:
            own = sorted("/".join(other) for other in there if other[0] == key[0])
            raise Tap2keyError(
                f"{asked.where}: no recording {'/'.join(key)} is used; those of {key[0]} are "
                f"{', '.join(own[:3])}{' …' if len(own) > 3 else ''}"
            )
    for name, where in strangers.items():
        log.warning(f"{where}: no recording of a participant {name!r} is used; texts left out")


def _chosen(
    names: Sequence[str],
    experiments: Mapping[str, Mapping[str, Any]],
    holds_people_out: Callable[[Mapping[str, Any]], bool],
) -> list[str]:
    able = [name for name, settings in experiments.items() if holds_people_out(settings)]
    if not names:
        return able
    for name in choose(list(experiments), list(names), "decode.experiments"):
        if name not in able:
            raise Tap2keyError(
                f"config: decode.experiments: {name} tests people whom it trains on; choose an "
                "experiment that holds participants out"
            )
    return [name for name in able if name in names]
