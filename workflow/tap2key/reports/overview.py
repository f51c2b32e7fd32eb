"""Stage `overview`: what the study holds, what segmentation found, what was left out and why."""

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tap2key.core.files import read_tsv
from tap2key.core.folders import atomic_folder
from tap2key.core.html_tables import formatted, write_table
from tap2key.core.log import log
from tap2key.core.output_guard import check_output_folder
from tap2key.core.provenance import write_provenance
from tap2key.evaluation.detection import AUDITS_NAME, DETECTION, detection_scores, totals
from tap2key.evaluation.tap_conditions import TAP_CONDITIONS_NAME, tap_conditions
from tap2key.reports.plot_channels import draw_channels
from tap2key.segmentation.channel_table import (
    CHANNEL_COLUMNS,
    CHANNELS_NAME,
    OK,
    PLANE_COLUMNS,
    study_rows,
    study_warnings,
)
from tap2key.segmentation.recordings_table import RECORDINGS_NAME
from tap2key.segmentation.taps import TAPS_NAME
from tap2key.study.manifest import PASSED_OVER_COLUMNS, read_manifest

LEFT_OUT_COLUMNS = ("participant", "session", "recording", "reason")
COUNTED = ("taps", "touches", "matched", "unmatched_taps", "unmatched_touches")
ALSO_COUNTED = ("unverified", "overlapping_taps", "taps_cut_off", "none_dropped")
OVERVIEW_COLUMNS = (
    *("participant", "session", "recordings", "left_out", "minutes"),
    *COUNTED,
    *ALSO_COUNTED,
)
# What a person checks first; recordings.tsv has every column.
AUDIT_COLUMNS = (
    *("participant", "session", "recording", "status", "duration_s", "latency_s", "drift_ppm"),
    *(*COUNTED, "none_dropped"),
    *("residual_median_ms", "residual_p95_ms", "jitter_ms", "boundary_share", "warnings"),
)
DETECTION_NOTE = (
    "The touch sensor is the truth. Missed taps are touches without an onset in the sound, "
    "invented ones onsets without a touch; what the sensor itself invents (a palm) or misses is "
    "among them. Recall is the share of touches that were found, precision the share of found taps "
    "that a touch confirms, F1 their harmonic mean; the last row sums all touches and taps. "
    "Recordings that were left out are not counted."
)
SHOWN_OF_CHANNELS = tuple(c for c in CHANNEL_COLUMNS if c not in PLANE_COLUMNS)


CHANNELS_NOTE = (
    "What is flagged comes first. Level: the loudest sample of the median tap above 500 Hz; noise: "
    "the floor above 2 kHz; snr: taps over the noise before them, above 500 Hz. Heard and clipped "
    "are shares of the taps; dropped s are seconds of one value while the other channels sound. "
    "Misfit: how far the channel's delays, as they follow the place touched, lie from those in the "
    "session's other recordings. Taps of flagged channels are used all the same: leave the "
    "recording out with use = no in study.tsv if they must not count."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the stage's command line."""
    # Not every session's folder: a study's thousands are more than a command line may hold.
    parser.add_argument(
        "--manifest", type=Path, required=True, help="the study's results/manifest.tsv"
    )
    parser.add_argument(
        "--passed-over", type=Path, help="the study's results/passed_over.tsv, to list it too"
    )
    parser.add_argument("--participants", nargs="+", required=True, help="participants to include")
    parser.add_argument("--taps", type=Path, required=True, help="folder of all taps: results/taps")
    parser.add_argument("--output", type=Path, required=True, help="folder for the tables")


def main(args: argparse.Namespace) -> None:
    """Write tables of sessions, recordings, channels and what is left out; draw the channels."""
    check_output_folder(args, "overview")
    wanted = set(args.participants)
    sessions = {
        (r.participant, r.session): r.array
        for r in read_manifest(args.manifest)
        if r.participant in wanted
    }
    folders = [args.taps / person / session for person, session in sessions]
    read = (RECORDINGS_NAME, CHANNELS_NAME, TAPS_NAME)
    files = [folder / name for folder in folders for name in read]
    audits = [row for f in folders for row in read_tsv(f / RECORDINGS_NAME, LEFT_OUT_COLUMNS)]
    of_sessions = [read_tsv(f / CHANNELS_NAME, CHANNEL_COLUMNS) for f in folders]
    conditions = [tap_conditions(*own) for own in zip(folders, of_sessions, strict=True)]
    measured = [row for own in of_sessions for row in own]
    channels = study_rows(measured, sessions)
    _bring_up_to_date(audits, measured, channels)
    flagged = [row for row in channels if row["verdict"] != OK]
    left_out = [row for row in audits if row["status"] != "ok"]
    unused = passed_over_rows(args.passed_over, wanted)
    with atomic_folder(args.output, "overview") as temporary:
        write_table(
            temporary / "sessions",
            overview_rows(audits),
            OVERVIEW_COLUMNS,
            "The study",
            "Participants, sessions and recordings. Matched taps carry a key; unmatched taps have "
            "no touch near them, unmatched touches no tap. Unverified labels were paired by order "
            "and may be shifted. Taps too near a recording's end are cut off and not used.",
        )
        write_table(
            temporary / "detection",
            map(formatted, detection_rows(audits)),
            ("participant", "recordings", "left_out", *DETECTION),
            "Taps found, missed and invented",
            DETECTION_NOTE,
        )
        pq.write_table(pa.concat_tables(conditions), temporary / TAP_CONDITIONS_NAME)
        write_table(
            temporary / Path(AUDITS_NAME).stem,
            audits,
            AUDIT_COLUMNS,
            "Segmentation of every recording",
            "Latency and drift are of the sound card against the touch sensor. Residuals are times "
            "between tap and touch after that is taken off; a median far above 5 ms, or many "
            "unmatched taps and touches, asks for a look at the recording.",
        )
        write_table(
            temporary / "left_out",
            [*left_out, *unused],
            LEFT_OUT_COLUMNS,
            f"{len(left_out)} of {len(audits)} recordings left out, {len(unused)} files and "
            "folders passed over",
            "Nothing of these is used in any experiment. Of files and folders that were not taken "
            "as recordings or touch logs the path is given.",
        )
        write_table(
            temporary / "compared_channels",
            [*flagged, *(row for row in channels if row["verdict"] == OK)],
            SHOWN_OF_CHANNELS,
            f"{len(flagged)} of {len(channels)} channels of recordings flagged",
            CHANNELS_NOTE,
        )
        draw_channels(temporary / "compared_channels", channels)
        write_provenance(
            temporary,
            "overview",
            __name__,
            {},
            [*files, *([] if args.passed_over is None else [args.passed_over])],
            (),
        )
    log.info(f"{args.output}: {len(audits)} recordings, {len(left_out)} left out")


def passed_over_rows(table: Path | None, participants: Iterable[str]) -> list[dict[str, str]]:
    """What was passed over in these participants' sessions, or in none, as rows of left_out."""
    found = [] if table is None else read_tsv(table, PASSED_OVER_COLUMNS)
    return [
        {**row, "recording": row["path"]}
        for row in found
        if not row["participant"] or row["participant"] in participants
    ]


def _bring_up_to_date(
    audits: Sequence[dict[str, str]],
    before: Sequence[dict[str, str]],
    after: Sequence[dict[str, str]],
) -> None:
    sessions = [_by_session(rows) for rows in (before, after)]
    for audit in audits:
        own = [rows.get((audit["participant"], audit["session"]), []) for rows in sessions]
        audit["warnings"] = study_warnings(audit, *own)


def _by_session(rows: Sequence[dict[str, str]]) -> dict[tuple[str, str], list[dict[str, str]]]:
    found: dict[tuple[str, str], list[dict[str, str]]] = {}
    for row in rows:
        found.setdefault((row["participant"], row["session"]), []).append(row)
    return found


def overview_rows(audits: Sequence[dict[str, str]]) -> list[dict[str, object]]:
    """One row per session with its sums, one per participant, and one for all.

    Args:
        audits: rows of `recordings.tsv` of all sessions.
    """
    rows = []
    people = dict.fromkeys(a["participant"] for a in audits)
    for person in people:
        own = [a for a in audits if a["participant"] == person]
        sessions = dict.fromkeys(a["session"] for a in own)
        rows += [
            _row(person, session, [a for a in own if a["session"] == session])
            for session in sessions
        ]
        if len(sessions) > 1:
            rows.append(_row(person, f"all {len(sessions)}", own))
    return [*rows, _row(f"all {len(people)}", "", audits)]


def detection_rows(audits: Sequence[dict[str, str]]) -> list[dict[str, object]]:
    """One row per participant of how taps were found, and one for all.

    Args:
        audits: rows of `recordings.tsv` of all sessions.
    """
    people = dict.fromkeys(audit["participant"] for audit in audits)
    groups = {person: [a for a in audits if a["participant"] == person] for person in people}
    return [
        {
            "participant": name,
            "recordings": len(own),
            "left_out": sum(audit["status"] != "ok" for audit in own),
            **detection_scores(own),
        }
        for name, own in {**groups, f"all {len(people)}": [*audits]}.items()
    ]


def _row(participant: str, session: str, audits: Sequence[dict[str, str]]) -> dict[str, object]:
    used = [a for a in audits if a["status"] == "ok"]
    row: dict[str, object] = {
        "participant": participant,
        "session": session,
        "recordings": len(audits),
        "left_out": len(audits) - len(used),
        "minutes": f"{sum(float(a['duration_s'] or 0) for a in used) / 60:.1f}",
    }
    return row | totals(audits, (*COUNTED, *ALSO_COUNTED))
