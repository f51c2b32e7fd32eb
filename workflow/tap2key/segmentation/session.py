"""A session's recordings and touches → labelled taps, windows and an audit."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tap2key.audio.array import DEFAULT, Array
from tap2key.audio.audio_file import AudioFile
from tap2key.audio.clip_reel import ClipReel
from tap2key.core.errors import Tap2keyError
from tap2key.core.files import atomic_file, joined_warnings, write_tsv
from tap2key.core.log import log
from tap2key.core.progress import progress
from tap2key.segmentation.channel_table import ChannelRecord, write_channels
from tap2key.segmentation.clips import clip_taps, sound_of
from tap2key.segmentation.clock import find_clock
from tap2key.segmentation.events import events_of, stray_warnings
from tap2key.segmentation.labels import labelled_rows, paired
from tap2key.segmentation.piecewise_clock import Piece
from tap2key.segmentation.recordings_table import (
    RECORDING_COLUMNS,
    RECORDINGS_NAME,
    audit_numbers,
    clock_warnings,
)
from tap2key.segmentation.strokes import find_stroke_clock, pair_presses
from tap2key.segmentation.taps import TAPS_NAME, WINDOWS_NAME, WindowWriter, write_taps
from tap2key.signal.detection import find_taps
from tap2key.signal.releases import PRESS, RELEASE, find_sounds
from tap2key.study.clips import sounds_of
from tap2key.study.keyboard import Keyboard
from tap2key.study.manifest import Recording
from tap2key.study.truth import (
    CLIPS,
    IGNORE,
    KEEP,
    KNOWN,
    NEONODE,
    RELEASE_LABEL,
    Events,
    Truth,
)


@dataclass(frozen=True)
class Settings:
    """What a user can choose: the configuration's section `segment`, by its names and defaults.

    `selectivity_s` is the greatest distance of a pair; `latency_s` pins every recording's latency;
    `peak_height` is the least height of a tap, full scale 1.0; `outside_keys` is `keep` or `drop`,
    for taps outside every key; `strict` makes a left-out recording an error;
    `array` is what the session was recorded with; `truth` is what is known of its source of truth.
    """

    selectivity_s: float = 0.1
    peak_height: float | None = None
    latency_s: float | None = None
    outside_keys: str = "keep"
    strict: bool = False
    array: Array = DEFAULT
    truth: Truth = field(default_factory=Truth)


@dataclass
class Segmented:
    """One recording's taps: rows of `taps.parquet` in time order, and its row of the audit."""

    recording: Recording
    array: Array = DEFAULT
    rows: list[dict] = field(default_factory=list)
    onsets: list[int] = field(default_factory=list)
    audit: dict = field(default_factory=dict)
    channels: ChannelRecord = field(init=False)

    def __post_init__(self) -> None:
        """Empty records of the channels."""
        self.channels = ChannelRecord(self.recording, self.array)


def segment_recording(
    recording: Recording, touches: Events | Tap2keyError, keyboard: Keyboard, settings: Settings
) -> Segmented:
    """Find, time and label the taps of one recording.

    A recording that cannot be used has no rows, and the reason in its audit.

    Args:
        recording: where it is and when it started.
        touches: its session's touches, or why they cannot be used.
        keyboard: names the key of a touch.
        settings: what the user chose.

    Raises:
        Tap2keyError: the recording cannot be used, and `settings.strict`.
    """
    result = Segmented(recording, settings.array)
    result.audit = {
        "participant": recording.participant,
        "session": recording.session,
        "recording": recording.recording,
        "status": "ok",
    }
    try:
        _segment(result, touches, keyboard, settings)
    except Tap2keyError as error:
        if settings.strict:
            raise
        result.rows, result.onsets = [], []
        result.audit |= {"status": "left out", "reason": str(error)}
    return result


def _segment(
    result: Segmented, touches: Events | Tap2keyError, keyboard: Keyboard, settings: Settings
) -> None:
    recording, audit, array = result.recording, result.audit, settings.array
    truth = settings.truth
    if recording.truth == CLIPS:
        _cut(result, keyboard, settings)
        return
    audio = AudioFile(recording.path, array)
    audit |= {"duration_s": round(audio.duration_s, 6), "sample_rate": audio.sample_rate}
    audit["warnings"] = joined_warnings(audio.warnings)
    if isinstance(touches, Tap2keyError):
        raise touches
    roles = None
    if truth.releases == IGNORE:
        taps = find_taps(audio, settings.peak_height, result.channels.meter)
    else:
        taps, roles = find_sounds(audio, settings.peak_height, result.channels.meter)
    # Channels are judged even where nothing can be labelled.
    result.channels.taps = taps
    audit["taps"] = len(taps.onset)
    tap_s = taps.time_s
    touch_s = touches.seconds_since(recording.start)
    strays = stray_warnings(recording, touches, touch_s, audio.duration_s, truth)
    sure_s = tap_s if roles is None else tap_s[roles == PRESS]
    pieces = _clock(recording, sure_s, touch_s, audio.duration_s, settings)
    matched, expected_s, during = paired(
        pieces, tap_s, touch_s, touches.run, audio.duration_s, settings.selectivity_s
    )
    if roles is not None:
        matched, roles = pair_presses(
            pieces, tap_s, roles, touch_s, touches.run, audio.duration_s, settings.selectivity_s
        )
        audit["releases"] = int((roles == RELEASE).sum())
        own = np.flatnonzero((roles == PRESS) | ((roles == RELEASE) & (truth.releases == KEEP)))
        taps, tap_s, roles = taps.only(own), tap_s[own], roles[own]
        matched, expected_s = matched[own], expected_s[own]
        result.channels.taps = taps
    rows = labelled_rows(recording, taps, touches, matched, touch_s, expected_s, keyboard)
    result.channels.place(rows)
    released = np.zeros(len(rows), dtype=bool) if roles is None else roles == RELEASE
    for i in np.flatnonzero(released):
        rows[i]["label"] = RELEASE_LABEL
    fits = (taps.onset >= array.before) & (taps.onset + array.after <= audio.frames)
    kept = _keep(result, rows, taps.onset, fits, keyboard, settings)
    pressed = [rows[i] for i in kept if not released[i]]
    audit |= audit_numbers(pressed, int(during.sum()), int((matched >= 0).sum()), pieces)
    audit["warnings"] = joined_warnings(
        [*audio.warnings, *strays, *clock_warnings(pieces, tap_s, matched, audio.duration_s)]
    )
    audit["taps_cut_off"] = int((~fits).sum())


def _keep(
    result: Segmented,
    rows: Sequence[dict],
    onset: np.ndarray,
    fits: np.ndarray,
    keyboard: Keyboard,
    settings: Settings,
) -> list[int]:
    """Take the rows whose windows fit and that the user wants into the result: their indices."""
    dropped = None if settings.outside_keys == "keep" else keyboard.outside
    wanted = [dropped is None or row["label"] != dropped for row in rows]
    kept = [i for i in range(len(rows)) if fits[i] and wanted[i]]
    result.rows = [{**rows[i], "tap": number} for number, i in enumerate(kept)]
    result.onsets = [int(onset[i]) for i in kept]
    result.audit["none_dropped"] = int(fits.sum()) - len(kept)
    return kept


def _cut(result: Segmented, keyboard: Keyboard, settings: Settings) -> None:
    """What `_segment` does, of clips already cut."""
    recording, audit, channels = result.recording, result.audit, result.channels
    reel = ClipReel(sounds_of(recording), settings.array)
    audit |= {"duration_s": round(reel.duration_s, 6), "sample_rate": reel.sample_rate}
    found = clip_taps(
        recording, reel, channels.meter, keyboard, settings.truth, settings.peak_height
    )
    channels.taps = found.taps
    channels.place(found.rows)
    # Beyond a clip's ends is silence.
    everything = np.ones(len(found.rows), dtype=bool)
    _keep(result, found.rows, found.taps.onset, everything, keyboard, settings)
    audit |= found.audit
    audit["warnings"] = joined_warnings(found.warnings)


def _clock(
    recording: Recording,
    tap_s: np.ndarray,
    touch_s: np.ndarray,
    duration_s: float,
    settings: Settings,
) -> list[Piece]:
    pinned = settings.latency_s if settings.latency_s is not None else recording.latency_s
    by_sensor = recording.truth == NEONODE
    if not np.any((touch_s > -1) & (touch_s < duration_s + 1)):
        kind, advice = (
            ("touch", "the start in its name and the sensor's clock")
            if by_sensor
            else ("event", "its start and the table's times")
        )
        raise Tap2keyError(
            f"{recording.path}: no {kind} between {recording.start:%Y-%m-%d %H:%M:%S} and its end "
            f"{duration_s:.0f} s later; check {advice}"
        )
    if by_sensor:
        pieces, reason = find_clock(tap_s, touch_s, duration_s, pinned)
    else:
        known = settings.truth.clock == KNOWN
        pieces, reason = find_stroke_clock(tap_s, touch_s, duration_s, pinned, known)
    if not pieces:
        raise Tap2keyError(f"{recording.path}: {reason}")
    return pieces


def segment_session(
    recordings: Sequence[Recording],
    keyboard: Keyboard,
    settings: Settings,
    output: Path,
    threads: int = 1,
) -> list[dict]:
    """Segment a session's recordings and write its taps, windows and audit into `output`.

    Args:
        recordings: in the order their taps shall have.
        keyboard: names the key of a touch.
        settings: what the user chose.
        output: the folder; files in it are replaced only once they are complete.
        threads: how many recordings to work on at a time.

    Returns:
        The rows of `recordings.tsv`.
    """
    output.mkdir(parents=True, exist_ok=True)
    events = events_of(recordings, keyboard, settings.truth)
    rows: list[dict] = []
    audits: list[dict] = []
    channels: list[ChannelRecord] = []
    with (
        ThreadPoolExecutor(max(1, threads)) as pool,
        atomic_file(output / WINDOWS_NAME) as temporary,
        temporary.open("wb") as handle,
    ):
        writer = WindowWriter(handle, settings.array)
        done = pool.map(
            lambda r: segment_recording(r, events[r.path], keyboard, settings), recordings
        )
        for segmented in progress(done, "recordings", total=len(recordings)):
            _write_windows(writer, segmented)
            rows += segmented.rows
            audits.append(segmented.audit)
            channels.append(segmented.channels)
            if segmented.audit["status"] != "ok":
                log.warning(f"left out: {segmented.audit['reason']}")
            if segmented.audit.get("warnings"):
                warned = f"{segmented.recording.path}: {segmented.audit['warnings']}"
                log.warning(warned)
        windows_hash = writer.finish()
    labels = _labels(keyboard, settings.truth)
    write_taps(output / TAPS_NAME, rows, windows_hash, labels, settings.array)
    write_channels(output, channels, audits, keyboard)
    write_tsv(output / RECORDINGS_NAME, audits, RECORDING_COLUMNS)
    return audits


def _labels(keyboard: Keyboard, truth: Truth) -> tuple[str, ...]:
    return keyboard.labels + ((RELEASE_LABEL,) if truth.releases == KEEP else ())


def _write_windows(writer: WindowWriter, segmented: Segmented) -> None:
    if segmented.onsets:
        array = segmented.array
        starts = np.array(segmented.onsets) - array.before
        audio = sound_of(segmented.recording, array)
        for section in audio.sections(starts, array.window):
            writer.write(section.T)
