import argparse
from datetime import datetime

import pyarrow.parquet as pq
import pytest
from PIL import Image

from tap2key.core.files import read_tsv, write_tsv
from tap2key.reports import overview
from tap2key.segmentation.channel_table import CHANNEL_COLUMNS
from tap2key.segmentation.recordings_table import RECORDING_COLUMNS
from tap2key.segmentation.taps import write_taps
from tap2key.study.manifest import Recording, write_manifest, write_passed_over
from tap2key.study.session_files import PassedOver


def make_recording(root, person, session, name, **audit):
    path = root / "study" / person / session / f"{name}.wav"
    recording = Recording(person, session, name, path, datetime(2023, 1, 27), None, (path,))
    row = {"participant": person, "session": session, "recording": name, "status": "ok", **audit}
    return recording, row


def test_the_study_is_summed_by_session_and_by_participant_of_those_who_take_part(tmp_path):
    made = [
        make_recording(tmp_path, "Ann O'Neil", "1", "a", duration_s=60, taps=10, matched=9),
        make_recording(tmp_path, "Ann O'Neil", "1", "b", duration_s=30, taps=5, matched=5),
        make_recording(tmp_path, "Ann O'Neil", "2", "c", status="left out", reason="silent"),
        make_recording(tmp_path, "Bo", "1", "d", duration_s=120, taps=20, matched=20),
        make_recording(tmp_path, "Cy", "1", "e", duration_s=600, taps=99, matched=99),
    ]
    passed_over = tmp_path / "passed_over.tsv"
    stray = PassedOver(tmp_path / "x.mp3", "save it as .wav")
    write_passed_over(passed_over, [stray, stray.of("Cy", "1"), stray.of("Ann O'Neil", "2")])
    out = made_overview(tmp_path, made, ["Ann O'Neil"], more=["--passed-over", passed_over])
    rows = read_tsv(out / "sessions.tsv")
    shown = [
        (r["participant"], r["session"], r["recordings"], r["minutes"], r["taps"]) for r in rows
    ]
    assert shown == [
        ("Ann O'Neil", "1", "2", "1.5", "15"),
        ("Ann O'Neil", "2", "1", "0.0", "0"),
        ("Ann O'Neil", "all 2", "3", "1.5", "15"),
        ("all 1", "", "3", "1.5", "15"),
    ]
    left_out = read_tsv(out / "left_out.tsv")
    assert [(row["session"], row["recording"], row["reason"]) for row in left_out] == [
        ("2", "c", "silent"),
        ("", str(tmp_path / "x.mp3"), "save it as .wav"),
        ("2", str(tmp_path / "x.mp3"), "save it as .wav"),
    ]


def made_overview(tmp_path, made, people, channels=None, more=(), taps_of=None):
    manifest, taps = tmp_path / "manifest.tsv", tmp_path / "taps"
    write_manifest(manifest, [recording for recording, _ in made])
    for person, session in {(row["participant"], row["session"]) for _, row in made}:
        own = [
            r for r in [row for _, row in made] + (channels or []) if in_session(r, person, session)
        ]
        folder = taps / person / session
        folder.mkdir(parents=True)
        audits = [r for r in own if "status" in r]
        write_tsv(folder / "recordings.tsv", audits, RECORDING_COLUMNS)
        write_tsv(folder / "channels.tsv", [r for r in own if "status" not in r], CHANNEL_COLUMNS)
        rows = (taps_of or {}).get((person, session), [])
        write_taps(folder / "taps.parquet", rows, "", ("a", "b"))
    parser = argparse.ArgumentParser()
    overview.add_arguments(parser)
    where = ["--manifest", manifest, "--taps", taps, "--output", tmp_path / "out", *more]
    overview.main(parser.parse_args([*map(str, where), "--participants", *people]))
    return tmp_path / "out"


def in_session(row, person, session):
    return (row["participant"], row["session"]) == (person, session)


# Delays in the middle of the keyboard, along x and along y, of eight microphones around it.
PLANES = [(0.2 * abs(i % 4 - 1.5), 0.3 * (1.5 - i % 4), 0.2 * (-1) ** (i // 4)) for i in range(8)]


def channel_rows(audit, order=range(8), flagged=None):
    rows = []
    for channel in range(8):
        kind = "dead" if channel == flagged else "ok"
        said = f"channel {channel} dead (silent: all samples equal)" if channel == flagged else ""
        delays = ("", "", "") if channel == flagged else PLANES[list(order)[channel]]
        rows.append(
            {
                **{name: audit[name] for name in ("participant", "session", "recording")},
                **{"channel": channel, "verdict": kind, "warning": said, "taps": 40},
                **{"level_db": -20.0, "noise_db": -70.0, "snr_db": 45.0, "heard": 1.0},
                **dict(zip(("delay_ms", "delay_x_ms", "delay_y_ms"), delays, strict=True)),
            }
        )
    return rows


def test_channels_are_compared_across_the_study_and_drawn(tmp_path):
    made = [make_recording(tmp_path, person, "1", "a") for person in ("Ann", "Bo", "Cy", "Di")]
    audits = [row for _, row in made]
    audits[0]["warnings"] = "half of the touches are missing"
    audits[2]["warnings"] = "channel 3 dead (silent: all samples equal)"
    order = [0, 2, 1, 3, 4, 5, 6, 7]
    channels = [
        *channel_rows(audits[0], order),
        *channel_rows(audits[1]),
        *channel_rows(audits[2], flagged=3),
        *channel_rows(audits[3]),
    ]
    out = made_overview(tmp_path, made, ["Ann", "Bo", "Cy", "Di"], channels)
    rows = read_tsv(out / "compared_channels.tsv")
    assert len(rows) == 4 * 8
    flagged = [(r["participant"], r["channel"], r["verdict"]) for r in rows if r["warning"]]
    assert flagged == [("Ann", "1", "swapped"), ("Ann", "2", "swapped"), ("Cy", "3", "dead")]
    assert [r["warnings"] for r in read_tsv(out / "segmented_recordings.tsv")] == [
        "half of the touches are missing; channels 1 and 2 swapped, compared with the study's "
        "other sessions",
        "",
        "channel 3 dead (silent: all samples equal)",
        "",
    ]
    with Image.open(out / "compared_channels.png") as picture:
        assert min(picture.size) > 200


def test_taps_found_missed_and_invented_are_counted_by_participant(tmp_path):
    counted = {"unmatched_taps": 2, "unmatched_touches": 4}
    made = [
        make_recording(tmp_path, "Ann", "1", "a", taps=38, touches=40, **counted),
        make_recording(tmp_path, "Ann", "2", "b", taps=18, touches=20, **counted),
        make_recording(tmp_path, "Ann", "2", "c", status="left out", taps=9),
        make_recording(tmp_path, "Bo", "1", "d", taps=12),
    ]
    out = made_overview(tmp_path, made, ["Ann", "Bo"])
    ann, bo, everybody = read_tsv(out / "detection.tsv")
    assert [row["participant"] for row in (ann, bo, everybody)] == ["Ann", "Bo", "all 2"]
    assert (ann["recordings"], ann["left_out"], ann["touches"]) == ("3", "1", "60")
    assert (ann["missed_taps"], ann["invented_taps"]) == ("8", "4")
    recall, precision = 52 / 60, 52 / 56
    assert float(ann["detection_recall"]) == pytest.approx(recall, abs=1e-4)
    assert float(ann["detection_precision"]) == pytest.approx(precision, abs=1e-4)
    f1 = 2 / (1 / recall + 1 / precision)
    assert float(ann["detection_f1"]) == pytest.approx(f1, abs=1e-4)
    # Without a touch nothing can be said.
    assert bo["detection_recall"] == bo["touches"] == ""
    assert (everybody["touches"], everybody["missed_taps"]) == ("60", "8")


def test_gaps_and_snr_are_those_of_each_recording(tmp_path):
    made = [make_recording(tmp_path, "Ann", "1", name) for name in "abc"]
    audits = [row for _, row in made]
    times = {"a": (1.0, 1.1, 1.4), "b": (1.0,), "c": (1.0, 1.2)}
    peaks = {"a": (0.2, 0.1, 0.01), "b": (0.3,), "c": (0.2, 0.2)}
    rows = [
        {
            **{"participant": "Ann", "session": "1", "recording": name, "tap": tap},
            **{"time_s": time, "peak": peak, "label": "a"},
            # Clips have no touch, and no time but the one in the reel that was made of them.
            **({} if name == "c" else {"touch_time": datetime(2023, 1, 27)}),
        }
        for name in times
        for tap, (time, peak) in enumerate(zip(times[name], peaks[name], strict=True))
    ]
    channels = channel_rows(audits[0])
    for row, ratio in zip(channels, (0, 30, 30, 30, 30, 30, 30, 90), strict=True):
        row["snr_db"] = ratio
    taps_of = {("Ann", "1"): rows}
    out = made_overview(tmp_path, made, ["Ann"], channels, taps_of=taps_of)
    found = pq.read_table(out / "tap_conditions.parquet").to_pylist()
    assert [(row["recording"], row["tap"]) for row in found] == [
        (row["recording"], row["tap"]) for row in rows
    ]
    gaps = [row["gap_ms"] for row in found]
    assert gaps[:3] == pytest.approx([100, 100, 300])
    assert gaps[3:] == [float("inf"), None, None]
    # The median channel's 30 dB are of the tap with the median peak; others are 6 and -20 dB off.
    ratios = [row["snr_db"] for row in found]
    assert ratios[:3] == pytest.approx([36.02, 30, 10], abs=0.01)
    assert ratios[3:] == [None, None, None]
