"""A recording without a touch sensor → its taps and what models make of them."""

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

import numpy as np

from tap2key.audio.audio_file import AudioFile
from tap2key.core.errors import DivergedError, Tap2keyError
from tap2key.core.files import joined_warnings
from tap2key.core.log import log
from tap2key.models.ensemble import Ensemble
from tap2key.reading.unlabelled import Unlabelled
from tap2key.signal.channel_health import ChannelMeter, faults, measure
from tap2key.signal.detection import Taps
from tap2key.signal.releases import PRESS, RELEASE, find_sounds
from tap2key.signal.stream_detection import find_taps_as_heard
from tap2key.study.truth import IGNORE, RELEASE_LABEL

WINDOWS_AT_ONCE = 64


class NamedTaps(NamedTuple):
    """A recording's taps: onsets [n] in samples, probabilities [n, labels], what is odd of it."""

    audio: AudioFile
    onsets: np.ndarray
    probabilities: np.ndarray
    warnings: str


def named_or_left_out(
    recording: Unlabelled, ensemble: Ensemble, peak_height: float | None, releases: str
) -> NamedTaps | str:
    """The taps of a recording, or why it is left out; either is logged if it is worth a warning.

    Raises:
        Tap2keyError: it cannot be read, and the user named the very file; or the model diverged,
            which is at fault whatever it listens to.
    """
    try:
        audio = _opened(recording, ensemble)
        onsets, probabilities, channel_warnings = name_taps(audio, ensemble, peak_height, releases)
    except Tap2keyError as error:
        if recording.chosen or isinstance(error, DivergedError):
            raise
        log.warning(f"left out: {error}")
        return str(error)
    warnings = joined_warnings([*audio.warnings, *channel_warnings])
    if warnings:
        log.warning(f"{recording.path}: {warnings}")
    return NamedTaps(audio, onsets, probabilities, warnings)


def _opened(recording: Unlabelled, ensemble: Ensemble) -> AudioFile:
    """A recording, ready to be read as the models need it.

    Raises:
        Tap2keyError: it cannot be read, or does not hold the frequencies that a model listens to.
    """
    if recording.reason is not None:
        raise Tap2keyError(f"{recording.path}: {recording.reason}")
    audio = AudioFile(recording.path, ensemble.array)
    if audio.sample_rate < ensemble.highest_rate:
        raise Tap2keyError(
            f"{audio.path}: recorded at {audio.sample_rate} Hz, but the model needs "
            f"{ensemble.highest_rate} Hz; record at that rate or a higher one, or use a model with "
            "a lower sample_rate"
        )
    return audio


def name_taps(
    audio: AudioFile, ensemble: Ensemble, peak_height: float | None, releases: str
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Find a recording's taps and name their keys, in memory that does not grow with its length.

    Where keys are heard when released, taps are the presses, as they are in training; the
    releases too if the models know them.

    Returns:
        Onsets [n] in samples, probabilities [n, labels], and what is wrong with channels.
    """
    meter = ChannelMeter(audio.array)
    taps = _taps_of(audio, peak_height, meter, releases, RELEASE_LABEL in ensemble.labels)
    parts = [ensemble.probabilities(windows) for windows in _windows(audio, taps.onset)]
    empty = np.zeros((0, len(ensemble.labels)))
    channel_warnings = [fault.text for fault in faults(measure(meter, taps.each))]
    return taps.onset, np.concatenate([empty, *parts]), channel_warnings


def _taps_of(
    audio: AudioFile, peak_height: float | None, meter: ChannelMeter, releases: str, known: bool
) -> Taps:
    if releases == IGNORE:
        return find_taps_as_heard(audio, peak_height, meter)
    taps, roles = find_sounds(audio, peak_height, meter)
    return taps.only(np.flatnonzero((roles == PRESS) | ((roles == RELEASE) & known)))


def _windows(audio: AudioFile, onsets: np.ndarray) -> Iterator[np.ndarray]:
    sections = audio.sections(onsets - audio.array.before, audio.array.window)
    while some := [section.T for section in islice(sections, WINDOWS_AT_ONCE)]:
        yield np.stack(some)
