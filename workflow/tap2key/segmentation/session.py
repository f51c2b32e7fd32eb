"""A session's recordings and touches → labelled taps, windows and an audit."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tap2key.audio.audio_file import SAMPLE_RATE, WINDOW, WINDOW_AFTER, WINDOW_BEFORE, AudioFile
from tap2key.core.errors import Tap2keyError
from tap2key.core.files import atomic_file, joined_warnings, write_tsv
from tap2key.core.log import log
from tap2key.core.progress import progress
from tap2key.segmentation.channel_table import Heard, write_channels
from tap2key.segmentation.clock import find_clock
from tap2key.segmentation.labels import labelled_rows, paired
from tap2key.segmentation.piecewise_clock import Piece
from tap2key.segmentation.recordings_table import (
    RECORDING_COLUMNS,
    RECORDINGS_NAME,
    audit_numbers,
    clock_warnings,
)
from tap2key.segmentation.taps import TAPS_NAME, WINDOWS_NAME, WindowWriter, write_taps
from tap2key.signal.detection import find_taps
from tap2key.study.keyboard import OUTSIDE, Keyboard
from tap2key.study.manifest import Recording
from tap2key.study.touch_checks import check_touches
from tap2key.study.touches import Touches, read_touches


@dataclass(frozen=True)
class Settings:
    """What a user can choose.

    `selectivity_s` is the greatest distance of a pair; `latency_s` pins every recording's latency;
    `peak_height` is the least height of a tap, full scale 1.0; `keep_none` keeps taps outside
    every key as a class of their own; `strict` makes a left-out recording an error.
    """

    selectivity_s: float = 0.1
    latency_s: float | None = None
    peak_height: float | None = None
    keep_none: bool = True
    strict: bool = False


@dataclass
class Segmented:
    """One recording's taps: rows of `taps.parquet` in time order, and its row of the audit."""

    recording: Recording
    rows: list[dict] = field(default_factory=list)
    onsets: list[int] = field(default_factory=list)
    audit: dict = field(default_factory=dict)
    heard: Heard = field(init=False)

    def __post_init__(self) -> None:
        """Nothing heard yet."""
        self.heard = Heard(self.recording)


def segment_recording(
    recording: Recording, touches: Touches | Tap2keyError, keyboard: Keyboard, settings: Settings
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
    result = Segmented(recording)
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
    result: Segmented, touches: Touches | Tap2keyError, keyboard: Keyboard, settings: Settings
) -> None:
    recording, audit = result.recording, result.audit
    audio = AudioFile(recording.path)
    audit |= {"duration_s": round(audio.duration_s, 6), "sample_rate": audio.sample_rate}
    audit["warnings"] = joined_warnings(audio.warnings)
    if isinstance(touches, Tap2keyError):
        raise touches
    taps = result.heard.taps = find_taps(audio, settings.peak_height, result.heard.meter)
    audit["taps"] = len(taps.onset)
    tap_s = taps.onset / SAMPLE_RATE
    touch_s = touches.seconds_since(recording.start)
    pieces = _clock(recording, tap_s, touch_s, audio.duration_s, settings)
    matched, expected_s, heard = paired(
        pieces, tap_s, touch_s, touches.run, audio.duration_s, settings.selectivity_s
    )
    rows = labelled_rows(recording, taps, touches, matched, touch_s, expected_s, keyboard)
    result.heard.place(rows)
    fits = (taps.onset >= WINDOW_BEFORE) & (taps.onset + WINDOW_AFTER <= audio.frames)
    wanted = [settings.keep_none or row["label"] != OUTSIDE for row in rows]
    kept = [i for i in range(len(rows)) if fits[i] and wanted[i]]
    result.rows = [{**rows[i], "tap": number} for number, i in enumerate(kept)]
    result.onsets = [int(taps.onset[i]) for i in kept]
    audit |= audit_numbers(result.rows, int(heard.sum()), int((matched >= 0).sum()), pieces)
    audit["warnings"] = joined_warnings(
        [*audio.warnings, *clock_warnings(pieces, tap_s, matched, audio.duration_s)]
    )
    audit["taps_cut_off"] = int((~fits).sum())
    audit["none_dropped"] = int(fits.sum()) - len(kept)


def _clock(
    recording: Recording,
    tap_s: np.ndarray,
    touch_s: np.ndarray,
    duration_s: float,
    settings: Settings,
) -> list[Piece]:
    pinned = settings.latency_s if settings.latency_s is not None else recording.latency_s
    if not np.any((touch_s > -1) & (touch_s < duration_s + 1)):
        raise Tap2keyError(
            f"{recording.path}: no touch between {recording.start:%Y-%m-%d %H:%M:%S} and its end "
            f"{duration_s:.0f} s later; check the start in its name and the sensor's clock"
        )
    pieces, reason = find_clock(tap_s, touch_s, duration_s, pinned)
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
    touches = touches_of(recordings, keyboard)
    rows: list[dict] = []
    audits: list[dict] = []
    heard: list[Heard] = []
    with (
        ThreadPoolExecutor(max(1, threads)) as pool,
        atomic_file(output / WINDOWS_NAME) as temporary,
        temporary.open("wb") as handle,
    ):
        writer = WindowWriter(handle)
        done = pool.map(
            lambda r: segment_recording(r, touches[r.touch_files], keyboard, settings), recordings
        )
        for segmented in progress(done, "recordings", total=len(recordings)):
            _write_windows(writer, segmented)
            rows += segmented.rows
            audits.append(segmented.audit)
            heard.append(segmented.heard)
            if segmented.audit["status"] != "ok":
                log.warning(f"left out: {segmented.audit['reason']}")
            if segmented.audit.get("warnings"):
                warned = f"{segmented.recording.path}: {segmented.audit['warnings']}"
                log.warning(warned)
        windows_hash = writer.finish()
    write_taps(output / TAPS_NAME, rows, windows_hash, keyboard.labels)
    write_channels(output, heard, audits, keyboard)
    write_tsv(output / RECORDINGS_NAME, audits, RECORDING_COLUMNS)
    return audits


def touches_of(
    recordings: Sequence[Recording], keyboard: Keyboard
) -> dict[tuple[Path, ...], Touches | Tap2keyError]:
    """The touches of each set of touch files, or why they cannot be used.

    Each set is read once, however many recordings share it.
    """
    found: dict[tuple[Path, ...], Touches | Tap2keyError] = {}
    for files in {recording.touch_files for recording in recordings}:
        try:
            touches = read_touches(files)
            check_touches(touches, keyboard, files)
            found[files] = touches
        except Tap2keyError as error:
            found[files] = error
    return found


def _write_windows(writer: WindowWriter, segmented: Segmented) -> None:
    if segmented.onsets:
        starts = np.array(segmented.onsets) - WINDOW_BEFORE
        for section in AudioFile(segmented.recording.path).sections(starts, WINDOW):
            writer.write(section.T)
