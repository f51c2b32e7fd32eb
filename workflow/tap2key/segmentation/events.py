"""The events of each recording, from its source of truth, or why they cannot be used."""

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from tap2key.config.arguments import add_settings, options_of, settings_of
from tap2key.core.errors import Tap2keyError
from tap2key.core.finite_numbers import loads
from tap2key.study.event_table import Stroke, read_event_table, read_strokes
from tap2key.study.key_names import check_characters, keys_of, unmapped_text
from tap2key.study.keyboard import Keyboard
from tap2key.study.manifest import Recording
from tap2key.study.touch_checks import check_touches
from tap2key.study.touches import read_touches
from tap2key.study.truth import CLIPS, EVENTS, NO_EVENTS, Events, Truth, check_within


def events_of(
    recordings: Sequence[Recording], keyboard: Keyboard, truth: Truth
) -> dict[Path, Events | Tap2keyError]:
    """The touches or events of each recording by its path, or why they cannot be used.

    A set of touch logs or an event table is read once, however many recordings share it.
    """

    @cache
    def rows_of(table: Path) -> list[Stroke]:
        return read_strokes(table, truth)

    logs: dict[tuple[Path, ...], Events | Tap2keyError] = {}
    found: dict[Path, Events | Tap2keyError] = {}
    for recording in recordings:
        files = recording.touch_files
        if recording.truth == CLIPS:
            # Their table says no times but those that are found in them.
            found[recording.path] = NO_EVENTS
            continue
        if recording.truth == EVENTS:
            found[recording.path] = _strokes(recording, keyboard, truth, rows_of)
            continue
        if files not in logs:
            logs[files] = _touches(files, keyboard)
        found[recording.path] = logs[files]
    return found


def _touches(files: Sequence[Path], keyboard: Keyboard) -> Events | Tap2keyError:
    try:
        touches = read_touches(files)
        check_touches(touches, keyboard, files)
    except Tap2keyError as error:
        return error
    return touches


def _strokes(
    recording: Recording,
    keyboard: Keyboard,
    truth: Truth,
    rows_of: Callable[[Path], list[Stroke]],
) -> Events | Tap2keyError:
    files = recording.touch_files
    try:
        events = read_event_table(files, recording.start, recording.path, truth, rows_of)
    except Tap2keyError as error:
        return error
    logged = [label or "" for label in events.label or ()]
    labels, unknown = keys_of(logged, keyboard, truth.characters)
    if not any(labels):
        return Tap2keyError(
            f"{', '.join(map(str, files))}: no entry is a key of {keyboard.file} "
            f"({unmapped_text(unknown)}); give the keyboard that was used, or characters"
        )
    return replace(events, label=tuple(labels), unmapped=unmapped_text(unknown))


def stray_warnings(
    recording: Recording, events: Events, event_s: np.ndarray, duration_s: float, truth: Truth
) -> list[str]:
    """Warnings where some of a recording's events lie outside it or are of no key.

    Args:
        recording: where it is.
        events: what its source of truth says.
        event_s: [events] in seconds after the recording's start.
        duration_s: the recording's length.
        truth: in which unit a table's times are.

    Raises:
        Tap2keyError: most events lie outside.
    """
    strays = [f"no key of the keyboard: {events.unmapped}"] if events.unmapped else []
    if events.in_recording:
        where = str(recording.touch_files[0])
        strays.append(check_within(event_s, duration_s, where, truth.unit))
    return [text for text in strays if text]


TRUTH_SETTINGS = ("unit", "columns", "clock", "releases")


def add_truth(parser: argparse.ArgumentParser) -> None:
    """Declare the options that describe the source of truth."""
    add_settings(parser, "truth", TRUTH_SETTINGS)
    parser.add_argument(
        "--characters", type=loads, default={}, metavar="JSON", help="labels by logged entry"
    )


def truth_of(args: argparse.Namespace, keyboard: Keyboard) -> Truth:
    """The source of truth that a parsed command line describes, for a keyboard.

    Raises:
        Tap2keyError: a value that the schema refuses, or a key that the keyboard does not have.
    """
    given = args.characters
    if not (isinstance(given, dict) and all(isinstance(label, str) for label in given.values())):
        raise Tap2keyError(
            f"--characters is {json.dumps(given, ensure_ascii=False)}; it must give a label for "
            'each entry, such as {"Key.menu": "meta"}'
        )
    check_characters(given, keyboard, "--characters")
    return Truth(**settings_of(args, "truth", TRUTH_SETTINGS), characters=given)


def truth_options(config: Mapping[str, Any]) -> list[str]:
    """The arguments that pass a configuration's source of truth to a stage."""
    options = options_of("truth", config["truth"], TRUTH_SETTINGS)
    characters = json.dumps(config["characters"], ensure_ascii=False, sort_keys=True)
    return [*options, *([f"--characters={characters}"] if config["characters"] else [])]
