import argparse
from datetime import datetime

from PIL import Image

from tap2key.core.files import read_tsv, write_tsv
from tap2key.reports import overview
from tap2key.segmentation.channel_table import CHANNEL_COLUMNS
from tap2key.segmentation.recordings_table import RECORDING_COLUMNS
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


def made_overview(tmp_path, made, people, channels=None, more=()):
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
        said = f"channel {channel} dead (silent: all samples alike)" if channel == flagged else ""
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
    audits[2]["warnings"] = "channel 3 dead (silent: all samples alike)"
    order = [0, 2, 1, 3, 4, 5, 6, 7]
    channels = [
        *channel_rows(audits[0], order),
        *channel_rows(audits[1]),
        *channel_rows(audits[2], flagged=3),
        *channel_rows(audits[3]),
    ]
    out = made_overview(tmp_path, made, ["Ann", "Bo", "Cy", "Di"], channels)
    rows = read_tsv(out / "channels.tsv")
    assert len(rows) == 4 * 8
    flagged = [(r["participant"], r["channel"], r["verdict"]) for r in rows if r["warning"]]
    assert flagged == [("Ann", "1", "swapped"), ("Ann", "2", "swapped"), ("Cy", "3", "dead")]
    assert [r["warnings"] for r in read_tsv(out / "recordings.tsv")] == [
        "half of the touches are missing; channels 1 and 2 swapped, beside the study's other "
        "sessions",
        "",
        "channel 3 dead (silent: all samples alike)",
        "",
    ]
    with Image.open(out / "channels.png") as picture:
        assert min(picture.size) > 200
