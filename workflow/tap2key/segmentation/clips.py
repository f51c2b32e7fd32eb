"""Clips already cut, one tap each: each one's onset and key, or why it has none."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tap2key.audio.array import Array, enough
from tap2key.audio.audio_file import AudioFile
from tap2key.audio.clip_reel import ClipReel
from tap2key.core.errors import Tap2keyError
from tap2key.segmentation.taps import BY_TIME
from tap2key.signal.channel_health import ChannelMeter
from tap2key.signal.detection import Taps, hop_at, hop_energies
from tap2key.signal.onset import Onset, onset_in_clip
from tap2key.study.clips import Clip, clips_of, sounds_of
from tap2key.study.key_names import keys_of, unmapped_text
from tap2key.study.keyboard import Keyboard
from tap2key.study.manifest import Recording
from tap2key.study.truth import CLIPS, Truth

NO_ONSET, NO_ROW, OUTSIDE = "no onset found", "no row in the table", "time outside the clip"
NO_CLIP = "rows without a clip"


@dataclass(frozen=True)
class ClipTaps:
    """The taps of a folder of clips, in the clips' order.

    `rows` are of `taps.parquet` but for the tap's number, one per tap; `audit` is what
    `recordings.tsv` says of them, with `warnings` that list every clip without a tap or a key.
    """

    taps: Taps
    rows: list[dict]
    audit: dict
    warnings: list[str]


def sound_of(recording: Recording, array: Array) -> AudioFile | ClipReel:
    """A recording's sound, or that of its clips.

    Raises:
        Tap2keyError: it is not readable.
    """
    if recording.truth == CLIPS:
        return ClipReel(sounds_of(recording), array)
    return AudioFile(recording.path, array)


def clip_taps(
    recording: Recording,
    reel: ClipReel,
    meter: ChannelMeter,
    keyboard: Keyboard,
    truth: Truth,
    peak_height: float | None = None,
) -> ClipTaps:
    """Find the onset of every clip of a folder, or take it from the table, and its key.

    Args:
        recording: the folder.
        reel: its clips.
        meter: is told of the sound of all of them.
        keyboard: has the keys that the labels name.
        truth: what the table's times and columns are.
        peak_height: the least height of a tap.

    Raises:
        Tap2keyError: the table is of no use, its times fit no clip, or no label names a key.
    """
    clips, missing = clips_of(recording, truth)
    named = [clip.key for clip in clips if clip.key is not None]
    labels, unknown = keys_of(named, keyboard, truth.characters)
    if not any(labels):
        raise Tap2keyError(
            f"{_tables(recording)}: no entry is a key of {keyboard.file} "
            f"({unmapped_text(unknown)}); give the keyboard that was used, or characters"
        )
    mapped = dict(zip(named, labels, strict=True))
    left: dict[str, list[str]] = {}
    onsets: list[Onset] = []
    starts: list[int] = []
    rows: list[dict] = []
    rate = reel.array.sample_rate
    for number, clip in enumerate(clips):
        if clip.key is None:
            left.setdefault(NO_ROW, []).append(clip.path.name)
        onset = _onset(reel, number, clip, meter, peak_height)
        if isinstance(onset, str):
            left.setdefault(onset, []).append(clip.path.name)
            continue
        onsets.append(onset)
        starts.append(number * reel.slot + onset.sample)
        rows.append(_row(recording, clip, mapped.get(clip.key or ""), onset, starts[-1] / rate))
    given = [clip for clip in clips if clip.time_s is not None]
    if given and len(left.get(OUTSIDE, [])) == len(given):
        raise Tap2keyError(
            f"{_tables(recording)}: every time lies outside its clip; times count from the clip's "
            f"first sample, in {truth.unit}: set truth.unit, or leave the column out"
        )
    if missing:
        left[NO_CLIP] = missing
    taps = Taps(
        np.array(starts, dtype=np.int64),
        np.array([onset.peak for onset in onsets], dtype=float),
        np.array([onset.threshold for onset in onsets], dtype=float),
        tuple(onset.each for onset in onsets),
        reel.array,
    )
    warnings = [f"{len(who)} {reason}: {', '.join(who)}" for reason, who in left.items()]
    if unknown:
        warnings.insert(0, f"no key of the keyboard: {unmapped_text(unknown)}")
    return ClipTaps(taps, rows, _audit(rows, len(named) + len(missing)), warnings)


def _onset(
    reel: ClipReel, number: int, clip: Clip, meter: ChannelMeter, peak_height: float | None
) -> Onset | str:
    """The onset of a clip, or why it has none."""
    file = reel.clips[number]
    if isinstance(file, Tap2keyError):
        return str(file).removeprefix(f"{clip.path}: ")
    rate = reel.array.sample_rate
    given = None if clip.time_s is None else round(clip.time_s * rate)
    if given is not None and not 0 <= given < file.frames:
        return OUTSIDE
    try:
        sound = reel.read(number)
    except Tap2keyError as error:
        return str(error).removeprefix(f"{clip.path}: ")
    meter(*hop_energies(sound, hop_at(rate)))
    onset = onset_in_clip(sound, rate, given)
    heard = onset.channels >= enough(len(reel.array.kept))
    if given is None and not (heard and (peak_height is None or onset.peak >= peak_height)):
        return NO_ONSET
    return onset


def _row(recording: Recording, clip: Clip, label: str | None, onset: Onset, time_s: float) -> dict:
    row = {
        "participant": recording.participant,
        "session": recording.session,
        "recording": recording.recording,
        "time_s": time_s,
        "label": label,
        "overlaps": False,
        "peak": onset.peak,
        "pairing": BY_TIME,
        "threshold": onset.threshold,
    }
    if np.isfinite([clip.x, clip.y]).all():
        row |= {"x": clip.x, "y": clip.y}
    return row


def _audit(rows: Sequence[Mapping], told: int) -> dict:
    matched = sum(row["label"] is not None for row in rows)
    return {
        "latency_s": 0.0,
        "drift_ppm": 0.0,
        "taps": len(rows),
        "touches": told,
        "matched": matched,
        "unmatched_taps": len(rows) - matched,
        "unmatched_touches": told - matched,
        "unverified": 0,
        "overlapping_taps": 0,
        "taps_cut_off": 0,
    }


def _tables(recording: Recording) -> str:
    return ", ".join(map(str, recording.touch_files or (recording.path,)))
