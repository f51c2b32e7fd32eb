"""Check labels that were paired by order against the recording and the touches."""

from dataclasses import dataclass

import numpy as np

from tap2key.audio.array import Array
from tap2key.audio.audio_file import AudioFile
from tap2key.core.errors import Tap2keyError
from tap2key.exchange.prototype_layout import LabelledWavs
from tap2key.exchange.window_search import locate
from tap2key.segmentation.session import Settings, segment_recording
from tap2key.segmentation.taps import VERIFIED
from tap2key.signal.detection import BOUNCE_S
from tap2key.study.keyboard import Keyboard
from tap2key.study.manifest import Recording
from tap2key.study.touches import Touches

# Older scripts cut around the loudest swing, which may follow the onset by as much as a bounce
# does, but does not come before it.
LATEST_S, EARLIEST_S = BOUNCE_S, 0.001


@dataclass
class Ingested:
    """One recording's taps: rows of `taps.parquet` but for whose they are, their windows
    [n, channels, samples], its row of the audit, and what became of each given wav.
    """

    rows: list[dict]
    windows: np.ndarray
    audit: dict
    listed: list[dict]


def listed(
    labelled: LabelledWavs,
    i: int,
    label: str | None,
    pairing: str | None,
    result: str,
    reason: str = "",
) -> dict[str, object]:
    """What became of the i-th given wav."""
    return {
        "recording": labelled.recording,
        "file": labelled.files[i].name,
        "given_label": labelled.labels[i],
        "label": label,
        "pairing": pairing,
        "result": result,
        "reason": reason,
    }


def reverified(
    labelled: LabelledWavs,
    windows: np.ndarray,
    recording: Recording,
    touches: Touches | Tap2keyError,
    keyboard: Keyboard,
    array: Array,
) -> Ingested:
    """The given taps with the labels of the touches that made them.

    Each window is looked for in the recording. Where it was cut, the segment stage's own tap tells
    its time and its touch. Windows are cut anew, around that tap's onset, as all others are.

    Args:
        labelled: labels and wavs.
        windows: [n, channels, samples] float32.
        recording: where they were cut.
        touches: of its session, or why they could not be read.
        keyboard: names the key of a touch.
        array: what the session was recorded with.

    Raises:
        Tap2keyError: the recording cannot be used, so nothing can be verified.
    """
    segmented = segment_recording(recording, touches, keyboard, Settings(strict=True, array=array))
    audio = AudioFile(recording.path, array)
    onsets = np.array(segmented.onsets, dtype=np.int64)
    starts = locate(audio, windows)
    chosen = taps_at(starts + array.before, onsets, array.sample_rate)
    kept: dict[int, int] = {}
    verdicts = []
    for i, tap in enumerate(chosen):
        label = None if tap < 0 else segmented.rows[tap]["label"]
        reason = ""
        if starts[i] < 0:
            reason = "its window is not in the recording"
        elif tap < 0:
            reason = "no tap begins where its window was cut"
        elif tap in kept:
            reason = f"the same tap as {labelled.files[kept[tap]].name}"
        elif label is None:
            reason = "no touch near its tap"
        if reason:
            verdicts.append(listed(labelled, i, None, None, "dropped", reason))
            continue
        kept[int(tap)] = i
        right = label == labelled.labels[i]
        reason = "" if right else f"the touch of its time is on {label}"
        result = "kept" if right else "corrected"
        verdicts.append(listed(labelled, i, label, VERIFIED, result, reason))
    order = sorted(kept)
    numbers = labelled.numbers
    rows = [{**segmented.rows[t], "tap": numbers[kept[t]], "pairing": VERIFIED} for t in order]
    cut = [section.T for section in audio.sections(onsets[order] - array.before, array.window)]
    audit = {
        **segmented.audit,
        "unmatched_touches": segmented.audit["touches"] - len(rows),
    }
    return Ingested(rows, np.array(cut).reshape(-1, *windows.shape[1:]), audit, verdicts)


def taps_at(swings: np.ndarray, onsets: np.ndarray, sample_rate: int) -> np.ndarray:
    """Which tap's loudest swing is where: the last one that begins shortly before.

    Args:
        swings: [n] samples in the recording.
        onsets: [taps] ascending.
        sample_rate: in Hz.

    Returns:
        [n] indices of taps, −1 for none.
    """
    last = np.searchsorted(onsets, swings + EARLIEST_S * sample_rate, side="right") - 1
    if not len(onsets):
        return last
    near = swings - onsets[np.maximum(last, 0)] <= LATEST_S * sample_rate
    return np.where((last >= 0) & near, last, -1)
