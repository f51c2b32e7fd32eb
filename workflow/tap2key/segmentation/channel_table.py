"""What is written of every channel: `channels.tsv` of a session, and the study's table of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tap2key.audio.array import DEFAULT, Array
from tap2key.core.files import JOIN, joined_warnings, write_tsv
from tap2key.core.log import log
from tap2key.segmentation.delay_pattern import (
    Comparison,
    compare,
    fit_pattern,
    known,
    middle_pattern,
)
from tap2key.signal.channel_health import ChannelMeter, Fault, Measured, faults, measure, unusable
from tap2key.signal.detection import Taps
from tap2key.study.keyboard import Keyboard
from tap2key.study.manifest import Recording

CHANNELS_NAME = "channels.tsv"
PLANE_COLUMNS = ("delay_ms", "delay_x_ms", "delay_y_ms")
CHANNEL_COLUMNS = (
    *("participant", "session", "recording", "channel", "verdict", "warning"),
    *("taps", "level_db", "noise_db", "snr_db", "heard", "clipped", "dropped_s", "offset"),
    *(*PLANE_COLUMNS, "misfit_ms"),
)
OK = "ok"
# A median needs a majority: of two, nobody can say which one is right.
FEWEST_FOR_MEDIAN = 3


@dataclass
class ChannelRecord:
    """What the channels of one recording did.

    `taps` are all that were found in it, None where it could not be read; `placed` maps a tap's
    onset to its touch's x and y.
    """

    recording: Recording
    array: Array = DEFAULT
    taps: Taps | None = None
    placed: dict[int, tuple[float, float]] = field(default_factory=dict)
    meter: ChannelMeter = field(init=False)

    def __post_init__(self) -> None:
        """Nothing measured yet."""
        self.meter = ChannelMeter(self.array)

    def place(self, rows: Sequence[dict]) -> None:
        """Say where the taps were: their rows of `taps.parquet`, all of them, in order."""
        assert self.taps is not None
        onsets = map(int, self.taps.onset)
        self.placed = {
            onset: (row["x"], row["y"])
            for onset, row in zip(onsets, rows, strict=True)
            if row.get("x") is not None
        }


def write_channels(
    folder: Path, session: Sequence[ChannelRecord], audits: Sequence[dict], keyboard: Keyboard
) -> None:
    """Write a session's `channels.tsv`, and what it warns of into `warnings` of the audits.

    Args:
        folder: the session's output.
        session: all its recordings, in any state.
        audits: their rows of `recordings.tsv`, in the same order.
        keyboard: where the keys are.
    """
    rows = session_rows(session, keyboard)
    write_tsv(folder / CHANNELS_NAME, rows, CHANNEL_COLUMNS)
    for audit in audits:
        warned = warnings_of(rows, audit["recording"])
        if warned:
            audit["warnings"] = joined_warnings(filter(None, [audit.get("warnings"), warned]))
            log.warning(f"{audit['recording']}: {warned}")


def session_rows(session: Sequence[ChannelRecord], keyboard: Keyboard) -> list[dict]:
    """Rows of `channels.tsv` for a session's recordings that could be read.

    Args:
        session: all its recordings, in any state.
        keyboard: where the keys are.
    """
    read = [record for record in session if record.taps is not None]
    measured = [measure(h.meter, h.taps.each) for h in session if h.taps is not None]
    found = [faults(one) for one in measured]
    patterns = [
        _pattern(record, one, own, keyboard)
        for record, one, own in zip(read, measured, found, strict=True)
    ]
    compared = _within(patterns, [record.recording.recording for record in read])
    rows = []
    for record, one, own, pattern, (comparison, order) in zip(
        read, measured, found, patterns, compared, strict=True
    ):
        rows += _rows(record.recording, one, [*own, *order], pattern, comparison)
    return rows


def warnings_of(rows: Sequence[dict], recording: str) -> str:
    """What rows of one session's `channels.tsv` warn of in one recording, each thing once."""
    own = (row["warning"] for row in rows if row["recording"] == recording)
    return JOIN.join(dict.fromkeys(part for text in own if text for part in text.split(JOIN)))


def study_warnings(audit: dict[str, str], before: Sequence[dict], after: Sequence[dict]) -> str:
    """A recording's warnings, with those of its channels brought up to date.

    Args:
        audit: its row of `recordings.tsv`.
        before: its session's rows of `channels.tsv`.
        after: the same of `study_rows`.
    """
    old = warnings_of(before, audit["recording"]).split(JOIN)
    others = [text for text in audit.get("warnings", "").split(JOIN) if text and text not in old]
    return JOIN.join(filter(None, [*others, warnings_of(after, audit["recording"])]))


def study_rows(
    rows: Sequence[dict[str, str]], arrays: Mapping[tuple[str, str], str] | None = None
) -> list[dict[str, str]]:
    """Compare all recordings of a study with the usual order of its sessions' channels.

    A session alone cannot say in which of two recordings plugs were swapped, nor whether they
    were throughout: with three sessions or more, what it said of the order is replaced.

    Args:
        rows: of all sessions' `channels.tsv`.
        arrays: the name of what each session was recorded with, by participant and session; None:
            all with the same. Only sessions of one array are compared.

    Returns:
        The same rows, with `verdict` and `warning` brought up to date.
    """
    of_recording: dict[tuple[str, str, str], list[dict[str, str]]] = {}
    for row in rows:
        key = (row["participant"], row["session"], row["recording"])
        of_recording.setdefault(key, []).append(row)
    patterns = {key: read_pattern(own) for key, own in of_recording.items()}
    rigs = {key: ((arrays or {}).get(key[:2]), len(p)) for key, p in patterns.items()}
    usual = {
        rig: _usual({key: p for key, p in patterns.items() if rigs[key] == rig})
        for rig in set(rigs.values())
    }
    result = []
    for key, own in of_recording.items():
        order = []
        reference = usual[rigs[key]]
        if reference is not None and known(patterns[key]):
            order = _order_faults(compare(patterns[key], reference), "the study's other sessions")
            order = [fault for fault in order if fault.kind == "swapped"]
            own = [_without(row, "swapped") for row in own]
        result += [_with(row, order) for row in own]
    return result


def _usual(patterns: Mapping[tuple[str, str, str], np.ndarray]) -> np.ndarray | None:
    """The median of the sessions' patterns, each counting equally; None of too few sessions."""
    sessions: dict[tuple[str, str], list[np.ndarray]] = {}
    for key, pattern in patterns.items():
        if known(pattern):
            sessions.setdefault(key[:2], []).append(pattern)
    if len(sessions) < FEWEST_FOR_MEDIAN:
        return None
    return middle_pattern([middle_pattern(own) for own in sessions.values()])


def _pattern(
    record: ChannelRecord, measured: Measured, found: Sequence[Fault], keyboard: Keyboard
) -> np.ndarray:
    arrival_ms = measured.arrival_ms.copy()
    arrival_ms[:, [measured.names.index(channel) for channel in unusable(found)]] = np.nan
    assert record.taps is not None
    nowhere = (np.nan, np.nan)
    places = [record.placed.get(int(onset), nowhere) for onset in record.taps.onset]
    planes = fit_pattern(arrival_ms, np.array(places, dtype=float).reshape(-1, 2), keyboard)
    pattern = np.full((record.array.channels, len(PLANE_COLUMNS)), np.nan)
    pattern[list(measured.names)] = planes
    return pattern


def _within(
    patterns: Sequence[np.ndarray], names: Sequence[str]
) -> list[tuple[Comparison, list[Fault]]]:
    """Compare each recording of a session with all of them, or with its only other one."""
    telling = [i for i, pattern in enumerate(patterns) if known(pattern)]
    usual = middle_pattern([patterns[i] for i in telling]) if telling else None
    result: list[tuple[Comparison, list[Fault]]] = []
    for i, pattern in enumerate(patterns):
        others = [j for j in telling if j != i]
        if usual is None or i not in telling or not others:
            result.append((Comparison(np.full(len(pattern), np.nan), (), ()), []))
        elif len(telling) < FEWEST_FOR_MEDIAN:
            comparison = compare(pattern, patterns[others[0]])
            result.append((comparison, _order_faults(comparison, names[others[0]])))
        else:
            comparison = compare(pattern, usual)
            reference = "the session's other recordings"
            result.append((comparison, _order_faults(comparison, reference)))
    return result


def _order_faults(comparison: Comparison, reference: str) -> list[Fault]:
    swapped = [
        Fault("swapped", group, f"channels {_listed(group)} swapped, compared with {reference}")
        for group in comparison.moved
    ]
    astray = [
        Fault(
            "astray",
            (channel,),
            f"channel {channel} astray (its delays differ by {comparison.misfit_ms[channel]:.2f} "
            f"ms from those in {reference})",
        )
        for channel in comparison.astray
    ]
    return swapped + astray


def _listed(channels: Sequence[int]) -> str:
    return f"{', '.join(map(str, channels[:-1]))} and {channels[-1]}"


def _rows(
    recording: Recording,
    measured: Measured,
    found: Sequence[Fault],
    pattern: np.ndarray,
    comparison: Comparison,
) -> list[dict]:
    names = {name: getattr(recording, name) for name in ("participant", "session", "recording")}
    rows = []
    for i, channel in enumerate(measured.names):
        numbers = {
            "level_db": (measured.level_db[i], 1),
            "noise_db": (measured.noise_db[i], 1),
            "snr_db": (measured.snr_db[i], 1),
            "heard": (measured.heard[i], 3),
            "clipped": (measured.clipped[i], 3),
            "dropped_s": (measured.dropped_s[i], 2),
            "offset": (measured.offset[i], 4),
            **{name: (at, 4) for name, at in zip(PLANE_COLUMNS, pattern[channel], strict=True)},
            "misfit_ms": (comparison.misfit_ms[channel], 4),
        }
        row = {**names, "channel": channel, "verdict": OK, "warning": "", "taps": measured.taps}
        for name, (value, digits) in numbers.items():
            # Adding zero turns −0.0 into 0.0.
            row[name] = round(float(value), digits) + 0.0 if np.isfinite(value) else None
        rows.append(_with(row, found))
    return rows


def _with(row: dict, found: Sequence[Fault]) -> dict:
    """A row with what was found of its channel, after what it says already."""
    own = [fault for fault in found if int(row["channel"]) in fault.channels]
    if not own:
        return row
    kinds = [] if row["verdict"] == OK else [row["verdict"]]
    texts = [row["warning"]] if row["warning"] else []
    return {
        **row,
        "verdict": JOIN.join(dict.fromkeys([*kinds, *(fault.kind for fault in own)])),
        "warning": JOIN.join([*texts, *(fault.text for fault in own)]),
    }


def _without(row: dict[str, str], kind: str) -> dict[str, str]:
    kinds = [own for own in row["verdict"].split(JOIN) if own != kind]
    texts = [text for text in row["warning"].split(JOIN) if f" {kind}, compared with" not in text]
    return {**row, "verdict": JOIN.join(kinds) or OK, "warning": JOIN.join(texts)}


def read_pattern(rows: Sequence[dict[str, str]]) -> np.ndarray:
    """The delay pattern, as `fit_pattern` gave it, from one recording's rows: [channels, 3]."""
    last = max(int(row["channel"]) for row in rows)
    pattern = np.full((last + 1, len(PLANE_COLUMNS)), np.nan)
    for row in rows:
        pattern[int(row["channel"])] = [float(row[name] or "nan") for name in PLANE_COLUMNS]
    return pattern
