import argparse
from datetime import datetime

from tap2key import overview
from tap2key.files import read_tsv, write_tsv
from tap2key.manifest import write_passed_over
from tap2key.segment import RECORDING_COLUMNS
from tap2key.session_files import PassedOver
from tap2key.study import Recording, write_manifest


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
    manifest, taps = tmp_path / "manifest.tsv", tmp_path / "taps"
    write_manifest(manifest, [recording for recording, _ in made])
    for person, session in {(row["participant"], row["session"]) for _, row in made}:
        own = [r for _, r in made if (r["participant"], r["session"]) == (person, session)]
        folder = taps / person / session
        folder.mkdir(parents=True)
        write_tsv(folder / "recordings.tsv", own, RECORDING_COLUMNS)
    parser = argparse.ArgumentParser()
    overview.add_arguments(parser)
    passed_over = tmp_path / "passed_over.tsv"
    stray = PassedOver(tmp_path / "x.mp3", "save it as .wav")
    write_passed_over(passed_over, [stray, stray.of("Cy", "1"), stray.of("Ann O'Neil", "2")])
    where = ["--manifest", manifest, "--taps", taps, "--output", tmp_path / "out"]
    where += ["--passed-over", passed_over]
    overview.main(parser.parse_args([*map(str, where), "--participants", "Ann O'Neil"]))
    rows = read_tsv(tmp_path / "out" / "sessions.tsv")
    shown = [
        (r["participant"], r["session"], r["recordings"], r["minutes"], r["taps"]) for r in rows
    ]
    assert shown == [
        ("Ann O'Neil", "1", "2", "1.5", "15"),
        ("Ann O'Neil", "2", "1", "0.0", "0"),
        ("Ann O'Neil", "all 2", "3", "1.5", "15"),
        ("all 1", "", "3", "1.5", "15"),
    ]
    left_out = read_tsv(tmp_path / "out" / "left_out.tsv")
    assert [(row["session"], row["recording"], row["reason"]) for row in left_out] == [
        ("2", "c", "silent"),
        ("", str(tmp_path / "x.mp3"), "save it as .wav"),
        ("2", str(tmp_path / "x.mp3"), "save it as .wav"),
    ]
